/**
 * A queue pair's context: everything an adapter knows of it. Plain mutable state; the requester, responder and completer work on it.
 *
 * Fields that hold times or sizes begin with a fraction, so that V8 keeps them as unboxed doubles from the start; `reset` sets them right.
 */
import type { Ps } from '../sim/index.ts';
import type { CqContext } from './completion-queue.ts';
import { QPS_RESET } from './constants.ts';
import type { MemoryKey } from './memory.ts';
import type { SrqContext } from './shared-receive-queue.ts';
import type { AddressVector, QpCapabilities } from './types.ts';
import { ReceiveQueue, SendQueue } from './work-queue.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** READ and atomic requests that a responder remembers, to answer them and to answer their duplicates. */
export class ResponderResources {
  readonly size: number;
  readonly isAtomic: Uint8Array;
  readonly firstPsn: Int32Array;
  readonly packets: Int32Array;
  readonly msn: Int32Array;
  readonly rkey: Int32Array;
  readonly addr: Float64Array;
  readonly bytes: Float64Array;
  readonly original: BigUint64Array;
  /** Packets of the answer that have been sent, or that a duplicate did not ask for. */
  readonly sent: Int32Array;
  /** The packet with which the answer under way began. */
  readonly first: Int32Array;
  /** What names the request's packet in a trace. */
  readonly slid: Int32Array;
  readonly number: Int32Array;
  /** 1 while the answer is in the queue or being sent. */
  readonly queued: Uint8Array;
  readonly readyPs: Float64Array;
  /** 1 once the whole answer has been sent: whatever is sent from then on answers duplicates. */
  readonly answered: Uint8Array;
  /** Requests remembered so far; the slot of the next is `count % size`. */
  count = 0;
  /** Slots to answer, in order. */
  readonly queue: Int32Array;
  queueHead = 0;
  queueCount = 0;

  constructor(size: number) {
    this.size = size;
    this.isAtomic = new Uint8Array(size);
    this.firstPsn = new Int32Array(size);
    this.packets = new Int32Array(size);
    this.msn = new Int32Array(size);
    this.rkey = new Int32Array(size);
    this.addr = new Float64Array(size);
    this.bytes = new Float64Array(size);
    this.original = new BigUint64Array(size);
    this.sent = new Int32Array(size);
    this.first = new Int32Array(size);
    this.slid = new Int32Array(size);
    this.number = new Int32Array(size);
    this.queued = new Uint8Array(size);
    this.readyPs = new Float64Array(size);
    this.answered = new Uint8Array(size);
    this.queue = new Int32Array(Math.max(size, 1));
  }

  /** Puts a slot at the end of the queue of answers. */
  enqueue(slot: number): void {
    this.queued[slot] = 1;
    this.queue[(this.queueHead + this.queueCount) % this.size] = slot;
    this.queueCount++;
  }

  /** The first in the queue has been answered. */
  dequeue(): void {
    const slot = this.queue[this.queueHead];
    this.queued[slot] = 0;
    this.answered[slot] = 1;
    this.queueHead = (this.queueHead + 1) % this.size;
    this.queueCount--;
  }

  /** Takes a slot out of the queue wherever it stands. */
  cancel(slot: number): void {
    const waiting = Array.from({ length: this.queueCount }, (_, i) => this.queue[(this.queueHead + i) % this.size]);
    this.queueHead = 0;
    this.queueCount = 0;
    this.queued[slot] = 0;
    for (const other of waiting) if (other !== slot) this.enqueue(other);
  }
}

/** How a queue pair is made. */
export interface QpOptions {
  /** `QPT_*`. */
  readonly type: number;
  readonly pd: number;
  readonly sendCq: CqContext;
  readonly recvCq: CqContext;
  readonly srq: SrqContext | null;
  readonly cap: QpCapabilities;
  /** Every send work request is signalled. */
  readonly sqSigAll: boolean;
  /** For QP1: the port it belongs to. */
  readonly gsiPort?: number | undefined;
  /** Of a virtual function: what its posts and its accesses to memory take on top, and its GIDs by port. */
  readonly virtual?: { readonly transmitPs: Ps; readonly receivePs: Ps; readonly gids: readonly Uint8Array[] } | undefined;
}

export class QpContext {
  readonly qpn: number;
  readonly type: number;
  readonly pd: number;
  readonly sendCq: CqContext;
  readonly recvCq: CqContext;
  readonly srq: SrqContext | null;
  readonly cap: QpCapabilities;
  readonly sqSigAll: boolean;
  /** Counts resets and destruction: events and completions of an earlier life are void. */
  generation = 0;
  /** From then on its program posts no more; see `Hca.abandon`. Infinity, but not as a field's first value, which would make it no double. */
  abandonedPs = 0.5;

  /** Of a virtual function's queue pair; 0 and null of the physical function's. */
  readonly vfTransmitPs: Ps;
  readonly vfReceivePs: Ps;
  readonly gids: readonly Uint8Array[] | null;

  // Attributes (`modifyQp`).
  state = QPS_RESET;
  /** Index into the adapter's ports. */
  port = 0;
  pkeyIndex = 0;
  qkey = 0;
  accessFlags = 0;
  av: AddressVector | null = null;
  mtuBytes = 256;
  mtuCode = 1;
  destQpn = 0;
  rqPsn = 0;
  sqPsn = 0;
  maxRdAtomic = 0;
  maxDestRdAtomic = 0;
  minRnrTimer = 0;
  timeout = 0;
  /** The same as the retry timer runs: 4.096 µs × 2^timeout × the profile's factor. */
  timeoutPs = 0.5;
  retryCnt = 0;
  rnrRetry = 0;
  pathMigState = 0;
  sqDrainNotify = false;

