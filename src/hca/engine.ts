/**
 * The engine: what all parts of an adapter share, its events, and the scheduler of its transmit side.
 *
 * About one event a transmitted packet and one a received packet. The transmit engine serves the queue pairs that have work in turn, a packet at a time; after a packet it is
 * busy for the packet's gap, or until the host bus can begin to read the next payload. Acknowledges do not pass it: they go out when they are decided on.
 * Files `requester.ts`, `responder.ts`, `completer.ts`, `datagram.ts`, `finish.ts` hold what is done with a packet; they are functions over an `Engine`.
 */
import type { PayloadPool, RecordBatch } from '../fabric/index.ts';
import { RECORD_TX_FREED, RECORD_WORDS, recordFlags, recordWireBytes, W_LENGTH, W_PORT, W_SLOT } from '../fabric/index.ts';
import { type EventHandler, type EventLoop, InvariantError, type Ps } from '../sim/index.ts';
import { retryTimer, rnrTimer } from './completer.ts';
import { CompletionDraft, type CqContext } from './completion-queue.ts';
import { QPS_ERR, QPS_RTS, QPS_SQD, QPS_SQE } from './constants.ts';
import { ContextCache } from './context-cache.ts';
import {
  BLOCKED,
  EV_DOORBELL,
  EV_FREED,
  EV_MODERATION,
  EV_RECEIVE,
  EV_RNR,
  EV_TIMER,
  EV_TRANSMIT,
  FIRST_QPN,
  NOTHING,
  SENT,
} from './events.ts';
import { flushSends, moderationTimer } from './finish.ts';
import { KeyTable, type NodeMemory } from './memory.ts';
import { PortState } from './port.ts';
import { bytesPs, type HcaProfile } from './profile.ts';
import type { QpContext } from './queue-pair.ts';
import { receivePacket } from './receive.ts';
import { mayStart, sendRequest } from './requester.ts';
import { ackTimer, sendResponse } from './respond.ts';
import type { AsyncEvent, EngineParts, HcaConfig, HcaCounters, HcaTrace } from './types.ts';

export class Engine implements EventHandler {
  readonly loop: EventLoop;
  readonly config: HcaConfig;
  readonly profile: HcaProfile;
  readonly memory: NodeMemory;
  readonly outbox: RecordBatch;
  readonly pool: PayloadPool;
  readonly arena: number;
  readonly trace: HcaTrace | null;
  readonly ports: readonly PortState[];
  readonly keys: KeyTable;
  readonly cache: ContextCache;
  readonly draft = new CompletionDraft();
  readonly handler: number;
  /** Queue pairs by number − FIRST_QPN; null where destroyed. */
  readonly qps: (QpContext | null)[] = [];
  readonly cqs = new Map<number, CqContext>();
  readonly counters: HcaCounters = {
    packetsSent: 0,
    packetsReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    acksSent: 0,
    naksSent: 0,
    rnrNaksSent: 0,
    retries: 0,
    timeouts: 0,
    duplicates: 0,
    outOfSequence: 0,
    badCrcDropped: 0,
    pkeyViolations: 0,
    qkeyViolations: 0,
    dropped: 0,
    contextMisses: 0,
  };
  onAsyncEvent: ((event: AsyncEvent) => void) | null = null;
  /** From then on nobody posts any more: the node's program has returned. */
  abandonedPs: Ps = Number.POSITIVE_INFINITY;
  // When each shared part is free again.
  engineFreePs = 0.5;
  hostReadFreePs = 0.5;
  /** When the message read last can read its next packet. */
  messageReadFreePs = 0.5;
  hostWriteFreePs = 0.5;
  rxFreePs = 0.5;
  atomicFreePs = 0.5;

  /** Numbers of outgoing packets; unique on the node, since the adapter's index is in the top bits. */
  packetNumber = 0;

  /** Incoming records wait here for their receive pipeline time. */
  rxWords = new Int32Array(64 * RECORD_WORDS);
  readonly #rxFree: number[] = [];

  #first: QpContext | null = null;
  #last: QpContext | null = null;
  #transmitPending = false;
  #stepping = false;
  /** The message begun last found the host bus idle. */
  #readsSingly = false;

