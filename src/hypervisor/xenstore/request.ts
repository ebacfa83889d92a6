/**
 * A request under way: who asks, for what, and the ways to answer; and the parts of the store that requests work on.
 */
import { PAYLOAD_MAX, RELATIVE_PATH_MAX, type StoreError, XS } from './abi.ts';
import { AnsweredRequest, type StoreConnection } from './connection.ts';
import type { KnownDomains } from './known-domains.ts';
import type { Permission } from './node.ts';
import type { NodeTable } from './node-table.ts';
import { isValidPath } from './paths.ts';
import type { StoreQuotas } from './quotas.ts';
import type { Transaction } from './transaction.ts';
import type { Change, Watching } from './watching.ts';
import { HEADER_BYTES } from './abi.ts';
import type { StoreMessage } from './wire.ts';

/** What the store asks of the machine around it. */
export interface StoreHost {
  /** Whether the hypervisor has a domain, introduced or not. */
  domainExists(domid: number): boolean;
  /** Connects a domain's ring (`isNew`), or takes another event channel for it. An error refuses the introduction. */
  introduce(connection: StoreConnection, gfn: number, port: number, isNew: boolean): StoreError | null;
  /** A (re)introduced domain starts over: its ring is to be emptied. */
  reset(connection: StoreConnection): void;
  /** A domain's connection is gone. */
  released(connection: StoreConnection): void;
}

export interface StoreParts {
  readonly host: StoreHost;
  readonly table: NodeTable;
  readonly domains: KnownDomains;
  readonly quotas: StoreQuotas;
  readonly connections: Set<StoreConnection>;
  readonly watching: Watching;
  /** Who may know of the special events, by name. */
  readonly special: Map<string, readonly Permission[]>;
}

/** Handles a request: answers it and returns null, or changes nothing and returns the error. */
export type RequestHandler = (parts: StoreParts, request: Request) => StoreError | null;

export class Request {
  readonly connection: StoreConnection;
  readonly message: StoreMessage;
  readonly #answered: AnsweredRequest;
  readonly #parts: StoreParts;

  constructor(parts: StoreParts, connection: StoreConnection, message: StoreMessage) {
    this.#parts = parts;
    this.connection = connection;
    this.message = message;
    this.#answered = new AnsweredRequest(connection.domain);
  }

  /** The strings that end in a NUL, without what follows the last NUL. */
  get strings(): string[] {
    return this.message.payload.split('\0').slice(0, -1);
  }

  /** The payload as one string with its NUL at the end; null if it is anything else. */
  get argument(): string | null {
    const { payload } = this.message;
    return payload.length > 0 && payload.indexOf('\0') === payload.length - 1 ? payload.slice(0, -1) : null;
  }

  /** An absolute path, or what is to be refused as one. */
  absolute(path: string): string {
    return path[0] === '/' || path[0] === '@' ? path : `${this.connection.home}/${path}`;
  }

  /** The path that is the only argument. */
  get path(): string | null {
    const { argument } = this;
    return argument === null ? null : this.absolute(argument);
  }

  /** Whether a watch may be set on an absolute path: a valid one, or any special name. */
  isWatchable(path: string): boolean {
    return path[0] === '@' ? path.length <= RELATIVE_PATH_MAX : isValidPath(path, this.#parts.quotas.pathBytes);
  }

  reply(payload: string): null {
    const { connection, message } = this;
    const bytes = payload.length + HEADER_BYTES;
    const { domain } = connection;
    // Short replies always have room: errors must get through.
    const isFull = domain !== null && !connection.isPrivileged && domain.memory + bytes >= this.#parts.quotas.memoryBytes;
    if (payload.length > PAYLOAD_MAX) this.fail('E2BIG');
    else if (payload.length > 16 && isFull) this.fail('ENOMEM');
    else connection.queueReply({ ...message, payload }, this.#answered);
    return null;
  }

  acknowledge(): null {
    return this.reply('OK\0');
  }

  fail(error: StoreError): void {
    this.connection.queueReply({ ...this.message, type: XS.error, payload: `${error}\0` }, this.#answered);
  }

  /** Fires watches for a change that this request made; in a transaction, at its end. */
  fire(change: Omit<Change, 'request'>): void {
    const { table } = this.#parts;
    if (table.transaction !== null) table.transaction.queueEvent(change.path, change.isExact);
    else this.#parts.watching.fire({ ...change, request: this.connection.isPrivileged ? null : this.#answered });
  }

  /** Puts a transaction's changes into the store, one by one, and fires their watches. */
  commit(transaction: Transaction): void {
    const { table, domains } = this.#parts;
    for (const { path, original, current, isModified, event } of transaction.accessed.values()) {
      if (!isModified) continue;
      if (current !== undefined || original !== undefined) table.commit(path, current);
      if (event === 'none') continue;
      const permissionsBefore = original && domains.marked(original.permissions, original.generation);
      this.fire({ path, isExact: event === 'exact', permissionsBefore });
    }
  }
}
