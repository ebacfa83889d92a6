import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  SEND_FENCE,
  SEND_INLINE,
  SEND_SIGNALED,
  WR_FETCH_ADD,
  WR_READ,
  WR_SEND,
  WR_WRITE,
  WR_WRITE_IMM,
} from '../../src/hca/index.ts';
import { RandomStream } from '../../src/sim/index.ts';
import { buffer, connect, drain, send, TestWire } from './wire.ts';

const SIZE = 20_000;
const OPS = [WR_SEND, WR_WRITE, WR_WRITE_IMM, WR_READ, WR_FETCH_ADD];

const plan = fc.record({
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
  lossPercent: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60 })),
  mtu: fc.integer({ min: 1, max: 5 }),
  /** A slow wire behind a small buffer: queue pairs wait for room. */
  narrow: fc.boolean(),
  /** WRITEs in the other direction at the same time, and their size. */
  reverse: fc.array(fc.integer({ min: 0, max: 6000 }), { maxLength: 6 }),
  sqPsn: fc.constantFrom(0, 100, 0xfffff0, 0xffffff),
  operations: fc.array(
    fc.record({
      op: fc.constantFrom(...OPS),
      bytes: fc.integer({ min: 0, max: 9000 }),
      flags: fc.constantFrom(0, SEND_SIGNALED, 1 | SEND_SIGNALED),
    }),
    { minLength: 1, maxLength: 12 },
  ),
});

/** What memory must look like, kept by plain arrays. */
class Oracle {
  readonly remote = new Uint8Array(SIZE);
  readonly reads: { at: number; bytes: Uint8Array }[] = [];
  readonly received: { bytes: Uint8Array | null; imm: boolean }[] = [];
  counter = 0n;
}

function run(input: typeof plan extends fc.Arbitrary<infer T> ? T : never) {
  const random = new RandomStream(input.seed, 'loss');
  const narrow = input.narrow ? { psPerByte: 1000, overrides: { txBufferBytes: 8192 } } : {};
  const wire = new TestWire({ mtuBytes: 4096, ...narrow });
  const settings = {
    mtu: input.mtu,
    sqPsn: input.sqPsn,
    timeout: input.lossPercent === 0 ? 12 : input.narrow ? 6 : 1,
    retryCnt: 7,
    minRnrTimer: 1,
    rdAtomic: 2,
    destRdAtomic: 2,
  };
  const [a, b] = connect(wire, settings);
  // A message may be sent seven times again, so that many losses must never end in a failure, wherever they fall.
  let budget = 7;
  wire.filter = () => {
    if (budget === 0 || random.below(100) >= input.lossPercent) return true;
    budget--;
    return false;
  };
  const source = buffer(a.host, 9000);
  for (let i = 0; i < 9000; i++) source.bytes[i] = random.below(256);
  const back = buffer(a.host, 12 * 9000);
  const counters = buffer(a.host, 12 * 8);
  const target = buffer(b.host, SIZE);
  const cell = buffer(b.host, 8);
  const inbox = buffer(b.host, 12 * 9000);
  const oracle = new Oracle();
  let receives = 0;
  for (const [i, { op, bytes, flags }] of input.operations.entries()) {
    const remote = { remoteAddr: target.addr + i * 7, rkey: target.mr.rkey };
    // A WRITE overtakes an earlier READ unless it is fenced (IBA vol. 1, 10.8.3.3).
    const fence = op === WR_WRITE || op === WR_WRITE_IMM ? SEND_FENCE : 0;
    const inline = bytes <= 256 && op !== WR_READ && op !== WR_FETCH_ADD ? SEND_INLINE : 0;
    const wr = { wrId: i, opcode: op, sendFlags: flags | fence | inline, sge: [source.sge(0, bytes)], immData: i };
    if (op === WR_SEND || op === WR_WRITE_IMM) {
      b.host.hca.postRecv(b.qp, { wrId: receives, sge: [inbox.sge(receives * 9000, 9000)] }, 0);
      receives++;
      oracle.received.push({ bytes: op === WR_SEND ? source.bytes.slice(0, bytes) : null, imm: op === WR_WRITE_IMM });
    }
    if (op === WR_WRITE || op === WR_WRITE_IMM) oracle.remote.set(source.bytes.subarray(0, bytes), i * 7);
    if (op === WR_FETCH_ADD) {
      send(a, { ...wr, sge: [counters.sge(i * 8, 8)], remoteAddr: cell.addr, rkey: cell.mr.rkey, compareAdd: i + 1 });
      oracle.reads.push({ at: -1 - i, bytes: new Uint8Array(new BigUint64Array([oracle.counter]).buffer) });
      oracle.counter += BigInt(i + 1);
    } else if (op === WR_READ) {
      send(a, { ...wr, ...remote, sge: [back.sge(i * 9000, bytes)] });
      oracle.reads.push({ at: i * 9000, bytes: oracle.remote.slice(i * 7, i * 7 + bytes) });
    } else send(a, { ...wr, ...remote });
  }
  const there = buffer(b.host, 6 * 6000);
  const here = buffer(a.host, 6 * 6000);
  for (let i = 0; i < there.bytes.length; i++) there.bytes[i] = random.below(256);
  const reversed = new Uint8Array(6 * 6000);
  for (const [i, bytes] of input.reverse.entries()) {
    const piece = there.sge(i * 6000, bytes);
    reversed.set(there.bytes.subarray(i * 6000, i * 6000 + bytes), i * 6000);
    send(b, { wrId: 100 + i, opcode: WR_WRITE, sge: [piece], remoteAddr: here.addr + i * 6000, rkey: here.mr.rkey });
  }
  wire.run(3e12);
  return { wire, a, b, here, reversed, oracle, back, counters, target, cell, inbox };
}

