/**
 * A program's seat on a vCPU: what its last resumption left to do, in the thread's own order.
 *
 * While a thread's code runs, its clock runs ahead of the event loop: it computes in advance. What it asked for on the way (kernel items, timers, wakes of its own)
 * is to happen when that much computing is done, and computing takes longer than planned if the vCPU has other work or loses its pCPU.
 * So a resumption leaves a *script*: compute so long, then queue this item; compute so long, then set that timer; compute to the end.
 */
import type { CpuAccount } from './vcpu-account.ts';
import type { CpuCause, Ps, SimThread } from '../sim/index.ts';

interface Step {
  /** Computing before `then`. */
  leftPs: Ps;
  readonly then: (() => void) | null;
}

export class ThreadSeat {
  readonly thread: SimThread;
  /** The thread waits by burning CPU time. */
  spins = false;
  /** The thread's code is being run. */
  isInside = false;
  /** Waits that are over, in the order in which they ended. */
  readonly #ready: number[] = [];
  #script: Step[] = [];
  /** Thread time up to which the script goes. */
  #plannedPs: Ps = 0;
  /** Computing that was spent for other causes than the program's own. */
  #causes: CpuCause[] = [];
  #parts: Ps[] = [];

  constructor(thread: SimThread) {
    this.thread = thread;
  }

  /** Whether the thread has something to compute or to go on with. */
  get hasWork(): boolean {
    return this.#script.length > 0 || this.#ready.length > 0;
  }

  get isReady(): boolean {
    return this.#ready.length > 0;
  }

  /** Computing up to the next step; 0 if none is left. */
  get leftPs(): Ps {
    return this.#script.length === 0 ? 0 : (this.#script[0] as Step).leftPs;
  }

  get hasScript(): boolean {
    return this.#script.length > 0;
  }

  /** `token`'s wait is over. */
  ready(token: number): void {
    this.#ready.push(token);
  }

  /** Goes on with the wait that ended first. The thread's code runs, and parks. */
  resume(nowPs: Ps): void {
    const token = this.#ready.shift() as number;
    this.#plannedPs = nowPs;
    this.isInside = true;
    this.thread.resume(token);
    this.isInside = false;
  }

  /** The code has run to its next wait. */
  parked(spins: boolean): void {
    this.isInside = false;
    this.spins = spins && this.thread.outcome === null;
    this.after(null);
    if (this.thread.outcome !== null) this.#ready.length = 0;
  }

  /** From within the code: `then` is to happen when the thread has computed to where its clock is now. */
  after(then: (() => void) | null): void {
    // A thread that blocking calls hold goes back to where the first of them began.
    const leftPs = Math.max(0, this.thread.nowPs - this.#plannedPs);
    this.#plannedPs = this.thread.nowPs;
    if (leftPs > 0 || then !== null) this.#script.push({ leftPs, then });
  }

  /** From within the code: uses CPU time for `cause`. */
  spend(costPs: Ps, cause: CpuCause): void {
    this.thread.spend(costPs);
    this.#causes.push(cause);
    this.#parts.push(costPs);
  }

  /** Has computed `ps` of the step under way. */
  computed(ps: Ps, account: CpuAccount): void {
    let rest = ps;
    while (rest > 0 && this.#parts.length > 0) {
      const part = Math.min(this.#parts[0] as Ps, rest);
      account.charge(part, this.#causes[0] as CpuCause);
      rest -= part;
      (this.#parts[0] as number) -= part;
      if (this.#parts[0] === 0) {
        this.#parts.shift();
        this.#causes.shift();
      }
    }
    account.charge(rest, 'program');
    if (ps > 0) (this.#script[0] as Step).leftPs -= ps;
  }

  /** The step under way is computed: does what follows. At the end of the script the thread's clock is set to what the time really is. */
  finishStep(nowPs: Ps): void {
    const { then } = this.#script.shift() as Step;
    then?.();
    const { thread } = this;
    if (this.#script.length === 0 && thread.nowPs < nowPs) thread.spend(nowPs - thread.nowPs);
  }

  /** Nothing of it ever goes on. */
  stop(): void {
    this.#script = [];
    this.#ready.length = 0;
    this.spins = false;
  }
}
