/**
 * Doorbell pages (UARs) of a machine's adapters, by page number: what a domain that has one mapped reaches without anybody's help. The driver that owns the adapter opens
 * pages for other domains and closes them; a domain finds behind its page what it may use of the adapter.
 */
import type { OwnedObjects } from './owned-objects.ts';

export class UarSpace {
  readonly #pages = new Map<number, OwnedObjects>();
  #next = 1;

  /** Doorbell pages in use. */
  get size(): number {
    return this.#pages.size;
  }

  /** A page behind which `objects` can be used; returns its number. */
  open(objects: OwnedObjects): number {
    const page = this.#next++;
    this.#pages.set(page, objects);
    return page;
  }

  close(page: number): void {
    this.#pages.delete(page);
  }

  /** What a domain that maps the page finds; undefined for a page that is not open. */
  at(page: number): OwnedObjects | undefined {
    return this.#pages.get(page);
  }
}
