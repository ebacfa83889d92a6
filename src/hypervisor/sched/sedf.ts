/**
 * SEDF (Xen 3.0 to 4.5; rules of xen/common/sched_sedf.c): each vCPU may have `slice` of CPU time in every `period`; who has the earliest deadline runs first.
 *
 * One run queue a pCPU for vCPUs within their period, by deadline; one waiting queue for those whose next period has not begun, by its beginning; two queues for extra time,
 * which is what nobody has reserved, in quanta of 500 us: first who lost time by a short block, then who is by score the furthest back (weighted round robin).
 * No balancing among pCPUs.
 */
import type { Ps } from '../../sim/index.ts';
import type { SchedDomain } from './params.ts';
import type { PolicyHost, SchedulerPolicy } from './policy.ts';
import {
  EXTRA_NONE,
  EXTRA_PENALTY,
  EXTRA_UTILISATION,
  ExtraQueue,
  periodBegin,
  SedfUnit,
  WEIGHT_PERIOD_PS,
} from './sedf-queues.ts';
import type { SchedUnit } from './unit.ts';

const US = 1_000_000;
const EXTRA_QUANTUM_PS = 500 * US;
const WEIGHT_SAFETY_PS = 5000 * US;
const NEVER = Number.POSITIVE_INFINITY;

interface SedfPcpu {
  /** By deadline. */
  readonly runq: SedfUnit[];
  /** By beginning of the next period. */
  readonly waitq: SedfUnit[];
  readonly extra: readonly [ExtraQueue, ExtraQueue];
  /** When the last decision ends. */
  expiresPs: Ps;
}

function of(unit: SchedUnit): SedfUnit {
  return unit.data as SedfUnit;
}

/** Puts `inf` before the first that is greater. */
function insertSorted(queue: SedfUnit[], inf: SedfUnit, key: (inf: SedfUnit) => number): void {
  const own = key(inf);
  let at = 0;
  while (at < queue.length && key(queue[at] as SedfUnit) <= own) at++;
  queue.splice(at, 0, inf);
  inf.queue = queue;
}

const deadline = (inf: SedfUnit): number => inf.deadlinePs;

export class SedfPolicy implements SchedulerPolicy {
  readonly name = 'sedf';
  slicePs: Ps = NEVER;
  readonly #host: PolicyHost;
  readonly #cpus: SedfPcpu[];
  readonly #units: SedfUnit[] = [];

