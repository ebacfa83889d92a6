/**
 * Pages that a driver uses over and over for what it shows to the other end. They are taken from the kernel one by one, as many as were ever used at a time.
 */
import type { GuestKernel } from '../guest-kernel.ts';
import type { MemoryView } from '../memory-view.ts';

export class PagePool {
  readonly #kernel: GuestKernel;
  readonly #limit: number;
  readonly #idle: number[] = [];
  readonly #views = new Map<number, MemoryView>();
  #taken = 0;
  #isClosed = false;

  /** Never holds more than `limit` pages. */
  constructor(kernel: GuestKernel, limit: number) {
    this.#kernel = kernel;
    this.#limit = limit;
  }

  /** A page's frame number, its bytes being whatever they were; −1 if there is none to be had. */
  take(): number {
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      this.#taken++;
      return idle;
    }
    if (this.#taken >= this.#limit) return -1;
    try {
      const pfn = this.#kernel.allocPages(1);
      this.#taken++;
      return pfn;
    } catch (error) {
      if (error instanceof RangeError) return -1;
      throw error;
    }
  }

  give(pfn: number): void {
    this.#taken--;
    if (this.#isClosed) this.#free(pfn);
    else this.#idle.push(pfn);
  }

  /** Forgets a page that the domain does not have any more. */
  lose(pfn: number): void {
    this.#taken--;
    this.#views.delete(pfn);
  }

  /** The page's bytes. Only while the frame under it stays the same. */
  view(pfn: number): MemoryView {
    let view = this.#views.get(pfn);
    if (view === undefined) {
      view = this.#kernel.pages(pfn, 1);
      this.#views.set(pfn, view);
    }
    return view;
  }

  /** Returns the pages to the kernel: the idle ones now, the others when they are given back. */
  close(): void {
    this.#isClosed = true;
    for (const pfn of this.#idle) this.#free(pfn);
    this.#idle.length = 0;
  }

  #free(pfn: number): void {
    this.#views.delete(pfn);
    this.#kernel.freePages(pfn, 1);
  }
}
