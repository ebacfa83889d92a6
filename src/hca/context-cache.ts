/** The adapter's cache of queue pair contexts: the most recently used ones are on chip, any other costs a read from host memory. */
import type { QpContext } from './queue-pair.ts';

export class ContextCache {
  readonly #entries: number;
  readonly #missPs: number;
  #count = 0;
  #newest: QpContext | null = null;
  #oldest: QpContext | null = null;
  /** Uses that found the context missing. The first use of a new context finds it there: creating it put it on chip. */
  misses = 0;

  constructor(entries: number, missPs: number) {
    this.#entries = entries;
    this.#missPs = missPs;
  }

  /** Uses a context; returns the time the engine waits for it. */
  use(qp: QpContext): number {
    if (qp === this.#newest) return 0;
    const missed = !qp.cached;
    if (missed) this.misses++;
    else this.#unlink(qp);
    this.#link(qp);
    return missed ? this.#missPs : 0;
  }

  /** A context comes on chip without a miss, when it is made or changed. */
  load(qp: QpContext): void {
    if (qp.cached) this.#unlink(qp);
    this.#link(qp);
  }

  /** A context ceases to be. */
  drop(qp: QpContext): void {
    if (qp.cached) this.#unlink(qp);
  }

  #link(qp: QpContext): void {
    if (this.#count === this.#entries) this.#unlink(this.#oldest as QpContext);
    qp.cached = true;
    qp.older = this.#newest;
    qp.newer = null;
    if (this.#newest !== null) this.#newest.newer = qp;
    else this.#oldest = qp;
    this.#newest = qp;
    this.#count++;
  }

  #unlink(qp: QpContext): void {
    if (qp.newer !== null) qp.newer.older = qp.older;
    else this.#newest = qp.older;
    if (qp.older !== null) qp.older.newer = qp.newer;
    else this.#oldest = qp.newer;
    qp.newer = null;
    qp.older = null;
    qp.cached = false;
    this.#count--;
  }
}
