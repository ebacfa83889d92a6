/**
 * The clock of `-D`: a margin, the time that is measured, another margin, the end; in simulated time. perftest does it with SIGALRM.
 */
import type { Sim } from '../../verbs/index.ts';
import type { Parameters } from './parameters.ts';

export class DurationClock {
  readonly #sim: Sim;
  readonly #marginPs: number;
  readonly #durationPs: number;
  #startPs = Number.POSITIVE_INFINITY;

  constructor(sim: Sim, p: Parameters) {
    this.#sim = sim;
    this.#durationPs = Math.round((p.durationSeconds ?? 0) * 1e12);
    this.#marginPs = Math.round((p.marginSeconds ?? 0) * 1e12);
  }

  /** Starts the clock unless it runs. */
  start(): void {
    if (this.#startPs === Number.POSITIVE_INFINITY) this.#startPs = this.#sim.now();
  }

  /** Beginning and end of what is measured. */
  get sampleFromPs(): number {
    return this.#startPs + this.#marginPs;
  }
  get sampleToPs(): number {
    return this.#startPs + this.#durationPs - this.#marginPs;
  }

  /** The end, or Infinity before the start. */
  get endPs(): number {
    return this.#startPs + this.#durationPs;
  }

  /** True while what happens now is measured. */
  get isSampling(): boolean {
    const now = this.#sim.now();
    return now >= this.sampleFromPs && now < this.sampleToPs;
  }

  get isOver(): boolean {
    return this.#sim.now() >= this.endPs;
  }
}
