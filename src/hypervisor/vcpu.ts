/**
 * A virtual CPU: works off a domain's kernel items, its upcalls, timers and its program, while the scheduler lets it have a pCPU.
 *
 * Order of work: the upcall of pending events, timers that are due, kernel items as queued, the program, endless computing; if there is none, SCHEDOP_block.
 * Kernel work is not interrupted by the guest itself, only by the hypervisor; the program is interrupted by both at any ps. What an item spends is burned before anything
 * else goes on. Time without a pCPU is nobody's: costs go on burning when the vCPU has one again.
 */
import { assert, type CpuCause, type EventLoop, type KernelCpu, type Ps } from '../sim/index.ts';
import type { XenCosts } from './eras.ts';
import type { HostScheduler } from './sched/host-scheduler.ts';
import { type RunstateInfo, SchedUnit, type UnitRunner } from './sched/unit.ts';
import { CpuAccount } from './vcpu-account.ts';
import { KIND_FIRST_OWN, ProgramProcessor } from './vcpu-program.ts';
import { type Item, KernelQueue } from './vcpu-queue.ts';
import type { ThreadSeat } from './vcpu-thread.ts';

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

// Events.
const KIND_SEGMENT = KIND_FIRST_OWN;
const KIND_POKE = KIND_FIRST_OWN + 1;
const KIND_KICK = KIND_FIRST_OWN + 2;
const KIND_TIMER = KIND_FIRST_OWN + 3;
const KIND_IRQ = KIND_FIRST_OWN + 4;

// What the segment under way ends in; from ACT_THREAD on it gives way to kernel work.
const ACT_NONE = 0;
const ACT_UPCALL = 1;
const ACT_TIMERS = 2;
const ACT_ITEM = 3;
const ACT_BLOCK = 4;
const ACT_THREAD = 5;
const ACT_POLL = 6;
const ACT_HOG = 7;

const NEVER = Number.POSITIVE_INFINITY;

export class Vcpu extends ProgramProcessor implements KernelCpu, UnitRunner {
  readonly domid: number;
  readonly id: number;
  readonly unit: SchedUnit;
  /** The guest's event handler: set by the domain; runs as kernel code after `upcallPs`, once for any number of kicks before it. */
  onUpcall: () => void = () => undefined;
  /** Called when the vCPU blocks; when it has got a pCPU, before anything of it runs. */
  onIdle: (() => void) | null = null;
  onRunning: (() => void) | null = null;

  readonly #host: HostScheduler;
  readonly #costs: VcpuCosts;
  readonly #onMark: ((stage: string, atPs: Ps) => void) | null;
  readonly #account = new CpuAccount();
  #isHog = false;
  #isStopped = false;

  protected readonly queue = new KernelQueue();
  /** Has a pCPU. */
  #isOn = false;
  /** An effect runs, and has spent this much. */
  #isInEffect = false;
  #spentPs = 0;
  #action = ACT_NONE;
  /** When the segment under way began; Infinity if there is none. */
  #segmentPs = NEVER;
  #generation = 0;
  #pokePs = NEVER;
  /** Was woken and has had no pCPU since; got one, and is still being switched to. */
  #isWaiting = false;
  #isArriving = false;

  constructor(options: VcpuOptions) {
    super(options.loop, options.entity);
    this.domid = options.domid;
    this.id = options.id;
    this.#host = options.host;
    this.#costs = options.costs;
    this.#onMark = options.onMark ?? null;
    this.unit = new SchedUnit(options.host.domain(options.domid), options.id, options.host.pcpus, this, options.loop.nowPs);
  }

  // What the domain's kernel sees.

