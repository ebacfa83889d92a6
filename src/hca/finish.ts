/**
 * How work ends: completion queue entries, their events, and errors with everything that they flush.
 */
import type { Ps } from '../sim/index.ts';
import { ARMED_NO, ARMED_SOLICITED, type CqContext } from './completion-queue.ts';
import {
  EVENT_CQ_ERR,
  EVENT_QP_LAST_WQE_REACHED,
  EVENT_SQ_DRAINED,
  EVENT_SRQ_LIMIT_REACHED,
  QPS_ERR,
  QPS_SQD,
  QPS_SQE,
  QPT_RC,
  SEND_SIGNALED,
  WC_OPCODE_OF_WR,
  WC_RECV,
  WC_SUCCESS,
  WC_WR_FLUSH_ERR,
  WR_COMPARE_SWAP,
  WR_FETCH_ADD,
  WR_READ,
} from './constants.ts';
import type { Engine } from './engine.ts';
import { EV_MODERATION } from './events.ts';
import type { QpContext } from './queue-pair.ts';

/** What names a work request in a trace. */
export function messageId(qpn: number, index: number): number {
  return qpn * 2 ** 28 + (index % 2 ** 28);
}

/** When a completion entry that is decided on at `atPs` is visible; `payloadPs` is when the payload that it reports is. */
export function cqeVisiblePs(engine: Engine, qp: QpContext, atPs: Ps, payloadPs: Ps): Ps {
  const written = atPs + engine.profile.hostWriteLatencyPs + qp.vfReceivePs;
  return (payloadPs > written ? payloadPs : written) + engine.profile.cqeWritePs;
}

/** Writes the engine's draft to a completion queue, visible at `visiblePs`. */
export function pushCompletion(engine: Engine, cq: CqContext, qp: QpContext, visiblePs: Ps): void {
  const draft = engine.draft;
  if (!cq.push(draft, qp, visiblePs)) {
    engine.raise(EVENT_CQ_ERR, cq, 0, visiblePs);
    enterError(engine, qp, engine.loop.nowPs);
    return;
  }
  if (cq.overrun) {
    enterError(engine, qp, engine.loop.nowPs);
    return;
  }
  const atPs = cq.lastVisiblePs;
  cq.onEntry?.(atPs);
  cq.sinceEvent++;
  if (cq.armed === ARMED_NO || atPs <= cq.armedAtPs) return;
  if (cq.armed === ARMED_SOLICITED && !draft.solicited && draft.status === WC_SUCCESS) return;
  moderate(engine, cq, atPs);
}

/** An armed queue has got an entry that counts: the event goes out now, or when enough entries or time have come. */
function moderate(engine: Engine, cq: CqContext, atPs: Ps): void {
  if (cq.moderationCount <= 1 || cq.sinceEvent >= cq.moderationCount) {
    fireEvent(cq, atPs);
    return;
  }
  if (cq.moderationEndPs !== Number.POSITIVE_INFINITY || cq.moderationPeriodPs === 0) return;
  cq.moderationEndPs = atPs + cq.moderationPeriodPs;
  engine.loop.schedule(cq.moderationEndPs, engine.handler, EV_MODERATION, cq.number);
}

/** @internal A moderation period of a queue has passed, the one that counts or one that an event has ended before. */
export function moderationTimer(engine: Engine, number: number, now: Ps): void {
  const cq = engine.cqs.get(number);
  if (cq !== undefined && cq.moderationEndPs <= now) fireEvent(cq, now);
}

function fireEvent(cq: CqContext, atPs: Ps): void {
  cq.armed = ARMED_NO;
  cq.sinceEvent = 0;
  cq.moderationEndPs = Number.POSITIVE_INFINITY;
  cq.onEvent?.(atPs);
}

/** Ends the send queue entry `index` (the oldest that is not ended). A completion is written if it is signalled or failed. */
export function completeSend(engine: Engine, qp: QpContext, index: number, status: number, atPs: Ps, payloadPs: Ps): void {
  const sq = qp.sq;
  const slot = index & sq.mask;
  sq.acked = index + 1;
  if (status === WC_SUCCESS && !qp.sqSigAll && (sq.flags[slot] & SEND_SIGNALED) === 0) return;
  const opcode = sq.opcode[slot];
  const draft = engine.draft;
  draft.clear();
  draft.wrId = sq.wrId[slot];
  draft.status = status;
  draft.opcode = WC_OPCODE_OF_WR[opcode];
  if (opcode === WR_READ || opcode === WR_COMPARE_SWAP || opcode === WR_FETCH_ADD) draft.byteLen = sq.bytes[slot];
  draft.release = index + 1;
  draft.sendQueue = sq;
  const visiblePs = cqeVisiblePs(engine, qp, atPs, payloadPs);
  engine.trace?.stamp(messageId(qp.qpn, index), 'completion-written', visiblePs);
  pushCompletion(engine, qp.sendCq, qp, visiblePs);
}

