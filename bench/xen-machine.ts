/**
 * A machine with vCPUs and no domains behind them, for benchmarks, validation and tests of schedulers: hogs, and vCPUs that do a piece of work each time they are kicked.
 */
import { ERAS, type SchedulerName } from '../src/hypervisor/eras.ts';
import { HostScheduler } from '../src/hypervisor/sched/host-scheduler.ts';
import type { DomainParams, MachineParams } from '../src/hypervisor/sched/params.ts';
import { Vcpu } from '../src/hypervisor/vcpu.ts';
import { EventLoop, type Ps, RandomStream } from '../src/sim/index.ts';

export const US = 1_000_000;
export const MS = 1000 * US;
export const SECOND = 1000 * MS;
export const FREE = { contextSwitchPs: 0, coldCachePs: 0, ipiPs: 0, upcallPs: 0, hypercallPs: 0, physicalIrqPs: 0 };
/** What switches, interrupts and upcalls cost on a machine of the newest era. */
export const BASE_COSTS: typeof FREE = ERAS['xen-4.17'].costs;
export const POLICIES = ['credit', 'credit2', 'sedf', 'bvt'] as const;

export interface RigOptions {
  readonly policy?: SchedulerName;
  readonly pcpus?: number;
  readonly params?: Partial<MachineParams>;
  readonly costs?: Partial<typeof FREE>;
  readonly seed?: number;
}

/** Waits in ms of a vCPU that is kicked again and again. */
export interface Pinged {
  readonly vcpu: Vcpu;
  /** From the kick to the end of its work. */
  readonly waitsMs: number[];
}

export class Rig {
  readonly loop = new EventLoop();
  readonly host: HostScheduler;
  readonly vcpus: Vcpu[] = [];
  readonly random: RandomStream;
  readonly #costs: typeof FREE;
  #actions: (() => void)[] = [];
  readonly #handler: number;

  constructor({ policy = 'credit', pcpus = 1, params = {}, costs = {}, seed = 7 }: RigOptions = {}) {
    this.#costs = { ...FREE, ...costs };
    this.host = new HostScheduler({ loop: this.loop, entity: 0, pcpus, policy, params, costs: this.#costs });
    this.#handler = this.loop.register(0, this);
    this.random = new RandomStream(seed, 'rig');
  }

  onEvent(kind: number): void {
    this.#actions[kind]?.();
  }

  /** Does `action` at `atPs`. */
  at(atPs: Ps, action: () => void): void {
    this.#actions.push(action);
    this.loop.schedule(atPs, this.#handler, this.#actions.length - 1);
  }

  /** Does `action` after each of `gapsPs()`. */
  again(gapPs: () => Ps, action: () => void): void {
    this.#actions.push(() => {
      action();
      this.loop.schedule(this.loop.nowPs + gapPs(), this.#handler, kind);
    });
    const kind = this.#actions.length - 1;
    this.loop.schedule(this.loop.nowPs + gapPs(), this.#handler, kind);
  }

  vcpu(domid: number, params: Partial<DomainParams> = {}, id = 0, onMark?: (stage: string, atPs: Ps) => void): Vcpu {
    this.host.setParams(domid, params);
    const vcpu = new Vcpu({ loop: this.loop, entity: 0, host: this.host, domid, id, costs: this.#costs, onMark: onMark ?? null });
    this.host.addVcpu(vcpu);
    this.vcpus.push(vcpu);
    return vcpu;
  }

  hog(domid: number, params: Partial<DomainParams> = {}, id = 0): Vcpu {
    const vcpu = this.vcpu(domid, params, id);
    vcpu.hog(true);
    return vcpu;
  }

  /** Kicked about every `meanPs`, works `workPs` each time. */
  pinged(domid: number, meanPs: Ps, workPs: Ps, params: Partial<DomainParams> = {}): Pinged {
    const vcpu = this.vcpu(domid, params);
    const waitsMs: number[] = [];
    let sentPs = -1;
    vcpu.onUpcall = () => {
      waitsMs.push((this.loop.nowPs - sentPs) / MS);
      sentPs = -1;
      vcpu.exec(workPs, 'work', () => undefined);
    };
    this.again(
      () => Math.round(this.random.exponential() * meanPs),
      () => {
        if (sentPs >= 0) return;
        sentPs = this.loop.nowPs;
        vcpu.kick(sentPs);
      },
    );
    return { vcpu, waitsMs };
  }

  run(untilPs: Ps): void {
    this.loop.runUntil(untilPs);
  }

  /** Part of the time since the beginning that a vCPU had a pCPU. */
  share(vcpu: Vcpu): number {
    return vcpu.runstate.timesPs[0] / this.loop.nowPs;
  }
}

export const mean = (list: readonly number[]): number => list.reduce((sum, one) => sum + one, 0) / list.length;
