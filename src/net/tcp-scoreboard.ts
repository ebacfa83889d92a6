/**
 * What the receiver has beyond the cumulative acknowledgement (RFC 2018), and what follows from it: which bytes count as lost and how many are
 * on their way (RFC 6675: IsLost, SetPipe, NextSeg). All positions are sequence numbers that do not wrap.
 */

interface Range {
  start: number;
  end: number;
}

const DUP_THRESHOLD = 3;
/** A peer that makes up blocks must not make us slow. */
const MAX_RANGES = 1024;

export class Scoreboard {
  /** Sorted, apart from each other. */
  #ranges: Range[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  /** Bytes that were selectively acknowledged. */
  get bytes(): number {
    return this.#bytes;
  }

  /** End of the highest range; 0 when there is none. */
  get highest(): number {
    return this.#ranges.at(-1)?.end ?? 0;
  }

  get lowest(): number {
    return this.#ranges[0]?.start ?? 0;
  }

  clear(): void {
    this.#ranges = [];
    this.#bytes = 0;
  }

  /** Adds `[start, end)`; true if any of it is new. */
  add(start: number, end: number): boolean {
    const ranges = this.#ranges;
    let i = 0;
    while (i < ranges.length && (ranges[i] as Range).end < start) i++;
    let j = i;
    let from = start;
    let to = end;
    let held = 0;
    for (; j < ranges.length && (ranges[j] as Range).start <= end; j++) {
      const range = ranges[j] as Range;
      from = Math.min(from, range.start);
      to = Math.max(to, range.end);
      held += range.end - range.start;
    }
    if (to - from === held || (j === i && ranges.length >= MAX_RANGES)) return false;
    ranges.splice(i, j - i, { start: from, end: to });
    this.#bytes += to - from - held;
    return true;
  }

  /** Everything before `una` is acknowledged. */
  advance(una: number): void {
    let gone = 0;
    for (const range of this.#ranges) {
      if (range.start >= una) break;
      const upTo = Math.min(range.end, una);
      this.#bytes -= upTo - range.start;
      range.start = upTo;
      if (range.end <= una) gone++;
    }
    if (gone > 0) this.#ranges.splice(0, gone);
  }

  /**
   * All that is not acknowledged below what this returns is lost (IsLost): three ranges lie above it, or more than two segments of `mss` bytes.
   * 0 if nothing is.
   */
  lostEdge(mss: number): number {
    let bytes = 0;
    for (let i = this.#ranges.length - 1, count = 1; i >= 0; i--, count++) {
      const { start, end } = this.#ranges[i] as Range;
      bytes += end - start;
      if (count >= DUP_THRESHOLD || bytes > (DUP_THRESHOLD - 1) * mss) return start;
    }
    return 0;
  }

  /** Bytes of `[from, to)` that are in no range. */
  missing(from: number, to: number): number {
    if (to <= from) return 0;
    let count = to - from;
    for (const { start, end } of this.#ranges) {
      if (end <= from) continue;
      if (start >= to) break;
      count -= Math.min(end, to) - Math.max(start, from);
    }
    return count;
  }

  /** The first stretch in no range from `from` on, ending at `limit` at the latest; null if there is none. */
  nextHole(from: number, limit: number): Range | null {
    let at = from;
    for (const { start, end } of this.#ranges) {
      if (end <= at) continue;
      if (start > at) return at < limit ? { start: at, end: Math.min(start, limit) } : null;
      at = end;
    }
    return at < limit ? { start: at, end: limit } : null;
  }
}
