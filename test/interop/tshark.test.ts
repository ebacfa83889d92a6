/**
 * Captures of every operation, read by tshark and compared field by field with the packets they were made from.
 * tshark 4.0 knows the opcodes of RC, UC and UD; of others (CNP, XRC, FLUSH, ATOMIC WRITE, and RD, which it reads as another vendor's
 * transport) only the route and base headers are compared. It shows checksums and does not verify them.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CapturedPacket } from '../../src/report/index.ts';
import {
  aethKind,
  aethValue,
  emitPacket,
  type ExtensionHeader,
  formatGid,
  OPCODE_EXTENSIONS,
  OPCODE_NAMES,
  OPCODES,
  opcodeTransport,
  type Packet,
  RC_ACK,
  RNR_TIMER_PS,
  wireBytes,
} from '../../src/wire/index.ts';
import { packetWith } from '../wire/samples.ts';
import { asBytes, asNumber, normal, readFields, tshark, withCapture } from './tshark-tools.ts';

/** Bytes that no dissector takes for a protocol of its own. */
const PATTERN = Uint8Array.from({ length: 100 }, (_, i) => 0x5a + (i % 7));

/** Queue pairs 0 and 1 are for management, which has its own test. */
const ordinary = (qp: number) => (qp < 2 ? qp + 72 : qp);

function dataPackets(opcode: number, count: number): Packet[] {
  return fc.sample(packetWith(opcode), { numRuns: count, seed: opcode + 1 }).map((packet) => {
    const plain: Packet = {
      ...packet,
      bth: { ...packet.bth, destQp: ordinary(packet.bth.destQp) },
      payload: PATTERN.subarray(0, packet.payload.length),
    };
    if (plain.extensions.DETH)
      plain.extensions.DETH = { ...plain.extensions.DETH, sourceQp: ordinary(plain.extensions.DETH.sourceQp) };
    return plain;
  });
}

const capture = (packets: readonly Packet[]): CapturedPacket[] =>
  packets.map((packet, i) => ({ timePs: 2_000_000_123_000 + i * 1_000_007_000, interface: i & 3, damaged: false, packet }));

const ROUTE_FIELDS = ['lrh.vl', 'lrh.lver', 'lrh.sl', 'lrh.lnh', 'lrh.dlid', 'lrh.pktlen', 'lrh.slid'];
const GRH_FIELDS = ['grh.ipver', 'grh.tclass', 'grh.flowlabel', 'grh.paylen', 'grh.nxthdr', 'grh.hoplmt', 'grh.sgid', 'grh.dgid'];
const BTH_FIELDS = ['bth.opcode', 'bth.se', 'bth.m', 'bth.padcnt', 'bth.tver', 'bth.p_key', 'bth.destqp', 'bth.a', 'bth.psn'];

/** What tshark should say of the route and base headers. */
function baseExpectation({ lrh, grh, bth, payload }: Packet): Record<string, string> {
  const bytes = wireBytes(bth.opcode, payload.length, grh !== undefined);
  const route = [lrh.vl, 0, lrh.sl, grh ? 3 : 2, lrh.dlid, (bytes - 2) / 4, lrh.slid];
  const base = [bth.opcode, bth.solicited, bth.migrated, -payload.length & 3, 0, bth.pKey, bth.destQp, bth.ackRequest, bth.psn];
  const global = grh && [
    6,
    grh.trafficClass,
    grh.flowLabel,
    bytes - 50,
    0x1b,
    grh.hopLimit,
    formatGid(grh.sgid),
    formatGid(grh.dgid),
  ];
  const named = (names: readonly string[], values: readonly (number | boolean | string)[] | undefined) =>
    names.map((name, i) => [name, values === undefined ? '' : normal(values[i])]);
  return Object.fromEntries([...named(ROUTE_FIELDS, route), ...named(BTH_FIELDS, base), ...named(GRH_FIELDS, global)]);
}

const EXTENSION_FIELDS: Readonly<Partial<Record<ExtensionHeader, readonly (readonly [string, string])[]>>> = {
  DETH: [
    ['deth.q_key', 'qKey'],
    ['deth.srcqp', 'sourceQp'],
  ],
  RETH: [
    ['reth.va', 'virtualAddress'],
    ['reth.r_key', 'rKey'],
    ['reth.dmalen', 'dmaLength'],
  ],
  AtomicETH: [
    ['reth.va', 'virtualAddress'],
    ['reth.r_key', 'rKey'],
    ['atomiceth.swapdt', 'swapOrAdd'],
    ['atomiceth.cmpdt', 'compare'],
  ],
  AETH: [
    ['aeth.syndrome', 'syndrome'],
    ['aeth.msn', 'msn'],
  ],
  AtomicAckETH: [['atomicacketh.origremdt', 'original']],
  ImmDt: [['immdt', 'immediate']],
  IETH: [['ieth', 'rKey']],
};
const EXTENSION_NAMES = [...new Set(Object.values(EXTENSION_FIELDS).flatMap((fields) => fields.map(([name]) => name)))];
/** Shown as bytes, not as a number. */
const BYTE_FIELDS = ['immdt', 'ieth'];

