/**
 * An adapter as its node sees it: calls that make, change and take away its objects, the two posts and the doorbell, and the way in for packets.
 *
 * Calls take the time at which the caller makes them (`atPs`, the clock of a program's thread, never before the event under way). They return 0 or a Linux
 * errno; what goes wrong later is in completions and asynchronous events. Who charges the CPU for a call, and keeps children from outliving parents, is `src/verbs`.
 */
import { RECORD_WORDS, type RecordBatch } from '../fabric/index.ts';
import { assert, type EventLoop, type Ps } from '../sim/index.ts';
import { CqContext } from './completion-queue.ts';
import {
  ACCESS_LOCAL_WRITE,
  ACCESS_REMOTE_ATOMIC,
  ACCESS_REMOTE_WRITE,
  EBUSY,
  EINVAL,
  ENOENT,
  ENOMEM,
  QPN_GSI,
  QPS_INIT,
  QPS_RESET,
  QPS_RTR,
  QPT_GSI,
  SEND_INLINE,
  WR_BIND_MW,
} from './constants.ts';
import { Engine } from './engine.ts';
import { FIRST_QPN } from './events.ts';
import { HcaFunction } from './function.ts';
import { messageId } from './finish.ts';
import { ALLOWED_WR, READ_LIKE } from './entry.ts';
import type { MemoryKey, NodeMemory, RegisterOptions } from './memory.ts';
import { modifyQueuePair, resetQueuePair } from './modify.ts';
import { attach, detach, groups } from './multicast.ts';
import { copyInline } from './packet.ts';
import { bytesPs, type HcaProfile } from './profile.ts';
import { QpContext, type QpOptions } from './queue-pair.ts';
import { SrqContext } from './shared-receive-queue.ts';
import type {
  AsyncEvent,
  EngineParts,
  HcaConfig,
  HcaCounters,
  HcaTrace,
  RecvWorkRequest,
  SendWorkRequest,
  Sge,
} from './types.ts';

export class Hca {
  readonly config: HcaConfig;
  readonly profile: HcaProfile;
  readonly memory: NodeMemory;
  readonly counters: HcaCounters;
  /** The loop of the node, for events of the software above. */
  readonly loop: EventLoop;
  /** Number of the node among all nodes, for events of the software above. */
  readonly entity: number;
  /** Where stages of messages are stamped; null when nothing is traced. */
  readonly trace: HcaTrace | null;
  /** Virtual functions, as configured. */
  readonly functions: readonly HcaFunction[];
  readonly #engine: Engine;
  #onAsyncEvent: ((event: AsyncEvent) => void) | null = null;
  #nextPd = 1;
  #nextCq = 1;
  #nextSrq = 1;
  #srqs = 0;
  #qps = 0;
  #pds = 0;

