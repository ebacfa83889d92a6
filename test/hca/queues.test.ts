import { describe, expect, it } from 'vitest';
import {
  EBUSY,
  EINVAL,
  QPS_ERR,
  QPT_RC,
  resolveProfile,
  SEND_INLINE,
  SEND_SIGNALED,
  SEND_SOLICITED,
  WR_READ,
  WR_SEND,
  WR_WRITE,
} from '../../src/hca/index.ts';
import { EVENT } from '../conformance/error-completions.ts';
import { buffer, connect, done, drain, makeQp, ok, send, TestWire, toRtr, toRts } from './wire.ts';

describe('completion queues', () => {
  it('overflow raises CQ_ERR and puts the queue pair into error', () => {
    const wire = new TestWire();
    const [a] = connect(wire, { cqe: 3 });
    for (let i = 0; i < 5; i++) send(a, { wrId: i, opcode: WR_WRITE, sendFlags: SEND_SIGNALED, sge: [], remoteAddr: 0, rkey: 0 });
    wire.run();
    expect(a.qp.state).toBe(QPS_ERR);
    expect(a.host.events.filter((event) => event.type === EVENT.CQ_ERR).length).toBe(1);
    expect(drain(a.cq).map((wc) => wc.wrId)).toEqual([0, 1, 2]);
  });

  it('shows a completion from its visible time on, and frees queue room when it is polled', () => {
    const wire = new TestWire();
    const [a] = connect(wire, { depth: 2 });
    const wr = { opcode: WR_WRITE, sendFlags: SEND_SIGNALED, sge: [], remoteAddr: 0, rkey: 0 };
    send(a, { wrId: 1, ...wr, sendFlags: 0 });
    send(a, { wrId: 2, ...wr });
    wire.run();
    expect(a.host.hca.postSend(a.qp, wr)).toBe(12);
    const visiblePs = a.cq.nextVisiblePs();
    expect(a.cq.poll(8, visiblePs - 1)).toEqual([]);
    expect(a.cq.poll(8, visiblePs).map((wc) => [wc.wrId, wc.completionTs])).toEqual([[2, visiblePs]]);
    expect(a.qp.sq.room).toBe(2);
  });

  it('sends one event when armed, none when not, only for solicited ones if asked so', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire);
    const fired: number[] = [];
    b.cq.onEvent = (atPs) => fired.push(atPs);
    const post = (flags: number) => {
      b.host.hca.postRecv(b.qp, {}, wire.loop.nowPs);
      send(a, { opcode: WR_SEND, sendFlags: flags, sge: [] }, wire.loop.nowPs);
      wire.run();
    };
    post(0);
    expect(fired.length).toBe(0);
    b.cq.arm(false, wire.loop.nowPs + 1e9);
    expect(fired.length).toBe(0);
    b.cq.armed = 0;
    b.cq.arm(true, b.cq.lastVisiblePs);
    post(0);
    expect(fired.length).toBe(0);
    post(SEND_SOLICITED);
    expect(fired).toEqual([b.cq.lastVisiblePs]);
    post(SEND_SOLICITED);
    expect(fired.length).toBe(1);
    // An entry that is not visible when the queue is armed counts.
    b.cq.arm(false, b.cq.lastVisiblePs - 1);
    expect(fired).toEqual([fired[0], b.cq.lastVisiblePs]);
    b.cq.arm(false, b.cq.lastVisiblePs);
    expect(fired.length).toBe(2);
  });

  it('moderates events by count and by period', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire);
    const fired: number[] = [];
    b.cq.onEvent = (atPs) => fired.push(atPs);
    done(b.host.hca.modifyCq(b.cq, 3, 50_000_000));
    const post = (n: number) => {
      for (let i = 0; i < n; i++) {
        b.host.hca.postRecv(b.qp, {}, wire.loop.nowPs);
        send(a, { opcode: WR_SEND, sge: [] }, wire.loop.nowPs);
      }
    };
    b.cq.arm(false, 0);
    post(3);
    wire.run(40_000_000);
    expect(fired.length).toBe(1);
    expect(fired[0]).toBeLessThan(40_000_000);
    b.cq.arm(false, wire.loop.nowPs);
    post(1);
    wire.run();
    expect(fired.length).toBe(2);
    expect(fired[1]).toBe(b.cq.lastVisiblePs + 50_000_000);
  });

  it('keeps its entries when it is resized, and none of a queue pair that was reset', () => {
    const wire = new TestWire();
    const [a] = connect(wire);
    for (let i = 0; i < 5; i++) send(a, { wrId: i, opcode: WR_WRITE, sendFlags: SEND_SIGNALED, sge: [], remoteAddr: 0, rkey: 0 });
    wire.run();
    a.cq.poll(2, Number.POSITIVE_INFINITY);
    expect(a.host.hca.resizeCq(a.cq, 2)).toBe(EINVAL);
    done(a.host.hca.resizeCq(a.cq, 3));
    expect(a.cq.poll(1, Number.POSITIVE_INFINITY).map((wc) => wc.wrId)).toEqual([2]);
    done(a.host.hca.modifyQp(a.qp, { qpState: 0 }, 1, wire.loop.nowPs));
    expect(drain(a.cq)).toEqual([]);
    expect(a.host.hca.destroyCq(a.cq)).toBe(EBUSY);
    done(a.host.hca.destroyQp(a.qp));
    done(a.host.hca.destroyCq(a.cq));
  });
});

