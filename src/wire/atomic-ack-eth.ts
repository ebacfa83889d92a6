/** AtomicAckETH: 8 bytes after the AETH of an atomic acknowledge, what the memory held before (IBA vol. 1, 9.5.3). */
import { layout, u64 } from './layout.ts';

export interface AtomicAckEthRepr {
  original: bigint;
}

export const ATOMIC_ACK_ETH = layout<AtomicAckEthRepr>('AtomicAckETH', 8, { original: u64(0) });

export function formatAtomicAckEth(repr: AtomicAckEthRepr): string {
  return `original 0x${repr.original.toString(16)}`;
}
