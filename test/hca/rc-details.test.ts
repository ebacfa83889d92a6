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
  QPT_UC,
  QPT_UD,
  SEND_FENCE,
  SEND_INLINE,
  SEND_SIGNALED,
  WC_WITH_IMM,
  WR_FETCH_ADD,
  WR_READ,
  WR_SEND,
  WR_SEND_INV,
  WR_WRITE,
  WR_WRITE_IMM,
} from '../../src/hca/index.ts';
import { RC_ACK, RC_READ_REQUEST, RC_WRITE_ONLY } from '../../src/wire/index.ts';
import { EVENT } from '../conformance/error-completions.ts';
import { buffer, connect, done, drain, ok, send, TestWire } from './wire.ts';

const fill = (bytes: Uint8Array, seed: number) => {
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7 + seed * 13 + (i >> 8)) & 0xff;
};
const equal = (x: Uint8Array, y: Uint8Array) => Buffer.compare(x, y) === 0;

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
