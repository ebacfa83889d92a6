/**
 * Addresses and keys: LID, GUID, GID, P_Key, Q_Key, QP numbers, with their ranges, tests and printed forms (IBA vol. 1, 4.1 and 10.9; RFC 4291, RFC 5952).
 */

export const LID_UNICAST_FIRST = 0x0001;
export const LID_UNICAST_LAST = 0xbfff;
export const LID_MULTICAST_FIRST = 0xc000;
export const LID_MULTICAST_LAST = 0xfffe;
/** Addresses the port at the other end of the link; directed-route management packets use it. */
export const LID_PERMISSIVE = 0xffff;

export function isUnicastLid(lid: number): boolean {
  return lid >= LID_UNICAST_FIRST && lid <= LID_UNICAST_LAST;
}

export function isMulticastLid(lid: number): boolean {
  return lid >= LID_MULTICAST_FIRST && lid <= LID_MULTICAST_LAST;
}

/** Whether a port with `baseLid` and `lmc` (0 … 7) answers to `lid`. */
export function lidMatches(lid: number, baseLid: number, lmc: number): boolean {
  return lid >>> lmc === baseLid >>> lmc;
}

/** `0x0012`. */
export function formatLid(lid: number): string {
  return `0x${lid.toString(16).padStart(4, '0')}`;
}

/** `0x0002c9030005f34a`, as OpenSM and ibstat print a GUID. */
export function formatGuid(guid: bigint): string {
  return `0x${guid.toString(16).padStart(16, '0')}`;
}

export const QP_SMI = 0;
export const QP_GSI = 1;
/** Destination of UD multicast. */
export const QP_MULTICAST = 0xffffff;

/** Subnet prefix fe80::/64 of a subnet that has no other. */
export const DEFAULT_GID_PREFIX = 0xfe80_0000_0000_0000n;

/** The 16 bytes of prefix:GUID. */
export function makeGid(prefix: bigint, guid: bigint): Uint8Array {
  const gid = new Uint8Array(16);
  const view = new DataView(gid.buffer);
  view.setBigUint64(0, prefix);
  view.setBigUint64(8, guid);
  return gid;
}

/** Subnet prefix, the upper half of a GID. */
export function gidPrefix(gid: Uint8Array): bigint {
  return new DataView(gid.buffer, gid.byteOffset).getBigUint64(0);
}

/** Interface identifier, the lower half: the port's GUID. */
export function gidGuid(gid: Uint8Array): bigint {
  return new DataView(gid.buffer, gid.byteOffset).getBigUint64(8);
}

export function isMulticastGid(gid: Uint8Array): boolean {
  return gid[0] === 0xff;
}

/** A GID as IPv6 text in the canonical form of RFC 5952: `fe80::2:c903:5:f34a`. */
export function formatGid(gid: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => (gid[2 * i] << 8) | gid[2 * i + 1]);
  const [start, length] = longestZeroRun(groups);
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  return length < 2 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

function longestZeroRun(groups: readonly number[]): [number, number] {
  let best: [number, number] = [0, 0];
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (start + length < groups.length && groups[start + length] === 0) length++;
    if (length > best[1]) best = [start, length];
  }
  return best;
}

/** Reads IPv6 text, `::` and a dotted IPv4 tail included; undefined when it is not that. */
export function parseGid(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const parts = halves.map((half, i) => parseGroups(half, i === halves.length - 1));
  if (parts.some((part) => part === undefined)) return undefined;
  const [head, tail] = [parts[0] as number[], parts[1] as number[] | undefined];
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array(missing).fill(0), ...(tail ?? [])];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** Groups between colons; a dotted IPv4 address may end the text as a whole. */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const words = text.split(':');
  for (const [i, word] of words.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(word)) groups.push(Number.parseInt(word, 16));
    else {
      const dotted = last && i === words.length - 1 ? parseIpv4(word) : undefined;
      if (dotted === undefined) return undefined;
      groups.push((dotted[0] << 8) | dotted[1], (dotted[2] << 8) | dotted[3]);
    }
  }
  return groups;
}

/** Four bytes of dotted IPv4 text; undefined when it is not that. */
export function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return undefined;
  return Uint8Array.from(parts, Number);
}

/** Membership bit of a P_Key: set for a full member. */
export const P_KEY_FULL_MEMBER = 0x8000;
/** The partition itself. */
export const P_KEY_BASE_MASK = 0x7fff;
/** Full member of the default partition. */
export const P_KEY_DEFAULT = 0xffff;

/** Whether two P_Keys may speak: same partition, not both limited members, and a partition other than 0 (IBA vol. 1, 10.9.3). */
export function pKeysMatch(a: number, b: number): boolean {
  return (a & P_KEY_BASE_MASK) === (b & P_KEY_BASE_MASK) && ((a | b) & P_KEY_FULL_MEMBER) !== 0 && (a & P_KEY_BASE_MASK) !== 0;
}

/** `0xffff`. */
export function formatPKey(pKey: number): string {
  return `0x${pKey.toString(16).padStart(4, '0')}`;
}

/** Q_Key of the general service interface, QP1. */
export const Q_KEY_GSI = 0x80010000;
/** Q_Key that rdma_cm gives to UDP-port-space QPs and multicast groups. */
export const Q_KEY_RDMA_UDP = 0x01234567;

/** A Q_Key with the top bit set may only be sent by privileged software: a QP's send request that names one uses the QP's own instead. */
export function isPrivilegedQKey(qKey: number): boolean {
  return (qKey & 0x80000000) !== 0;
}

/** `0x80010000`. */
export function formatQKey(qKey: number): string {
  return `0x${(qKey >>> 0).toString(16).padStart(8, '0')}`;
}
