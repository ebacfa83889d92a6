/**
 * SEDF's unit, and its queues of extra time, ordered by score: the lower, the sooner.
 */
import type { Ps } from '../../sim/index.ts';
import type { DomainParams } from './params.ts';
import type { SchedUnit } from './unit.ts';

export const WEIGHT_PERIOD_PS = 100_000_000_000;

/** Which time a unit runs in: its own slice, extra time for what a block cost it, extra time by utilisation. */
export const EXTRA_NONE = 0;
export const EXTRA_PENALTY = 1;
export const EXTRA_UTILISATION = 2;

export class SedfUnit {
  readonly unit: SchedUnit;
  periodPs: Ps = 0;
  slicePs: Ps = 0;
  weight = 0;
  extraWeight = 1;
  /** End of the period; 0 before the first wake. */
  deadlinePs: Ps = 0;
  /** Used of the slice. */
  cpuPs: Ps = 0;
  /** Up to when its running is counted. */
  startPs: Ps = 0;
  runs: typeof EXTRA_NONE | typeof EXTRA_PENALTY | typeof EXTRA_UTILISATION = EXTRA_NONE;
  /** Slept at least once. */
  hasBlocked = false;
  /** Lost by a block within a period, and claimed from extra time. */
  lostPs: Ps = 0;
  wantsPenalty = false;
  /** Run queue or waiting queue that it is on. */
  queue: SedfUnit[] | null = null;
  readonly scores: [number, number] = [0, 0];
  readonly isOnExtra: [boolean, boolean] = [false, false];

  constructor(unit: SchedUnit) {
    this.unit = unit;
  }

  /** Takes over its domain's parameters. */
  take(params: DomainParams): void {
    if (params.sedfWeight > 0 && params.periodPs === 0) {
      this.weight = 0;
      this.extraWeight = params.sedfWeight;
      this.periodPs = WEIGHT_PERIOD_PS;
      this.slicePs = 0;
    } else if (params.sedfWeight > 0) {
      this.weight = params.sedfWeight;
      this.periodPs = WEIGHT_PERIOD_PS;
    } else {
      this.weight = 0;
      // Best effort shares extra time evenly; who has a slice gets it in proportion to that.
      this.extraWeight = params.slicePs === 0 ? 1 : 0;
      this.periodPs = params.periodPs;
      this.slicePs = params.slicePs;
    }
  }
}

/** Beginning of the period that ends at the unit's deadline. */
export function periodBegin(inf: SedfUnit): Ps {
  return inf.deadlinePs - inf.periodPs;
}

/**
 * Units by score. What comes back takes the score that it had off all others', so that scores stay small; the queue keeps one sum of that instead of changing them all.
 */
export class ExtraQueue {
  readonly #level: 0 | 1;
  readonly #units: SedfUnit[] = [];
  /** Scores plus what was taken off before they came. */
  readonly #keys: number[] = [];
  #takenOff = 0;

  constructor(level: 0 | 1) {
    this.#level = level;
  }

  get first(): SedfUnit | null {
    return this.#units[0] ?? null;
  }

  /** Puts `inf` behind all with the same score or a lower one, and takes `sub` off the others'. */
  add(inf: SedfUnit, sub = 0): void {
    const level = this.#level;
    if (inf.isOnExtra[level]) return;
    this.#takenOff = this.#units.length === 0 ? 0 : this.#takenOff + sub;
    const key = inf.scores[level] + this.#takenOff;
    let at = this.#units.length;
    while (at > 0 && (this.#keys[at - 1] as number) > key) at--;
    this.#units.splice(at, 0, inf);
    this.#keys.splice(at, 0, key);
    inf.isOnExtra[level] = true;
  }

  remove(inf: SedfUnit): void {
    const level = this.#level;
    if (!inf.isOnExtra[level]) return;
    const at = this.#units.indexOf(inf);
    inf.scores[level] = (this.#keys[at] as number) - this.#takenOff;
    this.#units.splice(at, 1);
    this.#keys.splice(at, 1);
    inf.isOnExtra[level] = false;
  }
}
