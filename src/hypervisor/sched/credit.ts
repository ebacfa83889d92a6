/**
 * The credit scheduler (Xen 3.0.3 on; rules of xen/common/sched/credit.c): a run queue for each pCPU, ordered by priority, first come first served within one.
 *
 * Who has credit left is UNDER, who has not is OVER, who wakes up while UNDER is BOOSTed until a tick finds it running. Ticks and accounting of 30 ms are in
 * `credit-accounting.ts`. A pCPU that would run OVER work or idle looks for better work at others. Cores share nothing here: no hyperthreads, one socket.
 */
import type { Ps } from '../../sim/index.ts';
import { CreditAccounting, CreditDomain, CreditUnit, PRI_BOOST, PRI_IDLE, PRI_OVER, PRI_UNDER } from './credit-accounting.ts';
import type { SchedDomain } from './params.ts';
import { affinityMask, cycle, hasSoftAffinity, intersect, type PolicyHost, type SchedulerPolicy } from './policy.ts';
import type { SchedTimer } from './timer.ts';
import type { SchedUnit } from './unit.ts';

interface CreditPcpu {
  readonly runq: CreditUnit[];
  readonly tick: SchedTimer;
  /** Accounting after which the queue was sorted last. */
  sortedEpoch: number;
}

function of(unit: SchedUnit): CreditUnit {
  return unit.data as CreditUnit;
}

export class CreditPolicy implements SchedulerPolicy {
  readonly name = 'credit';
  slicePs: Ps = Number.POSITIVE_INFINITY;

  readonly #host: PolicyHost;
  readonly #accounting: CreditAccounting;
  readonly #cpus: CreditPcpu[] = [];
  /** pCPUs that idle and have not been sent an interrupt. */
  readonly #idlers: Uint8Array;
  readonly #mask: Uint8Array;
  #idleCount: number;
  #lastTickled = 0;
  #balanceBias = 0;

