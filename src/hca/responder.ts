/**
 * The responder of RC and UC: a pipeline of small checks, each of which names the next (`STEP_*`), in the order of IBA vol. 1, 9.7.4 and the soft-RoCE driver's
 * responder: PSN → sequence of opcodes → opcode valid for the queue pair → resources → length → key → execute → acknowledge.
 *
 * What fails is answered on RC with a NAK (and the queue pair goes to ERR where the table of errors says so), and drops the message on UC.
 */
import { BTH_ACK_REQUEST, BTH_SOLICITED, SLOT_BYTES, W_X0, W_X1, W_X2, W_X3, W_X4 } from '../fabric/index.ts';
import {
  AETH_NAK_INVALID_REQUEST,
  AETH_NAK_PSN_SEQUENCE,
  AETH_NAK_REMOTE_ACCESS,
  AETH_NAK_REMOTE_OPERATIONAL,
  AETH_RNR_NAK,
  OP_ATOMIC,
  OP_COMPLETES_RECEIVE,
  OP_END,
  OP_IMM,
  OP_INV,
  OP_ONLY,
  OP_READ,
  OP_SEND,
  OP_START,
  OP_TAKES_RECEIVE,
  OP_WRITE,
  PSN_MASK,
  psnAdd,
  psnDiff,
  SEQUENCE_AFTER,
  SEQUENCE_BEFORE,
  SEQUENCE_IDLE,
} from '../wire/index.ts';
import {
  ACCESS_REMOTE_ATOMIC,
  ACCESS_REMOTE_READ,
  ACCESS_REMOTE_WRITE,
  EVENT_COMM_EST,
  EVENT_QP_ACCESS_ERR,
  EVENT_QP_FATAL,
  EVENT_QP_REQ_ERR,
  MAX_MESSAGE_BYTES,
  QPS_RTR,
  QPT_RC,
  WC_LOC_LEN_ERR,
  WC_LOC_PROT_ERR,
  WC_RECV,
  WC_RECV_WRITE_IMM,
  WC_SUCCESS,
  WC_WITH_IMM,
  WC_WITH_INV,
} from './constants.ts';
import type { Engine } from './engine.ts';
import { completeReceive, enterError, takeReceive } from './finish.ts';
import { type MemoryKey, unbind } from './memory.ts';
import { CHECK_BAD, checkSges, joined, scatter, writeRegion } from './packet.ts';
import type { QpContext } from './queue-pair.ts';
import type { PacketView } from './receive.ts';
import { answerDuplicate, remember } from './remembered.ts';
import { isInvalidatable } from './entry.ts';
import { acknowledgeLater, PENDING_ACK } from './respond.ts';

/** The steps, with names for people. */
export const STEP_PSN = 0;
export const STEP_SEQUENCE = 1;
export const STEP_OPCODE = 2;
export const STEP_RESOURCE = 3;
export const STEP_LENGTH = 4;
export const STEP_KEY = 5;
export const STEP_EXECUTE = 6;
export const STEP_ACKNOWLEDGE = 7;
export const STEP_DUPLICATE = 8;
export const STEP_DONE = 9;
export const STEP_NAMES = [
  'PSN',
  'sequence',
  'opcode',
  'resource',
  'length',
  'key',
  'execute',
  'acknowledge',
  'duplicate',
  'done',
] as const;

/** Handles a request packet of an RC or UC queue pair. */
export function respondPacket(engine: Engine, qp: QpContext, view: PacketView): void {
  if (!qp.communicationEstablished) establish(engine, qp, view);
  let step: number = STEP_PSN;
  while (step !== STEP_DONE) {
    switch (step) {
      case STEP_PSN:
        step = qp.type === QPT_RC ? checkPsn(engine, qp, view) : checkPsnUnreliable(engine, qp, view);
        break;
      case STEP_SEQUENCE:
        step = checkSequence(engine, qp, view);
        break;
      case STEP_OPCODE:
        step = checkOpcode(engine, qp, view);
        break;
      case STEP_RESOURCE:
        step = checkResource(engine, qp, view);
        break;
      case STEP_LENGTH:
        step = checkLength(engine, qp, view);
        break;
      case STEP_KEY:
        step = checkKey(engine, qp, view);
        break;
      case STEP_EXECUTE:
        step = execute(engine, qp, view);
        break;
      case STEP_ACKNOWLEDGE:
        step = acknowledge(engine, qp, view);
        break;
      default:
        answerDuplicate(engine, qp, view);
        step = STEP_DONE;
    }
  }
}

