/**
 * Borrowed virtual time (Xen 2.0 and 3.0; rules of xen/common/sched_bvt.c, Duda and Cheriton, SOSP 1999): each pCPU runs who is least far in virtual time.
 *
 * Running costs virtual time: `mcuAdvance` for each begun 100 us. Who wakes up is set to the system's virtual time, so that sleep saves nothing, and preempts who is
 * further. A domain that warps counts as further back, until it has run for its warp limit without a decision between (so a limit above the allowance never ends). One queue a pCPU, with who runs still in it; no balancing.
 * As in Xen, the time to the next decision adds the lead over the next in units of 100 us to an allowance in ns: in effect it is the allowance.
 */
import type { Ps } from '../../sim/index.ts';
import type { SchedDomain } from './params.ts';
import type { PolicyHost, SchedulerPolicy } from './policy.ts';
import type { SchedTimer } from './timer.ts';
import type { SchedUnit } from './unit.ts';

const MCU_PS = 100_000_000;
const NS = 1000;
/** A lone vCPU is looked at again after this many allowances. */
const ALONE = 10;

interface BvtUnit {
  avt: number;
  evt: number;
  isQueued: boolean;
  /** When its running is charged from. */
  startPs: Ps;
  readonly domain: BvtDomain;
}

interface BvtDomain {
  warps: boolean;
  readonly warpTimer: SchedTimer;
  readonly unwarpTimer: SchedTimer;
}

interface BvtPcpu {
  readonly queue: SchedUnit[];
  /** System virtual time: the least of who may run. */
  svt: number;
  /** When the slice of the last decision ends. */
  expiresPs: Ps;
}

function of(unit: SchedUnit): BvtUnit {
  return unit.data as BvtUnit;
}

export class BvtPolicy implements SchedulerPolicy {
  readonly name = 'bvt';
  slicePs: Ps = Number.POSITIVE_INFINITY;
  readonly #host: PolicyHost;
  readonly #cpus: BvtPcpu[];

  constructor(host: PolicyHost) {
    this.#host = host;
    this.#cpus = Array.from({ length: host.pcpus }, () => ({ queue: [], svt: 0, expiresPs: 0 }));
  }

  insert(unit: SchedUnit): void {
    const { domain } = unit;
    domain.data ??= this.#newDomain(domain);
    const { svt } = this.#cpu(unit);
    unit.data = { avt: svt, evt: svt, isQueued: false, startPs: 0, domain: domain.data as BvtDomain } satisfies BvtUnit;
  }

  remove(unit: SchedUnit): void {
    if (unit.domain.units.length > 1) return;
    const { warpTimer, unwarpTimer } = of(unit).domain;
    warpTimer.clear();
    unwarpTimer.clear();
  }

  wake(unit: SchedUnit): void {
    const inf = of(unit);
    if (inf.isQueued) return;
    const cpu = this.#cpu(unit);
    cpu.queue.unshift(unit);
    inf.isQueued = true;
    inf.avt = Math.max(inf.avt, cpu.svt);
    inf.evt = evtOf(unit, inf.avt);
    const { nowPs, params } = this.#host;
    const current = this.#host.current(unit.pcpu);
    const currentEvt = current === null ? Number.POSITIVE_INFINITY : evtOf(current, avtOf(current, nowPs));
    if (current === null || (inf.evt <= currentEvt && !params.wakeWaits)) {
      this.#host.raise(unit.pcpu);
      return;
    }
    const leadPs = params.wakeWaits ? 0 : Math.floor((inf.evt - currentEvt) / current.domain.params.mcuAdvance) * NS;
    const endPs = Math.max(nowPs, of(current).startPs + leadPs + params.contextAllowPs);
    if (endPs < cpu.expiresPs) this.#host.shorten(unit.pcpu, endPs);
  }

