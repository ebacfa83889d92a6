/**
 * The requester: from send queue entries to request packets, for all transports. One call sends one packet.
 *
 * The queue's entry `next` is the one being sent and `sentPackets` how far; going back (`goBack`) just moves the two. An entry gets its PSNs when it is first begun.
 */
import { BTH_ACK_REQUEST, BTH_SOLICITED, SLOT_BYTES } from '../fabric/index.ts';
import type { Ps } from '../sim/index.ts';
import {
  PSN_MASK,
  psnDiff,
  RC_COMPARE_SWAP,
  RC_FETCH_ADD,
  RC_READ_REQUEST,
  RC_SEND_FIRST,
  RC_SEND_LAST,
  RC_SEND_LAST_IMM,
  RC_SEND_LAST_INV,
  RC_SEND_MIDDLE,
  RC_SEND_ONLY,
  RC_SEND_ONLY_IMM,
  RC_SEND_ONLY_INV,
  RC_WRITE_FIRST,
  RC_WRITE_LAST,
  RC_WRITE_LAST_IMM,
  RC_WRITE_MIDDLE,
  RC_WRITE_ONLY,
  RC_WRITE_ONLY_IMM,
  rateMbps,
  UD_SEND_ONLY,
  UD_SEND_ONLY_IMM,
} from '../wire/index.ts';
import {
  GRH_BYTES,
  QPN_MULTICAST,
  QPT_RC,
  QPT_UC,
  SEND_FENCE,
  SEND_INLINE,
  SEND_SOLICITED,
  WC_LOC_PROT_ERR,
  WC_SUCCESS,
  WR_COMPARE_SWAP,
  WR_FETCH_ADD,
  WR_READ,
  WR_SEND,
  WR_SEND_IMM,
  WR_SEND_INV,
  WR_WRITE,
  WR_WRITE_IMM,
} from './constants.ts';
import type { Engine } from './engine.ts';
import { BLOCKED, EV_TIMER, NOTHING, SENT } from './events.ts';
import { checkEntry, HAS_RETH, KIND, LOCAL_ONLY, runLocal, TAKES_RECEIVE, USES_READ_RESOURCE } from './entry.ts';
import { completeSend, failSend, messageId } from './finish.ts';
import {
  CHECK_BAD,
  CHECK_BYTES,
  checkSges,
  copyBytes,
  emit,
  gather,
  lower,
  PacketDraft,
  upper,
  wireBytesOf,
  writeGrh,
} from './packet.ts';
import type { QpContext } from './queue-pair.ts';
import type { AddressVector } from './types.ts';

/** Opcodes of a message's packets by work request: only, first, middle, last. UC adds 0x20. */
const OPCODES: readonly (readonly [number, number, number, number])[] = (() => {
  const table: [number, number, number, number][] = Array.from({ length: 16 }, () => [0, 0, 0, 0]);
  table[WR_SEND] = [RC_SEND_ONLY, RC_SEND_FIRST, RC_SEND_MIDDLE, RC_SEND_LAST];
  table[WR_SEND_IMM] = [RC_SEND_ONLY_IMM, RC_SEND_FIRST, RC_SEND_MIDDLE, RC_SEND_LAST_IMM];
  table[WR_SEND_INV] = [RC_SEND_ONLY_INV, RC_SEND_FIRST, RC_SEND_MIDDLE, RC_SEND_LAST_INV];
  table[WR_WRITE] = [RC_WRITE_ONLY, RC_WRITE_FIRST, RC_WRITE_MIDDLE, RC_WRITE_LAST];
  table[WR_WRITE_IMM] = [RC_WRITE_ONLY_IMM, RC_WRITE_FIRST, RC_WRITE_MIDDLE, RC_WRITE_LAST_IMM];
  table[WR_READ] = [RC_READ_REQUEST, RC_READ_REQUEST, RC_READ_REQUEST, RC_READ_REQUEST];
  table[WR_COMPARE_SWAP] = [RC_COMPARE_SWAP, RC_COMPARE_SWAP, RC_COMPARE_SWAP, RC_COMPARE_SWAP];
  table[WR_FETCH_ADD] = [RC_FETCH_ADD, RC_FETCH_ADD, RC_FETCH_ADD, RC_FETCH_ADD];
  return table;
})();

