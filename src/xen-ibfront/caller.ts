/** Who makes a privileged call: a program, whose thread sleeps until the answer is there, or kernel code of the guest, which goes on. */
import type { KernelCpu, Ps, SimThread } from '../sim/index.ts';

export interface Caller {
  /** Makes the call: `begin` when the caller is there; for a program, nothing that it does afterwards happens before `done`. */
  call(what: string, begin: (done: (atPs: Ps) => void) => void): void;
  /** Runs `action` at the caller's time, after the calls made before. */
  inTurn(action: (atPs: Ps) => void): void;
  /** Calls are under way, so that what the caller does has to wait its turn. */
  readonly isHeld: boolean;
}

/** A program's thread; `wakePs` passes from the answer to its running again. */
export class ThreadCaller implements Caller {
  readonly #thread: SimThread;
  readonly #wakePs: Ps;

  constructor(thread: SimThread, wakePs: Ps) {
    this.#thread = thread;
    this.#wakePs = wakePs;
  }

  get isHeld(): boolean {
    return this.#thread.isHeld;
  }

  call(what: string, begin: (done: (atPs: Ps) => void) => void): void {
    this.#thread.hold(what, (done) => begin((atPs) => done(atPs + this.#wakePs)));
  }

  inTurn(action: (atPs: Ps) => void): void {
    this.#thread.inTurn(action);
  }
}

/** Kernel code: its calls are foreseen to succeed or fail, and it works with the result at once. */
export class KernelCaller implements Caller {
  readonly isHeld = false;
  readonly #cpu: KernelCpu;

  constructor(cpu: KernelCpu) {
    this.#cpu = cpu;
  }

  call(_what: string, begin: (done: (atPs: Ps) => void) => void): void {
    begin(() => undefined);
  }

  inTurn(action: (atPs: Ps) => void): void {
    action(this.#cpu.nowPs);
  }
}
