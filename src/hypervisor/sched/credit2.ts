/**
 * The credit2 scheduler (default since Xen 4.12; rules of xen/common/sched/credit2.c): pCPUs of a socket share a run queue, ordered by credit.
 *
 * Running burns credit, the faster the lower a vCPU's weight is against the highest on its run queue. When whoever is to run next has none left, everybody on the queue gets
 * 10 ms of it. There is no boost: who slept simply has more credit. Caps are in `credit2-budget.ts`, loads and their balance among run queues in `credit2-balance.ts`.
 */
import type { Ps } from '../../sim/index.ts';
import { balance, leastLoaded, loadOf } from './credit2-balance.ts';
import { Credit2Budgets } from './credit2-budget.ts';
import { type Credit2Domain, Credit2Unit, CREDIT_INIT, CREDIT_MIN, MIN_TIMER_PS, type RunQueue } from './credit2-state.ts';
import type { SchedDomain } from './params.ts';
import { affinityMask, cycle, hasSoftAffinity, type PolicyHost, type SchedulerPolicy } from './policy.ts';
import type { SchedUnit } from './unit.ts';

const NS = 1000;
const US = 1000 * NS;
const IDLE_CREDIT = CREDIT_MIN - 1;
const CARRY_OVER_MAX = MIN_TIMER_PS / NS;
const MAX_TIMER_PS = CREDIT_INIT * NS;
const MIGRATE_RESIST = 500_000;
const MIGRATE_COMPENSATION = 50_000;
const TICKLE_TOLERANCE_PS = 50 * US;
const NEVER = Number.POSITIVE_INFINITY;

function of(unit: SchedUnit): Credit2Unit {
  return unit.data as Credit2Unit;
}

export class Credit2Policy implements SchedulerPolicy {
  readonly name = 'credit2';
  slicePs: Ps = NEVER;
  readonly #host: PolicyHost;
  readonly #budgets: Credit2Budgets;
  readonly #queues: RunQueue[] = [];
  readonly #queueOf: RunQueue[] = [];
  /** pCPUs that idle; that have been sent an interrupt and have not looked yet. */
  readonly #idle: Uint8Array;
  readonly #tickled: Uint8Array;
  readonly #mask: Uint8Array;