const packet = new PacketDraft();
const PROCEED = 3;

/** Whether entry `next`, not begun, may begin as far as order, READ resources and credits go. Whatever makes it wait ends by an acknowledge. */
export function mayStart(qp: QpContext): boolean {
  if (qp.type !== QPT_RC) return true;
  const sq = qp.sq;
  if (qp.mustDrain) {
    if (sq.acked !== sq.next) return false;
    qp.mustDrain = false;
  }
  const slot = sq.next & sq.mask;
  const kind = KIND[sq.opcode[slot]];
  if (qp.rdAtomicOutstanding !== 0 && (sq.flags[slot] & SEND_FENCE) !== 0) return false;
  if (kind & USES_READ_RESOURCE) return qp.rdAtomicOutstanding < qp.maxRdAtomic;
  if (kind & LOCAL_ONLY) return sq.acked === sq.next;
  if (qp.unlimitedCredits || (kind & TAKES_RECEIVE) === 0) return true;
  const ssn = sq.next === sq.started ? qp.ssn + 1 : sq.ssn[slot];
  // One message beyond the credits may go: its acknowledge brings new ones.
  return psnDiff(ssn & PSN_MASK, (qp.creditLimit + 1) & PSN_MASK) <= 0;
}

/** Sends the next packet of the queue. Returns `SENT`, `BLOCKED` or `NOTHING`. */
export function sendRequest(engine: Engine, qp: QpContext, now: Ps): number {
  const sq = qp.sq;
  const slot = sq.next & sq.mask;
  if (qp.sentPackets === 0 && sq.next === sq.started) {
    const outcome = begin(engine, qp, slot, now);
    if (outcome !== PROCEED) return outcome;
  }
  return qp.type === QPT_RC || qp.type === QPT_UC ? sendConnected(engine, qp, slot, now) : sendDatagram(engine, qp, slot, now);
}

/** Checks entry `next` and gives it its PSNs; local operations are carried out. */
function begin(engine: Engine, qp: QpContext, slot: number, now: Ps): number {
  const sq = qp.sq;
  const index = sq.next;
  const kind = KIND[sq.opcode[slot]];
  const status = kind & LOCAL_ONLY ? runLocal(engine, qp, slot) : checkEntry(engine, qp, slot, kind);
  if (status !== WC_SUCCESS) {
    if (sq.acked !== index) {
      // Completions keep their order: what went before ends first.
      qp.mustDrain = true;
      return NOTHING;
    }
    sq.next++;
    sq.started++;
    failSend(engine, qp, index, status, now);
    return NOTHING;
  }
  if (kind & LOCAL_ONLY) {
    sq.next++;
    sq.started++;
    sq.firstPsn[slot] = qp.nextPsn;
    sq.packets[slot] = 0;
    engine.occupy(now, engine.profile.txMessageGapPs, false);
    completeSend(engine, qp, index, WC_SUCCESS, now, now);
    return SENT;
  }
  if (qp.type === QPT_RC || qp.type === QPT_UC) {
    const packets =
      sq.bytes[slot] === 0 || (kind & USES_READ_RESOURCE && sq.opcode[slot] !== WR_READ)
        ? 1
        : Math.ceil(sq.bytes[slot] / qp.mtuBytes);
    sq.firstPsn[slot] = qp.nextPsn;
    sq.packets[slot] = packets;
    qp.nextPsn = (qp.nextPsn + packets) & PSN_MASK;
    qp.ssn = (qp.ssn + 1) & PSN_MASK;
    sq.ssn[slot] = qp.ssn;
    if ((kind & TAKES_RECEIVE) === 0) qp.creditLimit = (qp.creditLimit + 1) & PSN_MASK;
  }
  sq.started++;
  return PROCEED;
}