  get nowPs(): Ps {
    if (this.#isInEffect) return this.loop.nowPs + this.#spentPs;
    return this.seat?.isInside ? this.seat.thread.nowPs : this.loop.nowPs;
  }

  exec(costPs: Ps, cause: CpuCause, effect: () => void): void {
    if (this.#isStopped) return;
    const item = { costPs, cause, effect };
    if (this.seat?.isInside) this.seat.after(() => this.queue.push(item));
    else {
      this.queue.push(item);
      this.#poke(this.#host.executing);
    }
  }

  spend(costPs: Ps, cause: CpuCause): void {
    if (this.seat?.isInside) this.seat.spend(costPs, cause);
    else {
      assert(this.#isInEffect, 'CPU time spent outside of an item');
      this.#spentPs += costPs;
      this.#account.owe(costPs, cause);
    }
  }

  interrupt(cause: CpuCause, effect: () => void): void {
    const handle = this.queue.remember({ costPs: this.#costs.upcallPs, cause, effect });
    this.loop.schedule(this.loop.nowPs + this.#costs.physicalIrqPs, this.handler, KIND_IRQ, handle);
  }

  setTimer(atPs: Ps, effect: () => void): number {
    const handle = this.queue.remember({ costPs: 0, cause: 'timer', effect });
    this.loop.schedule(Math.max(atPs, this.loop.nowPs), this.handler, KIND_TIMER, handle);
    return handle;
  }

  clearTimer(handle: number): void {
    this.queue.recall(handle);
  }

  mark(stage: string): void {
    this.#onMark?.(stage, this.nowPs);
  }

  // What the hypervisor and the toolstack call.

  /** An upcall is pending from `atPs` on: wakes the vCPU if it is blocked, interrupts it if it runs. */
  kick(atPs: Ps): void {
    const from = this.#host.executing;
    if (atPs > this.loop.nowPs) this.loop.schedule(atPs, this.handler, KIND_KICK, from);
    else this.#kicked(from);
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
    this.queue.clear();
    this.seat?.stop();
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
    return this.unit.runstate(this.loop.nowPs);
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
      this.#onMark?.('wait for vCPU', this.loop.nowPs);
    }
    this.#account.arrive(switchPs, coldPs);
    this.onRunning?.();
    this.#begin();
  }

  /** @internal */
  stopped(): void {
    this.#endSegment();
    this.#isOn = false;
    this.#account.arrive(0, 0);
  }

  /** @internal */
  kept(): void {
    if (this.#segmentPs === NEVER && !this.#isStopped) this.#begin();
  }

  protected mayProgramGoOn(): boolean {
    return !this.#isStopped && this.unit.isRunnable && !this.#hasKernelWork();
  }

  // Events.

  /** @internal */
  override onEvent(kind: number, a: number): void {
    if (this.#isStopped) return;
    switch (kind) {
      case KIND_SEGMENT:
        if (a === this.#generation && this.#segmentPs !== NEVER) this.#advance();
        return;
      case KIND_POKE:
        if (this.#pokePs !== this.loop.nowPs) return;
        this.#pokePs = NEVER;
        this.notice();
        return;
      case KIND_KICK:
        this.#kicked(a);
        return;
      case KIND_TIMER:
        if (this.queue.expire(a)) this.notice();
        return;
      case KIND_IRQ:
        this.queue.push(this.queue.recall(a) as Item);
        this.notice();
        return;
      default:
        super.onEvent(kind, a);
    }
  }

  protected notice(): void {
    if (this.#isOn && this.#action >= ACT_THREAD) this.#advance();
    else this.#poke(-1);
  }

  #kicked(from: number): void {
    if (this.#isStopped || this.queue.isUpcallPending) return;
    this.queue.isUpcallPending = true;
    this.#poke(from);
  }

  /** Something is there to do: wakes the vCPU, or makes it notice. `from`: the pCPU that says so, −1 for a device. */
  #poke(from: number): void {
    if (this.isAdvancing || this.#isStopped) return;
    if (!this.#isOn) this.#isWaiting = true;
    if (this.unit.isBlocked) this.#host.wake(this.unit, from);
    else if (this.#isOn && this.#action >= ACT_THREAD) {
      const atPs = this.loop.nowPs + (from >= 0 && from !== this.unit.pcpu ? this.#costs.ipiPs : 0);
      if (atPs >= this.#pokePs) return;
      this.#pokePs = atPs;
      this.loop.schedule(atPs, this.handler, KIND_POKE);
    }
  }

  // The work itself.

  #hasKernelWork(): boolean {
    return this.queue.hasWork || this.#account.owedPs > 0;
  }

  #hasWork(): boolean {
    return this.#hasKernelWork() || this.seat?.hasWork === true || this.seat?.spins === true || this.#isHog;
  }

  /** Starts a segment of what is left to burn, with its event: nothing else happens now. */
  #begin(): void {
    if (this.#action >= ACT_THREAD) this.#action = ACT_NONE;
    this.#startSegment(this.#account.owedPs);
  }

  #startSegment(leftPs: Ps): void {
    this.#segmentPs = this.loop.nowPs;
    if (leftPs < NEVER) this.loop.schedule(this.#segmentPs + leftPs, this.handler, KIND_SEGMENT, this.#generation);
  }

  /** Charges what passed of the segment under way, up to now. */
  #settle(): void {
    if (this.#segmentPs === NEVER) return;
    const rest = this.#account.burn(this.loop.nowPs - this.#segmentPs);
    this.#segmentPs = this.loop.nowPs;
    if (rest === 0) return;
    if (this.#action === ACT_THREAD) (this.seat as ThreadSeat).computed(rest, this.#account);
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
    this.isAdvancing = true;
    this.#host.executing = this.unit.pcpu;
    let leftPs = this.#step();
    while (leftPs === 0) leftPs = this.#step();
    this.#host.executing = -1;
    this.isAdvancing = false;
    if (leftPs > 0) this.#startSegment(leftPs);
  }

  /** One step of work: the time until the next one, or −1 if there is none to be waited for, as the vCPU has just blocked or died. */
  #step(): Ps {
    const owedPs = this.#account.owedPs;
    if (owedPs > 0) return owedPs;
    if (this.#isArriving) {
      this.#isArriving = false;
      this.mark('context switch');
    }
    const action = this.#action;
    this.#action = ACT_NONE;
    if (action !== ACT_NONE && action < ACT_THREAD) {
      this.#perform(action);
      return this.#isStopped || this.unit.isBlocked ? -1 : 0;
    }
    if (this.queue.isUpcallPending) return this.#plan(ACT_UPCALL, this.#costs.upcallPs, 'upcall');
    if (this.queue.hasDue) return this.#plan(ACT_TIMERS, this.#costs.upcallPs, 'timer');
    if (this.queue.hasItems) {
      const { costPs, cause } = this.queue.first;
      return this.#plan(ACT_ITEM, costPs, cause);
    }
    if (this.seat?.hasWork === true) return this.#stepThread(this.seat);
    if (this.seat?.spins === true) return this.#plan(ACT_POLL, NEVER, '');
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
    if (!seat.hasScript) seat.resume(this.loop.nowPs);
    else if (seat.leftPs === 0) seat.finishStep(this.loop.nowPs);
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
        this.queue.isUpcallPending = false;
        this.mark('upcall');
        this.#run(this.onUpcall);
        return;
      case ACT_TIMERS:
        this.queue.queueDue();
        return;
      case ACT_ITEM:
        this.#run(this.queue.shift().effect);
        return;
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
}