  constructor(host: PolicyHost) {
    this.#host = host;
    this.#accounting = new CreditAccounting(host);
    this.#idlers = new Uint8Array(host.pcpus).fill(1);
    this.#idleCount = host.pcpus;
    this.#mask = new Uint8Array(host.pcpus);
    for (let id = 0; id < host.pcpus; id++) {
      const tick = host.timer(() => this.#onTick(id));
      this.#cpus.push({ runq: [], tick, sortedEpoch: 0 });
    }
  }

  /** Credits of a unit, 10 for each ms of CPU time; for tests and displays. */
  creditOf(unit: SchedUnit): number {
    return of(unit).creditNs / 100_000;
  }

  insert(unit: SchedUnit): void {
    unit.domain.data ??= new CreditDomain(unit.domain);
    unit.data = new CreditUnit(unit, unit.domain.data as CreditDomain);
    unit.pcpu = this.#pick(unit);
  }

  remove(unit: SchedUnit): void {
    const svc = of(unit);
    svc.isParked = false;
    this.#accounting.stop(svc);
  }

  wake(unit: SchedUnit): void {
    const svc = of(unit);
    if (this.#host.current(unit.pcpu) === unit || svc.isQueued) return;
    const { params } = this.#host;
    // Before the fix of 4.6, coming back from a migration counted as waking up.
    const isMoved = svc.isMoved && !params.kickAway;
    svc.isMoved = false;
    if (params.boost && !isMoved && svc.pri === PRI_UNDER && !svc.isParked) svc.pri = PRI_BOOST;
    this.#enqueue(svc);
    this.#tickle(svc);
  }

  sleep(unit: SchedUnit): void {
    const svc = of(unit);
    if (this.#host.current(unit.pcpu) === unit) this.#host.raise(unit.pcpu);
    else if (svc.isQueued) this.#dequeue(svc);
  }

  yield(unit: SchedUnit): void {
    of(unit).isYielding = true;
  }

  /** Where a unit that moves goes: where it is if that idles or nothing does, else a pCPU that idles; what it prefers first. */
  pick(unit: SchedUnit): number {
    of(unit).isMoved = true;
    return this.#pick(unit);
  }

  move(unit: SchedUnit, pcpu: number): void {
    unit.pcpu = pcpu;
  }

  contextSaved(): void {}

  domainChanged(_domain: SchedDomain): void {}

  machineChanged(): void {
    this.#accounting.parametersChanged();
  }

  affinityChanged(): void {}

  schedule(id: number): SchedUnit | null {
    const { nowPs, params } = this.#host;
    const current = this.#host.current(id);
    const cpu = this.#cpus[id] as CreditPcpu;
    if (current !== null) {
      const svc = of(current);
      this.#accounting.burn(svc, nowPs);
      svc.lastRanPs = nowPs;
      const ranPs = nowPs - current.statePs;
      if (!svc.isYielding && params.ratelimitPs > 0 && current.isRunnable && ranPs < params.ratelimitPs) {
        this.slicePs = params.ratelimitPs - ranPs;
        return current;
      }
      if (current.isRunnable) this.#enqueue(svc);
    }
    const next = this.#takeNext(id, cpu);
    this.#setIdle(id, next === null);
    // Who gives way is offered to pCPUs that idle; Xen leaves it to its queue until a tick.
    if (current !== null && of(current).isQueued && this.#idleCount > 0) this.#tickleIdle(of(current));
    this.slicePs = next === null ? Number.POSITIVE_INFINITY : params.tslicePs;
    if (next === null) cpu.tick.clear();
    else {
      next.startPs = nowPs;
      if (current === null)
        cpu.tick.set(nowPs + params.tslicePs / this.#accounting.ticks - (nowPs % (params.tslicePs / this.#accounting.ticks)));
    }
    return next?.unit ?? null;
  }

  /** The head of the own queue, or better work of another pCPU's; out of its queue. */
  #takeNext(id: number, cpu: CreditPcpu): CreditUnit | null {
    const head = cpu.runq[0] ?? null;
    const pri = head === null ? PRI_IDLE : head.pri;
    if (pri <= PRI_OVER) {
      const stolen = this.#balance(id, pri);
      if (stolen !== null) return stolen;
    }
    if (head !== null) this.#dequeue(head);
    return head;
  }

  #balance(id: number, pri: number): CreditUnit | null {
    const { pcpus } = this.#host;
    for (const isSoft of [true, false]) {
      for (let i = 1; i <= pcpus; i++) {
        const peer = (this.#balanceBias + i) % pcpus;
        if (peer === id || this.#idlers[peer] === 1) continue;
        const stolen = this.#steal(peer, id, pri, isSoft);
        if (stolen !== null) {
          this.#balanceBias = peer;
          return stolen;
        }
      }
    }
    return null;
  }

  #steal(peer: number, id: number, pri: number, isSoft: boolean): CreditUnit | null {
    const { nowPs, params } = this.#host;
    // A pCPU that idles is about to take the head of its queue itself.
    const first = this.#host.current(peer) === null ? 1 : 0;
    for (const svc of (this.#cpus[peer] as CreditPcpu).runq.slice(first)) {
      if (svc.pri <= pri) return null;
      const { unit } = svc;
      if (svc.isYielding || unit.isRunning || (isSoft && !hasSoftAffinity(unit))) continue;
      const isHot = params.migrationDelayPs > 0 && nowPs - svc.lastRanPs < params.migrationDelayPs;
      if (isHot || unit.hard[id] === 0 || (isSoft && unit.soft[id] === 0)) continue;
      this.#dequeue(svc);
      unit.pcpu = id;
      return svc;
    }
    return null;
  }

  /** After a wake: finds a pCPU for the unit, an idle one first, and sends it the schedule interrupt. */
  #tickle(svc: CreditUnit): void {
    const { unit } = svc;
    const here = unit.pcpu;
    const current = this.#host.current(here);
    const pri = current === null ? PRI_IDLE : of(current).pri;
    // A pCPU that idles, but has been sent an interrupt for another unit, counts as busy here; Xen sends it a second one, and the unit may wait for a tick.
    if (this.#idlers[here] === 1 || (this.#idleCount === 0 && svc.pri > pri)) {
      this.#raise(here);
      return;
    }
    if (this.#idleCount === 0 || this.#tickleIdle(svc)) return;
    if (svc.pri > pri) {
      if (current !== null) this.#kickAway(current);
      this.#raise(here);
    }
  }

  /** Sends the schedule interrupt to an idle pCPU that the unit may use, what it prefers first; false if there is none. */
  #tickleIdle({ unit }: CreditUnit): boolean {
    for (const isSoft of [true, false]) {
      if (isSoft && !hasSoftAffinity(unit)) continue;
      affinityMask(unit, isSoft, this.#mask);
      if (!intersect(this.#mask, this.#idlers)) continue;
      this.#lastTickled = cycle(this.#lastTickled, this.#mask);
      this.#raise(this.#lastTickled);
      return true;
    }
    return false;
  }

  /** Sends who runs elsewhere, by a migration, if there is an idle pCPU for it; before the fix of 4.6, whether there is one or not. */
  #kickAway(current: SchedUnit): void {
    affinityMask(current, false, this.#mask);
    if (intersect(this.#mask, this.#idlers) || this.#host.params.kickAway) this.#host.migrate(current);
  }

  #raise(id: number): void {
    this.#setIdle(id, false);
    this.#host.raise(id);
  }

  #setIdle(id: number, isIdle: boolean): void {
    const bit = isIdle ? 1 : 0;
    this.#idleCount += bit - (this.#idlers[id] as number);
    this.#idlers[id] = bit;
  }

  #pick(unit: SchedUnit): number {
    const { pcpu } = unit;
    let at = pcpu;
    for (const isSoft of [true, false]) {
      if (isSoft && !hasSoftAffinity(unit)) continue;
      affinityMask(unit, isSoft, this.#mask);
      at = this.#mask[pcpu] === 1 ? pcpu : cycle(pcpu, this.#mask);
      const isFree = (id: number): boolean =>
        this.#idlers[id] === 1 || (id === pcpu && (this.#cpus[id] as CreditPcpu).runq.length === 0);
      if (isFree(at)) return at;
      for (let i = 1; i < this.#mask.length; i++) {
        const other = (at + i) % this.#mask.length;
        if (this.#mask[other] === 1 && isFree(other)) return other;
      }
    }
    return at;
  }

  #enqueue(svc: CreditUnit): void {
    const { runq } = this.#cpus[svc.unit.pcpu] as CreditPcpu;
    let at = 0;
    while (at < runq.length && (runq[at] as CreditUnit).pri >= svc.pri) at++;
    // Who yields goes behind one of lower priority, if there is one.
    if (svc.isYielding && at < runq.length) at++;
    runq.splice(at, 0, svc);
    svc.isQueued = true;
  }

  #dequeue(svc: CreditUnit): void {
    const { runq } = this.#cpus[svc.unit.pcpu] as CreditPcpu;
    if (runq[0] === svc) runq.shift();
    else runq.splice(runq.indexOf(svc), 1);
    svc.isQueued = false;
    svc.isYielding = false;
  }

  #onTick(id: number): void {
    const { nowPs, params } = this.#host;
    const cpu = this.#cpus[id] as CreditPcpu;
    const current = this.#host.current(id);
    if (current !== null) {
      const svc = of(current);
      if (svc.pri === PRI_BOOST) svc.pri = PRI_UNDER;
      this.#accounting.tick(svc, nowPs);
      if (!svc.isActive) this.#accounting.start(svc);
      else if (!current.isMigrating && this.#pick(current) !== id) {
        this.#host.migrate(current);
        this.#host.raise(id);
      }
    }
    this.#sort(cpu);
    cpu.tick.set(nowPs + params.tslicePs / this.#accounting.ticks);
  }

  /** After an accounting: moves what is UNDER before what is OVER, each in its order. */
  #sort(cpu: CreditPcpu): void {
    if (cpu.sortedEpoch === this.#accounting.epoch) return;
    cpu.sortedEpoch = this.#accounting.epoch;
    const { runq } = cpu;
    const under = runq.filter((svc) => svc.pri >= PRI_UNDER);
    const over = runq.filter((svc) => svc.pri < PRI_UNDER);
    runq.length = 0;
    runq.push(...under, ...over);
  }
}
