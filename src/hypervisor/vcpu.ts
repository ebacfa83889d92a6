/**
 * A virtual CPU: works off a domain's kernel items, its upcalls, timers and its program, while the scheduler lets it have a pCPU.
 *
 * Order of work: the upcall of pending events, timers that are due, kernel items as queued, the program, endless computing; if there is none, SCHEDOP_block.
 * Kernel work is not interrupted by the guest itself, only by the hypervisor; the program is interrupted by both at any ps. What an item spends is burned before anything
 * else goes on. Time without a pCPU is nobody's: costs go on burning when the vCPU has one again.
 */
import {
  assert,
  type CpuCause,
  type EventHandler,
  type EventLoop,
  type KernelCpu,
  type Processor,
  type Ps,
  type SimThread,
} from '../sim/index.ts';
import type { XenCosts } from './eras.ts';
import type { HostScheduler } from './sched/host-scheduler.ts';
import { type RunstateInfo, SchedUnit, type UnitRunner } from './sched/unit.ts';
import { CpuAccount } from './vcpu-account.ts';
import { ThreadSeat } from './vcpu-thread.ts';

/** Costs that a vCPU itself charges. */
export type VcpuCosts = Pick<XenCosts, 'upcallPs' | 'hypercallPs' | 'ipiPs' | 'physicalIrqPs'>;

export interface VcpuOptions {
  readonly loop: EventLoop;
  readonly entity: number;
  readonly host: HostScheduler;
  readonly domid: number;
  /** Number within the domain. */
  readonly id: number;
  readonly costs: VcpuCosts;
  /** Breakdown's ear. */
  readonly onMark?: ((stage: string, atPs: Ps) => void) | null;
}

interface Item {
  readonly costPs: Ps;
  readonly cause: CpuCause;
  readonly effect: () => void;
}

// Events.
const KIND_SEGMENT = 0;
const KIND_POKE = 1;
const KIND_KICK = 2;
const KIND_TIMER = 3;
const KIND_IRQ = 4;
const KIND_WAKE = 5;
const KIND_SLEEP = 6;

// What the segment under way ends in. Those from ACT_THREAD on give way to kernel work.
const ACT_NONE = 0;
const ACT_UPCALL = 1;
const ACT_TIMERS = 2;
const ACT_ITEM = 3;
const ACT_BLOCK = 4;
const ACT_THREAD = 5;
const ACT_POLL = 6;
const ACT_HOG = 7;

const NEVER = Number.POSITIVE_INFINITY;

export class Vcpu implements KernelCpu, Processor, UnitRunner, EventHandler {
  readonly domid: number;
  readonly id: number;
  readonly unit: SchedUnit;
  /** The guest's event handler: set by the domain; runs as kernel code after `upcallPs`, once for any number of kicks before it. */
  onUpcall: () => void = () => undefined;
  /** Called when the vCPU blocks. */
  onIdle: (() => void) | null = null;

  readonly #loop: EventLoop;
  readonly #handler: number;
  readonly #host: HostScheduler;
  readonly #costs: VcpuCosts;
  readonly #onMark: ((stage: string, atPs: Ps) => void) | null;
  readonly #account = new CpuAccount();
  #seat: ThreadSeat | null = null;
  #isHog = false;
  #isStopped = false;

  #items: Item[] = [];
  #head = 0;
  #isUpcallPending = false;
  readonly #timers = new Map<number, Item>();
  /** Timers that are due. */
  #due: number[] = [];
  #nextTimer = 1;

  /** Has a pCPU. */
  #isOn = false;
  /** `#advance` is under way: whatever comes is seen by it. */
  #isAdvancing = false;
  /** An effect runs, and has spent this much. */
  #isInEffect = false;
  #spentPs = 0;
  /** What is left of the switch to this vCPU. */
  #switchPs = 0;
  #coldPs = 0;
  #action = ACT_NONE;
  /** When the segment under way began; Infinity if there is none. */
  #segmentPs = NEVER;
  #generation = 0;
  #pokePs = NEVER;
  /** Was woken and has had no pCPU since; got one, and is still being switched to. */
  #isWaiting = false;
  #isArriving = false;

  constructor(options: VcpuOptions) {
    this.domid = options.domid;
    this.id = options.id;
    this.#loop = options.loop;
    this.#handler = options.loop.register(options.entity, this);
    this.#host = options.host;
    this.#costs = options.costs;
    this.#onMark = options.onMark ?? null;
    this.unit = new SchedUnit(options.host.domain(options.domid), options.id, options.host.pcpus, this, options.loop.nowPs);
  }

  // What the domain's kernel sees.

