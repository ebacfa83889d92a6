/**
 * The shared memory between the coordinator and one worker thread: a command, its limit, a batch of records each way and a piece of a message stream each way.
 * The coordinator writes, raises the command number and notifies; the worker answers by raising the done number. Both spin a little before they sleep.
 */
import { RECORD_BYTES, RecordBatch } from '../fabric/index.ts';
import { MessageStream } from './messages.ts';

/** Bytes of a message stream that one exchange can carry each way. */
const STREAM_BYTES = 1 << 20;
/**
 * Turns of a waiting loop before the thread sleeps. The most is some hundred microseconds, more than a window of other threads takes; where the other side rarely answers within the
 * budget (more threads than cores), spinning only takes the core away from it, so the budget follows what happened lately.
 */
const MOST_SPINS = 65_536;
const LEAST_SPINS = 16;

/** Indices in the control words. */
const CTL_COMMAND = 0;
const CTL_DONE = 1;
const CTL_OPERATION = 2;
const CTL_RECORDS_IN = 3;
const CTL_RECORDS_OUT = 4;
const CTL_WAITS_FOR_ROOM = 5;
const CTL_STREAM_IN = 6;
const CTL_STREAM_IN_LAST = 7;
const CTL_STREAM_OUT = 8;
const CTL_STREAM_OUT_LAST = 9;
const CTL_STREAM_OUT_MORE = 10;
/** 1 when the worker has built its nodes. */
export const CTL_READY = 11;
/** Two cells for the watchdog, see `setRunMarker` of sim. */
export const CTL_MARKER = 12;
const CTL_WORDS = 16;

/** What a command asks the worker to do. */
export const OP_RUN = 1;
/** Only takes or gives a further piece of a stream. */
export const OP_STREAM = 2;
export const OP_REPORT = 3;

/** What the worker needs to attach to the channel. */
export interface ThreadChannelShare {
  readonly control: SharedArrayBuffer;
  readonly times: SharedArrayBuffer;
  readonly recordsIn: SharedArrayBuffer;
  readonly recordsOut: SharedArrayBuffer;
  readonly streamIn: SharedArrayBuffer;
  readonly streamOut: SharedArrayBuffer;
}

export class ThreadChannel {
  readonly share: ThreadChannelShare;
  readonly control: Int32Array;
  /** [0] limit of the run, [1] the group's next event time after it. */
  readonly times: Float64Array;
  readonly recordsIn: RecordBatch;
  readonly recordsOut: RecordBatch;
  readonly stream = new MessageStream();
  #spins = MOST_SPINS;
  readonly #streamIn: Uint8Array;
  readonly #streamOut: Uint8Array;

  constructor(share: ThreadChannelShare) {
    this.share = share;
    this.control = new Int32Array(share.control);
    this.times = new Float64Array(share.times);
    this.recordsIn = new RecordBatch(0, share.recordsIn);
    this.recordsOut = new RecordBatch(0, share.recordsOut);
    this.#streamIn = new Uint8Array(share.streamIn);
    this.#streamOut = new Uint8Array(share.streamOut);
  }

  /** A new channel for a group of `nodes` nodes. */
  static create(nodes: number): ThreadChannel {
    const records = (1024 + nodes * 512) * RECORD_BYTES;
    return new ThreadChannel({
      control: new SharedArrayBuffer(CTL_WORDS * 4),
      times: new SharedArrayBuffer(16),
      recordsIn: new SharedArrayBuffer(records),
      recordsOut: new SharedArrayBuffer(records),
      streamIn: new SharedArrayBuffer(STREAM_BYTES),
      streamOut: new SharedArrayBuffer(STREAM_BYTES),
    });
  }

  /** Coordinator: gives a command; what was put into `times` and `recordsIn` before it becomes visible to the worker. */
  command(operation: number): void {
    const control = this.control;
    control[CTL_OPERATION] = operation;
    control[CTL_RECORDS_IN] = this.recordsIn.count;
    const length = this.stream.writeTo(this.#streamIn);
    control[CTL_STREAM_IN] = length;
    control[CTL_STREAM_IN_LAST] = length > 0 && this.stream.atEnd ? 1 : 0;
    this.recordsIn.clear();
    Atomics.add(control, CTL_COMMAND, 1);
    Atomics.notify(control, CTL_COMMAND);
  }

  /** True if the next command can carry everything that is to be said. */
  get fitsOneCommand(): boolean {
    return this.stream.fits(STREAM_BYTES);
  }

  /** Coordinator: waits for the answer to the last command, at most `timeoutMs` once the spinning is over. */
  awaitDone(timeoutMs: number): boolean {
    const control = this.control;
    const wanted = Atomics.load(control, CTL_COMMAND);
    if (this.#spinWhile(CTL_DONE, (wanted - 1) | 0)) return true;
    // A wake-up may be the late notice of an answer that the spinning saw already: only the number counts.
    for (;;) {
      const seen = Atomics.load(control, CTL_DONE);
      if (seen === wanted) return true;
      if (Atomics.wait(control, CTL_DONE, seen, timeoutMs) === 'timed-out') return Atomics.load(control, CTL_DONE) === wanted;
    }
  }

  /** Spins while a control word has a value; true if it changed within the budget. */
  #spinWhile(word: number, value: number): boolean {
    const control = this.control;
    for (let i = this.#spins; i > 0; i--) {
      if (Atomics.load(control, word) === value) continue;
      this.#spins = Math.min(MOST_SPINS, this.#spins * 2);
      return true;
    }
    this.#spins = Math.max(LEAST_SPINS, this.#spins >> 1);
    return false;
  }

  /** Coordinator: what the worker answered. */
  readAnswer(): { records: number; nextPs: number; waitsForRoom: boolean; piece: Uint8Array; last: boolean; more: boolean } {
    const control = this.control;
    return {
      records: control[CTL_RECORDS_OUT] as number,
      nextPs: this.times[1] as number,
      waitsForRoom: control[CTL_WAITS_FOR_ROOM] === 1,
      piece: this.#streamOut.subarray(0, control[CTL_STREAM_OUT] as number),
      last: control[CTL_STREAM_OUT_LAST] === 1,
      more: control[CTL_STREAM_OUT_MORE] === 1,
    };
  }

  /** Worker: waits for command number `last + 1` and returns what it asks for. */
  awaitCommand(last: number): { operation: number; piece: Uint8Array; last: boolean } {
    const control = this.control;
    if (!this.#spinWhile(CTL_COMMAND, last))
      while (Atomics.load(control, CTL_COMMAND) === last) Atomics.wait(control, CTL_COMMAND, last);
    this.recordsIn.count = control[CTL_RECORDS_IN] as number;
    return {
      operation: control[CTL_OPERATION] as number,
      piece: this.#streamIn.subarray(0, control[CTL_STREAM_IN] as number),
      last: control[CTL_STREAM_IN_LAST] === 1,
    };
  }

  /** Worker: answers the command. */
  answer(nextPs: number, waitsForRoom: boolean, records: number): void {
    const control = this.control;
    this.times[1] = nextPs;
    control[CTL_WAITS_FOR_ROOM] = waitsForRoom ? 1 : 0;
    control[CTL_RECORDS_OUT] = records;
    const length = this.stream.writeTo(this.#streamOut);
    control[CTL_STREAM_OUT] = length;
    control[CTL_STREAM_OUT_LAST] = length > 0 && this.stream.atEnd ? 1 : 0;
    control[CTL_STREAM_OUT_MORE] = this.stream.hasMore ? 1 : 0;
    Atomics.add(control, CTL_DONE, 1);
    Atomics.notify(control, CTL_DONE);
  }
}
