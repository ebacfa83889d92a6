/**
 * A machine's pCPUs and the scheduler that shares them out among vCPUs: Xen's sched/core.c without its locks.
 */
import { type EventLoop, InvariantError, type Ps } from '../../sim/index.ts';
import type { SchedulerName, XenCosts } from '../eras.ts';
import type { DomainParams, MachineParams } from './params.ts';
import type { SchedUnit } from './unit.ts';

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

export class HostScheduler {
  readonly policyName: SchedulerName;
  readonly pcpuCount: number;

  constructor(options: HostSchedulerOptions) {
    this.policyName = options.policy;
    this.pcpuCount = options.pcpus;
  }

  /** Makes a domain known, or changes its parameters. Throws `RangeError` for values out of range. */
  setParams(domid: number, params: Partial<DomainParams>): void {
    throw new InvariantError(`scheduler parameters of ${domid}: ${Object.keys(params)}`);
  }

  paramsOf(domid: number): DomainParams {
    throw new InvariantError(`no domain ${domid}`);
  }

  /** Puts a vCPU under the scheduler, blocked. */
  addVcpu(vcpu: { readonly unit: SchedUnit }): void {
    throw new InvariantError(`vCPU ${vcpu.unit.vcpuId}`);
  }

  removeVcpu(vcpu: { readonly unit: SchedUnit }): void {
    throw new InvariantError(`vCPU ${vcpu.unit.vcpuId}`);
  }

  /** Pins: pCPUs that the vCPU may run on, and (`soft`) prefers. Throws `RangeError` for an empty list or a pCPU that there is none of. */
  setAffinity(domid: number, vcpuId: number, hard: readonly number[], soft?: readonly number[]): void {
    throw new InvariantError(`affinity of ${domid}.${vcpuId}: ${hard} ${soft}`);
  }

  setTslice(tslicePs: Ps): void {
    throw new InvariantError(`time slice ${tslicePs}`);
  }

  setRatelimit(ratelimitPs: Ps): void {
    throw new InvariantError(`rate limit ${ratelimitPs}`);
  }
}
