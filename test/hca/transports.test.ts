import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ATTR_ALT_PATH,
  ATTR_CUR_STATE,
  ATTR_EN_SQD_ASYNC_NOTIFY,
  ATTR_PATH_MIG_STATE,
  ATTR_SQ_PSN,
  ATTR_STATE,
  EINVAL,
  ENOSYS,
  QPS_RTS,
  QPS_SQD,
  QPS_SQE,
  QPT_RC,
  QPT_UC,
  QPT_UD,
  SEND_FENCE,
  SEND_INLINE,
  SEND_SIGNALED,
  WC_GRH,
  WC_LOC_LEN_ERR,
  WC_LOC_PROT_ERR,
  WC_WITH_IMM,
  WC_WR_FLUSH_ERR,
  WR_FETCH_ADD,
  WR_READ,
  WR_SEND,
  WR_SEND_IMM,
  WR_SEND_INV,
  WR_WRITE,
  WR_WRITE_IMM,
} from '../../src/hca/index.ts';
import { RandomStream } from '../../src/sim/index.ts';
import { RC_ACK, RC_READ_REQUEST, RC_WRITE_ONLY } from '../../src/wire/index.ts';
import { boundarySizes, EVENT, FIRST_PSNS } from '../conformance/error-completions.ts';
import { buffer, connect, done, drain, makeQp, ok, send, TestWire, toRtr, toRts, vector } from './wire.ts';

const fill = (bytes: Uint8Array, seed: number) => {
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7 + seed * 13 + (i >> 8)) & 0xff;
};
const equal = (x: Uint8Array, y: Uint8Array) => Buffer.compare(x, y) === 0;

describe('boundary sizes and PSN wrap', () => {
  for (const type of [QPT_RC, QPT_UC]) {
    for (const mtu of [1, 3, 5]) {
      it(`${type === QPT_RC ? 'RC' : 'UC'} at MTU ${128 << mtu}`, () => {
        for (const sqPsn of FIRST_PSNS) {
          const wire = new TestWire({ mtuBytes: 4096 });
          const [a, b] = connect(wire, { type, mtu, sqPsn });
          const sizes = boundarySizes(128 << mtu);
          const source = buffer(a.host, 20_000);
          fill(source.bytes, mtu);
          const inbox = buffer(b.host, sizes.length * 20_000);
          const target = buffer(b.host, sizes.length * 20_000);
          for (const [i, n] of sizes.entries()) {
            b.host.hca.postRecv(b.qp, { wrId: i, sge: [inbox.sge(i * 20_000, n)] }, 0);
            send(a, { opcode: WR_SEND_IMM, immData: 0xfffffff0 + i, sge: [source.sge(0, n)] });
            send(a, {
              wrId: i,
              opcode: WR_WRITE,
              sendFlags: SEND_SIGNALED,
              sge: [source.sge(1, n)],
              remoteAddr: target.addr + i * 20_000,
              rkey: target.mr.rkey,
            });
          }
          wire.run();
          expect(drain(a.cq).map((wc) => [wc.wrId, wc.status])).toEqual(sizes.map((_, i) => [i, 0]));
          expect(drain(b.cq).map((wc) => [wc.byteLen, wc.immData, wc.wcFlags])).toEqual(
            sizes.map((n, i) => [n, 0xfffffff0 + i, WC_WITH_IMM]),
          );
          for (const [i, n] of sizes.entries()) {
            expect(equal(inbox.bytes.subarray(i * 20_000, i * 20_000 + n), source.bytes.subarray(0, n))).toBe(true);
            expect(equal(target.bytes.subarray(i * 20_000, i * 20_000 + n), source.bytes.subarray(1, n + 1))).toBe(true);
          }
          const packets = sizes.reduce((sum, n) => sum + 2 * Math.max(1, Math.ceil(n / (128 << mtu))), 0);
          expect(a.qp.nextPsn).toBe((sqPsn + packets) % 2 ** 24);
          expect(b.qp.expectedPsn).toBe(a.qp.nextPsn);
        }
      });
    }
  }

  it('a READ takes as many PSNs as its response has packets', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire, { mtu: 1, sqPsn: 0xfffffe });
    const back = buffer(a.host, 2000);
    const target = buffer(b.host, 2000);
    fill(target.bytes, 3);
    send(a, {
      opcode: WR_READ,
      sendFlags: SEND_SIGNALED,
      sge: [back.sge(0, 1025)],
      remoteAddr: target.addr,
      rkey: target.mr.rkey,
    });
    wire.run();
    expect(a.qp.nextPsn).toBe(3);
    expect(equal(back.bytes.subarray(0, 1025), target.bytes.subarray(0, 1025))).toBe(true);
    expect(drain(a.cq)[0].byteLen).toBe(1025);
  });
});