  constructor(parts: EngineParts) {
    this.loop = parts.loop;
    this.config = parts.config;
    this.profile = parts.config.profile;
    this.memory = parts.memory;
    this.outbox = parts.outbox;
    this.pool = parts.pool;
    this.arena = parts.arena;
    this.trace = parts.trace ?? null;
    this.ports = parts.config.ports.map((port, i) => new PortState(port, i, this.profile.txBufferBytes));
    this.keys = new KeyTable(this.profile.maxMr);
    this.cache = new ContextCache(this.profile.contextCacheEntries, this.profile.contextMissPs);
    this.handler = parts.loop.register(parts.entity, this);
    for (let i = 63; i >= 0; i--) this.#rxFree.push(i * RECORD_WORDS);
    this.engineFreePs = 0;
    this.hostReadFreePs = 0;
    this.messageReadFreePs = 0;
    this.hostWriteFreePs = 0;
    this.rxFreePs = 0;
    this.atomicFreePs = 0;
  }

  /** The queue pair of a number, with the life `generation` or any (−1); null if it is gone. */
  qp(qpn: number, generation = -1): QpContext | null {
    const qp = qpn < FIRST_QPN ? this.#gsi(qpn) : this.qps[qpn - FIRST_QPN];
    return qp === undefined || qp === null || (generation >= 0 && qp.generation !== generation) ? null : qp;
  }

