/**
 * What a guest's transmit requests may look like. Reads one packet's slots from the ring and judges them by the rules of Linux's netback:
 * small sins cost the packet (its requests are answered with an error), others cost the guest its interface.
 */
import {
  type BackRing,
  ETHERNET_HEADER,
  EXTRA_GSO,
  EXTRA_MCAST_ADD,
  EXTRA_MCAST_DEL,
  EXTRA_MORE,
  EXTRA_TYPES,
  extraInfo,
  GSO_TCPV4,
  GSO_TCPV6,
  gsoSize,
  gsoType,
  NETIF_SLOTS_MIN,
  PAGE_SIZE,
  readExtra,
  readTxRequest,
  RSP_ERROR,
  RSP_OKAY,
  TX_EXTRA_INFO,
  TX_MORE_DATA,
  type TxRequest,
  txRequest,
  writeNullResponse,
  writeTxResponse,
} from '../hypervisor/index.ts';
import type { Gso } from '../net/index.ts';

/** Fragments of a packet (`fatal_skb_slots`): who sends more is taken for malicious. */
const FATAL_FRAGMENTS = 20;

/** One packet as the guest asked for it: slots checked, sizes made true (the first one's is its own share). */
export class TxPacket {
  readonly requests: TxRequest[] = [];
  /** Slots with data. */
  count = 0;
  extras = 0;
  flags = 0;
  total = 0;
  gso: Gso | null = null;
  /** A bit for each slot whose bytes could not be fetched. */
  failed = 0;
  /** The frame, once it is fetched; null if it could not be. */
  frame: Uint8Array | null = null;

  request(index: number): TxRequest {
    let request = this.requests[index];
    if (request === undefined) {
      request = txRequest();
      this.requests[index] = request;
    }
    return request;
  }
}

export type Verdict = 'packet' | 'none' | 'answered' | 'limited' | 'fatal';

export interface TxParserHooks {
  /** Takes credit for a packet of so many bytes; false: not now. */
  readonly admit: (bytes: number) => boolean;
  /** The guest wants a multicast address let through, or no longer; false: there are too many. */
  readonly onMulticast: (address: Uint8Array, joined: boolean) => boolean;
}

export class TxParser {
  readonly #ring: BackRing;
  readonly #hooks: TxParserHooks;
  readonly #extra = extraInfo();
  readonly #dropped = txRequest();
  readonly #address = new Uint8Array(6);
  #multicast = 0;
  #isGsoKnown = true;
  /** Why the guest is cut off, after `fatal`. */
  why = '';
  /** Slots read by the last call. */
  slots = 0;

  constructor(ring: BackRing, hooks: TxParserHooks) {
    this.#ring = ring;
    this.#hooks = hooks;
  }

  /**
   * Reads the next packet into `packet`. `answered`: it was no packet to hand on, and its responses are written but not pushed; `limited`: the rate limit
   * holds it back, it stays in the ring.
   */
  next(packet: TxPacket): Verdict {
    const ring = this.#ring;
    this.slots = 0;
    if (ring.isOverrun) return this.#fatal('impossible number of requests');
    let left = ring.unconsumedRequests;
    if (left === 0) return 'none';
    const first = readTxRequest(ring.view, ring.slot(ring.reqCons), packet.request(0));
    if (!this.#hooks.admit(first.size)) return 'limited';
    const start = ring.reqCons;
    this.#advance(1);
    left--;
    packet.count = 1;
    packet.extras = 0;
    packet.flags = first.flags;
    packet.total = first.size;
    packet.gso = null;
    packet.failed = 0;
    packet.frame = null;
    this.#multicast = 0;
    if (first.flags & TX_EXTRA_INFO && !this.#readExtras(packet, left)) return 'fatal';
    left -= packet.extras;
    if (this.#multicast !== 0) {
      const isTaken = this.#hooks.onMulticast(this.#address, this.#multicast === EXTRA_MCAST_ADD);
      this.answer(packet, 0, isTaken ? RSP_OKAY : RSP_ERROR);
      this.slots = (ring.reqCons - start) >>> 0;
      return 'answered';
    }
    const verdict = this.#readFragments(packet, left);
    this.slots = (ring.reqCons - start) >>> 0;
    if (verdict !== 'packet') return verdict;
    // As in Linux, a runt is judged by the first slot's own share.
    if (first.size < ETHERNET_HEADER) {
      this.#refuse(packet);
      return 'answered';
    }
    if (first.offset + first.size > PAGE_SIZE) {
      return this.#fatal(`packet crosses a page boundary: offset ${first.offset}, size ${first.size}`);
    }
    return this.#judgeGso(packet);
  }

  /** Writes the response to the packet's slot `index`, and the null responses to its extras behind the first. */
  answer(packet: TxPacket, index: number, status: number): void {
    const ring = this.#ring;
    writeTxResponse(ring.view, ring.nextResponse(), (packet.requests[index] as TxRequest).id, status);
    if (index !== 0) return;
    for (let i = 0; i < packet.extras; i++) writeNullResponse(ring.view, ring.nextResponse());
  }

  #fatal(why: string): 'fatal' {
    this.why = why;
    return 'fatal';
  }

  #advance(slots: number): void {
    this.#ring.reqCons = (this.#ring.reqCons + slots) >>> 0;
  }

