import { describe, expect, it } from 'vitest';
import {
  EBUSY,
  type MemoryKey,
  MW_TYPE_1,
  MW_TYPE_2,
  QPS_ERR,
  SEND_SIGNALED,
  WC_LOC_QP_OP_ERR,
  WC_MW_BIND_ERR,
  WC_REM_ACCESS_ERR,
  WC_WITH_INV,
  WR_BIND_MW,
  WR_LOCAL_INV,
  WR_READ,
  WR_SEND_INV,
  WR_WRITE,
} from '../../src/hca/index.ts';
import { ALL_ACCESS, buffer, connect, done, drain, ok, send, TestWire } from './wire.ts';

describe('memory', () => {
  const window = (host: TestWire['hosts'][number], type: number): MemoryKey => ok(host.hca.allocMw(host.pd, type));

  it('type 2 windows: bound by a work request, usable by one queue pair, invalidated by either side', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire);
    const [c] = connect(wire, {}, 0, 1);
    const local = buffer(a.host, 64);
    local.bytes.fill(7);
    const region = buffer(b.host, 256, ALL_ACCESS & ~(2 | 4 | 8));
    const mw = window(b.host, MW_TYPE_2);
    const rkey = (mw.rkey & ~0xff) | ((mw.rkey + 1) & 0xff);
    const bind = { mw, rkey, mr: region.mr, addr: region.addr + 64, length: 64, access: 2 };
    send(b, { wrId: 1, opcode: WR_BIND_MW, sendFlags: SEND_SIGNALED, bindMw: bind });
    wire.run();
    expect(drain(b.cq).map((wc) => [wc.status, wc.opcode])).toEqual([[0, 5]]);
    expect(b.host.hca.deregisterMemory(region.mr)).toBe(EBUSY);
    const write = { opcode: WR_WRITE, sendFlags: SEND_SIGNALED, sge: [local.sge()], remoteAddr: region.addr + 64, rkey };
    send(a, write, wire.loop.nowPs);
    wire.run();
    expect(drain(a.cq).map((wc) => wc.status)).toEqual([0]);
    expect([63, 64, 127, 128].map((i) => region.bytes[i])).toEqual([0, 7, 7, 0]);
    // Another queue pair of the same domain may not use it.
    send(c, write, wire.loop.nowPs);
    wire.run();
    expect(drain(c.cq).map((wc) => wc.status)).toEqual([WC_REM_ACCESS_ERR]);
    // The peer invalidates it with a SEND; then nobody may.
    b.host.hca.postRecv(b.qp, { wrId: 9 }, wire.loop.nowPs);
    send(a, { opcode: WR_SEND_INV, sendFlags: SEND_SIGNALED, invalidateRkey: rkey, sge: [] }, wire.loop.nowPs);
    wire.run();
    expect(drain(b.cq)[0]).toMatchObject({ wrId: 9, wcFlags: WC_WITH_INV, invalidatedRkey: rkey >>> 0 });
    expect(drain(a.cq).map((wc) => wc.status)).toEqual([0]);
    expect(region.mr.windows).toBe(0);
    send(a, write, wire.loop.nowPs);
    wire.run();
    expect(drain(a.cq).map((wc) => wc.status)).toEqual([WC_REM_ACCESS_ERR]);
    expect(b.host.hca.deregisterMemory(region.mr)).toBe(0);
  });

  it('local invalidation takes effect in order, and fails on what is no bound window', () => {
    const wire = new TestWire();
    const [, b] = connect(wire);
    const region = buffer(b.host, 64);
    const mw = window(b.host, MW_TYPE_2);
    send(b, {
      wrId: 1,
      opcode: WR_BIND_MW,
      sendFlags: SEND_SIGNALED,
      bindMw: { mw, rkey: mw.rkey, mr: region.mr, addr: region.addr, length: 64, access: 6 },
    });
    send(b, { wrId: 2, opcode: WR_LOCAL_INV, sendFlags: SEND_SIGNALED, invalidateRkey: mw.rkey });
    send(b, { wrId: 3, opcode: WR_LOCAL_INV, sendFlags: SEND_SIGNALED, invalidateRkey: mw.rkey });
    wire.run();
    expect(drain(b.cq).map((wc) => [wc.wrId, wc.status])).toEqual([
      [1, 0],
      [2, 0],
      [3, WC_LOC_QP_OP_ERR],
    ]);
    expect(b.qp.state).toBe(QPS_ERR);
  });

  it('a bind beyond the region, or of a region without the right to bind, fails with MW_BIND_ERR', () => {
    for (const [access, length] of [
      [ALL_ACCESS & ~16, 64],
      [ALL_ACCESS, 65],
      [ALL_ACCESS & ~(1 | 2 | 8), 64],
    ]) {
      const wire = new TestWire();
      const [, b] = connect(wire);
      const region = buffer(b.host, 64, access);
      const mw = window(b.host, MW_TYPE_1);
      send(b, { opcode: WR_BIND_MW, bindMw: { mw, rkey: mw.rkey + 1, mr: region.mr, addr: region.addr, length, access: 2 } });
      wire.run();
      expect(drain(b.cq).map((wc) => wc.status)).toEqual([WC_MW_BIND_ERR]);
    }
  });

  it('type 1 windows serve every queue pair of the domain; unbinding revokes them', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire);
    const [c] = connect(wire);
    const local = buffer(a.host, 64);
    const region = buffer(b.host, 64, 1 | 16);
    const mw = window(b.host, MW_TYPE_1);
    send(b, { opcode: WR_BIND_MW, bindMw: { mw, rkey: mw.rkey + 1, mr: region.mr, addr: region.addr, length: 64, access: 4 } });
    wire.run();
    const read = { opcode: WR_READ, sendFlags: SEND_SIGNALED, sge: [local.sge()], remoteAddr: region.addr, rkey: mw.rkey };
    for (const qp of [a, c]) send(qp, read, wire.loop.nowPs);
    wire.run();
    expect([...drain(a.cq), ...drain(c.cq)].map((wc) => wc.status)).toEqual([0, 0]);
    send(b, { opcode: WR_BIND_MW, bindMw: { mw, rkey: mw.rkey + 1, mr: null, addr: 0, length: 0, access: 0 } }, wire.loop.nowPs);
    wire.run();
    send(a, read, wire.loop.nowPs);
    wire.run();
    expect(drain(a.cq).map((wc) => wc.status)).toEqual([WC_REM_ACCESS_ERR]);
  });

  it('regions without bytes move none, at the same simulated cost; keys of the dead stay dead', () => {
    const time = (free: boolean) => {
      const wire = new TestWire();
      const [a, b] = connect(wire);
      const source = buffer(a.host, 100_000);
      const target = buffer(b.host, 100_000);
      source.bytes.fill(9);
      const empty = ok(
        a.host.hca.registerMemory({ pd: a.host.pd, addr: source.addr, length: 100_000, access: ALL_ACCESS, bytes: null }),
      );
      send(a, {
        opcode: WR_WRITE,
        sendFlags: SEND_SIGNALED,
        sge: [{ addr: source.addr, length: 100_000, lkey: free ? empty.lkey : source.mr.lkey }],
        remoteAddr: target.addr,
        rkey: target.mr.rkey,
      });
      wire.run();
      expect(target.bytes[99_999]).toBe(free ? 0 : 9);
      return drain(a.cq)[0].completionTs;
    };
    expect(time(true)).toBe(time(false));
    const wire = new TestWire();
    const host = wire.hosts[0];
    const old = buffer(host, 64);
    const key = old.mr.rkey;
    done(host.hca.deregisterMemory(old.mr));
    const young = buffer(host, 64);
    expect(young.mr.rkey >>> 8).toBe(key >>> 8);
    expect(young.mr.rkey).not.toBe(key);
    expect(host.hca.findKey(key)).toBe(null);
  });
});
