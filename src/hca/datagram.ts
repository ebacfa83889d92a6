/**
 * The responder of UD and of QP1: each packet is a message and takes a receive entry, whose first 40 bytes are for the GRH, present or not.
 * Without a receive entry the datagram is lost, without a word.
 */
import { BTH_SOLICITED, SLOT_BYTES, W_X1, W_X4 } from '../fabric/index.ts';
import { OP_IMM } from '../wire/index.ts';
import {
  EVENT_QP_FATAL,
  GRH_BYTES,
  WC_GRH,
  WC_LOC_LEN_ERR,
  WC_LOC_PROT_ERR,
  WC_RECV,
  WC_SUCCESS,
  WC_WITH_IMM,
} from './constants.ts';
import type { Engine } from './engine.ts';
import { completeReceive, enterError, takeReceive } from './finish.ts';
import { CHECK_BAD, checkSges, scatter } from './packet.ts';
import type { QpContext } from './queue-pair.ts';
import type { PacketView } from './receive.ts';

/** Handles a datagram for `qp`. */
export function receiveDatagram(engine: Engine, qp: QpContext, view: PacketView): void {
  const slot = takeReceive(engine, qp, view.timePs);
  if (slot < 0) {
    engine.counters.dropped++;
    return;
  }
  const atPs = view.timePs + engine.profile.recvWqeFetchPs;
  engine.rxFreePs += engine.profile.rxMessageGapPs;
  const rq = qp.rq;
  const n = view.payloadBytes;
  const first = slot * rq.maxSge;
  if (rq.bytes[slot] < n + GRH_BYTES) {
    fail(engine, qp, slot, WC_LOC_LEN_ERR, atPs);
    return;
  }
  if (checkSges(engine, rq, first, rq.sgeCount[slot], qp.pd, 0, n + GRH_BYTES, true) === CHECK_BAD) {
    fail(engine, qp, slot, WC_LOC_PROT_ERR, atPs);
    return;
  }
  const visiblePs = n + view.front === 0 ? 0 : engine.hostWrite(atPs, n + view.front) + qp.vfReceivePs;
  const base = view.slot * SLOT_BYTES;
  const from = view.slot < 0 ? null : engine.pool.bytes;
  if (view.front !== 0) scatter(engine, rq, first, rq.sgeCount[slot], 0, GRH_BYTES, from, base, visiblePs);
  if (n !== 0) scatter(engine, rq, first, rq.sgeCount[slot], GRH_BYTES, n, from, base + view.front, visiblePs);
  engine.trace?.arrived(view.slid, view.number, 'payload-written', visiblePs);
  fillDraft(engine, qp, view);
  const cqePs = completeReceive(engine, qp, slot, WC_SUCCESS, atPs, visiblePs);
  engine.trace?.arrived(view.slid, view.number, 'completion-written', cqePs);
}

function fillDraft(engine: Engine, qp: QpContext, view: PacketView): void {
  const { words, at } = view;
  const draft = engine.draft;
  const hasImm = (view.flags & OP_IMM) !== 0;
  draft.clear();
  draft.opcode = WC_RECV;
  draft.byteLen = view.payloadBytes + GRH_BYTES;
  draft.wcFlags = (hasImm ? WC_WITH_IMM : 0) | (view.front !== 0 ? WC_GRH : 0);
  draft.immData = hasImm ? words[at + W_X4] >>> 0 : 0;
  draft.srcQp = words[at + W_X1] & 0xffffff;
  draft.slid = view.slid;
  draft.sl = view.sl;
  draft.dlidPathBits = view.dlid >= 0xc000 ? 0 : view.dlid - view.port.lid;
  draft.pkeyIndex = Math.max(0, view.port.pkeyIndexOf(view.pkey));
  draft.solicited = (view.bthFlags & BTH_SOLICITED) !== 0;
  if (qp.pkeyIndex < view.port.pkeys.length && draft.pkeyIndex !== qp.pkeyIndex && view.port.gsi !== qp)
    draft.pkeyIndex = qp.pkeyIndex;
}

function fail(engine: Engine, qp: QpContext, slot: number, status: number, atPs: number): void {
  engine.draft.clear();
  engine.draft.opcode = WC_RECV;
  completeReceive(engine, qp, slot, status, atPs, 0);
  engine.raise(EVENT_QP_FATAL, qp, qp.port + 1, atPs);
  enterError(engine, qp, atPs);
}
