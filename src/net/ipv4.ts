/** The IPv4 header (RFC 791): reading, writing, checking; and fragments of a packet. */
import { internetChecksum, readU16, readU32, writeU16, writeU32 } from './bytes.ts';

export const IPV4_HEADER_BYTES = 20;
export const IPV4_MAX_BYTES = 65_535;
export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;
export const DONT_FRAGMENT = 0x4000;
export const MORE_FRAGMENTS = 0x2000;
const OFFSET_MASK = 0x1fff;

/** A received packet, as the transports see it. */
export interface Ipv4Packet {
  /** The whole packet; `data[headerBytes … totalBytes)` is the transport's. */
  readonly data: Uint8Array;
  readonly headerBytes: number;
  readonly totalBytes: number;
  readonly id: number;
  readonly dontFragment: boolean;
  readonly moreFragments: boolean;
  /** In bytes. */
  readonly fragmentOffset: number;
  readonly ttl: number;
  readonly protocol: number;
  readonly source: number;
  readonly destination: number;
}

/** Why `readIpv4` turned a packet away. */
export type HeaderFault = 'too short' | 'version' | 'header length' | 'total length' | 'checksum';

/** Reads and checks a header, or says what is wrong with it. Bytes beyond the total length (padding of a short frame) do not count. */
export function readIpv4(data: Uint8Array): Ipv4Packet | HeaderFault {
  if (data.length < IPV4_HEADER_BYTES) return 'too short';
  const first = data[0] as number;
  if (first >>> 4 !== 4) return 'version';
  const headerBytes = (first & 15) * 4;
  if (headerBytes < IPV4_HEADER_BYTES || headerBytes > data.length) return 'header length';
  const totalBytes = readU16(data, 2);
  if (totalBytes < headerBytes || totalBytes > data.length) return 'total length';
  if (internetChecksum(data, 0, headerBytes) !== 0) return 'checksum';
  const fragment = readU16(data, 6);
  return {
    data,
    headerBytes,
    totalBytes,
    id: readU16(data, 4),
    dontFragment: (fragment & DONT_FRAGMENT) !== 0,
    moreFragments: (fragment & MORE_FRAGMENTS) !== 0,
    fragmentOffset: (fragment & OFFSET_MASK) * 8,
    ttl: data[8] as number,
    protocol: data[9] as number,
    source: readU32(data, 12),
    destination: readU32(data, 16),
  };
}

/** Writes a header without options in the first 20 bytes of `data`; the total length is that of `data`. */
export function writeIpv4(
  data: Uint8Array,
  id: number,
  flags: number,
  ttl: number,
  protocol: number,
  source: number,
  destination: number,
): void {
  data[0] = 0x45;
  data[1] = 0;
  writeU16(data, 2, data.length);
  writeU16(data, 4, id);
  writeU16(data, 6, flags);
  data[8] = ttl;
  data[9] = protocol;
  writeU16(data, 10, 0);
  writeU32(data, 12, source);
  writeU32(data, 16, destination);
  writeHeaderChecksum(data, IPV4_HEADER_BYTES);
}

/** Computes the header's checksum anew. */
export function writeHeaderChecksum(data: Uint8Array, headerBytes: number): void {
  writeU16(data, 10, 0);
  writeU16(data, 10, internetChecksum(data, 0, headerBytes));
}

/** The packet with its time to live lowered by one and the checksum mended (RFC 1624), as a copy. */
export function withLowerTtl(data: Uint8Array): Uint8Array {
  const copy = data.slice();
  copy[8] = (copy[8] as number) - 1;
  const sum = (~readU16(data, 10) & 0xffff) + (~readU16(data, 8) & 0xffff) + readU16(copy, 8);
  const folded = (sum & 0xffff) + (sum >>> 16);
  writeU16(copy, 10, ~((folded & 0xffff) + (folded >>> 16)) & 0xffff);
  return copy;
}

/**
 * Cuts a packet into fragments of at most `mtu` bytes. Options are copied into every fragment, which RFC 791 allows for those that need not be.
 * A packet that is a fragment itself is cut on.
 */
export function fragmentIpv4(data: Uint8Array, mtu: number): Uint8Array[] {
  const headerBytes = ((data[0] as number) & 15) * 4;
  const field = readU16(data, 6);
  const flags = field & DONT_FRAGMENT;
  const firstOffset = (field & OFFSET_MASK) * 8;
  const room = (mtu - headerBytes) & ~7;
  const pieces: Uint8Array[] = [];
  for (let at = headerBytes; at < data.length; at += room) {
    const end = Math.min(at + room, data.length);
    const piece = new Uint8Array(headerBytes + end - at);
    piece.set(data.subarray(0, headerBytes));
    piece.set(data.subarray(at, end), headerBytes);
    const more = end < data.length || (field & MORE_FRAGMENTS) !== 0 ? MORE_FRAGMENTS : 0;
    writeU16(piece, 2, piece.length);
    writeU16(piece, 6, flags | more | ((firstOffset + at - headerBytes) / 8));
    writeHeaderChecksum(piece, headerBytes);
    pieces.push(piece);
  }
  return pieces;
}