const same = (x: Uint8Array, y: Uint8Array) => Buffer.compare(x, y) === 0;

describe('RC whatever is lost', () => {
  it('delivers every message exactly once, in order', () => {
    fc.assert(
      fc.property(plan, (input) => {
        const { wire, a, b, here, reversed, oracle, back, counters, target, cell, inbox } = run(input);
        const sent = drain(a.cq);
        expect(sent.map((wc) => wc.status).filter((status) => status !== 0)).toEqual([]);
        expect(sent.map((wc) => wc.wrId)).toEqual(input.operations.flatMap((o, i) => (o.flags & SEND_SIGNALED ? [i] : [])));
        expect(a.qp.sq.acked).toBe(input.operations.length);
        expect(same(target.bytes, oracle.remote)).toBe(true);
        expect(new BigUint64Array(cell.bytes.buffer)[0]).toBe(oracle.counter);
        for (const { at, bytes } of oracle.reads) {
          const got =
            at < 0 ? counters.bytes.subarray((-1 - at) * 8, (-1 - at) * 8 + 8) : back.bytes.subarray(at, at + bytes.length);
          expect(same(got, bytes)).toBe(true);
        }
        const received = drain(b.cq);
        expect(received.map((wc) => wc.wrId)).toEqual(oracle.received.map((_, i) => i));
        for (const [i, { bytes }] of oracle.received.entries()) {
          if (bytes === null) continue;
          expect(received[i].byteLen).toBe(bytes.length);
          expect(same(inbox.bytes.subarray(i * 9000, i * 9000 + bytes.length), bytes)).toBe(true);
        }
        expect(same(here.bytes, reversed)).toBe(true);
        if (wire.dropped === 0 && input.lossPercent === 0) {
          // Nothing overtakes on a wire that loses nothing.
          for (const { hca } of wire.hosts)
            expect(hca.counters).toMatchObject({ retries: 0, outOfSequence: 0, duplicates: 0, timeouts: 0 });
        }
        expect(wire.pool.inUse()).toBe(0);
        expect(a.host.hca.bytesInFlight() + b.host.hca.bytesInFlight()).toBe(0);
        expect(a.qp.rdAtomicOutstanding).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});
