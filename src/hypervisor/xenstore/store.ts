/**
 * The store: nodes, clients and their requests, by the rules of xenstored 4.17. Pure: it knows no ring, socket or CPU, and passes no time.
 *
 * Requests come in as messages of a connection; replies and watch events wait in connections' queues until whoever serves them takes them. A request never throws.
 */
import { type StoreError, XS } from './abi.ts';
import { StoreConnection } from './connection.ts';
import { control } from './control-requests.ts';
import {
  connect,
  fireSpecial,
  getDomainPath,
  introduceDomain,
  isDomainIntroduced,
  releaseDomain,
  removeDomain,
  resumeDomain,
  setTarget,
} from './domain-requests.ts';
import { KnownDomains } from './known-domains.ts';
import { ACCESS_NONE, type StoreNode } from './node.ts';
import {
  getPermissions,
  listNode,
  listNodePart,
  makeNode,
  readNode,
  removeNode,
  setPermissions,
  writeNode,
} from './node-requests.ts';
import { NodeTable } from './node-table.ts';
import type { PersistentMap } from './persistent-map.ts';
import { DEFAULT_QUOTAS, type StoreQuotas } from './quotas.ts';
import { Request, type RequestHandler, type StoreHost, type StoreParts } from './request.ts';
import { addWatch, endTransaction, removeWatch, resetWatches, startTransaction } from './session-requests.ts';
import { Watching } from './watching.ts';
import type { StoreMessage } from './wire.ts';

interface RequestKind {
  readonly handle: RequestHandler;
  /** dom0 only. */
  readonly isPrivileged?: true;
  /** Its transaction id means nothing. */
  readonly ignoresTransaction?: true;
}

const KINDS: Readonly<Record<number, RequestKind>> = {
  [XS.control]: { handle: control, isPrivileged: true },
  [XS.directory]: { handle: listNode },
  [XS.read]: { handle: readNode },
  [XS.getPerms]: { handle: getPermissions },
  [XS.watch]: { handle: addWatch, ignoresTransaction: true },
  [XS.unwatch]: { handle: removeWatch, ignoresTransaction: true },
  [XS.transactionStart]: { handle: startTransaction },
  [XS.transactionEnd]: { handle: endTransaction },
  [XS.introduce]: { handle: introduceDomain, isPrivileged: true },
  [XS.release]: { handle: releaseDomain, isPrivileged: true },
  [XS.getDomainPath]: { handle: getDomainPath },
  [XS.write]: { handle: writeNode },
  [XS.mkdir]: { handle: makeNode },
  [XS.rm]: { handle: removeNode },
  [XS.setPerms]: { handle: setPermissions },
  [XS.isDomainIntroduced]: { handle: isDomainIntroduced, isPrivileged: true },
  [XS.resume]: { handle: resumeDomain, isPrivileged: true },
  [XS.setTarget]: { handle: setTarget, isPrivileged: true },
  [XS.resetWatches]: { handle: resetWatches },
  [XS.directoryPart]: { handle: listNodePart },
};

export class XenStore {
  readonly #parts: StoreParts;

  /** `quotas` replace single defaults. */
  constructor(host: StoreHost, quotas: Partial<StoreQuotas> = {}) {
    const domains = new KnownDomains((domid) => host.domainExists(domid));
    const limits = { ...DEFAULT_QUOTAS, ...quotas };
    const table = new NodeTable(domains, limits);
    const connections = new Set<StoreConnection>();
    const dom0Only = [{ domid: 0, access: ACCESS_NONE, isStale: false }];
    const special = new Map([
      ['@introduceDomain', dom0Only],
      ['@releaseDomain', dom0Only],
    ]);
    const watching = new Watching(table, limits);
    this.#parts = { host, table, domains, quotas: limits, connections, watching, special };
    domains.add(0, 0);
    const seed = (path: string, children: string[]) =>
      table.seed(path, { value: '', permissions: dom0Only, children, childBytes: children.join('\0').length + children.length });
    seed('/', ['tool']);
    seed('/tool', ['xenstored']);
    seed('/tool/xenstored', []);
    connect(this.#parts, new StoreConnection(domains.get(0) ?? null, watching.index));
  }

  /** All nodes by path, at this moment: kept as they are whatever happens after. */
  get snapshot(): PersistentMap<StoreNode> {
    return this.#parts.table.snapshot;
  }

  /** The connection of dom0's kernel. */
  get dom0(): StoreConnection {
    return this.#parts.domains.get(0)?.connection as StoreConnection;
  }

  /** The connection of an introduced domain. */
  connectionOf(domid: number): StoreConnection | undefined {
    return this.#parts.domains.get(domid)?.connection ?? undefined;
  }

  /** A new client of dom0's user space, with dom0's rights. */
  connect(): StoreConnection {
    const connection = new StoreConnection(null, this.#parts.watching.index);
    this.#parts.connections.add(connection);
    return connection;
  }

  /** Ends a connection that `connect` made: its watches and transactions are gone. */
  disconnect(connection: StoreConnection): void {
    this.#parts.connections.delete(connection);
    connection.ignore();
  }

  /** Handles a client's request: its reply, and the watch events that it causes, are in the queues when this returns. */
  handle(connection: StoreConnection, message: StoreMessage): void {
    if (connection.isIgnored) return;
    const request = new Request(this.#parts, connection, message);
    const error = this.#run(request);
    this.#parts.table.transaction = null;
    if (error !== null) request.fail(error);
  }

  /** Whether a domain's requests have to wait: it has as many unread replies, or uses as much memory, as it may. */
  mustWait(connection: StoreConnection): boolean {
    const { domain, isPrivileged } = connection;
    if (domain === null || isPrivileged) return false;
    return domain.outstanding >= this.#parts.quotas.outstanding || domain.memory >= this.#parts.quotas.memoryBytes;
  }

  /** The hypervisor says that a domain is gone (VIRQ_DOM_EXC). */
  domainDied(domid: number): void {
    const domain = this.#parts.domains.get(domid);
    if (domain !== undefined && domid !== 0) removeDomain(this.#parts, domain);
  }

  /** The hypervisor says that a domain is shut down or crashed, but still there: who watches @releaseDomain is told, once. */
  domainShutdown(domid: number): void {
    const domain = this.#parts.domains.introduced(domid);
    if (domain === undefined || domain.isShutdown) return;
    domain.isShutdown = true;
    fireSpecial(this.#parts, '@releaseDomain');
  }

  #run(request: Request): StoreError | null {
    const { connection, message } = request;
    const kind = Object.hasOwn(KINDS, message.type) ? KINDS[message.type] : undefined;
    if (kind === undefined) return 'ENOSYS';
    if (kind.isPrivileged === true && !connection.isPrivileged) return 'EACCES';
    if (message.txId !== 0 && kind.ignoresTransaction !== true) {
      const transaction = connection.transactions.get(message.txId);
      if (transaction === undefined) return 'ENOENT';
      this.#parts.table.transaction = transaction;
    }
    return kind.handle(this.#parts, request);
  }
}
