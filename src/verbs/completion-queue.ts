/**
 * Completion queues (`struct ibv_cq`): polled, waited for, or armed to wake a sleeper over a completion channel.
 *
 * `poll` is what `ibv_poll_cq` is, and never waits: it takes what has become visible. Between two awaits the rest of the simulation stands still, so a
 * loop that only polls never ends; `wait` is that loop as one call, with the cost that spinning has on hardware, and `pollNow` is a poll
 * that lets everything before it happen first.
 */
import type { CqContext } from '../hca/index.ts';
import type { Ps, Waiter } from '../sim/index.ts';
import type { CompletionChannel } from './completion-channel.ts';
import type { Context } from './context.ts';
import { handle, throwErrno, VerbsError } from './errors.ts';
import { VerbsObject } from './verbs-object.ts';
import type { VerbsThread } from './verbs-thread.ts';
import type { WorkCompletion } from './work-request.ts';

export interface CreateCqOptions {
  /** Least number of entries, 1 … max_cqe. */
  readonly cqe: number;
  readonly channel?: CompletionChannel;
  /** 0: there is one completion vector. */
  readonly compVector?: number;
  /** Kept as `cqContext`. */
  readonly cqContext?: unknown;
}

/** `struct ibv_modify_cq_attr`'s moderation: an event after `count` completions, or `periodUs` after the first of fewer. */
export interface CqModeration {
  /** 0 … 65535; 0 and 1 mean every completion. */
  readonly count: number;
  /** Microseconds, 0 … 65535; 0 means no time limit. */
  readonly period: number;
}

/** More than any queue holds. */
const ALL = 2 ** 30;
const NOTHING: WorkCompletion[] = [];

export class CompletionQueue extends VerbsObject {
  readonly context: Context;
  readonly channel: CompletionChannel | null;
  cqContext: unknown;
  /** @internal */
  readonly cq: CqContext;
  #unacknowledged = 0;
  /** The thread that spins on the queue, and how many completions it takes at most. */
  #spinner: Pick<Waiter<WorkCompletion[]>, 'wake'> | null = null;
  #most = ALL;
  readonly #what: string;
  readonly #produce = () => this.#takeOrSpin();

  /** @internal Use `Context.createCq`. */
  constructor(context: Context, options: CreateCqOptions) {
    super('ibv_destroy_cq', 'completion queue');
    const { cqe, channel = null, compVector = 0 } = options;
    checkSize('ibv_create_cq', context, cqe);
    if (compVector !== 0) throw new VerbsError('ibv_create_cq', 'EINVAL', `there is no completion vector ${compVector}`);
    channel?.requireOpen('ibv_create_cq');
    if (channel !== null && channel.context !== context)
      throw new VerbsError('ibv_create_cq', 'EINVAL', 'the channel is of another device');
    context.countUp('ibv_create_cq', 'cq', context.profile.maxCq);
    this.context = context;
    this.channel = channel;
    this.cqContext = options.cqContext;
    this.cq = handle('ibv_create_cq', context.hca.createCq(cqe, channel?.number));
    this.#what = `completion on CQ ${this.cq.number} of ${context.deviceName}`;
    this.cq.onEntry = (visiblePs) => this.#wakeSpinner(visiblePs);
    if (channel !== null) {
      const deliver = (atPs: Ps) => channel.mailbox.push(atPs, this);
      if (context.hca.deliverEvents !== undefined) context.hca.deliverEvents(this.cq, deliver);
      else this.cq.onEvent = deliver;
    }
    context.register(this.cq, { kind: 'cq', cq: this });
    channel?.retain();
    context.retain();
  }

  /** Entries that fit. */
  get cqe(): number {
    return this.cq.capacity;
  }

  /** `ibv_poll_cq`: takes up to `max` completions (default: all) that are visible at the thread's time, the oldest first. */
  poll(max = ALL): WorkCompletion[] {
    this.requireOpen('ibv_poll_cq');
    const { thread, profile } = this.context;
    const taken = this.cq.poll(max, thread.nowPs) as WorkCompletion[];
    const n = taken.length;
    thread.spend(n === 0 ? profile.pollEmptyPs : profile.pollPs + (n - 1) * profile.pollNextPs);
    return taken;
  }

