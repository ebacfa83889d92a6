/**
 * GIDs as programs hold them: 16 bytes in network order, `union ibv_gid`'s `raw`. Making, splitting and printing them is `src/wire`'s; here are comparisons.
 */
export { formatGid, gidGuid, gidPrefix, isMulticastGid, makeGid, parseGid } from '../wire/index.ts';

/** A 128-bit global identifier: 16 bytes, network order. */
export type Gid = Uint8Array;

/** True when both hold the same 16 bytes. */
export function gidsEqual(a: Gid, b: Gid): boolean {
  for (let i = 0; i < 16; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** 32 hexadecimal digits: a key for maps. */
export function gidKey(gid: Gid): string {
  let key = '';
  for (let i = 0; i < 16; i++) key += gid[i].toString(16).padStart(2, '0');
  return key;
}
