/**
 * The loops of the latency tests, as in perftest: ping-pong of sends, of writes with an immediate, of writes polled for in memory, and one side's reads or atomics.
 * Each yields the times of posting; the result of an iteration is the time between two posts.
 */
import { WcFlags, type WorkCompletion } from '../../verbs/index.ts';
import { Alarm, CompletionError, type Completions, requireSuccess, WatchedByte, waitAny } from './completions.ts';
import { DurationClock } from './duration.ts';
import { isRoundTrip } from './parameters.ts';
import { latencyDurationRow, latencyRow, sampleLines } from './report.ts';
import { printTitles, type Session, type TestQp } from './session.ts';
import {
  durationLatency,
  exactLatency,
  histogramSamples,
  iterationDeltas,
  type LatencyDurationResult,
  type LatencyResult,
  type LatencyScale,
  perftestLatency,
} from './statistics.ts';
import { Receiver, Sender } from './work.ts';

/** Moments of one run: of all posts, or of the measured part of a time-limited run. */
export interface LatencyRun {
  readonly size: number;
  readonly postedPs: Float64Array;
  /** Iterations counted in a time-limited run. */
  counted: number;
  readonly clock: DurationClock | null;
}

/** One latency loop in progress: counters, the moment of each post, and waits that end with the duration. */
class LatencyLoop {
  readonly session: Session;
  readonly run: LatencyRun;
  readonly sender: Sender;
  readonly #end: TestQp;
  #alarm: Alarm | null = null;
  sent = 0;
  received = 0;