  get nowPs(): Ps {
    if (this.#isInEffect) return this.#loop.nowPs + this.#spentPs;
    const seat = this.#seat;
    return seat?.isInside ? seat.thread.nowPs : this.#loop.nowPs;
  }

  exec(costPs: Ps, cause: CpuCause, effect: () => void): void {
    if (this.#isStopped) return;
    const item = { costPs, cause, effect };
    if (this.#seat?.isInside) this.#seat.after(() => this.#items.push(item));
    else {
      this.#items.push(item);
      this.#poke(this.#host.executing);
    }
  }

  spend(costPs: Ps, cause: CpuCause): void {
    if (this.#seat?.isInside) this.#seat.spend(costPs, cause);
    else {
      assert(this.#isInEffect, 'CPU time spent outside of an item');
      this.#spentPs += costPs;
      this.#account.owe(costPs, cause);
    }
  }

  interrupt(cause: CpuCause, effect: () => void): void {
    const handle = this.#remember({ costPs: this.#costs.upcallPs, cause, effect });
    this.#loop.schedule(this.#loop.nowPs + this.#costs.physicalIrqPs, this.#handler, KIND_IRQ, handle);
  }

  setTimer(atPs: Ps, effect: () => void): number {
    const handle = this.#remember({ costPs: 0, cause: 'timer', effect });
    this.#loop.schedule(Math.max(atPs, this.#loop.nowPs), this.#handler, KIND_TIMER, handle);
    return handle;
  }

  clearTimer(handle: number): void {
    this.#timers.delete(handle);
  }

  mark(stage: string): void {
    this.#onMark?.(stage, this.nowPs);
  }

  // What the hypervisor and the toolstack call.

  /** An upcall is pending from `atPs` on: wakes the vCPU if it is blocked, interrupts it if it runs. */
  kick(atPs: Ps): void {
    const from = this.#host.executing;
    if (atPs > this.#loop.nowPs) this.#loop.schedule(atPs, this.#handler, KIND_KICK, from);
    else this.#kicked(from);
  }

  /** The program that runs here. Before the thread's `start`; one thread for each vCPU. */
  attachThread(thread: SimThread): void {
    assert(this.#seat === null || this.#seat.thread.outcome !== null, 'a vCPU runs one program at a time');
    thread.processor = this;
    this.#seat = new ThreadSeat(thread);
  }

  /** Endless computing at lowest priority, without a program: on or off. */
  hog(isOn: boolean): void {
    this.#isHog = isOn;
    this.#poke(-1);
  }

  /** Each pause takes one unpause. */
  pause(): void {
    if (!this.#isStopped) this.#host.pause(this.unit);
  }

  unpause(): void {
    if (!this.#isStopped) this.#host.unpause(this.unit);
  }

  /** The domain dies: nothing of this vCPU ever runs again, its program included. */
  stop(): void {
    if (this.#isStopped) return;
    this.#endSegment();
    this.#isStopped = true;
    this.#account.forgive();
    this.#items = [];
    this.#head = 0;
    this.#due = [];
    this.#timers.clear();
    this.#seat?.stop();
    this.#isHog = false;
    this.#host.removeVcpu(this);
  }

  /** SCHEDOP_yield: others that wait for this pCPU go first. */
  yield(): void {
    if (!this.#isStopped && this.#isOn) this.#host.yield(this.unit);
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** The four states' times, up to now. */
  get runstate(): RunstateInfo {
    return this.unit.runstate(this.#loop.nowPs);
  }

  /** CPU time used up to now, by cause; it sums to the time in state running. */
  get usedPs(): ReadonlyMap<CpuCause, Ps> {
    this.#settle();
    return this.#account.usedPs;
  }

  // UnitRunner: what the scheduler calls.

  /** @internal */
  started(switchPs: Ps, coldPs: Ps): void {
    this.#isOn = true;
    if (this.#isWaiting) {
      this.#isWaiting = false;
      this.#isArriving = true;
      this.#onMark?.('wait for vCPU', this.#loop.nowPs);
    }
    this.#switchPs = switchPs;
    this.#coldPs = coldPs;
    this.#begin();
  }

  /** @internal */
  stopped(): void {
    this.#endSegment();
    this.#isOn = false;
    this.#switchPs = 0;
    this.#coldPs = 0;
  }

  /** @internal */
  kept(): void {
    if (this.#segmentPs === NEVER && !this.#isStopped) this.#begin();
  }

  // Processor: what the thread calls.

  /** @internal */
  parked(thread: SimThread, spins: boolean): void {
    assert(this.#seat?.thread === thread, 'a thread of another vCPU');
    this.#seat.parked(spins);
  }

  /** @internal */
  wake(thread: SimThread, atPs: Ps, token: number): void {
    const seat = this.#seat;
    if (seat?.thread !== thread || this.#isStopped) return;
    if (seat.isInside) {
      const delayPs = atPs - thread.nowPs;
      seat.after(delayPs === 0 ? () => seat.ready(token) : () => this.#sleep(delayPs, token));
    } else if (atPs > this.#loop.nowPs || !this.#isAdvancing) {
      this.#loop.schedule(Math.max(atPs, this.#loop.nowPs), this.#handler, KIND_WAKE, token);
    } else seat.ready(token);
  }

  /** @internal */
  sync(thread: SimThread, token: number): void {
    this.wake(thread, thread.nowPs, token);
  }

  /** @internal */
  mayRunOn(thread: SimThread): boolean {
    const seat = this.#seat;
    return (
      seat?.thread === thread &&
      seat.isInside &&
      !seat.hasWork &&
      !this.#isStopped &&
      this.unit.isRunnable &&
      !this.#hasKernelWork()
    );
  }

  // Events.

  /** @internal */
  onEvent(kind: number, a: number): void {
    if (this.#isStopped) return;
    switch (kind) {
      case KIND_SEGMENT:
        if (a === this.#generation && this.#segmentPs !== NEVER) this.#advance();
        return;
      case KIND_POKE:
        if (this.#pokePs !== this.#loop.nowPs) return;
        this.#pokePs = NEVER;
        if (this.#isOn && this.#action >= ACT_THREAD) this.#advance();
        return;
      case KIND_KICK:
        this.#kicked(a);
        return;
      case KIND_TIMER:
        if (!this.#timers.has(a)) return;
        this.#due.push(a);
        this.#poke(-1);
        return;
      case KIND_IRQ:
        this.#items.push(this.#timers.get(a) as Item);
        this.#timers.delete(a);
        this.#poke(-1);
        return;
      case KIND_WAKE:
        this.#seat?.ready(a);
        this.#poke(-1);
        return;
      case KIND_SLEEP:
        this.#wokeUp(a);
        return;
    }
  }

  #kicked(from: number): void {
    if (this.#isStopped || this.#isUpcallPending) return;
    this.#isUpcallPending = true;
    this.#poke(from);
  }

  /** Something is there to do: wakes the vCPU, or makes it notice. `from`: the pCPU that says so, −1 for a device. */
  #poke(from: number): void {
    if (this.#isAdvancing || this.#isStopped) return;
    const { unit } = this;
    if (!this.#isOn) this.#isWaiting = true;
    if (unit.isBlocked) this.#host.wake(unit, from);
    else if (this.#isOn && this.#action >= ACT_THREAD) {
      const isRemote = from >= 0 && from !== unit.pcpu;
      const atPs = this.#loop.nowPs + (isRemote ? this.#costs.ipiPs : 0);
      if (atPs >= this.#pokePs) return;
      this.#pokePs = atPs;
      this.#loop.schedule(atPs, this.#handler, KIND_POKE);
    }
  }

  #remember(item: Item): number {
    const handle = this.#nextTimer++;
    this.#timers.set(handle, item);
    return handle;
  }

  /** A timer of the thread's own. */
  #sleep(delayPs: Ps, token: number): void {
    this.#loop.schedule(this.#loop.nowPs + delayPs, this.#handler, KIND_SLEEP, token);
  }

  /** The thread's timer is over. A program that polls sees that by itself; one that sleeps is woken by a timer interrupt. */
  #wokeUp(token: number): void {
    const seat = this.#seat as ThreadSeat;
    if (seat.spins) seat.ready(token);
    else this.#due.push(this.#remember({ costPs: 0, cause: 'timer', effect: () => seat.ready(token) }));
    this.#poke(-1);
  }

  // The work itself.

  #hasKernelWork(): boolean {
    return this.#isUpcallPending || this.#head < this.#items.length || this.#due.length > 0 || this.#account.pendingPs > 0;
  }

  #hasWork(): boolean {
    return this.#hasKernelWork() || this.#seat?.hasWork === true || this.#seat?.spins === true || this.#isHog;
  }

  /** Starts a segment of what is left to burn, with its event: nothing else happens now. */
  #begin(): void {
    if (this.#action >= ACT_THREAD) this.#action = ACT_NONE;
    this.#startSegment(this.#owedPs());
  }

  #startSegment(leftPs: Ps): void {
    this.#segmentPs = this.#loop.nowPs;
    if (leftPs < NEVER) this.#loop.schedule(this.#segmentPs + leftPs, this.#handler, KIND_SEGMENT, this.#generation);
  }

  #owedPs(): Ps {
    return this.#switchPs + this.#coldPs + this.#account.pendingPs;
  }

  /** Charges what passed of the segment under way, up to now. */
  #settle(): void {
    if (this.#segmentPs === NEVER) return;
    let rest = this.#loop.nowPs - this.#segmentPs;
    this.#segmentPs = this.#loop.nowPs;
    if (rest === 0) return;
    const switched = Math.min(rest, this.#switchPs);
    this.#switchPs -= switched;
    this.#account.charge(switched, 'context switch');
    rest -= switched;
    const warmed = Math.min(rest, this.#coldPs);
    this.#coldPs -= warmed;
    this.#account.charge(warmed, 'cold cache');
    rest = this.#account.burn(rest - warmed);
    if (rest === 0) return;
    if (this.#action === ACT_THREAD) (this.#seat as ThreadSeat).computed(rest, this.#account);
    else {
      assert(this.#action >= ACT_POLL, 'a segment longer than its work');
      this.#account.charge(rest, this.#action === ACT_POLL ? 'poll' : 'program');
    }
  }

  #endSegment(): void {
    this.#settle();
    this.#segmentPs = NEVER;
    this.#generation = (this.#generation + 1) | 0;
  }

  /** Goes on from where the segment under way is, now: does what is due, and starts the next one. */
  #advance(): void {
    this.#endSegment();
    this.#isAdvancing = true;
    this.#host.executing = this.unit.pcpu;
    let leftPs = this.#step();
    while (leftPs === 0) leftPs = this.#step();
    this.#host.executing = -1;
    this.#isAdvancing = false;
    if (leftPs > 0) this.#startSegment(leftPs);
  }

  /** One step of work: the time until the next one, or −1 if there is none to be waited for, as the vCPU has just blocked or died. */
  #step(): Ps {
    const owedPs = this.#owedPs();
    if (owedPs > 0) return owedPs;
    if (this.#isArriving) this.#arrive();
    const action = this.#action;
    this.#action = ACT_NONE;
    if (action !== ACT_NONE && action < ACT_THREAD) {
      this.#perform(action);
      return this.#isStopped || this.unit.isBlocked ? -1 : 0;
    }
    if (this.#isUpcallPending) return this.#plan(ACT_UPCALL, this.#costs.upcallPs, 'upcall');
    if (this.#due.length > 0) return this.#plan(ACT_TIMERS, this.#costs.upcallPs, 'timer');
    if (this.#head < this.#items.length) {
      const { costPs, cause } = this.#items[this.#head] as Item;
      return this.#plan(ACT_ITEM, costPs, cause);
    }
    if (this.#seat?.hasWork === true) return this.#stepThread(this.#seat);
    if (this.#seat?.spins === true) return this.#plan(ACT_POLL, NEVER, '');
    if (this.#isHog) return this.#plan(ACT_HOG, NEVER, '');
    return this.#plan(ACT_BLOCK, this.#costs.hypercallPs, 'block');
  }

  /** What comes next, and its cost. */
  #plan(action: number, costPs: Ps, cause: CpuCause): Ps {
    this.#action = action;
    if (costPs < NEVER) this.#account.owe(costPs, cause);
    return costPs;
  }

  #stepThread(seat: ThreadSeat): Ps {
    if (!seat.hasScript) seat.resume(this.#loop.nowPs);
    else if (seat.leftPs === 0) seat.finishStep(this.#loop.nowPs);
    else {
      this.#action = ACT_THREAD;
      return seat.leftPs;
    }
    return this.#isStopped ? -1 : 0;
  }

  /** The cost of `action` is burned: does it. */
  #perform(action: number): void {
    switch (action) {
      case ACT_UPCALL:
        this.#isUpcallPending = false;
        this.mark('upcall');
        this.#run(this.onUpcall);
        return;
      case ACT_TIMERS:
        for (const handle of this.#due) this.#items.push({ costPs: 0, cause: 'timer', effect: () => this.#expire(handle) });
        this.#due = [];
        return;
      case ACT_ITEM: {
        const { effect } = this.#items[this.#head++] as Item;
        if (this.#head === this.#items.length) {
          this.#items = [];
          this.#head = 0;
        }
        this.#run(effect);
        return;
      }
      default:
        if (!this.#hasWork()) this.onIdle?.();
        if (!this.#hasWork() && !this.#isStopped) this.#host.block(this.unit);
    }
  }

  #run(effect: () => void): void {
    this.#isInEffect = true;
    this.#spentPs = 0;
    effect();
    this.#isInEffect = false;
  }

  #expire(handle: number): void {
    const item = this.#timers.get(handle);
    this.#timers.delete(handle);
    item?.effect();
  }

  /** The first moment after a wake and its switch. */
  #arrive(): void {
    this.#isArriving = false;
    this.mark('context switch');
  }
}
