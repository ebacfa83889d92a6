/** The parts of TCP for themselves: headers and options, buffers, sequence numbers, timers, ports. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LazyTimer } from '../../src/net/lazy-timer.ts';
import { FIRST_EPHEMERAL_PORT, LAST_EPHEMERAL_PORT, PortTable } from '../../src/net/ports.ts';
import { unwrap, wireSequence } from '../../src/net/tcb.ts';
import { ReceiveBuffer, SendBuffer } from '../../src/net/tcp-buffers.ts';
import { headerBytesOf, readSegment, readTcpOptions, writeSegmentHeader } from '../../src/net/tcp-segment.ts';
import { BareKernelCpu, EventLoop, RandomStream } from '../../src/sim/index.ts';
import { pattern } from './world.ts';

const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffffffff);
const header = fc.record(
  {
    sourcePort: u16,
    destinationPort: u16,
    sequence: u32,
    ack: u32,
    flags: fc.nat(255),
    window: u16,
    mss: u16.filter((mss) => mss > 0),
    windowScale: fc.nat(14),
    sackPermitted: fc.boolean(),
    timestamp: u32,
    timestampEcho: u32,
    sacks: fc.array(u32, { maxLength: 8 }).map((edges) => edges.slice(0, edges.length & ~1)),
  },
  { requiredKeys: ['sourcePort', 'destinationPort', 'sequence', 'ack', 'flags', 'window'] },
);

describe('segments', () => {
  it('read as written', () => {
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 50 }), (fields, data) => {
        const bytes = new Uint8Array(7 + headerBytesOf(fields) + data.length);
        const end = writeSegmentHeader(bytes, 7, fields);
        expect(end).toBe(7 + headerBytesOf(fields));
        expect(end - 7).toBeLessThanOrEqual(60);
        bytes.set(data, end);
        const read = readSegment(bytes, 7, bytes.length)!;
        const { sourcePort, destinationPort, sequence, ack, flags, window } = fields;
        expect(read).toMatchObject({ sourcePort, destinationPort, sequence, ack, flags, window, data });
        const { options } = read;
        expect(options.mss).toBe(fields.mss ?? 0);
        expect(options.windowScale).toBe(fields.windowScale ?? -1);
        expect(options.sackPermitted).toBe(fields.sackPermitted ?? false);
        expect(options.hasTimestamp).toBe(fields.timestamp !== undefined);
        if (fields.timestamp !== undefined)
          expect([options.timestamp, options.timestampEcho]).toEqual([fields.timestamp, fields.timestampEcho ?? 0]);
        const sacks = fields.sacks ?? [];
        expect(options.sacks).toEqual(sacks.slice(0, options.sacks.length));
        // Three blocks fit beside timestamps, if there is nothing else.
        if (fields.mss === undefined && fields.windowScale === undefined && fields.sackPermitted !== true)
          expect(options.sacks.length).toBe(Math.min(sacks.length, fields.timestamp === undefined ? 8 : 6));
      }),
    );
  });

  it('with any bytes for options, or none at all, do not throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        readTcpOptions(bytes, 0, bytes.length);
        const read = readSegment(bytes, 0, bytes.length);
        if (bytes.length < 20) expect(read).toBeNull();
      }),
    );
  });
});

describe('the send buffer', () => {
  it('is a queue of bytes', () => {
    const step = fc.oneof(fc.record({ add: fc.nat(9000) }), fc.record({ drop: fc.double({ min: 0, max: 1, noNaN: true }) }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const start = 2 ** 32 - 5000;
        const buffer = new SendBuffer(start);
        const all = pattern(400_000);
        let end = 0;
        let begin = 0;
        for (const one of steps) {
          if ('add' in one) {
            buffer.append(all, end, end + one.add);
            end += one.add;
          } else {
            begin += Math.floor((end - begin) * one.drop);
            buffer.dropTo(start + begin);
          }
          expect([buffer.start, buffer.end, buffer.length]).toEqual([start + begin, start + end, end - begin]);
          const copy = new Uint8Array(end - begin);
          if (copy.length > 0) buffer.copy(start + begin, copy.length, copy, 0);
          expect(Buffer.compare(copy, all.subarray(begin, end))).toBe(0);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('the receive buffer', () => {
  it('puts pieces in order, and says what it has', () => {
    const piece = fc.record({ at: fc.nat(500), bytes: fc.integer({ min: 1, max: 100 }), read: fc.nat(120) });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const start = 2 ** 32 - 300;
        const all = pattern(600);
        const buffer = new ReceiveBuffer(start);
        const has = new Array<boolean>(601).fill(false);
        const out: number[] = [];
        for (const { at, bytes, read } of pieces) {
          const before = buffer.next;
          expect(buffer.add(start + at, all.subarray(at, at + bytes))).toBe(buffer.next - before);
          has.fill(true, at, at + bytes);
          const next = has.indexOf(false);
          expect(buffer.next).toBe(start + next);
          expect(buffer.hasGap).toBe(has.indexOf(true, next) >= 0);
          out.push(...buffer.read(read));
          expect(buffer.available).toBe(next - out.length);
          expect(out).toEqual([...all.subarray(0, out.length)]);
          checkSacks(buffer, has, start, next, at, bytes);
        }
      }),
      { numRuns: 100 },
    );
  });
});

/** Every block is a maximal run beyond the gap; the first holds what came last, unless that filled the gap (RFC 2018 4). */
function checkSacks(
  buffer: ReceiveBuffer,
  has: readonly boolean[],
  start: number,
  next: number,
  at: number,
  bytes: number,
): void {
  const edges = buffer.sackEdges(100);
  let covered = 0;
  for (let i = 0; i < edges.length; i += 2) {
    const [from, to] = [unwrap(edges[i]!, start) - start, unwrap(edges[i + 1]!, start) - start] as const;
    expect(has.slice(from, to).every(Boolean)).toBe(true);
    expect([has[from - 1], has[to]]).toEqual([false, false]);
    covered += to - from;
    if (i === 0 && at > next) expect(from <= at && to >= at + bytes).toBe(true);
  }
  expect(covered).toBe(has.slice(next).filter(Boolean).length);
}

