/**
 * The loops of the bandwidth tests, as in perftest: one side keeps the transmit queue full (`run_iter_bw`), the other reposts receives (`run_iter_bw_server`), or both
 * at once over the same queue pairs (`run_iter_bi`).
 */
import { type Sim, WcFlags, WcOpcode, type WorkCompletion } from '../../verbs/index.ts';
import { Alarm, CompletionError, PollBatch, requireSuccess, type Waitable, waitAny } from './completions.ts';
import { DurationClock } from './duration.ts';
import type { Parameters } from './parameters.ts';
import type { Session } from './session.ts';
import { type BandwidthResult, bandwidth } from './statistics.ts';
import { Receiver, Sender } from './work.ts';

/** One bandwidth run in progress. */
class BandwidthRun {
  readonly session: Session;
  readonly p: Parameters;
  readonly sim: Sim;
  readonly size: number;
  readonly senders: readonly Sender[];
  readonly clock: DurationClock | null;
  /** Per queue pair: messages posted and completed. */
  readonly posted: Float64Array;
  readonly completed: Float64Array;
  totalPosted = 0;
  totalCompleted = 0;
  /** Messages counted in a time-limited run. */
  counted = 0;
  /** Messages in all, or 0 in a time-limited run. */
  readonly total: number;
  readonly #postedPs: Float64Array;
  readonly #completedPs: Float64Array;

  constructor(session: Session, size: number, sends: boolean) {
    const { p, program, qps } = session;
    this.session = session;
    this.p = p;
    this.sim = program.sim;
    this.size = size;
    this.senders = sends ? qps.map((qp, i) => new Sender(session, qp, i, size)) : [];
    this.clock = p.durationSeconds === null ? null : new DurationClock(program.sim, p);
    this.posted = new Float64Array(p.qps);
    this.completed = new Float64Array(p.qps);
    this.total = this.clock === null ? p.iters * p.qps : 0;
    const moments = p.noPeak ? 1 : this.total;
    this.#postedPs = new Float64Array(moments);
    this.#completedPs = new Float64Array(moments).fill(Number.POSITIVE_INFINITY);
  }

  get isOver(): boolean {
    return this.clock?.isOver ?? true;
  }

  /** Without a peak only the beginning and the end count. */
  markBegin(): void {
    if (this.p.noPeak) this.#postedPs[0] = this.sim.now();
  }
  markEnd(): void {
    if (this.p.noPeak) this.#completedPs[0] = this.sim.now();
  }

  /** Posts one request or list on queue pair `q`; `iters` is what each queue pair sends in all. */
  post(q: number): void {
    const { p } = this;
    const before = this.posted[q] as number;
    const isCounted = this.clock === null;
    const sender = this.senders[q] as Sender;
    if (p.postList === 1 && p.cqMod > 1) {
      const asks = (before + 1) % p.cqMod === 0 || (isCounted && before === p.iters - 1);
      sender.setSignaled(asks);
    }
    if (!p.noPeak) this.#postedPs[this.totalPosted] = this.sim.now();
    sender.post(before);
    this.posted[q] = before + p.postList;
    this.totalPosted += p.postList;
  }

  /** Whether queue pair `q` may post. */
  mayPost(q: number): boolean {
    const { p } = this;
    const posted = this.posted[q] as number;
    if (this.clock === null ? posted >= p.iters : this.clock.isOver) return false;
    return posted + p.postList <= p.txDepth + (this.completed[q] as number);
  }

  /** Takes in the completion of sends; each stands for `cqMod` messages, the last perhaps for fewer. */
  complete(wc: WorkCompletion): void {
    const { p } = this;
    requireSuccess(wc, 'client', `scnt=${this.totalPosted}, ccnt=${this.totalCompleted}`);
    const q = Number(wc.wrId);
    const done = this.completed[q] as number;
    const messages = p.fillCount && done + p.cqMod > p.iters ? p.iters - done : p.cqMod;
    this.completed[q] = done + messages;
    this.totalCompleted += messages;
    if (!p.noPeak) this.#completedPs[Math.min(this.totalCompleted, this.total) - 1] = this.sim.now();
    if (this.clock?.isSampling) this.counted += p.cqMod;
  }

