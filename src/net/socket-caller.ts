/**
 * System calls of a program on a protocol stack: the thread pays for entering and copying, the kernel's part runs as an item of the kernel's CPU while the
 * thread waits for it, and a call that blocks waits in a list that the kernel wakes.
 */
import { nsToPs, type Ps, type SimThread, type Waiter } from '../sim/index.ts';
import type { NetStack } from './stack.ts';

export class Caller {
  readonly stack: NetStack;
  readonly thread: SimThread;

  constructor(stack: NetStack, thread: SimThread) {
    this.stack = stack;
    this.thread = thread;
  }

  /** Enters the kernel: pays for the call, and lets the simulation catch up with the thread, so that what it sees and does has its place in time. */
  async enter(): Promise<void> {
    const { thread } = this;
    thread.spend(this.stack.costs.syscallPs);
    await this.catchUp();
  }

  /** Pays for copying `bytes` between user and kernel. */
  copy(bytes: number): void {
    this.thread.spend(bytes * this.stack.costs.copyPsPerByte);
  }

  catchUp(): Promise<void> {
    const { thread } = this;
    // `sync` may find that nothing can happen before the thread's time; the kernel's items would then begin too early.
    return thread.nowPs > thread.loop.nowPs ? thread.sleep(0) : thread.sync();
  }

  /** Does `work` in kernel context, for this thread: it waits until that is done. */
  async kernel<T>(what: string, work: () => T): Promise<T> {
    await this.catchUp();
    const { cpu } = this.stack;
    const waiter = this.thread.park<T>(what);
    cpu.exec(0, 'syscall', () => {
      const value = work();
      waiter.wake(cpu.nowPs, value);
    });
    return waiter.promise;
  }

  /** When a call with this limit gives up; infinite without one. */
  deadline(timeoutNs: number | undefined): Ps {
    return timeoutNs === undefined ? Number.POSITIVE_INFINITY : this.thread.nowPs + nsToPs(timeoutNs);
  }
}

interface Sleeper {
  readonly waiter: Waiter<boolean>;
  timer: number;
}

/** Threads that wait for one thing to happen on a socket. */
export class WaitList {
  readonly #caller: Caller;
  #sleepers: Sleeper[] = [];

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  get isEmpty(): boolean {
    return this.#sleepers.length === 0;
  }

  /** Waits until `wake`: true; or until `deadlinePs`: false. */
  wait(what: string, deadlinePs: Ps): Promise<boolean> {
    const { thread, stack } = this.#caller;
    const sleeper: Sleeper = { waiter: thread.park<boolean>(what), timer: 0 };
    this.#sleepers.push(sleeper);
    if (deadlinePs !== Number.POSITIVE_INFINITY)
      sleeper.timer = stack.cpu.setTimer(deadlinePs, () => {
        sleeper.timer = 0;
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        sleeper.waiter.wake(stack.cpu.nowPs, false);
      });
    return sleeper.waiter.promise;
  }

  /** In kernel context: wakes all who wait. */
  wake(): void {
    if (this.#sleepers.length === 0) return;
    const { cpu, costs } = this.#caller.stack;
    const sleepers = this.#sleepers;
    this.#sleepers = [];
    for (const { waiter, timer } of sleepers) {
      if (timer !== 0) cpu.clearTimer(timer);
      cpu.spend(costs.wakePs, 'wake');
      cpu.mark('wake');
      waiter.wake(cpu.nowPs, true);
    }
  }
}