function sendConnected(engine: Engine, qp: QpContext, slot: number, now: Ps): number {
  const sq = qp.sq;
  const profile = engine.profile;
  const opcode = sq.opcode[slot];
  const kind = KIND[opcode];
  const isRead = (kind & USES_READ_RESOURCE) !== 0;
  const k = qp.sentPackets;
  const packets = sq.packets[slot];
  const isLast = isRead || k === packets - 1;
  const offset = k * qp.mtuBytes;
  const n = isRead ? 0 : isLast ? sq.bytes[slot] - offset : qp.mtuBytes;
  const codes = OPCODES[opcode];
  const bth =
    (isLast ? (k === 0 || isRead ? codes[0] : codes[3]) : k === 0 ? codes[1] : codes[2]) | (qp.type === QPT_UC ? 0x20 : 0);
  const port = engine.ports[qp.port];
  const av = qp.av as AddressVector;
  const vl = port.vlOfSl[av.sl];
  const wire = wireBytesOf(bth, n, av.grh !== null);
  if (!port.hasRoom(vl, wire, now)) {
    engine.block(qp, port, vl);
    return BLOCKED;
  }
  packet.port = port;
  packet.av = av;
  packet.opcode = bth;
  packet.pkey = port.pkeys[qp.pkeyIndex];
  packet.destQpn = qp.destQpn;
  packet.psn = (sq.firstPsn[slot] + k) & PSN_MASK;
  packet.payloadBytes = n;
  packet.wireBytes = wire;
  packet.vl = vl;
  packet.x0 = sq.imm[slot];
  const readyPs = loadPayload(engine, qp, slot, offset, n, now);
  if (readyPs < 0) {
    failSend(engine, qp, sq.next, WC_LOC_PROT_ERR, now);
    return NOTHING;
  }
  fillExtensions(engine, qp, slot, k, kind);
  packet.bthFlags = requestFlags(engine, qp, slot, isLast, isRead);
  stampAndEmit(engine, qp, isLast, now, readyPs);
  const gap = (k === 0 || isRead ? profile.txMessageGapPs : profile.txPacketGapPs) + (isRead ? profile.readGapPs : 0);
  const reads = n !== 0 && (sq.flags[slot] & SEND_INLINE) === 0;
  engine.occupy(now, gap + engine.cache.use(qp), reads);
  if (reads && !isLast && engine.messageReadFreePs > qp.nextSendPs) qp.nextSendPs = engine.messageReadFreePs;
  afterPacket(engine, qp, isLast, isRead);
  return SENT;
}

function requestFlags(engine: Engine, qp: QpContext, slot: number, isLast: boolean, isRead: boolean): number {
  let flags = 0;
  if (isLast && (qp.sq.flags[slot] & SEND_SOLICITED) !== 0) flags |= BTH_SOLICITED;
  if (qp.type !== QPT_RC || isRead) return flags;
  if (isLast || ++qp.sinceAckRequest >= engine.profile.ackRequestPackets) {
    qp.sinceAckRequest = 0;
    flags |= BTH_ACK_REQUEST;
  }
  return flags;
}