  result(): BandwidthResult {
    const { p, clock } = this;
    if (clock !== null) {
      this.#postedPs[0] = clock.sampleFromPs;
      this.#completedPs[0] = clock.sampleToPs;
    }
    return bandwidth(
      {
        size: this.size,
        iters: clock === null ? p.iters : this.counted,
        qps: p.qps,
        postList: p.postList,
        cqMod: p.cqMod,
        postedPs: this.#postedPs,
        completedPs: this.#completedPs,
        noPeak: p.noPeak,
        isDuration: clock !== null,
        gbits: p.gbits,
      },
      p.compat === 'perftest',
    );
  }
}

/** perftest's software rate limiter: bursts with gaps between them. */
class RateLimiter {
  readonly #sim: Sim;
  readonly #burst: number;
  readonly #gapPs: number;
  #deadlinePs: number;
  #left = 0;
  #alarm: { readonly atPs: number; readonly alarm: Alarm } | null = null;

  constructor(sim: Sim, p: Parameters, size: number) {
    const perSecond = { M: (p.rateLimit / size) * 1_048_576, g: (p.rateLimit / (size * 8)) * 1e9, p: p.rateLimit }[p.rateUnits];
    this.#sim = sim;
    this.#burst = p.burstSize;
    this.#gapPs = Math.round((p.burstSize / perSecond) * 1e12);
    this.#deadlinePs = sim.now();
  }

