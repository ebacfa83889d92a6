/**
 * What credit2 knows of run queues, domains and vCPUs. Credit is ns of CPU time at the highest weight of the run queue.
 */
import type { Ps } from '../../sim/index.ts';
import type { SchedDomain } from './params.ts';
import type { SchedTimer } from './timer.ts';
import type { SchedUnit } from './unit.ts';

/** Credit at the start and after a reset; nobody has less than as much debt. */
export const CREDIT_INIT = 10_000_000;
export const CREDIT_MIN = -CREDIT_INIT;
/** No slice is shorter. */
export const MIN_TIMER_PS = 500_000_000;
/** Capped domains get a budget this often. */
export const BUDGET_PERIOD_PS = 10_000_000_000;

/** pCPUs of one socket and the vCPUs that they share. */
export interface RunQueue {
  readonly pcpus: readonly number[];
  /** Runnable, and without a pCPU: most credit first. */
  readonly waiting: Credit2Unit[];
  /** All units that belong here. */
  readonly units: Credit2Unit[];
  /** Units that run or wait now, and the average of that. */
  load: number;
  average: number;
  averagedPs: Ps;
  maxWeight: number;
  /** pCPU that a unit was sent to last. */
  pickBias: number;
}

export class Credit2Domain {
  readonly domain: SchedDomain;
  /** Gives the budget of the next period. */
  readonly timer: SchedTimer;
  cap = 0;
  /** Budget of a period, and what nobody has drawn of it. */
  totalPs: Ps = 0;
  budgetPs: Ps = 0;
  /** When the budget's period began. */
  periodPs: Ps = 0;
  /** Units that wait for budget. */
  readonly parked = new Set<Credit2Unit>();

  constructor(domain: SchedDomain, timer: SchedTimer) {
    this.domain = domain;
    this.timer = timer;
  }
}

export class Credit2Unit {
  readonly unit: SchedUnit;
  readonly domain: Credit2Domain;
  queue: RunQueue;
  credit = CREDIT_INIT;
  weight: number;
  /** Remainder of the division by the weight. */
  residual = 0;
  /** Up to when its running is charged. */
  startPs: Ps = 0;
  isWaiting = false;
  isYielding = false;
  /** pCPU that was interrupted for its sake; −1 for none. */
  tickledPcpu = -1;
  /** Where it is being sent. */
  target: RunQueue | null = null;
  /** Left of its quota; Infinity without a cap. */
  budgetPs: Ps = Number.POSITIVE_INFINITY;
  quotaPs: Ps = 0;
  /** 1 while it runs or waits, and the average of that. */
  load: 0 | 1 = 0;
  average = 0.5;
  averagedPs: Ps;

  constructor(unit: SchedUnit, domain: Credit2Domain, queue: RunQueue, nowPs: Ps) {
    this.unit = unit;
    this.domain = domain;
    this.queue = queue;
    this.weight = unit.domain.params.weight;
    this.averagedPs = nowPs;
  }
}
