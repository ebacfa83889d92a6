/**
 * The receive engine: from an incoming record to the queue pair that it is for, and to requester, responder or datagram handling.
 */
import {
  recordFlags,
  RECORD_BAD_CRC,
  RECORD_GRH,
  SLOT_BYTES,
  W_BTH,
  W_DEST_QP,
  W_LENGTH,
  W_LIDS,
  W_NUMBER,
  W_PAYLOAD_BYTES,
  W_PORT,
  W_PSN,
  W_SLOT,
  W_X0,
} from '../fabric/index.ts';
import type { Ps } from '../sim/index.ts';
import { OP_RESPONSE, OPCODE_FLAGS, pKeysMatch, PSN_MASK, TRANSPORT_RC, TRANSPORT_UC, TRANSPORT_UD } from '../wire/index.ts';
import { completePacket } from './completer.ts';
import { GRH_BYTES, QPN_GSI, QPN_MULTICAST, QPS_INIT, QPS_RESET, QPS_ERR, QPT_GSI, QPT_RC, QPT_UC, QPT_UD } from './constants.ts';
import { receiveDatagram } from './datagram.ts';
import type { Engine } from './engine.ts';
import type { PortState } from './port.ts';
import type { QpContext } from './queue-pair.ts';
import { respondPacket } from './responder.ts';

/** An incoming packet, taken apart: one per module, filled anew for each. */
export class PacketView {
  port!: PortState;
  words!: Int32Array;
  /** First word of its record. */
  at = 0;
  opcode = 0;
  /** `OP_*` of the opcode. */
  flags = 0;
  /** `BTH_*`. */
  bthFlags = 0;
  pkey = 0;
  psn = 0;
  payloadBytes = 0;
  /** Payload slot, −1 for none. */
  slot = -1;
  /** Bytes of GRH in front of the payload. */
  front = 0;
  dlid = 0;
  slid = 0;
  sl = 0;
  number = 0;
  /** When its headers have been checked: the receive engine's time. */
  timePs = 0.5;
}

const view = new PacketView();
/** Queue pair type by BTH transport; 255 where no queue pair has it. */
const TYPE_OF_TRANSPORT = (() => {
  const types = new Uint8Array(8).fill(255);
  types[TRANSPORT_RC] = QPT_RC;
  types[TRANSPORT_UC] = QPT_UC;
  types[TRANSPORT_UD] = QPT_UD;
  return types;
})();

/** @internal Handles the record in `slot` of the engine's receive room. */
export function receivePacket(engine: Engine, slot: number, now: Ps): void {
  const words = engine.rxWords;
  if ((recordFlags(words, slot) & RECORD_BAD_CRC) !== 0) {
    engine.counters.badCrcDropped++;
    return;
  }
  open(engine, words, slot);
  engine.counters.packetsReceived++;
  engine.counters.bytesReceived += view.payloadBytes;
  const start = engine.rxFreePs > now ? engine.rxFreePs : now;
  const destQpn = words[slot + W_DEST_QP] & 0xffffff;
  if (destQpn === QPN_MULTICAST) {
    engine.rxFreePs = start + engine.profile.rxPacketGapPs;
    view.timePs = start;
    receiveMulticast(engine);
    return;
  }
  const qp = destQpn === QPN_GSI ? view.port.gsi : engine.qp(destQpn);
  if (qp === null || !accepts(engine, qp)) {
    engine.rxFreePs = start + engine.profile.rxPacketGapPs;
    engine.counters.dropped++;
    return;
  }
  const missPs = engine.cache.use(qp);
  view.timePs = start + missPs;
  engine.rxFreePs = view.timePs + engine.profile.rxPacketGapPs;
  if (engine.trace !== null) {
    engine.trace.arrived(view.slid, view.number, 'receive-pipeline', now);
    engine.trace.arrived(view.slid, view.number, 'headers-checked', view.timePs);
  }
  if ((view.flags & OP_RESPONSE) !== 0) completePacket(engine, qp, view);
  else if (qp.type === QPT_RC || qp.type === QPT_UC) respondPacket(engine, qp, view);
  else receiveDatagram(engine, qp, view);
}

function open(engine: Engine, words: Int32Array, at: number): void {
  const bth = words[at + W_BTH];
  const flags = recordFlags(words, at);
  const lids = words[at + W_LIDS];
  view.port = engine.portOf(words[at + W_PORT]);
  view.words = words;
  view.at = at;
  view.opcode = bth & 0xff;
  view.flags = OPCODE_FLAGS[view.opcode];
  view.bthFlags = (bth >>> 8) & 0xff;
  view.pkey = bth >>> 16;
  view.psn = words[at + W_PSN] & PSN_MASK;
  view.payloadBytes = words[at + W_PAYLOAD_BYTES];
  view.slot = words[at + W_SLOT] - 1;
  view.front = flags & RECORD_GRH ? GRH_BYTES : 0;
  // A slot may hold the GRH alone, of a packet whose payload has no bytes.
  view.dlid = lids & 0xffff;
  view.slid = lids >>> 16;
  view.sl = (words[at + W_LENGTH] >>> 16) & 15;
  view.number = words[at + W_NUMBER];
}

/** Whether the queue pair takes the packet at all: state, transport, port, partition, sender. What does not fit is dropped without an answer. */
function accepts(engine: Engine, qp: QpContext): boolean {
  if (qp.state === QPS_RESET || qp.state === QPS_INIT || qp.state === QPS_ERR) return false;
  const type = TYPE_OF_TRANSPORT[view.opcode >>> 5];
  if (view.flags === 0 || (type !== qp.type && !(qp.type === QPT_GSI && type === QPT_UD))) return false;
  const port = view.port;
  if (qp.port !== port.index) return false;
  // QP1 takes every P_Key of the port's table; any other queue pair just its own.
  const matches = qp.type === QPT_GSI ? port.pkeyIndexOf(view.pkey) >= 0 : pKeysMatch(port.pkeys[qp.pkeyIndex], view.pkey);
  if (!matches) {
    engine.counters.pkeyViolations++;
    return false;
  }
  if (qp.type === QPT_RC || qp.type === QPT_UC) return qp.av !== null;
  const qkey = view.words[view.at + W_X0];
  if ((qp.qkey | 0) === qkey) return true;
  engine.counters.qkeyViolations++;
  return false;
}

/** A copy of the packet to every queue pair that is attached to its group. */
function receiveMulticast(engine: Engine): void {
  const members = view.port.multicast.get(view.dlid);
  let taken = false;
  if (members !== undefined) {
    for (let i = 0; i < members.length; i++) {
      const { qp, gid } = members[i];
      if (!groupMatches(engine, gid) || !accepts(engine, qp)) continue;
      taken = true;
      receiveDatagram(engine, qp, view);
    }
  }
  if (!taken) engine.counters.dropped++;
}

/** Whether the destination GID of the packet's GRH is `gid`. */
function groupMatches(engine: Engine, gid: Uint8Array): boolean {
  if (view.front === 0 || view.slot < 0) return false;
  const at = view.slot * SLOT_BYTES + 24;
  for (let i = 0; i < 16; i++) if (engine.pool.bytes[at + i] !== gid[i]) return false;
  return true;
}
