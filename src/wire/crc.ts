/**
 * The checksums of IBA vol. 1, 7.8: ICRC end to end, VCRC per link, LPCRC on flow-control packets.
 *
 * ICRC is Ethernet's CRC-32 (0x04C11DB7 reflected), over the packet as it would look with every field that may change on the way set to
 * ones: LRH.VL and the byte of FECN/BECN; with a GRH the whole LRH, traffic class, flow label and hop limit as well.
 * VCRC and LPCRC are CRC-16 0x100B, reflected (0xD008), over everything before them. All start from ones, end complemented,
 * and go out least significant byte first.
 */
import { GRH_BYTES } from './grh.ts';
import { LNH_GLOBAL, LRH_BYTES } from './lrh.ts';

const CRC32_POLYNOMIAL = 0xedb88320;
const CRC16_POLYNOMIAL = 0xd008;

const CRC32_TABLE = reflectedTable(CRC32_POLYNOMIAL);
const CRC16_TABLE = reflectedTable(CRC16_POLYNOMIAL);

function reflectedTable(polynomial: number): Int32Array {
  return Int32Array.from({ length: 256 }, (_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    return value;
  });
}

/** Ethernet CRC-32 of `bytes`, unsigned. */
export function crc32(bytes: Uint8Array): number {
  return ~crc32Update(-1, bytes, 0, bytes.length) >>> 0;
}

function crc32Update(crc: number, bytes: Uint8Array, from: number, to: number): number {
  let value = crc;
  for (let i = from; i < to; i++) value = (value >>> 8) ^ CRC32_TABLE[(value ^ bytes[i]) & 0xff];
  return value;
}

/**
 * VCRC of the bytes LRH … ICRC, or LPCRC of the first four bytes of a flow-control packet, as the number that a big-endian
 * read of its two bytes on the wire gives. Bytes from `end` on are left out.
 */
export function vcrc(bytes: Uint8Array, end = bytes.length): number {
  let value = 0xffff;
  for (let i = 0; i < end; i++) value = (value >>> 8) ^ CRC16_TABLE[(value ^ bytes[i]) & 0xff];
  value ^= 0xffff;
  return ((value & 0xff) << 8) | (value >>> 8);
}

/** Longest run of bytes with masked ones: LRH, GRH and the first five of the BTH. */
const MASKED_BYTES = LRH_BYTES + GRH_BYTES + 5;
const masked = new Uint8Array(MASKED_BYTES);

/**
 * ICRC of the bytes LRH … payload and pad (without ICRC and VCRC), as the number that a big-endian read of its four bytes on the wire gives.
 * `bytes` holds at least LRH, GRH where its LRH says so, and BTH. Bytes from `end` on are left out.
 */
export function icrc(bytes: Uint8Array, end = bytes.length): number {
  const global = (bytes[1] & 3) === LNH_GLOBAL;
  const bth = global ? LRH_BYTES + GRH_BYTES : LRH_BYTES;
  const maskedEnd = bth + 5;
  for (let i = 0; i < maskedEnd; i++) masked[i] = bytes[i];
  if (global) {
    masked.fill(0xff, 0, LRH_BYTES);
    masked[LRH_BYTES] |= 0x0f;
    masked.fill(0xff, LRH_BYTES + 1, LRH_BYTES + 4);
    masked[LRH_BYTES + 7] = 0xff;
  } else masked[0] |= 0xf0;
  masked[bth + 4] = 0xff;
  const crc = ~crc32Update(crc32Update(-1, masked, 0, maskedEnd), bytes, maskedEnd, end);
  return ((crc << 24) | ((crc & 0xff00) << 8) | ((crc >>> 8) & 0xff00) | (crc >>> 24)) >>> 0;
}
