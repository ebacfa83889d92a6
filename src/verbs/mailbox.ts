/**
 * A queue that events fall into at their times and that a thread takes from, waiting when it is empty. Used for asynchronous events, completion
 * channels and connection events: what a file descriptor and `read` are in C.
 */
import type { Ps, Waiter } from '../sim/index.ts';
import type { VerbsThread } from './verbs-thread.ts';

interface Letter<T> {
  readonly atPs: Ps;
  readonly item: T;
}

export class Mailbox<T> {
  readonly #thread: VerbsThread;
  readonly #what: string;
  /** From an event to the thread that sleeps on it running again. */
  readonly #wakePs: Ps;
  /** What taking an event costs that is there already. */
  readonly #takePs: Ps;
  readonly #letters: Letter<T>[] = [];
  readonly #waiters: Waiter<T>[] = [];

  constructor(thread: VerbsThread, what: string, wakePs: Ps, takePs: Ps) {
    this.#thread = thread;
    this.#what = what;
    this.#wakePs = wakePs;
    this.#takePs = takePs;
  }

  /** Events that nobody has taken. */
  get length(): number {
    return this.#letters.length;
  }

  /** An event that is visible from `atPs` on. Events are taken in the order of these calls. */
  push(atPs: Ps, item: T): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#letters.push({ atPs, item });
    else waiter.wake(atPs + this.#wakePs, item);
  }

  /** The oldest event; waits for one. */
  take(): Promise<T> {
    const letter = this.#letters[0];
    if (letter !== undefined && letter.atPs <= this.#thread.nowPs) {
      this.#letters.shift();
      this.#thread.spend(this.#takePs);
      return Promise.resolve(letter.item);
    }
    const waiter = this.#thread.park<T>(this.#what);
    if (letter === undefined) this.#waiters.push(waiter);
    else {
      this.#letters.shift();
      waiter.wake(letter.atPs + this.#wakePs, letter.item);
    }
    return waiter.promise;
  }

  /** The oldest event, or undefined at once: a descriptor with O_NONBLOCK. */
  tryTake(): T | undefined {
    this.#thread.spend(this.#takePs);
    const letter = this.#letters[0];
    if (letter === undefined || letter.atPs > this.#thread.nowPs) return undefined;
    this.#letters.shift();
    return letter.item;
  }

  /** Takes out the events that `test` chooses. */
  remove(test: (item: T) => boolean): T[] {
    const removed: T[] = [];
    for (let i = 0; i < this.#letters.length; ) {
      const item = (this.#letters[i] as Letter<T>).item;
      if (test(item)) {
        removed.push(item);
        this.#letters.splice(i, 1);
      } else i++;
    }
    return removed;
  }
}
