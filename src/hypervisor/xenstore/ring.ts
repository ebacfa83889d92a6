/**
 * One end of the rings in the page that a guest shares with xenstored: two byte streams of 1024 bytes, each with a free-running index of 32 bits at either end.
 *
 * The other side may write anything at any time: indices are read once and checked, and nothing that is read is believed.
 */
import type { MemoryView } from '../memory-view.ts';
import { RING_BYTES, RING_PAGE } from './abi.ts';

export class RingEnd {
  readonly #page: MemoryView;
  readonly #input: { readonly data: number; readonly consumer: number; readonly producer: number };
  readonly #output: { readonly data: number; readonly consumer: number; readonly producer: number };

  constructor(page: MemoryView, side: 'guest' | 'xenstored') {
    const requests = {
      data: RING_PAGE.requests,
      consumer: RING_PAGE.requestConsumer,
      producer: RING_PAGE.requestProducer,
    };
    const responses = {
      data: RING_PAGE.responses,
      consumer: RING_PAGE.responseConsumer,
      producer: RING_PAGE.responseProducer,
    };
    this.#page = page;
    this.#input = side === 'guest' ? responses : requests;
    this.#output = side === 'guest' ? requests : responses;
  }

  /** Whether there is anything to read; garbage counts, so that somebody looks. */
  get isReadable(): boolean {
    return this.#page.u32(this.#input.consumer) !== this.#page.u32(this.#input.producer);
  }

  get isWritable(): boolean {
    return (this.#page.u32(this.#output.producer) - this.#page.u32(this.#output.consumer)) >>> 0 !== RING_BYTES;
  }

  /** Takes at most `limit` bytes; none if there are none. Null: the indices are impossible. */
  read(limit: number): Uint8Array | null {
    const { data, consumer, producer } = this.#input;
    const start = this.#page.u32(consumer);
    const available = (this.#page.u32(producer) - start) >>> 0;
    if (available > RING_BYTES) return null;
    const bytes = new Uint8Array(Math.min(limit, available));
    const first = Math.min(bytes.length, RING_BYTES - (start % RING_BYTES));
    this.#page.read(data + (start % RING_BYTES), bytes.subarray(0, first));
    if (first < bytes.length) this.#page.read(data, bytes.subarray(first));
    this.#page.setU32(consumer, (start + bytes.length) >>> 0);
    return bytes;
  }

  /** Puts in as much of `bytes` as there is room for, and says how much that was. Null: the indices are impossible. */
  write(bytes: Uint8Array): number | null {
    const { data, consumer, producer } = this.#output;
    const start = this.#page.u32(producer);
    const used = (start - this.#page.u32(consumer)) >>> 0;
    if (used > RING_BYTES) return null;
    const length = Math.min(bytes.length, RING_BYTES - used);
    const first = Math.min(length, RING_BYTES - (start % RING_BYTES));
    this.#page.write(data + (start % RING_BYTES), bytes.subarray(0, first));
    if (first < length) this.#page.write(data, bytes.subarray(first, length));
    this.#page.setU32(producer, (start + length) >>> 0);
    return length;
  }

  /** Both rings empty, indices 0. */
  clear(): void {
    for (const at of [
      RING_PAGE.requestConsumer,
      RING_PAGE.requestProducer,
      RING_PAGE.responseConsumer,
      RING_PAGE.responseProducer,
    ]) {
      this.#page.setU32(at, 0);
    }
  }
}