/** Ends the receive entry `slot` with what the draft says besides; the caller has cleared and filled the draft. */
export function completeReceive(engine: Engine, qp: QpContext, slot: number, status: number, atPs: Ps, payloadPs: Ps): Ps {
  const draft = engine.draft;
  draft.wrId = qp.rq.wrId[slot];
  draft.status = status;
  draft.release = slot;
  draft.receiveQueue = qp.rq;
  const visiblePs = cqeVisiblePs(engine, qp, atPs, payloadPs);
  pushCompletion(engine, qp.recvCq, qp, visiblePs);
  return visiblePs;
}

/** Takes a receive entry known by `now` for `qp`; −1 if there is none. A shared queue's low-water mark is looked at. */
export function takeReceive(engine: Engine, qp: QpContext, now: Ps): number {
  const slot = qp.rq.take(now);
  const srq = qp.srq;
  if (slot >= 0 && srq !== null && qp.rq.available < srq.limit) {
    srq.limit = 0;
    engine.raise(EVENT_SRQ_LIMIT_REACHED, srq, 0, now);
  }
  return slot;
}

/** The oldest entry of the send queue that is not ended, entry `index` at the latest, fails: what is before it is flushed, then it, then the rest. */
export function failSend(engine: Engine, qp: QpContext, index: number, status: number, now: Ps): void {
  const sq = qp.sq;
  while (sq.acked < index) completeSend(engine, qp, sq.acked, WC_WR_FLUSH_ERR, now, now);
  // The state first: a completion queue that overflows must not fail the queue pair once more.
  const connected = qp.type === QPT_RC;
  if (!connected) qp.state = QPS_SQE;
  completeSend(engine, qp, index, status, now, now);
  if (connected) enterError(engine, qp, now);
  else flushSends(engine, qp, now);
}

/** Ends every rung entry of the send queue with WR_FLUSH_ERR. */
export function flushSends(engine: Engine, qp: QpContext, now: Ps): void {
  const sq = qp.sq;
  while (sq.acked < sq.head) {
    const readyPs = sq.readyPs[sq.acked & sq.mask];
    if (readyPs === Number.POSITIVE_INFINITY) break;
    const atPs = readyPs > now ? readyPs : now;
    completeSend(engine, qp, sq.acked, WC_WR_FLUSH_ERR, atPs, atPs);
  }
  sq.next = sq.acked;
  sq.started = sq.acked;
  qp.sentPackets = 0;
  if (qp.state === QPS_ERR) flushReceives(engine, qp, now);
}

/** Ends every entry of the receive queue with WR_FLUSH_ERR; of a shared queue only the one in use. */
export function flushReceives(engine: Engine, qp: QpContext, now: Ps): void {
  if (qp.recvSlot >= 0) {
    const slot = qp.recvSlot;
    qp.recvSlot = -1;
    flushReceive(engine, qp, slot, now);
  }
  if (qp.srq !== null) return;
  for (let slot = qp.rq.take(Number.POSITIVE_INFINITY); slot >= 0; slot = qp.rq.take(Number.POSITIVE_INFINITY)) {
    flushReceive(engine, qp, slot, Math.max(now, qp.rq.readyPs[slot]));
  }
}

function flushReceive(engine: Engine, qp: QpContext, slot: number, atPs: Ps): void {
  engine.draft.clear();
  engine.draft.opcode = WC_RECV;
  completeReceive(engine, qp, slot, WC_WR_FLUSH_ERR, atPs, atPs);
}

/** Moves a queue pair to ERR and flushes both queues. A NAK that waits to be sent still goes. */
export function enterError(engine: Engine, qp: QpContext, now: Ps): void {
  if (qp.state === QPS_ERR) return;
  qp.state = QPS_ERR;
  qp.deadlinePs = Number.POSITIVE_INFINITY;
  qp.rnrWaiting = false;
  qp.resources.queueCount = 0;
  qp.resources.queued.fill(0);
  flushSends(engine, qp, now);
  if (qp.srq !== null) engine.raise(EVENT_QP_LAST_WQE_REACHED, qp, qp.port + 1, now);
}

/** In SQD: tells the program when nothing is outstanding any more. */
export function checkDrained(engine: Engine, qp: QpContext, now: Ps): void {
  if (qp.state !== QPS_SQD || !qp.sqDrainNotify || qp.sq.acked !== qp.sq.started || qp.sentPackets !== 0) return;
  qp.sqDrainNotify = false;
  engine.raise(EVENT_SQ_DRAINED, qp, qp.port + 1, now);
}
