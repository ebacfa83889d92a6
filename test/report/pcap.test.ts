import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type CapturedPacket,
  encodeCaptured,
  LINK_TYPE_INFINIBAND,
  openCapture,
  PcapWriter,
  readPcap,
} from '../../src/report/index.ts';
import { ConfigError } from '../../src/sim/index.ts';
import { emitPacket, type Packet, parsePacket, RC_SEND_ONLY } from '../../src/wire/index.ts';
import { anyPacket } from '../wire/samples.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-pcap-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const packet: Packet = {
  lrh: { vl: 0, sl: 0, dlid: 2, slid: 1 },
  bth: {
    opcode: RC_SEND_ONLY,
    solicited: false,
    migrated: true,
    pKey: 0xffff,
    fecn: false,
    becn: false,
    destQp: 72,
    ackRequest: true,
    psn: 5,
  },
  extensions: {},
  payload: Uint8Array.of(0xaa, 0xbb, 0xcc, 0xdd),
};

function write(captures: readonly CapturedPacket[], options = {}): Uint8Array {
  const path = join(folder, 'a.pcap');
  const writer = new PcapWriter(path, options);
  for (const captured of captures) writer.write(captured);
  writer.close();
  expect(writer.packets).toBe(captures.length);
  return readFileSync(path);
}

describe('pcapng', () => {
  it('bytes of a file with one damaged packet, written down by hand', () => {
    const path = join(folder, 'a.pcapng');
    const writer = openCapture(path, ['cpu1/1', 'sw1/3']);
    const captured: CapturedPacket = { timePs: 78_187_493_530_007, interface: 1, damaged: true, packet };
    writer.write(captured);
    expect(() => writer.write({ ...captured, interface: 2 })).toThrow(/interface 2 has no name/);
    writer.close();
    expect(writer.packets).toBe(1);
    const description = (name: string) =>
      `01000000 2c000000 c500 0000 00000000  0200 ${name.length === 5 ? '0500' : '0600'} ${Buffer.from(name.padEnd(8, '\0')).toString('hex')}
       0900 0100 09000000  0000 0000  2c000000`;
    const comment = Buffer.from('damaged by bit errors on the link\0\0\0').toString('hex');
    // 0x123456789a ns, which are 78 s and 805278580 of 2^-32 s.
    const expected = `0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000 ${description('cpu1/1')} ${description('sw1/3')}
      06000000 7c000000 01000000 12000000 9a785634 2e000000 2e000000
      7493ff2f 4e000000 15 15 002e 0000 001e ${Buffer.from(encodeCaptured(captured)).toString('hex')} 0000
      0100 2100 ${comment} 0000 0000 7c000000`;
    expect(readFileSync(path).toString('hex')).toBe(expected.replace(/\s/g, ''));
  });

  it('is chosen by the name of the file; pcap refuses what it cannot tell apart', () => {
    const five = ['a', 'b', 'c', 'd', 'e'];
    expect(() => openCapture(join(folder, 'd.pcap'), five)).toThrow(/here are 5: name the file .pcapng/);
    openCapture(join(folder, 'd.pcap'), five.slice(1)).close();
    openCapture(join(folder, 'd.pcapng'), five).close();
    const magic = (name: string) => readFileSync(join(folder, name)).readUInt32LE();
    expect([magic('d.pcap'), magic('d.pcapng')]).toEqual([0xa1b23c4d, 0x0a0d0d0a]);
  });
});

describe('pcap', () => {
  it('bytes of a file with one packet, written down by hand', () => {
    const file = write([{ timePs: 3_500_000_001_500, interface: 1, damaged: false, packet }]);
    const frame = Buffer.from(emitPacket(packet)).toString('hex');
    const header = '4d3cb2a1 0200 0400 00000000 00000000 ffff0000 c5000000';
    // 3 s, 500 000 001 ns; 46 bytes. ERF: 0.5 s + 1.5 ns is 0x80000000 + 6 of 2^-32 s; type 21, flags varying + interface 1, 46, lost 0, 30.
    const record = '03000000 0165cd1d 2e000000 2e000000  06000080 03000000 15 05 002e 0000 001e';
    expect(Buffer.from(file).toString('hex')).toBe(`${header}${record}`.replaceAll(' ', '') + frame);
  });

  it('link type 247: bare packets', () => {
    const file = write([{ timePs: 1000, interface: 0, damaged: false, packet }], { linkType: LINK_TYPE_INFINIBAND });
    expect(file.length).toBe(24 + 16 + 30);
    expect(readPcap(file)).toMatchObject({ linkType: 247, records: [{ timePs: 1000, frame: emitPacket(packet) }] });
  });

  it('reads back what it wrote, over many buffers', () => {
    const captured: fc.Arbitrary<CapturedPacket> = fc.record({
      timePs: fc.integer({ min: 0, max: 9_000_000_000_000_000 }),
      interface: fc.integer({ min: 0, max: 3 }),
      damaged: fc.boolean(),
      packet: anyPacket,
    });
    const captures = fc.sample(captured, { numRuns: 1500, seed: 11 });
    const { records } = readPcap(write(captures, { bufferBytes: 1 }));
    expect(records.length).toBe(1500);
    for (const [i, record] of records.entries()) {
      expect(record.frame).toEqual(encodeCaptured(captures[i]));
      expect([record.interface, record.damaged]).toEqual([captures[i].interface, captures[i].damaged]);
      expect(record.timePs).toBe(captures[i].timePs - (captures[i].timePs % 1000));
      expect(Math.abs(record.erfTimePs - captures[i].timePs)).toBeLessThanOrEqual(117);
    }
  });

  it('a damaged packet does not pass as whole', () => {
    expect(parsePacket(encodeCaptured({ timePs: 0, interface: 0, damaged: true, packet }))).toMatchObject({
      ok: false,
      fault: 'vcrc',
    });
  });

  it('says what is wrong with a file', () => {
    const file = write([{ timePs: 0, interface: 0, damaged: false, packet }]);
    const changed = (at: number, value: number) => {
      const copy = Uint8Array.from(file);
      copy[at] = value;
      return copy;
    };
    expect(() => readPcap(file.subarray(0, 10))).toThrow(/too short/);
    expect(() => readPcap(changed(0, 0))).toThrow(/not a pcap file/);
    expect(() => readPcap(changed(20, 1))).toThrow(/link type 1 /);
    expect(() => readPcap(file.subarray(0, 30))).toThrow(/header of record 1/);
    expect(() => readPcap(file.subarray(0, file.length - 1))).toThrow(/within record 1/);
    expect(() => readPcap(changed(48, 25))).toThrow(/record 1: ERF type 25/);
    expect(() => readPcap(changed(55, 255))).toThrow(/announces 255 bytes/);
    expect(() => readPcap(changed(0, 0), 'x.pcap')).toThrow(ConfigError);
  });

  it('says that a file cannot be written', () => {
    expect(() => new PcapWriter(join(folder, 'no', 'such', 'folder.pcap'))).toThrow(ConfigError);
    expect(() => new PcapWriter(join(folder, 'b.pcap'), { linkType: 1 })).toThrow(RangeError);
    const writer = new PcapWriter(join(folder, 'c.pcap'));
    expect(() => writer.write({ timePs: 0, interface: 4, damaged: false, packet })).toThrow(/no number 4/);
    writer.close();
    writer.close();
  });
});
