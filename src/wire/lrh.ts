/** LRH, the local route header: 8 bytes at the start of every data packet (IBA vol. 1, 7.7). */
import { formatLid } from './address.ts';
import { bits, layout, u16 } from './layout.ts';

export const LRH_BYTES = 8;

/** Link next header: what follows the LRH. */
export const LNH_RAW = 0;
export const LNH_IPV6 = 1;
/** BTH: a packet that stays in its subnet. */
export const LNH_LOCAL = 2;
/** GRH, then BTH. */
export const LNH_GLOBAL = 3;

export interface LrhRepr {
  /** Virtual lane, 0 … 15. Changes from link to link; the only field that the ICRC of a local packet leaves out. */
  vl: number;
  /** Link version, 0. */
  linkVersion: number;
  /** Service level, 0 … 15. */
  sl: number;
  /** `LNH_*`. */
  nextHeader: number;
  dlid: number;
  /** 4-byte words from the LRH to the ICRC, both included; the VCRC is not counted. 11 bits. */
  packetWords: number;
  slid: number;
}

export const LRH = layout<LrhRepr>('LRH', LRH_BYTES, {
  vl: bits(0, 0, 4),
  linkVersion: bits(0, 4, 4),
  sl: bits(1, 0, 4),
  nextHeader: bits(1, 6, 2),
  dlid: u16(2),
  packetWords: bits(4, 5, 11),
  slid: u16(6),
});

export function formatLrh(repr: LrhRepr): string {
  return `${formatLid(repr.slid)} > ${formatLid(repr.dlid)} sl ${repr.sl} vl ${repr.vl} words ${repr.packetWords}`;
}