  sq: SendQueue;
  rq: ReceiveQueue;

  // Transmit scheduling.
  /** In the round of queue pairs with work, or about to be: in the list of its port and lane that waits for buffer room. */
  queued = false;
  /** In such a list. */
  blocked = false;
  nextQueued: QpContext | null = null;
  /** Time of the pending doorbell event; Infinity if none. */
  doorbellPs = 0.5;
  /** Not before this time may the next packet go (static rate). */
  nextSendPs = 0.5;
  lastRequestPs = 0.5;
  lastResponsePs = 0.5;

  // Requester.
  /** Packets of entry `sq.next` that have been sent. */
  sentPackets = 0;
  /** PSN of the next new message. */
  nextPsn = 0;
  /** Oldest PSN not acknowledged. */
  unackedPsn = 0;
  /** READ and atomic requests outstanding. */
  rdAtomicOutstanding = 0;
  sinceAckRequest = 0;
  retriesLeft = 0;
  rnrRetriesLeft = 0;
  /** The receiver was not ready: nothing is sent before the RNR event. */
  rnrWaiting = false;
  /** Entry `sq.next` was found bad: it waits for those before it to end. */
  mustDrain = false;
  /** A missing response has been asked for again; nothing has come since. */
  askedAgain = false;
  /** Messages begun, modulo 2^24: the number that the responder's MSN will reach with the last of them. */
  ssn = 0;
  /** Last message that the peer's credits cover; messages that take no receive entry there raise it as they begin. */
  creditLimit = 0;
  /** The peer gives no credits: no limit. */
  unlimitedCredits = true;
  /** When the retry timer runs out; Infinity while nothing is outstanding. */
  deadlinePs = 0.5;
  /** Time of the pending timer event; Infinity if none. */
  timerPs = 0.5;

  // Responder.
  expectedPsn = 0;
  msn = 0;
  /** `SEQUENCE_*` after the last packet. */
  place = 0;
  /** A NAK is out, and nothing but the expected PSN will do. */
  nakSent = false;
  communicationEstablished = false;
  /** Receive entry in use by the message under way, −1 for none, and the bytes put there. */
  recvSlot = -1;
  recvBytes = 0.5;
  /** When the payload written so far is visible. */
  payloadPs = 0.5;
  /** WRITE under way: where, how many bytes are still to come, how many have come. */
  writeKey: MemoryKey | null = null;
  writeRkey = 0;
  writeAddr = 0.5;
  writeLeft = 0.5;
  writeBytes = 0.5;
  resources: ResponderResources;
  /** An acknowledge is to be sent: the syndrome of a NAK or RNR NAK, `PENDING_ACK` for an ACK, −1 for none; and its PSN. */
  ackPending = -1;
  ackPsn = 0;
  lastAckPs = 0.5;
  ackEventPending = false;

  // Context cache.
  cached = false;
  newer: QpContext | null = null;
  older: QpContext | null = null;

  constructor(qpn: number, options: QpOptions) {
    this.abandonedPs = Number.POSITIVE_INFINITY;
    this.vfTransmitPs = options.virtual?.transmitPs ?? 0;
    this.vfReceivePs = options.virtual?.receivePs ?? 0;
    this.gids = options.virtual?.gids ?? null;
    this.qpn = qpn;
    this.type = options.type;
    this.pd = options.pd;
    this.sendCq = options.sendCq;
    this.recvCq = options.recvCq;
    this.srq = options.srq;
    this.cap = options.cap;
    this.sqSigAll = options.sqSigAll;
    this.sq = new SendQueue(options.cap.maxSendWr, options.cap.maxSendSge, options.cap.maxInlineData);
    this.rq = options.srq?.queue ?? new ReceiveQueue(options.cap.maxRecvWr, options.cap.maxRecvSge);
    this.resources = new ResponderResources(0);
    this.#clear();
  }

  /** Back to the beginning, attributes and queues. Completions and events of before are void. */
  reset(): void {
    this.generation++;
    // A message under way held an entry of the shared queue.
    if (this.srq !== null && this.recvSlot >= 0) this.rq.release(this.recvSlot);
    this.state = QPS_RESET;
    this.sq = new SendQueue(this.cap.maxSendWr, this.cap.maxSendSge, this.cap.maxInlineData);
    if (this.srq === null) this.rq = new ReceiveQueue(this.cap.maxRecvWr, this.cap.maxRecvSge);
    this.resources = new ResponderResources(0);
    this.#clear();
  }

  #clear(): void {
    this.doorbellPs = NEVER;
    this.nextSendPs = 0;
    this.lastRequestPs = 0;
    this.lastResponsePs = 0;
    this.sentPackets = 0;
    this.rdAtomicOutstanding = 0;
    this.sinceAckRequest = 0;
    this.rnrWaiting = false;
    this.mustDrain = false;
    this.askedAgain = false;
    this.ssn = 0;
    this.creditLimit = 0;
    this.unlimitedCredits = true;
    this.deadlinePs = NEVER;
    this.timerPs = NEVER;
    this.msn = 0;
    this.place = 0;
    this.nakSent = false;
    this.communicationEstablished = false;
    this.recvSlot = -1;
    this.recvBytes = 0;
    this.payloadPs = 0;
    this.writeKey = null;
    this.writeAddr = 0;
    this.writeLeft = 0;
    this.writeBytes = 0;
    this.ackPending = -1;
    this.lastAckPs = Number.NEGATIVE_INFINITY;
    this.ackEventPending = false;
    this.sqDrainNotify = false;
  }
}
