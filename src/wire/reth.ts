/** RETH, RDMA extended transport header: 16 bytes on the first packet of a WRITE, on a READ request and on FLUSH (IBA vol. 1, 9.3.3). */
import { layout, u32, u64 } from './layout.ts';

export interface RethRepr {
  virtualAddress: bigint;
  rKey: number;
  /** Bytes of the whole message, up to 2^31. */
  dmaLength: number;
}

export const RETH = layout<RethRepr>('RETH', 16, { virtualAddress: u64(0), rKey: u32(8), dmaLength: u32(12) });

export function formatReth(repr: RethRepr): string {
  return `va 0x${repr.virtualAddress.toString(16)} rkey 0x${repr.rKey.toString(16)} length ${repr.dmaLength}`;
}
