/**
 * A timer that may be set again and again at no cost: the event queue cannot take an event back, so at most one useful event is under way,
 * and if it comes too early, because the timer was put off meanwhile, it goes on to the new time.
 */
import type { Ps } from '../../sim/index.ts';

export class SchedTimer {
  /** When it fires; Infinity if it is off. */
  duePs: Ps = Number.POSITIVE_INFINITY;
  readonly #fire: () => void;
  readonly #arm: (atPs: Ps) => void;
  /** Time of the event under way that counts; later ones are left over. */
  #armedPs: Ps = Number.POSITIVE_INFINITY;

  /** `arm` schedules an event that calls `onEvent`. */
  constructor(fire: () => void, arm: (atPs: Ps) => void) {
    this.#fire = fire;
    this.#arm = arm;
  }

  set(atPs: Ps): void {
    this.duePs = atPs;
    if (atPs < this.#armedPs) {
      this.#armedPs = atPs;
      this.#arm(atPs);
    }
  }

  clear(): void {
    this.duePs = Number.POSITIVE_INFINITY;
  }

  /** An event of this timer, at `nowPs`. */
  onEvent(nowPs: Ps): void {
    if (nowPs !== this.#armedPs) return;
    this.#armedPs = Number.POSITIVE_INFINITY;
    if (this.duePs <= nowPs) {
      this.duePs = Number.POSITIVE_INFINITY;
      this.#fire();
    } else if (this.duePs < Number.POSITIVE_INFINITY) this.set(this.duePs);
  }
}
