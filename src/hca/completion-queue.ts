/**
 * Completion queues: a ring of completion queue entries, arming, and the moderation of events.
 *
 * An entry is made when the adapter decides on it and is visible to pollers a little later, at its `visiblePs`. Entries become visible in their order.
 */
import type { Ps } from '../sim/index.ts';
import type { QpContext } from './queue-pair.ts';
import type { U64, WorkCompletion } from './types.ts';
import type { ReceiveQueue, SendQueue } from './work-queue.ts';

/** What is armed. */
export const ARMED_NO = 0;
export const ARMED_SOLICITED = 1;
export const ARMED_NEXT = 2;

/** An entry being made: one per adapter, filled anew for each. */
export class CompletionDraft {
  wrId: U64 = 0;
  status = 0;
  opcode = 0;
  byteLen = 0;
  immData = 0;
  invalidatedRkey = 0;
  srcQp = 0;
  wcFlags = 0;
  pkeyIndex = 0;
  slid = 0;
  sl = 0;
  dlidPathBits = 0;
  /** Of a send: entries of the send queue up to and with this one. Of a receive: the slot. */
  release = 0;
  sendQueue: SendQueue | null = null;
  receiveQueue: ReceiveQueue | null = null;
  solicited = false;
  /** For the trace. */
  message = 0;

  /** Everything to nothing. */
  clear(): void {
    this.status = 0;
    this.byteLen = 0;
    this.immData = 0;
    this.invalidatedRkey = 0;
    this.srcQp = 0;
    this.wcFlags = 0;
    this.pkeyIndex = 0;
    this.slid = 0;
    this.sl = 0;
    this.dlidPathBits = 0;
    this.release = 0;
    this.sendQueue = null;
    this.receiveQueue = null;
    this.solicited = false;
    this.message = 0;
  }
}

const NUMBERS = 15;
const N_STATUS = 0;
const N_OPCODE = 1;
/** Up to 2^31: read as unsigned. */
const N_BYTES = 2;
const N_IMM = 3;
const N_INVALIDATED = 4;
const N_QPN = 5;
const N_SRC_QP = 6;
const N_FLAGS = 7;
const N_PKEY = 8;
const N_SLID = 9;
const N_SL = 10;
const N_PATH_BITS = 11;
const N_RELEASE = 12;
const N_GENERATION = 13;
const N_SOLICITED = 14;

export class CqContext {
  /** 1 …, unique on the adapter. */
  readonly number: number;
  /** Entries that fit. */
  capacity: number;
  /** Queue pairs and queues that complete here; it cannot go before them. */
  users = 0;
  /** An entry found no room: nothing more is written, as on hardware. */
  overrun = false;
  /** `ARMED_*`. */
  armed = ARMED_NO;
  armedAtPs = 0.5;
  /** Visible time of the entry made last. */
  lastVisiblePs = 0.5;
  moderationCount = 1;
  moderationPeriodPs = 0.5;
  /** Entries since the last event, for moderation. */
  sinceEvent = 0;
  /** When the moderation period under way ends; Infinity if none is. */
  moderationEndPs = 0.5;
  /** Called for each entry that is made, with the time from which it is visible: whoever polls in a loop waits for this. */
  onEntry: ((visiblePs: Ps) => void) | null = null;
  /** Called when an armed queue generates its completion event: the event reaches the host at `atPs`. */
  onEvent: ((atPs: Ps) => void) | null = null;

  #mask: number;
  #head = 0;
  #tail = 0;
  #numbers: Int32Array;
  #visiblePs: Float64Array;
  #wrId: U64[] = [];
  #qp: (QpContext | null)[] = [];
  #sendQueue: (SendQueue | null)[] = [];
  #receiveQueue: (ReceiveQueue | null)[] = [];