  /** Events of QP1 carry −1 − port index in place of the number. */
  #gsi(code: number): QpContext | null {
    return code < 0 ? this.ports[-1 - code].gsi : null;
  }

  /** What names a queue pair in an event. */
  eventName(qp: QpContext): number {
    return qp.qpn < FIRST_QPN ? -1 - qp.port : qp.qpn;
  }

  /** @internal */
  onEvent(kind: number, a: number, b: number): void {
    const now = this.loop.nowPs;
    if (kind === EV_RECEIVE) {
      receivePacket(this, a, now);
      this.freeRx(a);
      return;
    }
    if (kind === EV_TRANSMIT) {
      this.#transmitPending = false;
      this.#step(now);
      return;
    }
    if (kind === EV_FREED) {
      this.#unblock(a, b, now);
      return;
    }
    if (kind === EV_MODERATION) {
      moderationTimer(this, a, now);
      return;
    }
    const qp = this.qp(a, b);
    if (qp === null) return;
    if (kind === EV_DOORBELL) this.#doorbell(qp, now);
    else if (kind === EV_TIMER) retryTimer(this, qp, now);
    else if (kind === EV_RNR) rnrTimer(this, qp, now);
    else ackTimer(this, qp, now);
  }

  // ---- records from the fabric

  /** Takes a record of one of this adapter's ports from the fabric, ahead of its time. */
  deliver(words: Int32Array, times: Float64Array, at: number): void {
    const timePs = times[at >> 1] + this.profile.rxPipelinePs;
    const port = this.portOf(words[at + W_PORT]);
    if (recordFlags(words, at) & RECORD_TX_FREED) {
      const vl = (words[at + W_LENGTH] >>> 20) & 15;
      port.free(vl, recordWireBytes(words, at), timePs);
      this.#wakeLane(port, vl);
      return;
    }
    const slot = this.takeRx();
    const rx = this.rxWords;
    for (let i = 0; i < RECORD_WORDS; i++) rx[slot + i] = words[at + i];
    this.loop.deliver(timePs, this.#externalKey(port.index, 0), this.handler, EV_RECEIVE, slot);
  }

  portOf(hostPort: number): PortState {
    const ports = this.ports;
    for (let i = 0; i < ports.length; i++) if (ports[i].hostPort === hostPort) return ports[i];
    throw new InvariantError(
      `a record for host port ${hostPort}, which ${this.config.nodeName} ${this.config.deviceName} does not have`,
    );
  }

  /** Room for an incoming record. */
  takeRx(): number {
    const free = this.#rxFree.pop();
    if (free !== undefined) return free;
    const size = this.rxWords.length;
    const words = new Int32Array(size * 2);
    words.set(this.rxWords);
    this.rxWords = words;
    for (let at = size * 2 - RECORD_WORDS; at > size; at -= RECORD_WORDS) this.#rxFree.push(at);
    return size;
  }

  /** The record has been dealt with: its room, and its payload slot. */
  freeRx(slot: number): void {
    const payload = this.rxWords[slot + W_SLOT];
    if (payload !== 0) this.pool.release(payload - 1);
    this.#rxFree.push(slot);
  }

  /** Keys of outside events: adapter, port, and 0 for a packet or 1 + lane for freed room. */
  #externalKey(portIndex: number, what: number): number {
    return (this.config.index * 256 + portIndex) * 32 + what;
  }

  // ---- transmit scheduling

  /** Something has changed for `qp`: if it has work it joins the round, and the engine starts if it is idle. */
  kick(qp: QpContext, now: Ps): void {
    if (qp.queued || !this.#hasWork(qp, now)) return;
    this.#enqueue(qp);
    this.#wake(now);
  }

  /** Makes sure that `qp` is looked at when time `atPs` has come. */
  lookAt(qp: QpContext, atPs: Ps): void {
    if (qp.doorbellPs <= atPs) return;
    qp.doorbellPs = atPs;
    this.loop.schedule(atPs, this.handler, EV_DOORBELL, this.eventName(qp), qp.generation);
  }

  #doorbell(qp: QpContext, now: Ps): void {
    if (qp.doorbellPs > now) return;
    qp.doorbellPs = Number.POSITIVE_INFINITY;
    if (qp.state === QPS_ERR || qp.state === QPS_SQE) flushSends(this, qp, now);
    else this.kick(qp, now);
  }

  #wake(now: Ps): void {
    if (this.#transmitPending || this.#stepping || this.#first === null) return;
    if (now >= this.engineFreePs) this.#step(now);
    else {
      this.#transmitPending = true;
      this.loop.schedule(this.engineFreePs, this.handler, EV_TRANSMIT);
    }
  }

  /** Serves queue pairs in turn until one packet is sent; then the engine is busy until `engineFreePs`. */
  #step(now: Ps): void {
    this.#stepping = true;
    let sent = false;
    while (!sent && this.#first !== null) {
      const qp = this.#dequeue();
      const outcome = this.#serve(qp, now);
      if (outcome === BLOCKED) continue;
      sent = outcome === SENT;
      const at = sent && this.engineFreePs > now ? this.engineFreePs : now;
      if (this.#hasWork(qp, at)) this.#enqueue(qp);
    }
    this.#stepping = false;
    if (this.#first !== null) this.#wakeLater(now);
  }

  #wakeLater(now: Ps): void {
    this.#transmitPending = true;
    this.loop.schedule(this.engineFreePs > now ? this.engineFreePs : now, this.handler, EV_TRANSMIT);
  }

  #serve(qp: QpContext, now: Ps): number {
    if ((qp.ackPending !== -1 && !qp.ackEventPending) || qp.resources.queueCount !== 0) return sendResponse(this, qp, now);
    return this.#hasWork(qp, now) ? sendRequest(this, qp, now) : NOTHING;
  }

  /** Whether there is something to send at `at`. If there will be later, and only time is missing, sees to it that it is looked at then. */
  #hasWork(qp: QpContext, at: Ps): boolean {
    const resources = qp.resources;
    if (resources.queueCount !== 0) {
      const readyPs = resources.readyPs[resources.queue[resources.queueHead]];
      if (readyPs <= at) return true;
      this.lookAt(qp, readyPs);
      return false;
    }
    if (qp.ackPending !== -1 && !qp.ackEventPending) return true;
    const sq = qp.sq;
    if (sq.next === sq.head || qp.rnrWaiting) return false;
    if (qp.state !== QPS_RTS && !(qp.state === QPS_SQD && (qp.sentPackets !== 0 || sq.next < sq.started))) return false;
    let readyPs = sq.readyPs[sq.next & sq.mask];
    if (qp.nextSendPs > readyPs) readyPs = qp.nextSendPs;
    if (readyPs > at) {
      if (readyPs !== Number.POSITIVE_INFINITY) this.lookAt(qp, readyPs);
      return false;
    }
    return qp.sentPackets !== 0 || mayStart(qp);
  }

  #enqueue(qp: QpContext): void {
    qp.queued = true;
    qp.nextQueued = null;
    if (this.#last === null) this.#first = qp;
    else this.#last.nextQueued = qp;
    this.#last = qp;
  }

  #dequeue(): QpContext {
    const qp = this.#first as QpContext;
    this.#first = qp.nextQueued;
    if (this.#first === null) this.#last = null;
    qp.nextQueued = null;
    qp.queued = false;
    return qp;
  }

  /** Takes a queue pair out of the round, when it is reset or destroyed. */
  forget(qp: QpContext): void {
    if (!qp.queued) return;
    let before: QpContext | null = null;
    for (let at = this.#first; at !== null; before = at, at = at.nextQueued) {
      if (at !== qp) continue;
      if (before === null) this.#first = qp.nextQueued;
      else before.nextQueued = qp.nextQueued;
      if (this.#last === qp) this.#last = before;
      break;
    }
    for (const port of this.ports) {
      for (const lane of port.blocked) if (lane.includes(qp)) port.blockedCount -= lane.splice(lane.indexOf(qp), 1).length;
    }
    qp.nextQueued = null;
    qp.queued = false;
    qp.blocked = false;
  }

  /** The lane's buffer is full: the queue pair waits until some room is free. */
  block(qp: QpContext, port: PortState, vl: number): void {
    qp.queued = true;
    qp.blocked = true;
    port.blocked[vl].push(qp);
    port.blockedCount++;
    this.#wakeLane(port, vl);
  }

  #wakeLane(port: PortState, vl: number): void {
    if (port.wakePending[vl] === 1 || port.blocked[vl].length === 0) return;
    const atPs = port.nextFreePs(vl);
    if (atPs === Number.POSITIVE_INFINITY) return;
    port.wakePending[vl] = 1;
    this.loop.deliver(atPs, this.#externalKey(port.index, 1 + vl), this.handler, EV_FREED, port.index, vl);
  }

  #unblock(portIndex: number, vl: number, now: Ps): void {
    const port = this.ports[portIndex];
    port.wakePending[vl] = 0;
    const waiting = port.blocked[vl];
    for (let i = 0; i < waiting.length; i++) {
      waiting[i].blocked = false;
      this.#enqueue(waiting[i]);
    }
    port.blockedCount -= waiting.length;
    waiting.length = 0;
    this.#wake(now);
  }

  // ---- host bus

  /**
   * Begins to read `bytes` of payload, from `offset` of a message on, at `now` or when the bus is free, with `psPerByte` of the bus's time. Returns when they
   * are in the adapter.
   */
  hostRead(now: Ps, bytes: number, offset: number, psPerByte: number): Ps {
    const { messageReadPsPerByte, readAheadBytes, hostReadGapPs, hostReadLatencyPs } = this.profile;
    if (offset === 0) this.#readsSingly = now > this.hostReadFreePs;
    const start = this.hostReadFreePs > now ? this.hostReadFreePs : now;
    const singly = this.#readsSingly && offset < readAheadBytes && messageReadPsPerByte > psPerByte;
    const streamEnd = start + bytesPs(bytes, psPerByte);
    const end = singly ? start + bytesPs(bytes, messageReadPsPerByte) : streamEnd;
    this.hostReadFreePs = streamEnd + hostReadGapPs;
    this.messageReadFreePs = end + hostReadGapPs;
    return end + hostReadLatencyPs;
  }

  /** Writes `bytes` of payload from `atPs` on or when the bus is free; returns when they are visible in memory. */
  hostWrite(atPs: Ps, bytes: number): Ps {
    const start = this.hostWriteFreePs > atPs ? this.hostWriteFreePs : atPs;
    this.hostWriteFreePs = start + bytesPs(bytes, this.profile.hostWritePsPerByte);
    return this.hostWriteFreePs + this.profile.hostWriteLatencyPs;
  }

  /** The transmit engine is busy for `gapPs`, and until the host bus can begin another read. */
  occupy(now: Ps, gapPs: number, read: boolean): void {
    let free = now + gapPs;
    if (read && this.hostReadFreePs > free) free = this.hostReadFreePs;
    this.engineFreePs = free;
  }

  /** Raises an asynchronous event. */
  raise(type: number, element: object | null, portNum: number, atPs: Ps): void {
    this.onAsyncEvent?.({ type, element, portNum, atPs: atPs + this.profile.hostWriteLatencyPs });
  }
}
