/**
 * Domains as the store knows them: those introduced, and those that a permission or an owner names. What each uses is counted here.
 */
import type { StoreConnection } from './connection.ts';
import type { Permission } from './node.ts';

export interface KnownDomain {
  readonly domid: number;
  /** The store's generation when it became known: permissions set before then mean an earlier domain of that number. */
  readonly generation: number;
  /** Null until it is introduced. */
  connection: StoreConnection | null;
  isShutdown: boolean;
  /** Nodes that it owns. */
  nodes: number;
  watches: number;
  outstanding: number;
  /** Bytes of its nodes, watches, transactions and waiting messages. */
  memory: number;
}

export class KnownDomains {
  readonly #domains = new Map<number, KnownDomain>();
  readonly #exists: (domid: number) => boolean;

  /** `exists`: whether the hypervisor has a domain. */
  constructor(exists: (domid: number) => boolean) {
    this.#exists = exists;
  }

  get(domid: number): KnownDomain | undefined {
    return this.#domains.get(domid);
  }

  /** A domain that is introduced. */
  introduced(domid: number): KnownDomain | undefined {
    const domain = this.#domains.get(domid);
    return domain?.connection === null ? undefined : domain;
  }

  /** Makes a domain known. */
  add(domid: number, generation: number): KnownDomain {
    const domain: KnownDomain = {
      domid,
      generation,
      connection: null,
      isShutdown: false,
      nodes: 0,
      watches: 0,
      outstanding: 0,
      memory: 0,
    };
    this.#domains.set(domid, domain);
    return domain;
  }

  /** A domain that is known or, if it exists, becomes known. */
  find(domid: number, generation: number): KnownDomain | undefined {
    const domain = this.#domains.get(domid);
    if (domain !== undefined || !this.#exists(domid)) return domain;
    return this.add(domid, generation);
  }

  remove(domid: number): void {
    this.#domains.delete(domid);
  }

  /** The permissions of a node last changed at `generation`, with those marked stale that name a younger domain or none. */
  marked(permissions: readonly Permission[], generation: number): readonly Permission[] {
    const isStale = (entry: Permission, i: number) => {
      if (i === 0 || entry.isStale) return entry.isStale;
      const domain = this.#domains.get(entry.domid);
      return domain === undefined || domain.generation > generation;
    };
    if (!permissions.some((entry, i) => isStale(entry, i) !== entry.isStale)) return permissions;
    return permissions.map((entry, i) => ({ ...entry, isStale: isStale(entry, i) }));
  }
}