describe('UC', () => {
  it('drops whole messages, never a part of one, whatever is lost', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 31 }),
        fc.array(fc.integer({ min: 0, max: 1500 }), { minLength: 1, maxLength: 20 }),
        (seed, sizes) => {
          const wire = new TestWire();
          const [a, b] = connect(wire, { type: QPT_UC, mtu: 1 });
          const random = new RandomStream(seed, 'uc');
          const lost = new Set<number>();
          const messageOf: number[] = sizes.flatMap((n, i) => Array(Math.max(1, Math.ceil(n / 256))).fill(i));
          wire.filter = (p) => {
            if (random.below(8) !== 0) return true;
            lost.add(messageOf[(p.psn - 100) & 0xffffff]);
            return false;
          };
          const inbox = buffer(b.host, 20 * 1500);
          const source = buffer(a.host, 1500);
          fill(source.bytes, seed);
          for (let i = 0; i < sizes.length; i++) b.host.hca.postRecv(b.qp, { wrId: i, sge: [inbox.sge(i * 1500, 1500)] }, 0);
          for (const [i, n] of sizes.entries())
            send(a, { wrId: i, opcode: WR_SEND_IMM, immData: i, sendFlags: SEND_SIGNALED, sge: [source.sge(0, n)] });
          wire.run();
          const kept = sizes.flatMap((_, i) => (lost.has(i) ? [] : [i]));
          expect(drain(a.cq).map((wc) => wc.status)).toEqual(sizes.map(() => 0));
          const received = drain(b.cq);
          expect(received.map((wc) => wc.immData)).toEqual(kept);
          expect(received.map((wc) => wc.wrId)).toEqual(kept.map((_, slot) => slot));
          for (const [slot, i] of kept.entries())
            expect(equal(inbox.bytes.subarray(slot * 1500, slot * 1500 + sizes[i]), source.bytes.subarray(0, sizes[i]))).toBe(
              true,
            );
          expect(wire.pool.inUse()).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('goes to SQE on a local error and comes back', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire, { type: QPT_UC });
    const source = buffer(a.host, 64);
    const inbox = buffer(b.host, 64);
    for (let i = 0; i < 2; i++) b.host.hca.postRecv(b.qp, { wrId: i, sge: [inbox.sge()] }, 0);
    send(a, { wrId: 1, opcode: WR_SEND, sendFlags: SEND_SIGNALED, sge: [source.sge()] });
    send(a, { wrId: 2, opcode: WR_SEND, sge: [{ addr: source.addr, length: 8, lkey: 77 }] });
    send(a, { wrId: 3, opcode: WR_SEND, sge: [source.sge()] });
    wire.run();
    expect(a.qp.state).toBe(QPS_SQE);
    send(a, { wrId: 4, opcode: WR_SEND, sge: [source.sge()] }, wire.loop.nowPs);
    wire.run();
    expect(drain(a.cq).map((wc) => [wc.wrId, wc.status])).toEqual([
      [1, 0],
      [2, WC_LOC_PROT_ERR],
      [3, WC_WR_FLUSH_ERR],
      [4, WC_WR_FLUSH_ERR],
    ]);
    done(a.host.hca.modifyQp(a.qp, { qpState: QPS_RTS, curQpState: QPS_SQE }, ATTR_STATE | ATTR_CUR_STATE, wire.loop.nowPs));
    send(a, { wrId: 5, opcode: WR_SEND, sendFlags: SEND_SIGNALED, sge: [source.sge()] }, wire.loop.nowPs);
    wire.run();
    expect(drain(a.cq).map((wc) => [wc.wrId, wc.status])).toEqual([[5, 0]]);
    expect(drain(b.cq).map((wc) => wc.status)).toEqual([0, 0]);
  });
});

