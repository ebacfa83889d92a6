/** BTH, the base transport header: 12 bytes in every IBA packet (IBA vol. 1, 9.2). FECN and BECN are of its annex A10. */
import { formatPKey } from './address.ts';
import { bits, flag, layout, u8, u16, u24 } from './layout.ts';
import { OPCODE_NAMES } from './opcode.ts';
import { formatPsn } from './psn.ts';

export const BTH_BYTES = 12;

export interface BthRepr {
  /** See `opcode.ts`. */
  opcode: number;
  solicited: boolean;
  /** Migration state: set while the QP uses its primary (migrated) path. */
  migrated: boolean;
  /** Pad bytes after the payload, 0 … 3. */
  padCount: number;
  /** Transport header version, 0. */
  transportVersion: number;
  pKey: number;
  fecn: boolean;
  becn: boolean;
  /** 24 bits. */
  destQp: number;
  ackRequest: boolean;
  /** 24 bits. */
  psn: number;
}

export const BTH = layout<BthRepr>('BTH', BTH_BYTES, {
  opcode: u8(0),
  solicited: flag(1, 0),
  migrated: flag(1, 1),
  padCount: bits(1, 2, 2),
  transportVersion: bits(1, 4, 4),
  pKey: u16(2),
  fecn: flag(4, 0),
  becn: flag(4, 1),
  destQp: u24(5),
  ackRequest: flag(8, 0),
  psn: u24(9),
});

export function formatBth(repr: BthRepr): string {
  const flags = [
    repr.solicited && 'SE',
    repr.migrated && 'M',
    repr.ackRequest && 'A',
    repr.fecn && 'FECN',
    repr.becn && 'BECN',
    repr.padCount > 0 && `pad ${repr.padCount}`,
  ].filter((text) => text !== false);
  return [
    `${OPCODE_NAMES[repr.opcode]} qp ${repr.destQp} psn ${formatPsn(repr.psn)} pkey ${formatPKey(repr.pKey)}`,
    ...flags,
  ].join(' ');
}
