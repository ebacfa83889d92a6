/**
 * Who is told of a change: every connection that may know of the node, for each of its watches at or above it.
 */
import type { AnsweredRequest, StoreConnection, Watch } from './connection.ts';
import { ACCESS_READ, accessOf, type Permission, type StoreNode } from './node.ts';
import type { NodeTable } from './node-table.ts';
import { parentOf } from './paths.ts';
import type { StoreQuotas } from './quotas.ts';
import { WatchIndex } from './watch-index.ts';

/** A change that watches may be set for. */
export interface Change {
  readonly path: string;
  /** The node as it is now, or as it was if it goes; undefined: look. */
  readonly node?: StoreNode | undefined;
  /** Watches of just this path; else of those above it too. */
  readonly isExact: boolean;
  /** Who could read it before is told as well. */
  readonly permissionsBefore?: readonly Permission[] | undefined;
  /** The guest's request that caused it. */
  readonly request: AnsweredRequest | null;
}

export class Watching {
  readonly index = new WatchIndex();
  readonly #table: NodeTable;
  readonly #quotas: StoreQuotas;

  constructor(table: NodeTable, quotas: StoreQuotas) {
    this.#table = table;
    this.#quotas = quotas;
  }

  fire(change: Change): void {
    const { path, isExact, request } = change;
    for (const watch of isExact ? this.index.at(path) : this.index.above(path)) {
      if (this.#mayKnow(watch.connection, change)) this.send(watch, path, request);
    }
  }

  /** `@introduceDomain` and `@releaseDomain`, to those whom `permissions` let read. */
  fireSpecial(name: string, permissions: readonly Permission[]): void {
    for (const watch of this.index.at(name)) {
      if ((accessOf(watch.connection, permissions) & ACCESS_READ) !== 0) this.send(watch, name, null);
    }
  }

  send(watch: Watch, path: string, request: AnsweredRequest | null): void {
    watch.connection.queueEvent(shownPath(watch, path), watch.token, request, this.#quotas.memoryBytes);
  }

  /** The node itself or the one above must be readable, or have been. */
  #mayKnow(connection: StoreConnection, change: Change): boolean {
    const reads = (permissions: readonly Permission[]) => (accessOf(connection, permissions) & ACCESS_READ) !== 0;
    if (change.permissionsBefore !== undefined && reads(change.permissionsBefore)) return true;
    const node = change.node ?? this.#table.read(null, change.path);
    if (typeof node === 'string') return false;
    if (reads(node.permissions)) return true;
    const parent = this.#table.read(null, change.path === '/' ? '/' : parentOf(change.path));
    return typeof parent !== 'string' && reads(parent.permissions);
  }
}

function shownPath({ relativeTo }: Watch, path: string): string {
  return relativeTo === null ? path : path.slice(relativeTo.length + 1);
}
