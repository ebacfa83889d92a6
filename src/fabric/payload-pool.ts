/**
 * Payload slots: where the bytes of packets in flight lie, shared between threads.
 *
 * One pool for the whole run, cut into one *arena* per group of nodes (a group lives in one thread). A group allocates only in its own arena;
 * whoever takes a packet out of circulation (the receiving HCA, or the kernel when it drops one) releases its slot, from any thread, by an
 * atomic decrement of the slot's reference count. Which slot a packet gets has no influence on any result.
 */
import { InvariantError } from '../sim/index.ts';

/** A slot holds a GRH (40 bytes) and the largest payload (4096 bytes), rounded up to a cache line. */
export const SLOT_BYTES = 4160;

/** Slots of an arena that are used at first; doubled whenever all are in flight. */
const FIRST_WINDOW = 64;

/** What must be handed to another thread to attach to the same pool. */
export interface PayloadPoolShare {
  readonly data: ArrayBufferLike;
  readonly references: ArrayBufferLike;
  readonly arenas: number;
  readonly slotsPerArena: number;
}

export class PayloadPool {
  /** All slots, one after the other; slot s begins at s × SLOT_BYTES. */
  readonly bytes: Uint8Array;
  readonly share: PayloadPoolShare;
  readonly #references: Int32Array;
  readonly #slotsPerArena: number;
  readonly #cursor: Int32Array;
  /** Slots of each arena in use so far: going round in few of them keeps their bytes in the processor's caches. */
  readonly #window: Int32Array;

  constructor(share: PayloadPoolShare) {
    this.share = share;
    this.bytes = new Uint8Array(share.data);
    this.#references = new Int32Array(share.references);
    this.#slotsPerArena = share.slotsPerArena;
    this.#cursor = new Int32Array(share.arenas);
    this.#window = new Int32Array(share.arenas).fill(Math.min(FIRST_WINDOW, share.slotsPerArena));
  }

  /** A new pool; pages are committed by the operating system only when they are first used. */
  static create(arenas: number, slotsPerArena: number): PayloadPool {
    const slots = arenas * slotsPerArena;
    return new PayloadPool({
      data: new SharedArrayBuffer(slots * SLOT_BYTES),
      references: new SharedArrayBuffer(slots * 4),
      arenas,
      slotsPerArena,
    });
  }

  /** Takes a free slot of `arena` with one reference. Only the thread that owns the arena may call it. Throws `InvariantError` when all are in use. */
  allocate(arena: number): number {
    const size = this.#window[arena] as number;
    const base = arena * this.#slotsPerArena;
    const references = this.#references;
    let cursor = this.#cursor[arena] as number;
    for (let i = 0; i < size; i++) {
      const slot = base + cursor;
      cursor = cursor + 1 === size ? 0 : cursor + 1;
      if (Atomics.load(references, slot) === 0) {
        Atomics.store(references, slot, 1);
        this.#cursor[arena] = cursor;
        return slot;
      }
    }
    if (size === this.#slotsPerArena) throw new InvariantError(`payload arena ${arena} is exhausted (${size} slots in flight)`);
    this.#window[arena] = Math.min(size * 2, this.#slotsPerArena);
    this.#cursor[arena] = size;
    return this.allocate(arena);
  }

  /** Adds `count` references: the kernel does so where a multicast packet is replicated. */
  retain(slot: number, count: number): void {
    Atomics.add(this.#references, slot, count);
  }

  /** Gives one reference back; the slot is free when the last is gone. */
  release(slot: number): void {
    if (Atomics.sub(this.#references, slot, 1) < 1) throw new InvariantError(`payload slot ${slot} released twice`);
  }

  /** Slots in use, for checks at the end of a run. */
  inUse(): number {
    let n = 0;
    for (let i = 0; i < this.#references.length; i++) if (Atomics.load(this.#references, i) !== 0) n++;
    return n;
  }
}