  /** Whether a message may be sent now; begins a burst when its time has come. */
  mayPost(): boolean {
    if (this.#left > 0) return true;
    if (this.#deadlinePs > this.#sim.now()) return false;
    this.#deadlinePs += this.#gapPs;
    this.#left = this.#burst;
    return true;
  }

  spent(messages: number): void {
    this.#left -= messages;
  }

  /** The moment of the next burst, when there is one to wait for. */
  nextBurst(): Alarm | null {
    if (this.#left > 0) return null;
    if (this.#alarm?.atPs !== this.#deadlinePs)
      this.#alarm = { atPs: this.#deadlinePs, alarm: new Alarm(this.#sim, this.#deadlinePs) };
    return this.#alarm.alarm;
  }
}

/** Sends, and takes completions, until all is done: `run_iter_bw`. */
export async function runSending(session: Session, size: number): Promise<BandwidthResult> {
  const { p, program } = session;
  const run = new BandwidthRun(session, size, true);
  const batch = new PollBatch(p);
  const limiter = p.rateLimit > 0 ? new RateLimiter(program.sim, p, size) : null;
  const stop = new EndOfDuration(run);
  run.clock?.start();
  run.markBegin();
  while (run.totalPosted < run.total || run.totalCompleted < run.total || !run.isOver) {
    postAll(run, limiter);
    if (run.totalCompleted >= run.totalPosted && limiter === null) continue;
    const completions = await takeCompletions(run, limiter, batch.size, stop);
    for (const wc of completions) run.complete(wc);
    batch.learn(completions.length, run.totalCompleted);
  }
  run.markEnd();
  return run.result();
}

function postAll(run: BandwidthRun, limiter: RateLimiter | null): void {
  for (let q = 0; q < run.p.qps; q++) {
    while (run.mayPost(q) && (limiter === null || limiter.mayPost())) {
      run.post(q);
      limiter?.spent(run.p.postList);
    }
  }
}

/** At least one completion; perhaps none, when the time of the next burst has come under a rate limit, or the duration is over. */
async function takeCompletions(
  run: BandwidthRun,
  limiter: RateLimiter | null,
  max: number,
  stop: EndOfDuration,
): Promise<WorkCompletion[]> {
  const { sends } = run.session;
  const mayBurst = limiter !== null && (run.clock === null ? run.totalPosted < run.total : !run.isOver);
  const burst = mayBurst ? limiter.nextBurst() : null;
  if (burst === null && !stop.isNeeded) return sends.wait(max);
  sends.batch = max;
  const isAwaited = run.totalCompleted < run.totalPosted;
  await waitAny([...(isAwaited ? [sends] : []), ...(burst === null ? [] : [burst]), ...stop.alarms()]);
  return sends.take();
}

/** Messages whose time does not count, so that caches are warm: a full transmit queue, or one list. */
export async function warmUp(session: Session, size: number): Promise<void> {
  const { p, qps, sends } = session;
  for (const [q, qp] of qps.entries()) {
    const sender = new Sender(session, qp, q, size);
    if (p.postList === 1) sender.setSignaled(true);
    let expected = p.postList === 1 ? p.txDepth : p.postList / p.cqMod;
    for (let i = 0; i < (p.postList === 1 ? p.txDepth : 1); i++) sender.post(i);
    while (expected > 0)
      for (const wc of await sends.wait(expected)) {
        requireSuccess(wc, 'client', 'during warm up');
        expected--;
      }
  }
}

/** Receives of all queue pairs, filled; both sides wait for each other afterwards, so that nothing is sent before. */
export function fillReceivers(session: Session, size: number): Receiver[] {
  const receivers = session.qps.map((qp, i) => new Receiver(session, qp, i, size));
  for (const receiver of receivers) receiver.fill();
  return receivers;
}

/** Takes in a receive: checks it, counts it, and posts the next when a list's worth is free. */
class ReceiveSide {
  readonly #run: BandwidthRun;
  readonly #receivers: readonly Receiver[];
  readonly #free: Float64Array;
  total = 0;

  constructor(run: BandwidthRun, receivers: readonly Receiver[]) {
    this.#run = run;
    this.#receivers = receivers;
    this.#free = new Float64Array(receivers.length);
  }

  receive(wc: WorkCompletion): void {
    const { p, clock } = this.#run;
    requireSuccess(wc, 'server', `rcnt=${this.total}`);
    if ((p.verb === 'SEND_IMM' || p.verb === 'WRITE_IMM') && (wc.wcFlags & WcFlags.WITH_IMM) === 0)
      throw new CompletionError(`a completion without immediate data, rcnt=${this.total}`);
    const q = Number(wc.wrId);
    const receiver = this.#receivers[q] as Receiver;
    this.total++;
    this.#free[q] = (this.#free[q] as number) + 1;
    if (clock?.isSampling) this.#run.counted++;
    const isWanted = clock !== null || receiver.posted + p.recvPostList <= p.iters;
    if (!isWanted || (this.#free[q] as number) < p.recvPostList) return;
    receiver.post();
    this.#free[q] = (this.#free[q] as number) - p.recvPostList;
  }
}

/** Receives only: `run_iter_bw_server`. The time begins with the first message. */
export async function runReceiving(session: Session, size: number, receivers: readonly Receiver[]): Promise<BandwidthResult> {
  const { p } = session;
  const run = new BandwidthRun(session, size, false);
  const side = new ReceiveSide(run, receivers);
  const batch = new PollBatch(p);
  const stop = new EndOfDuration(run);
  while (side.total < run.total || !run.isOver) {
    const completions = await receiveSome(session, batch.size, stop);
    if (side.total === 0) {
      run.clock?.start();
      run.markBegin();
    }
    for (const wc of completions) side.receive(wc);
    batch.learn(completions.length, side.total);
  }
  run.markEnd();
  return run.result();
}

/** At least one completion, or none when the duration is over. */
async function receiveSome({ receives }: Session, max: number, stop: EndOfDuration): Promise<WorkCompletion[]> {
  if (!stop.isNeeded) return receives.wait(max);
  receives.batch = max;
  await waitAny([receives, ...stop.alarms()]);
  return receives.take();
}

/** The alarm at the end of a time-limited run. */
class EndOfDuration {
  readonly #run: BandwidthRun;
  #alarm: Alarm | null = null;

  constructor(run: BandwidthRun) {
    this.#run = run;
  }

  get isNeeded(): boolean {
    return this.#run.clock !== null;
  }

  alarms(): readonly Waitable[] {
    const endPs = this.#run.clock?.endPs ?? Number.POSITIVE_INFINITY;
    if (endPs === Number.POSITIVE_INFINITY) return [];
    this.#alarm ??= new Alarm(this.#run.sim, endPs);
    return [this.#alarm];
  }
}

/** Both at once: `run_iter_bi`. The server begins to send when it has received something, so that receives are there first. */
export async function runBoth(session: Session, size: number, receivers: readonly Receiver[]): Promise<BandwidthResult> {
  const { p, sends, receives } = session;
  const run = new BandwidthRun(session, size, true);
  const side = new ReceiveSide(run, receivers);
  const stop = new EndOfDuration(run);
  let mayBegin = p.machine === 'CLIENT';
  if (mayBegin) run.clock?.start();
  run.markBegin();
  sends.batch = p.cqePoll;
  receives.batch = p.rxDepth;
  while (run.totalCompleted < run.total || side.total < run.total || !run.isOver) {
    if (mayBegin) postAll(run, null);
    await waitAny([receives, sends, ...stop.alarms()]);
    for (const wc of receives.take()) {
      mayBegin = true;
      run.clock?.start();
      side.receive(wc);
    }
    for (const wc of sends.take()) if (wc.opcode !== WcOpcode.RECV) run.complete(wc);
  }
  run.markEnd();
  return run.result();
}
