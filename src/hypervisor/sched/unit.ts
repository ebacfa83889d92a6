/**
 * What a scheduler schedules: one vCPU, as its flags say whether it may run, where it may run, and how long it was in which state.
 *
 * The states are those of `vcpu_runstate_info` in Xen's public vcpu.h. Their times are exact: at any moment they sum to the time since the unit was made.
 */
import { assert, type Ps } from '../../sim/index.ts';
import type { SchedDomain } from './params.ts';

export const RUNSTATE_RUNNING = 0;
export const RUNSTATE_RUNNABLE = 1;
export const RUNSTATE_BLOCKED = 2;
export const RUNSTATE_OFFLINE = 3;
export type Runstate = 0 | 1 | 2 | 3;

/** Times of a vCPU in its four states, in ps. */
export interface RunstateInfo {
  readonly state: Runstate;
  /** When it entered that state. */
  readonly entryPs: Ps;
  /** Time in each state so far: running, runnable, blocked, offline. */
  readonly timesPs: readonly [Ps, Ps, Ps, Ps];
}

/** What runs when a unit has a pCPU. */
export interface UnitRunner {
  /** The unit has a pCPU from now on. `switchPs` and `coldPs` pass first: the context switch, and caches that another domain has filled. */
  started(switchPs: Ps, coldPs: Ps): void;
  /** The scheduler has looked, and the unit keeps its pCPU. */
  kept(): void;
  /** It has it no more. */
  stopped(): void;
}

export class SchedUnit {
  readonly domain: SchedDomain;
  /** Number of the vCPU within its domain. */
  readonly vcpuId: number;
  readonly runner: UnitRunner;
  /** The pCPU that it runs on, or on whose queue it waits or last was. */
  pcpu = 0;
  /** It has a pCPU now. */
  isRunning = false;
  /** SCHEDOP_block, until an event comes. */
  isBlocked = true;
  /** Paused this often: by the toolstack, by the domain's pause, by a scheduler that parks it. */
  pauses = 0;
  /** Between two pCPUs (Xen's `_VPF_migrating`): not runnable until the move is finished. */
  isMigrating = false;
  /** Removed from its scheduler. */
  isGone = false;
  /** pCPUs that it may run on, and that it prefers: a byte each. */
  hard: Uint8Array;
  soft: Uint8Array;
  /** The scheduler's own state of this unit. */
  data: object | null = null;

  state: Runstate = RUNSTATE_BLOCKED;
  statePs: Ps;
  readonly #bornPs: Ps;
  readonly #timesPs: [Ps, Ps, Ps, Ps] = [0, 0, 0, 0];

  constructor(domain: SchedDomain, vcpuId: number, pcpus: number, runner: UnitRunner, nowPs: Ps) {
    this.domain = domain;
    this.vcpuId = vcpuId;
    this.runner = runner;
    this.hard = new Uint8Array(pcpus).fill(1);
    this.soft = new Uint8Array(pcpus).fill(1);
    this.#bornPs = nowPs;
    this.statePs = nowPs;
  }

  get isRunnable(): boolean {
    return !this.isBlocked && this.pauses === 0 && !this.isMigrating;
  }

  /** Enters `state`, now; nothing if it is there already. */
  enter(state: Runstate, nowPs: Ps): void {
    if (state === this.state) return;
    this.#timesPs[this.state] += nowPs - this.statePs;
    this.state = state;
    this.statePs = nowPs;
  }

  /** The times up to `nowPs`. */
  runstate(nowPs: Ps): RunstateInfo {
    const timesPs: [Ps, Ps, Ps, Ps] = [...this.#timesPs];
    timesPs[this.state] += nowPs - this.statePs;
    const sum = timesPs[0] + timesPs[1] + timesPs[2] + timesPs[3];
    assert(sum === nowPs - this.#bornPs, () => `runstates of ${this.domain.domid}.${this.vcpuId} sum to ${sum} ps`);
    return { state: this.state, entryPs: this.statePs, timesPs };
  }
}
