/**
 * AETH, the acknowledge extended transport header, and its tables: syndromes, end-to-end credit codes, RNR timers (IBA vol. 1, 9.7.5.2).
 *
 * Syndrome, 8 bits: `000ccccc` ACK with credit code c, `001ttttt` RNR NAK with timer code t, `011nnnnn` NAK with code n.
 */
import { layout, u8, u24 } from './layout.ts';

export const AETH_BYTES = 4;

export interface AethRepr {
  /** 8 bits, see above. */
  syndrome: number;
  /** Message sequence number, 24 bits. */
  msn: number;
}

export const AETH = layout<AethRepr>('AETH', AETH_BYTES, { syndrome: u8(0), msn: u24(1) });

/** Kinds of syndrome: bits 6–5. */
export const AETH_KIND_ACK = 0;
export const AETH_KIND_RNR = 1;
export const AETH_KIND_RESERVED = 2;
export const AETH_KIND_NAK = 3;

/** ACK of a responder that hands out no credits (code 31), as with an SRQ. */
export const AETH_ACK_NO_CREDITS = 0x1f;
/** RNR NAK, to be combined with a timer code 0 … 31. */
export const AETH_RNR_NAK = 0x20;
export const AETH_NAK_PSN_SEQUENCE = 0x60;
export const AETH_NAK_INVALID_REQUEST = 0x61;
export const AETH_NAK_REMOTE_ACCESS = 0x62;
export const AETH_NAK_REMOTE_OPERATIONAL = 0x63;
export const AETH_NAK_INVALID_RD_REQUEST = 0x64;

/** `AETH_KIND_*` of a syndrome. */
export function aethKind(syndrome: number): number {
  return (syndrome >> 5) & 3;
}

/** The lower five bits: credit code, timer code or NAK code. */
export function aethValue(syndrome: number): number {
  return syndrome & 0x1f;
}

/** Syndrome and MSN in one 32-bit word, as on the wire. The result may be negative: it is an int32. */
export function aethWord(syndrome: number, msn: number): number {
  return (syndrome << 24) | (msn & 0xffffff);
}

/** Syndrome of an AETH word. */
export function aethWordSyndrome(word: number): number {
  return word >>> 24;
}

/** MSN of an AETH word. */
export function aethWordMsn(word: number): number {
  return word & 0xffffff;
}

/** Credit code that says nothing about credits. */
export const CREDIT_CODE_NONE = 31;

/** Receive WQEs on offer, by credit code; −1 for code 31, "no information". */
export const CREDIT_COUNTS = new Int32Array([
  0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288,
  16384, 24576, 32768, -1,
]);

/** The code for the largest number of credits that is not above `count` (≥ 0). */
export function creditCode(count: number): number {
  let code = 30;
  while (CREDIT_COUNTS[code] > count) code--;
  return code;
}

/** RNR NAK timers in units of 10 µs, by code. Code 0 is the longest. */
const RNR_TIMER_10US = [
  65536, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192,
  12288, 16384, 24576, 32768, 49152,
];

/** RNR NAK timer by code 0 … 31, in picoseconds: 655.36 ms, 0.01 ms, 0.02 ms … 491.52 ms. */
export const RNR_TIMER_PS = new Float64Array(RNR_TIMER_10US.map((units) => units * 10_000_000));

/** The code of the shortest RNR timer that lasts at least `ps`; 0 (655.36 ms) when none is long enough. */
export function rnrTimerCode(ps: number): number {
  for (let code = 1; code < 32; code++) if (RNR_TIMER_PS[code] >= ps) return code;
  return 0;
}

const NAK_NAMES: readonly string[] = [
  'PSN sequence error',
  'invalid request',
  'remote access error',
  'remote operational error',
  'invalid RD request',
];

/** A syndrome in words: `ACK credits 16`, `RNR NAK 1.28 ms`, `NAK remote access error`. */
export function formatSyndrome(syndrome: number): string {
  const value = aethValue(syndrome);
  if (syndrome & 0x80) return `reserved syndrome 0x${syndrome.toString(16)}`;
  switch (aethKind(syndrome)) {
    case AETH_KIND_ACK:
      return value === CREDIT_CODE_NONE ? 'ACK' : `ACK credits ${CREDIT_COUNTS[value]}`;
    case AETH_KIND_RNR:
      return `RNR NAK ${RNR_TIMER_PS[value] / 1e9} ms`;
    case AETH_KIND_NAK:
      return `NAK ${NAK_NAMES[value] ?? `code ${value}`}`;
    default:
      return `reserved syndrome 0x${syndrome.toString(16)}`;
  }
}

export function formatAeth(repr: AethRepr): string {
  return `${formatSyndrome(repr.syndrome)} msn ${repr.msn}`;
}
