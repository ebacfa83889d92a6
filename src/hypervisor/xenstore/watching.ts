/**
 * Who is told of a change: every connection that may know of the node, for each of its watches at or above it.
 */
import type { AnsweredRequest, StoreConnection, Watch } from './connection.ts';
import { ACCESS_READ, accessOf, type Permission, type StoreNode } from './node.ts';
import type { NodeTable } from './node-table.ts';
import { isWithin, parentOf } from './paths.ts';
import type { StoreQuotas } from './quotas.ts';

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
  readonly #connections: ReadonlySet<StoreConnection>;
  readonly #table: NodeTable;
  readonly #quotas: StoreQuotas;

  constructor(connections: ReadonlySet<StoreConnection>, table: NodeTable, quotas: StoreQuotas) {
    this.#connections = connections;
    this.#table = table;
    this.#quotas = quotas;
  }

  fire(change: Change): void {
    for (const connection of this.#connections) {
      if (connection.watches.length === 0) continue;
      const fits = ({ path }: Watch) => (change.isExact ? path === change.path : isWithin(change.path, path));
      const watches = connection.watches.filter(fits);
      if (watches.length === 0 || !this.#mayKnow(connection, change)) continue;
      for (const watch of watches) this.send(connection, watch, change.path, change.request);
    }
  }

  /** `@introduceDomain` and `@releaseDomain`, to those whom `permissions` let read. */
  fireSpecial(name: string, permissions: readonly Permission[]): void {
    for (const connection of this.#connections) {
      if ((accessOf(connection, permissions) & ACCESS_READ) === 0) continue;
      for (const watch of connection.watches) if (watch.path === name) this.send(connection, watch, name, null);
    }
  }

  send(connection: StoreConnection, watch: Watch, path: string, request: AnsweredRequest | null): void {
    connection.queueEvent(shownPath(watch, path), watch.token, request, this.#quotas.memoryBytes);
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