/** RETH, or AtomicETH with its operands in a payload slot. */
function fillExtensions(engine: Engine, qp: QpContext, slot: number, k: number, kind: number): void {
  const sq = qp.sq;
  packet.x1 = 0;
  packet.x2 = 0;
  packet.x3 = 0;
  packet.x4 = 0;
  const isRead = (kind & USES_READ_RESOURCE) !== 0;
  if ((kind & HAS_RETH) !== 0 && (k === 0 || isRead)) {
    const offset = isRead ? k * qp.mtuBytes : 0;
    const addr = sq.remoteAddr[slot] + offset;
    packet.x1 = sq.rkey[slot];
    packet.x2 = upper(addr);
    packet.x3 = lower(addr);
    packet.x4 = (sq.bytes[slot] - offset) | 0;
  } else if (isRead) {
    const addr = sq.remoteAddr[slot];
    packet.x1 = sq.rkey[slot];
    packet.x2 = upper(addr);
    packet.x3 = lower(addr);
    if (packet.slot < 0) packet.slot = engine.pool.allocate(engine.arena);
    const at = packet.slot * SLOT_BYTES + (packet.av.grh === null ? 0 : GRH_BYTES);
    const view = new DataView(engine.pool.bytes.buffer, at, 16);
    const isAdd = sq.opcode[slot] === WR_FETCH_ADD;
    view.setBigUint64(0, isAdd ? sq.compareAdd[slot] : sq.swap[slot]);
    view.setBigUint64(8, isAdd ? 0n : sq.compareAdd[slot]);
  }
}

/** Puts `n` bytes of the entry's data, from `offset`, into a payload slot. Returns when they are in the adapter; −1 if a key no longer holds. */
function loadPayload(engine: Engine, qp: QpContext, slot: number, offset: number, n: number, now: Ps): Ps {
  const sq = qp.sq;
  const grh = packet.av.grh !== null;
  packet.slot = grh ? engine.pool.allocate(engine.arena) : -1;
  if (n === 0) return now;
  const front = grh ? GRH_BYTES : 0;
  if ((sq.flags[slot] & SEND_INLINE) !== 0) {
    if (!grh) packet.slot = engine.pool.allocate(engine.arena);
    copyBytes(engine.pool.bytes, packet.slot * SLOT_BYTES + front, sq.inline, slot * sq.maxInline + offset, n);
    return now;
  }
  const first = slot * sq.maxSge;
  const found = checkSges(engine, sq, first, sq.sgeCount[slot], qp.pd, offset, n, false);
  if (found === CHECK_BAD) {
    if (grh) engine.pool.release(packet.slot);
    return -1;
  }
  if (found === CHECK_BYTES) {
    if (!grh) packet.slot = engine.pool.allocate(engine.arena);
    gather(engine, sq, first, sq.sgeCount[slot], offset, n, engine.pool.bytes, packet.slot * SLOT_BYTES + front);
  }
  return engine.hostRead(now, n, offset, engine.profile.hostReadPsPerByte);
}

/** Sends the draft, after the queue pair's packets before it. */
function stampAndEmit(engine: Engine, qp: QpContext, isLast: boolean, now: Ps, readyPs: Ps): void {
  let timePs = readyPs + engine.profile.txPipelinePs;
  if (qp.lastRequestPs > timePs) timePs = qp.lastRequestPs;
  qp.lastRequestPs = timePs;
  packet.timePs = timePs;
  writeGrh(engine, qp, packet);
  const number = emit(engine, packet);
  if (engine.trace !== null && isLast) {
    const message = messageId(qp.qpn, qp.sq.next);
    engine.trace.stamp(message, 'transmit-started', now);
    engine.trace.stamp(message, 'payload-read', readyPs);
    engine.trace.stamp(message, 'tx-queue-entered', timePs);
    engine.trace.packet(message, packet.port.hostPort, number);
  }
  if (packet.av.staticRate !== 0)
    paceStaticRate(qp, packet.port.config.linkPsPerByte, packet.wireBytes, packet.av.staticRate, now);
}

/** A static rate below the link's: the next packet waits as long as this one would take at that rate (inter-packet delay). */
function paceStaticRate(qp: QpContext, linkPsPerByte: number, wireBytes: number, rate: number, now: Ps): void {
  const mbps = rateMbps(rate);
  const psPerByte = mbps > 0 ? 8e6 / mbps : 0;
  if (psPerByte > linkPsPerByte * 1.05) qp.nextSendPs = Math.max(now, qp.nextSendPs) + Math.ceil(wireBytes * psPerByte);
}

