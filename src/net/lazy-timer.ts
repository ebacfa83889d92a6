/**
 * A timer that is set again and again and seldom runs out, as TCP's: moving it later costs nothing, since the CPU's timer under it stays and is set anew
 * when it fires too early.
 */
import type { KernelCpu, Ps } from '../sim/index.ts';

export class LazyTimer {
  readonly #cpu: KernelCpu;
  readonly #onExpiry: () => void;
  /** When it runs out; infinite: it does not. */
  #atPs: Ps = Number.POSITIVE_INFINITY;
  #handle = 0;
  #handlePs: Ps = 0;

  constructor(cpu: KernelCpu, onExpiry: () => void) {
    this.#cpu = cpu;
    this.#onExpiry = onExpiry;
  }

  get isSet(): boolean {
    return this.#atPs !== Number.POSITIVE_INFINITY;
  }

  get atPs(): Ps {
    return this.#atPs;
  }

  /** Runs out at `atPs`, and at no other time. */
  set(atPs: Ps): void {
    this.#atPs = atPs;
    if (this.#handle !== 0) {
      if (this.#handlePs <= atPs) return;
      this.#cpu.clearTimer(this.#handle);
    }
    this.#arm();
  }

  clear(): void {
    this.#atPs = Number.POSITIVE_INFINITY;
  }

  /** For good: no event is left behind. */
  stop(): void {
    this.clear();
    if (this.#handle !== 0) this.#cpu.clearTimer(this.#handle);
    this.#handle = 0;
  }

  #arm(): void {
    this.#handlePs = this.#atPs;
    this.#handle = this.#cpu.setTimer(this.#atPs, () => {
      this.#handle = 0;
      if (!this.isSet) return;
      if (this.#cpu.nowPs < this.#atPs) this.#arm();
      else {
        this.clear();
        this.#onExpiry();
      }
    });
  }
}