describe('sequence numbers', () => {
  it('come back from the wire, across the end of 32 bits', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 45), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (reference, distance) => {
        fc.pre(reference + distance >= 0);
        expect(unwrap(wireSequence(reference + distance), reference)).toBe(reference + distance);
      }),
    );
  });
});

describe('a timer that is set again and again', () => {
  it('runs out once, at its last time', () => {
    const loop = new EventLoop();
    const cpu = new BareKernelCpu(loop, 0, { interruptPs: 0, timerPs: 0 });
    const fired: number[] = [];
    const timer = new LazyTimer(cpu, () => fired.push(loop.nowPs));
    timer.set(100);
    timer.set(300);
    timer.set(200);
    expect([timer.isSet, timer.atPs]).toEqual([true, 200]);
    loop.runUntil(1000);
    expect(fired).toEqual([200]);
    timer.set(2000);
    timer.clear();
    loop.runUntil(3000);
    timer.set(4000);
    timer.set(3500);
    loop.runUntil(5000);
    timer.set(6000);
    timer.stop();
    loop.runUntil(7000);
    expect(fired).toEqual([200, 3500]);
  });
});

describe('ports', () => {
  it('are handed out once, all of them', () => {
    const taken = new Set<number>();
    const table = new PortTable(new RandomStream(1, 'ports'), (port) => taken.has(port));
    for (let port = table.pick(); port !== null; port = table.pick()) taken.add(port);
    expect(taken.size).toBe(LAST_EPHEMERAL_PORT - FIRST_EPHEMERAL_PORT + 1);
    expect([Math.min(...taken), Math.max(...taken)]).toEqual([FIRST_EPHEMERAL_PORT, LAST_EPHEMERAL_PORT]);
  });
});
