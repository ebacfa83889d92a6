/**
 * The general service interface of a port: queue pair 1, on which management datagrams of all classes but the subnet's own come and go (IBA vol. 1, 13.5).
 * What `ib_mad` is in the kernel: one owner of QP1, and agents that ask for a management class.
 */
import {
  ATTR_PKEY_INDEX,
  ATTR_QKEY,
  ATTR_SQ_PSN,
  ATTR_STATE,
  type CqContext,
  GRH_BYTES,
  QKEY_GSI,
  QPN_GSI,
  QPS_INIT,
  QPS_RTR,
  QPS_RTS,
  QPT_GSI,
  type QpContext,
} from '../hca/index.ts';
import { assert, type Ps } from '../sim/index.ts';
import { MAD_BYTES } from '../wire/index.ts';
import type { Adapter, MadPort } from './adapter.ts';
import { Access, Opcode, SendFlags, WcOpcode, WcStatus } from './enums.ts';
import { handle, throwErrno } from './errors.ts';
import type { Timers } from './timers.ts';
import type { WorkCompletion } from './work-request.ts';

/** Where a datagram came from, and by which of the port's addresses. */
export interface MadSource {
  readonly portNum: number;
  readonly slid: number;
  readonly sl: number;
  readonly dlidPathBits: number;
  readonly pkeyIndex: number;
}

/** Where one goes. */
export interface MadTarget {
  readonly dlid: number;
  readonly sl: number;
  readonly srcPathBits: number;
}

export type MadHandler = (bytes: Uint8Array, from: MadSource, atPs: Ps) => void;

/** Datagrams that may wait on each side. As on hardware, one that finds no receive buffer is lost. */
const DEPTH = 64;
const SLOT_BYTES = GRH_BYTES + MAD_BYTES;

export class Gsi implements MadPort {
  readonly portNum: number;
  readonly #hca: Adapter;
  readonly #timers: Timers;
  readonly #qp: QpContext;
  readonly #cq: CqContext;
  readonly #receive = new Uint8Array(DEPTH * SLOT_BYTES);
  readonly #send = new Uint8Array(DEPTH * MAD_BYTES);
  readonly #receiveAddr: number;
  readonly #sendAddr: number;
  readonly #receiveKey: number;
  readonly #sendKey: number;
  readonly #handlers = new Map<number, MadHandler>();
  readonly #backlog: { readonly bytes: Uint8Array; readonly to: MadTarget }[] = [];
  readonly #freeSlots = Array.from({ length: DEPTH }, (_, i) => DEPTH - 1 - i);

  constructor(hca: Adapter, portNum: number, timers: Timers) {
    this.#hca = hca;
    this.portNum = portNum;
    this.#timers = timers;
    const pd = hca.allocPd();
    const cq = handle('ib_create_cq', hca.createCq(2 * DEPTH));
    cq.onEntry = (visiblePs) => this.#timers.at(visiblePs, () => this.#drain());
    this.#cq = cq;
    const cap = { maxSendWr: DEPTH, maxRecvWr: DEPTH, maxSendSge: 1, maxRecvSge: 1, maxInlineData: 0 };
    const parts = { type: QPT_GSI, pd, sendCq: cq, recvCq: cq, srq: null, cap, sqSigAll: true, gsiPort: portNum };
    this.#qp = handle('ib_create_qp', hca.createQp(parts));
    this.#receiveAddr = hca.memory.addressOf(this.#receive);
    this.#sendAddr = hca.memory.addressOf(this.#send);
    this.#receiveKey = this.#register(pd, this.#receive, this.#receiveAddr);
    this.#sendKey = this.#register(pd, this.#send, this.#sendAddr);
    this.#start();
  }

