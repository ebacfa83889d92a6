/**
 * What a responder sends: acknowledges, NAKs, READ responses, atomic acknowledges.
 *
 * An acknowledge goes out when it is decided on, unless answers to READs are in the queue before it, the last acknowledge was a moment ago (then those
 * of that moment become one), or the lane's buffer is full. READ responses are served by the transmit engine like requests.
 */
import { SLOT_BYTES } from '../fabric/index.ts';
import type { Ps } from '../sim/index.ts';
import {
  AETH_ACK_NO_CREDITS,
  AETH_KIND_RNR,
  AETH_NAK_REMOTE_ACCESS,
  aethKind,
  aethWord,
  creditCode,
  PSN_MASK,
  psnAdd,
  RC_ACK,
  RC_ATOMIC_ACK,
  RC_READ_RESPONSE_FIRST,
  RC_READ_RESPONSE_LAST,
  RC_READ_RESPONSE_MIDDLE,
  RC_READ_RESPONSE_ONLY,
} from '../wire/index.ts';
import { ACCESS_REMOTE_READ, EVENT_QP_ACCESS_ERR, GRH_BYTES } from './constants.ts';
import type { Engine } from './engine.ts';
import { BLOCKED, EV_ACK, NOTHING, SENT } from './events.ts';
import { enterError } from './finish.ts';
import { copyBytes, emit, PacketDraft, wireBytesOf, writeGrh } from './packet.ts';
import { responseReadPsPerByte } from './profile.ts';
import type { QpContext } from './queue-pair.ts';
import type { AddressVector } from './types.ts';

/** `ackPending` of a plain ACK: its credits are looked up when it is sent. */
export const PENDING_ACK = 0x100;

const packet = new PacketDraft();

/** Decides on an acknowledge: `syndrome` is `PENDING_ACK`, an RNR NAK or a NAK. */
export function acknowledgeLater(engine: Engine, qp: QpContext, syndrome: number, psn: number, atPs: Ps): void {
  qp.ackPending = syndrome;
  qp.ackPsn = psn;
  if (qp.resources.queueCount !== 0 || qp.blocked) return;
  if (syndrome === PENDING_ACK) {
    const earliest = qp.lastAckPs + engine.profile.ackCoalescePs;
    if (atPs < earliest) {
      if (!qp.ackEventPending) {
        qp.ackEventPending = true;
        engine.loop.schedule(earliest, engine.handler, EV_ACK, qp.qpn, qp.generation);
      }
      return;
    }
  }
  sendAcknowledge(engine, qp, atPs);
}

/** @internal The moment in which acknowledges become one is over. */
export function ackTimer(engine: Engine, qp: QpContext, now: Ps): void {
  qp.ackEventPending = false;
  if (qp.ackPending === -1 || qp.blocked) return;
  if (qp.resources.queueCount !== 0) engine.kick(qp, now);
  else sendAcknowledge(engine, qp, now);
}

/** Sends what the responder side of `qp` has to send next: one packet. */
export function sendResponse(engine: Engine, qp: QpContext, now: Ps): number {
  const resources = qp.resources;
  if (resources.queueCount === 0) {
    if (qp.ackPending === -1) return NOTHING;
    return sendAcknowledge(engine, qp, now) ? SENT : BLOCKED;
  }
  const slot = resources.queue[resources.queueHead];
  if (resources.readyPs[slot] > now) return NOTHING;
  return resources.isAtomic[slot] === 1 ? sendAtomicAnswer(engine, qp, slot, now) : sendReadAnswer(engine, qp, slot, now);
}

/** Credit codes of the counts that occur most. */
const CODE_OF_FEW = Uint8Array.from({ length: 1024 }, (_, count) => creditCode(count));

function aeth(qp: QpContext, msn: number): number {
  const available = qp.rq.available;
  const syndrome = qp.srq !== null ? AETH_ACK_NO_CREDITS : available < 1024 ? CODE_OF_FEW[available] : creditCode(available);
  return aethWord(syndrome, msn);
}

/** Prepares the draft; false (and the queue pair waits) if the lane's buffer has no room. */
function prepare(engine: Engine, qp: QpContext, opcode: number, n: number, now: Ps): boolean {
  const port = engine.ports[qp.port];
  const av = qp.av as AddressVector;
  const vl = port.vlOfSl[av.sl];
  const wire = wireBytesOf(opcode, n, av.grh !== null);
  if (!port.hasRoom(vl, wire, now)) {
    // One that is in the round finds out again when its turn comes.
    if (!qp.queued) engine.block(qp, port, vl);
    return false;
  }
  packet.port = port;
  packet.av = av;
  packet.opcode = opcode;
  packet.bthFlags = 0;
  packet.pkey = port.pkeys[qp.pkeyIndex];
  packet.destQpn = qp.destQpn;
  packet.payloadBytes = n;
  packet.slot = av.grh === null ? -1 : engine.pool.allocate(engine.arena);
  packet.wireBytes = wire;
  packet.vl = vl;
  packet.x1 = 0;
  packet.x2 = 0;
  packet.x3 = 0;
  packet.x4 = 0;
  return true;
}

function send(engine: Engine, qp: QpContext, readyPs: Ps): number {
  let timePs = readyPs + engine.profile.txPipelinePs;
  if (qp.lastResponsePs > timePs) timePs = qp.lastResponsePs;
  qp.lastResponsePs = timePs;
  packet.timePs = timePs;
  writeGrh(engine, qp, packet);
  return emit(engine, packet);
}

