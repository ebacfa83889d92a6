/**
 * What verbs need of whoever calls them: a clock that calls cost time on, and, for programs, waits. `SimThread` is one; kernel code has the other (`kernel-context`).
 */
import type { Ps, Waiter } from '../sim/index.ts';

export interface VerbsThread {
  /** The caller's own time: what a call starts takes effect then. */
  readonly nowPs: Ps;
  /** Uses CPU time. */
  spend(durationPs: Ps): void;
  /** True if everything up to `nowPs` has happened. */
  readonly isSynced: boolean;
  sync(): Promise<void>;
  sleep(durationPs: Ps): Promise<void>;
  park<T>(what: string, produce?: (() => T | Promise<T>) | null, spins?: boolean): Waiter<T>;
}

/** Who calls handlers of events, where the caller of verbs does not wait for them. */
export interface Interrupts {
  /** Calls `handler` in kernel context because of an interrupt at `atPs`, or now if that is past. */
  raise(atPs: Ps, handler: () => void): void;
}
