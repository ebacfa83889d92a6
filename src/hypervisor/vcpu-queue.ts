/**
 * Kernel work that waits for a vCPU: items in order, timers, and whether an upcall is pending.
 */
import type { CpuCause, Ps } from '../sim/index.ts';

export interface Item {
  readonly costPs: Ps;
  readonly cause: CpuCause;
  readonly effect: () => void;
}

export class KernelQueue {
  isUpcallPending = false;
  #items: Item[] = [];
  #head = 0;
  /** Items that wait for an event of theirs: timers, and interrupts on their way. */
  readonly #waiting = new Map<number, Item>();
  /** Timers that are over. */
  #due: number[] = [];
  #nextHandle = 1;

  get hasItems(): boolean {
    return this.#head < this.#items.length;
  }

  get hasDue(): boolean {
    return this.#due.length > 0;
  }

  get hasWork(): boolean {
    return this.isUpcallPending || this.#head < this.#items.length || this.#due.length > 0;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  /** The next item, which stays. */
  get first(): Item {
    return this.#items[this.#head] as Item;
  }

  shift(): Item {
    const item = this.#items[this.#head++] as Item;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    }
    return item;
  }

  /** Keeps an item until its event comes; a handle for it. */
  remember(item: Item): number {
    const handle = this.#nextHandle++;
    this.#waiting.set(handle, item);
    return handle;
  }

  /** The item of `handle`, which is forgotten; undefined if it is already. */
  recall(handle: number): Item | undefined {
    const item = this.#waiting.get(handle);
    this.#waiting.delete(handle);
    return item;
  }

  /** A timer is over; false if it was taken back. */
  expire(handle: number): boolean {
    if (!this.#waiting.has(handle)) return false;
    this.#due.push(handle);
    return true;
  }

  /** The timer interrupt: what is due becomes items. A timer that is taken back after that still does nothing. */
  queueDue(): void {
    for (const handle of this.#due) this.push({ costPs: 0, cause: 'timer', effect: () => this.recall(handle)?.effect() });
    this.#due = [];
  }

  clear(): void {
    this.isUpcallPending = false;
    this.#items = [];
    this.#head = 0;
    this.#waiting.clear();
    this.#due = [];
  }
}