  /** A poll that first lets happen whatever happens before the thread's time, so that it misses nothing. */
  async pollNow(max = ALL): Promise<WorkCompletion[]> {
    if (!this.context.thread.isSynced) await this.context.thread.sync();
    return this.poll(max);
  }

  /** Spins until there is a completion and takes up to `max` (default: all): resumes when the first is visible, plus the cost of the poll. */
  wait(max = ALL): Promise<WorkCompletion[]> {
    this.requireOpen('ibv_poll_cq');
    const { cq, context } = this;
    const { thread } = context;
    if (cq.nextVisiblePs() <= thread.nowPs) return Promise.resolve(this.poll(max));
    this.#most = max;
    return this.#spin();
  }

  #spin(): Promise<WorkCompletion[]> {
    const { cq } = this;
    const waiter = this.context.thread.park<WorkCompletion[]>(this.#what, this.#produce, true);
    const next = cq.nextVisiblePs();
    if (next < Number.POSITIVE_INFINITY) waiter.wake(next, NOTHING);
    else this.spin(waiter);
    return waiter.promise;
  }

  /** What a spinning program gets when it goes on. Entries of a queue pair that was reset meanwhile are gone; then it spins on. */
  #takeOrSpin(): WorkCompletion[] | Promise<WorkCompletion[]> {
    return this.cq.nextVisiblePs() <= this.context.thread.nowPs ? this.poll(this.#most) : this.#spin();
  }

  /** Endless sequence of completions, waiting by spinning: `for await (const wc of cq.completions())`. */
  async *completions(): AsyncGenerator<WorkCompletion, never> {
    for (;;) yield* await this.wait(1);
  }

  /** `ibv_req_notify_cq`: the next completion (or the next solicited or failed one) gives one event on the channel. */
  reqNotify(solicitedOnly = false): void {
    this.requireOpen('ibv_req_notify_cq');
    const { thread, profile, interrupts, hca } = this.context;
    thread.spend(profile.armPs);
    // Kernel code is ahead of the adapter within an item, and has no second look after arming: what comes meanwhile is an event, too (IB_CQ_REPORT_MISSED_EVENTS).
    const atPs = interrupts === null ? thread.nowPs : hca.loop.nowPs;
    if (hca.armCq !== undefined) hca.armCq(this.cq, solicitedOnly, atPs);
    else this.cq.arm(solicitedOnly, atPs);
  }

  /**
   * Kernel contexts: `handler` is called when an armed queue (`reqNotify`) gets a completion, in an item after the interrupt; it polls until nothing is left,
   * and arms the queue again. Throws EINVAL for a program's context, or a queue with a channel.
   */
  setHandler(handler: (() => void) | null): void {
    this.requireOpen('ib_create_cq');
    const { interrupts } = this.context;
    if (interrupts === null || this.channel !== null)
      throw new VerbsError('ib_create_cq', 'EINVAL', 'only queues of kernel code, without a channel, have handlers');
    const run = handler === null ? null : () => this.isClosed || handler();
    this.cq.onEvent = run === null ? null : (atPs) => interrupts.raise(atPs, run);
  }