/** Sends the pending acknowledge at `atPs` (not before the event under way); false if there is no room. */
function sendAcknowledge(engine: Engine, qp: QpContext, atPs: Ps): boolean {
  if (!prepare(engine, qp, RC_ACK, 0, engine.loop.nowPs)) return false;
  const pending = qp.ackPending;
  qp.ackPending = -1;
  qp.lastAckPs = atPs;
  packet.psn = qp.ackPsn;
  packet.x0 = pending === PENDING_ACK ? aeth(qp, qp.msn) : aethWord(pending, qp.msn);
  if (pending === PENDING_ACK) engine.counters.acksSent++;
  else if (aethKind(pending) === AETH_KIND_RNR) engine.counters.rnrNaksSent++;
  else engine.counters.naksSent++;
  send(engine, qp, atPs);
  return true;
}

function sendAtomicAnswer(engine: Engine, qp: QpContext, slot: number, now: Ps): number {
  if (!prepare(engine, qp, RC_ATOMIC_ACK, 0, now)) return BLOCKED;
  const resources = qp.resources;
  const original = resources.original[slot];
  packet.psn = resources.firstPsn[slot];
  packet.x0 = aeth(qp, resources.msn[slot]);
  packet.x2 = Number(BigInt.asIntN(32, original >> 32n));
  packet.x3 = Number(BigInt.asIntN(32, original));
  resources.dequeue();
  const number = send(engine, qp, now);
  if (engine.trace !== null) traceAnswer(engine, qp, slot, 'atomic-done', now, number);
  engine.occupy(now, engine.profile.txPacketGapPs + engine.cache.use(qp), false);
  return SENT;
}

function sendReadAnswer(engine: Engine, qp: QpContext, slot: number, now: Ps): number {
  const resources = qp.resources;
  const k = resources.sent[slot];
  const packets = resources.packets[slot];
  const offset = k * qp.mtuBytes;
  const isFirst = k === resources.first[slot];
  const isLast = k === packets - 1;
  const n = isLast ? resources.bytes[slot] - offset : qp.mtuBytes;
  const addr = resources.addr[slot] + offset;
  const region = n === 0 ? null : engine.keys.remote(resources.rkey[slot], addr, n, qp.pd, ACCESS_REMOTE_READ, qp.qpn);
  if (n !== 0 && region === null) return refuseRead(engine, qp, slot, now);
  const opcode = isLast
    ? isFirst
      ? RC_READ_RESPONSE_ONLY
      : RC_READ_RESPONSE_LAST
    : isFirst
      ? RC_READ_RESPONSE_FIRST
      : RC_READ_RESPONSE_MIDDLE;
  if (!prepare(engine, qp, opcode, n, now)) return BLOCKED;
  packet.psn = (resources.firstPsn[slot] + k) & PSN_MASK;
  packet.x0 = opcode === RC_READ_RESPONSE_MIDDLE ? 0 : aeth(qp, resources.msn[slot]);
  if (region !== null && region.bytes !== null) {
    if (packet.slot < 0) packet.slot = engine.pool.allocate(engine.arena);
    const front = packet.av.grh === null ? 0 : GRH_BYTES;
    copyBytes(engine.pool.bytes, packet.slot * SLOT_BYTES + front, region.bytes, addr - region.bytesAddr, n);
  }
  resources.sent[slot] = k + 1;
  if (isLast) resources.dequeue();
  const readyPs = n === 0 ? now : engine.hostRead(now, n, offset, responseReadPsPerByte(engine.profile));
  if (n !== 0 && !isLast) resources.readyPs[slot] = engine.messageReadFreePs;
  const number = send(engine, qp, readyPs);
  if (engine.trace !== null && isLast) {
    engine.trace.arrived(resources.slid[slot], resources.number[slot], 'response-started', now);
    traceAnswer(engine, qp, slot, 'response-read', readyPs, number);
  }
  const gap = isFirst ? engine.profile.readGapPs + engine.profile.txPacketGapPs : engine.profile.txPacketGapPs;
  engine.occupy(now, gap + engine.cache.use(qp), n !== 0);
  return SENT;
}

/** Tells the trace that the answer to request `slot` is packet `number`, ready since `readyPs`. */
function traceAnswer(engine: Engine, qp: QpContext, slot: number, stage: string, readyPs: Ps, number: number): void {
  const [slid, request] = [qp.resources.slid[slot], qp.resources.number[slot]];
  engine.trace?.arrived(slid, request, stage, readyPs);
  engine.trace?.arrived(slid, request, 'response-tx-queue-entered', packet.timePs);
  engine.trace?.answered(slid, request, packet.port.lid | packet.av.srcPathBits, packet.port.hostPort, number);
}

/** The memory has gone since the request came: the rest of the answer is a NAK. */
function refuseRead(engine: Engine, qp: QpContext, slot: number, now: Ps): number {
  const psn = psnAdd(qp.resources.firstPsn[slot], qp.resources.sent[slot]);
  qp.resources.queueCount = 0;
  acknowledgeLater(engine, qp, AETH_NAK_REMOTE_ACCESS, psn, now);
  engine.raise(EVENT_QP_ACCESS_ERR, qp, qp.port + 1, now);
  enterError(engine, qp, now);
  return NOTHING;
}
