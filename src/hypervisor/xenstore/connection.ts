/**
 * A client's connection as the store sees it: whose it is, its watches and transactions, and the messages that wait to be sent.
 */
import { HEADER_BYTES, PAYLOAD_MAX, XS } from './abi.ts';
import type { KnownDomain } from './known-domains.ts';
import type { Asker } from './node.ts';
import { homeOf } from './paths.ts';
import type { Transaction } from './transaction.ts';
import type { WatchIndex } from './watch-index.ts';
import type { StoreMessage } from './wire.ts';

export interface Watch {
  readonly connection: StoreConnection;
  /** Counts all watches that were ever set. */
  readonly serial: number;
  /** Absolute, or the name of a special event. */
  readonly path: string;
  readonly token: string;
  /** Events name paths relative to this; null for an absolute watch. */
  readonly relativeTo: string | null;
}

/** A request that was answered; it is outstanding until its reply and the events that it caused have left. */
export class AnsweredRequest {
  readonly #domain: KnownDomain | null;
  #waiting = 0;
  #isAnswered = false;

  constructor(domain: KnownDomain | null) {
    this.#domain = domain;
  }

  queued(isReply: boolean): void {
    this.#waiting++;
    if (!isReply) return;
    this.#isAnswered = true;
    if (this.#domain !== null) this.#domain.outstanding++;
  }

  left(): void {
    if (--this.#waiting === 0 && this.#isAnswered && this.#domain !== null) this.#domain.outstanding--;
  }
}

interface Queued {
  readonly message: StoreMessage;
  readonly request: AnsweredRequest | null;
}

export class StoreConnection implements Asker {
  readonly domid: number;
  /** dom0's rights: any connection but a guest's. */
  readonly isPrivileged: boolean;
  /** Null for a client of dom0's user space. */
  readonly domain: KnownDomain | null;
  /** Where its relative paths begin. */
  readonly home: string;
  target: StoreConnection | null = null;
  readonly transactions = new Map<number, Transaction>();
  nextTransactionId = 1;
  readonly watches: Watch[] = [];
  /** It broke the protocol: nothing of it is read, nothing is sent to it. */
  isIgnored = false;
  /** Told when messages wait that did not before. */
  onOutput: (() => void) | null = null;
  readonly #index: WatchIndex;
  #queue: Queued[] = [];

  constructor(domain: KnownDomain | null, index: WatchIndex) {
    this.domain = domain;
    this.#index = index;
    this.domid = domain?.domid ?? 0;
    this.isPrivileged = this.domid === 0;
    this.home = homeOf(this.domid);
  }

  get targetDomid(): number | null {
    return this.target?.domid ?? null;
  }

  /** The message to be sent next; it waits until `sent` says that it has left. */
  get next(): StoreMessage | null {
    return this.#queue.length === 0 ? null : this.#queue[0].message;
  }

  sent(): void {
    this.#account(this.#queue.shift() as Queued, -1);
  }

  queueReply(message: StoreMessage, request: AnsweredRequest): void {
    this.#push({ message, request });
  }

  /** Queues a watch event, unless it would be too long, the same one waits already, or the domain's memory is used up (`memoryBytes`). */
  queueEvent(path: string, token: string, request: AnsweredRequest | null, memoryBytes: number): void {
    const payload = `${path}\0${token}\0`;
    if (payload.length > PAYLOAD_MAX) return;
    const isWaiting = ({ message }: Queued) => message.type === XS.watchEvent && message.payload === payload;
    if (path[0] !== '@' && this.#queue.some(isWaiting)) return;
    if (!this.isPrivileged && this.domain !== null && this.domain.memory + HEADER_BYTES + payload.length >= memoryBytes) return;
    this.#push({ message: { type: XS.watchEvent, requestId: 0, txId: 0, payload }, request });
  }

  addWatch(path: string, token: string, relativeTo: string | null): Watch {
    const watch = { connection: this, serial: this.#index.nextSerial(), path, token, relativeTo };
    this.watches.push(watch);
    this.#index.add(watch);
    this.#countWatch(watch, 1);
    return watch;
  }

  dropWatch(watch: Watch): void {
    this.watches.splice(this.watches.indexOf(watch), 1);
    this.#index.remove(watch);
    this.#countWatch(watch, -1);
  }

  dropWatches(): void {
    for (const watch of [...this.watches]) this.dropWatch(watch);
  }

  dropTransactions(): void {
    for (const transaction of this.transactions.values()) transaction.release();
    this.transactions.clear();
  }

  dropOutput(): void {
    for (const queued of this.#queue.splice(0)) this.#account(queued, -1);
  }

  /** Stops talking to a client that broke the protocol. */
  ignore(): void {
    this.isIgnored = true;
    this.dropWatches();
    this.dropTransactions();
    this.dropOutput();
  }

  #countWatch({ path, token }: Watch, sign: 1 | -1): void {
    if (this.domain === null) return;
    this.domain.watches += sign;
    this.domain.memory += sign * (path.length + token.length);
  }

  #push(queued: Queued): void {
    this.#queue.push(queued);
    this.#account(queued, 1);
    if (this.#queue.length === 1) this.onOutput?.();
  }

  #account({ message, request }: Queued, sign: 1 | -1): void {
    if (this.domain !== null) this.domain.memory += sign * (HEADER_BYTES + message.payload.length);
    if (sign < 0) request?.left();
    else request?.queued(message.type !== XS.watchEvent);
  }
}
