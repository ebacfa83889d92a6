import { describe, expect, it } from 'vitest';
import { RECORD_BAD_CRC, W_BTH, W_DEST_QP, W_LENGTH } from '../../src/fabric/index.ts';
import { QPT_UC, SEND_SIGNALED, WR_SEND, WR_WRITE } from '../../src/hca/index.ts';
import { UD_SEND_ONLY } from '../../src/wire/index.ts';
import { buffer, connect, drain, type Passing, send, TestWire } from './wire.ts';

/** Sends one WRITE whose first packet is tampered with on the wire; what comes again is let through. */
function tamper(change: (p: Passing) => void, type?: number) {
  const wire = new TestWire();
  const [a, b] = connect(wire, { timeout: 4, ...(type === undefined ? {} : { type }) });
  const source = buffer(a.host, 100);
  const target = buffer(b.host, 100);
  source.bytes.fill(1);
  let first = true;
  wire.filter = (p) => {
    if (first) change(p);
    first = false;
    return true;
  };
  send(a, { opcode: WR_WRITE, sendFlags: SEND_SIGNALED, sge: [source.sge()], remoteAddr: target.addr, rkey: target.mr.rkey });
  wire.run();
  expect(wire.pool.inUse()).toBe(0);
  return {
    status: drain(a.cq).map((wc) => wc.status),
    written: target.bytes[99],
    counters: b.host.hca.counters,
    timeouts: a.host.hca.counters.timeouts,
  };
}

describe('the receive engine drops without an answer, and the retry delivers', () => {
  it.each<[string, (p: Passing) => void]>([
    [
      'a packet that arrives damaged',
      (p) => {
        p.words[p.at + W_LENGTH] |= RECORD_BAD_CRC << 24;
      },
    ],
    [
      'one for a queue pair that is not there',
      (p) => {
        p.words[p.at + W_DEST_QP] ^= 0x1000;
      },
    ],
    [
      'one of another partition',
      (p) => {
        p.words[p.at + W_BTH] = (p.words[p.at + W_BTH] & 0xffff) | (0x8123 << 16);
      },
    ],
    [
      'one of another transport',
      (p) => {
        p.words[p.at + W_BTH] = (p.words[p.at + W_BTH] & ~0xff) | UD_SEND_ONLY;
      },
    ],
    [
      'one with an opcode that nobody knows',
      (p) => {
        p.words[p.at + W_BTH] = (p.words[p.at + W_BTH] & ~0xff) | 0x1f;
      },
    ],
  ])('%s', (_, change) => {
    expect(tamper(change)).toMatchObject({ status: [0], written: 1, timeouts: 1 });
    // UC has no retry: the message is gone.
    expect(tamper(change, QPT_UC)).toMatchObject({ status: [0], written: 0, timeouts: 0 });
  });

  it('counts them by kind', () => {
    const damaged = tamper((p) => {
      p.words[p.at + W_LENGTH] |= RECORD_BAD_CRC << 24;
    });
    expect(damaged.counters).toMatchObject({ badCrcDropped: 1, dropped: 0 });
    const foreign = tamper((p) => {
      p.words[p.at + W_BTH] = (p.words[p.at + W_BTH] & 0xffff) | (0x8123 << 16);
    });
    expect(foreign.counters).toMatchObject({ pkeyViolations: 1, dropped: 1 });
  });

  it('takes nothing in INIT and answers nothing in ERR', () => {
    const wire = new TestWire();
    const [a, b] = connect(wire, { timeout: 2, retryCnt: 1 });
    b.host.hca.modifyQp(b.qp, { qpState: 6 }, 1, 0);
    send(a, { wrId: 1, opcode: WR_SEND, sge: [] });
    wire.run();
    expect(drain(a.cq).map((wc) => wc.status)).toEqual([12]);
    expect(b.host.hca.counters.naksSent + b.host.hca.counters.acksSent).toBe(0);
  });
});
