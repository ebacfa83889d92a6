/**
 * The completer: what a requester does with acknowledges, READ responses and silence.
 *
 * An acknowledge of PSN p ends every entry up to p. A READ or atomic ends by its response alone: an acknowledge that passes over one means that its response was lost,
 * and the requester goes back to it. NAK, RNR NAK and timeout go back as well, as often as the queue pair's counters allow.
 */
import { SLOT_BYTES, W_X0, W_X2, W_X3 } from '../fabric/index.ts';
import type { Ps } from '../sim/index.ts';
import {
  AETH_KIND_ACK,
  AETH_KIND_NAK,
  AETH_KIND_RNR,
  AETH_NAK_INVALID_REQUEST,
  AETH_NAK_PSN_SEQUENCE,
  AETH_NAK_REMOTE_ACCESS,
  AETH_NAK_REMOTE_OPERATIONAL,
  aethKind,
  aethValue,
  aethWordMsn,
  aethWordSyndrome,
  CREDIT_CODE_NONE,
  CREDIT_COUNTS,
  OP_AETH,
  OP_ATOMIC,
  OP_READ,
  PSN_MASK,
  psnAdd,
  psnDiff,
  RC_READ_RESPONSE_FIRST,
  RC_READ_RESPONSE_LAST,
  RC_READ_RESPONSE_MIDDLE,
  RC_READ_RESPONSE_ONLY,
  RNR_TIMER_PS,
} from '../wire/index.ts';
import {
  QPS_RTS,
  QPS_SQD,
  WC_BAD_RESP_ERR,
  WC_LOC_PROT_ERR,
  WC_REM_ACCESS_ERR,
  WC_REM_INV_REQ_ERR,
  WC_REM_OP_ERR,
  WC_RETRY_EXC_ERR,
  WC_RNR_RETRY_EXC_ERR,
  WC_SUCCESS,
  WR_COMPARE_SWAP,
  WR_FETCH_ADD,
  WR_READ,
} from './constants.ts';
import type { Engine } from './engine.ts';
import { EV_RNR, EV_TIMER } from './events.ts';
import { checkDrained, completeSend, failSend, messageId } from './finish.ts';
import { CHECK_BAD, checkSges, scatter } from './packet.ts';
import type { QpContext } from './queue-pair.ts';
import type { PacketView } from './receive.ts';
import { armTimer, goBack } from './requester.ts';

const NEVER = Number.POSITIVE_INFINITY;
const atomicResult = new Uint8Array(8);
/** `rnr_retry` that means no limit. */
const RNR_FOR_EVER = 7;

const atomicView = new DataView(atomicResult.buffer);

/** Handles a response packet of an RC queue pair. */
export function completePacket(engine: Engine, qp: QpContext, view: PacketView): void {
  if (qp.state !== QPS_RTS && qp.state !== QPS_SQD) {
    engine.counters.dropped++;
    return;
  }
  const behind = psnDiff(view.psn, qp.unackedPsn) < 0;
  if (behind || psnDiff(view.psn, qp.nextPsn) >= 0) {
    // An old or a ghost acknowledge. Old ones may still bring credits.
    if (behind && (view.flags & OP_AETH) !== 0) takeCredits(qp, view.words[view.at + W_X0]);
    engine.counters.duplicates++;
    engine.kick(qp, view.timePs);
    return;
  }
  if (view.flags & OP_READ) readResponse(engine, qp, view);
  else if (view.flags & OP_ATOMIC) atomicResponse(engine, qp, view);
  else acknowledge(engine, qp, view);
  if (qp.state === QPS_SQD) checkDrained(engine, qp, view.timePs);
  engine.kick(qp, engine.loop.nowPs);
}

function acknowledge(engine: Engine, qp: QpContext, view: PacketView): void {
  const aeth = view.words[view.at + W_X0];
  const syndrome = aethWordSyndrome(aeth);
  switch (aethKind(syndrome)) {
    case AETH_KIND_ACK:
      takeCredits(qp, aeth);
      ackThrough(engine, qp, view.psn, view.timePs);
      return;
    case AETH_KIND_RNR:
      if (ackThrough(engine, qp, psnAdd(view.psn, -1), view.timePs))
        receiverNotReady(engine, qp, view.psn, syndrome, view.timePs);
      return;
    case AETH_KIND_NAK:
      if (ackThrough(engine, qp, psnAdd(view.psn, -1), view.timePs)) negative(engine, qp, view.psn, syndrome, view.timePs);
      return;
    default:
      engine.counters.dropped++;
  }
}