  constructor(parts: EngineParts) {
    this.#engine = new Engine(parts);
    this.config = parts.config;
    this.profile = parts.config.profile;
    this.memory = parts.memory;
    this.counters = this.#engine.counters;
    this.loop = parts.loop;
    this.entity = parts.entity;
    this.trace = parts.trace ?? null;
    this.functions = (parts.config.functions ?? []).map((config, i) => new HcaFunction(this, i, config));
    // Each function's software knows its own objects; what concerns a port concerns all.
    this.#engine.onAsyncEvent = (event) => {
      this.#onAsyncEvent?.(event);
      for (const each of this.functions) each.onAsyncEvent?.(event);
    };
  }

  /** Receives the adapter's asynchronous events, each once, as it is raised; `atPs` is when the node can see it. */
  set onAsyncEvent(handler: ((event: AsyncEvent) => void) | null) {
    this.#onAsyncEvent = handler;
  }

  /**
   * The program that posted here has returned, at `atPs`. Its queue pairs finish and answer what they can by themselves. What needs a program they do as if it had been destroyed
   * with its process: a message that finds no receive entry is not answered any more, and a requester does not wait for ever for a receiver that is not ready.
   * With `only`, it is about these queue pairs, and others of the adapter have programs that go on.
   */
  abandon(atPs: Ps, only?: Iterable<QpContext>): void {
    if (only === undefined) this.#engine.abandonedPs = atPs;
    else for (const qp of only) qp.abandonedPs = atPs;
  }

  // ---- fabric side

  /** Takes the record at word `at` of a batch from the fabric; it must concern a port of this adapter. Ahead of its time. */
  deliver(batch: RecordBatch, at: number): void {
    assert(at % RECORD_WORDS === 0, 'a record begins at a multiple of its size');
    this.#engine.deliver(batch.words, batch.times, at);
  }

  /** Bytes handed to the fabric and not reported as sent. */
  bytesInFlight(): number {
    return this.#engine.ports.reduce((sum, port) => sum + port.bytesInFlight(), 0);
  }

  /** Whether a port waits for room in its transmit buffer, so that it must hear of freed room at once. */
  get waitsForRoom(): boolean {
    for (const port of this.#engine.ports) if (port.waitsForRoom) return true;
    return false;
  }

  /** Words that stand for everything the adapter did, for the hash of a run. */
  hash(): readonly number[] {
    return Object.values(this.counters);
  }

  /** Queue pair contexts that were not on chip when needed. */
  get contextMisses(): number {
    return this.#engine.cache.misses;
  }

  // ---- protection domains, memory

  /** A new protection domain's number; 0 when there are no more (ENOMEM). */
  allocPd(): number {
    if (this.#pds === this.profile.maxPd) return 0;
    this.#pds++;
    return this.#nextPd++;
  }

  deallocPd(): void {
    this.#pds--;
  }

  /** Registers memory. An errno: EINVAL for remote write or atomic access without local write, ENOMEM when there is no key left. */
  registerMemory(options: RegisterOptions): MemoryKey | number {
    if (options.access & (ACCESS_REMOTE_WRITE | ACCESS_REMOTE_ATOMIC) && (options.access & ACCESS_LOCAL_WRITE) === 0)
      return EINVAL;
    if (!Number.isSafeInteger(options.length) || options.length < 0) return EINVAL;
    return this.#engine.keys.register(options) ?? ENOMEM;
  }

  /** EBUSY while a window is bound to it. */
  deregisterMemory(region: MemoryKey): number {
    if (region.windows > 0) return EBUSY;
    this.#engine.keys.remove(region);
    return 0;
  }

  /** A memory window, not bound; ENOMEM. */
  allocMw(pd: number, type: number): MemoryKey | number {
    return this.#engine.keys.createWindow(pd, type) ?? ENOMEM;
  }

  deallocMw(window: MemoryKey): void {
    this.#engine.keys.remove(window);
  }

  /** The region or window that a key stands for now. */
  findKey(key: number): MemoryKey | null {
    return this.#engine.keys.find(key);
  }

  // ---- completion queues

  /** A completion queue of at least `cqe` entries; EINVAL or ENOMEM. */
  createCq(cqe: number): CqContext | number {
    if (!Number.isInteger(cqe) || cqe < 1 || cqe > this.profile.maxCqe) return EINVAL;
    if (this.#engine.cqs.size === this.profile.maxCq) return ENOMEM;
    const cq = new CqContext(this.#nextCq++, cqe);
    this.#engine.cqs.set(cq.number, cq);
    return cq;
  }

  /** EBUSY while a queue pair uses it. */
  destroyCq(cq: CqContext): number {
    if (cq.users > 0) return EBUSY;
    this.#engine.cqs.delete(cq.number);
    return 0;
  }

  /** EINVAL if `cqe` is out of range or more entries are waiting. */
  resizeCq(cq: CqContext, cqe: number): number {
    if (!Number.isInteger(cqe) || cqe < 1 || cqe > this.profile.maxCqe) return EINVAL;
    return cq.resize(cqe) ? 0 : EINVAL;
  }

  /** Moderation of completion events: one after `count` entries or `periodPs`. 0 or 1 entries: each. */
  modifyCq(cq: CqContext, count: number, periodPs: Ps): number {
    if (!Number.isInteger(count) || count < 0 || count > 0xffff) return EINVAL;
    cq.moderationCount = Math.max(1, count);
    cq.moderationPeriodPs = periodPs;
    return 0;
  }

  // ---- shared receive queues

  /** A shared receive queue; EINVAL or ENOMEM. */
  createSrq(pd: number, maxWr: number, maxSge: number): SrqContext | number {
    if (!(maxWr >= 1 && maxWr <= this.profile.maxSrqWr && maxSge >= 1 && maxSge <= this.profile.maxSge)) return EINVAL;
    if (this.#srqs === this.profile.maxSrq) return ENOMEM;
    this.#srqs++;
    return new SrqContext(this.#nextSrq++, pd, maxWr, maxSge);
  }

  /** Arms the limit event. */
  modifySrq(srq: SrqContext, limit: number): number {
    if (!Number.isInteger(limit) || limit < 0 || limit > srq.queue.capacity) return EINVAL;
    srq.limit = limit;
    return 0;
  }

  destroySrq(srq: SrqContext): number {
    if (srq.users > 0) return EBUSY;
    this.#srqs--;
    return 0;
  }

  /** Posts a receive to a shared queue. ENOMEM when it is full, EINVAL for too many elements. */
  postSrqRecv(srq: SrqContext, wr: RecvWorkRequest, atPs: Ps): number {
    if ((wr.sge?.length ?? 0) > srq.queue.maxSge) return EINVAL;
    if (srq.queue.room === 0) return ENOMEM;
    srq.queue.push(wr, atPs);
    return 0;
  }

  // ---- queue pairs

  /** A queue pair in RESET; EINVAL for capabilities beyond the profile's, ENOMEM, EBUSY for a second QP1 on a port. */
  createQp(options: QpOptions): QpContext | number {
    const { cap, type } = options;
    const p = this.profile;
    if (ALLOWED_WR[type] === 0) return EINVAL;
    const depths = [cap.maxSendWr, options.srq === null ? cap.maxRecvWr : 0];
    const sges = [cap.maxSendSge, options.srq === null ? cap.maxRecvSge : 0];
    if (depths.some((n) => !Number.isInteger(n) || n < 0 || n > p.maxQpWr)) return EINVAL;
    if (sges.some((n) => !Number.isInteger(n) || n < 0 || n > p.maxSge)) return EINVAL;
    if (!(cap.maxInlineData >= 0 && cap.maxInlineData <= p.maxInlineData)) return EINVAL;
    if (this.#qps === p.maxQp) return ENOMEM;
    const qp = type === QPT_GSI ? this.#createGsi(options) : this.#createOrdinary(options);
    if (typeof qp === 'number') return qp;
    this.#qps++;
    options.sendCq.users++;
    options.recvCq.users++;
    if (options.srq !== null) options.srq.users++;
    this.#engine.cache.load(qp);
    return qp;
  }

  #createOrdinary(options: QpOptions): QpContext {
    const qps = this.#engine.qps;
    const qp = new QpContext(FIRST_QPN + qps.length, options);
    qps.push(qp);
    return qp;
  }

  #createGsi(options: QpOptions): QpContext | number {
    const port = this.#engine.ports[(options.gsiPort ?? 1) - 1];
    if (port === undefined) return EINVAL;
    if (port.gsi !== null) return EBUSY;
    const qp = new QpContext(QPN_GSI, options);
    qp.port = port.index;
    port.gsi = qp;
    return qp;
  }

  /** Takes a queue pair away. EBUSY while it is attached to a multicast group. */
  destroyQp(qp: QpContext): number {
    const engine = this.#engine;
    const attached = engine.ports.some((port) =>
      [...port.multicast.values()].some((members) => members.some((m) => m.qp === qp)),
    );
    if (attached) return EBUSY;
    resetQueuePair(engine, qp);
    engine.cache.drop(qp);
    if (qp.type === QPT_GSI) engine.ports[qp.port].gsi = null;
    else engine.qps[qp.qpn - FIRST_QPN] = null;
    qp.sendCq.users--;
    qp.recvCq.users--;
    if (qp.srq !== null) qp.srq.users--;
    this.#qps--;
    return 0;
  }

  /** `ibv_modify_qp`: 0, EINVAL or ENOSYS. */
  modifyQp(qp: QpContext, attr: Parameters<typeof modifyQueuePair>[2], mask: number, atPs: Ps): number {
    return modifyQueuePair(this.#engine, qp, attr, mask, atPs);
  }

  /** Attaches a UD queue pair to a multicast group by its GID and LID. EINVAL, or ENOMEM beyond the adapter's limits. */
  attachMulticast(qp: QpContext, gid: Uint8Array, lid: number): number {
    return attach(this.#engine.ports[qp.port], this.profile, qp, gid, lid);
  }

  /** Groups to which a queue pair is attached. */
  groupsOf(qp: QpContext): { readonly gid: Uint8Array; readonly lid: number }[] {
    return groups(this.#engine.ports[qp.port], qp);
  }

  /** EINVAL if it is not attached so. */
  detachMulticast(qp: QpContext, gid: Uint8Array, lid: number): number {
    return detach(this.#engine.ports[qp.port], qp, gid, lid);
  }

  // ---- work requests

  /**
   * Writes a send work request into the queue; the adapter does not know of it before `ringDoorbell`. EINVAL for a state, opcode, element
   * count or inline size that the queue pair does not allow; ENOMEM when the queue is full.
   */
  postSend(qp: QpContext, wr: SendWorkRequest): number {
    const flags = wr.sendFlags ?? 0;
    const opcode = wr.opcode;
    if (qp.state === QPS_RESET || qp.state === QPS_INIT || qp.state === QPS_RTR) return EINVAL;
    if (opcode < 0 || opcode > 31 || (ALLOWED_WR[qp.type] & (1 << opcode)) === 0) return EINVAL;
    if ((READ_LIKE & (1 << opcode)) !== 0 && (qp.maxRdAtomic === 0 || flags & SEND_INLINE)) return EINVAL;
    const sq = qp.sq;
    const sge = wr.sge;
    const count = sge === undefined ? 0 : sge.length;
    if (count > sq.maxSge) return EINVAL;
    let bytes = 0;
    for (let i = 0; i < count; i++) bytes += (sge as readonly Sge[])[i].length;
    const inline = (flags & SEND_INLINE) !== 0;
    if (inline && bytes > sq.maxInline) return EINVAL;
    if (sq.room === 0) return ENOMEM;
    if (opcode === WR_BIND_MW && wr.bindMw === undefined) return EINVAL;
    const slot = sq.push(wr, flags, bytes);
    if (inline) copyInline(this.memory, sq, slot, bytes);
    return 0;
  }

  /**
   * Rings the doorbell at `atPs` for the last `count` requests posted. One that is rung alone may be written together with the doorbell (BlueFlame,
   * see the profile), and then need not be fetched. `head` is the send queue's at the post, where more has been posted since.
   */
  ringDoorbell(qp: QpContext, count: number, atPs: Ps, head = qp.sq.head): void {
    const sq = qp.sq;
    const p = this.profile;
    const first = head - count;
    const arrivedPs = atPs + p.doorbellPs + qp.vfTransmitPs;
    let readyPs = arrivedPs + p.wqeFetchPs;
    if (count === 1) {
      const slot = first & sq.mask;
      const inline = (sq.flags[slot] & SEND_INLINE) !== 0 || sq.bytes[slot] === 0;
      const gathers = !inline && (READ_LIKE & (1 << sq.opcode[slot])) === 0;
      const pushed = p.blueFlame === 3 || (p.blueFlame === 2 && !gathers) || (p.blueFlame === 1 && inline);
      if (pushed) readyPs = arrivedPs + (inline ? bytesPs(sq.bytes[slot], p.doorbellPsPerByte) : 0);
    }
    // The adapter takes entries in order.
    if (first > sq.acked) readyPs = Math.max(readyPs, sq.readyPs[(first - 1) & sq.mask]);
    for (let i = first; i < head; i++) sq.readyPs[i & sq.mask] = readyPs;
    const trace = this.#engine.trace;
    if (trace !== null) {
      for (let i = first; i < head; i++) {
        trace.stamp(messageId(qp.qpn, i), 'doorbell-arrived', arrivedPs);
        trace.stamp(messageId(qp.qpn, i), 'entry-fetched', readyPs);
      }
    }
    if (!qp.queued) this.#engine.lookAt(qp, readyPs);
  }

  /** What names the send work request posted last, in a trace. */
  lastMessage(qp: QpContext): number {
    return messageId(qp.qpn, qp.sq.head - 1);
  }

  /** Posts a receive, which the adapter can use from `atPs` on. EINVAL in RESET, with an SRQ or for too many elements; ENOMEM when the queue is full. */
  postRecv(qp: QpContext, wr: RecvWorkRequest, atPs: Ps): number {
    if (qp.state === QPS_RESET || qp.srq !== null) return EINVAL;
    if ((wr.sge?.length ?? 0) > qp.rq.maxSge) return EINVAL;
    if (qp.rq.room === 0) return ENOMEM;
    qp.rq.push(wr, atPs);
    if (qp.state > QPS_RTR && qp.state !== 3) this.#engine.lookAt(qp, atPs);
    return 0;
  }

  /** The entry in `slot` of the receive queue, posted with time Infinity, can be used from `atPs` on. */
  readyRecv(qp: QpContext, slot: number, atPs: Ps): void {
    qp.rq.readyPs[slot] = atPs;
    if (qp.state > QPS_RTR && qp.state !== 3) this.#engine.lookAt(qp, atPs);
  }

  /** The queue pair of a number; ENOENT when there is none. */
  findQp(qpn: number): QpContext | number {
    return this.#engine.qp(qpn) ?? ENOENT;
  }
}
