/** FETH: 4 bytes on FLUSH, before its RETH (IBA vol. 1, annex A19; field places as in the Linux software RDMA driver). */
import { bits, layout } from './layout.ts';

export interface FethRepr {
  /** What the RETH selects: 0 the range of memory, 1 the whole region. 2 bits. */
  selectivity: number;
  /** Bit 0 global visibility, bit 1 persistence. 4 bits. */
  placement: number;
}

export const FETH = layout<FethRepr>('FETH', 4, { selectivity: bits(3, 2, 2), placement: bits(3, 4, 4) });

export function formatFeth(repr: FethRepr): string {
  return `flush selectivity ${repr.selectivity} placement ${repr.placement}`;
}
