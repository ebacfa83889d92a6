import { describe, expect, it } from 'vitest';
import {
  QPS_ERR,
  SEND_SIGNALED,
  WC_WR_FLUSH_ERR,
  WR_FETCH_ADD,
  WR_READ,
  WR_SEND,
  WR_SEND_INV,
  WR_WRITE,
  WR_WRITE_IMM,
} from '../../src/hca/index.ts';
import { RC_ACK } from '../../src/wire/index.ts';
import { ERROR_CASES, type ErrorCase, EVENT, RNR_TIMERS_10US, STATUS } from '../conformance/error-completions.ts';
import { ALL_ACCESS, buffer, connect, drain, ok, type QpSettings, send, TestWire } from './wire.ts';

const WR = {
  SEND: WR_SEND,
  WRITE: WR_WRITE,
  WRITE_IMM: WR_WRITE_IMM,
  READ: WR_READ,
  FETCH_ADD: WR_FETCH_ADD,
  SEND_INV: WR_SEND_INV,
};
const RIGHT = { WRITE: 2, WRITE_IMM: 2, READ: 4, FETCH_ADD: 8, SEND: 0, SEND_INV: 0 };

function runCase(c: ErrorCase) {
  const is = (fault: ErrorCase['fault']) => c.fault === fault;
  const right = RIGHT[c.operation];
  const settings: QpSettings = is('no right on queue pair')
    ? { access: ALL_ACCESS & ~right }
    : is('no responder resources')
      ? { destRdAtomic: 0 }
      : {};
  const wire = new TestWire();
  const [a, b] = connect(wire, settings);
  const bytes = c.operation === 'FETCH_ADD' ? (is('atomic of 4 bytes') ? 4 : 8) : 100;
  const local = buffer(a.host, 128, is('read into read-only region') ? 0 : ALL_ACCESS);
  const remote = buffer(
    b.host,
    128,
    is('no remote right on region') ? ALL_ACCESS & ~right : is('receive without local write') ? 0 : ALL_ACCESS,
  );
  const strange = (host: typeof a.host) =>
    ok(
      host.hca.registerMemory({
        pd: host.hca.allocPd(),
        addr: (host === a.host ? local : remote).addr,
        length: 128,
        access: ALL_ACCESS,
        bytes: null,
      }),
    );
  const receive = {
    addr: remote.addr,
    length: is('short receive buffer') ? 99 : 128,
    lkey: is('bad receive lkey') ? 0xdeadbeef : remote.mr.lkey,
  };
  for (let i = 0; i < 3; i++) b.host.hca.postRecv(b.qp, { wrId: 50 + i, sge: [receive] }, 0);
  const otherDomain = is('region of another domain');
  const lkey = is('bad lkey') ? 0x12345600 : otherDomain && right === 0 ? strange(a.host).lkey : local.mr.lkey;
  const wr = {
    opcode: WR[c.operation],
    sendFlags: SEND_SIGNALED,
    sge: [{ addr: local.addr + (is('local bounds') ? 29 : 0), length: bytes, lkey }],
    remoteAddr: remote.addr + (is('remote bounds') ? 29 : is('misaligned address') ? 4 : 0),
    rkey: is('bad rkey') ? remote.mr.rkey ^ 1 : otherDomain && right !== 0 ? strange(b.host).rkey : remote.mr.rkey,
    invalidateRkey: remote.mr.rkey,
    compareAdd: 1,
  };
  // One good message before (none can be to a queue pair that allows no WRITE), two behind: the first must succeed, the last must be flushed, all in order.
  const naks: number[] = [];
  wire.filter = (p) => {
    if (p.opcode === RC_ACK && p.words[p.at + 9] >>> 29 === 3) naks.push((p.words[p.at + 9] >>> 24) & 31);
    return true;
  };
  send(a, { wrId: 1, opcode: WR_WRITE, sendFlags: SEND_SIGNALED, sge: [], remoteAddr: 0, rkey: 0 });
  send(a, { wrId: 2, ...wr });
  send(a, { wrId: 3, ...wr });
  send(a, { wrId: 4, ...wr, sendFlags: 0 });
  wire.run();
  return { wire, a, b, naks };
}

