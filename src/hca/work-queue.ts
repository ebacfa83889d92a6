/**
 * Work queues: rings of work queue entries in typed arrays.
 *
 * A `SendQueue` is a ring with four counters that only grow: freed ≤ acked ≤ next ≤ head. A `ReceiveQueue` serves a queue pair or is shared by
 * several; entries are taken in the order of posting and given back when their completion has been polled, in any order.
 */
import type { Ps } from '../sim/index.ts';
import type { AddressVector, BindRequest, RecvWorkRequest, SendWorkRequest, Sge, U64 } from './types.ts';

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(least, 2)));
}

/** The send queue of one queue pair. Slot of entry `n` is `n & mask`. */
export class SendQueue {
  readonly capacity: number;
  readonly mask: number;
  readonly maxSge: number;
  readonly maxInline: number;
  /** Entries posted. */
  head = 0;
  /** Entries that the requester is through with; it works on entry `next`. */
  next = 0;
  /** Entries to which PSNs have been given: ≥ `next` after going back. */
  started = 0;
  /** Entries completed. */
  acked = 0;
  /** Entries whose room is free again: polled, or before a polled one. */
  freed = 0;

  readonly opcode: Uint8Array;
  readonly flags: Uint8Array;
  readonly sgeCount: Uint8Array;
  readonly bytes: Float64Array;
  /** Immediate data, or the R_Key to invalidate. */
  readonly imm: Int32Array;
  readonly rkey: Int32Array;
  readonly remoteAddr: Float64Array;
  /** From when on the adapter knows the entry; Infinity until the doorbell rings. */
  readonly readyPs: Float64Array;
  readonly firstPsn: Int32Array;
  readonly packets: Int32Array;
  /** Count of messages that take a receive entry at the peer, up to and with this one: for end-to-end credits. */
  readonly ssn: Int32Array;
  readonly remoteQpn: Int32Array;
  readonly remoteQkey: Int32Array;
  readonly compareAdd: BigUint64Array;
  readonly swap: BigUint64Array;
  readonly sgeAddr: Float64Array;
  readonly sgeLength: Float64Array;
  readonly sgeKey: Int32Array;
  readonly inline: Uint8Array;
  readonly wrId: U64[] = [];
  readonly av: (AddressVector | null)[] = [];
  readonly bind: (BindRequest | null)[] = [];

  constructor(capacity: number, maxSge: number, maxInline: number) {
    const size = powerOfTwo(capacity);
    this.capacity = capacity;
    this.mask = size - 1;
    this.maxSge = maxSge;
    this.maxInline = maxInline;
    this.opcode = new Uint8Array(size);
    this.flags = new Uint8Array(size);
    this.sgeCount = new Uint8Array(size);
    this.bytes = new Float64Array(size);
    this.imm = new Int32Array(size);
    this.rkey = new Int32Array(size);
    this.remoteAddr = new Float64Array(size);
    this.readyPs = new Float64Array(size);
    this.firstPsn = new Int32Array(size);
    this.packets = new Int32Array(size);
    this.ssn = new Int32Array(size);
    this.remoteQpn = new Int32Array(size);
    this.remoteQkey = new Int32Array(size);
    this.compareAdd = new BigUint64Array(size);
    this.swap = new BigUint64Array(size);
    this.sgeAddr = new Float64Array(size * maxSge);
    this.sgeLength = new Float64Array(size * maxSge);
    this.sgeKey = new Int32Array(size * maxSge);
    this.inline = new Uint8Array(size * maxInline);
    for (let i = 0; i < size; i++) {
      this.wrId.push(0);
      this.av.push(null);
      this.bind.push(null);
    }
  }

  /** Entries that can be posted now. */
  get room(): number {
    return this.capacity - (this.head - this.freed);
  }

  /** Writes an entry; it is not ready before the doorbell. The caller has checked room, count of elements and inline size. Returns its slot. */
  push(wr: SendWorkRequest, flags: number, bytes: number): number {
    const slot = this.head++ & this.mask;
    this.opcode[slot] = wr.opcode;
    this.flags[slot] = flags;
    this.bytes[slot] = bytes;
    this.readyPs[slot] = Number.POSITIVE_INFINITY;
    this.wrId[slot] = wr.wrId ?? 0;
    this.imm[slot] = wr.immData ?? wr.invalidateRkey ?? 0;
    this.rkey[slot] = wr.rkey ?? 0;
    this.remoteAddr[slot] = wr.remoteAddr === undefined ? 0 : Number(wr.remoteAddr);
    this.#pushRare(slot, wr);
    const sge = wr.sge;
    const count = sge === undefined ? 0 : sge.length;
    this.sgeCount[slot] = count;
    let at = slot * this.maxSge;
    for (let i = 0; i < count; i++, at++) {
      const piece = (sge as readonly Sge[])[i];
      this.sgeAddr[at] = piece.addr;
      this.sgeLength[at] = piece.length;
      this.sgeKey[at] = piece.lkey;
    }
    return slot;
  }

