/**
 * Addresses of an IPoIB link (RFC 4391): the 4-byte encapsulation header, the 20-byte link address, and the multicast GIDs of a partition.
 *
 *   header   EtherType (16), reserved (16, zero)
 *   address  flags (8: RFC 4755's RC and UC bits), QPN (24), GID (128)
 *   MGID     ff, flags 1 and scope, signature 401b (IPv4), P_Key with the full-membership bit, zeros, and the low 28 bits of the IPv4 group
 */
import type { Gid } from '../../verbs/index.ts';
import { readU16, writeU16, writeU32 } from '../bytes.ts';

/** Bytes of the encapsulation header. */
export const ENCAPSULATION_BYTES = 4;
export const LINK_ADDRESS_BYTES = 20;
/** Where the GID begins in a link address. */
export const GID_AT = 4;
/** RFC 4755: the interface takes RC connections. */
export const FLAG_RC = 0x80;
/** QPN of multicast. */
export const MULTICAST_QPN = 0xffffff;
/** The MGID's part that stands for IPv4. */
export const SIGNATURE_IPV4 = 0x401b;
/** Largest packet over a connection: a full IP packet less what keeps Linux's buffers aligned. */
export const CONNECTED_MTU = 65_520;

/** Flags 1 (transient), scope 2 (link-local). */
const FLAGS_AND_SCOPE = 0x12;
/** The full-membership bit, which MGIDs always carry. */
const FULL_MEMBER = 0x8000;

/** The link address of a queue pair of a port. */
export function linkAddress(flags: number, qpn: number, gid: Gid): Uint8Array {
  const address = new Uint8Array(LINK_ADDRESS_BYTES);
  writeU32(address, 0, ((flags << 24) | qpn) >>> 0);
  address.set(gid, GID_AT);
  return address;
}

/** The queue pair of a link address. */
export function addressQpn(address: Uint8Array): number {
  return ((address[1] as number) << 16) | ((address[2] as number) << 8) | (address[3] as number);
}

/** The GID of a link address; the bytes are shared. */
export function addressGid(address: Uint8Array): Gid {
  return address.subarray(GID_AT, LINK_ADDRESS_BYTES);
}

/** True for the address of a multicast group, the broadcast group included. */
export function isGroupLinkAddress(address: Uint8Array): boolean {
  return address[GID_AT] === 0xff;
}

function ipv4Mgid(pkey: number, group: number): Gid {
  const mgid = new Uint8Array(16);
  mgid[0] = 0xff;
  mgid[1] = FLAGS_AND_SCOPE;
  writeU16(mgid, 2, SIGNATURE_IPV4);
  writeU16(mgid, 4, pkey | FULL_MEMBER);
  writeU32(mgid, 12, group);
  return mgid;
}

/** The broadcast group of a partition: `ff12:401b:ffff::ffff:ffff` for the default one. */
export function broadcastMgid(pkey: number): Gid {
  return ipv4Mgid(pkey, 0xffffffff);
}

/** The group of an IPv4 multicast address: its low 28 bits. */
export function multicastMgid(pkey: number, ipv4: number): Gid {
  return ipv4Mgid(pkey, ipv4 & 0x0fffffff);
}

/** The P_Key in an IPoIB MGID; undefined for any other MGID. */
export function mgidPkey(mgid: Gid): number | undefined {
  const signature = readU16(mgid, 2);
  return mgid[0] === 0xff && (signature === SIGNATURE_IPV4 || signature === 0x601b) ? readU16(mgid, 4) : undefined;
}

/** What a child interface for a partition is called: `ib0.8001`. */
export function childName(parent: string, pkey: number): string {
  return `${parent}.${(pkey | FULL_MEMBER).toString(16).padStart(4, '0')}`;
}

/** Datagram MTU on links of `bytes` (a group's MTU): the header comes off. */
export function datagramMtu(bytes: number): number {
  return bytes - ENCAPSULATION_BYTES;
}
