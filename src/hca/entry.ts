/**
 * What is looked at in a send queue entry before its first packet goes out: what kind it is, whether its lengths and local keys hold; and the two operations that never leave the adapter,
 * local invalidate and bind.
 */
import {
  MAX_MESSAGE_BYTES,
  QPT_GSI,
  QPT_RC,
  QPT_UC,
  QPT_UD,
  SEND_INLINE,
  WC_LOC_LEN_ERR,
  WC_LOC_PROT_ERR,
  WC_LOC_QP_OP_ERR,
  WC_MW_BIND_ERR,
  WC_SUCCESS,
  WR_BIND_MW,
  WR_COMPARE_SWAP,
  WR_FETCH_ADD,
  WR_LOCAL_INV,
  WR_READ,
  WR_SEND,
  WR_SEND_IMM,
  WR_SEND_INV,
  WR_WRITE,
  WR_WRITE_IMM,
} from './constants.ts';
import type { Engine } from './engine.ts';
import { bindWindow, MemoryKey, unbind } from './memory.ts';
import { CHECK_BAD, checkSges } from './packet.ts';
import type { QpContext } from './queue-pair.ts';

/** What kinds of work request do: bits by opcode. */
export const USES_READ_RESOURCE = 1;
export const TAKES_RECEIVE = 2;
export const LOCAL_ONLY = 4;
export const HAS_RETH = 8;
export const KIND = (() => {
  const kind = new Uint8Array(16);
  kind[WR_READ] = USES_READ_RESOURCE | HAS_RETH;
  kind[WR_COMPARE_SWAP] = USES_READ_RESOURCE;
  kind[WR_FETCH_ADD] = USES_READ_RESOURCE;
  kind[WR_SEND] = TAKES_RECEIVE;
  kind[WR_SEND_IMM] = TAKES_RECEIVE;
  kind[WR_SEND_INV] = TAKES_RECEIVE;
  kind[WR_WRITE] = HAS_RETH;
  kind[WR_WRITE_IMM] = TAKES_RECEIVE | HAS_RETH;
  kind[WR_LOCAL_INV] = LOCAL_ONLY;
  kind[WR_BIND_MW] = LOCAL_ONLY;
  return kind;
})();

const CONNECTED = [WR_SEND, WR_SEND_IMM, WR_WRITE, WR_WRITE_IMM, WR_LOCAL_INV, WR_BIND_MW];
/** Bit n of entry t: a queue pair of type t may post work request opcode n. UC has no SEND with invalidate, READ or atomics (`ibv_post_send(3)`). */
export const ALLOWED_WR = (() => {
  const bits = (opcodes: readonly number[]) => opcodes.reduce((sum, opcode) => sum | (1 << opcode), 0);
  const table = new Int32Array(8);
  table[QPT_RC] = bits([...CONNECTED, WR_SEND_INV, WR_READ, WR_COMPARE_SWAP, WR_FETCH_ADD]);
  table[QPT_UC] = bits(CONNECTED);
  table[QPT_UD] = bits([WR_SEND, WR_SEND_IMM]);
  table[QPT_GSI] = table[QPT_UD];
  return table;
})();
/** READ and atomics, likewise. */
export const READ_LIKE = (1 << WR_READ) | (1 << WR_COMPARE_SWAP) | (1 << WR_FETCH_ADD);

/** What the adapter finds wrong with an entry before its first packet: a completion status. */
export function checkEntry(engine: Engine, qp: QpContext, slot: number, kind: number): number {
  const sq = qp.sq;
  const bytes = sq.bytes[slot];
  const datagram = qp.type === QPT_UD || qp.type === QPT_GSI;
  const limit = datagram ? engine.ports[qp.port].config.mtuBytes : MAX_MESSAGE_BYTES;
  if (bytes > limit) return WC_LOC_LEN_ERR;
  const atomic = (kind & USES_READ_RESOURCE) !== 0 && (kind & HAS_RETH) === 0;
  if (atomic && bytes !== 8) return WC_LOC_LEN_ERR;
  if (datagram && sq.av[slot] === null) return WC_LOC_QP_OP_ERR;
  if (sq.flags[slot] & SEND_INLINE || bytes === 0) return WC_SUCCESS;
  const write = (kind & USES_READ_RESOURCE) !== 0;
  const found = checkSges(engine, sq, slot * sq.maxSge, sq.sgeCount[slot], qp.pd, 0, bytes, write);
  return found === CHECK_BAD ? WC_LOC_PROT_ERR : WC_SUCCESS;
}

/** Local invalidate and bind: a completion status. */
export function runLocal(engine: Engine, qp: QpContext, slot: number): number {
  const sq = qp.sq;
  if (sq.opcode[slot] === WR_LOCAL_INV) {
    const window = engine.keys.find(sq.imm[slot]);
    if (window === null || !isInvalidatable(window, qp)) return WC_LOC_QP_OP_ERR;
    unbind(window);
    return WC_SUCCESS;
  }
  const bind = sq.bind[slot];
  if (bind === null || !(bind.mw instanceof MemoryKey) || engine.keys.find(bind.mw.rkey) !== bind.mw) return WC_MW_BIND_ERR;
  const region = bind.mr === null ? null : engine.keys.find(bind.mr.lkey);
  if (bind.mr !== null && region === null) return WC_MW_BIND_ERR;
  if (bind.mw.pd !== qp.pd) return WC_MW_BIND_ERR;
  const bound = bindWindow(bind.mw, region, bind.addr, bind.length, bind.access, qp.qpn, bind.rkey);
  return bound ? WC_SUCCESS : WC_MW_BIND_ERR;
}

/** Only a bound type 2 window of this queue pair can be invalidated, locally or by the peer. */
export function isInvalidatable(key: MemoryKey, qp: QpContext): boolean {
  return key.windowType === 2 && key.valid && key.pd === qp.pd && key.qpn === qp.qpn;
}