/** The first packet of a connection: whoever is in RTR still is told that the peer is ready. */
function establish(engine: Engine, qp: QpContext, view: PacketView): void {
  qp.communicationEstablished = true;
  if (qp.state === QPS_RTR) engine.raise(EVENT_COMM_EST, qp, qp.port + 1, view.timePs);
}

function checkPsn(engine: Engine, qp: QpContext, view: PacketView): number {
  const ahead = psnDiff(view.psn, qp.expectedPsn);
  if (ahead === 0) {
    qp.nakSent = false;
    return STEP_SEQUENCE;
  }
  if (ahead < 0) return STEP_DUPLICATE;
  engine.counters.outOfSequence++;
  if (!qp.nakSent) {
    qp.nakSent = true;
    acknowledgeLater(engine, qp, AETH_NAK_PSN_SEQUENCE, qp.expectedPsn, view.timePs);
  }
  return STEP_DONE;
}

/** UC: a gap drops the message under way; the receive entry waits for the next message. */
function checkPsnUnreliable(engine: Engine, qp: QpContext, view: PacketView): number {
  if (view.psn !== qp.expectedPsn) {
    engine.counters.outOfSequence++;
    dropMessage(qp);
  }
  qp.expectedPsn = psnAdd(view.psn, 1);
  return STEP_SEQUENCE;
}

/** UC: forgets the message under way. Its receive entry, if it has one, is used for the next. */
function dropMessage(qp: QpContext): void {
  qp.place = SEQUENCE_IDLE;
  qp.recvBytes = 0;
  qp.writeKey = null;
}

function checkSequence(engine: Engine, qp: QpContext, view: PacketView): number {
  if (SEQUENCE_BEFORE[view.opcode] === qp.place) return STEP_OPCODE;
  if (qp.type === QPT_RC) return refuse(engine, qp, view, AETH_NAK_INVALID_REQUEST, EVENT_QP_REQ_ERR);
  dropMessage(qp);
  if ((view.flags & OP_START) !== 0) return STEP_OPCODE;
  engine.counters.dropped++;
  return STEP_DONE;
}

/** Whether the queue pair allows the operation, and the packet has a length that its place in the message allows. */
function checkOpcode(engine: Engine, qp: QpContext, view: PacketView): number {
  const flags = view.flags;
  const needs =
    flags & OP_WRITE ? ACCESS_REMOTE_WRITE : flags & OP_READ ? ACCESS_REMOTE_READ : flags & OP_ATOMIC ? ACCESS_REMOTE_ATOMIC : 0;
  const known = (flags & (OP_SEND | OP_WRITE | OP_READ | OP_ATOMIC)) !== 0;
  const n = view.payloadBytes;
  const whole = (flags & (OP_END | OP_READ | OP_ATOMIC)) === 0;
  const fits = whole ? n === qp.mtuBytes : n <= qp.mtuBytes && (n > 0 || (flags & OP_ONLY) !== 0);
  if (known && fits && (qp.accessFlags & needs) === needs) return STEP_RESOURCE;
  if (qp.type === QPT_RC) return refuse(engine, qp, view, AETH_NAK_INVALID_REQUEST, EVENT_QP_REQ_ERR);
  return drop(engine, qp);
}

/** UC: drops the packet and its message. */
function drop(engine: Engine, qp: QpContext): number {
  engine.counters.dropped++;
  dropMessage(qp);
  return STEP_DONE;
}

/** A receive entry for what takes one; room among the remembered requests for READ and atomics. */
function checkResource(engine: Engine, qp: QpContext, view: PacketView): number {
  if ((view.flags & OP_TAKES_RECEIVE) !== 0 && qp.recvSlot < 0) {
    const slot = takeReceive(engine, qp, view.timePs);
    if (slot < 0) {
      if (qp.type !== QPT_RC) return drop(engine, qp);
      if (view.timePs >= engine.abandonedPs || view.timePs >= qp.abandonedPs) {
        engine.counters.dropped++;
        return STEP_DONE;
      }
      // Nothing has changed here: the requester will come again with this PSN.
      qp.nakSent = true;
      acknowledgeLater(engine, qp, AETH_RNR_NAK | qp.minRnrTimer, qp.expectedPsn, view.timePs);
      return STEP_DONE;
    }
    qp.recvSlot = slot;
    qp.recvBytes = 0;
    view.timePs += engine.profile.recvWqeFetchPs;
    engine.rxFreePs += engine.profile.rxMessageGapPs;
  }
  if ((view.flags & (OP_READ | OP_ATOMIC)) !== 0) {
    const resources = qp.resources;
    if (resources.size === 0) return refuse(engine, qp, view, AETH_NAK_INVALID_REQUEST, EVENT_QP_REQ_ERR);
    const slot = resources.count % resources.size;
    if (resources.queued[slot] === 1) {
      if (resources.answered[slot] === 0) return refuse(engine, qp, view, AETH_NAK_INVALID_REQUEST, EVENT_QP_REQ_ERR);
      resources.cancel(slot);
    }
  }
  return STEP_LENGTH;
}