  /** Extras follow the first slot. False, with `why`, if they are not there or not known. */
  #readExtras(packet: TxPacket, available: number): boolean {
    const ring = this.#ring;
    const extra = this.#extra;
    do {
      if (packet.extras === available) {
        this.#fatal('missing extra info');
        return false;
      }
      readExtra(ring.view, ring.slot(ring.reqCons), extra);
      this.#advance(1);
      packet.extras++;
      if (extra.type === 0 || extra.type >= EXTRA_TYPES) {
        this.#fatal(`invalid extra type ${extra.type}`);
        return false;
      }
      if (extra.type === EXTRA_GSO) {
        const type = gsoType(extra);
        packet.gso = { type: type === GSO_TCPV6 ? 'tcpv6' : 'tcpv4', size: gsoSize(extra) };
        this.#isGsoKnown = type === GSO_TCPV4 || type === GSO_TCPV6;
      } else if (extra.type === EXTRA_MCAST_ADD || extra.type === EXTRA_MCAST_DEL) {
        // Adding is looked for first, whatever the order.
        if (this.#multicast !== EXTRA_MCAST_ADD) {
          this.#multicast = extra.type;
          this.#address.set(extra.data);
        }
      }
    } while (extra.flags & EXTRA_MORE);
    return true;
  }

  /** Further slots, as long as `more_data` says so. Each one's size comes off the first one's. */
  #readFragments(packet: TxPacket, available: number): Verdict {
    const ring = this.#ring;
    const first = packet.requests[0] as TxRequest;
    let more = first.flags & TX_MORE_DATA;
    let isDropped = false;
    let slots = 0;
    const start = ring.reqCons;
    while (more !== 0) {
      if (slots >= available) return this.#fatal(`asked for ${slots} slots but exceeds this limit`);
      if (slots >= FATAL_FRAGMENTS) return this.#fatal(`malicious frontend using ${slots} slots`);
      if (slots >= NETIF_SLOTS_MIN) isDropped = true;
      const fragment = isDropped ? this.#dropped : packet.request(slots + 1);
      readTxRequest(ring.view, ring.slot(start + slots), fragment);
      if (fragment.size > first.size) isDropped = true;
      first.size = (first.size - fragment.size) & 0xffff;
      slots++;
      if (fragment.offset + fragment.size > PAGE_SIZE) {
        return this.#fatal(`fragment crosses a page boundary: offset ${fragment.offset}, size ${fragment.size}`);
      }
      more = fragment.flags & TX_MORE_DATA;
    }
    this.#advance(slots);
    packet.count = 1 + slots;
    if (!isDropped) return 'packet';
    this.#readAgain(packet, start);
    this.#refuse(packet);
    return 'answered';
  }

  /** Ids of all fragments, of those too that were read past. */
  #readAgain(packet: TxPacket, start: number): void {
    const ring = this.#ring;
    for (let i = 1; i < packet.count; i++) readTxRequest(ring.view, ring.slot(start + i - 1), packet.request(i));
  }

  /** Answers all of the packet's slots with an error. */
  #refuse(packet: TxPacket): void {
    for (let i = 0; i < packet.count; i++) this.answer(packet, i, RSP_ERROR);
  }

  #judgeGso({ gso }: TxPacket): Verdict {
    if (gso === null) return 'packet';
    if (gso.size === 0) return this.#fatal('GSO size must not be zero');
    return this.#isGsoKnown ? 'packet' : this.#fatal('bad GSO type');
  }
}
