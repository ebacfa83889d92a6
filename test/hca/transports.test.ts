import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ATTR_CUR_STATE,
  ATTR_STATE,
  QPS_RTS,
  QPS_SQE,
  QPT_RC,
  QPT_UC,
  QPT_UD,
  SEND_SIGNALED,
  WC_GRH,
  WC_LOC_LEN_ERR,
  WC_LOC_PROT_ERR,
  WC_WITH_IMM,
  WC_WR_FLUSH_ERR,
  WR_READ,
  WR_SEND,
  WR_SEND_IMM,
  WR_WRITE,
} from '../../src/hca/index.ts';
import { RandomStream } from '../../src/sim/index.ts';
import { boundarySizes, FIRST_PSNS } from '../conformance/error-completions.ts';
import { buffer, connect, done, drain, makeQp, send, TestWire, toRtr, toRts, vector } from './wire.ts';

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
