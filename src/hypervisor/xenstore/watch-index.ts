/**
 * All watches by their path, so that a change costs what its depth costs, not what all guests watch.
 */
import type { Watch } from './connection.ts';
import { parentOf } from './paths.ts';

export class WatchIndex {
  readonly #byPath = new Map<string, Set<Watch>>();
  #nextSerial = 1;

  /** Watches are told in the order in which they were set. */
  nextSerial(): number {
    return this.#nextSerial++;
  }

  add(watch: Watch): void {
    const same = this.#byPath.get(watch.path);
    if (same === undefined) this.#byPath.set(watch.path, new Set([watch]));
    else same.add(watch);
  }

  remove(watch: Watch): void {
    const same = this.#byPath.get(watch.path);
    same?.delete(watch);
    if (same?.size === 0) this.#byPath.delete(watch.path);
  }

  /** Watches of just this path, or special event. */
  at(path: string): Watch[] {
    return [...(this.#byPath.get(path) ?? [])];
  }

  /** Watches of this path and of those above it. */
  above(path: string): Watch[] {
    const found = this.at(path);
    for (let above = path; above !== '/'; ) {
      above = parentOf(above);
      for (const watch of this.#byPath.get(above) ?? []) found.push(watch);
    }
    return found.sort((a, b) => a.serial - b.serial);
  }
}
