/**
 * A transaction: what it read, as it was when first read, and what it changed. It ends well if nothing that it read was changed by others meanwhile.
 */
import type { KnownDomain } from './known-domains.ts';
import { recordBytes, type StoreNode } from './node.ts';

/** A node that a transaction looked at or changed. Undefined: it does not exist. */
export interface AccessedNode {
  readonly path: string;
  /** As the store had it at the first access. Reading it again gives the same, whatever others did. */
  readonly original: StoreNode | undefined;
  /** As this transaction has it now. */
  current: StoreNode | undefined;
  isModified: boolean;
  /** Watches to fire at the end: none, those of exactly this path, or those above too. */
  event: 'none' | 'exact' | 'all';
}

export class Transaction {
  readonly id: number;
  /** In the order of first access. */
  readonly accessed = new Map<string, AccessedNode>();
  /** By how many nodes each domain's property changes. */
  readonly ownedChange = new Map<number, number>();
  hasCreated = false;
  /** A quota was hit: it can only be given up. */
  hasFailed = false;
  readonly #domain: KnownDomain | null;
  #bytes = 0;

  constructor(id: number, domain: KnownDomain | null) {
    this.id = id;
    this.#domain = domain;
  }

  record(path: string, node: StoreNode | undefined): void {
    this.accessed.set(path, { path, original: node, current: node, isModified: false, event: 'none' });
    if (node !== undefined) this.#weigh(path.length + recordBytes(node));
  }

  /** Changes a node that was read before. */
  set(path: string, node: StoreNode | undefined): void {
    const access = this.accessed.get(path) as AccessedNode;
    if (access.current !== undefined) this.#weigh(-path.length - recordBytes(access.current));
    if (node !== undefined) this.#weigh(path.length + recordBytes(node));
    access.current = node;
    access.isModified = true;
  }

  /** Remembers to fire watches of `path` at the end. */
  queueEvent(path: string, isExact: boolean): void {
    const access = this.accessed.get(path) as AccessedNode;
    if (access.event === 'none') access.event = isExact ? 'exact' : 'all';
    else if (!isExact) access.event = 'all';
  }

  changeOwned(domid: number, by: number): void {
    this.ownedChange.set(domid, (this.ownedChange.get(domid) ?? 0) + by);
  }

  /** It is over: its copies are gone. */
  release(): void {
    this.#weigh(-this.#bytes);
  }

  #weigh(bytes: number): void {
    this.#bytes += bytes;
    if (this.#domain !== null) this.#domain.memory += bytes;
  }
}