  /** From now on datagrams of a management class go to `handler`. */
  onMad(mgmtClass: number, handler: MadHandler): void {
    assert(!this.#handlers.has(mgmtClass), () => `management class ${mgmtClass} has a handler on port ${this.portNum}`);
    this.#handlers.set(mgmtClass, handler);
  }

  /** Sends a datagram at `atPs`. When the queue is full it waits for its turn, as in the kernel. */
  send(bytes: Uint8Array, to: MadTarget, atPs: Ps): void {
    if (this.#freeSlots.length === 0) this.#backlog.push({ bytes, to });
    else this.#post(bytes, to, atPs);
  }

  #register(pd: number, bytes: Uint8Array, addr: number): number {
    const options = { pd, addr, length: bytes.length, access: Access.LOCAL_WRITE, bytes };
    return handle('ib_reg_mr', this.#hca.registerMemory(options)).lkey;
  }

  /** QP1 to RTS, and all receives posted. */
  #start(): void {
    const nowPs = this.#timers.loop.nowPs;
    const modify = (qpState: number, mask: number) => {
      const attr = { qpState, pkeyIndex: 0, qkey: QKEY_GSI, sqPsn: 0 };
      throwErrno('ib_modify_qp', this.#hca.modifyQp(this.#qp, attr, ATTR_STATE | mask, nowPs));
    };
    modify(QPS_INIT, ATTR_PKEY_INDEX | ATTR_QKEY);
    modify(QPS_RTR, 0);
    modify(QPS_RTS, ATTR_SQ_PSN);
    for (let slot = 0; slot < DEPTH; slot++) this.#postReceive(slot, nowPs);
  }

  #postReceive(slot: number, atPs: Ps): void {
    const sge = [{ addr: this.#receiveAddr + slot * SLOT_BYTES, length: SLOT_BYTES, lkey: this.#receiveKey }];
    throwErrno('ib_post_recv', this.#hca.postRecv(this.#qp, { wrId: slot, sge }, atPs));
  }

  #post(bytes: Uint8Array, to: MadTarget, atPs: Ps): void {
    const slot = this.#freeSlots.pop() as number;
    this.#send.set(bytes, slot * MAD_BYTES);
    const { dlid, sl, srcPathBits } = to;
    const ah = { dlid, sl, srcPathBits, staticRate: 0, portNum: this.portNum, grh: null };
    const sge = [{ addr: this.#sendAddr + slot * MAD_BYTES, length: MAD_BYTES, lkey: this.#sendKey }];
    const wr = {
      wrId: slot,
      opcode: Opcode.SEND,
      sendFlags: SendFlags.SIGNALED,
      sge,
      ah,
      remoteQpn: QPN_GSI,
      remoteQkey: QKEY_GSI,
    };
    throwErrno('ib_post_send', this.#hca.postSend(this.#qp, wr));
    this.#hca.ringDoorbell(this.#qp, 1, atPs);
  }

  /** Takes what is visible: datagrams to their handlers, send slots back. */
  #drain(): void {
    const nowPs = this.#timers.loop.nowPs;
    for (const wc of this.#cq.poll(2 * DEPTH, nowPs)) {
      const slot = Number(wc.wrId);
      if ((wc.opcode & WcOpcode.RECV) === 0) this.#sent(slot, nowPs);
      else {
        if (wc.status === WcStatus.SUCCESS) this.#received(slot, wc as WorkCompletion, nowPs);
        this.#postReceive(slot, nowPs);
      }
    }
  }

  #sent(slot: number, nowPs: Ps): void {
    this.#freeSlots.push(slot);
    const next = this.#backlog.shift();
    if (next !== undefined) this.#post(next.bytes, next.to, nowPs);
  }

  #received(slot: number, wc: WorkCompletion, nowPs: Ps): void {
    const at = slot * SLOT_BYTES + GRH_BYTES;
    const bytes = this.#receive.slice(at, at + MAD_BYTES);
    const { slid, sl, dlidPathBits, pkeyIndex } = wc;
    this.#handlers.get(bytes[1])?.(bytes, { portNum: this.portNum, slid, sl, dlidPathBits, pkeyIndex }, nowPs);
  }
}