  /** `ibv_ack_cq_events`: `count` events taken from the channel are done with. Throws EINVAL for more than were taken. */
  ackEvents(count: number): void {
    if (!(Number.isInteger(count) && count >= 0 && count <= this.#unacknowledged))
      throw new VerbsError('ibv_ack_cq_events', 'EINVAL', `${this.#unacknowledged} events are not acknowledged, not ${count}`);
    this.#unacknowledged -= count;
  }

  /** `ibv_resize_cq`: throws EINVAL for a size beyond the device's, or below what waits in the queue. */
  resize(cqe: number): void {
    this.context.spendControl('ibv_resize_cq');
    this.requireOpen('ibv_resize_cq');
    checkSize('ibv_resize_cq', this.context, cqe);
    throwErrno('ibv_resize_cq', this.context.hca.resizeCq(this.cq, cqe), `${this.cq.count} completions are waiting`);
  }

  /** `ibv_modify_cq`: moderation of completion events. Throws EINVAL outside 0 … 65535. */
  modify(moderation: CqModeration): void {
    this.context.spendControl('ibv_modify_cq');
    this.requireOpen('ibv_modify_cq');
    const { count, period } = moderation;
    for (const value of [count, period])
      if (!(Number.isInteger(value) && value >= 0 && value <= 0xffff))
        throw new VerbsError('ibv_modify_cq', 'EINVAL', `${value} is outside 0 … 65535`);
    throwErrno('ibv_modify_cq', this.context.hca.modifyCq(this.cq, count, period * 1_000_000));
  }

  /** @internal An event of this queue was taken from its channel. */
  eventTaken(): void {
    this.#unacknowledged++;
  }

  protected override destroyNow(): void {
    if (this.#unacknowledged > 0)
      throw new VerbsError(
        'ibv_destroy_cq',
        'EBUSY',
        `${this.#unacknowledged} completion events are not acknowledged (C would wait for ever)`,
      );
    const { context } = this;
    context.unregister('ibv_destroy_cq', this.cq);
    context.thread.spend(context.profile.controlPs);
    throwErrno('ibv_destroy_cq', context.hca.destroyCq(this.cq));
    this.cq.onEntry = null;
    this.cq.onEvent = null;
    this.channel?.mailbox.remove((queue) => queue === this);
    context.counts.cq--;
    this.channel?.release();
    context.release();
  }

  /** @internal Wakes `waiter` when the next completion becomes visible; null calls it off. */
  spin(waiter: Pick<Waiter<WorkCompletion[]>, 'wake'> | null): void {
    if (waiter !== null && this.#spinner !== null)
      throw new VerbsError('ibv_poll_cq', 'EBUSY', 'the program waits for this queue twice at a time');
    this.#spinner = waiter;
  }

  #wakeSpinner(visiblePs: Ps): void {
    const spinner = this.#spinner;
    if (spinner === null) return;
    this.#spinner = null;
    spinner.wake(visiblePs, NOTHING);
  }
}

/**
 * Spins on several queues in turn until one has a completion that is visible, or until `untilPs`. Takes nothing: poll the queues then.
 * Returns the queues that have something, in the order given; none when the time is up.
 */
export async function waitAny(
  queues: readonly CompletionQueue[],
  untilPs: Ps = Number.POSITIVE_INFINITY,
): Promise<readonly CompletionQueue[]> {
  const first = queues[0];
  if (first === undefined) throw new VerbsError('ibv_poll_cq', 'EINVAL', 'no queue to wait for');
  const { thread, deviceName } = first.context;
  for (;;) {
    const ready = queues.filter((queue) => queue.cq.nextVisiblePs() <= thread.nowPs);
    if (ready.length > 0 || thread.nowPs >= untilPs) return ready;
    await parkOn(queues, thread, untilPs, `completion on one of ${queues.length} CQs of ${deviceName}`);
  }
}

/** Parks the thread until the first completion of any of the queues is visible, or until `untilPs`. */
async function parkOn(queues: readonly CompletionQueue[], thread: VerbsThread, untilPs: Ps, what: string): Promise<void> {
  const waiter = thread.park<void>(what, null, true);
  let woken = false;
  const once: Pick<Waiter<WorkCompletion[]>, 'wake'> = {
    wake: (atPs) => {
      if (woken) return;
      woken = true;
      waiter.wake(Math.min(atPs, untilPs), undefined);
    },
  };
  const next = Math.min(untilPs, ...queues.map((queue) => queue.cq.nextVisiblePs()));
  for (const queue of queues) queue.spin(once);
  // What is on its way or a time limit is known now; an entry that is made meanwhile may still be earlier than the limit.
  if (next < untilPs) once.wake(next, NOTHING);
  else if (untilPs < Number.POSITIVE_INFINITY) void limit(thread, untilPs, once);
  await waiter.promise;
  for (const queue of queues) queue.spin(null);
}

async function limit(thread: VerbsThread, untilPs: Ps, waiter: Pick<Waiter<WorkCompletion[]>, 'wake'>): Promise<void> {
  await thread.sleep(Math.max(untilPs - thread.nowPs, 0));
  waiter.wake(untilPs, NOTHING);
}

function checkSize(verb: string, context: Context, cqe: number): void {
  if (!(Number.isInteger(cqe) && cqe >= 1 && cqe <= context.profile.maxCqe))
    throw new VerbsError(verb, 'EINVAL', `a completion queue has 1 … ${context.profile.maxCqe} entries, not ${cqe}`);
}
