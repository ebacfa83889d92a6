import { describe, expect, it } from 'vitest';
import {
  type HcaTrace,
  SEND_INLINE,
  SEND_SIGNALED,
  unloadedStages,
  WR_FETCH_ADD,
  WR_READ,
  WR_SEND,
} from '../../src/hca/index.ts';
import { buffer, connect, send, TestWire } from './wire.ts';

/** Keeps what it is told, by stage; of the last packet of each message only. */
class Recorder implements HcaTrace {
  readonly own = new Map<string, number>();
  readonly last = new Map<string, number>();
  readonly seen = new Map<string, Map<string, number>>();
  request = '';
  answer = '';

  stamp(message: number, stage: string, timePs: number): void {
    this.own.set(stage, timePs);
    this.last.set('message', message);
  }

  packet(_message: number, hostPort: number, number: number): void {
    this.request = `${(hostPort + 1) * 128}/${number}`;
  }

  arrived(slid: number, number: number, stage: string, timePs: number): void {
    const key = `${slid}/${number}`;
    if (!this.seen.has(key)) this.seen.set(key, new Map());
    (this.seen.get(key) as Map<string, number>).set(stage, timePs);
  }

  answered(_slid: number, _number: number, answerSlid: number, _hostPort: number, answerNumber: number): void {
    this.answer = `${answerSlid}/${answerNumber}`;
  }
}

function run(opcode: number, bytes: number, inline: boolean) {
  const trace = new Recorder();
  const wire = new TestWire({ trace, latencyPs: 130_000 });
  const [a, b] = connect(wire, { mtu: 4 });
  const source = buffer(a.host, 10_000);
  const target = buffer(b.host, 10_000);
  b.host.hca.postRecv(b.qp, { sge: [target.sge()] }, 0);
  const flags = SEND_SIGNALED | (inline ? SEND_INLINE : 0);
  const p = wire.profile;
  const postPs = p.postPs + (inline ? Math.ceil(bytes * p.postInlinePsPerByte) : 0);
  send(a, { opcode, sendFlags: flags, sge: [source.sge(0, bytes)], remoteAddr: target.addr, rkey: target.mr.rkey }, postPs);
  wire.run();
  const path = { psPerByte: { num: 250, den: 1 }, fixedPs: 130_000, mtuBytes: 2048, inlineBytes: inline ? bytes : 0 };
  const ends = new Map<string, number>();
  let now = 0;
  const operation = opcode === WR_SEND ? 'send' : opcode === WR_READ ? 'read' : 'atomic';
  for (const stage of unloadedStages(p, path, operation, bytes)) {
    now += stage.ps;
    ends.set(stage.name, now);
  }
  return { trace, ends };
}

describe('the trace of a message', () => {
  it.each([
    [64, true],
    [1000, false],
    [9000, false],
  ])('of a SEND of %i bytes ends each stage when the sum of the parts does', (bytes, inline) => {
    const { trace, ends } = run(WR_SEND, bytes, inline);
    const { own } = trace;
    const seen = trace.seen.get(trace.request) as Map<string, number>;
    expect(own.get('doorbell-arrived')).toBe(ends.get('doorbell'));
    expect(own.get('entry-fetched')).toBe(ends.get(inline ? 'entry with doorbell' : 'entry fetch'));
    expect(own.get('transmit-started')).toBe(ends.get('behind earlier packets'));
    expect(own.get('payload-read')).toBe(ends.get('payload read'));
    expect(own.get('tx-queue-entered')).toBe(ends.get('transmit pipeline'));
    expect(seen.get('receive-pipeline')).toBe(ends.get('receive pipeline'));
    expect(seen.get('headers-checked')).toBe(ends.get('receive pipeline'));
    expect(seen.get('payload-written')).toBe(ends.get('payload write'));
    expect(seen.get('completion-written')).toBe(ends.get('completion write'));
  });

  it('of a READ goes there and back', () => {
    const { trace, ends } = run(WR_READ, 5000, false);
    const there = trace.seen.get(trace.request) as Map<string, number>;
    const back = trace.seen.get(trace.answer) as Map<string, number>;
    expect(there.get('response-started')).toBe(ends.get('behind earlier packets'));
    expect(there.get('response-read')).toBe(ends.get('payload read'));
    expect(back.get('headers-checked')).toBe(ends.get('receive pipeline'));
    expect(trace.own.get('payload-written')).toBe(ends.get('payload write'));
    expect(trace.own.get('completion-written')).toBe(ends.get('completion write'));
  });

  it('of an atomic goes there and back', () => {
    const { trace, ends } = run(WR_FETCH_ADD, 8, false);
    const there = trace.seen.get(trace.request) as Map<string, number>;
    const back = trace.seen.get(trace.answer) as Map<string, number>;
    expect(there.get('atomic-done')).toBe(ends.get('atomic'));
    expect(there.get('response-tx-queue-entered')).toBeGreaterThan(ends.get('atomic') as number);
    expect(back.get('headers-checked')).toBe(ends.get('receive pipeline'));
    expect(trace.own.get('payload-written')).toBe(ends.get('payload write'));
    expect(trace.own.get('completion-written')).toBe(ends.get('completion write'));
  });
});