  constructor(number: number, capacity: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(capacity, 2)));
    this.number = number;
    this.capacity = capacity;
    this.#mask = size - 1;
    this.#numbers = new Int32Array(size * NUMBERS);
    this.#visiblePs = new Float64Array(size);
    this.armedAtPs = 0;
    this.lastVisiblePs = 0;
    this.moderationPeriodPs = 0;
    this.moderationEndPs = Number.POSITIVE_INFINITY;
  }

  /** Entries made and not polled, visible or not. */
  get count(): number {
    return this.#head - this.#tail;
  }

  /** Visible time of the oldest entry not polled; Infinity if there is none. */
  nextVisiblePs(): Ps {
    this.#skipStale();
    return this.#head === this.#tail ? Number.POSITIVE_INFINITY : this.#visiblePs[this.#tail & this.#mask];
  }

  /** @internal Adds an entry, visible at `visiblePs` or with the entry before it, whichever is later. False when there is no room. */
  push(draft: CompletionDraft, qp: QpContext, visiblePs: Ps): boolean {
    if (this.overrun) return true;
    if (this.count === this.capacity) {
      this.overrun = true;
      return false;
    }
    const slot = this.#head++ & this.#mask;
    const numbers = this.#numbers;
    const at = slot * NUMBERS;
    numbers[at + N_STATUS] = draft.status;
    numbers[at + N_OPCODE] = draft.opcode;
    numbers[at + N_BYTES] = draft.byteLen;
    numbers[at + N_IMM] = draft.immData;
    numbers[at + N_INVALIDATED] = draft.invalidatedRkey;
    numbers[at + N_QPN] = qp.qpn;
    numbers[at + N_SRC_QP] = draft.srcQp;
    numbers[at + N_FLAGS] = draft.wcFlags;
    numbers[at + N_PKEY] = draft.pkeyIndex;
    numbers[at + N_SLID] = draft.slid;
    numbers[at + N_SL] = draft.sl;
    numbers[at + N_PATH_BITS] = draft.dlidPathBits;
    numbers[at + N_RELEASE] = draft.release;
    numbers[at + N_GENERATION] = qp.generation;
    numbers[at + N_SOLICITED] = draft.solicited || draft.status !== 0 ? 1 : 0;
    this.#wrId[slot] = draft.wrId;
    this.#qp[slot] = qp;
    this.#sendQueue[slot] = draft.sendQueue;
    this.#receiveQueue[slot] = draft.receiveQueue;
    if (visiblePs > this.lastVisiblePs) this.lastVisiblePs = visiblePs;
    this.#visiblePs[slot] = this.lastVisiblePs;
    return true;
  }

  /** Takes up to `max` completions that are visible at `nowPs`, and frees their work queue entries. */
  poll(max: number, nowPs: Ps): WorkCompletion[] {
    const taken: WorkCompletion[] = [];
    while (taken.length < max) {
      this.#skipStale();
      if (this.#head === this.#tail) break;
      const slot = this.#tail & this.#mask;
      if (this.#visiblePs[slot] > nowPs) break;
      this.#tail++;
      taken.push(this.#take(slot));
    }
    return taken;
  }

  /**
   * Asks for an event at the next entry (or the next solicited or failed one) that becomes visible after `atPs`. An entry already made counts if it is
   * not visible by then.
   */
  arm(solicitedOnly: boolean, atPs: Ps): void {
    this.armed = solicitedOnly && this.armed !== ARMED_NEXT ? ARMED_SOLICITED : ARMED_NEXT;
    this.armedAtPs = atPs;
    for (let i = this.#tail; i < this.#head; i++) {
      const slot = i & this.#mask;
      if (this.#visiblePs[slot] <= atPs) continue;
      if (this.armed === ARMED_SOLICITED && this.#numbers[slot * NUMBERS + N_SOLICITED] === 0) continue;
      this.armed = ARMED_NO;
      this.sinceEvent = 0;
      this.moderationEndPs = Number.POSITIVE_INFINITY;
      this.onEvent?.(this.#visiblePs[slot]);
      return;
    }
  }

  /** Changes the room to `capacity` entries; false if more are waiting. */
  resize(capacity: number): boolean {
    if (capacity < this.count) return false;
    const moved = new CqContext(this.number, capacity);
    const waiting = this.#head - this.#tail;
    for (let i = 0; i < waiting; i++) {
      const from = (this.#tail + i) & this.#mask;
      moved.#numbers.set(this.#numbers.subarray(from * NUMBERS, from * NUMBERS + NUMBERS), i * NUMBERS);
      moved.#visiblePs[i] = this.#visiblePs[from];
      moved.#wrId[i] = this.#wrId[from];
      moved.#qp[i] = this.#qp[from];
      moved.#sendQueue[i] = this.#sendQueue[from];
      moved.#receiveQueue[i] = this.#receiveQueue[from];
    }
    this.capacity = capacity;
    this.#mask = moved.#mask;
    this.#numbers = moved.#numbers;
    this.#visiblePs = moved.#visiblePs;
    this.#wrId = moved.#wrId;
    this.#qp = moved.#qp;
    this.#sendQueue = moved.#sendQueue;
    this.#receiveQueue = moved.#receiveQueue;
    this.#tail = 0;
    this.#head = waiting;
    return true;
  }

  /** Entries of a queue pair that has been reset or destroyed since are dropped, as the drivers do ("clean CQ"). */
  #skipStale(): void {
    while (this.#head !== this.#tail) {
      const slot = this.#tail & this.#mask;
      if ((this.#qp[slot] as QpContext).generation === this.#numbers[slot * NUMBERS + N_GENERATION]) return;
      this.#receiveQueue[slot]?.release(this.#numbers[slot * NUMBERS + N_RELEASE]);
      this.#tail++;
    }
  }

  #take(slot: number): WorkCompletion {
    const numbers = this.#numbers;
    const at = slot * NUMBERS;
    const release = numbers[at + N_RELEASE];
    const sendQueue = this.#sendQueue[slot];
    if (sendQueue !== null) sendQueue.freed = release;
    else this.#receiveQueue[slot]?.release(release);
    return {
      wrId: this.#wrId[slot],
      status: numbers[at + N_STATUS],
      opcode: numbers[at + N_OPCODE],
      vendorErr: 0,
      byteLen: numbers[at + N_BYTES] >>> 0,
      immData: numbers[at + N_IMM] >>> 0,
      invalidatedRkey: numbers[at + N_INVALIDATED] >>> 0,
      qpNum: numbers[at + N_QPN],
      srcQp: numbers[at + N_SRC_QP],
      wcFlags: numbers[at + N_FLAGS],
      pkeyIndex: numbers[at + N_PKEY],
      slid: numbers[at + N_SLID],
      sl: numbers[at + N_SL],
      dlidPathBits: numbers[at + N_PATH_BITS],
      completionTs: this.#visiblePs[slot],
    };
  }
}