function extensionExpectation(packet: Packet): Record<string, string> {
  const expected = Object.fromEntries(EXTENSION_NAMES.map((name) => [name, '']));
  for (const header of OPCODE_EXTENSIONS[packet.bth.opcode]) {
    const repr = packet.extensions[header] as unknown as Record<string, number | bigint>;
    for (const [name, key] of EXTENSION_FIELDS[header] ?? []) {
      expected[name] = BYTE_FIELDS.includes(name) ? repr[key].toString(16).padStart(8, '0') : normal(repr[key]);
    }
  }
  return expected;
}

/** tshark's name of an operation in our spelling. */
function ourName(name: string): string {
  const rules: [RegExp, string][] = [
    [/RDMA /, ''],
    [/ with Immediate/, '_IMM'],
    [/ with Invalidate/, '_INV'],
    [/Acknowledge/, 'ACK'],
    [/CmpSwap/, 'COMPARE_SWAP'],
    [/FetchAdd/, 'FETCH_ADD'],
    [/ /g, '_'],
  ];
  return rules.reduce((text, [pattern, ours]) => text.replace(pattern, ours), name).toUpperCase();
}

const TEXT_FIELDS = ['grh.sgid', 'grh.dgid'];

/** Reads the packets and gives the named InfiniBand fields in our notation. */
function readInfiniband(packets: readonly Packet[], names: readonly string[]): Record<string, string>[] {
  return readFields(
    capture(packets),
    names.map((name) => `infiniband.${name}`),
  ).map((row) =>
    Object.fromEntries(
      names.map((name) => {
        const text = row[`infiniband.${name}`];
        return [name, TEXT_FIELDS.includes(name) ? text : BYTE_FIELDS.includes(name) ? asBytes(text) : asNumber(text)];
      }),
    ),
  );
}

describe('tshark reads our captures', () => {
  it('route, global and base headers of every opcode', () => {
    const packets = OPCODES.flatMap((opcode) => dataPackets(opcode, 4));
    const rows = readInfiniband(packets, [...ROUTE_FIELDS, ...GRH_FIELDS, ...BTH_FIELDS]);
    for (const [i, row] of rows.entries()) expect(row).toEqual(baseExpectation(packets[i]));
    expect(packets.filter((packet) => packet.grh).length).toBeGreaterThan(30);
  });

  it('extension headers, payload and checksums of every RC, UC and UD operation', () => {
    const known = OPCODES.filter((op) => [0, 1, 3].includes(opcodeTransport(op)) && op !== 0x1c && op !== 0x1d);
    expect(known.length).toBe(37);
    const packets = known.flatMap((opcode) => dataPackets(opcode, 12));
    const rows = readInfiniband(packets, EXTENSION_NAMES);
    const others = readFields(capture(packets), [
      'infiniband.invariant.crc',
      'infiniband.variant.crc',
      'data.data',
      '_ws.malformed',
    ]);
    for (const [i, row] of rows.entries()) {
      const packet = packets[i];
      expect(row, `opcode ${packet.bth.opcode}`).toEqual(extensionExpectation(packet));
      const bytes = Buffer.from(emitPacket(packet));
      expect(asNumber(others[i]['infiniband.invariant.crc'])).toBe(String(bytes.readUInt32BE(bytes.length - 6)));
      expect(asNumber(others[i]['infiniband.variant.crc'])).toBe(String(bytes.readUInt16BE(bytes.length - 2)));
      // tshark counts the pad as payload; it is zeros.
      expect(asBytes(others[i]['data.data'])).toBe(normal(packet.payload) + '00'.repeat(-packet.payload.length & 3));
      expect(others[i]['_ws.malformed']).toBe('');
    }
  });

  it('times to the nanosecond, capture interfaces, lengths, receive errors', () => {
    const packets = capture(dataPackets(0x04, 40)).map((captured, i) => ({ ...captured, damaged: i % 5 === 0 }));
    const rows = readFields(packets, [
      'frame.time_epoch',
      'erf.flags.cap',
      'erf.flags.rxe',
      'erf.wlen',
      'frame.len',
      'erf.types.type',
    ]);
    for (const [i, row] of rows.entries()) {
      const { timePs, damaged, packet } = packets[i];
      const nanoseconds = BigInt(timePs) / 1000n;
      expect(row['frame.time_epoch']).toBe(
        `${nanoseconds / 1_000_000_000n}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}`,
      );
      expect(row['erf.flags.cap']).toBe(String(i & 3));
      expect(row['erf.flags.rxe']).toBe(normal(damaged));
      const bytes = emitPacket(packet).length;
      expect([row['erf.wlen'], row['frame.len'], row['erf.types.type']]).toEqual([String(bytes), String(bytes), '21']);
    }
  });
});

