/** The rules of io/ring.h, against a model in exact integers; what they are in C is judged by test/interop/xen-ring.test.ts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BackRing,
  DEFAULT_HASH_KEY,
  extraInfo,
  flowHash,
  FrontRing,
  gsoSize,
  gsoType,
  HASH_TYPE_IPV4,
  HASH_TYPE_IPV4_TCP,
  HASH_TYPE_IPV6_TCP,
  initSharedRing,
  joinPages,
  PagePool,
  passedEvent,
  readCtrlRequest,
  readCtrlResponse,
  readExtra,
  releaseGrant,
  ringSize,
  toeplitzHash,
  TX_SLOT_BYTES,
  writeCtrlRequest,
  writeCtrlResponse,
  writeGsoExtra,
} from '../../src/hypervisor/index.ts';
import { BytesView } from '../kit/bytes-view.ts';
import { SplitLab } from '../kit/split-lab.ts';

const page = (): BytesView => new BytesView(new Uint8Array(4096));

describe('rings', () => {
  it('have as many slots as io/ring.h says', () => {
    // netif tx, rx, ctrl; blkif of 1, 2, 4, 8, 16 pages.
    expect([12, 8, 16].map((bytes) => ringSize(4096, bytes))).toEqual([256, 256, 128]);
    expect([0, 1, 2, 3, 4].map((order) => ringSize(4096 << order, 112))).toEqual([32, 64, 128, 256, 512]);
  });

  it('begin with events at 1', () => {
    const view = page();
    view.fill(0, 4096, 0xff);
    initSharedRing(view);
    expect([0, 4, 8, 12, 16].map((at) => view.u32(at))).toEqual([0, 1, 0, 1, 0]);
  });

  it('notify exactly if the event lies in what was pushed', () => {
    const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
    fc.assert(
      fc.property(u32, fc.nat(300), fc.integer({ min: -400, max: 400 }), (from, pushed, offset) => {
        const event = (from + offset) >>> 0;
        expect(passedEvent(from, (from + pushed) >>> 0, event)).toBe(offset >= 1 && offset <= pushed);
      }),
      { numRuns: 2000 },
    );
  });

  /** Both ends at random, with everything that they believe kept in unbounded integers beside. */
  it('agree with a model that never wraps', () => {
    const step = fc.tuple(
      fc.constantFrom('ask', 'push', 'take', 'answer', 'reply', 'collect', 'sleepFront', 'sleepBack'),
      fc.nat(40),
    );
    fc.assert(
      fc.property(fc.constantFrom(0, 250, 0xffff_ff80, 0xffff_ffff), fc.array(step, { maxLength: 120 }), (origin, steps) => {
        const view = page();
        initSharedRing(view, origin);
        const front = new FrontRing(view, TX_SLOT_BYTES, origin);
        const back = new BackRing(view, TX_SLOT_BYTES, origin);
        const model = { asked: 0, pushed: 0, taken: 0, answered: 0, replied: 0, collected: 0, requestEvent: 1, responseEvent: 1 };
        for (const [kind, n] of steps) {
          for (let i = 0; i < n; i++) {
            if (kind === 'ask' && front.free > 0) {
              view.setU32(front.nextRequest(), model.asked++);
            } else if (kind === 'take' && back.unconsumedRequests > 0) {
              expect(view.u32(back.slot(back.reqCons))).toBe(model.taken++);
              back.reqCons = (back.reqCons + 1) >>> 0;
            } else if (kind === 'answer' && model.answered < model.taken) {
              view.setU32(back.nextResponse(), 1_000_000 + model.answered++);
            } else if (kind === 'collect' && front.unconsumedResponses > 0) {
              expect(view.u32(front.slot(front.rspCons))).toBe(1_000_000 + model.collected++);
              front.rspCons = (front.rspCons + 1) >>> 0;
            }
          }
          if (kind === 'push') {
            expect(front.pushRequests()).toBe(model.requestEvent > model.pushed && model.requestEvent <= model.asked);
            model.pushed = model.asked;
          } else if (kind === 'reply') {
            expect(back.pushResponses()).toBe(model.responseEvent > model.replied && model.responseEvent <= model.answered);
            model.replied = model.answered;
          } else if (kind === 'sleepFront') {
            const hasWork = model.replied > model.collected;
            expect(front.finalCheckForResponses()).toBe(hasWork);
            if (!hasWork) model.responseEvent = model.collected + 1;
          } else if (kind === 'sleepBack') {
            const hasWork = model.pushed > model.taken;
            expect(back.finalCheckForRequests()).toBe(hasWork);
            if (!hasWork) model.requestEvent = model.taken + 1;
          }
          expect(front.free).toBe(256 - (model.asked - model.collected));
          expect(front.unpushed).toBe(model.asked - model.pushed);
          expect(back.unpushed).toBe(model.answered - model.replied);
          expect(front.outstanding).toBe(model.asked - model.replied);
          expect(front.isOverrun || back.isOverrun).toBe(false);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('see impossible counters', () => {
    const view = page();
    initSharedRing(view);
    const front = new FrontRing(view, TX_SLOT_BYTES);
    const back = new BackRing(view, TX_SLOT_BYTES);
    view.setU32(0, 256);
    expect(back.isOverrun).toBe(false);
    view.setU32(0, 257);
    expect(back.isOverrun).toBe(true);
    // The back never reads more than there can be.
    expect(back.unconsumedRequests).toBe(256);
    view.setU32(8, 1);
    expect(front.isOverrun).toBe(true);
  });

  it('go over several pages', () => {
    const pages = [page(), page(), page(), page()];
    const view = joinPages(pages);
    initSharedRing(view);
    const front = new FrontRing(view, 112);
    expect(front.size).toBe(128);
    for (let i = 0; i < 128; i++) view.write(front.nextRequest(), new Uint8Array(112).fill(i));
    const all = new Uint8Array(4 * 4096);
    pages.forEach((one, i) => {
      all.set(one.bytes, 4096 * i);
    });
    for (let i = 0; i < 128; i++) expect(all.subarray(64 + 112 * i, 64 + 112 * (i + 1)).every((byte) => byte === i)).toBe(true);
    view.setU64(4096, 0x1122_3344_5566_7788n);
    expect([view.u64(4096), view.u16(4098), view.u8(4103), pages[1]!.u32(4)]).toEqual([
      0x1122_3344_5566_7788n,
      0x5566,
      0x11,
      0x1122_3344,
    ]);
    expect(() => view.u32(4 * 4096 - 3)).toThrow(RangeError);
    expect(() => view.read(4 * 4096 - 10, new Uint8Array(11))).toThrow(RangeError);
    view.fill(4090, 12, 9);
    expect([pages[0]!.u8(4095), pages[1]!.u8(5), pages[1]!.u8(6)]).toEqual([9, 9, 0x22]);
  });
});

describe('slots of netif', () => {
  it('keep what is written', () => {
    const view = page();
    writeGsoExtra(view, 64, 1, 2, 1448);
    const extra = readExtra(view, 64, extraInfo());
    expect([extra.type, extra.flags, gsoSize(extra), gsoType(extra)]).toEqual([1, 1, 1448, 2]);
    const request = { id: 9, type: 6, data: [1, 0xffff_ffff, 3] } as const;
    writeCtrlRequest(view, 80, request);
    expect(readCtrlRequest(view, 80)).toEqual(request);
    const response = { id: 9, type: 6, status: 2, data: 128 };
    writeCtrlResponse(view, 80, response);
    expect(readCtrlResponse(view, 80)).toEqual(response);
  });
});

describe('the Toeplitz hash', () => {
  /** The verification suite of Microsoft's RSS specification: destination, source, and the hashes without and with ports. */
  const SUITE = [
    ['161.142.100.80', 1766, '66.9.149.187', 2794, 0x323e8fc2, 0x51ccc178],
    ['65.69.140.83', 4739, '199.92.111.2', 14230, 0xd718262a, 0xc626b0ea],
    ['12.22.207.184', 38024, '24.19.198.95', 12898, 0xd2d0a5de, 0x5c2b394a],
    ['209.142.163.6', 2217, '38.27.205.30', 48228, 0x82989176, 0xafc7327f],
    ['202.188.127.2', 1303, '153.39.163.191', 44251, 0x5d1809c5, 0x10e828a2],
  ] as const;

  it.each(SUITE)('of packets to %s:%i', (destination, destinationPort, source, sourcePort, plain, withPorts) => {
    const data = new Uint8Array(40);
    data.set([
      0x45,
      0,
      0,
      40,
      0,
      0,
      0x40,
      0,
      64,
      6,
      0,
      0,
      ...source.split('.').map(Number),
      ...destination.split('.').map(Number),
    ]);
    data.set([sourcePort >> 8, sourcePort & 255, destinationPort >> 8, destinationPort & 255], 20);
    expect(flowHash(DEFAULT_HASH_KEY, HASH_TYPE_IPV4, 0x800, data)).toEqual({ type: HASH_TYPE_IPV4, hash: plain });
    expect(flowHash(DEFAULT_HASH_KEY, HASH_TYPE_IPV4 | HASH_TYPE_IPV4_TCP, 0x800, data)).toEqual({
      type: HASH_TYPE_IPV4_TCP,
      hash: withPorts,
    });
    // A fragment has no ports.
    data[7] = 1;
    expect(flowHash(DEFAULT_HASH_KEY, HASH_TYPE_IPV4 | HASH_TYPE_IPV4_TCP, 0x800, data).hash).toBe(plain);
    expect(toeplitzHash(DEFAULT_HASH_KEY, data, 12, 8)).toBe(plain);
  });

  it('of IPv6, and of what is neither', () => {
    const data = new Uint8Array(60);
    data[6] = 6;
    data.set([0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0, 7], 8);
    data.set([0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x00, 0x03, 0, 0, 0, 0, 0, 0, 0, 1], 24);
    data.set([2794 >> 8, 2794 & 255, 1766 >> 8, 1766 & 255], 40);
    expect(flowHash(DEFAULT_HASH_KEY, HASH_TYPE_IPV6_TCP, 0x86dd, data)).toEqual({ type: HASH_TYPE_IPV6_TCP, hash: 0x40207d3d });
    expect(flowHash(DEFAULT_HASH_KEY, 15, 0x806, data)).toEqual({ type: 0, hash: 0 });
  });
});

describe('pages and grants of a driver', () => {
  it('are used again, and go back when all is over', () => {
    const lab = new SplitLab();
    const domain = lab.addDomain(1, 'xen-4.17', { pages: 4 });
    const pool = new PagePool(domain.kernel, 3);
    const taken = [pool.take(), pool.take(), pool.take()];
    expect(pool.take()).toBe(-1);
    pool.give(taken[0]!);
    expect(pool.take()).toBe(taken[0]);
    pool.give(taken[1]!);
    pool.close();
    expect(domain.held.freePages).toBe(2);
    pool.give(taken[0]!);
    pool.give(taken[2]!);
    expect(domain.held.freePages).toBe(4);
  });

  it('wait for the other end to let go', () => {
    const lab = new SplitLab();
    const [mine, other] = [lab.addDomain(1, 'xen-4.17'), lab.addDomain(0, 'xen-4.17')];
    const ref = mine.kernel.xen.grantAccess(0, 5, false);
    let isDone = false;
    other.cpus[0]!.exec(0, 'test', () => other.kernel.xen.mapGrants(other.cpus[0]!, [{ domid: 1, ref, readonly: false }]));
    lab.run();
    releaseGrant(mine.kernel, ref, () => {
      isDone = true;
    });
    lab.run(lab.loop.nowPs + 3.5e12);
    expect(isDone).toBe(false);
    other.cpus[0]!.exec(0, 'test', () => other.kernel.xen.unmapGrants(other.cpus[0]!, [...other.mappings.keys()]));
    lab.run(lab.loop.nowPs + 2e12);
    expect([isDone, mine.held.grants]).toEqual([true, 0]);
  });
});
