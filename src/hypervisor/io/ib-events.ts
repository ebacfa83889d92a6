/**
 * The page of events of a `vib` device: completion events, asynchronous events and management datagrams that arrived, written by the backend and read by the frontend.
 *
 *   0 producer u32   4 consumer u32   8 … 63 zero   64 … 128 entries of 16 bytes
 *   entry: 0 kind u16   2 type u16   4 number u32   8 a u32   12 b u32
 *
 * Counters run free modulo 2^32. Neither side trusts the other's: a consumer that ran past the producer or fell behind by more than the page holds is an error of the device.
 * An arriving datagram lies in one of 16 places of 256 bytes of another page; the place is free again when its event has been consumed.
 */
import type { MemoryView } from '../memory-view.ts';

const PRODUCER = 0;
const CONSUMER = 4;
const FIRST = 64;
const ENTRY_BYTES = 16;
export const EVENT_ENTRIES = 128;

/** A completion queue that was armed has something: `number` is the queue's. */
export const EVENT_COMPLETION = 1;
/** An asynchronous event: `type` as in libibverbs, `number` of the object, `a` its class (`EVENT_OF_*`), `b` the port. */
export const EVENT_ASYNC = 2;
/** A datagram: `number` is its place, `type` the sender's LID, `a` = SL | path bits << 8 | P_Key index << 16, `b` the port. */
export const EVENT_MAD = 3;

export const EVENT_OF_PORT = 0;
export const EVENT_OF_QP = 1;
export const EVENT_OF_CQ = 2;
export const EVENT_OF_SRQ = 3;

/** Places for datagrams in a page, and the bytes of one. */
export const MAD_PLACES = 16;
export const MAD_PLACE_BYTES = 256;

export interface VibEvent {
  readonly kind: number;
  readonly type: number;
  readonly number: number;
  readonly a: number;
  readonly b: number;
}

/** The writing side. */
export class EventProducer {
  readonly #page: MemoryView;
  #producer = 0;

  constructor(page: MemoryView) {
    this.#page = page;
  }

  /** Events written and not consumed; more than the page holds, or less than none, if the other side is broken. */
  get waiting(): number {
    return (this.#producer - this.#page.u32(CONSUMER)) >>> 0;
  }

  get isOverrun(): boolean {
    return this.waiting > EVENT_ENTRIES;
  }

  get hasRoom(): boolean {
    return this.waiting < EVENT_ENTRIES;
  }

  /** Number of the event written next. */
  get producer(): number {
    return this.#producer;
  }

  /** Whether the event of this number has been consumed; false for one that is not written yet. */
  isConsumed(number: number): boolean {
    return ((this.#producer - number) | 0) > this.waiting;
  }

  /** Writes an event; the caller has seen that there is room. */
  push(event: VibEvent): void {
    const at = FIRST + (this.#producer & (EVENT_ENTRIES - 1)) * ENTRY_BYTES;
    const page = this.#page;
    page.setU16(at, event.kind);
    page.setU16(at + 2, event.type);
    page.setU32(at + 4, event.number);
    page.setU32(at + 8, event.a);
    page.setU32(at + 12, event.b);
    this.#producer = (this.#producer + 1) >>> 0;
    page.setU32(PRODUCER, this.#producer);
  }
}

/** The reading side. */
export class EventConsumer {
  readonly #page: MemoryView;
  #consumer = 0;

  constructor(page: MemoryView) {
    this.#page = page;
  }

  /** The page was full when looked at last: the producer may wait for room. */
  get isFull(): boolean {
    return (this.#page.u32(PRODUCER) - this.#consumer) >>> 0 >= EVENT_ENTRIES;
  }

  /** The oldest event; null where there is none. A producer beyond all bounds gives none. */
  take(): VibEvent | null {
    const page = this.#page;
    const waiting = (page.u32(PRODUCER) - this.#consumer) >>> 0;
    if (waiting === 0 || waiting > EVENT_ENTRIES) return null;
    const at = FIRST + (this.#consumer & (EVENT_ENTRIES - 1)) * ENTRY_BYTES;
    const event = {
      kind: page.u16(at),
      type: page.u16(at + 2),
      number: page.u32(at + 4),
      a: page.u32(at + 8),
      b: page.u32(at + 12),
    };
    this.#consumer = (this.#consumer + 1) >>> 0;
    return event;
  }

  /** Shows the producer how far it was read. */
  acknowledge(): void {
    this.#page.setU32(CONSUMER, this.#consumer);
  }
}
