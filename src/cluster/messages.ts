/**
 * What a group of nodes and the coordinator tell each other besides packets: out-of-band messages between programs, lines of output, results.
 * None of it is per packet, so it travels as msgpackr bytes; a `MessageStream` cuts it into pieces that fit a shared buffer of any size.
 */
// Not the package's main entry: that looks for a compiled accelerator in thirty files, which pays for large volumes of text only.
import { Packr } from 'msgpackr/pack';
import type { Ps } from '../sim/index.ts';
import type { PlainError } from './solo.ts';
import type { TraceEntry } from './trace-log.ts';
import type { DomainReport } from './types.ts';

/** From a program to a program, through the simulated out-of-band network. Arrives at `arrivalPs`. */
export interface PeerMessage {
  readonly kind: 'peer';
  readonly arrivalPs: Ps;
  readonly from: number;
  readonly to: number;
  /** What the mailbox does with it: `value` goes to `recv`, the others make the barrier. */
  readonly what: 'value' | 'barrier-enter' | 'barrier-leave';
  /** msgpackr bytes of the value. */
  readonly bytes: Uint8Array;
}

/** A line that a program printed. `sequence` numbers the lines of one rank. */
export interface LineMessage {
  readonly kind: 'line';
  readonly timePs: Ps;
  readonly rank: number;
  readonly sequence: number;
  readonly text: string;
}

/** A program returned (`error` absent) or threw. */
export interface FinishedMessage {
  readonly kind: 'finished';
  readonly timePs: Ps;
  readonly rank: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** The domains of a node at a moment that all nodes sample. */
export interface DomainsMessage {
  readonly kind: 'domains';
  readonly timePs: Ps;
  readonly node: number;
  readonly domains: readonly DomainReport[];
}

/** What is asked of a group when the run is over. */
export interface GroupReport {
  readonly kind: 'report';
  /** Per node: name, HCA hash words and counters, and, for a run that stands still, what its program waits for. */
  readonly nodes: readonly NodeReport[];
  readonly events: number;
  readonly stamps: readonly TraceEntry[];
  /** Accounts of the domains of Xen hosts, by node. */
  readonly domains: readonly { readonly node: number; readonly domains: readonly DomainReport[] }[];
}

export interface NodeReport {
  readonly name: string;
  readonly hash: readonly number[];
  readonly waitingFor: readonly string[];
}

/** Something broke inside the group: the simulator, or a program that broke the rules of virtual time. */
export interface FailureMessage {
  readonly kind: 'failure';
  readonly error: PlainError;
}

export type GroupMessage = PeerMessage | LineMessage | FinishedMessage | DomainsMessage | GroupReport | FailureMessage;

const packr = new Packr({ useRecords: false, moreTypes: true, int64AsType: 'bigint' });

/** A value of a program (JSON-like, plus bigint, Uint8Array, Map, Set, Date) as bytes. */
export function packValue(value: unknown): Uint8Array {
  return Uint8Array.from(packr.pack(value));
}

/** The inverse of `packValue`. */
export function unpackValue(bytes: Uint8Array): unknown {
  return packr.unpack(bytes);
}

/** Collects messages on one side, gives them out as pieces of bytes, and puts them together again on the other. */
export class MessageStream {
  #outgoing: GroupMessage[] = [];
  #bytes: Uint8Array = new Uint8Array(0);
  #sent = 0;
  #incoming: Uint8Array[] = [];

  /** Adds a message to what is to be sent. */
  push(message: GroupMessage): void {
    this.#outgoing.push(message);
  }

  /** True while there is something to send. */
  get hasMore(): boolean {
    return this.#sent < this.#bytes.length || this.#outgoing.length > 0;
  }

  /** True if what is to be sent goes into one piece of `bytes` bytes. */
  fits(bytes: number): boolean {
    this.#pack();
    return this.#bytes.length - this.#sent <= bytes;
  }

  /** Copies the next piece into `target` and returns its length, 0 if nothing is left. */
  writeTo(target: Uint8Array): number {
    this.#pack();
    const length = Math.min(target.length, this.#bytes.length - this.#sent);
    target.set(this.#bytes.subarray(this.#sent, this.#sent + length));
    this.#sent += length;
    return length;
  }

  /** Makes bytes of what was pushed once the batch before is gone. */
  #pack(): void {
    if (this.#sent < this.#bytes.length || this.#outgoing.length === 0) return;
    this.#bytes = packValue(this.#outgoing);
    this.#outgoing = [];
    this.#sent = 0;
  }

  /** True when the last piece given out ended a batch. */
  get atEnd(): boolean {
    return this.#sent === this.#bytes.length;
  }

  /** Takes a piece; returns the batch when `last` says that it is complete. */
  read(piece: Uint8Array, last: boolean): GroupMessage[] {
    this.#incoming.push(piece.slice());
    if (!last) return [];
    const whole = Buffer.concat(this.#incoming);
    this.#incoming = [];
    return unpackValue(whole) as GroupMessage[];
  }
}