  constructor(host: PolicyHost) {
    this.#host = host;
    this.#cpus = Array.from({ length: host.pcpus }, () => ({
      runq: [],
      waitq: [],
      extra: [new ExtraQueue(0), new ExtraQueue(1)],
      expiresPs: 0,
    }));
  }

  insert(unit: SchedUnit): void {
    const inf = new SedfUnit(unit);
    unit.data = inf;
    this.#units.push(inf);
    inf.take(unit.domain.params);
    this.#adjustWeights();
  }

  remove(unit: SchedUnit): void {
    this.#units.splice(this.#units.indexOf(of(unit)), 1);
    this.#adjustWeights();
  }

  wake(unit: SchedUnit): void {
    const inf = of(unit);
    if (inf.queue !== null) return;
    const { nowPs } = this.#host;
    const cpu = this.#cpus[unit.pcpu] as SedfPcpu;
    if (inf.deadlinePs === 0) inf.deadlinePs = nowPs + inf.slicePs;
    if (nowPs < periodBegin(inf)) {
      if (inf.wantsPenalty) cpu.extra[0].add(inf);
    } else if (nowPs < inf.deadlinePs) this.#unblockShort(inf, cpu);
    else {
      // A long block: the period starts anew.
      inf.deadlinePs = nowPs + inf.periodPs;
      inf.cpuPs = 0;
    }
    if (unit.domain.params.extraTime) cpu.extra[1].add(inf);
    if (periodBegin(inf) > nowPs) insertSorted(cpu.waitq, inf, periodBegin);
    else insertSorted(cpu.runq, inf, deadline);
    if (this.#shouldSwitch(cpu, inf)) this.#host.raise(unit.pcpu);
  }

  sleep(unit: SchedUnit): void {
    if (this.#host.current(unit.pcpu) === unit) this.#host.raise(unit.pcpu);
    else this.#dequeueAll(of(unit));
  }

  yield(): void {}

  pick(unit: SchedUnit): number {
    return unit.hard[unit.pcpu] === 1 ? unit.pcpu : this.#host.leastPopulated(unit);
  }

  move(unit: SchedUnit, pcpu: number): void {
    unit.pcpu = pcpu;
    this.#adjustWeights();
  }

  contextSaved(): void {}

  domainChanged(domain: SchedDomain): void {
    for (const unit of domain.units) of(unit).take(domain.params);
    this.#adjustWeights();
    for (const unit of domain.units) {
      const inf = of(unit);
      const queue = (this.#cpus[unit.pcpu] as SedfPcpu).extra[1];
      if (!domain.params.extraTime && inf.runs === EXTRA_NONE) queue.remove(inf);
      else if (domain.params.extraTime && inf.queue !== null && !inf.isOnExtra[1]) queue.add(inf);
    }
  }

  machineChanged(): void {}

  affinityChanged(): void {}

  schedule(id: number): SchedUnit | null {
    const cpu = this.#cpus[id] as SedfPcpu;
    const { nowPs } = this.#host;
    const current = this.#host.current(id);
    if (current !== null) {
      const inf = of(current);
      if (inf.runs === EXTRA_NONE) this.#endGuaranteed(inf, cpu);
      else this.#endExtra(inf, cpu);
    }
    this.#updateQueues(cpu);
    const beginPs = cpu.waitq.length === 0 ? NEVER : periodBegin(cpu.waitq[0] as SedfUnit);
    const head = cpu.runq[0];
    if (head !== undefined) this.slicePs = Math.min(head.slicePs - head.cpuPs, beginPs - nowPs);
    const next = head ?? this.#extraTime(cpu, beginPs);
    cpu.expiresPs = nowPs + this.slicePs;
    if (next === null) return null;
    next.startPs = nowPs;
    return next.unit;
  }

  /** Who gets the time until `beginPs`, which nobody has reserved. */
  #extraTime(cpu: SedfPcpu, beginPs: Ps): SedfUnit | null {
    const { nowPs } = this.#host;
    // With nobody to wait for there is nobody who could use it either.
    this.slicePs = beginPs - nowPs;
    if (this.slicePs < EXTRA_QUANTUM_PS) return null;
    const which = cpu.extra[0].first === null ? EXTRA_UTILISATION : EXTRA_PENALTY;
    const next = cpu.extra[which === EXTRA_PENALTY ? 0 : 1].first;
    if (next === null) {
      // Nobody wants it: the next period's beginning is the next thing to happen only if somebody has a slice there.
      this.slicePs = this.#nextGuaranteedPs(cpu) - nowPs;
      return null;
    }
    next.runs = which;
    this.slicePs = EXTRA_QUANTUM_PS;
    return next;
  }

  #nextGuaranteedPs(cpu: SedfPcpu): Ps {
    for (const inf of cpu.waitq) if (inf.slicePs > 0) return periodBegin(inf);
    return NEVER;
  }

  /** The end of a run within the own slice. */
  #endGuaranteed(inf: SedfUnit, cpu: SedfPcpu): void {
    const { nowPs } = this.#host;
    const { isRunnable } = inf.unit;
    inf.cpuPs += nowPs - inf.startPs;
    inf.startPs = nowPs;
    if (inf.cpuPs < inf.slicePs && isRunnable) return;
    this.#dequeue(inf);
    if (inf.cpuPs >= inf.slicePs) {
      inf.cpuPs -= inf.slicePs;
      inf.deadlinePs += inf.periodPs;
    }
    if (isRunnable) insertSorted(cpu.waitq, inf, periodBegin);
    else this.#dequeueAll(inf);
  }

  /** The end of a run in extra time. */
  #endExtra(inf: SedfUnit, cpu: SedfPcpu): void {
    const which = inf.runs === EXTRA_PENALTY ? 0 : 1;
    const queue = cpu.extra[which];
    inf.runs = EXTRA_NONE;
    inf.cpuPs = 0;
    queue.remove(inf);
    const oldScore = inf.scores[which];
    if (which === 0) {
      inf.lostPs = 0;
      inf.wantsPenalty = false;
    } else inf.scores[1] = inf.extraWeight === 0 ? (inf.periodPs * 1024) / inf.slicePs : 2 ** 17 / inf.extraWeight;
    if (!inf.unit.isRunnable) this.#dequeueAll(inf);
    else if (which === 1 && inf.unit.domain.params.extraTime) queue.add(inf, oldScore);
  }

  /** Periods that have begun; slices that were missed or are empty. */
  #updateQueues(cpu: SedfPcpu): void {
    const { nowPs } = this.#host;
    while (cpu.waitq.length > 0 && periodBegin(cpu.waitq[0] as SedfUnit) <= nowPs) {
      const inf = cpu.waitq[0] as SedfUnit;
      this.#dequeue(inf);
      insertSorted(cpu.runq, inf, deadline);
    }
    while (cpu.runq.length > 0) {
      const inf = cpu.runq[0] as SedfUnit;
      const isMissed = inf.deadlinePs < nowPs || inf.cpuPs > inf.slicePs;
      if (inf.slicePs > 0 && !isMissed) return;
      this.#dequeue(inf);
      inf.deadlinePs += inf.periodPs;
      // An empty slice waits for a period that begins later; a missed one for a deadline that is not over.
      const behindPs = inf.slicePs === 0 ? nowPs + 1 - periodBegin(inf) : nowPs - inf.deadlinePs;
      if (behindPs > 0) inf.deadlinePs += Math.ceil(behindPs / inf.periodPs) * inf.periodPs;
      if (inf.slicePs > 0) inf.cpuPs = 0;
      if (periodBegin(inf) > nowPs || inf.slicePs === 0) insertSorted(cpu.waitq, inf, periodBegin);
      else insertSorted(cpu.runq, inf, deadline);
    }
  }

  /** A block within the period: no more guaranteed time in it, but a claim on extra time for what was lost. */
  #unblockShort(inf: SedfUnit, cpu: SedfPcpu): void {
    inf.deadlinePs += inf.periodPs;
    if (inf.hasBlocked) {
      inf.lostPs = Math.max(0, inf.slicePs - inf.cpuPs);
      if (inf.lostPs > 0) {
        inf.scores[0] = (inf.periodPs * 1024) / inf.lostPs;
        inf.wantsPenalty = true;
        cpu.extra[0].remove(inf);
        cpu.extra[0].add(inf);
      }
    }
    inf.cpuPs = 0;
  }

  #shouldSwitch(cpu: SedfPcpu, other: SedfUnit): boolean {
    const current = this.#host.current(other.unit.pcpu);
    if (current === null || periodBegin(other) < cpu.expiresPs) return true;
    const inf = of(current);
    if (inf.runs === EXTRA_PENALTY) return other.wantsPenalty && other.scores[0] < inf.scores[0];
    return inf.runs === EXTRA_UTILISATION && other.wantsPenalty;
  }

  #dequeue(inf: SedfUnit): void {
    inf.queue?.splice(inf.queue.indexOf(inf), 1);
    inf.queue = null;
  }

  /** The unit sleeps. */
  #dequeueAll(inf: SedfUnit): void {
    this.#dequeue(inf);
    const { extra } = this.#cpus[inf.unit.pcpu] as SedfPcpu;
    extra[0].remove(inf);
    extra[1].remove(inf);
    inf.hasBlocked = true;
  }

  /** Shares what reservations leave of each 100 ms among units that have a weight instead of a slice. */
  #adjustWeights(): void {
    const weights = new Float64Array(this.#cpus.length);
    const reservedPs = new Float64Array(this.#cpus.length);
    for (const { weight, slicePs, periodPs, unit } of this.#units) {
      weights[unit.pcpu]! += weight;
      if (weight === 0) reservedPs[unit.pcpu]! += Math.floor((WEIGHT_PERIOD_PS * slicePs) / periodPs);
    }
    for (const inf of this.#units) {
      if (inf.weight === 0) continue;
      const leftPs = Math.max(0, WEIGHT_PERIOD_PS - WEIGHT_SAFETY_PS - (reservedPs[inf.unit.pcpu] as number));
      inf.periodPs = WEIGHT_PERIOD_PS;
      inf.slicePs = Math.floor((inf.weight * leftPs) / (weights[inf.unit.pcpu] as number));
    }
  }
}
