/**
 * All nodes, and access to them as one client has it: within its transaction or outside, with its rights and quotas.
 *
 * Nothing is written before all checks of a request have passed, so that a rejected request changes nothing.
 */
import type { StoreError } from './abi.ts';
import type { StoreConnection } from './connection.ts';
import type { KnownDomains } from './known-domains.ts';
import { accessOf, recordBytes, type StoreNode, withChild, withoutChild } from './node.ts';
import { childOf, isValidPath, nameOf, parentOf } from './paths.ts';
import { PersistentMap } from './persistent-map.ts';
import type { StoreQuotas } from './quotas.ts';
import type { Transaction } from './transaction.ts';

/** A node's absence is `ENOENT`. */
export type Found = StoreNode | StoreError;

export class NodeTable {
  /** By path. */
  #nodes = PersistentMap.empty<StoreNode>();
  #generation = 0;
  /** The transaction of the request that is being handled. */
  transaction: Transaction | null = null;
  readonly #domains: KnownDomains;
  readonly #quotas: StoreQuotas;

  constructor(domains: KnownDomains, quotas: StoreQuotas) {
    this.#domains = domains;
    this.#quotas = quotas;
  }

  /** Counts every change of the store. */
  get generation(): number {
    return this.#generation;
  }

  /** All nodes at this moment; it stays as it is whatever happens after. */
  get snapshot(): PersistentMap<StoreNode> {
    return this.#nodes;
  }

  /** A number for something younger than all nodes. */
  nextGeneration(): number {
    return ++this.#generation;
  }

  /** A node, whoever asks. In a transaction the first reading is remembered. */
  read(connection: StoreConnection | null, path: string): Found {
    const transaction = this.transaction;
    if (transaction === null) return this.#marked(this.#nodes.get(path));
    const known = transaction.accessed.get(path);
    if (known !== undefined) return this.#marked(known.current);
    if (transaction.accessed.size >= this.#quotas.transactionNodes && connection?.isPrivileged === false) {
      transaction.hasFailed = true;
      return 'ENOSPC';
    }
    const node = this.#nodes.get(path);
    transaction.record(path, node);
    return this.#marked(node);
  }

  /** A node for which `connection` needs all of `access`. What it may not know it is not told: absent nodes below what it cannot use are EACCES. */
  find(connection: StoreConnection, path: string | null, access: number): Found {
    if (path === null || !isValidPath(path, this.#quotas.pathBytes)) return 'EINVAL';
    const node = this.read(connection, path);
    if (typeof node !== 'string' && (accessOf(connection, node.permissions) & access) === access) return node;
    if (typeof node === 'string' && node !== 'ENOENT') return node;
    const ancestor = this.#nearest(connection, path);
    if (typeof ancestor === 'string') return ancestor;
    if ((accessOf(connection, ancestor.permissions) & access) === 0) return 'EACCES';
    return typeof node === 'string' ? node : 'EACCES';
  }

  /** Changes a node that exists. */
  write(connection: StoreConnection, path: string, node: StoreNode): StoreError | null {
    const error = this.#checkSize(connection, path, node);
    if (error === null) this.#set(path, { ...node, generation: this.nextGeneration() });
    else this.#fail();
    return error;
  }

  /** Changes a node's permissions, and with them perhaps its owner. */
  writeOwned(connection: StoreConnection, path: string, before: StoreNode, after: StoreNode): StoreError | null {
    const error = this.write(connection, path, after);
    if (error !== null) return error;
    this.#own(before.permissions[0].domid, -1);
    this.#own(after.permissions[0].domid, 1);
    return null;
  }

  /** Makes a node that does not exist, and those above it that are missing. They take the permissions of what is above; a guest owns what it makes. */
  create(connection: StoreConnection, path: string, value: string): StoreNode | StoreError {
    const missing = [path];
    let ancestor = this.read(connection, parentOf(path));
    while (typeof ancestor === 'string') {
      if (ancestor !== 'ENOENT') return ancestor;
      missing.push(parentOf(missing[missing.length - 1]));
      ancestor = this.read(connection, parentOf(missing[missing.length - 1]));
    }
    const top = missing[missing.length - 1];
    const changes: [string, StoreNode][] = [[parentOf(top), withChild(ancestor, nameOf(top))]];
    const [owner, ...others] = ancestor.permissions;
    const permissions = [connection.isPrivileged ? owner : { ...owner, domid: connection.domid }, ...others];
    for (let i = missing.length - 1; i >= 0; i--) {
      const children = i === 0 ? [] : [nameOf(missing[i - 1])];
      const childBytes = i === 0 ? 0 : children[0].length + 1;
      changes.unshift([missing[i], { value: i === 0 ? value : '', permissions, children, childBytes, generation: 0 }]);
    }
    return this.#writeNew(connection, changes);
  }

  /** Removes a node and all below it, children first, and tells `removed` of each. */
  removeTree(
    connection: StoreConnection | null,
    path: string,
    removed: (path: string, node: StoreNode) => void,
  ): StoreError | null {
    const parent = this.read(connection, parentOf(path));
    if (typeof parent === 'string') return parent === 'ENOENT' ? 'EINVAL' : parent;
    const error = this.#removeBelow(connection, path, removed);
    if (error !== null) return error;
    const name = nameOf(path);
    // Only in a transaction that is bound to end in EAGAIN: the parent was read before the child came to be.
    if (!parent.children.includes(name)) return 'EIO';
    this.#set(parentOf(path), { ...withoutChild(parent, name), generation: this.nextGeneration() });
    return null;
  }

  /** At the end of a transaction: puts a node that it changed into the store. */
  commit(path: string, node: StoreNode | undefined): void {
    this.#set(path, node === undefined ? undefined : { ...node, generation: this.nextGeneration() });
  }

  /** A node that was there at the start. */
  seed(path: string, node: Omit<StoreNode, 'generation'>): void {
    this.#set(path, { ...node, generation: this.nextGeneration() });
    this.#own(node.permissions[0].domid, 1);
  }

  /** As removeTree, but the parent still lists it. Outside of a transaction nothing can fail. */
  #removeBelow(
    connection: StoreConnection | null,
    path: string,
    removed: (path: string, node: StoreNode) => void,
  ): StoreError | null {
    const node = this.read(connection, path);
    if (typeof node === 'string') return 'EIO';
    for (const name of node.children) {
      const error = this.#removeBelow(connection, childOf(path, name), removed);
      if (error !== null) return error;
    }
    this.#set(path, undefined);
    this.#own(node.permissions[0].domid, -1);
    removed(path, node);
    return null;
  }

  /** What the next node above `path` is that exists. There is always the root. */
  #nearest(connection: StoreConnection, path: string): Found {
    if (path === '/') return this.read(connection, path);
    const parent = parentOf(path);
    const node = this.read(connection, parent);
    return node === 'ENOENT' && parent !== '/' ? this.#nearest(connection, parent) : node;
  }