/** The credits of an AETH: how many messages beyond its MSN the responder has receive entries for. */
function takeCredits(qp: QpContext, aeth: number): void {
  const syndrome = aethWordSyndrome(aeth);
  if (aethKind(syndrome) !== AETH_KIND_ACK || qp.unlimitedCredits) return;
  const code = aethValue(syndrome);
  if (code === CREDIT_CODE_NONE) {
    qp.unlimitedCredits = true;
    return;
  }
  const limit = psnAdd(aethWordMsn(aeth), CREDIT_COUNTS[code]);
  if (psnDiff(limit, qp.creditLimit) > 0) qp.creditLimit = limit;
}

/**
 * Ends all entries up to PSN `psn`. False if one of them is a READ or atomic without its response, to which the requester has gone
 * back (or failed).
 */
function ackThrough(engine: Engine, qp: QpContext, psn: number, atPs: Ps): boolean {
  const sq = qp.sq;
  if (psnDiff(psn, qp.unackedPsn) < 0) return true;
  while (sq.acked < sq.started) {
    const slot = sq.acked & sq.mask;
    const opcode = sq.opcode[slot];
    const firstPsn = sq.firstPsn[slot];
    const packets = sq.packets[slot];
    if (packets !== 0) {
      if (psnDiff(psn, firstPsn) < 0) break;
      if (opcode === WR_READ || opcode === WR_COMPARE_SWAP || opcode === WR_FETCH_ADD) {
        // Its responses were lost: ask again, from the first one missing.
        progress(engine, qp, psnDiff(qp.unackedPsn, firstPsn) > 0 ? qp.unackedPsn : firstPsn, atPs);
        askAgain(engine, qp, atPs);
        return false;
      }
      if (psnDiff(psn, psnAdd(firstPsn, packets - 1)) < 0) break;
    }
    completeSend(engine, qp, sq.acked, WC_SUCCESS, atPs, 0);
    if (qp.state !== QPS_RTS && qp.state !== QPS_SQD) return false;
  }
  progress(engine, qp, psnAdd(psn, 1), atPs);
  return true;
}

/** Everything before `unackedPsn` is done: counters and timer start anew, and the requester does not send it again. */
function progress(engine: Engine, qp: QpContext, unackedPsn: number, atPs: Ps): void {
  const sq = qp.sq;
  if (psnDiff(unackedPsn, qp.unackedPsn) > 0) {
    qp.unackedPsn = unackedPsn;
    qp.askedAgain = false;
    qp.retriesLeft = qp.retryCnt;
    qp.rnrRetriesLeft = qp.rnrRetry;
  }
  if (sq.next < sq.acked) goBack(qp, unackedPsn);
  else if (sq.next === sq.acked && sq.next < sq.started) {
    const done = psnDiff(unackedPsn, sq.firstPsn[sq.next & sq.mask]);
    if (done > qp.sentPackets) qp.sentPackets = done;
  }
  if (isOutstanding(qp)) armTimer(engine, qp, atPs);
  else qp.deadlinePs = NEVER;
}

/** Whether anything that was sent waits for its acknowledge. */
function isOutstanding(qp: QpContext): boolean {
  const sq = qp.sq;
  const sendPsn = sq.next < sq.started ? psnAdd(sq.firstPsn[sq.next & sq.mask], qp.sentPackets) : qp.nextPsn;
  return psnDiff(sendPsn, qp.unackedPsn) > 0;
}

/** A response is missing. One retry is enough for all the packets that show it: the next is left to the timer. */
function askAgain(engine: Engine, qp: QpContext, atPs: Ps): void {
  if (qp.askedAgain) return;
  retryFrom(engine, qp, atPs);
  qp.askedAgain = true;
}

