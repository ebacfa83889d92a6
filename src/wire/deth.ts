/** DETH, datagram extended transport header: 8 bytes in every UD packet (IBA vol. 1, 9.3.2). */
import { formatQKey } from './address.ts';
import { layout, u24, u32 } from './layout.ts';

export interface DethRepr {
  /** 32 bits; the top bit marks a privileged key. */
  qKey: number;
  /** 24 bits. */
  sourceQp: number;
}

export const DETH = layout<DethRepr>('DETH', 8, { qKey: u32(0), sourceQp: u24(5) });

export function formatDeth(repr: DethRepr): string {
  return `qkey ${formatQKey(repr.qKey)} from qp ${repr.sourceQp}`;
}
