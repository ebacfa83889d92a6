/**
 * Datagrams that come in: each buffer holds a GRH (or its place), the encapsulation header and a packet. The queue pair's own multicast comes back to it
 * and is dropped, as Linux does.
 */
import { type Gid, type QueuePair, WcFlags, type WorkCompletion } from '../../verbs/index.ts';
import { readU16 } from '../bytes.ts';
import { ENCAPSULATION_BYTES, LINK_ADDRESS_BYTES, linkAddress, MULTICAST_QPN } from './link-address.ts';
import type { Link } from './link.ts';
import { ReceiveRing } from './receive-ring.ts';

const GRH_BYTES = 40;
const HEAD_BYTES = GRH_BYTES + ENCAPSULATION_BYTES;
const GRH_SGID_AT = 8;
const GRH_DGID_AT = 24;
const NO_GID = new Uint8Array(16);

export interface ReceivedDatagram {
  readonly protocol: number;
  readonly data: Uint8Array;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

export class DatagramReceiver {
  readonly #link: Link;
  readonly #qp: QueuePair<'UD'>;
  readonly #ring: ReceiveRing;
  readonly #own: Uint8Array;
  readonly #broadcast: Uint8Array;
  /** The sender of the datagram before, which most often is the next one's, too. */
  #source: Uint8Array = new Uint8Array(LINK_ADDRESS_BYTES);
  #sourceQpn = -1;
  #sourceSlid = -1;

  /** `portMtuBytes`: the largest payload of a packet on the link. */
  constructor(link: Link, slots: number, portMtuBytes: number, own: Uint8Array, broadcast: Uint8Array) {
    this.#link = link;
    this.#qp = link.qp;
    this.#own = own;
    this.#broadcast = broadcast;
    this.#ring = new ReceiveRing(link.pd, slots, GRH_BYTES + portMtuBytes, 0, 1);
  }

  /** Posts all buffers. */
  start(): void {
    this.#qp.postRecv(this.#ring.requests);
  }

  /** The packet of a completion; null for one that is none, or the device's own. The buffer is posted again. */
  take(wc: WorkCompletion, isGood: boolean): ReceivedDatagram | null {
    const slot = Number(wc.wrId);
    const isOwn = wc.srcQp === this.#qp.qpNum && wc.slid === this.#link.lid;
    const found = isGood && !isOwn && wc.byteLen > HEAD_BYTES ? this.#read(wc, slot * this.#ring.slotBytes) : null;
    this.#qp.postRecv(this.#ring.request(slot));
    return found;
  }

  close(): void {
    this.#ring.close();
  }

  #read(wc: WorkCompletion, at: number): ReceivedDatagram {
    const { bytes } = this.#ring;
    const hasGrh = (wc.wcFlags & WcFlags.GRH) !== 0;
    return {
      protocol: readU16(bytes, at + GRH_BYTES),
      data: bytes.slice(at + HEAD_BYTES, at + wc.byteLen),
      source: hasGrh
        ? linkAddress(0, wc.srcQp, bytes.subarray(at + GRH_SGID_AT, at + GRH_SGID_AT + 16))
        : this.#sourceOf(wc.srcQp, wc.slid),
      destination: hasGrh ? this.#destination(bytes.subarray(at + GRH_DGID_AT, at + GRH_DGID_AT + 16)) : this.#own,
    };
  }

  /** Without a GRH the sender's GID is not in the packet: zeros. */
  #sourceOf(qpn: number, slid: number): Uint8Array {
    if (qpn !== this.#sourceQpn || slid !== this.#sourceSlid) {
      this.#source = linkAddress(0, qpn, NO_GID);
      this.#sourceQpn = qpn;
      this.#sourceSlid = slid;
    }
    return this.#source;
  }

  #destination(dgid: Gid): Uint8Array {
    if (dgid[0] !== 0xff) return this.#own;
    const { length } = this.#broadcast;
    for (let i = 0; i < 16; i++) if (dgid[i] !== this.#broadcast[length - 16 + i]) return linkAddress(0, MULTICAST_QPN, dgid);
    return this.#broadcast;
  }
}
