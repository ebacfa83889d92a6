/**
 * Which queue a packet belongs to: the Toeplitz hash of its addresses and ports (io/netif.h "Hash types", the same as Microsoft's RSS).
 */

/** Types of hash, as bits of the control ring's flags; the number of the bit stands in hash extras. */
export const HASH_TYPE_IPV4 = 1;
export const HASH_TYPE_IPV4_TCP = 2;
export const HASH_TYPE_IPV6 = 4;
export const HASH_TYPE_IPV6_TCP = 8;
export const HASH_TYPES_ALL = 15;

/** For ends that nobody gave a key: the one that the RSS specification takes for its examples. */
export const DEFAULT_HASH_KEY = Uint8Array.from([
  0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae,
  0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
]);

/** The hash of `length` bytes of `data` from `at` on; key bytes beyond the key's end are zero. */
export function toeplitzHash(key: Uint8Array, data: Uint8Array, at = 0, length: number = data.length - at): number {
  return toeplitzPart(key, 0, data, at, length);
}

/** What `length` bytes that stand `keyAt` bytes behind the beginning of the hashed text give to the hash: parts are joined by exclusive or. */
function toeplitzPart(key: Uint8Array, keyAt: number, data: Uint8Array, at: number, length: number): number {
  let hash = 0;
  let window = 0;
  for (let i = 0; i < 4; i++) window = (window << 8) | (key[keyAt + i] ?? 0);
  for (let i = 0; i < length; i++) {
    const byte = data[at + i] as number;
    const next = key[keyAt + i + 4] ?? 0;
    for (let bit = 7; bit >= 0; bit--) {
      if ((byte >> bit) & 1) hash ^= window;
      window = (window << 1) | ((next >> bit) & 1);
    }
  }
  return hash >>> 0;
}

export interface FlowHash {
  /** One of `HASH_TYPE_*`, 0 if the packet has none that was asked for. */
  readonly type: number;
  readonly hash: number;
}

const NO_HASH: FlowHash = { type: 0, hash: 0 };

/** Hashes an IP packet by the most specific of the `types` that fits: ports are taken of unfragmented TCP alone. */
export function flowHash(key: Uint8Array, types: number, protocol: number, packet: Uint8Array): FlowHash {
  if (protocol === 0x0800 && packet.length >= 20) {
    const headerBytes = ((packet[0] as number) & 15) * 4;
    const isFragment = ((packet[6] as number) & 0x3f) !== 0 || packet[7] !== 0;
    const isTcp = packet[9] === 6 && !isFragment && headerBytes >= 20 && packet.length >= headerBytes + 4;
    if (isTcp && types & HASH_TYPE_IPV4_TCP) return hashOf(HASH_TYPE_IPV4_TCP, key, packet, 12, 8, headerBytes);
    if (types & HASH_TYPE_IPV4) return hashOf(HASH_TYPE_IPV4, key, packet, 12, 8, -1);
  } else if (protocol === 0x86dd && packet.length >= 40) {
    const isTcp = packet[6] === 6 && packet.length >= 44;
    if (isTcp && types & HASH_TYPE_IPV6_TCP) return hashOf(HASH_TYPE_IPV6_TCP, key, packet, 8, 32, 40);
    if (types & HASH_TYPE_IPV6) return hashOf(HASH_TYPE_IPV6, key, packet, 8, 32, -1);
  }
  return NO_HASH;
}

function hashOf(type: number, key: Uint8Array, packet: Uint8Array, at: number, addressBytes: number, portsAt: number): FlowHash {
  let hash = toeplitzPart(key, 0, packet, at, addressBytes);
  if (portsAt >= 0) hash ^= toeplitzPart(key, addressBytes, packet, portsAt, 4);
  return { type, hash: hash >>> 0 };
}