function afterPacket(engine: Engine, qp: QpContext, isLast: boolean, isRead: boolean): void {
  const sq = qp.sq;
  qp.sentPackets++;
  if (qp.type === QPT_RC && qp.deadlinePs === Number.POSITIVE_INFINITY) armTimer(engine, qp, qp.lastRequestPs);
  if (!isLast) return;
  const index = sq.next;
  sq.next++;
  qp.sentPackets = 0;
  if (isRead) qp.rdAtomicOutstanding++;
  if (qp.type !== QPT_RC) completeSend(engine, qp, index, WC_SUCCESS, qp.lastRequestPs, 0);
}

/** Starts the retry timer anew at `fromPs`. One event a queue pair is pending at most; it looks at the deadline when it comes. */
export function armTimer(engine: Engine, qp: QpContext, fromPs: Ps): void {
  if (qp.timeout === 0) return;
  qp.deadlinePs = fromPs + qp.timeoutPs;
  if (qp.timerPs <= qp.deadlinePs) return;
  qp.timerPs = qp.deadlinePs;
  engine.loop.schedule(qp.timerPs, engine.handler, EV_TIMER, qp.qpn, qp.generation);
}

/** Goes back: the next packet is that of `psn`, in the oldest entry not acknowledged. */
export function goBack(qp: QpContext, psn: number): void {
  const sq = qp.sq;
  sq.next = sq.acked;
  qp.sentPackets = sq.acked === sq.started ? 0 : psnDiff(psn, sq.firstPsn[sq.acked & sq.mask]);
  qp.rdAtomicOutstanding = 0;
  qp.sinceAckRequest = 0;
}

function sendDatagram(engine: Engine, qp: QpContext, slot: number, now: Ps): number {
  const sq = qp.sq;
  const av = sq.av[slot] as AddressVector;
  const port = engine.ports[qp.port];
  const vl = port.vlOfSl[av.sl];
  const n = sq.bytes[slot];
  const hasImm = sq.opcode[slot] === WR_SEND_IMM;
  const bth = hasImm ? UD_SEND_ONLY_IMM : UD_SEND_ONLY;
  const wire = wireBytesOf(bth, n, av.grh !== null);
  if (!port.hasRoom(vl, wire, now)) {
    engine.block(qp, port, vl);
    return BLOCKED;
  }
  const isMulticast = av.dlid >= 0xc000 && av.dlid !== 0xffff;
  packet.port = port;
  packet.av = av;
  packet.opcode = bth;
  packet.bthFlags = sq.flags[slot] & SEND_SOLICITED ? BTH_SOLICITED : 0;
  packet.pkey = port.pkeys[qp.pkeyIndex];
  packet.destQpn = isMulticast ? QPN_MULTICAST : sq.remoteQpn[slot];
  packet.psn = qp.nextPsn;
  packet.payloadBytes = n;
  packet.wireBytes = wire;
  packet.vl = vl;
  // A Q_Key with the top bit set stands for the queue pair's own (IBA vol. 1, 10.2.5).
  packet.x0 = sq.remoteQkey[slot] < 0 ? qp.qkey : sq.remoteQkey[slot];
  packet.x1 = qp.qpn;
  packet.x2 = 0;
  packet.x3 = 0;
  packet.x4 = hasImm ? sq.imm[slot] : 0;
  qp.nextPsn = (qp.nextPsn + 1) & PSN_MASK;
  const readyPs = loadPayload(engine, qp, slot, 0, n, now);
  if (readyPs < 0) {
    sq.next++;
    failSend(engine, qp, sq.next - 1, WC_LOC_PROT_ERR, now);
    return NOTHING;
  }
  stampAndEmit(engine, qp, true, now, readyPs);
  engine.occupy(now, engine.profile.txMessageGapPs + engine.cache.use(qp), n !== 0 && (sq.flags[slot] & SEND_INLINE) === 0);
  afterPacket(engine, qp, true, false);
  return SENT;
}
