/**
 * What a device does not do for a stack, done in software: completing checksums, and cutting GSO packets into segments.
 * So a packet that one device may have whole leaves by any other as that one needs it (a router between a vif and `ib0`).
 */
import type { DeviceFeatures, LinkPacket } from './device.ts';
import { ETHERTYPE_IPV4 } from './ethernet.ts';
import { internetChecksum, pseudoHeaderSum, readU16, readU32, writeU16, writeU32 } from './bytes.ts';
import { PROTOCOL_TCP, PROTOCOL_UDP, writeHeaderChecksum } from './ipv4.ts';

const TCP_FIN = 0x01;
const TCP_PSH = 0x08;
const TCP_CWR = 0x80;

/** Offset of the checksum in a transport's header, or −1. */
export function checksumOffset(protocol: number): number {
  if (protocol === PROTOCOL_TCP) return 16;
  return protocol === PROTOCOL_UDP ? 6 : -1;
}

/** Writes the transport checksum over the real bytes of the IPv4 packet `data`. UDP's zero is written as all ones (RFC 768). */
export function fillChecksum(data: Uint8Array): void {
  const headerBytes = ((data[0] as number) & 15) * 4;
  const protocol = data[9] as number;
  const offset = checksumOffset(protocol);
  if (offset < 0 || data.length < headerBytes + offset + 2) return;
  writeU16(data, headerBytes + offset, 0);
  const pseudo = pseudoHeaderSum(readU32(data, 12), readU32(data, 16), protocol, data.length - headerBytes);
  const sum = internetChecksum(data, headerBytes, data.length, pseudo);
  writeU16(data, headerBytes + offset, sum === 0 && protocol === PROTOCOL_UDP ? 0xffff : sum);
}

/** Whether a device with `features` can take `packet` as it is. */
export function fits(packet: LinkPacket, features: DeviceFeatures): boolean {
  return (packet.gso === null || features.gso) && (!packet.checksumBlank || features.checksum);
}

/** The packets to give to a device with `features` in place of `packet`. */
export function adaptPacket(packet: LinkPacket, features: DeviceFeatures): LinkPacket[] {
  if (fits(packet, features)) return [packet];
  if (packet.gso !== null && !features.gso) return segmentGso(packet, features.checksum);
  const data = packet.data.slice();
  fillChecksum(data);
  return [{ ...packet, data, checksumBlank: false, checksumVerified: true }];
}

/**
 * Cuts a GSO packet (TCP over IPv4) into segments of at most `gso.size` bytes of payload: sequence numbers and IP identifications count up, FIN and PSH stay
 * with the last, CWR with the first. Checksums hold the pseudo-header's sum if `blank`, else they are computed.
 */
export function segmentGso(packet: LinkPacket, blank: boolean): LinkPacket[] {
  const { data, gso } = packet;
  const ipBytes = ((data[0] as number) & 15) * 4;
  if (gso === null || gso.type !== 'tcpv4' || gso.size < 1 || packet.protocol !== ETHERTYPE_IPV4 || data[9] !== PROTOCOL_TCP)
    return [];
  if (data.length < ipBytes + 20) return [];
  const headerBytes = ipBytes + ((data[ipBytes + 12] as number) >>> 4) * 4;
  const sequence = readU32(data, ipBytes + 4);
  const id = readU16(data, 4);
  const flags = data[ipBytes + 13] as number;
  const segments: LinkPacket[] = [];
  for (let at = headerBytes, n = 0; at < data.length; at += gso.size, n++) {
    const end = Math.min(at + gso.size, data.length);
    const piece = new Uint8Array(headerBytes + end - at);
    piece.set(data.subarray(0, headerBytes));
    piece.set(data.subarray(at, end), headerBytes);
    writeU16(piece, 2, piece.length);
    writeU16(piece, 4, (id + n) & 0xffff);
    writeHeaderChecksum(piece, ipBytes);
    writeU32(piece, ipBytes + 4, (sequence + at - headerBytes) >>> 0);
    let mask = 0xff;
    if (end < data.length) mask &= ~(TCP_FIN | TCP_PSH);
    if (n > 0) mask &= ~TCP_CWR;
    piece[ipBytes + 13] = flags & mask;
    if (blank) writeBlankChecksum(piece);
    else fillChecksum(piece);
    segments.push({ ...packet, data: piece, gso: null, checksumBlank: blank, checksumVerified: true });
  }
  return segments;
}

/** Writes the pseudo-header's folded sum where the transport checksum will be: what a device with checksum offload completes. */
export function writeBlankChecksum(data: Uint8Array): void {
  const headerBytes = ((data[0] as number) & 15) * 4;
  const offset = checksumOffset(data[9] as number);
  if (offset < 0) return;
  const pseudo = pseudoHeaderSum(readU32(data, 12), readU32(data, 16), data[9] as number, data.length - headerBytes);
  const folded = (pseudo & 0xffff) + (pseudo >>> 16);
  writeU16(data, headerBytes + offset, (folded & 0xffff) + (folded >>> 16));
}