  sleep(unit: SchedUnit): void {
    if (this.#host.current(unit.pcpu) === unit) this.#host.raise(unit.pcpu);
    else if (of(unit).isQueued) this.#dequeue(unit);
  }

  yield(): void {}

  pick(unit: SchedUnit): number {
    return unit.hard[unit.pcpu] === 1 ? unit.pcpu : this.#host.leastPopulated(unit);
  }

  /** Virtual times of two pCPUs have nothing to do with each other: the unit starts level with those that are there. */
  move(unit: SchedUnit, pcpu: number): void {
    if (unit.pcpu !== pcpu) of(unit).avt = (this.#cpus[pcpu] as BvtPcpu).svt;
    unit.pcpu = pcpu;
  }

  contextSaved(): void {}

  domainChanged({ params, data }: SchedDomain): void {
    const inf = data as BvtDomain | null;
    if (inf === null) return;
    inf.warps = params.warpBack;
    inf.unwarpTimer.clear();
    if (!params.warpBack) inf.warpTimer.clear();
  }

  machineChanged(): void {}

  affinityChanged(): void {}

  schedule(id: number): SchedUnit | null {
    const cpu = this.#cpus[id] as BvtPcpu;
    const { nowPs, params } = this.#host;
    const current = this.#host.current(id);
    if (current !== null) this.#charge(current, cpu);
    const { queue } = cpu;
    let next: SchedUnit | null = null;
    let leastAvt = Number.POSITIVE_INFINITY;
    let secondEvt = Number.POSITIVE_INFINITY;
    for (const unit of queue) {
      const { avt, evt } = of(unit);
      if (next === null || evt < of(next).evt) {
        if (next !== null) secondEvt = of(next).evt;
        next = unit;
      } else if (evt < secondEvt) secondEvt = evt;
      if (avt < leastAvt) leastAvt = avt;
    }
    if (next === null) {
      this.slicePs = Number.POSITIVE_INFINITY;
      return null;
    }
    cpu.svt = leastAvt;
    const inf = of(next);
    inf.startPs = nowPs;
    const { warpLimitPs, mcuAdvance } = next.domain.params;
    if (inf.domain.warps && warpLimitPs > 0) inf.domain.warpTimer.set(nowPs + warpLimitPs);
    this.slicePs =
      secondEvt === Number.POSITIVE_INFINITY
        ? ALONE * params.contextAllowPs
        : Math.floor((secondEvt - inf.evt) / mcuAdvance) * NS + params.contextAllowPs;
    cpu.expiresPs = nowPs + this.slicePs;
    return next;
  }

  /** Charges who ran, and puts it behind the others, or off the queue if it may not run. */
  #charge(current: SchedUnit, cpu: BvtPcpu): void {
    const inf = of(current);
    const { nowPs } = this.#host;
    inf.avt = avtOf(current, nowPs);
    inf.evt = evtOf(current, inf.avt);
    inf.startPs = nowPs;
    if (current.domain.params.warpBack && current.domain.params.warpLimitPs > 0) inf.domain.warpTimer.clear();
    this.#dequeue(current);
    if (!current.isRunnable) return;
    cpu.queue.push(current);
    inf.isQueued = true;
  }

  #dequeue(unit: SchedUnit): void {
    const { queue } = this.#cpu(unit);
    queue.splice(queue.indexOf(unit), 1);
    of(unit).isQueued = false;
  }

  #cpu(unit: SchedUnit): BvtPcpu {
    return this.#cpus[unit.pcpu] as BvtPcpu;
  }

  #newDomain(domain: SchedDomain): BvtDomain {
    const raiseAll = (): void => {
      const first = domain.units[0];
      if (first !== undefined) this.#host.raise(first.pcpu);
    };
    const inf: BvtDomain = {
      warps: domain.params.warpBack,
      warpTimer: this.#host.timer(() => {
        inf.warps = false;
        // As in Xen: an unwarp limit of 0 means that warping is over for good, at once; else its end shows at the next decision.
        if (domain.params.unwarpLimitPs === 0) raiseAll();
        else inf.unwarpTimer.set(this.#host.nowPs + domain.params.unwarpLimitPs);
      }),
      unwarpTimer: this.#host.timer(() => {
        inf.warps = domain.params.warpBack;
        raiseAll();
      }),
    };
    return inf;
  }
}

/** Actual virtual time of who runs, now: each begun 100 us counts. */
function avtOf(unit: SchedUnit, nowPs: Ps): number {
  const inf = of(unit);
  return inf.avt + Math.ceil((nowPs - inf.startPs) / MCU_PS) * unit.domain.params.mcuAdvance;
}

/** Effective virtual time: with the warp taken off. */
function evtOf(unit: SchedUnit, avt: number): number {
  return of(unit).domain.warps ? avt - unit.domain.params.warpValue : avt;
}
