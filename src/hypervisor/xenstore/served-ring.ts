/**
 * xenstored's end of a domain's ring: takes requests out, a message at a time, and puts replies and events in as room comes.
 */
import type { MemoryView } from '../memory-view.ts';
import { RING_CONNECTION, RING_ERROR, RING_PAGE, SERVER_FEATURE } from './abi.ts';
import type { StoreConnection } from './connection.ts';
import { RingEnd } from './ring.ts';
import { encodeMessage, MessageParser, type StoreMessage } from './wire.ts';

export class ServedRing {
  readonly connection: StoreConnection;
  readonly #page: MemoryView;
  readonly #ring: RingEnd;
  readonly #parser = new MessageParser();
  /** The rest of the message that is being sent, and that message. */
  #sending: Uint8Array | null = null;
  #sendingMessage: StoreMessage | null = null;
  /** Bytes went in or out since the other side was last notified. */
  hasMoved = false;

  constructor(connection: StoreConnection, page: MemoryView) {
    this.connection = connection;
    this.#page = page;
    this.#ring = new RingEnd(page, 'xenstored');
  }

  /** Whether a request, or a part of one, waits to be read. */
  get isReadable(): boolean {
    return !this.connection.isIgnored && this.#ring.isReadable;
  }

  /** The guest asks for its connection to start over (docs/misc/xenstore-ring.txt). */
  get wantsReconnection(): boolean {
    return this.#page.u32(RING_PAGE.connection) === RING_CONNECTION.reconnect;
  }

  /** Starts over: rings empty, nothing under way. */
  reset(): void {
    this.#parser.reset();
    this.#sending = null;
    this.#sendingMessage = null;
    this.#ring.clear();
    this.#page.setU32(RING_PAGE.serverFeatures, SERVER_FEATURE.reconnection | SERVER_FEATURE.error);
    this.#page.setU32(RING_PAGE.error, RING_ERROR.none);
    if (this.wantsReconnection) this.#page.setU32(RING_PAGE.connection, RING_CONNECTION.connected);
    this.hasMoved = true;
  }

  /** The next whole request, or null where there is none yet. A guest that breaks the rules is ignored from then on. */
  take(): StoreMessage | null {
    while (this.isReadable) {
      const bytes = this.#ring.read(this.#parser.wanted);
      if (bytes === null) {
        this.#giveUp(RING_ERROR.ringIndex);
        return null;
      }
      this.hasMoved = true;
      const message = this.#parser.take(bytes);
      if (message !== null) return message;
      if (this.#parser.isBroken) this.#giveUp(RING_ERROR.protocol);
    }
    return null;
  }

  /** Puts waiting messages into the ring as far as there is room. */
  flush(): void {
    const { connection } = this;
    for (let next = connection.next; next !== null; next = connection.next) {
      if (this.#sendingMessage !== next) {
        this.#sendingMessage = next;
        this.#sending = encodeMessage(next);
      }
      const rest = this.#sending as Uint8Array;
      const length = this.#ring.write(rest);
      if (length === null) {
        this.#giveUp(RING_ERROR.ringIndex);
        return;
      }
      if (length > 0) this.hasMoved = true;
      if (length < rest.length) {
        this.#sending = rest.subarray(length);
        return;
      }
      this.#sendingMessage = null;
      connection.sent();
    }
  }

  #giveUp(error: number): void {
    this.connection.ignore();
    this.#page.setU32(RING_PAGE.error, error);
    this.hasMoved = true;
  }
}