describe('RC errors', () => {
  for (const c of ERROR_CASES) {
    it(c.name, () => {
      const { wire, a, b, naks } = runCase(c);
      const sent = drain(a.cq);
      const firstFails = c.fault === 'no right on queue pair' && RIGHT[c.operation] === 2;
      const expected = firstFails
        ? [STATUS[c.requester], WC_WR_FLUSH_ERR, WC_WR_FLUSH_ERR, WC_WR_FLUSH_ERR]
        : [0, STATUS[c.requester], WC_WR_FLUSH_ERR, WC_WR_FLUSH_ERR];
      expect(sent.map((wc) => [wc.wrId, wc.status])).toEqual(expected.map((status, i) => [i + 1, status]));
      expect(a.qp.state).toBe(QPS_ERR);
      expect(naks).toEqual(c.nak === undefined ? [] : [c.nak]);
      const received = drain(b.cq).map((wc) => [wc.wrId, wc.status]);
      if (c.nak === undefined) expect(received).toEqual([]);
      else {
        const first = c.responder === undefined ? WC_WR_FLUSH_ERR : STATUS[c.responder];
        expect(received).toEqual([
          [50, first],
          [51, WC_WR_FLUSH_ERR],
          [52, WC_WR_FLUSH_ERR],
        ]);
        expect(b.qp.state).toBe(QPS_ERR);
      }
      expect(b.host.events.map((event) => event.type).filter((type) => type !== EVENT.COMM_EST)).toEqual(
        c.event === undefined ? [] : [EVENT[c.event]],
      );
      expect(wire.pool.inUse()).toBe(0);
      // What is posted to a queue pair in ERR is flushed.
      send(a, { wrId: 9, opcode: WR_SEND, sge: [] }, wire.loop.nowPs);
      b.host.hca.postRecv(b.qp, { wrId: 10, sge: [] }, wire.loop.nowPs);
      wire.run();
      expect(drain(a.cq).map((wc) => [wc.wrId, wc.status])).toEqual([[9, WC_WR_FLUSH_ERR]]);
      if (c.nak !== undefined) expect(drain(b.cq).map((wc) => [wc.wrId, wc.status])).toEqual([[10, WC_WR_FLUSH_ERR]]);
    });
  }

  it('retries as often as it may, then gives up with RETRY_EXC_ERR', () => {
    for (const retryCnt of [0, 1, 3, 7]) {
      const wire = new TestWire();
      const [a] = connect(wire, { retryCnt, timeout: 2 });
      const times: number[] = [];
      wire.filter = (p) => {
        times.push(p.timePs);
        return false;
      };
      send(a, { wrId: 1, opcode: WR_SEND, sge: [] });
      send(a, { wrId: 2, opcode: WR_SEND, sge: [] });
      wire.run();
      // One message beyond the credits, which nothing has been heard of: just the first goes out.
      expect(times.length).toBe(retryCnt + 1);
      for (let i = 1; i < times.length; i++) expect(times[i] - times[i - 1]).toBe(4 * 4_096_000 + wire.profile.txPipelinePs);
      expect(drain(a.cq).map((wc) => [wc.wrId, wc.status])).toEqual([
        [1, STATUS.RETRY_EXC_ERR],
        [2, WC_WR_FLUSH_ERR],
      ]);
    }
  });

  it('waits as the RNR timer says, as often as it may', () => {
    for (const [code, units] of RNR_TIMERS_10US.entries()) {
      const wire = new TestWire();
      const rnrRetry = code % 7;
      const [a] = connect(wire, { rnrRetry, minRnrTimer: code, timeout: 20 });
      wire.log = [];
      send(a, { wrId: 1, opcode: WR_SEND, sge: [] });
      wire.run();
      const requests = wire.log.filter((p) => p.from === 0);
      expect(requests.length).toBe(rnrRetry + 1);
      const roundTrip = wire.log[1].timePs - wire.log[0].timePs;
      for (let i = 1; i < requests.length; i++) {
        const gap = requests[i].timePs - requests[i - 1].timePs;
        expect(gap).toBeGreaterThan(units * 10_000_000 + roundTrip);
        expect(gap).toBeLessThan(units * 10_000_000 + 4 * roundTrip);
      }
      expect(drain(a.cq).map((wc) => wc.status)).toEqual([STATUS.RNR_RETRY_EXC_ERR]);
    }
  });

  it('goes on for ever with rnr_retry 7, and delivers when a receive comes', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire, { rnrRetry: 7, minRnrTimer: 1, timeout: 20 });
    const target = buffer(b.host, 64);
    const source = buffer(a.host, 64);
    source.bytes.fill(5);
    send(a, { wrId: 1, opcode: WR_SEND, sendFlags: SEND_SIGNALED, sge: [source.sge()] });
    wire.run(300_000_000);
    expect(drain(a.cq)).toEqual([]);
    expect(b.host.hca.counters.rnrNaksSent).toBeGreaterThan(20);
    b.host.hca.postRecv(b.qp, { wrId: 2, sge: [target.sge()] }, wire.loop.nowPs);
    wire.run();
    expect(drain(a.cq)[0].status).toBe(0);
    expect(drain(b.cq)[0]).toMatchObject({ wrId: 2, status: 0, byteLen: 64 });
    expect(target.bytes).toEqual(source.bytes);
  });

  it('does not wait for ever for a receiver once the program behind it, or behind the receiver, has returned', () => {
    for (const [gone, status] of [
      [0, STATUS.RNR_RETRY_EXC_ERR],
      [1, STATUS.RETRY_EXC_ERR],
    ] as const) {
      const wire = new TestWire();
      const sides = connect(wire, { rnrRetry: 7, minRnrTimer: 1, timeout: 3, retryCnt: 2 });
      const [a, b] = sides;
      send(a, { wrId: 1, opcode: WR_SEND, sge: [] });
      wire.run(300_000_000);
      const naks = b.host.hca.counters.rnrNaksSent;
      expect(naks).toBeGreaterThan(20);
      sides[gone].host.hca.abandon(wire.loop.nowPs);
      wire.run();
      expect(drain(a.cq).map((wc) => wc.status)).toEqual([status]);
      expect(b.host.hca.counters.rnrNaksSent).toBeLessThanOrEqual(naks + 1);
    }
  });
});