  #pushRare(slot: number, wr: SendWorkRequest): void {
    if (wr.compareAdd !== undefined) this.compareAdd[slot] = BigInt.asUintN(64, BigInt(wr.compareAdd));
    if (wr.swap !== undefined) this.swap[slot] = BigInt.asUintN(64, BigInt(wr.swap));
    if (wr.bindMw !== undefined) this.bind[slot] = wr.bindMw;
    if (wr.ah !== undefined) {
      this.av[slot] = wr.ah;
      this.remoteQpn[slot] = wr.remoteQpn ?? 0;
      this.remoteQkey[slot] = wr.remoteQkey ?? 0;
    }
  }

  /** Forgets everything, as RESET does. */
  reset(): void {
    this.head = 0;
    this.next = 0;
    this.started = 0;
    this.acked = 0;
    this.freed = 0;
  }
}

/** The receive queue of a queue pair, or a shared one. */
export class ReceiveQueue {
  readonly capacity: number;
  readonly maxSge: number;
  readonly sgeCount: Uint8Array;
  readonly bytes: Float64Array;
  readonly sgeAddr: Float64Array;
  readonly sgeLength: Float64Array;
  readonly sgeKey: Int32Array;
  readonly readyPs: Float64Array;
  readonly wrId: U64[] = [];
  /** Entries waiting to be taken. */
  available = 0;
  readonly #order: Int32Array;
  readonly #free: Int32Array;
  #freeCount: number;
  #head = 0;
  #tail = 0;

  constructor(capacity: number, maxSge: number) {
    this.capacity = capacity;
    this.maxSge = maxSge;
    this.sgeCount = new Uint8Array(capacity);
    this.bytes = new Float64Array(capacity);
    this.sgeAddr = new Float64Array(capacity * maxSge);
    this.sgeLength = new Float64Array(capacity * maxSge);
    this.sgeKey = new Int32Array(capacity * maxSge);
    this.readyPs = new Float64Array(capacity);
    this.#order = new Int32Array(capacity);
    this.#free = new Int32Array(capacity);
    this.#freeCount = capacity;
    for (let i = 0; i < capacity; i++) {
      this.#free[i] = capacity - 1 - i;
      this.wrId.push(0);
    }
  }

  /** Entries that can be posted now. */
  get room(): number {
    return this.#freeCount;
  }

  /** Writes an entry that the adapter can take from `readyPs` on. The caller has checked room and count of elements. */
  push(wr: RecvWorkRequest, readyPs: Ps): void {
    const slot = this.#free[--this.#freeCount];
    const sge = wr.sge;
    const count = sge === undefined ? 0 : sge.length;
    let at = slot * this.maxSge;
    let bytes = 0;
    for (let i = 0; i < count; i++, at++) {
      const piece = (sge as readonly Sge[])[i];
      this.sgeAddr[at] = piece.addr;
      this.sgeLength[at] = piece.length;
      this.sgeKey[at] = piece.lkey;
      bytes += piece.length;
    }
    this.sgeCount[slot] = count;
    this.bytes[slot] = bytes;
    this.wrId[slot] = wr.wrId ?? 0;
    this.readyPs[slot] = readyPs;
    this.#order[this.#head] = slot;
    this.#head = this.#head + 1 === this.capacity ? 0 : this.#head + 1;
    this.available++;
  }

  /** The slot of the entry written last. */
  get lastSlot(): number {
    return this.#order[(this.#head === 0 ? this.capacity : this.#head) - 1];
  }

  /** Takes the oldest entry if the adapter knows it by `nowPs`; −1 if there is none. */
  take(nowPs: Ps): number {
    if (this.available === 0) return -1;
    const slot = this.#order[this.#tail];
    if (this.readyPs[slot] > nowPs) return -1;
    this.#tail = this.#tail + 1 === this.capacity ? 0 : this.#tail + 1;
    this.available--;
    return slot;
  }

  /** Gives an entry's room back. */
  release(slot: number): void {
    this.#free[this.#freeCount++] = slot;
  }

  /** Forgets what waits, as RESET does. Entries taken and not given back stay so. */
  clear(): void {
    for (let slot = this.take(Number.POSITIVE_INFINITY); slot >= 0; slot = this.take(Number.POSITIVE_INFINITY))
      this.release(slot);
  }
}
