/**
 * A machine's pCPUs and the scheduler that shares them out among vCPUs: what Xen's sched/core.c does, without its locks.
 *
 * Here are the switch from one vCPU to the next, the schedule interrupt with its latency from pCPU to pCPU, wake, block, pause, migration, and parameters;
 * who runs, a policy decides (`credit.ts`, `credit2.ts`, `sedf.ts`, `bvt.ts`). A pCPU that idles has no event in the queue.
 */
import { assert, type EventHandler, type EventLoop, type Ps } from '../../sim/index.ts';
import type { SchedulerName, XenCosts } from '../eras.ts';
import { checkDomainParams, checkMachineParams } from './check-params.ts';
import { DEFAULT_MACHINE_PARAMS, type DomainParams, defaultParams, type MachineParams, SchedDomain } from './params.ts';
import { createPolicy } from './policies.ts';
import type { PolicyHost, SchedulerPolicy } from './policy.ts';
import { SchedTimer } from './timer.ts';
import { RUNSTATE_BLOCKED, RUNSTATE_OFFLINE, RUNSTATE_RUNNABLE, RUNSTATE_RUNNING, type SchedUnit } from './unit.ts';

/** What a `HostScheduler` is made of. */
export interface HostSchedulerOptions {
  readonly loop: EventLoop;
  /** The node. */
  readonly entity: number;
  readonly pcpus: number;
  readonly policy: SchedulerName;
  readonly params?: Partial<MachineParams>;
  readonly costs: Pick<XenCosts, 'contextSwitchPs' | 'coldCachePs' | 'ipiPs'>;
}

/** One pCPU. */
interface Pcpu {
  current: SchedUnit | null;
  /** Who was there last, though it idles now: whose registers and caches it holds. */
  last: SchedUnit | null;
  /** When its schedule interrupt is there; Infinity if none is under way. */
  raisedPs: Ps;
  readonly slice: SchedTimer;
  /** Switches to a vCPU other than the one before. */
  switches: number;
}

const KIND_SCHEDULE = 0;
const KIND_TIMER = 1;
const NEVER = Number.POSITIVE_INFINITY;

/** A unit's vCPU as callers know it. */
interface Scheduled {
  readonly unit: SchedUnit;
}

export class HostScheduler implements EventHandler, PolicyHost {
  readonly pcpus: number;
  params: MachineParams;
  /** The pCPU whose code runs now: −1 outside of any. An interrupt from one pCPU to another takes `ipiPs`. */
  executing = -1;

  readonly #loop: EventLoop;
  readonly #handler: number;
  readonly #costs: HostSchedulerOptions['costs'];
  readonly #policy: SchedulerPolicy;
  readonly #cpus: Pcpu[] = [];
  readonly #timers: SchedTimer[] = [];
  readonly #domains = new Map<number, SchedDomain>();