  /** `changes`: the new nodes, lowest first, and last the existing one that gets a child. */
  #writeNew(connection: StoreConnection, changes: readonly (readonly [string, StoreNode])[]): StoreNode | StoreError {
    const newCount = changes.length - 1;
    const domain = connection.isPrivileged ? null : connection.domain;
    if (this.transaction !== null) this.transaction.hasCreated = true;
    // Within a transaction nodes are counted at its end; here only what the domain had before.
    const room = domain === null ? newCount : this.#quotas.nodes - domain.nodes;
    let error: StoreError | null = (this.transaction === null ? room < newCount : room < 1) ? 'ENOSPC' : null;
    for (const [path, node] of changes) error ??= this.#checkSize(connection, path, node);
    if (error !== null) {
      this.#fail();
      return error;
    }
    for (const [i, [path, node]] of changes.entries()) {
      this.#set(path, { ...node, generation: this.nextGeneration() });
      if (i < newCount) this.#own(node.permissions[0].domid, 1);
    }
    return changes[0][1];
  }

  #checkSize(connection: StoreConnection, path: string, node: StoreNode): StoreError | null {
    if (!connection.isPrivileged && recordBytes(node) >= this.#quotas.nodeBytes) return 'ENOSPC';
    const payer = this.transaction === null ? node.permissions[0].domid : connection.domid;
    const domain = this.#domains.get(payer);
    if (payer === 0 || domain === undefined) return null;
    const before = this.transaction === null ? this.#nodes.get(path) : this.transaction.accessed.get(path)?.current;
    const isPaid = before !== undefined && (this.transaction !== null || before.permissions[0].domid === payer);
    const freed = isPaid ? path.length + recordBytes(before) : 0;
    return domain.memory - freed + path.length + recordBytes(node) >= this.#quotas.memoryBytes ? 'EIO' : null;
  }

  #fail(): void {
    if (this.transaction !== null) this.transaction.hasFailed = true;
  }

  #own(domid: number, by: number): void {
    if (this.transaction !== null) {
      this.transaction.changeOwned(domid, by);
      return;
    }
    const domain = this.#domains.find(domid, this.#generation);
    if (domain !== undefined) domain.nodes += by;
  }

  #set(path: string, node: StoreNode | undefined): void {
    if (this.transaction !== null) {
      this.transaction.set(path, node);
      return;
    }
    this.#weigh(path, this.#nodes.get(path), -1);
    this.#weigh(path, node, 1);
    this.#nodes = node === undefined ? this.#nodes.delete(path) : this.#nodes.set(path, node);
  }

  #weigh(path: string, node: StoreNode | undefined, sign: 1 | -1): void {
    if (node === undefined) return;
    const domain = this.#domains.get(node.permissions[0].domid);
    if (domain !== undefined) domain.memory += sign * (path.length + recordBytes(node));
  }

  #marked(node: StoreNode | undefined): Found {
    if (node === undefined) return 'ENOENT';
    const permissions = this.#domains.marked(node.permissions, node.generation);
    return permissions === node.permissions ? node : { ...node, permissions };
  }
}
