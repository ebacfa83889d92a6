import { describe, expect, it } from 'vitest';
import {
  SEND_SIGNALED,
  WC_RECV,
  WC_SEND,
  WC_SUCCESS,
  WC_WRITE,
  WR_COMPARE_SWAP,
  WR_FETCH_ADD,
  WR_READ,
  WR_SEND,
  WR_WRITE,
} from '../../src/hca/index.ts';
import { buffer, connect, drain, send, TestWire } from './wire.ts';

function pattern(bytes: Uint8Array, seed = 1): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31 + seed * 17 + (i >> 8)) & 0xff;
}

describe('RC over a wire', () => {
  it.each([0, 1, 2, 255, 2047, 2048, 2049, 4096, 10_000])('moves a SEND of %i bytes', (n) => {
    const wire = new TestWire();
    const [a, b] = connect(wire);
    const source = buffer(a.host, Math.max(n, 1));
    const target = buffer(b.host, 16_384);
    pattern(source.bytes);
    expect(b.host.hca.postRecv(b.qp, { wrId: 7, sge: [target.sge()] }, 0)).toBe(0);
    expect(send(a, { wrId: 9n, opcode: WR_SEND, sendFlags: SEND_SIGNALED, sge: [source.sge(0, n)] })).toBe(0);
    wire.run();
    const [sent] = drain(a.cq);
    const [received] = drain(b.cq);
    expect(sent).toMatchObject({ wrId: 9n, status: WC_SUCCESS, opcode: WC_SEND, qpNum: a.qp.qpn });
    expect(received).toMatchObject({
      wrId: 7,
      status: WC_SUCCESS,
      opcode: WC_RECV,
      byteLen: n,
      qpNum: b.qp.qpn,
      slid: wire.lid(0),
    });
    expect(target.bytes.subarray(0, n)).toEqual(source.bytes.subarray(0, n));
    expect(target.bytes.subarray(n).every((byte) => byte === 0)).toBe(true);
    expect(wire.pool.inUse()).toBe(0);
    expect(a.host.hca.bytesInFlight()).toBe(0);
  });

  it.each([0, 1, 2048, 2049, 100_000])('moves a WRITE and a READ of %i bytes', (n) => {
    const wire = new TestWire();
    const [a, b] = connect(wire);
    const source = buffer(a.host, Math.max(n, 1));
    const target = buffer(b.host, 100_100);
    const back = buffer(a.host, 100_100);
    pattern(source.bytes);
    const remote = { remoteAddr: target.addr + 50, rkey: target.mr.rkey };
    send(a, { wrId: 1, opcode: WR_WRITE, sendFlags: SEND_SIGNALED, sge: [source.sge(0, n)], ...remote });
    send(a, { wrId: 2, opcode: WR_READ, sendFlags: SEND_SIGNALED, sge: [back.sge(3, n)], ...remote });
    wire.run();
    expect(drain(a.cq).map((wc) => [wc.wrId, wc.status, wc.opcode])).toEqual([
      [1, WC_SUCCESS, WC_WRITE],
      [2, WC_SUCCESS, 2],
    ]);
    expect(target.bytes.subarray(50, 50 + n)).toEqual(source.bytes.subarray(0, n));
    expect(back.bytes.subarray(3, 3 + n)).toEqual(source.bytes.subarray(0, n));
    expect(wire.pool.inUse()).toBe(0);
  });

  it('adds and swaps', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire);
    const result = buffer(a.host, 32);
    const target = buffer(b.host, 64);
    const view = new DataView(target.bytes.buffer);
    view.setBigUint64(8, 0xffff_ffff_ffff_fff0n, true);
    const remote = { remoteAddr: target.addr + 8, rkey: target.mr.rkey };
    send(a, { wrId: 1, opcode: WR_FETCH_ADD, sendFlags: SEND_SIGNALED, sge: [result.sge(0, 8)], compareAdd: 0x20, ...remote });
    send(a, {
      wrId: 2,
      opcode: WR_COMPARE_SWAP,
      sendFlags: SEND_SIGNALED,
      sge: [result.sge(8, 8)],
      compareAdd: 0x10,
      swap: 0x1234567890abcdefn,
      ...remote,
    });
    send(a, {
      wrId: 3,
      opcode: WR_COMPARE_SWAP,
      sendFlags: SEND_SIGNALED,
      sge: [result.sge(16, 8)],
      compareAdd: 0x11,
      swap: 5,
      ...remote,
    });
    wire.run();
    expect(drain(a.cq).map((wc) => wc.status)).toEqual([0, 0, 0]);
    const got = new DataView(result.bytes.buffer);
    expect([0, 8, 16].map((at) => got.getBigUint64(at, true))).toEqual([0xffff_ffff_ffff_fff0n, 0x10n, 0x1234567890abcdefn]);
    expect(view.getBigUint64(8, true)).toBe(0x1234567890abcdefn);
  });
});
