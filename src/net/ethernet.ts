/** Ethernet II: the 14-byte header, addresses, and the mapping of IPv4 groups to them (RFC 894, RFC 1112). */
import type { LinkPacket } from './device.ts';
import { readU16, writeU16 } from './bytes.ts';

export const ETHERNET_HEADER_BYTES = 14;
export const ETHERNET_ADDRESS_BYTES = 6;
export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERNET_BROADCAST: Uint8Array = Uint8Array.of(255, 255, 255, 255, 255, 255);
/** Below this the field after the addresses is a length (IEEE 802.3), not a type. */
const LOWEST_TYPE = 0x0600;

/** The frame of a packet: header and data, without padding and frame check sequence. */
export function writeEthernet(packet: Pick<LinkPacket, 'destination' | 'source' | 'protocol' | 'data'>): Uint8Array {
  const frame = new Uint8Array(ETHERNET_HEADER_BYTES + packet.data.length);
  writeEthernetHeader(frame, 0, packet);
  frame.set(packet.data, ETHERNET_HEADER_BYTES);
  return frame;
}

/** Writes the 14 bytes of the header at `at`. */
export function writeEthernetHeader(
  bytes: Uint8Array,
  at: number,
  packet: Pick<LinkPacket, 'destination' | 'source' | 'protocol'>,
): void {
  bytes.set(packet.destination, at);
  bytes.set(packet.source, at + 6);
  writeU16(bytes, at + 12, packet.protocol);
}

/** What a frame holds, as views of its bytes; null if it is too short or no Ethernet II. */
export function readEthernet(frame: Uint8Array): Pick<LinkPacket, 'destination' | 'source' | 'protocol' | 'data'> | null {
  if (frame.length < ETHERNET_HEADER_BYTES) return null;
  const protocol = readU16(frame, 12);
  if (protocol < LOWEST_TYPE) return null;
  return {
    destination: frame.subarray(0, 6),
    source: frame.subarray(6, 12),
    protocol,
    data: frame.subarray(ETHERNET_HEADER_BYTES),
  };
}

/** The group address of an IPv4 group: 01:00:5e and its low 23 bits; of the limited broadcast address, the broadcast address. */
export function ethernetMulticast(ipv4: number): Uint8Array {
  if (ipv4 === 0xffffffff) return ETHERNET_BROADCAST;
  return Uint8Array.of(0x01, 0x00, 0x5e, (ipv4 >>> 16) & 0x7f, (ipv4 >>> 8) & 0xff, ipv4 & 0xff);
}

/** Group and broadcast addresses. */
export function isGroupAddress(address: Uint8Array): boolean {
  return ((address[0] as number) & 1) === 1;
}

/** The six bytes of `00:16:3e:00:00:01`, or null. */
export function parseMac(text: string): Uint8Array | null {
  if (!/^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/.test(text)) return null;
  return Uint8Array.from(text.split(':'), (part) => Number.parseInt(part, 16));
}
