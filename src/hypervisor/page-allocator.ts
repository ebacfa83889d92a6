/** A kernel's free pages, by page frame number: singles from a stack, runs from the part that was never given out. */

export class PageAllocator {
  /** Pages from here on were never given out. */
  #next: number;
  readonly #end: number;
  readonly #free: number[] = [];

  /** Manages the pages `first` … `end` − 1. */
  constructor(first: number, end: number) {
    this.#next = first;
    this.#end = end;
  }

  get freeCount(): number {
    return this.#free.length + this.#end - this.#next;
  }

  /** The first of `count` consecutive pages. Throws `RangeError` where there are none. */
  take(count: number): number {
    if (count === 1) {
      const single = this.#free.pop();
      if (single !== undefined) return single;
    }
    if (this.#next + count <= this.#end) {
      this.#next += count;
      return this.#next - count;
    }
    return this.#takeRun(count);
  }

  put(pfn: number, count: number): void {
    for (let i = count - 1; i >= 0; i--) this.#free.push(pfn + i);
  }

  /** A run among pages that were given back, the lowest there is. */
  #takeRun(count: number): number {
    const sorted = [...this.#free].sort((a, b) => a - b);
    let run = 0;
    for (let i = 0; i < sorted.length; i++) {
      run = i > 0 && sorted[i] === (sorted[i - 1] as number) + 1 ? run + 1 : 1;
      if (run < count) continue;
      const first = (sorted[i] as number) - count + 1;
      const left = this.#free.filter((pfn) => pfn < first || pfn >= first + count);
      this.#free.length = 0;
      this.#free.push(...left);
      return first;
    }
    throw new RangeError(`no ${count} consecutive free pages (${this.freeCount} free)`);
  }
}