function checkLength(engine: Engine, qp: QpContext, view: PacketView): number {
  const n = view.payloadBytes;
  if ((view.flags & OP_SEND) !== 0) {
    if ((view.flags & OP_START) !== 0) qp.recvBytes = 0;
    if (qp.recvBytes + n > qp.rq.bytes[qp.recvSlot])
      return failReceive(engine, qp, view, WC_LOC_LEN_ERR, AETH_NAK_INVALID_REQUEST);
    return STEP_KEY;
  }
  if ((view.flags & OP_WRITE) !== 0) {
    if ((view.flags & OP_START) !== 0) {
      qp.writeLeft = view.words[view.at + W_X4] >>> 0;
      qp.writeBytes = qp.writeLeft;
    }
    const fits = (view.flags & OP_END) !== 0 ? n === qp.writeLeft : n < qp.writeLeft;
    if (fits && qp.writeLeft <= MAX_MESSAGE_BYTES) return STEP_KEY;
  } else if ((view.flags & OP_ATOMIC) !== 0 || view.words[view.at + W_X4] >>> 0 <= MAX_MESSAGE_BYTES) return STEP_KEY;
  if (qp.type === QPT_RC) return refuse(engine, qp, view, AETH_NAK_INVALID_REQUEST, EVENT_QP_REQ_ERR);
  return drop(engine, qp);
}

/** Key, domain, bounds and rights of remote operations; local keys of the receive entry. */
function checkKey(engine: Engine, qp: QpContext, view: PacketView): number {
  const flags = view.flags;
  if ((flags & OP_SEND) !== 0) {
    const rq = qp.rq;
    const slot = qp.recvSlot;
    const n = view.payloadBytes;
    const ok = n === 0 || checkSges(engine, rq, slot * rq.maxSge, rq.sgeCount[slot], qp.pd, qp.recvBytes, n, true) !== CHECK_BAD;
    return ok ? STEP_EXECUTE : failReceive(engine, qp, view, WC_LOC_PROT_ERR, AETH_NAK_REMOTE_OPERATIONAL);
  }
  if ((flags & OP_WRITE) !== 0) return checkWriteKey(engine, qp, view);
  const words = view.words;
  const at = view.at;
  const addr = joined(words[at + W_X2], words[at + W_X3]);
  const isAtomic = (flags & OP_ATOMIC) !== 0;
  if (isAtomic && addr % 8 !== 0) return refuse(engine, qp, view, AETH_NAK_INVALID_REQUEST, EVENT_QP_REQ_ERR);
  const bytes = isAtomic ? 8 : words[at + W_X4] >>> 0;
  const access = isAtomic ? ACCESS_REMOTE_ATOMIC : ACCESS_REMOTE_READ;
  if (bytes === 0 || engine.keys.remote(words[at + W_X1], addr, bytes, qp.pd, access, qp.qpn) !== null) return STEP_EXECUTE;
  return refuse(engine, qp, view, AETH_NAK_REMOTE_ACCESS, EVENT_QP_ACCESS_ERR);
}

function checkWriteKey(engine: Engine, qp: QpContext, view: PacketView): number {
  if ((view.flags & OP_START) !== 0) {
    const words = view.words;
    qp.writeRkey = words[view.at + W_X1];
    qp.writeAddr = joined(words[view.at + W_X2], words[view.at + W_X3]);
  }
  if (qp.writeLeft === 0) {
    qp.writeKey = null;
    return STEP_EXECUTE;
  }
  // The first packet is checked for the whole message, each later one for what is left.
  qp.writeKey = engine.keys.remote(qp.writeRkey, qp.writeAddr, qp.writeLeft, qp.pd, ACCESS_REMOTE_WRITE, qp.qpn);
  if (qp.writeKey !== null) return STEP_EXECUTE;
  if (qp.type === QPT_RC) return refuse(engine, qp, view, AETH_NAK_REMOTE_ACCESS, EVENT_QP_ACCESS_ERR);
  return drop(engine, qp);
}

function execute(engine: Engine, qp: QpContext, view: PacketView): number {
  const flags = view.flags;
  if ((flags & (OP_READ | OP_ATOMIC)) !== 0) remember(engine, qp, view);
  else {
    place(engine, qp, view);
    qp.expectedPsn = psnAdd(view.psn, 1);
  }
  qp.place = SEQUENCE_AFTER[view.opcode];
  if ((flags & OP_END) !== 0) {
    qp.msn = (qp.msn + 1) & PSN_MASK;
    if ((flags & OP_COMPLETES_RECEIVE) !== 0 && !finishReceive(engine, qp, view)) return STEP_DONE;
  }
  return STEP_ACKNOWLEDGE;
}

