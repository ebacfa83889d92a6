/** Records are made here after the table in `packet-record.ts`, by hand and independently of the code that reads them. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CaptureTap } from '../../src/cluster/capture-tap.ts';
import { captureRecord, packetFromRecord } from '../../src/cluster/capture.ts';
import { PayloadPool } from '../../src/fabric/index.ts';
import { encodeCaptured, readPcap } from '../../src/report/index.ts';
import { InvariantError } from '../../src/sim/index.ts';
import {
  CNP,
  emitPacket,
  GRH,
  OPCODES,
  opcodeTransport,
  type Packet,
  parsePacket,
  RC_SEND_ONLY,
  UD_SEND_ONLY,
  wireBytes,
} from '../../src/wire/index.ts';
import { packetWith } from '../wire/samples.ts';

const CARRIED = OPCODES.filter((op) => [0, 1, 3].includes(opcodeTransport(op)) || op === CNP);

function toRecord(packet: Packet): { words: Int32Array; slot: Uint8Array | undefined } {
  const { lrh, grh, bth, extensions: x, payload } = packet;
  const words = new Int32Array(16);
  const global = grh !== undefined;
  words[3] = lrh.dlid | (lrh.slid << 16);
  const flags = (global ? 1 : 0) | (bth.fecn ? 4 : 0) | (bth.becn ? 8 : 0);
  words[4] = wireBytes(bth.opcode, payload.length, global) | (lrh.sl << 16) | (lrh.vl << 20) | (flags << 24);
  const bthFlags = (bth.solicited ? 1 : 0) | (bth.migrated ? 2 : 0) | (bth.ackRequest ? 4 : 0);
  words[6] = bth.opcode | (bthFlags << 8) | (bth.pKey << 16);
  words[7] = bth.destQp | ((-payload.length & 3) << 24);
  words[8] = bth.psn;
  words[14] = payload.length;
  words[15] = 77;
  const high = (value: bigint) => Number(value >> 32n);
  const low = (value: bigint) => Number(value & 0xffffffffn);
  if (x.ImmDt) words[x.DETH ? 13 : 9] = x.ImmDt.immediate;
  if (x.IETH) words[9] = x.IETH.rKey;
  if (x.AETH) words[9] = (x.AETH.syndrome << 24) | x.AETH.msn;
  if (x.FETH) words[9] = (x.FETH.selectivity << 4) | x.FETH.placement;
  if (x.DETH) words.set([x.DETH.qKey, x.DETH.sourceQp], 9);
  if (x.RETH) words.set([x.RETH.rKey, high(x.RETH.virtualAddress), low(x.RETH.virtualAddress), x.RETH.dmaLength], 10);
  if (x.AtomicETH) words.set([x.AtomicETH.rKey, high(x.AtomicETH.virtualAddress), low(x.AtomicETH.virtualAddress)], 10);
  if (x.AtomicAckETH) words.set([high(x.AtomicAckETH.original), low(x.AtomicAckETH.original)], 11);
  const slot = new Uint8Array(4160).fill(0x77);
  let at = 0;
  if (grh) {
    GRH.emit({ ...grh, ipVersion: 6, nextHeader: 0x1b, payloadLength: 0 }, slot);
    at = 40;
  }
  if (x.AtomicETH) {
    const view = new DataView(slot.buffer);
    view.setBigUint64(at, x.AtomicETH.swapOrAdd);
    view.setBigUint64(at + 8, x.AtomicETH.compare);
  }
  slot.set(payload, at);
  const used = global || payload.length > 0 || x.AtomicETH !== undefined;
  return { words, slot: used ? slot : undefined };
}

describe('capture of a record', () => {
  it('record, packet and bytes agree for every opcode that travels', () => {
    expect(CARRIED.length).toBe(40);
    for (const opcode of CARRIED) {
      fc.assert(
        fc.property(packetWith(opcode), fc.boolean(), (packet, damaged) => {
          const { words, slot } = toRecord(packet);
          if (damaged) words[4] |= 16 << 24;
          const captured = captureRecord(words, 0, slot, 123_456, 1);
          expect(captured).toEqual({ timePs: 123_456, interface: 1, damaged, packet });
          const parsed = parsePacket(encodeCaptured(captured));
          expect(parsed).toMatchObject(damaged ? { ok: false, fault: 'vcrc' } : { ok: true, packet });
        }),
        { numRuns: 15 },
      );
    }
  });

  it('reads the record at its place among others', () => {
    const [packet] = fc.sample(packetWith(UD_SEND_ONLY), { numRuns: 1, seed: 3 });
    const { words, slot } = toRecord(packet);
    const batch = new Int32Array(64).fill(-1);
    batch.set(words, 32);
    expect(emitPacket(packetFromRecord(batch, 32, slot))).toEqual(emitPacket(packet));
  });

  it('traffic without data has zeros for payload', () => {
    const [base] = fc.sample(packetWith(RC_SEND_ONLY), { numRuns: 1, seed: 1 });
    const { grh: _grh, ...packet } = { ...base, payload: new Uint8Array(2048) };
    const { words } = toRecord(packet);
    expect(packetFromRecord(words, 0, undefined)).toEqual(packet);
  });

  it('refuses records that contradict themselves', () => {
    const [base] = fc.sample(packetWith(RC_SEND_ONLY), { numRuns: 1, seed: 1 });
    const fresh = () => toRecord(base).words;
    const broken = (word: number, xor: number) => {
      const words = fresh();
      words[word] ^= xor;
      return () => packetFromRecord(words, 0, new Uint8Array(4160));
    };
    expect(broken(14, 64)).toThrow(/bytes on the wire/);
    expect(broken(4, 2 << 24)).toThrow(/freed buffer room/);
    expect(broken(6, 0x1f ^ RC_SEND_ONLY)).toThrow(InvariantError);
  });
});

describe('capture tap', () => {
  it('writes packets in the order of time, with payloads from the pool and the VL of the link', () => {
    const folder = mkdtempSync(join(tmpdir(), 'heddle-tap-'));
    try {
      const path = join(folder, 'a.pcap');
      const pool = PayloadPool.create(1, 64);
      const tap = new CaptureTap(
        path,
        [
          { name: 'cpu1:1', portHandle: 40 },
          { name: 'leaf1:3', portHandle: 7 },
        ],
        pool,
      );
      const packets = CARRIED.map((opcode) => fc.sample(packetWith(opcode), { numRuns: 1, seed: opcode + 5 })[0]);
      const report = (i: number, portHandle: number, transmitted: boolean, timePs: number, vl: number) => {
        const { words, slot } = toRecord(packets[i]);
        if (slot !== undefined) {
          const number = pool.allocate(0);
          pool.bytes.set(slot, number * 4160);
          words[5] = number + 1;
        }
        tap.packet(portHandle, transmitted, timePs, words, 0, vl);
      };
      // Later packets first; one passes both ports, and one port in both directions at the same time.
      for (let i = 1; i < packets.length; i++) report(i, 40, false, 10_000 * (packets.length - i), i & 7);
      expect(tap.packets).toBe(0);
      tap.flushUntil(30_000);
      expect(tap.packets).toBe(2);
      report(0, 7, true, 1_000_000, 3);
      report(0, 7, false, 1_000_000, 2);
      report(0, 40, true, 1_000_000, 1);
      tap.close();
      tap.close();
      expect(() => report(0, 8, true, 0, 0)).toThrow(/port 8, which nobody asked for/);
      const { records } = readPcap(readFileSync(path));
      const early = records.slice(0, -3).map((record) => [record.timePs, record.interface, parsePacket(record.frame)]);
      expect(early).toMatchObject(
        packets
          .slice(1)
          .map((packet, i) => [
            10_000 * (packets.length - 1 - i),
            0,
            { ok: true, packet: { ...packet, lrh: { ...packet.lrh, vl: (i + 1) & 7 } } },
          ])
          .reverse(),
      );
      const vl = (frame: Uint8Array) => frame[0] >> 4;
      expect(records.slice(-3).map((record) => [record.timePs, record.interface, vl(record.frame)])).toEqual([
        [1_000_000, 0, 1],
        [1_000_000, 1, 2],
        [1_000_000, 1, 3],
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