function receiverNotReady(engine: Engine, qp: QpContext, psn: number, syndrome: number, atPs: Ps): void {
  if (qp.rnrWaiting) return;
  const forEver = qp.rnrRetry === RNR_FOR_EVER && atPs < engine.abandonedPs && atPs < qp.abandonedPs;
  if (!forEver) {
    if (qp.rnrRetriesLeft === 0 || qp.rnrRetry === RNR_FOR_EVER) {
      failSend(engine, qp, qp.sq.acked, WC_RNR_RETRY_EXC_ERR, atPs);
      return;
    }
    qp.rnrRetriesLeft--;
  }
  engine.counters.retries++;
  qp.rnrWaiting = true;
  qp.deadlinePs = NEVER;
  goBack(qp, psn);
  engine.loop.schedule(atPs + RNR_TIMER_PS[aethValue(syndrome)], engine.handler, EV_RNR, qp.qpn, qp.generation);
}

/** @internal The wait after an RNR NAK is over. */
export function rnrTimer(engine: Engine, qp: QpContext, now: Ps): void {
  if (!qp.rnrWaiting) return;
  qp.rnrWaiting = false;
  engine.kick(qp, now);
}

/** Completion status by NAK syndrome. */
function statusOfNak(syndrome: number): number {
  if (syndrome === AETH_NAK_INVALID_REQUEST) return WC_REM_INV_REQ_ERR;
  if (syndrome === AETH_NAK_REMOTE_ACCESS) return WC_REM_ACCESS_ERR;
  if (syndrome === AETH_NAK_REMOTE_OPERATIONAL) return WC_REM_OP_ERR;
  return WC_BAD_RESP_ERR;
}

function negative(engine: Engine, qp: QpContext, psn: number, syndrome: number, atPs: Ps): void {
  if (syndrome === AETH_NAK_PSN_SEQUENCE) {
    qp.unackedPsn = psn;
    retryFrom(engine, qp, atPs);
  } else failSend(engine, qp, qp.sq.acked, statusOfNak(syndrome), atPs);
}

/** Goes back to the oldest PSN not acknowledged, or gives up. */
function retryFrom(engine: Engine, qp: QpContext, atPs: Ps): void {
  if (qp.sq.acked === qp.sq.started) return;
  if (qp.retriesLeft === 0) {
    failSend(engine, qp, qp.sq.acked, WC_RETRY_EXC_ERR, atPs);
    return;
  }
  qp.retriesLeft--;
  engine.counters.retries++;
  goBack(qp, qp.unackedPsn);
  // The timer starts again with the next packet.
  qp.deadlinePs = NEVER;
}

/** @internal The retry timer's event: it may have been put off in the meantime. */
export function retryTimer(engine: Engine, qp: QpContext, now: Ps): void {
  if (qp.timerPs > now) return;
  qp.timerPs = NEVER;
  if (qp.deadlinePs === NEVER) return;
  if (qp.deadlinePs > now) {
    qp.timerPs = qp.deadlinePs;
    engine.loop.schedule(qp.timerPs, engine.handler, EV_TIMER, qp.qpn, qp.generation);
    return;
  }
  qp.deadlinePs = NEVER;
  if (qp.state !== QPS_RTS && qp.state !== QPS_SQD) return;
  engine.counters.timeouts++;
  retryFrom(engine, qp, now);
  engine.kick(qp, now);
}

