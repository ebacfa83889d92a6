/**
 * Verbs for kernel code (Linux's `ib_*` calls): the same objects as a program's, but what calls cost is spent on a `KernelCpu`, cause `verbs`, and there are
 * no waits. Completion queues call handlers (`CompletionQueue.setHandler`, the `comp_handler` of `ib_create_cq`), and so does the device (`Context.addAsyncHandler`).
 *
 * All calls are made within an item of the CPU. An armed queue's event is an interrupt; the handler runs as an item after it, polls until nothing is left and arms again.
 */
import { assert, type KernelCpu, type Ps, type Waiter } from '../sim/index.ts';
import type { Adapter } from './adapter.ts';
import { Context, type PathSl } from './context.ts';
import { Timers } from './timers.ts';
import type { Interrupts, VerbsThread } from './verbs-thread.ts';

/** What verbs cost is charged to. */
const CAUSE = 'verbs';

class KernelThread implements VerbsThread {
  readonly #cpu: KernelCpu;

  constructor(cpu: KernelCpu) {
    this.#cpu = cpu;
  }

  get nowPs(): Ps {
    return this.#cpu.nowPs;
  }

  spend(durationPs: Ps): void {
    this.#cpu.spend(durationPs, CAUSE);
  }

  readonly isSynced = true;

  sync(): Promise<void> {
    return refuse();
  }

  sleep(): Promise<void> {
    return refuse();
  }

  park<T>(): Waiter<T> {
    return refuse();
  }
}

function refuse(): never {
  assert(false, 'kernel code does not wait: set a handler');
}

class KernelInterrupts implements Interrupts {
  readonly #cpu: KernelCpu;
  readonly #timers: Timers;

  constructor(hca: Adapter, cpu: KernelCpu) {
    this.#cpu = cpu;
    this.#timers = new Timers(hca.loop, hca.entity);
  }

  raise(atPs: Ps, handler: () => void): void {
    this.#timers.at(atPs, () => this.#cpu.interrupt(CAUSE, handler));
  }
}

/** A context of `hca` for kernel code on `cpu`. `pathSl` answers for the subnet administrator; without it any SL will do. */
export function openKernelContext(hca: Adapter, cpu: KernelCpu, pathSl: PathSl = () => undefined): Context {
  return new Context(hca, new KernelThread(cpu), pathSl, new KernelInterrupts(hca, cpu));
}
