/**
 * The responder's memory of READs and atomics: carrying them out, and answering duplicates of anything that has been seen before.
 */
import { BTH_ACK_REQUEST, SLOT_BYTES, W_X1, W_X2, W_X3, W_X4 } from '../fabric/index.ts';
import { OP_ATOMIC, OP_READ, PSN_MASK, psnAdd, RC_FETCH_ADD } from '../wire/index.ts';
import { ACCESS_REMOTE_ATOMIC } from './constants.ts';
import type { Engine } from './engine.ts';
import type { MemoryKey } from './memory.ts';
import { joined } from './packet.ts';
import type { QpContext } from './queue-pair.ts';
import type { PacketView } from './receive.ts';
import { acknowledgeLater, PENDING_ACK } from './respond.ts';

/** Remembers a READ or atomic, carries the atomic out, and puts the answer into the queue. */
export function remember(engine: Engine, qp: QpContext, view: PacketView): void {
  const { words, at } = view;
  const resources = qp.resources;
  const slot = resources.count++ % resources.size;
  const isAtomic = (view.flags & OP_ATOMIC) !== 0;
  const bytes = isAtomic ? 8 : words[at + W_X4] >>> 0;
  resources.isAtomic[slot] = isAtomic ? 1 : 0;
  resources.firstPsn[slot] = view.psn;
  resources.packets[slot] = isAtomic || bytes === 0 ? 1 : Math.ceil(bytes / qp.mtuBytes);
  resources.rkey[slot] = words[at + W_X1];
  resources.addr[slot] = joined(words[at + W_X2], words[at + W_X3]);
  resources.bytes[slot] = bytes;
  resources.sent[slot] = 0;
  resources.first[slot] = 0;
  resources.answered[slot] = 0;
  resources.msn[slot] = (qp.msn + 1) & PSN_MASK;
  resources.slid[slot] = view.slid;
  resources.number[slot] = view.number;
  resources.readyPs[slot] = isAtomic ? runAtomic(engine, qp, view, slot) : view.timePs;
  resources.enqueue(slot);
  // The answer acknowledges everything before it.
  if (qp.ackPending === PENDING_ACK) qp.ackPending = -1;
  qp.expectedPsn = psnAdd(view.psn, resources.packets[slot]);
  engine.kick(qp, engine.loop.nowPs);
}

/** Reads, modifies and writes eight bytes. Returns when the result can be sent: operations of one adapter come one after the other. */
function runAtomic(engine: Engine, qp: QpContext, view: PacketView, slot: number): number {
  const { words, at } = view;
  const resources = qp.resources;
  const addr = resources.addr[slot];
  const region = engine.keys.remote(words[at + W_X1], addr, 8, qp.pd, ACCESS_REMOTE_ATOMIC, qp.qpn) as MemoryKey;
  const start = Math.max(view.timePs, engine.atomicFreePs);
  engine.atomicFreePs = start + engine.profile.atomicGapPs;
  const readPs = start + engine.profile.hostReadLatencyPs;
  resources.original[slot] = 0n;
  if (region.bytes !== null && view.slot >= 0) {
    const operands = new DataView(engine.pool.bytes.buffer, view.slot * SLOT_BYTES + view.front, 16);
    const memory = new DataView(region.bytes.buffer, region.bytes.byteOffset + addr - region.bytesAddr, 8);
    const original = memory.getBigUint64(0, true);
    const first = operands.getBigUint64(0);
    resources.original[slot] = original;
    if (view.opcode === RC_FETCH_ADD) memory.setBigUint64(0, BigInt.asUintN(64, original + first), true);
    else if (original === operands.getBigUint64(8)) memory.setBigUint64(0, first, true);
  }
  engine.memory.written(addr + region.toReal, 8, engine.hostWrite(readPs, 8) + qp.vfReceivePs);
  return readPs;
}

/** RC: a packet that has been seen. Acknowledged again; READ and atomic answered again from what is remembered. */
export function answerDuplicate(engine: Engine, qp: QpContext, view: PacketView): void {
  engine.counters.duplicates++;
  if ((view.flags & (OP_READ | OP_ATOMIC)) === 0) {
    const mayAck = qp.ackPending === -1 || qp.ackPending === PENDING_ACK;
    if (mayAck && (view.bthFlags & BTH_ACK_REQUEST) !== 0)
      acknowledgeLater(engine, qp, PENDING_ACK, psnAdd(qp.expectedPsn, -1), view.timePs);
    return;
  }
  const resources = qp.resources;
  const isAtomic = (view.flags & OP_ATOMIC) !== 0 ? 1 : 0;
  for (let slot = 0; slot < Math.min(resources.size, resources.count); slot++) {
    const k = (view.psn - resources.firstPsn[slot]) & PSN_MASK;
    if (k >= resources.packets[slot] || resources.isAtomic[slot] !== isAtomic) continue;
    answerAgain(engine, qp, slot, k, view);
    break;
  }
}

function answerAgain(engine: Engine, qp: QpContext, slot: number, k: number, view: PacketView): void {
  const resources = qp.resources;
  if (resources.isAtomic[slot] === 0) {
    // One that is being answered goes back only as far as it is ahead of what is asked for.
    if (resources.queued[slot] === 1 && resources.sent[slot] <= k) return;
    resources.sent[slot] = k;
    resources.first[slot] = k;
  }
  if (resources.queued[slot] === 0) {
    resources.readyPs[slot] = view.timePs;
    resources.enqueue(slot);
  }
  engine.kick(qp, engine.loop.nowPs);
}