  constructor(host: PolicyHost) {
    this.#host = host;
    this.#budgets = new Credit2Budgets(host);
    this.#idle = new Uint8Array(host.pcpus).fill(1);
    this.#tickled = new Uint8Array(host.pcpus);
    this.#mask = new Uint8Array(host.pcpus);
    for (let id = 0; id < host.pcpus; id++) {
      const index = Math.floor(id / host.params.pcpusPerRunqueue);
      this.#queues[index] ??= {
        pcpus: [],
        waiting: [],
        units: [],
        load: 0,
        average: 0,
        averagedPs: 0,
        maxWeight: 1,
        pickBias: id,
      };
      const queue = this.#queues[index] as RunQueue;
      (queue.pcpus as number[]).push(id);
      this.#queueOf.push(queue);
    }
  }

  /** Credit of a unit, in ns at the highest weight; for tests and displays. */
  creditOf(unit: SchedUnit): number {
    return of(unit).credit;
  }

  insert(unit: SchedUnit): void {
    const { domain } = unit;
    domain.data ??= this.#budgets.open(domain);
    const svc = new Credit2Unit(unit, domain.data as Credit2Domain, this.#queueOf[unit.pcpu] as RunQueue, this.#host.nowPs);
    unit.data = svc;
    unit.pcpu = this.#leastLoadedPcpu(svc);
    svc.queue = this.#queueOf[unit.pcpu] as RunQueue;
    svc.queue.units.push(svc);
    svc.queue.average += svc.average;
    this.domainChanged(domain);
  }

  remove(unit: SchedUnit): void {
    const svc = of(unit);
    const { queue, domain } = svc;
    loadOf(svc, -1, this.#host.nowPs);
    queue.units.splice(queue.units.indexOf(svc), 1);
    queue.average = Math.max(0, queue.average - svc.average);
    this.#updateMaxWeight(queue);
    domain.parked.delete(svc);
    if (unit.domain.units.length === 1) domain.timer.clear();
  }

  wake(unit: SchedUnit): void {
    const svc = of(unit);
    if (this.#host.current(unit.pcpu) === unit || svc.isWaiting || !unit.isRunnable) return;
    loadOf(svc, 1, this.#host.nowPs);
    this.#enqueue(svc);
    this.#tickle(svc);
  }

  sleep(unit: SchedUnit): void {
    const svc = of(unit);
    if (this.#host.current(unit.pcpu) === unit) this.#raise(unit.pcpu);
    else if (svc.isWaiting) {
      loadOf(svc, -1, this.#host.nowPs);
      this.#dequeue(svc);
    }
  }

  yield(unit: SchedUnit): void {
    of(unit).isYielding = true;
  }

  pick(unit: SchedUnit): number {
    const svc = of(unit);
    const { target } = svc;
    svc.target = null;
    if (target !== null) {
      const pcpu = this.#within(svc, target);
      if (pcpu >= 0) return pcpu;
    }
    return this.#leastLoadedPcpu(svc);
  }

  move(unit: SchedUnit, pcpu: number): void {
    unit.pcpu = pcpu;
    const svc = of(unit);
    const queue = this.#queueOf[pcpu] as RunQueue;
    if (svc.queue !== queue) this.#assign(svc, queue);
  }

  /** Who was switched out and may still run goes back to the queue only here, with its context saved. */
  contextSaved(unit: SchedUnit): void {
    const svc = of(unit);
    this.#budgets.giveBack(svc);
    if (unit.isRunnable) {
      if (svc.isWaiting) return;
      this.#enqueue(svc);
      this.#tickle(svc);
    } else loadOf(svc, -1, this.#host.nowPs);
  }

  domainChanged(domain: SchedDomain): void {
    const own = domain.data as Credit2Domain | null;
    if (own === null) return;
    for (const unit of domain.units) {
      const svc = unit.data as Credit2Unit | null;
      if (svc === null) continue;
      svc.weight = domain.params.weight;
      this.#updateMaxWeight(svc.queue);
    }
    this.#budgets.capChanged(own, (svc) => {
      this.#burn(svc);
      this.#raise(svc.unit.pcpu);
    });
  }

  machineChanged(): void {}

  affinityChanged(): void {}

  schedule(id: number): SchedUnit | null {
    const { nowPs } = this.#host;
    const queue = this.#queueOf[id] as RunQueue;
    const current = this.#host.current(id);
    this.#tickled[id] = 0;
    if (current !== null) {
      const svc = of(current);
      this.#burn(svc);
      if (svc.budgetPs <= 0) this.#budgets.grab(svc);
    }
    const next = this.#candidate(queue, current, id);
    if (next === null) {
      this.#idle[id] = 1;
      this.slicePs = NEVER;
      return null;
    }
    const isSwitch = next.unit !== current;
    if (isSwitch) this.#dequeue(next);
    else loadOf(next, 0, nowPs);
    this.#idle[id] = 0;
    const top = queue.waiting[0];
    if (Math.max(next.credit, top?.credit ?? IDLE_CREDIT) <= 0) {
      this.#reset(queue, next);
      balance(this.#queues, queue, nowPs, (svc, target) => this.#send(svc, target));
    }
    const inflight = isSwitch && current?.isRunnable ? of(current).credit : 0;
    next.startPs = nowPs;
    next.tickledPcpu = -1;
    if (next.unit.pcpu !== id) {
      next.credit += MIGRATE_COMPENSATION;
      next.unit.pcpu = id;
    }
    this.slicePs = this.#runtime(next, queue, inflight);
    return next.unit;
  }

  #candidate(queue: RunQueue, current: SchedUnit | null, id: number): Credit2Unit | null {
    const { nowPs, params } = this.#host;
    const own = current === null ? null : of(current);
    const yields = own?.isYielding === true;
    if (own !== null) own.isYielding = false;
    const stays = current?.isRunnable === true;
    if (stays && !yields && params.ratelimitPs > 0 && nowPs - (current as SchedUnit).statePs < params.ratelimitPs) return own;
    let next = stays && !this.#prefersOther(current as SchedUnit, queue, id) ? own : null;
    for (const svc of [...queue.waiting]) {
      const credit = next === null ? IDLE_CREDIT : next.credit;
      if (!yields && svc.credit <= credit) break;
      if (svc.unit.hard[id] === 0) continue;
      // Another pCPU has been told to take it.
      if (svc.tickledPcpu >= 0 && svc.tickledPcpu !== id && this.#tickled[svc.tickledPcpu] === 1) continue;
      if (svc.unit.pcpu !== id && credit + MIGRATE_RESIST > svc.credit) continue;
      if (svc.domain.cap > 0 && !this.#budgets.grab(svc)) continue;
      next = svc;
      break;
    }
    return next;
  }

  /** Whether a unit runs where it would rather not, while a pCPU that it prefers idles. */
  #prefersOther(unit: SchedUnit, queue: RunQueue, id: number): boolean {
    if (!hasSoftAffinity(unit) || unit.soft[id] === 1) return false;
    return queue.pcpus.some(
      (at) => unit.hard[at] === 1 && unit.soft[at] === 1 && this.#idle[at] === 1 && this.#tickled[at] === 0,
    );
  }

  /** How long `next` runs: until its credit is used up, or equal to that of who waits first. */
  #runtime(next: Credit2Unit, queue: RunQueue, inflight: number): Ps {
    const { nowPs, params } = this.#host;
    let leastPs = MIN_TIMER_PS;
    if (params.ratelimitPs > 0) {
      const sincePs = next.unit.isRunning ? next.unit.statePs : nowPs;
      leastPs = Math.max(leastPs, sincePs + params.ratelimitPs - nowPs);
    }
    const waiting = Math.max(0, queue.waiting[0]?.credit ?? 0, inflight);
    const credit = next.credit - waiting;
    let runPs = credit > 0 ? Math.floor((credit * next.weight) / queue.maxWeight) * NS : 0;
    if (next.domain.cap > 0) runPs = Math.min(runPs, next.budgetPs);
    return Math.min(Math.max(runPs, leastPs), Math.max(MAX_TIMER_PS, leastPs));
  }

  #burn(svc: Credit2Unit): void {
    const ns = Math.floor((this.#host.nowPs - svc.startPs) / NS);
    if (ns <= 0) return;
    const value = ns * svc.queue.maxWeight + svc.residual;
    svc.residual = value % svc.weight;
    svc.credit = Math.max(CREDIT_MIN, svc.credit - Math.floor(value / svc.weight));
    if (svc.domain.cap > 0) svc.budgetPs -= ns * NS;
    svc.startPs += ns * NS;
  }

  /** Everybody on the run queue gets credit, and keeps little of what he had over. */
  #reset(queue: RunQueue, next: Credit2Unit): void {
    const { nowPs } = this.#host;
    const more = next.credit === CREDIT_MIN ? 2 * CREDIT_INIT : CREDIT_INIT;
    for (const svc of queue.units) {
      if (svc.unit.isRunning && this.#host.current(svc.unit.pcpu) === svc.unit) {
        this.#burn(svc);
        if (svc.budgetPs <= 0) this.#raise(svc.unit.pcpu);
      } else svc.startPs = nowPs;
      svc.credit = Math.min(svc.credit + more, CREDIT_INIT + CARRY_OVER_MAX);
    }
  }

  /** After a unit was queued: an idle pCPU that it may use, or else the one where it is the most ahead of who runs. */
  #tickle(svc: Credit2Unit): void {
    const { unit, queue } = svc;
    for (const isSoft of [true, false]) {
      if (isSoft && !hasSoftAffinity(unit)) continue;
      affinityMask(unit, isSoft, this.#mask);
      const isFree = (id: number): boolean => this.#mask[id] === 1 && this.#idle[id] === 1 && this.#tickled[id] === 0;
      if (isFree(unit.pcpu)) {
        this.#tickleAt(svc, unit.pcpu);
        return;
      }
      const start = queue.pcpus.indexOf(unit.pcpu);
      for (let i = 1; i <= queue.pcpus.length; i++) {
        const id = queue.pcpus[(start + i) % queue.pcpus.length] as number;
        if (isFree(id)) {
          this.#tickleAt(svc, id);
          return;
        }
      }
    }
    let best = -1;
    let bestScore = 0;
    const consider = (id: number): void => {
      if (unit.hard[id] === 0 || this.#idle[id] === 1 || this.#tickled[id] === 1) return;
      const score = this.#score(svc, id);
      if (score > bestScore) {
        bestScore = score;
        best = id;
      }
    };
    consider(unit.pcpu);
    if (best < 0 || unit.soft[best] === 0) for (const id of queue.pcpus) if (id !== unit.pcpu) consider(id);
    if (best >= 0) this.#tickleAt(svc, best);
  }

  /** How much `svc` deserves pCPU `id` more than who runs there; not above 0 if it does not. */
  #score(svc: Credit2Unit, id: number): number {
    const current = this.#host.current(id);
    if (current === null) return -1;
    const { nowPs, params } = this.#host;
    const { ratelimitPs } = params;
    if (ratelimitPs > TICKLE_TOLERANCE_PS && nowPs - current.statePs <= ratelimitPs - TICKLE_TOLERANCE_PS) return -1;
    this.#burn(of(current));
    let score = svc.credit - of(current).credit;
    if (svc.unit.pcpu !== id) score -= MIGRATE_RESIST;
    if (score > 0) {
      if (svc.unit.soft[id] === 1) score += CREDIT_INIT;
      if (current.soft[id] === 0) score += CREDIT_INIT;
    }
    return score;
  }

  #tickleAt(svc: Credit2Unit, id: number): void {
    this.#raise(id);
    svc.tickledPcpu = id;
  }

  #raise(id: number): void {
    this.#tickled[id] = 1;
    this.#host.raise(id);
  }

  #enqueue(svc: Credit2Unit): void {
    const { waiting } = svc.queue;
    let at = 0;
    while (at < waiting.length && (waiting[at] as Credit2Unit).credit >= svc.credit) at++;
    waiting.splice(at, 0, svc);
    svc.isWaiting = true;
  }

  #dequeue(svc: Credit2Unit): void {
    const { waiting } = svc.queue;
    waiting.splice(waiting.indexOf(svc), 1);
    svc.isWaiting = false;
  }

  /** Sends a unit to another run queue: at once if it does not run. */
  #send(svc: Credit2Unit, target: RunQueue): void {
    const { unit } = svc;
    if (unit.isRunning) {
      svc.target = target;
      this.#host.migrate(unit);
      this.#raise(unit.pcpu);
      return;
    }
    const { isWaiting } = svc;
    if (isWaiting) this.#dequeue(svc);
    const pcpu = this.#within(svc, target);
    unit.pcpu = pcpu;
    this.#assign(svc, target);
    if (!isWaiting) return;
    this.#enqueue(svc);
    this.#tickle(svc);
  }

  #assign(svc: Credit2Unit, queue: RunQueue): void {
    const before = svc.queue;
    before.units.splice(before.units.indexOf(svc), 1);
    before.average = Math.max(0, before.average - svc.average);
    if (svc.load === 1) before.load--;
    svc.queue = queue;
    queue.units.push(svc);
    queue.average += svc.average;
    if (svc.load === 1) queue.load++;
    this.#updateMaxWeight(before);
    this.#updateMaxWeight(queue);
  }

  #updateMaxWeight(queue: RunQueue): void {
    queue.maxWeight = queue.units.reduce((most, { weight }) => Math.max(most, weight), 1);
  }

  /** A pCPU of `queue` that the unit may use, each in turn; −1 if there is none. */
  #within(svc: Credit2Unit, queue: RunQueue, isSoft = false): number {
    affinityMask(svc.unit, isSoft, this.#mask);
    for (let id = 0; id < this.#mask.length; id++) if (this.#queueOf[id] !== queue) this.#mask[id] = 0;
    const pcpu = cycle(queue.pickBias, this.#mask);
    if (pcpu >= 0) queue.pickBias = pcpu;
    return pcpu;
  }

  #leastLoadedPcpu(svc: Credit2Unit): number {
    const { unit } = svc;
    const isSoft = hasSoftAffinity(unit);
    const queue = leastLoaded(this.#queues, svc, isSoft) ?? leastLoaded(this.#queues, svc, false);
    const within = isSoft ? this.#within(svc, queue as RunQueue, true) : -1;
    return within >= 0 ? within : this.#within(svc, queue as RunQueue);
  }
}