describe('tshark reads pcapng', () => {
  it('names of capture points, times, comments on damage, and the packets as before', () => {
    const points = Array.from({ length: 6 }, (_, i) => `leaf${i}/${i + 1}`);
    const packets = OPCODES.flatMap((opcode) => dataPackets(opcode, 1));
    const captures = capture(packets).map((captured, i) => ({ ...captured, interface: i % 6, damaged: i % 4 === 0 }));
    const names = [...ROUTE_FIELDS, ...GRH_FIELDS, ...BTH_FIELDS].map((name) => `infiniband.${name}`);
    const rows = readFields(
      captures,
      ['frame.interface_name', 'frame.time_epoch', 'frame.comment', 'erf.flags.rxe', ...names],
      points,
    );
    for (const [i, row] of rows.entries()) {
      const { timePs, damaged } = captures[i];
      expect(row['frame.interface_name']).toContain(points[i % 6]);
      expect(row['frame.time_epoch']).toBe(
        `${Math.floor(timePs / 1e12)}.${String(Math.floor((timePs % 1e12) / 1000)).padStart(9, '0')}`,
      );
      expect(row['frame.comment']).toBe(damaged ? 'damaged by bit errors on the link' : '');
      expect(row['erf.flags.rxe']).toBe(normal(damaged));
      const expected = baseExpectation(packets[i]);
      const shown = names.map((name) => (TEXT_FIELDS.some((text) => name.endsWith(text)) ? row[name] : asNumber(row[name])));
      expect(shown).toEqual(names.map((name) => expected[name.slice('infiniband.'.length)]));
    }
  });
});

describe('tshark names the codes as we do', () => {
  const acknowledge = (syndrome: number): Packet => ({
    lrh: { vl: 0, sl: 0, dlid: 2, slid: 1 },
    bth: {
      opcode: RC_ACK,
      solicited: false,
      migrated: true,
      pKey: 0xffff,
      fecn: false,
      becn: false,
      destQp: 72,
      ackRequest: false,
      psn: 7,
    },
    extensions: { AETH: { syndrome, msn: 3 } },
    payload: new Uint8Array(0),
  });
  const syndromes = [...Array(32).keys(), ...Array.from({ length: 32 }, (_, t) => 0x20 | t), 0x60, 0x61, 0x62, 0x63, 0x64];

  it('kinds, credit codes, timers and errors of the AETH', () => {
    const names = ['opcode', 'credit_count', 'timer', 'error_code'].map((name) => `aeth.syndrome.${name}`);
    const rows = readInfiniband(syndromes.map(acknowledge), names);
    for (const [i, row] of rows.entries()) {
      const kind = aethKind(syndromes[i]);
      const value = String(aethValue(syndromes[i]));
      expect(Object.values(row)).toEqual([
        String(kind),
        kind === 0 ? value : '',
        kind === 1 ? value : '',
        kind === 3 ? value : '',
      ]);
    }
  });

  it('RNR timers in milliseconds', () => {
    const text = withCapture(capture(syndromes.map(acknowledge)), (path) => tshark(['-r', path, '-V', '-O', 'infiniband']));
    const timers = [...text.matchAll(/Timer: ([\d.]+) ms \((\d+)\)/g)].map(([, ms, code]) => [Number(ms), Number(code)]);
    expect(timers).toEqual(Array.from(RNR_TIMER_PS, (ps, code) => [ps / 1e9, code]));
  });

  it('NAK codes', () => {
    const text = withCapture(capture(syndromes.map(acknowledge)), (path) => tshark(['-r', path, '-V', '-O', 'infiniband']));
    expect([...text.matchAll(/Error Code: (.+) \((\d+)\)/g)].map(([, name]) => name)).toEqual([
      'PSN Sequence Error',
      'Invalid Request',
      'Remote Access Error',
      'Remote Operational Error',
      'Invalid RD Request',
    ]);
  });

  it('opcodes', () => {
    const known = OPCODES.filter((op) => [0, 1, 3].includes(opcodeTransport(op)) && op !== 0x1c && op !== 0x1d);
    const text = withCapture(capture(known.flatMap((op) => dataPackets(op, 1))), (path) =>
      tshark(['-r', path, '-V', '-O', 'infiniband']),
    );
    const shown = [...text.matchAll(/Opcode: .*\((RC|UC|UD)\) - (.+) \((\d+)\)/g)].map(
      ([, transport, name, code]) => `${code} ${transport}_${ourName(name)}`,
    );
    expect(shown).toEqual(known.map((op) => `${op} ${OPCODE_NAMES[op]}`));
  });
});
