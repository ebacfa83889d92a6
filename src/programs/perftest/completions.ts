/**
 * Waiting for completions the way perftest does: by polling, in batches that may adapt to the load, or asleep on a completion channel (`-e`).
 *
 * A loop that does nothing but poll is one wait: `CompletionQueue.wait` resumes at the moment at which such a loop would see the completion. Where a loop
 * polls two queues in turn, or until a moment (rate limit, end of the duration), `waitAny` waits for whichever comes first; what the other
 * queue yields later is kept for the next call, so no completion is lost.
 */
import {
  type CompletionChannel,
  type CompletionQueue,
  type MemoryRegion,
  type Sim,
  WcStatus,
  type WorkCompletion,
  wcStatusStr,
} from '../../verbs/index.ts';
import { sprintf } from '../format.ts';
import type { Parameters } from './parameters.ts';

/** Something that `waitAny` can wait for. */
export interface Waitable {
  /** Begins to wait unless a wait is under way; calls `notify` when it is over, at once if it is already. */
  begin(notify: () => void): void;
}

/** A completion queue with its channel, if the test sleeps on events. */
export class Completions implements Waitable {
  /** Most completions that a wait of `waitAny` takes. */
  batch = 1;
  readonly #cq: CompletionQueue;
  readonly #channel: CompletionChannel | null;
  /** A wait under way that `waitAny` left, and what came of it. */
  #pending: Promise<void> | null = null;
  #ready: WorkCompletion[] = [];
  /** Called once when `#ready` gets something. */
  #notify: (() => void) | null = null;

  constructor(cq: CompletionQueue, channel: CompletionChannel | null) {
    this.#cq = cq;
    this.#channel = channel;
  }

  /** Arms the queue for its first event. */
  arm(): void {
    if (this.#channel !== null) this.#cq.reqNotify();
  }

  /** At least one and at most `max` completions, by busy polling; in event mode asleep, until an event that brought some. */
  async wait(max: number): Promise<WorkCompletion[]> {
    if (this.#channel !== null) return this.#sleep(max);
    if (this.#pending === null && this.#ready.length === 0) return this.#cq.wait(max);
    if (this.#ready.length === 0) await this.#pending;
    return this.take();
  }

  /** What `waitAny` found here, perhaps nothing. */
  take(): WorkCompletion[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  begin(notify: () => void): void {
    this.#notify = notify;
    if (this.#ready.length > 0) notify();
    else
      this.#pending ??= (this.#channel === null ? this.#cq.wait(this.batch) : this.#sleep(this.batch)).then((completions) => {
        this.#ready = completions;
        this.#pending = null;
        this.#notify?.();
      });
  }

  /** perftest's ctx_notify_events, then a poll: an event may find its completion already polled. */
  async #sleep(max: number): Promise<WorkCompletion[]> {
    for (;;) {
      const polled = this.#cq.poll(max);
      if (polled.length > 0) return polled;
      const cq = await (this.#channel as CompletionChannel).getEvent();
      cq.ackEvents(1);
      cq.reqNotify();
    }
  }
}

/** A moment that can be waited for any number of times, at the cost of one timer. */
export class Alarm implements Waitable {
  #isOver = false;
  #notify: (() => void) | null = null;

  constructor(sim: Sim, atPs: number) {
    sim.sleepPs(Math.max(0, atPs - sim.now())).then(() => {
      this.#isOver = true;
      this.#notify?.();
    });
  }

  begin(notify: () => void): void {
    this.#notify = notify;
    if (this.#isOver) notify();
  }
}

/** A byte of memory that the other side writes. */
export class WatchedByte implements Waitable {
  readonly #mr: MemoryRegion;
  readonly #offset: number;
  #pending: Promise<void> | null = null;
  #notify: (() => void) | null = null;
  /** The value to wait for; set it only while no wait is under way. */
  expected = 0;

  constructor(mr: MemoryRegion, offset: number) {
    this.#mr = mr;
    this.#offset = offset;
  }

  /** True once the byte has the expected value; a wait that is over is needed to see a change in time. */
  get isThere(): boolean {
    return this.#pending === null && this.#mr.bytes[this.#offset] === this.expected;
  }

  /** Spins until the byte has the expected value. */
  wait(): Promise<void> {
    return this.#mr.waitForChange(this.#offset, 1, (bytes) => bytes[0] === this.expected);
  }

  begin(notify: () => void): void {
    this.#notify = notify;
    this.#pending ??= this.wait().then(() => {
      this.#pending = null;
      this.#notify?.();
    });
  }
}

/** Waits until one of them is over. */
export function waitAny(sources: readonly Waitable[]): Promise<void> {
  return new Promise((resolve) => {
    for (const source of sources) source.begin(resolve);
  });
}

/** How many completions to poll at once: fixed, or adapted as perftest's dynamic polling does. */
export class PollBatch {
  #size: number;
  #adapts: boolean;
  #stable = 0;
  #last = 0;
  readonly #untilCount: number;

  constructor(p: Parameters) {
    this.#adapts = p.dynamicPoll;
    this.#size = p.dynamicPoll ? BATCH.max : p.cqePoll;
    this.#untilCount = p.durationSeconds === null ? Math.min(Math.floor(p.iters / 4), BATCH.stopAt) : Math.max(p.qps * 3, 1000);
  }

  get size(): number {
    return this.#size;
  }

  /** A poll gave `found` completions; `count` in all so far. */
  learn(found: number, count: number): void {
    if (!this.#adapts || count >= this.#untilCount) return;
    if (found === this.#size && this.#size < BATCH.max) this.#resize(found);
    else if (found < this.#size * BATCH.threshold) {
      if (this.#size > BATCH.min) this.#resize(found);
    } else if (found === this.#last) {
      if (++this.#stable >= BATCH.stabilize) this.#adapts = false;
    } else this.#stable = 0;
    this.#last = found;
  }

  #resize(found: number): void {
    this.#size = Math.min(BATCH.max, Math.max(BATCH.min, Math.floor((this.#size + found) / 2)));
    this.#stable = 0;
  }
}

/** Constants of perftest's init_dyn_poll_ctx. */
const BATCH = { min: 16, max: 1024, stabilize: 10, threshold: 0.85, stopAt: 16_384 };

/** A completion that failed ends the test, in perftest's words. */
export class CompletionError extends Error {
  override readonly name = 'CompletionError';
}

/** Throws `CompletionError` unless the completion succeeded. `side` is where it happened: 'client' for sends, 'server' for receives. */
export function requireSuccess(wc: WorkCompletion, side: 'client' | 'server', counts: string): void {
  if (wc.status === WcStatus.SUCCESS) return;
  const where = sprintf('wr_id %d syndrom 0x%x', Number(wc.wrId), wc.vendorErr);
  throw new CompletionError(
    `Completion with error at ${side}: Failed status-${wcStatusStr(wc.status)} (${wc.status}): ${where}, ${counts}`,
  );
}
