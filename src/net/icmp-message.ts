/** ICMP messages (RFC 792): building and reading. */
import { internetChecksum, readU16, readU32, writeU16, writeU32 } from './bytes.ts';
import { IPV4_HEADER_BYTES, type Ipv4Packet } from './ipv4.ts';

export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
export const ICMP_ECHO = 8;
export const ICMP_TIME_EXCEEDED = 11;
export const ICMP_PARAMETER_PROBLEM = 12;
export const CODE_NET_UNREACHABLE = 0;
export const CODE_HOST_UNREACHABLE = 1;
export const CODE_PROTOCOL_UNREACHABLE = 2;
export const CODE_PORT_UNREACHABLE = 3;
export const CODE_FRAGMENTATION_NEEDED = 4;
export const CODE_TTL_EXCEEDED = 0;
export const CODE_REASSEMBLY_EXCEEDED = 1;
export const ICMP_HEADER_BYTES = 8;
/** RFC 1812 4.3.2.3: as much of the packet as fits in 576 bytes. */
const MAX_QUOTED = 576 - IPV4_HEADER_BYTES - ICMP_HEADER_BYTES;

/** An echo request or reply with room for the IPv4 header before it. */
export function writeEcho(type: number, identifier: number, sequence: number, payload: Uint8Array): Uint8Array {
  const data = new Uint8Array(IPV4_HEADER_BYTES + ICMP_HEADER_BYTES + payload.length);
  const at = IPV4_HEADER_BYTES;
  data[at] = type;
  writeU16(data, at + 4, identifier);
  writeU16(data, at + 6, sequence);
  data.set(payload, at + ICMP_HEADER_BYTES);
  writeU16(data, at + 2, internetChecksum(data, at, data.length));
  return data;
}

/** An error about `packet`, with room for the IPv4 header before it. `rest` is the word after the checksum (the MTU of "fragmentation needed"). */
export function writeIcmpError(type: number, code: number, rest: number, packet: Ipv4Packet): Uint8Array {
  const quoted = Math.min(packet.totalBytes, MAX_QUOTED);
  const data = new Uint8Array(IPV4_HEADER_BYTES + ICMP_HEADER_BYTES + quoted);
  const at = IPV4_HEADER_BYTES;
  data[at] = type;
  data[at + 1] = code;
  writeU32(data, at + 4, rest);
  data.set(packet.data.subarray(0, quoted), at + ICMP_HEADER_BYTES);
  writeU16(data, at + 2, internetChecksum(data, at, data.length));
  return data;
}

/** What an error message quotes: enough of the packet to find whose it was. */
export interface QuotedPacket {
  readonly protocol: number;
  readonly source: number;
  readonly destination: number;
  /** The first 8 bytes of the transport header, at least. */
  readonly transport: Uint8Array;
}

/** The packet that an error message in `bytes` (ICMP header first) quotes, or null. */
export function readQuoted(bytes: Uint8Array): QuotedPacket | null {
  const at = ICMP_HEADER_BYTES;
  if (bytes.length < at + IPV4_HEADER_BYTES || (bytes[at] as number) >>> 4 !== 4) return null;
  const headerBytes = ((bytes[at] as number) & 15) * 4;
  if (headerBytes < IPV4_HEADER_BYTES || bytes.length < at + headerBytes + 8) return null;
  // Only the first fragment has a transport header.
  if ((readU16(bytes, at + 6) & 0x1fff) !== 0) return null;
  return {
    protocol: bytes[at + 9] as number,
    source: readU32(bytes, at + 12),
    destination: readU32(bytes, at + 16),
    transport: bytes.subarray(at + headerBytes),
  };
}
