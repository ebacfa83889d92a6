/**
 * The processor as kernel code sees it: drivers and protocol stacks queue *items*, each with a price in CPU time, and virtual time passes as they are worked off.
 *
 * One item runs at a time, in the order queued. An item's cost passes first, then its effect runs; what the effect spends on top delays whatever
 * follows. So work that others can see (a ring index, a notification) belongs into an item of its own after the work that it announces.
 * The same driver runs on a bare host (`BareKernelCpu`) and on a virtual CPU, which a hypervisor schedules.
 */
import type { EventHandler, EventLoop } from './event-loop.ts';
import { assert } from './errors.ts';
import type { Ps } from './time.ts';

/** What CPU time is used for: `netback`, `copy`, `hypercall`, `tcp`. Accounts are kept by it. */
export type CpuCause = string;

export interface KernelCpu {
  /** The CPU's own time: within an item, the loop's time and what the item has spent; outside, the loop's time. */
  readonly nowPs: Ps;
  /** Queues an item: when all before it are done, `costPs` of CPU time pass, charged to `cause`, then `effect` runs. */
  exec(costPs: Ps, cause: CpuCause, effect: () => void): void;
  /** Within an item: uses `costPs` of CPU time. Everything after it on this CPU is later by that. */
  spend(costPs: Ps, cause: CpuCause): void;
  /** A device's interrupt now: costs what interrupts cost here, then `effect` runs. Wakes a CPU that sleeps. May be called outside of items. */
  interrupt(cause: CpuCause, effect: () => void): void;
  /** `effect` runs as an item at `atPs`, or as soon after as the CPU is free. Returns a handle for `clearTimer`. */
  setTimer(atPs: Ps, effect: () => void): number;
  clearTimer(handle: number): void;
  /** For breakdowns: what was under way reached the end of `stage` at `nowPs`. Does nothing where no breakdown is asked for. */
  mark(stage: string): void;
}

/** What a bare host's kernel pays. */
export interface BareKernelCosts {
  /** From a device's interrupt to its handler. */
  readonly interruptPs: Ps;
  /** A timer's interrupt. */
  readonly timerPs: Ps;
}

interface Item {
  readonly costPs: Ps;
  readonly cause: CpuCause;
  readonly effect: () => void;
}

const KIND_ITEM = 0;
const KIND_TIMER = 1;

/** A bare host's CPU for kernel work. Nobody else uses it: the host's program has a CPU of its own. */
export class BareKernelCpu implements KernelCpu, EventHandler {
  /** CPU time used so far, by cause. */
  readonly usedPs = new Map<CpuCause, Ps>();
  readonly #loop: EventLoop;
  readonly #handler: number;
  readonly #costs: BareKernelCosts;
  readonly #onMark: ((stage: string, atPs: Ps) => void) | null;
  #items: Item[] = [];
  #head = 0;
  /** When the CPU is free again. */
  #freePs: Ps = 0;
  #isRunning = false;
  #isScheduled = false;
  readonly #timers = new Map<number, () => void>();
  #nextTimer = 1;

  constructor(
    loop: EventLoop,
    entity: number,
    costs: BareKernelCosts,
    onMark: ((stage: string, atPs: Ps) => void) | null = null,
  ) {
    this.#loop = loop;
    this.#handler = loop.register(entity, this);
    this.#costs = costs;
    this.#onMark = onMark;
  }

  get nowPs(): Ps {
    return this.#isRunning ? this.#freePs : this.#loop.nowPs;
  }

  exec(costPs: Ps, cause: CpuCause, effect: () => void): void {
    this.#items.push({ costPs, cause, effect });
    if (!this.#isRunning && !this.#isScheduled) this.#scheduleNext();
  }

  spend(costPs: Ps, cause: CpuCause): void {
    assert(this.#isRunning, 'CPU time spent outside of an item');
    this.#freePs += costPs;
    this.#charge(costPs, cause);
  }

  interrupt(cause: CpuCause, effect: () => void): void {
    this.exec(this.#costs.interruptPs, cause, effect);
  }

  setTimer(atPs: Ps, effect: () => void): number {
    const handle = this.#nextTimer++;
    this.#timers.set(handle, effect);
    this.#loop.schedule(Math.max(atPs, this.#loop.nowPs), this.#handler, KIND_TIMER, handle);
    return handle;
  }

  clearTimer(handle: number): void {
    this.#timers.delete(handle);
  }

  mark(stage: string): void {
    this.#onMark?.(stage, this.nowPs);
  }

  /** @internal */
  onEvent(kind: number, handle: number): void {
    if (kind === KIND_TIMER) {
      const effect = this.#timers.get(handle);
      if (effect === undefined) return;
      this.#timers.delete(handle);
      this.exec(this.#costs.timerPs, 'timer', effect);
      return;
    }
    this.#isScheduled = false;
    const item = this.#items[this.#head++] as Item;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    }
    this.#freePs = this.#loop.nowPs;
    this.#isRunning = true;
    item.effect();
    this.#isRunning = false;
    if (this.#head < this.#items.length) this.#scheduleNext();
  }

  #scheduleNext(): void {
    const { costPs, cause } = this.#items[this.#head] as Item;
    const startPs = Math.max(this.#freePs, this.#loop.nowPs);
    this.#charge(costPs, cause);
    this.#isScheduled = true;
    this.#loop.schedule(startPs + costPs, this.#handler, KIND_ITEM);
  }

  #charge(costPs: Ps, cause: CpuCause): void {
    this.usedPs.set(cause, (this.usedPs.get(cause) ?? 0) + costPs);
  }
}
