/**
 * The rate limit of a queue (`rate=` in the guest's configuration): so many bytes in so many microseconds, saved up to no more than the larger of that and 128 KiB,
 * as Linux's netback counts; a packet that does not fit waits for the next window, and everything behind it.
 */
import type { Ps } from '../sim/index.ts';

const US = 1e6;
/** One window at least takes the largest packet, or the interface could seize up. */
const LEAST_BURST = 131_072;

export interface Rate {
  /** Bytes of a window. */
  readonly bytes: number;
  /** Length of a window; 0: no limit. */
  readonly microseconds: number;
}

export const NO_LIMIT: Rate = { bytes: 0, microseconds: 0 };

/** The key `rate`: `bytes,microseconds`. Null if it is neither absent nor that. */
export function parseRate(text: string | undefined): Rate | null {
  if (text === undefined) return NO_LIMIT;
  const match = /^(\d{1,15}),(\d{1,12})$/.exec(text);
  if (match === null) return null;
  return { bytes: Number(match[1]), microseconds: Number(match[2]) };
}

export class Credit {
  readonly #rate: Rate;
  #left: number;
  /** Beginning of the window. */
  #windowPs: Ps;

  constructor(rate: Rate, nowPs: Ps) {
    this.#rate = rate;
    this.#left = rate.bytes;
    this.#windowPs = nowPs;
  }

  /** Takes `bytes`: 0, or the time to ask again. */
  take(bytes: number, nowPs: Ps): Ps {
    if (this.#rate.microseconds === 0) return 0;
    if (bytes > this.#left) {
      const nextPs = this.#windowPs + this.#rate.microseconds * US;
      if (nowPs >= nextPs) {
        this.#windowPs = nowPs;
        this.#add();
      }
      if (bytes > this.#left) return this.#windowPs + this.#rate.microseconds * US;
    }
    this.#left -= bytes;
    return 0;
  }

  /** The time that `take` named has come: the next window begins there, however late this is noticed. */
  replenish(): void {
    this.#windowPs += this.#rate.microseconds * US;
    this.#add();
  }

  #add(): void {
    this.#left = Math.min(this.#left + this.#rate.bytes, Math.max(LEAST_BURST, this.#rate.bytes));
  }
}
