/** AtomicETH: 28 bytes on CmpSwap and FetchAdd (IBA vol. 1, 9.3.4). */
import { layout, u32, u64 } from './layout.ts';

export interface AtomicEthRepr {
  /** On an 8-byte border, or the responder refuses it. */
  virtualAddress: bigint;
  rKey: number;
  /** What to store (CmpSwap) or to add (FetchAdd). */
  swapOrAdd: bigint;
  /** CmpSwap only. */
  compare: bigint;
}

export const ATOMIC_ETH = layout<AtomicEthRepr>('AtomicETH', 28, {
  virtualAddress: u64(0),
  rKey: u32(8),
  swapOrAdd: u64(12),
  compare: u64(20),
});

export function formatAtomicEth(repr: AtomicEthRepr): string {
  const hex = (value: bigint) => `0x${value.toString(16)}`;
  return `va ${hex(repr.virtualAddress)} rkey 0x${repr.rKey.toString(16)} swap/add ${hex(repr.swapOrAdd)} compare ${hex(repr.compare)}`;
}
