/**
 * Buffers of packets on their way out, one memory region cut into slots of equal size, and the work requests that send them. A slot is taken from posting until
 * its completion is reaped; datagrams and connections share them, so that one limit holds for the device.
 *
 * Completions are not waited for: they are reaped by those who send, and by the handler of the completion queue only where the ring was full
 * or a send has failed.
 */
import {
  type AddressHandle,
  Access,
  type CompletionQueue,
  type MemoryRegion,
  Opcode,
  type ProtectionDomain,
  type QueuePair,
  SendFlags,
  type SendRequest,
  WcStatus,
} from '../../verbs/index.ts';
import type { LinkPacket } from '../device.ts';
import { ENCAPSULATION_BYTES } from './link-address.ts';

/** Who sends over a connection: told of each completion. */
export interface Sender {
  sendDone(failed: boolean): void;
}

interface Piece {
  readonly addr: number;
  length: number;
  readonly lkey: number;
}

/** One slot's work request; its own for ever, so that sending makes no garbage. */
interface Request {
  readonly wrId: number;
  readonly opcode: typeof Opcode.SEND;
  readonly sendFlags: number;
  readonly sge: [Piece];
  ah: AddressHandle;
  remoteQpn: number;
  remoteQkey: number;
}

/** More than any ring holds. */
const ALL = 2 ** 20;

export class TransmitRing {
  readonly slots: number;
  readonly cq: CompletionQueue;
  /** Failed sends, flushed ones not counted. */
  errors = 0;
  readonly #mr: MemoryRegion;
  readonly #slotBytes: number;
  readonly #requests: Request[] = [];
  readonly #senders: (Sender | null)[] = [];
  readonly #free: number[] = [];

  /** `payloadBytes`: the largest packet. */
  constructor(pd: ProtectionDomain, cq: CompletionQueue, slots: number, payloadBytes: number) {
    this.slots = slots;
    this.cq = cq;
    this.#slotBytes = (payloadBytes + ENCAPSULATION_BYTES + 63) & ~63;
    this.#mr = pd.regMr(slots * this.#slotBytes, Access.LOCAL_WRITE);
    for (let slot = slots - 1; slot >= 0; slot--) {
      this.#free.push(slot);
      this.#senders.push(null);
    }
    for (let slot = 0; slot < slots; slot++)
      this.#requests.push({
        wrId: slot,
        opcode: Opcode.SEND,
        sendFlags: SendFlags.SIGNALED,
        sge: [this.#mr.sge(slot * this.#slotBytes, 0)],
        ah: null as never,
        remoteQpn: 0,
        remoteQkey: 0,
      });
  }

  /** Packets that can be posted now. */
  get free(): number {
    return this.#free.length;
  }

  /** Copies a packet into a free slot behind its header and returns the slot. */
  fill(packet: LinkPacket): number {
    const slot = this.#free.pop() as number;
    const { bytes } = this.#mr;
    const at = slot * this.#slotBytes;
    bytes[at] = packet.protocol >>> 8;
    bytes[at + 1] = packet.protocol;
    bytes[at + 2] = 0;
    bytes[at + 3] = 0;
    bytes.set(packet.data, at + ENCAPSULATION_BYTES);
    (this.#requests[slot] as Request).sge[0].length = packet.data.length + ENCAPSULATION_BYTES;
    return slot;
  }

  /** The packet in a slot, to be changed in place. */
  packetIn(slot: number): Uint8Array {
    const at = slot * this.#slotBytes;
    return this.#mr.bytes.subarray(at + ENCAPSULATION_BYTES, at + (this.#requests[slot] as Request).sge[0].length);
  }

  /** Addresses a slot's datagram, for `postDatagrams`. */
  address(slot: number, ah: AddressHandle, remoteQpn: number, remoteQkey: number): SendRequest<'UD'> {
    const request = this.#requests[slot] as Request;
    request.ah = ah;
    request.remoteQpn = remoteQpn;
    request.remoteQkey = remoteQkey;
    this.#senders[slot] = null;
    return request;
  }

  /** Posts a slot on a connection. */
  postConnected(qp: QueuePair<'RC'>, slot: number, sender: Sender): void {
    this.#senders[slot] = sender;
    qp.postSend(this.#requests[slot] as unknown as SendRequest<'RC'>);
  }

  /** Takes the slots of up to `max` (default: all) finished sends back; returns how many. */
  reap(max = ALL): number {
    const done = this.cq.poll(max);
    for (const { wrId, status } of done) {
      const slot = Number(wrId);
      const sender = this.#senders[slot] as Sender | null;
      this.#free.push(slot);
      this.#senders[slot] = null;
      if (status !== WcStatus.SUCCESS && status !== WcStatus.WR_FLUSH_ERR) this.errors++;
      sender?.sendDone(status !== WcStatus.SUCCESS);
    }
    return done.length;
  }

  /** Gives the memory back; nothing may be posted any more. */
  close(): void {
    this.#mr.close();
  }
}
