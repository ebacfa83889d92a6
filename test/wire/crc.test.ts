/**
 * Three oracles: the sample packet of IBA chapter 7; packets that real hardware sent, from the public Wireshark sample capture
 * `infiniband.pcap` (their fields are written out here, so the bytes are ours and the checksums theirs); and a second
 * implementation that works on a stream of bits as the specification describes it, without tables or reflection.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  crc32,
  emitFlowPacket,
  emitPacket,
  FLOW_OP_INIT,
  formatFlowPacket,
  icrc,
  type Packet,
  parseFlowPacket,
  parseGid,
  RC_ACK,
  UD_SEND_ONLY,
  vcrc,
} from '../../src/wire/index.ts';

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const ascii = (text: string) => Uint8Array.from(Buffer.from(text));

/** Divides the bits, least significant of each byte first, by the polynomial; the remainder's first bit goes out first. */
function crcByBits(bytes: Uint8Array, width: number, polynomial: bigint): number {
  const top = 1n << BigInt(width - 1);
  const all = (1n << BigInt(width)) - 1n;
  let register = all;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const feedback = ((register & top) !== 0n) !== ((byte >> bit) % 2 === 1);
      register = (register << 1n) & all;
      if (feedback) register ^= polynomial;
    }
  }
  register ^= all;
  const sent = new Uint8Array(width / 8);
  for (let i = 0; i < width; i++) if (register & (1n << BigInt(width - 1 - i))) sent[i >> 3] |= 1 << (i & 7);
  return sent.reduce((value, byte) => value * 256 + byte, 0);
}

describe('checksums', () => {
  it('CRC-32 has its well-known check value', () => expect(crc32(ascii('123456789'))).toBe(0xcbf43926));

  it('sample packet of IBA chapter 7', () => {
    const sample = hex(
      '7012375C000E17D2 0A202487F387B1B3000DEC2A 01710A1C015D400238F27A050000000E BB884D85FD5CFBA4728BC0690ED4 0000',
    );
    expect(icrc(sample)).toBe(0x9625b75a);
    expect(vcrc(Uint8Array.of(...sample, 0x96, 0x25, 0xb7, 0x5a))).toBe(0xf467);
  });

  it('RC acknowledge sent by hardware', () => {
    const ack: Packet = {
      lrh: { vl: 0, sl: 0, dlid: 4, slid: 1 },
      bth: {
        opcode: RC_ACK,
        solicited: false,
        migrated: true,
        pKey: 0xffff,
        fecn: false,
        becn: false,
        destQp: 0x870408,
        ackRequest: false,
        psn: 0xd40a55,
      },
      extensions: { AETH: { syndrome: 0x1f, msn: 1 } },
      payload: new Uint8Array(0),
    };
    expect(Buffer.from(emitPacket(ack)).toString('hex').slice(-12)).toBe('a80355503081');
  });

  it('UD multicast with GRH sent by hardware: an ARP request over IPoIB', () => {
    const sgid = parseGid('fe80::2:c902:24:f636') as Uint8Array;
    const arp = [
      hex('0806 0000 0020 0800 1404 0001'),
      hex('80000405'),
      sgid,
      hex('0a000122'),
      new Uint8Array(20),
      hex('0a00003a'),
    ];
    const request: Packet = {
      lrh: { vl: 0, sl: 0, dlid: 0xc000, slid: 4 },
      grh: { trafficClass: 0, flowLabel: 0, hopLimit: 0, sgid, dgid: parseGid('ff12:401b:ffff::ffff:ffff') as Uint8Array },
      bth: {
        opcode: UD_SEND_ONLY,
        solicited: false,
        migrated: true,
        pKey: 0xffff,
        fecn: false,
        becn: false,
        destQp: 0xffffff,
        ackRequest: false,
        psn: 8367,
      },
      extensions: { DETH: { qKey: 0x0b1b, sourceQp: 0x405 } },
      payload: Uint8Array.from(arp.flatMap((part) => [...part])),
    };
    expect(Buffer.from(emitPacket(request)).toString('hex').slice(-12)).toBe('bd6bd6a88883');
  });

  it('agree with bitwise division', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 80 }), (bytes) => {
        expect(vcrc(bytes)).toBe(crcByBits(bytes, 16, 0x100bn));
        const reversed = Buffer.alloc(4);
        reversed.writeUInt32LE(crc32(bytes));
        expect(reversed.readUInt32BE()).toBe(crcByBits(bytes, 32, 0x04c11db7n));
      }),
    );
  });

  it('ICRC ignores exactly the fields that may change on the way', () => {
    const local = new Uint8Array(40).fill(0x5a);
    local[1] = 0x02;
    const global = new Uint8Array(80).fill(0x5a);
    global[1] = 0x03;
    const ignored = (bytes: Uint8Array) =>
      Array.from({ length: bytes.length * 8 }, (_, bit) => bit).filter((bit) => {
        const changed = Uint8Array.from(bytes);
        changed[bit >> 3] ^= 0x80 >> (bit & 7);
        return icrc(changed) === icrc(bytes);
      });
    const range = (byte: number, from: number, count: number) => Array.from({ length: count }, (_, i) => byte * 8 + from + i);
    // The two LNH bits of byte 1 choose between the rules, so they are set apart.
    expect(ignored(local)).toEqual([...range(0, 0, 4), ...range(12, 0, 8)]);
    expect(ignored(global)).toEqual([
      ...range(0, 0, 14),
      ...range(2, 0, 48),
      ...range(8, 4, 28),
      ...range(15, 0, 8),
      ...range(52, 0, 8),
    ]);
  });
});

describe('flow-control packet', () => {
  const repr = { op: FLOW_OP_INIT, fctbs: 0xabc, vl: 7, fccl: 0x123 };

  it('six bytes, checked at the other end', () => {
    const bytes = emitFlowPacket(repr);
    expect(Buffer.from(bytes).toString('hex').slice(0, 8)).toBe('1abc7123');
    expect((bytes[4] << 8) | bytes[5]).toBe(crcByBits(bytes.subarray(0, 4), 16, 0x100bn));
    expect(parseFlowPacket(bytes)).toMatchObject(repr);
    expect(formatFlowPacket({ ...repr, lpcrc: 0 })).toBe('flow control init vl 7 fctbs 2748 fccl 291');
  });

  it('says why it refuses one', () => {
    const bytes = emitFlowPacket(repr);
    bytes[2] ^= 1;
    expect(parseFlowPacket(bytes)).toBe('LPCRC does not match');
    expect(parseFlowPacket(bytes.subarray(1))).toMatch(/5 bytes/);
  });
});