/** Puts the payload of a SEND or WRITE where it belongs. */
function place(engine: Engine, qp: QpContext, view: PacketView): void {
  const n = view.payloadBytes;
  if ((view.flags & OP_START) !== 0) qp.payloadPs = 0;
  if (n === 0) return;
  const visiblePs = engine.hostWrite(view.timePs, n) + qp.vfReceivePs;
  qp.payloadPs = visiblePs;
  engine.trace?.arrived(view.slid, view.number, 'payload-written', visiblePs);
  const from = view.slot < 0 ? null : engine.pool.bytes;
  const fromAt = view.slot * SLOT_BYTES + view.front;
  if ((view.flags & OP_SEND) !== 0) {
    const rq = qp.rq;
    const slot = qp.recvSlot;
    scatter(engine, rq, slot * rq.maxSge, rq.sgeCount[slot], qp.recvBytes, n, from, fromAt, visiblePs);
    qp.recvBytes += n;
    return;
  }
  writeRegion(engine, qp.writeKey as MemoryKey, qp.writeAddr, n, from, fromAt, visiblePs);
  qp.writeAddr += n;
  qp.writeLeft -= n;
}

/** Completes the receive entry of a SEND or WRITE with immediate; false if the invalidation that it asks for is refused. */
function finishReceive(engine: Engine, qp: QpContext, view: PacketView): boolean {
  const { words, at, flags } = view;
  const slot = qp.recvSlot;
  const draft = engine.draft;
  if ((flags & OP_INV) !== 0) {
    const window = engine.keys.find(words[at + W_X0]);
    if (window === null || !isInvalidatable(window, qp)) {
      refuse(engine, qp, view, AETH_NAK_REMOTE_ACCESS, EVENT_QP_ACCESS_ERR);
      return false;
    }
    unbind(window);
  }
  draft.clear();
  draft.opcode = (flags & OP_SEND) !== 0 ? WC_RECV : WC_RECV_WRITE_IMM;
  draft.byteLen = (flags & OP_SEND) !== 0 ? qp.recvBytes : qp.writeBytes;
  draft.wcFlags = (flags & OP_IMM ? WC_WITH_IMM : 0) | (flags & OP_INV ? WC_WITH_INV : 0);
  draft.immData = flags & OP_IMM ? words[at + W_X0] >>> 0 : 0;
  draft.invalidatedRkey = flags & OP_INV ? words[at + W_X0] >>> 0 : 0;
  draft.solicited = (view.bthFlags & BTH_SOLICITED) !== 0;
  draft.slid = view.slid;
  draft.sl = view.sl;
  draft.dlidPathBits = view.dlid - view.port.lid;
  draft.pkeyIndex = qp.pkeyIndex;
  qp.recvSlot = -1;
  const visiblePs = completeReceive(engine, qp, slot, WC_SUCCESS, view.timePs, qp.payloadPs);
  engine.trace?.arrived(view.slid, view.number, 'completion-written', visiblePs);
  return true;
}

function acknowledge(engine: Engine, qp: QpContext, view: PacketView): number {
  if (qp.type === QPT_RC && (view.bthFlags & BTH_ACK_REQUEST) !== 0)
    acknowledgeLater(engine, qp, PENDING_ACK, view.psn, view.timePs);
  return STEP_DONE;
}

/** A NAK that ends the connection: the receive entry in use is flushed with the rest. */
function refuse(engine: Engine, qp: QpContext, view: PacketView, syndrome: number, event: number): number {
  acknowledgeLater(engine, qp, syndrome, view.psn, view.timePs);
  engine.raise(event, qp, qp.port + 1, view.timePs);
  enterError(engine, qp, view.timePs);
  return STEP_DONE;
}

/** The receive entry is at fault: it completes in error, and the queue pair goes to ERR. */
function failReceive(engine: Engine, qp: QpContext, view: PacketView, status: number, syndrome: number): number {
  const slot = qp.recvSlot;
  qp.recvSlot = -1;
  engine.draft.clear();
  engine.draft.opcode = WC_RECV;
  completeReceive(engine, qp, slot, status, view.timePs, 0);
  if (qp.type === QPT_RC) acknowledgeLater(engine, qp, syndrome, view.psn, view.timePs);
  engine.raise(EVENT_QP_FATAL, qp, qp.port + 1, view.timePs);
  enterError(engine, qp, view.timePs);
  return STEP_DONE;
}
