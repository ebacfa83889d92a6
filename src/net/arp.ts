/** ARP packets (RFC 826), for link addresses of any length: Ethernet's 6 bytes and IPoIB's 20 (RFC 4391: hardware type 32). */
import { ETHERTYPE_IPV4 } from './ethernet.ts';
import { readU16, readU32, writeU16, writeU32 } from './bytes.ts';

export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;
export const ARP_HARDWARE_ETHERNET = 1;
export const ARP_HARDWARE_INFINIBAND = 32;

export interface ArpPacket {
  readonly hardware: number;
  readonly operation: number;
  readonly senderLink: Uint8Array;
  readonly senderIp: number;
  readonly targetLink: Uint8Array;
  readonly targetIp: number;
}

/** Bytes of a packet with link addresses of `addressBytes`. */
export function arpBytes(addressBytes: number): number {
  return 16 + 2 * addressBytes;
}

export function writeArp(packet: ArpPacket): Uint8Array {
  const length = packet.senderLink.length;
  const bytes = new Uint8Array(arpBytes(length));
  writeU16(bytes, 0, packet.hardware);
  writeU16(bytes, 2, ETHERTYPE_IPV4);
  bytes[4] = length;
  bytes[5] = 4;
  writeU16(bytes, 6, packet.operation);
  bytes.set(packet.senderLink, 8);
  writeU32(bytes, 8 + length, packet.senderIp);
  bytes.set(packet.targetLink, 12 + length);
  writeU32(bytes, 12 + 2 * length, packet.targetIp);
  return bytes;
}

/** Reads a packet for IPv4 over links with addresses of `addressBytes` and this hardware type; null for any other. */
export function readArp(bytes: Uint8Array, hardware: number, addressBytes: number): ArpPacket | null {
  if (bytes.length < arpBytes(addressBytes)) return null;
  if (readU16(bytes, 0) !== hardware || readU16(bytes, 2) !== ETHERTYPE_IPV4) return null;
  if (bytes[4] !== addressBytes || bytes[5] !== 4) return null;
  return {
    hardware,
    operation: readU16(bytes, 6),
    senderLink: bytes.slice(8, 8 + addressBytes),
    senderIp: readU32(bytes, 8 + addressBytes),
    targetLink: bytes.slice(12 + addressBytes, 12 + 2 * addressBytes),
    targetIp: readU32(bytes, 12 + 2 * addressBytes),
  };
}