function readResponse(engine: Engine, qp: QpContext, view: PacketView): void {
  const sq = qp.sq;
  if (!endBefore(engine, qp, view)) return;
  const index = sq.acked;
  const slot = index & sq.mask;
  if (sq.opcode[slot] !== WR_READ) {
    failSend(engine, qp, index, WC_BAD_RESP_ERR, view.timePs);
    return;
  }
  if (view.psn !== qp.unackedPsn) {
    askAgain(engine, qp, view.timePs);
    return;
  }
  const k = psnDiff(view.psn, sq.firstPsn[slot]);
  const offset = k * qp.mtuBytes;
  const isLast = k === sq.packets[slot] - 1;
  const n = isLast ? sq.bytes[slot] - offset : qp.mtuBytes;
  if (view.payloadBytes !== n || !suits(view.opcode, isLast)) {
    failSend(engine, qp, index, WC_BAD_RESP_ERR, view.timePs);
    return;
  }
  const first = slot * sq.maxSge;
  if (checkSges(engine, sq, first, sq.sgeCount[slot], qp.pd, offset, n, true) === CHECK_BAD) {
    failSend(engine, qp, index, WC_LOC_PROT_ERR, view.timePs);
    return;
  }
  const visiblePs = n === 0 ? view.timePs : engine.hostWrite(view.timePs, n) + qp.vfReceivePs;
  scatter(
    engine,
    sq,
    first,
    sq.sgeCount[slot],
    offset,
    n,
    view.slot < 0 ? null : engine.pool.bytes,
    view.slot * SLOT_BYTES + view.front,
    visiblePs,
  );
  if (view.flags & OP_AETH) takeCredits(qp, view.words[view.at + W_X0]);
  if (isLast) {
    engine.trace?.stamp(messageId(qp.qpn, index), 'payload-written', visiblePs);
    qp.rdAtomicOutstanding = Math.max(0, qp.rdAtomicOutstanding - 1);
    completeSend(engine, qp, index, WC_SUCCESS, view.timePs, visiblePs);
  }
  progress(engine, qp, psnAdd(view.psn, 1), view.timePs);
}

/** Whether a response opcode may be last, or may not. After a retry a response may begin anywhere, so first and middle are one. */
function suits(opcode: number, isLast: boolean): boolean {
  if (isLast) return opcode === RC_READ_RESPONSE_LAST || opcode === RC_READ_RESPONSE_ONLY;
  return opcode === RC_READ_RESPONSE_FIRST || opcode === RC_READ_RESPONSE_MIDDLE;
}

/** A response acknowledges all before its own request; true if its request is now the oldest entry. */
function endBefore(engine: Engine, qp: QpContext, view: PacketView): boolean {
  const sq = qp.sq;
  const before = startOf(qp, view.psn);
  if (before < 0) return false;
  if (before > sq.acked && !ackThrough(engine, qp, psnAdd(sq.firstPsn[before & sq.mask], -1), view.timePs)) return false;
  return sq.acked === before;
}

/** The entry that `psn` belongs to; −1 if there is none. */
function startOf(qp: QpContext, psn: number): number {
  const sq = qp.sq;
  for (let index = sq.acked; index < sq.started; index++) {
    const slot = index & sq.mask;
    if (((psn - sq.firstPsn[slot]) & PSN_MASK) < sq.packets[slot]) return index;
  }
  return -1;
}

function atomicResponse(engine: Engine, qp: QpContext, view: PacketView): void {
  const sq = qp.sq;
  if (!endBefore(engine, qp, view)) return;
  const index = sq.acked;
  const slot = index & sq.mask;
  const opcode = sq.opcode[slot];
  if (opcode !== WR_COMPARE_SWAP && opcode !== WR_FETCH_ADD) {
    failSend(engine, qp, index, WC_BAD_RESP_ERR, view.timePs);
    return;
  }
  const first = slot * sq.maxSge;
  const count = sq.sgeCount[slot];
  if (checkSges(engine, sq, first, count, qp.pd, 0, 8, true) === CHECK_BAD) {
    failSend(engine, qp, index, WC_LOC_PROT_ERR, view.timePs);
    return;
  }
  // The node's memory is little-endian, as the x86 hosts of the measurements are.
  atomicView.setUint32(4, view.words[view.at + W_X2], true);
  atomicView.setUint32(0, view.words[view.at + W_X3], true);
  const visiblePs = engine.hostWrite(view.timePs, 8) + qp.vfReceivePs;
  scatter(engine, sq, first, count, 0, 8, atomicResult, 0, visiblePs);
  engine.trace?.stamp(messageId(qp.qpn, index), 'payload-written', visiblePs);
  takeCredits(qp, view.words[view.at + W_X0]);
  qp.rdAtomicOutstanding = Math.max(0, qp.rdAtomicOutstanding - 1);
  completeSend(engine, qp, index, WC_SUCCESS, view.timePs, visiblePs);
  progress(engine, qp, psnAdd(view.psn, 1), view.timePs);
}
