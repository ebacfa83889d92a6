/** What an adapter does for a datagram device: checksums and large segments; and whose adapters do it. */
import { describe, expect, it } from 'vitest';
import { canOffload, writeBlankChecksum } from '../../src/net/index.ts';
import { transportIsRight } from '../../src/net/ipoib/offloads.ts';
import { at, ipoibNet, type Node, packetTo, US } from './ipoib-kit.ts';

const START = 1000 * US;

/** One's complement sum of 16-bit words, by the book (RFC 1071). */
function sum16(bytes: Uint8Array, from: number): number {
  let sum = 0;
  for (let i = from; i < bytes.length; i += 2) sum += (bytes[i] as number) * 256 + (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** Whether the TCP or UDP checksum of a packet with a 20-byte IPv4 header is right: everything, pseudo-header included, adds up to all ones. */
function isRight(packet: Uint8Array): boolean {
  const length = packet.length - 20;
  const pseudo = Uint8Array.from([...packet.subarray(12, 20), 0, packet[9] as number, length >> 8, length & 255]);
  let sum = sum16(pseudo, 0) + sum16(packet, 20);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum === 0xffff;
}

/** A TCP packet of `payload` bytes from 10.0.0.1:1000 to 10.0.0.2:2000, its checksum blank. */
function tcpPacket(payload: number, protocol = 6): Uint8Array {
  const header = protocol === 6 ? 20 : 8;
  const bytes = new Uint8Array(20 + header + payload);
  const view = new DataView(bytes.buffer);
  bytes.set([0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
  view.setUint16(2, bytes.length & 0xffff);
  view.setUint16(10, ~sum16(bytes.subarray(0, 20), 0) & 0xffff);
  view.setUint16(20, 1000);
  view.setUint16(22, 2000);
  if (protocol === 6) {
    view.setUint32(24, 5000);
    bytes[32] = 0x50;
    bytes[33] = 0x19; // ACK, PSH, FIN
  } else view.setUint16(24, header + payload);
  for (let i = 0; i < payload; i++) bytes[20 + header + i] = i * 31;
  writeBlankChecksum(bytes);
  return bytes;
}

describe('offloads of a datagram device', () => {
  it('are those of ConnectX and later, and of nobody in connected mode', () => {
    expect(canOffload('mthca')).toBe(false);
    expect(canOffload('mlx4')).toBe(true);
    expect(ipoibNet({ profile: 'infinihost-sdr' }).nodes[0]?.device.features).toEqual({ checksum: false, gso: false });
    expect(ipoibNet({ device: { checksumOffload: false } }).nodes[0]?.device.features).toEqual({ checksum: false, gso: false });
    expect(ipoibNet({ device: { largeSend: false } }).nodes[0]?.device.features).toEqual({ checksum: true, gso: false });
    const connected = ipoibNet({ device: { mode: 'connected', checksumOffload: true } });
    expect(connected.nodes[0]?.device.features).toEqual({ checksum: false, gso: false });
  });

  it.each([6, 17])('complete a blank checksum of protocol %i in the copy, and check what comes in', (protocol) => {
    const { wire, nodes } = ipoibNet();
    const [a, b] = nodes as [Node, Node];
    const blank = tcpPacket(101, protocol);
    const before = blank.slice();
    const wrong = tcpPacket(50, protocol);
    at(a, START, () => {
      a.device.transmit(packetTo(a.device, b.device.address, blank, { checksumBlank: true }));
      a.device.transmit(packetTo(a.device, b.device.address, wrong));
    });
    wire.run();
    expect(blank).toEqual(before);
    expect(isRight(blank)).toBe(false);
    expect(b.received.map(({ packet }) => [isRight(packet.data), packet.checksumVerified, packet.checksumBlank])).toEqual([
      [true, true, false],
      [false, false, false],
    ]);
  });

  it('do not vouch for what they cannot judge', () => {
    const packet = tcpPacket(20, 17);
    packet[26] = 0;
    packet[27] = 0;
    expect(transportIsRight(packet)).toBe(false);
    const fragment = tcpPacket(20);
    fragment[6] = 0x20;
    expect(transportIsRight(fragment)).toBe(false);
    expect(transportIsRight(new Uint8Array(10))).toBe(false);
    const icmp = tcpPacket(20);
    icmp[9] = 1;
    expect(transportIsRight(icmp)).toBe(false);
  });

  it('cut a large segment: one packet after the other, each whole in itself', () => {
    const { wire, nodes } = ipoibNet();
    const [a, b] = nodes as [Node, Node];
    const large = tcpPacket(10_000);
    const gso = { type: 'tcpv4', size: 2004 } as const;
    at(a, START, () => void a.device.transmit(packetTo(a.device, b.device.address, large, { gso, checksumBlank: true })));
    wire.run();
    const pieces = b.received.map(({ packet }) => packet.data);
    expect(pieces.map((piece) => piece.length)).toEqual([2044, 2044, 2044, 2044, 2024]);
    const view = (piece: Uint8Array) => new DataView(piece.buffer, piece.byteOffset);
    expect(pieces.map((piece) => view(piece).getUint32(24))).toEqual([5000, 7004, 9008, 11_012, 13_016]);
    expect(pieces.map((piece) => view(piece).getUint16(4))).toEqual([7, 8, 9, 10, 11]);
    expect(pieces.map((piece) => piece[33])).toEqual([0x10, 0x10, 0x10, 0x10, 0x19]);
    expect(pieces.every((piece) => isRight(piece) && sum16(piece.subarray(0, 20), 0) === 0xffff)).toBe(true);
    expect(Buffer.concat(pieces.map((piece) => piece.subarray(40)))).toEqual(Buffer.from(large.subarray(40)));
  });

  it('a large segment waits for room as a whole', () => {
    const { wire, nodes } = ipoibNet({ device: { sendRing: 16 } });
    const [a, b] = nodes as [Node, Node];
    const gso = { type: 'tcpv4', size: 1000 } as const;
    const segment = () => packetTo(a.device, b.device.address, tcpPacket(9500), { gso, checksumBlank: true });
    let sent = 0;
    const pump = () => {
      while (sent < 10 && a.device.transmit(segment())) sent++;
    };
    a.device.onWritable = pump;
    at(a, START, () => void a.device.transmit(packetTo(a.device, b.device.address, tcpPacket(1), { checksumBlank: true })));
    at(a, START + 100 * US, pump);
    wire.run();
    expect([sent, b.received.length, a.device.counters.txDropped]).toEqual([10, 101, 0]);
  });
});