  constructor(options: HostSchedulerOptions) {
    this.#loop = options.loop;
    this.#handler = options.loop.register(options.entity, this);
    this.#costs = options.costs;
    this.pcpus = options.pcpus;
    this.params = { ...DEFAULT_MACHINE_PARAMS, ...options.params };
    checkMachineParams(this.params);
    assert(Number.isInteger(options.pcpus) && options.pcpus > 0, 'a machine without pCPUs');
    for (let id = 0; id < options.pcpus; id++) {
      // As softirqs do: timers of the same moment come first.
      const slice = this.timer(() => this.#raiseAt(id, this.nowPs));
      this.#cpus.push({ current: null, last: null, raisedPs: NEVER, slice, switches: 0 });
    }
    this.#policy = createPolicy(options.policy, this);
  }

  get policyName(): SchedulerName {
    return this.#policy.name;
  }

  get nowPs(): Ps {
    return this.#loop.nowPs;
  }

  /** Makes a domain known, or changes its parameters. Throws `RangeError` for values out of range. */
  setParams(domid: number, params: Partial<DomainParams>): void {
    const known = this.#domains.get(domid);
    const wanted = { ...(known?.params ?? defaultParams(domid)), ...params };
    checkDomainParams(wanted);
    const domain = this.domain(domid);
    domain.params = wanted;
    this.#policy.domainChanged(domain);
  }

  paramsOf(domid: number): DomainParams {
    return this.domain(domid).params;
  }

  /** The domain as schedulers see it; made when it is first asked for. */
  domain(domid: number): SchedDomain {
    let domain = this.#domains.get(domid);
    if (domain === undefined) {
      domain = new SchedDomain(domid, defaultParams(domid));
      this.#domains.set(domid, domain);
    }
    return domain;
  }

  /** Changes parameters of the machine: slice, rate limit and the like. Throws `RangeError`. */
  setMachineParams(params: Partial<MachineParams>): void {
    const wanted = { ...this.params, ...params };
    checkMachineParams(wanted);
    this.params = wanted;
    this.#policy.machineChanged();
  }

  setTslice(tslicePs: Ps): void {
    this.setMachineParams({ tslicePs });
  }

  setRatelimit(ratelimitPs: Ps): void {
    this.setMachineParams({ ratelimitPs });
  }

  /** Puts a vCPU under the scheduler, blocked. */
  addVcpu({ unit }: Scheduled): void {
    const { domain } = unit;
    assert(this.domain(domain.domid) === domain && !domain.units.includes(unit), 'a vCPU of another machine, or twice');
    unit.pcpu = this.leastPopulated(unit);
    domain.units.push(unit);
    this.#policy.insert(unit);
  }

  /** Takes a vCPU away, whatever it does: it never runs again. */
  removeVcpu({ unit }: Scheduled): void {
    if (unit.isGone) return;
    unit.isGone = true;
    unit.pauses++;
    this.#sleep(unit);
    if (unit.isRunning) this.#raiseAt(unit.pcpu, this.nowPs);
    else this.#forget(unit);
  }

  /** Pins: pCPUs that the vCPU may run on, and (`soft`) prefers. Throws `RangeError` for an empty list or a pCPU that there is none of. */
  setAffinity(domid: number, vcpuId: number, hard: readonly number[], soft?: readonly number[]): void {
    const unit = this.#domains.get(domid)?.units.find((one) => one.vcpuId === vcpuId);
    if (unit === undefined) throw new RangeError(`no vCPU ${domid}.${vcpuId}`);
    unit.hard = this.#mask(hard);
    unit.soft = soft === undefined ? unit.soft : this.#mask(soft);
    this.#policy.affinityChanged(unit);
    this.#move(unit);
  }

  /** How often each pCPU went from one vCPU to another. */
  get switches(): readonly number[] {
    return this.#cpus.map((cpu) => cpu.switches);
  }

  /** What `current` of every pCPU is; for tests and displays. */
  get running(): readonly (SchedUnit | null)[] {
    return this.#cpus.map((cpu) => cpu.current);
  }

  // What vCPUs call.

  /** An event for a unit that may be blocked: it is runnable again, unless it is paused. `from`: the pCPU that sent it, −1 for a device. */
  wake(unit: SchedUnit, from: number): void {
    const executing = this.executing;
    this.executing = from;
    unit.isBlocked = false;
    this.#wake(unit);
    this.executing = executing;
  }

  /** SCHEDOP_block of a unit that runs. */
  block(unit: SchedUnit): void {
    unit.isBlocked = true;
    this.#raiseAt(unit.pcpu, this.nowPs);
  }

  /** SCHEDOP_yield of a unit that runs. */
  yield(unit: SchedUnit): void {
    this.#policy.yield(unit);
    this.#raiseAt(unit.pcpu, this.nowPs);
  }

  // What policies call, and vCPUs too.

  pause(unit: SchedUnit): void {
    unit.pauses++;
    this.#sleep(unit);
  }

  unpause(unit: SchedUnit): void {
    assert(unit.pauses > 0, 'unpaused more often than paused');
    unit.pauses--;
    if (!unit.isGone) this.#wake(unit);
  }

  current(pcpu: number): SchedUnit | null {
    return (this.#cpus[pcpu] as Pcpu).current;
  }

  raise(pcpu: number): void {
    const isRemote = this.executing >= 0 && this.executing !== pcpu;
    this.#raiseAt(pcpu, this.nowPs + (isRemote ? this.#costs.ipiPs : 0));
  }

  shorten(pcpu: number, atPs: Ps): void {
    (this.#cpus[pcpu] as Pcpu).slice.set(atPs);
  }

  timer(fire: () => void): SchedTimer {
    const index = this.#timers.length;
    const timer = new SchedTimer(fire, (atPs) => this.#loop.schedule(atPs, this.#handler, KIND_TIMER, index));
    this.#timers.push(timer);
    return timer;
  }

  leastPopulated(unit: SchedUnit): number {
    const counts = new Int32Array(this.pcpus);
    for (const { units } of this.#domains.values())
      for (const other of units) if (other !== unit) (counts[other.pcpu] as number)++;
    let best = -1;
    for (let i = 0; i < this.pcpus; i++) {
      if (unit.hard[i] === 1 && (best < 0 || (counts[i] as number) < (counts[best] as number))) best = i;
    }
    return best;
  }

  migrate(unit: SchedUnit): void {
    unit.isMigrating = true;
  }

  /** @internal */
  onEvent(kind: number, index: number): void {
    if (kind === KIND_TIMER) (this.#timers[index] as SchedTimer).onEvent(this.nowPs);
    else if ((this.#cpus[index] as Pcpu).raisedPs === this.nowPs) this.#schedule(index);
  }

  #raiseAt(pcpu: number, atPs: Ps): void {
    const cpu = this.#cpus[pcpu] as Pcpu;
    if (cpu.raisedPs <= atPs) return;
    cpu.raisedPs = atPs;
    this.#loop.schedule(atPs, this.#handler, KIND_SCHEDULE, pcpu);
  }

  #schedule(id: number): void {
    const cpu = this.#cpus[id] as Pcpu;
    const nowPs = this.nowPs;
    const prev = cpu.current;
    cpu.raisedPs = NEVER;
    this.executing = id;
    const next = this.#policy.schedule(id);
    const { slicePs } = this.#policy;
    if (slicePs < NEVER) cpu.slice.set(nowPs + slicePs);
    else cpu.slice.clear();
    if (next === prev) prev?.runner.kept();
    else this.#switch(cpu, id, prev, next);
    this.executing = -1;
  }

  #switch(cpu: Pcpu, id: number, prev: SchedUnit | null, next: SchedUnit | null): void {
    const nowPs = this.nowPs;
    if (prev !== null) {
      prev.runner.stopped();
      prev.enter(prev.isBlocked ? RUNSTATE_BLOCKED : prev.isRunnable ? RUNSTATE_RUNNABLE : RUNSTATE_OFFLINE, nowPs);
      prev.isRunning = false;
      cpu.last = prev;
    }
    cpu.current = next;
    if (next !== null) {
      assert(
        !next.isRunning && next.isRunnable && next.hard[id] === 1,
        () => `vCPU ${next.domain.domid}.${next.vcpuId} may not run here`,
      );
      next.isRunning = true;
      next.pcpu = id;
      next.enter(RUNSTATE_RUNNING, nowPs);
      const { last } = cpu;
      if (last !== next) cpu.switches++;
      next.runner.started(
        last === next ? 0 : this.#costs.contextSwitchPs,
        last?.domain === next.domain ? 0 : this.#costs.coldCachePs,
      );
    }
    if (prev !== null) this.#saved(prev);
  }

  /** A unit has left its pCPU. */
  #saved(unit: SchedUnit): void {
    this.#policy.contextSaved(unit);
    if (unit.isGone) this.#forget(unit);
    else if (unit.isMigrating) this.#finishMove(unit);
  }

  #forget(unit: SchedUnit): void {
    const { domain } = unit;
    this.#policy.remove(unit);
    domain.units.splice(domain.units.indexOf(unit), 1);
    if (domain.units.length === 0) this.#domains.delete(domain.domid);
    unit.enter(RUNSTATE_OFFLINE, this.nowPs);
  }

  #wake(unit: SchedUnit): void {
    if (unit.isRunnable) {
      if (unit.state >= RUNSTATE_BLOCKED) unit.enter(RUNSTATE_RUNNABLE, this.nowPs);
      this.#policy.wake(unit);
    } else if (!unit.isBlocked && unit.state === RUNSTATE_BLOCKED) unit.enter(RUNSTATE_OFFLINE, this.nowPs);
  }

  #sleep(unit: SchedUnit): void {
    if (unit.isRunnable) return;
    if (unit.state === RUNSTATE_RUNNABLE) unit.enter(RUNSTATE_OFFLINE, this.nowPs);
    this.#policy.sleep(unit);
  }

  /** Sends a unit where its affinity and its scheduler want it. */
  #move(unit: SchedUnit): void {
    unit.isMigrating = true;
    this.#sleep(unit);
    if (!unit.isRunning) this.#finishMove(unit);
  }

  #finishMove(unit: SchedUnit): void {
    const pcpu = this.#policy.pick(unit);
    assert(unit.hard[pcpu] === 1, () => `pCPU ${pcpu} is not one of ${unit.hard}`);
    unit.isMigrating = false;
    this.#policy.move(unit, pcpu);
    this.#wake(unit);
  }

  #mask(list: readonly number[]): Uint8Array {
    const mask = new Uint8Array(this.pcpus);
    for (const pcpu of list) {
      if (!Number.isInteger(pcpu) || pcpu < 0 || pcpu >= this.pcpus) throw new RangeError(`no pCPU ${pcpu}`);
      mask[pcpu] = 1;
    }
    if (list.length === 0) throw new RangeError('an affinity without a pCPU');
    return mask;
  }
}
