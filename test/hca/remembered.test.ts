import { describe, expect, it } from 'vitest';
import { SEND_SIGNALED, WR_FETCH_ADD, WR_READ, WR_WRITE } from '../../src/hca/index.ts';
import { buffer, connect, drain, send, TestWire } from './wire.ts';

const fill = (bytes: Uint8Array, seed: number) => {
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7 + seed * 13 + (i >> 8)) & 0xff;
};
const equal = (x: Uint8Array, y: Uint8Array) => Buffer.compare(x, y) === 0;

describe('remembered requests', () => {
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

  it('answers a READ again from the first packet that was lost, whatever was lost of it', () => {
    for (let lostPacket = 0; lostPacket < 4; lostPacket++) {
      const wire = new TestWire();
      const [a, b] = connect(wire, { mtu: 1, timeout: 10 });
      const back = buffer(a.host, 1000);
      const target = buffer(b.host, 1000);
      fill(target.bytes, lostPacket);
      let answers = 0;
      const asked: number[] = [];
      wire.filter = (p) => {
        if (p.from === 0) asked.push(p.psn - 100);
        return p.from === 0 || answers++ !== lostPacket;
      };
      send(a, { opcode: WR_READ, sendFlags: SEND_SIGNALED, sge: [back.sge()], remoteAddr: target.addr, rkey: target.mr.rkey });
      wire.run();
      expect(drain(a.cq).map((wc) => [wc.status, wc.byteLen])).toEqual([[0, 1000]]);
      expect(equal(back.bytes, target.bytes)).toBe(true);
      expect(asked).toEqual([0, lostPacket]);
      expect(answers).toBe(4 + 4 - lostPacket);
    }
  });

  it('acknowledges a WRITE that comes again, and does not write it again', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire, { timeout: 1 });
    const source = buffer(a.host, 8);
    const target = buffer(b.host, 8);
    source.bytes.fill(1);
    let acks = 0;
    wire.filter = (p) => {
      if (p.from === 0) return true;
      // The program there changes the bytes after the first WRITE, before the second.
      target.bytes.fill(2);
      return acks++ > 0;
    };
    send(a, { opcode: WR_WRITE, sendFlags: SEND_SIGNALED, sge: [source.sge()], remoteAddr: target.addr, rkey: target.mr.rkey });
    wire.run();
    expect(acks).toBe(2);
    expect(drain(a.cq).map((wc) => wc.status)).toEqual([0]);
    expect(target.bytes.every((byte) => byte === 2)).toBe(true);
    expect(b.qp.msn).toBe(1);
  });
});
