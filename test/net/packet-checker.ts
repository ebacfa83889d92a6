/** Checks packets by rules of its own, shared with nothing in src/net: lengths, the IPv4 header's checksum, and the transport's. */
import { expect } from 'vitest';
import type { LinkPacket } from '../../src/net/index.ts';

/** One's complement sum, the plain way. */
export function onesSum(words: readonly number[]): number {
  return words.reduce((sum, word) => {
    const next = sum + word;
    return next > 0xffff ? next - 0xffff : next;
  }, 0);
}

export function wordsOf(bytes: Uint8Array): number[] {
  const padded = bytes.length % 2 === 0 ? bytes : Uint8Array.of(...bytes, 0);
  const view = new DataView(padded.buffer, padded.byteOffset, padded.length);
  return Array.from({ length: padded.length / 2 }, (_, i) => view.getUint16(2 * i));
}

/** Throws if an IPv4 packet breaks a rule. ARP is let pass. */
export function checkPacket(packet: LinkPacket): void {
  if (packet.protocol !== 0x0800) return;
  const { data } = packet;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  expect(data[0]! >> 4).toBe(4);
  const header = (data[0]! & 15) * 4;
  expect(view.getUint16(2)).toBe(data.length);
  expect(onesSum(wordsOf(data.slice(0, header)))).toBe(0xffff);
  const isFragment = (view.getUint16(6) & 0x3fff) !== 0;
  if (isFragment || (data[9] !== 6 && data[9] !== 17)) return;
  const length = data.length - header;
  const pseudo = [...wordsOf(data.slice(12, 20)), data[9]!, length];
  const field = header + (data[9] === 6 ? 16 : 6);
  if (packet.checksumBlank) expect(view.getUint16(field)).toBe(onesSum(pseudo));
  else expect(onesSum([...pseudo, ...wordsOf(data.slice(header))])).toBe(0xffff);
  if (packet.gso !== null) expect(length).toBeGreaterThan(packet.gso.size);
}
