/**
 * A virtual CPU: works off a domain's kernel items, its upcalls, timers and its program, while the scheduler lets it have a pCPU.
 */
import {
  type CpuCause,
  type EventLoop,
  InvariantError,
  type KernelCpu,
  type Processor,
  type Ps,
  type SimThread,
} from '../sim/index.ts';
import type { XenCosts } from './eras.ts';
import type { HostScheduler } from './sched/host-scheduler.ts';
import type { RunstateInfo, SchedUnit } from './sched/unit.ts';

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

export class Vcpu implements KernelCpu, Processor {
  readonly domid: number;
  readonly id: number;
  readonly unit!: SchedUnit;
  /** CPU time used so far, by cause; up to date after `settle`. */
  readonly usedPs = new Map<CpuCause, Ps>();
  /** The guest's event handler: set by the domain; runs as an item after `upcallPs`. */
  onUpcall: () => void = () => undefined;
  /** Called when the vCPU blocks. */
  onIdle: (() => void) | null = null;

  constructor(options: VcpuOptions) {
    this.domid = options.domid;
    this.id = options.id;
  }

  get nowPs(): Ps {
    throw new InvariantError('no time yet');
  }

  /** The four states' times, up to now. */
  get runstate(): RunstateInfo {
    throw new InvariantError('no state yet');
  }

  exec(costPs: Ps, cause: CpuCause, _effect: () => void): void {
    throw new InvariantError(`${cause} ${costPs}`);
  }

  spend(costPs: Ps, cause: CpuCause): void {
    throw new InvariantError(`${cause} ${costPs}`);
  }

  interrupt(cause: CpuCause, _effect: () => void): void {
    throw new InvariantError(cause);
  }

  setTimer(atPs: Ps, _effect: () => void): number {
    throw new InvariantError(`timer ${atPs}`);
  }

  clearTimer(handle: number): void {
    throw new InvariantError(`timer ${handle}`);
  }

  mark(stage: string): void {
    throw new InvariantError(stage);
  }

  /** An upcall is pending from `atPs` on: wakes the vCPU if it is blocked, interrupts it if it runs. */
  kick(atPs: Ps): void {
    throw new InvariantError(`kick ${atPs}`);
  }

  /** The program that runs here. Before the thread's `start`. */
  attachThread(thread: SimThread): void {
    throw new InvariantError(thread.nodeName);
  }

  /** Endless computing at lowest priority, without a program: on or off. */
  hog(isOn: boolean): void {
    throw new InvariantError(`hog ${isOn}`);
  }

  /** Each pause takes one unpause. */
  pause(): void {
    throw new InvariantError('pause');
  }

  unpause(): void {
    throw new InvariantError('unpause');
  }

  /** The domain dies: nothing of this vCPU ever runs again, its program included. */
  stop(): void {
    throw new InvariantError('stop');
  }

  /** Brings `usedPs` up to now. */
  settle(): void {
    throw new InvariantError('settle');
  }

  /** @internal */
  parked(thread: SimThread, _spins: boolean): void {
    throw new InvariantError(thread.nodeName);
  }

  /** @internal */
  wake(thread: SimThread, _atPs: Ps, _token: number): void {
    throw new InvariantError(thread.nodeName);
  }

  /** @internal */
  sync(thread: SimThread, _token: number): void {
    throw new InvariantError(thread.nodeName);
  }

  /** @internal */
  mayRunOn(_thread: SimThread): boolean {
    return false;
  }
}