describe('shared receive queues', () => {
  it('serve several queue pairs in order of posting, and raise the limit event once', () => {
    const wire = new TestWire({ hosts: 3 });
    const server = wire.hosts[2];
    const srq = ok(server.hca.createSrq(server.pd, 16, 1));
    const inbox = buffer(server, 160);
    for (let i = 0; i < 6; i++) done(server.hca.postSrqRecv(srq, { wrId: i, sge: [inbox.sge(i * 10, 10)] }, 0));
    done(server.hca.modifySrq(srq, 3));
    const pairs = [0, 1].map((i) => {
      const a = makeQp(wire.hosts[i]);
      const b = makeQp(server, { srq });
      toRtr(wire, a, b);
      toRtr(wire, b, a);
      toRts(a);
      toRts(b);
      return { a, b };
    });
    for (let i = 0; i < 3; i++) for (const { a } of pairs) send(a, { opcode: WR_SEND, sge: [] }, i * 10_000_000);
    wire.run();
    expect(pairs.flatMap(({ b }) => drain(b.cq).map((wc) => wc.wrId)).sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(server.events.filter((event) => event.type === EVENT.SRQ_LIMIT_REACHED).length).toBe(1);
    expect(srq.limit).toBe(0);
    expect(srq.queue.room).toBe(16);
    // Acknowledges of a queue pair with an SRQ give no credits, so there is no limit.
    expect(pairs[0].a.qp.unlimitedCredits).toBe(true);
    done(server.hca.modifyQp(pairs[0].b.qp, { qpState: QPS_ERR }, 1, wire.loop.nowPs));
    expect(server.events.at(-1)?.type).toBe(EVENT.QP_LAST_WQE_REACHED);
    expect(server.hca.destroySrq(srq)).toBe(EBUSY);
  });
});

describe('reset', () => {
  it('gives back what a half received message held of a shared queue, and voids events of before', () => {
    const wire = new TestWire();
    const server = wire.hosts[1];
    const srq = ok(server.hca.createSrq(server.pd, 2, 1));
    const inbox = buffer(server, 8192);
    done(server.hca.postSrqRecv(srq, { sge: [inbox.sge()] }, 0));
    const a = makeQp(wire.hosts[0]);
    const b = makeQp(server, { srq });
    toRtr(wire, a, b);
    toRtr(wire, b, a);
    toRts(a);
    toRts(b);
    const source = buffer(a.host, 8192);
    let packets = 0;
    wire.filter = (p) => p.from !== 0 || ++packets < 3;
    send(a, { opcode: WR_SEND, sge: [source.sge()] });
    wire.run(20_000_000);
    expect(srq.queue.room).toBe(1);
    done(server.hca.modifyQp(b.qp, { qpState: 0 }, 1, wire.loop.nowPs));
    expect(srq.queue.room).toBe(2);
    // The sender is reset with its timer running and packets on the way: nothing comes of either.
    done(a.host.hca.modifyQp(a.qp, { qpState: 0 }, 1, wire.loop.nowPs));
    wire.run();
    expect([...drain(a.cq), ...drain(b.cq)]).toEqual([]);
    expect(wire.pool.inUse()).toBe(0);
    done(server.hca.destroyQp(b.qp));
    done(server.hca.destroySrq(srq));
  });
});

describe('rates and room', () => {
  it('starts messages no faster than the gap allows', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire);
    const source = buffer(a.host, 8);
    const target = buffer(b.host, 8);
    wire.log = [];
    for (let i = 0; i < 50; i++)
      send(a, { opcode: WR_WRITE, sendFlags: SEND_INLINE, sge: [source.sge()], remoteAddr: target.addr, rkey: target.mr.rkey });
    wire.run();
    const times = wire.log.filter((p) => p.from === 0).map((p) => p.timePs);
    expect(times.length).toBe(50);
    for (let i = 1; i < times.length; i++) expect(times[i] - times[i - 1]).toBe(wire.profile.txMessageGapPs);
  });

  it('never has more in the transmit buffer than it holds, and keeps the wire busy', () => {
    const wire = new TestWire({ psPerByte: 1000, overrides: { txBufferBytes: 8192 } });
    const [a, b] = connect(wire);
    const source = buffer(a.host, 500_000);
    const target = buffer(b.host, 500_000);
    wire.log = [];
    send(a, { opcode: WR_WRITE, sendFlags: SEND_SIGNALED, sge: [source.sge()], remoteAddr: target.addr, rkey: target.mr.rkey });
    wire.run();
    const packets = wire.log.filter((p) => p.from === 0);
    const bytes = packets.reduce((sum, p) => sum + p.bytes, 0);
    // When a packet has left, by an independent account of the link; each may enter only after those too far ahead have left.
    let free = 0;
    const left = packets.map((p) => {
      free = Math.max(free, p.timePs) + p.bytes * 1000;
      return free;
    });
    for (let i = 4; i < packets.length; i++) expect(packets[i].timePs).toBeGreaterThan(left[i - 4]);
    const elapsed = drain(a.cq)[0].completionTs;
    expect((bytes * 1000) / elapsed).toBeGreaterThan(0.98);
    expect(a.host.hca.bytesInFlight()).toBe(0);
  });

  it('takes turns among queue pairs, a packet each', () => {
    const wire = new TestWire({ hosts: 4 });
    const pairs = [1, 2, 3].map((to) => connect(wire, {}, 0, to));
    wire.log = [];
    for (const [a, b] of pairs) {
      const source = buffer(a.host, 40_960);
      const target = buffer(b.host, 40_960);
      send(a, { opcode: WR_WRITE, sge: [source.sge()], remoteAddr: target.addr, rkey: target.mr.rkey });
    }
    wire.run();
    const sent = wire.log.filter((p) => p.from === 0 && p.bytes > 1000).length;
    expect(sent).toBe(60);
    for (const [a] of pairs) expect(a.qp.sq.acked).toBe(1);
  });

  it('misses contexts only when there are more queue pairs than the cache holds', () => {
    const misses = (pairs: number) => {
      const wire = new TestWire({ overrides: { contextCacheEntries: 8 } });
      const qps = Array.from({ length: pairs }, () => connect(wire)[0]);
      for (let round = 0; round < 5; round++) {
        for (const a of qps) {
          send(a, { opcode: WR_WRITE, sge: [], remoteAddr: 0, rkey: 0 }, wire.loop.nowPs);
          wire.run();
        }
      }
      return wire.hosts[0].hca.contextMisses;
    };
    expect(misses(8)).toBe(0);
    // In turn over nine with room for eight, the least recently used is always the next one needed.
    expect(misses(9)).toBe(45);
  });

  it('names what is wrong with a profile or an override', () => {
    expect(resolveProfile('connectx2-qdr', { postPs: 1 }).profile?.postPs).toBe(1);
    expect(resolveProfile('connectx2').issues[0].message).toContain('connectx2-qdr');
    const { profile, issues } = resolveProfile(
      'connectx2-qdr',
      { postPS: 1, pollPs: -1, wqeFetchPs: 'x', cqeWritePs: 0.5 },
      'a.yaml',
      'hca',
    );
    expect(profile).toBe(undefined);
    expect(issues.map((issue) => [issue.file, issue.path])).toEqual(
      ['postPS', 'pollPs', 'wqeFetchPs', 'cqeWritePs'].map((name) => ['a.yaml', `hca.${name}`]),
    );
  });

  it('gives the same run twice', () => {
    const run = () => {
      const wire = new TestWire();
      const [a, b] = connect(wire, { type: QPT_RC });
      wire.log = [];
      const source = buffer(a.host, 9000);
      const target = buffer(b.host, 9000);
      for (let i = 0; i < 20; i++)
        send(
          i % 3 ? a : b,
          {
            opcode: i % 2 ? WR_READ : WR_WRITE,
            sge: [(i % 3 ? source : target).sge(0, i * 400)],
            remoteAddr: (i % 3 ? target : source).addr,
            rkey: (i % 3 ? target : source).mr.rkey,
          },
          i * 333_333,
        );
      wire.run();
      return JSON.stringify(wire.log);
    };
    expect(run()).toBe(run());
  });
});
