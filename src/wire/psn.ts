/**
 * Packet sequence numbers: 24-bit counters that wrap, compared in a half window of 2^23 (IBA vol. 1, 9.7.2).
 * The same arithmetic serves the MSN. Everything here is plain integer work, fit for the hot path.
 */

/** 24 bits, all ones. */
export const PSN_MASK = 0xffffff;
/** Half of the sequence space: numbers further apart than this cannot be ordered. */
export const PSN_HALF_WINDOW = 0x800000;

/** `psn + count` modulo 2^24; `count` may be negative, |count| < 2^24. */
export function psnAdd(psn: number, count: number): number {
  return (psn + count) & PSN_MASK;
}

/** The PSN after `psn`. */
export function psnNext(psn: number): number {
  return (psn + 1) & PSN_MASK;
}

/** How far `a` is ahead of `b`, −2^23 … 2^23 − 1: negative when `a` comes before `b`. */
export function psnDiff(a: number, b: number): number {
  return ((a - b) << 8) >> 8;
}

/** Whether `a` comes before `b` in the half window. */
export function psnLess(a: number, b: number): boolean {
  return psnDiff(a, b) < 0;
}

/** Whether `psn` lies in `first … first + count − 1` (count ≤ 2^23). */
export function psnInRange(psn: number, first: number, count: number): boolean {
  return ((psn - first) & PSN_MASK) < count;
}

/**
 * PSNs that a message of `bytes` takes at `mtuBytes` per packet: one for an empty message, else ⌈bytes / mtu⌉.
 * A READ request takes as many as its response has packets.
 */
export function psnSpan(bytes: number, mtuBytes: number): number {
  return bytes === 0 ? 1 : Math.ceil(bytes / mtuBytes);
}

/** Six hexadecimal digits, as `0x00beef`. */
export function formatPsn(psn: number): string {
  return `0x${psn.toString(16).padStart(6, '0')}`;
}