describe('UD', () => {
  const mgid = Uint8Array.from([0xff, 0x12, 0x40, 0x1b, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

  it('leaves 40 bytes for the GRH, and fills them when there is one', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire, { type: QPT_UD });
    const source = buffer(a.host, 100);
    fill(source.bytes, 1);
    const inbox = buffer(b.host, 400);
    for (let i = 0; i < 2; i++) b.host.hca.postRecv(b.qp, { wrId: i, sge: [inbox.sge(i * 200, 140)] }, 0);
    const dgid = Uint8Array.from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 16]);
    const target = { remoteQpn: b.qp.qpn, remoteQkey: 0x11111111 };
    send(a, { opcode: WR_SEND, sge: [source.sge()], ah: vector(wire.lid(1)), ...target });
    send(a, {
      opcode: WR_SEND_IMM,
      immData: 5,
      sge: [source.sge()],
      ah: { ...vector(wire.lid(1)), grh: { dgid, flowLabel: 0x12345, hopLimit: 64, sgidIndex: 0, trafficClass: 7 } },
      ...target,
    });
    wire.run();
    const [plain, routed] = drain(b.cq);
    expect(plain).toMatchObject({ status: 0, byteLen: 140, wcFlags: 0, srcQp: a.qp.qpn, slid: wire.lid(0) });
    expect(routed).toMatchObject({ status: 0, byteLen: 140, wcFlags: WC_GRH | WC_WITH_IMM, immData: 5 });
    expect(equal(inbox.bytes.subarray(40, 140), source.bytes)).toBe(true);
    expect(equal(inbox.bytes.subarray(240, 340), source.bytes)).toBe(true);
    // Version 6, traffic class 7, flow label 0x12345; length 12 + 12 + 100 + 4, next header 0x1b, 64 hops.
    expect([...inbox.bytes.subarray(200, 208)]).toEqual([0x60, 0x71, 0x23, 0x45, 0, 128, 0x1b, 64]);
    expect([...inbox.bytes.subarray(224, 240)]).toEqual([...dgid]);
    expect(wire.pool.inUse()).toBe(0);
  });

  it('drops what has another Q_Key, another partition, or finds no receive; counts the violations', () => {
    const wire = new TestWire({
      pkeys: [
        [0xffff, 0x8001],
        [0x7fff, 0x8002],
      ],
    });
    const [a, b] = connect(wire, { type: QPT_UD });
    const other = makeQp(wire.hosts[0], { type: QPT_UD, pkeyIndex: 1 });
    toRtr(wire, other, b);
    toRts(other);
    const inbox = buffer(b.host, 200);
    b.host.hca.postRecv(b.qp, { wrId: 1, sge: [inbox.sge()] }, 0);
    const target = { ah: vector(wire.lid(1)), remoteQpn: b.qp.qpn };
    send(a, { wrId: 1, opcode: WR_SEND, sge: [], remoteQkey: 0x22222222, ...target });
    send(other, { wrId: 2, opcode: WR_SEND, sge: [], remoteQkey: 0x11111111, ...target });
    send(a, { wrId: 3, opcode: WR_SEND, sge: [], remoteQkey: 0x80000000, ...target });
    send(a, { wrId: 4, opcode: WR_SEND, sge: [], remoteQkey: 0x11111111, ...target });
    wire.run();
    expect(drain(b.cq).length).toBe(1);
    expect(b.host.hca.counters).toMatchObject({ qkeyViolations: 1, pkeyViolations: 1, dropped: 3 });
  });

  it('completes a receive that is too small with LOC_LEN_ERR, and a send beyond the MTU too', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire, { type: QPT_UD });
    const source = buffer(a.host, 4096);
    const inbox = buffer(b.host, 139);
    b.host.hca.postRecv(b.qp, { wrId: 1, sge: [inbox.sge()] }, 0);
    const target = { ah: vector(wire.lid(1)), remoteQpn: b.qp.qpn, remoteQkey: 0x11111111, opcode: WR_SEND };
    send(a, { sge: [source.sge(0, 100)], ...target });
    send(a, { sge: [source.sge(0, 2049)], ...target });
    wire.run();
    expect(drain(b.cq).map((wc) => wc.status)).toEqual([WC_LOC_LEN_ERR]);
    expect(drain(a.cq).map((wc) => wc.status)).toEqual([WC_LOC_LEN_ERR]);
    expect(a.qp.state).toBe(QPS_SQE);
  });

  it('multicast reaches every attached queue pair, those of the sender too, and nobody else', () => {
    const wire = new TestWire({ hosts: 4 });
    const qps = wire.hosts.map((host) => makeQp(host, { type: QPT_UD }));
    for (const qp of qps) {
      toRtr(wire, qp, qps[0]);
      toRts(qp);
      const inbox = buffer(qp.host, 200);
      qp.host.hca.postRecv(qp.qp, { sge: [inbox.sge()] }, 0);
    }
    for (const i of [0, 1, 3]) done(qps[i].host.hca.attachMulticast(qps[i].qp, mgid, 0xc001));
    const source = buffer(wire.hosts[0], 10);
    send(qps[0], {
      opcode: WR_SEND,
      sge: [source.sge()],
      ah: { ...vector(0xc001), grh: { dgid: mgid, flowLabel: 0, hopLimit: 1, sgidIndex: 0, trafficClass: 0 } },
      remoteQpn: 0xffffff,
      remoteQkey: 0x11111111,
    });
    wire.run();
    expect(qps.map((qp) => drain(qp.cq).length)).toEqual([1, 1, 0, 1]);
    expect(wire.pool.inUse()).toBe(0);
    expect(qps[1].host.hca.destroyQp(qps[1].qp)).toBe(16);
    done(qps[1].host.hca.detachMulticast(qps[1].qp, mgid, 0xc001));
    done(qps[1].host.hca.destroyQp(qps[1].qp));
  });
});

