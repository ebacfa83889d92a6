import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  emitPacket,
  formatPacket,
  icrc,
  OPCODE_EXTENSIONS,
  OPCODES,
  type Packet,
  parseGid,
  parsePacket,
  RC_ACK,
  RC_SEND_ONLY,
  RC_WRITE_ONLY_IMM,
  UD_SEND_ONLY,
  vcrc,
  wireBytes,
} from '../../src/wire/index.ts';
import { anyPacket, packetWith } from './samples.ts';

const base: Packet = {
  lrh: { vl: 2, sl: 3, dlid: 0x12, slid: 0x34 },
  bth: {
    opcode: RC_SEND_ONLY,
    solicited: true,
    migrated: true,
    pKey: 0xffff,
    fecn: false,
    becn: true,
    destQp: 72,
    ackRequest: true,
    psn: 0xbeef,
  },
  extensions: {},
  payload: Uint8Array.of(1, 2, 3, 4, 5),
};

/** Recomputes both checksums after a change, so that the check behind them is reached. */
function reseal(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer);
  view.setUint32(bytes.length - 6, icrc(bytes.subarray(0, bytes.length - 6)));
  view.setUint16(bytes.length - 2, vcrc(bytes.subarray(0, bytes.length - 2)));
  return bytes;
}

function faultAfter(change: (bytes: Uint8Array) => void, packet: Packet = base): string {
  const bytes = emitPacket(packet);
  change(bytes);
  const parsed = parsePacket(reseal(bytes));
  return parsed.ok ? 'none' : parsed.fault;
}

describe('packet', () => {
  it('every opcode survives emit and parse', () => {
    for (const opcode of OPCODES) {
      fc.assert(
        fc.property(packetWith(opcode), (packet) => {
          const bytes = emitPacket(packet);
          expect(bytes.length).toBe(wireBytes(opcode, packet.payload.length, packet.grh !== undefined));
          const parsed = parsePacket(bytes);
          expect(parsed).toMatchObject({ ok: true, packet });
        }),
        { numRuns: 12 },
      );
    }
  });

  it('sizes: the cost of the headers as computed by hand', () => {
    expect(wireBytes(RC_SEND_ONLY, 2048, false)).toBe(2048 + 26);
    expect(wireBytes(RC_WRITE_ONLY_IMM, 1, false)).toBe(4 + 26 + 16 + 4);
    expect(wireBytes(RC_ACK, 0, false)).toBe(30);
    expect(wireBytes(UD_SEND_ONLY, 256, true)).toBe(256 + 26 + 8 + 40);
    expect(wireBytes(UD_SEND_ONLY, 256, false)).toBe(290);
  });

  it('any single damaged bit is found', () => {
    fc.assert(
      fc.property(anyPacket, fc.nat(), (packet, n) => {
        const bytes = emitPacket(packet);
        const bit = n % (bytes.length * 8);
        bytes[bit >> 3] ^= 0x80 >> (bit & 7);
        expect(parsePacket(bytes).ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it('never throws, whatever comes, sealed or not', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(15), (noise, opcode) => {
        parsePacket(noise);
        if (noise.length < 26) return;
        noise[0] &= 0xf0;
        noise[1] = (noise[1] & 0xfc) | 2;
        noise[4] = 0;
        noise[5] = (noise.length - 2) >> 2;
        noise[8] = opcode;
        parsePacket(reseal(Uint8Array.from(noise.subarray(0, noise[5] * 4 + 2))));
      }),
      { numRuns: 500 },
    );
  });

  it('keeps nothing of the bytes it read', () => {
    const bytes = Buffer.from(emitPacket(base));
    const parsed = parsePacket(bytes);
    bytes.fill(0);
    expect(parsed).toMatchObject({ ok: true, packet: base });
  });

  it('gives the reason', () => {
    expect(faultAfter(() => {})).toBe('none');
    expect(faultAfter((b) => (b[0] |= 1))).toBe('link-version');
    expect(faultAfter((b) => b[5]++)).toBe('length');
    expect(faultAfter((b) => (b[1] &= 0xfc))).toBe('raw');
    expect(faultAfter((b) => (b[9] |= 1))).toBe('transport-version');
    expect(faultAfter((b) => (b[8] = 0x1f))).toBe('opcode');
    expect(faultAfter((b) => (b[8] = 0x13))).toBe('headers');
    expect(faultAfter((b) => (b[8] = 0x11))).toBe('payload');
    expect(faultAfter((b) => (b[9] |= 0x30), { ...base, payload: new Uint8Array(0) })).toBe('payload');
    const gid = parseGid('fe80::1') as Uint8Array;
    const global: Packet = { ...base, grh: { trafficClass: 1, flowLabel: 2, hopLimit: 3, sgid: gid, dgid: gid } };
    expect(faultAfter((b) => (b[8] = 0x40), global)).toBe('grh');
    expect(faultAfter((b) => b[13]++, global)).toBe('grh');
    expect(faultAfter((b) => (b[14] = 6), global)).toBe('grh');
    const bytes = emitPacket(base);
    bytes[bytes.length - 1] ^= 1;
    expect(parsePacket(bytes)).toMatchObject({ ok: false, fault: 'vcrc' });
    bytes[20] ^= 1;
    new DataView(bytes.buffer).setUint16(bytes.length - 2, vcrc(bytes.subarray(0, bytes.length - 2)));
    expect(parsePacket(bytes)).toMatchObject({ ok: false, fault: 'icrc' });
    expect(parsePacket(bytes.subarray(0, 20))).toMatchObject({ ok: false, fault: 'short' });
  });

  it('refuses to emit what the opcode does not have', () => {
    expect(() => emitPacket({ ...base, extensions: { ImmDt: { immediate: 1 } } })).toThrow('RC_SEND_ONLY has no ImmDt');
    expect(() => emitPacket({ ...base, bth: { ...base.bth, opcode: RC_ACK }, payload: new Uint8Array(0) })).toThrow(
      'RC_ACK needs AETH',
    );
    expect(() => emitPacket({ ...base, bth: { ...base.bth, opcode: 0x1f } })).toThrow(/not assigned/);
    expect(() => emitPacket({ ...base, payload: new Uint8Array(4097) })).toThrow(/4097/);
    expect(() => emitPacket({ ...base, bth: { ...base.bth, psn: 1 << 24 } })).toThrow(/BTH\.psn/);
    const ack: Packet = { ...base, bth: { ...base.bth, opcode: RC_ACK }, extensions: { AETH: { syndrome: 0, msn: 0 } } };
    expect(() => emitPacket(ack)).toThrow('RC_ACK carries no payload');
  });

  it('prints one line', () => {
    expect(formatPacket(base)).toBe(
      '0x0034 > 0x0012 sl 3 vl 2 words 8 | RC_SEND_ONLY qp 72 psn 0x00beef pkey 0xffff SE M A BECN pad 3 | 5 bytes',
    );
    for (const opcode of OPCODES) {
      const [packet] = fc.sample(packetWith(opcode), { numRuns: 1, seed: 7 });
      const line = formatPacket(packet);
      expect(line).not.toMatch(/undefined|NaN|\n/);
      expect(line.split(' | ').length).toBe(
        2 + OPCODE_EXTENSIONS[opcode].length + (packet.grh ? 1 : 0) + (packet.payload.length ? 1 : 0),
      );
    }
  });
});
