/** Bytes in network order, IPv4 addresses as 32-bit numbers, and the Internet checksum (RFC 1071). */

export function readU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}

export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** `10.0.0.1`. */
export function formatIpv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** The address that `text` (four decimal numbers) names, or null. */
export function parseIpv4(text: string): number | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return null;
  const parts = match.slice(1).map(Number);
  if (parts.some((part) => part > 255)) return null;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

/** The mask of a prefix: 24 gives 255.255.255.0. */
export function prefixMask(prefixLength: number): number {
  return prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0;
}

export const LIMITED_BROADCAST = 0xffffffff;

/** 224.0.0.0/4. */
export function isMulticast(address: number): boolean {
  return address >>> 28 === 0xe;
}

/** 127.0.0.0/8. */
export function isLoopback(address: number): boolean {
  return address >>> 24 === 127;
}

/**
 * The one's complement sum of `bytes[from … to)` as 16-bit words in network order, odd lengths padded with a zero, added to `sum`, not folded to the end:
 * what is returned may be given to another call as long as every part but the last is of even length.
 */
export function sumWords(bytes: Uint8Array, from: number, to: number, sum = 0): number {
  // Words of four bytes, high halves beside low halves: doubles are exact to 2^53, so no carry can be lost in 64 KB.
  let total = sum;
  let at = from;
  const whole = to - 7;
  while (at < whole) {
    total +=
      ((bytes[at] as number) << 8) +
      (bytes[at + 1] as number) +
      ((bytes[at + 2] as number) << 8) +
      (bytes[at + 3] as number) +
      ((bytes[at + 4] as number) << 8) +
      (bytes[at + 5] as number) +
      ((bytes[at + 6] as number) << 8) +
      (bytes[at + 7] as number);
    at += 8;
  }
  for (; at + 1 < to; at += 2) total += ((bytes[at] as number) << 8) + (bytes[at + 1] as number);
  if (at < to) total += (bytes[at] as number) << 8;
  return total;
}

/** Adds the carries back in until 16 bits are left. */
export function foldSum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 65536);
  return folded;
}

/** The Internet checksum of `bytes[from … to)`, beginning with `sum`. */
export function internetChecksum(bytes: Uint8Array, from: number, to: number, sum = 0): number {
  return ~foldSum(sumWords(bytes, from, to, sum)) & 0xffff;
}

/** The sum over the IPv4 pseudo-header of UDP and TCP (RFC 768, RFC 9293). */
export function pseudoHeaderSum(source: number, destination: number, protocol: number, length: number): number {
  return (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + protocol + length;
}

/** Whether two link addresses are the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** `02:00:00:00:00:01`: a link address of any length. */
export function formatLinkAddress(address: Uint8Array): string {
  return Array.from(address, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}