describe('RC details', () => {
  it('does not begin a fenced request before READs and atomics are done, nor more READs than it may', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire, { rdAtomic: 2, destRdAtomic: 2 });
    wire.log = [];
    const local = buffer(a.host, 4096);
    const remote = buffer(b.host, 4096);
    const at = { remoteAddr: remote.addr, rkey: remote.mr.rkey };
    for (let i = 0; i < 5; i++) send(a, { opcode: WR_READ, sge: [local.sge(0, 64)], ...at });
    send(a, { opcode: WR_WRITE, sendFlags: SEND_SIGNALED | SEND_FENCE, sge: [local.sge(0, 64)], ...at });
    wire.run();
    let outstanding = 0;
    let most = 0;
    for (const p of wire.log) {
      if (p.opcode === RC_READ_REQUEST) most = Math.max(most, ++outstanding);
      if (p.from === 1 && p.opcode !== RC_ACK) outstanding--;
      if (p.opcode === RC_WRITE_ONLY) expect(outstanding).toBe(0);
    }
    expect(most).toBe(2);
    expect(drain(a.cq).length).toBe(1);
  });

  it('gathers and scatters over several elements', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire, { mtu: 1 });
    const source = buffer(a.host, 1000);
    const inbox = buffer(b.host, 1000);
    fill(source.bytes, 9);
    const cuts = [source.sge(500, 300), source.sge(0, 1), source.sge(100, 0), source.sge(200, 299)];
    b.host.hca.postRecv(b.qp, { sge: [inbox.sge(10, 5), inbox.sge(100, 500), inbox.sge(700, 200)] }, 0);
    send(a, { opcode: WR_SEND, sge: cuts });
    wire.run();
    const sent = Uint8Array.from([...source.bytes.subarray(500, 800), source.bytes[0], ...source.bytes.subarray(200, 499)]);
    const got = Uint8Array.from([
      ...inbox.bytes.subarray(10, 15),
      ...inbox.bytes.subarray(100, 600),
      ...inbox.bytes.subarray(700, 795),
    ]);
    expect(equal(sent, got)).toBe(true);
    expect(drain(b.cq)[0].byteLen).toBe(600);
  });

  it('takes inline data at the post, from memory without a key', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire);
    const plain = new Uint8Array(100).fill(3);
    const inbox = buffer(b.host, 100);
    b.host.hca.postRecv(b.qp, { sge: [inbox.sge()] }, 0);
    send(a, { opcode: WR_SEND, sendFlags: SEND_INLINE, sge: [{ addr: a.host.memory.addressOf(plain), length: 100, lkey: 0 }] });
    plain.fill(4);
    wire.run();
    expect(inbox.bytes.every((byte) => byte === 3)).toBe(true);
    expect(
      send(a, { opcode: WR_SEND, sendFlags: SEND_INLINE, sge: [{ addr: a.host.memory.addressOf(plain), length: 257, lkey: 0 }] }),
    ).toBe(EINVAL);
  });

  it('writes with immediate take a receive and no buffer', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire, { mtu: 1 });
    const source = buffer(a.host, 700);
    const target = buffer(b.host, 700);
    fill(source.bytes, 2);
    b.host.hca.postRecv(b.qp, { wrId: 4 }, 0);
    send(a, { opcode: WR_WRITE_IMM, immData: 0xdeadbeef, sge: [source.sge()], remoteAddr: target.addr, rkey: target.mr.rkey });
    wire.run();
    expect(drain(b.cq)[0]).toMatchObject({ wrId: 4, opcode: 129, byteLen: 700, immData: 0xdeadbeef, wcFlags: WC_WITH_IMM });
    expect(equal(source.bytes, target.bytes)).toBe(true);
  });

  it('heeds end-to-end credits: with few receives the requester sends one message beyond them and no more', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire, { minRnrTimer: 20, timeout: 20 });
    wire.log = [];
    for (let i = 0; i < 3; i++) b.host.hca.postRecv(b.qp, { wrId: i }, 0);
    for (let i = 0; i < 10; i++) send(a, { wrId: i, opcode: WR_SEND, sge: [] });
    wire.run(8_000_000_000);
    // One on trust, two credits learnt, one more without.
    expect(wire.log.filter((p) => p.from === 0).length).toBe(4);
    expect(b.host.hca.counters.rnrNaksSent).toBe(1);
    for (let i = 0; i < 7; i++) b.host.hca.postRecv(b.qp, { wrId: i }, wire.loop.nowPs);
    wire.run();
    expect(drain(b.cq).length).toBe(10);
  });

  it('acknowledges many small messages with few acknowledges', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire);
    const source = buffer(a.host, 64);
    const target = buffer(b.host, 64);
    for (let i = 0; i < 60; i++)
      send(a, {
        wrId: i,
        opcode: WR_WRITE,
        sendFlags: SEND_SIGNALED | SEND_INLINE,
        sge: [source.sge(0, 8)],
        remoteAddr: target.addr,
        rkey: target.mr.rkey,
      });
    wire.run();
    expect(drain(a.cq).map((wc) => wc.wrId)).toEqual([...Array(60).keys()]);
    expect(b.host.hca.counters.acksSent).toBeLessThan(40);
    expect(b.host.hca.counters.acksSent).toBeGreaterThan(5);
  });

  it('drains in SQD, tells so, holds new work, and goes on in RTS', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire, { mtu: 1 });
    const source = buffer(a.host, 3000);
    const target = buffer(b.host, 3000);
    const wr = { opcode: WR_WRITE, sendFlags: SEND_SIGNALED, sge: [source.sge()], remoteAddr: target.addr, rkey: target.mr.rkey };
    send(a, { wrId: 1, ...wr });
    wire.run(1_500_000);
    done(
      a.host.hca.modifyQp(
        a.qp,
        { qpState: QPS_SQD, enSqdAsyncNotify: true },
        ATTR_STATE | ATTR_EN_SQD_ASYNC_NOTIFY,
        wire.loop.nowPs,
      ),
    );
    send(a, { wrId: 2, ...wr }, wire.loop.nowPs);
    wire.run();
    expect(drain(a.cq).map((wc) => [wc.wrId, wc.status])).toEqual([[1, 0]]);
    expect(a.host.events.map((event) => event.type)).toEqual([EVENT.SQ_DRAINED]);
    done(a.host.hca.modifyQp(a.qp, { qpState: QPS_RTS }, ATTR_STATE, wire.loop.nowPs));
    wire.run();
    expect(drain(a.cq).map((wc) => [wc.wrId, wc.status])).toEqual([[2, 0]]);
  });

  it('answers duplicate atomics from memory of the first, not by doing them again', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire, { timeout: 1 });
    const result = buffer(a.host, 8);
    const cell = buffer(b.host, 8);
    let lost = 3;
    wire.filter = (p) => p.from !== 1 || lost-- <= 0;
    send(a, {
      opcode: WR_FETCH_ADD,
      sendFlags: SEND_SIGNALED,
      sge: [result.sge()],
      remoteAddr: cell.addr,
      rkey: cell.mr.rkey,
      compareAdd: 5,
    });
    wire.run();
    expect(new BigUint64Array(cell.bytes.buffer)[0]).toBe(5n);
    expect(new BigUint64Array(result.bytes.buffer)[0]).toBe(0n);
    expect(b.host.hca.counters.duplicates).toBe(3);
    expect(drain(a.cq).map((wc) => wc.status)).toEqual([0]);
  });

  it('refuses path migration with ENOSYS and values out of range with EINVAL, changing nothing', () => {
    const wire = new TestWire();
    const [a] = connect(wire);
    const hca = a.host.hca;
    expect(hca.modifyQp(a.qp, { qpState: QPS_RTS }, ATTR_STATE | ATTR_ALT_PATH, 0)).toBe(ENOSYS);
    expect(hca.modifyQp(a.qp, { qpState: QPS_RTS, pathMigState: 1 }, ATTR_STATE | ATTR_PATH_MIG_STATE, 0)).toBe(ENOSYS);
    expect(hca.modifyQp(a.qp, { qpState: QPS_RTS, sqPsn: 1 }, ATTR_STATE | ATTR_SQ_PSN, 0)).toBe(EINVAL);
    expect(hca.modifyQp(a.qp, { qpState: QPS_RTS, curQpState: QPS_SQD }, ATTR_STATE | ATTR_CUR_STATE, 0)).toBe(EINVAL);
    expect(a.qp.state).toBe(QPS_RTS);
  });

  it('loops back within the adapter, between ports of two adapters, and between two queue pairs of one', () => {
    const wire = new TestWire({ ports: 2, lmc: 2 });
    const loops: [number, number, number][] = [
      [0, 0, 1],
      [0, 1, 1],
      [0, 1, 2],
    ];
    for (const [from, to, port] of loops) {
      const [a, b] = connect(wire, { port }, from, to);
      const source = buffer(a.host, 5000);
      const target = buffer(b.host, 5000);
      fill(source.bytes, port);
      wire.log = [];
      send(
        a,
        { opcode: WR_WRITE, sendFlags: SEND_SIGNALED, sge: [source.sge()], remoteAddr: target.addr, rkey: target.mr.rkey },
        wire.loop.nowPs,
      );
      wire.run();
      expect(drain(a.cq).map((wc) => wc.status)).toEqual([0]);
      expect(equal(source.bytes, target.bytes)).toBe(true);
      expect(wire.log.length === 0).toBe(from === to);
    }
    expect(wire.pool.inUse()).toBe(0);
  });

  it('paces a connection to its static rate', () => {
    const run = (staticRate: number) => {
      const wire = new TestWire();
      const [a, b] = connect(wire, { staticRate });
      const source = buffer(a.host, 200_000);
      const target = buffer(b.host, 200_000);
      send(a, { opcode: WR_WRITE, sendFlags: SEND_SIGNALED, sge: [source.sge()], remoteAddr: target.addr, rkey: target.mr.rkey });
      wire.run();
      return drain(a.cq)[0].completionTs;
    };
    // Rate code 2 is 2.5 Gb/s: 3200 ps a byte on the wire, for 98 packets and their headers.
    const bytes = 200_000 + 98 * 26;
    expect(run(2)).toBeGreaterThan((bytes - 2074) * 3200);
    expect(run(2)).toBeLessThan(bytes * 3200 + 5_000_000);
    expect(run(0)).toBeLessThan(bytes * 350 + 5_000_000);
  });

  it('refuses to post what a transport does not have', () => {
    const wire = new TestWire();
    const [uc] = connect(wire, { type: QPT_UC });
    const [ud] = connect(wire, { type: QPT_UD });
    const [rc] = connect(wire, { depth: 4 });
    for (const opcode of [WR_READ, WR_FETCH_ADD, WR_SEND_INV]) expect(send(uc, { opcode })).toBe(EINVAL);
    for (const opcode of [WR_READ, WR_WRITE, WR_WRITE_IMM, WR_SEND_INV]) expect(send(ud, { opcode })).toBe(EINVAL);
    for (let i = 0; i < 4; i++) expect(rc.host.hca.postSend(rc.qp, { opcode: WR_SEND })).toBe(0);
    expect(rc.host.hca.postSend(rc.qp, { opcode: WR_SEND })).toBe(12);
    expect(ok(rc.host.hca.createCq(1)).capacity).toBe(1);
  });
});
