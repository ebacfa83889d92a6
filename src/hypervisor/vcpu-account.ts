/**
 * What a vCPU has yet to burn and what it has burned: pieces of CPU time with the cause that each is charged to, in order.
 */
import type { CpuCause, Ps } from '../sim/index.ts';

export class CpuAccount {
  /** CPU time used so far, by cause. */
  readonly usedPs = new Map<CpuCause, Ps>();
  #causes: CpuCause[] = [];
  #pieces: Ps[] = [];

  /** What is left of the switch to this vCPU, and of its cold caches. */
  #switchPs = 0;
  #coldPs = 0;
  #pendingPs = 0;

  /** Time to be burned before anything else goes on. */
  get owedPs(): Ps {
    return this.#switchPs + this.#coldPs + this.#pendingPs;
  }

  /** The vCPU gets a pCPU: that comes first. */
  arrive(switchPs: Ps, coldPs: Ps): void {
    this.#switchPs = switchPs;
    this.#coldPs = coldPs;
  }

  /** Adds a piece at the end. */
  owe(costPs: Ps, cause: CpuCause): void {
    if (costPs === 0) return;
    this.#causes.push(cause);
    this.#pieces.push(costPs);
    this.#pendingPs += costPs;
  }

  /** Burns `ps` of what is owed, in order; returns what is left of `ps` when nothing is owed any more. */
  burn(ps: Ps): Ps {
    const switched = Math.min(ps, this.#switchPs);
    const warmed = Math.min(ps - switched, this.#coldPs);
    this.#switchPs -= switched;
    this.#coldPs -= warmed;
    this.charge(switched, 'context switch');
    this.charge(warmed, 'cold cache');
    return this.#burnPieces(ps - switched - warmed);
  }

  #burnPieces(ps: Ps): Ps {
    let rest = ps;
    let done = 0;
    while (rest > 0 && done < this.#pieces.length) {
      const piece = this.#pieces[done] as Ps;
      const part = Math.min(piece, rest);
      this.charge(part, this.#causes[done] as CpuCause);
      rest -= part;
      if (part === piece) done++;
      else this.#pieces[done] = piece - part;
    }
    this.#pendingPs -= ps - rest;
    if (done === this.#pieces.length) {
      this.#causes = [];
      this.#pieces = [];
    } else if (done > 0) {
      this.#causes.splice(0, done);
      this.#pieces.splice(0, done);
    }
    return rest;
  }

  charge(ps: Ps, cause: CpuCause): void {
    if (ps > 0) this.usedPs.set(cause, (this.usedPs.get(cause) ?? 0) + ps);
  }

  forgive(): void {
    this.#causes = [];
    this.#pieces = [];
    this.#pendingPs = 0;
    this.arrive(0, 0);
  }
}