  constructor(session: Session, size: number) {
    const { p, program } = session;
    this.session = session;
    this.#end = session.qps[0] as TestQp;
    this.sender = new Sender(session, this.#end, 0, size);
    const clock = p.durationSeconds === null ? null : new DurationClock(program.sim, p);
    this.run = { size, postedPs: new Float64Array(clock === null ? p.iters : 0), counted: 0, clock };
  }

  /** True while `count` has not reached what is asked for. */
  wants(count: number): boolean {
    const { clock } = this.run;
    return clock === null ? count < this.session.p.iters : !clock.isOver;
  }

  startClock(): void {
    this.run.clock?.start();
  }

  /** Counts an iteration that ends now, if it is in the measured part. */
  count(): void {
    if (this.run.clock?.isSampling) this.run.counted++;
  }

  /** One completion, or null when the duration ends first. */
  async next(completions: Completions): Promise<WorkCompletion | null> {
    const { clock } = this.run;
    if (clock === null || clock.endPs === Number.POSITIVE_INFINITY) return (await completions.wait(1))[0] as WorkCompletion;
    this.#alarm ??= new Alarm(this.session.program.sim, clock.endPs);
    await waitAny([completions, this.#alarm]);
    return clock.isOver ? null : ((completions.take()[0] as WorkCompletion | undefined) ?? null);
  }

  /** Waits until a byte of memory has changed; false when the duration ends first. */
  async changed(byte: WatchedByte): Promise<boolean> {
    const { clock } = this.run;
    if (clock === null) {
      await byte.wait();
      return true;
    }
    this.#alarm ??= new Alarm(this.session.program.sim, clock.endPs);
    await waitAny([byte, this.#alarm]);
    return !clock.isOver;
  }

  /** Waits (`--latency_gap`), notes the time, and posts. False when the duration ended meanwhile. */
  async post(beforePost?: () => void): Promise<boolean> {
    const { p, program } = this.session;
    if (p.latencyGapUs > 0) await program.cpu.work(p.latencyGapUs * 1000);
    if (this.run.clock?.isOver) return false;
    if (this.run.clock === null) this.run.postedPs[this.sent] = program.sim.now();
    if (this.sent > 0) program.trace.end(this.sent - 1);
    program.trace.begin(this.sent, { bytes: this.run.size, divisor: isRoundTrip(p.verb) ? 1 : 2 });
    this.sent++;
    beforePost?.();
    this.sender.post(this.sent - 1);
    return true;
  }

  /** Waits for the completion of the send just posted. */
  async complete(): Promise<boolean> {
    const wc = await this.next(this.session.sends);
    if (wc !== null) requireSuccess(wc, 'client', `scnt=${this.sent}, ccnt=${this.sent - 1}`);
    return wc !== null;
  }

  /** Waits for a message. */
  async receive(): Promise<boolean> {
    const wc = await this.next(this.session.receives);
    if (wc === null) return false;
    requireSuccess(wc, 'server', `rcnt=${this.received}`);
    const { verb } = this.session.p;
    if ((verb === 'SEND_IMM' || verb === 'WRITE_IMM') && (wc.wcFlags & WcFlags.WITH_IMM) === 0)
      throw new CompletionError(`a completion without immediate data, rcnt=${this.received}`);
    this.received++;
    return true;
  }
}

/** Sends, and writes with immediate: both sides receive, repost, send in turn. */
export async function runPingPong(session: Session, size: number): Promise<LatencyRun> {
  const { p } = session;
  const loop = new LatencyLoop(session, size);
  const receiver = new Receiver(session, session.qps[0] as TestQp, 0, size);
  receiver.fill();
  await session.sync();
  const isSend = p.verb === 'SEND' || p.verb === 'SEND_IMM';
  loop.sender.setSignaled(!isSend);
  // perftest starts the clock of a send test with the first message received, that of a write test at once.
  if (!isSend) loop.startClock();
  const depth = p.useSrq ? Math.floor(p.rxDepth / p.qps) : p.rxDepth;
  while (loop.wants(loop.sent) || loop.wants(loop.received)) {
    if (loop.wants(loop.received) && !(loop.sent < 1 && p.machine === 'CLIENT')) {
      if (!(await loop.receive())) break;
      loop.startClock();
      if (isSend) loop.count();
      if (p.durationSeconds !== null || loop.received + depth <= p.iters) receiver.post();
    }
    if (!loop.wants(loop.sent)) continue;
    const asks = !isSend || (loop.sent + 1) % p.cqMod === 0 || loop.sent + 1 === p.iters;
    if (isSend) loop.sender.setSignaled(asks);
    if (!(await loop.post())) break;
    if (asks && !(await loop.complete())) break;
    if (!isSend) loop.count();
  }
  return loop.run;
}

/** Writes: each side waits until the last byte of its buffer holds the number of the iteration. */
export async function runWritePolling(session: Session, size: number): Promise<LatencyRun> {
  const { p } = session;
  const end = session.qps[0] as TestQp;
  const loop = new LatencyLoop(session, size);
  const lastSent = end.sendOffset + size - 1;
  const lastReceived = new WatchedByte(end.mr, end.recvOffset + size - 1);
  loop.sender.setSignaled(true);
  loop.startClock();
  while (loop.wants(loop.sent) || loop.wants(loop.received)) {
    if (loop.wants(loop.received) && !(loop.sent < 1 && p.machine === 'SERVER')) {
      loop.received++;
      lastReceived.expected = loop.received & 0xff;
      if (!(await loop.changed(lastReceived))) break;
    }
    if (!loop.wants(loop.sent)) continue;
    const posted = await loop.post(() => {
      end.mr.bytes[lastSent] = loop.sent & 0xff;
    });
    if (!posted || !(await loop.complete())) break;
    loop.count();
  }
  return loop.run;
}

/** Reads and atomics: only the client does anything. */
export async function runRoundTrips(session: Session, size: number): Promise<LatencyRun> {
  const loop = new LatencyLoop(session, size);
  loop.sender.setSignaled(true);
  loop.startClock();
  while (loop.wants(loop.sent)) {
    if (!(await loop.post()) || !(await loop.complete())) break;
    loop.count();
  }
  return loop.run;
}

/** Turns a run into numbers and prints them: the row, and before it the samples if asked for. */
export function reportLatency(session: Session, run: LatencyRun): LatencyResult | LatencyDurationResult {
  const { p, program } = session;
  const rttFactor = isRoundTrip(p.verb) ? 1 : 2;
  if (run.clock !== null) {
    const result = durationLatency(run.size, run.counted, run.clock.sampleToPs - run.clock.sampleFromPs, rttFactor);
    program.log(latencyDurationRow(p, result));
    return result;
  }
  const scale: LatencyScale = { psPerUnit: p.cycles ? 1e3 : 1e6, rttFactor };
  const deltas = iterationDeltas(run.postedPs);
  const psPerSample = scale.psPerUnit * rttFactor;
  const print = (samples: Float64Array) => {
    for (const line of sampleLines(p, samples, psPerSample)) program.log(line);
  };
  if (p.unsorted) print(deltas);
  if (p.histogram) print(histogramSamples(deltas, p.compat));
  if (p.unsorted || p.histogram) printTitles(session);
  const result = (p.compat === 'exact' ? exactLatency : perftestLatency)(run.size, p.iters, deltas, scale);
  program.log(latencyRow(p, result));
  return result;
}
