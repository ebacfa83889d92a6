/**
 * The frontend's transmit ring: a packet is copied into pages of the guest, each page is granted, each gets a slot; the backend's responses free them.
 *
 * What others see (the producer counter and the event) goes out in an item of its own, after the work; packets that are queued before it runs
 * go out with it, and cost one notification.
 */
import {
  ETHERNET_HEADER,
  EXTRA_MCAST_ADD,
  EXTRA_MCAST_DEL,
  FrontRing,
  type GuestKernel,
  GSO_TCPV4,
  GSO_TCPV6,
  type MemoryView,
  NETIF_MAX_SIZE,
  NETIF_SLOTS_MIN,
  PAGE_SIZE,
  PagePool,
  releaseGrant,
  RSP_NULL,
  TX_CSUM_BLANK,
  TX_DATA_VALIDATED,
  TX_EXTRA_INFO,
  TX_MORE_DATA,
  TX_SLOT_BYTES,
  txResponseId,
  txResponseStatus,
  writeExtra,
  writeGsoExtra,
  writeTxRequest,
} from '../hypervisor/index.ts';
import { type LinkPacket, writeEthernetHeader } from '../net/index.ts';
import type { KernelCpu } from '../sim/index.ts';
import type { NetfrontCounters } from './device.ts';

/** Slots that one packet may need: its pages, and one for GSO. */
const WORST_SLOTS = NETIF_SLOTS_MIN + 2;

export interface TransmitHooks {
  readonly counters: NetfrontCounters;
  /** The queue was full and has room again. */
  readonly onRoom: () => void;
  /** The backend broke the protocol. */
  readonly onBroken: (why: string) => void;
}

export class TransmitRing {
  readonly #kernel: GuestKernel;
  readonly #backDomid: number;
  readonly #ring: FrontRing;
  readonly #port: number;
  readonly #hooks: TransmitHooks;
  readonly #pool: PagePool;
  /** By id: is it with the backend; its grant and page, −1 where a slot has none. */
  readonly #isPending: Uint8Array;
  readonly #refs: Int32Array;
  readonly #pfns: Int32Array;
  readonly #freeIds: Uint16Array;
  #freeIdCount: number;
  readonly #header = new Uint8Array(ETHERNET_HEADER);
  readonly #completesHalfway: boolean;
  #isPublishQueued = false;
  #isStopped = false;
  #isOpen = true;

  constructor(kernel: GuestKernel, backDomid: number, page: MemoryView, port: number, hooks: TransmitHooks) {
    this.#kernel = kernel;
    this.#backDomid = backDomid;
    this.#ring = new FrontRing(page, TX_SLOT_BYTES);
    this.#port = port;
    this.#hooks = hooks;
    const size = this.#ring.size;
    this.#pool = new PagePool(kernel, size);
    this.#isPending = new Uint8Array(size);
    this.#refs = new Int32Array(size).fill(-1);
    this.#pfns = new Int32Array(size).fill(-1);
    // Ids are handed out from the top of the stack: 0, 1, 2 … at first.
    this.#freeIds = Uint16Array.from({ length: size }, (_, i) => size - 1 - i);
    this.#freeIdCount = size;
    this.#completesHalfway = kernel.era.name !== 'xen-4.17';
  }

  get isFull(): boolean {
    return this.#ring.free < WORST_SLOTS;
  }

  /** Queues a packet that the backend's features allow. False if the ring is full: `onRoom` follows. */
  transmit(packet: LinkPacket): boolean {
    if (this.isFull) {
      this.#isStopped = true;
      return false;
    }
    const total = ETHERNET_HEADER + packet.data.length;
    if (total > NETIF_MAX_SIZE || !this.#fill(packet, total)) {
      this.#hooks.counters.dropped++;
      return true;
    }
    this.#hooks.counters.packetsSent++;
    this.#publishSoon();
    return true;
  }

  /** Tells the backend to let a multicast address through, or no longer. False if the ring is full. */
  sendMulticast(address: Uint8Array, joined: boolean): boolean {
    if (this.isFull) return false;
    const id = this.#takeId();
    writeTxRequest(this.#ring.view, this.#ring.nextRequest(), 0, 0, TX_EXTRA_INFO, id, 0);
    writeExtra(this.#ring.view, this.#ring.nextRequest(), joined ? EXTRA_MCAST_ADD : EXTRA_MCAST_DEL, 0, address);
    this.#publishSoon();
    return true;
  }

  /** Takes the backend's responses, on the CPU that got the event. */
  complete(): void {
    const ring = this.#ring;
    if (!this.#isOpen) return;
    do {
      if (ring.isOverrun) {
        this.#hooks.onBroken('illegal number of transmit responses');
        return;
      }
      for (let n = ring.unconsumedResponses; n > 0; n--) {
        const at = ring.slot(ring.rspCons);
        const id = txResponseId(ring.view, at);
        const status = txResponseStatus(ring.view, at);
        ring.rspCons = (ring.rspCons + 1) >>> 0;
        if (status === RSP_NULL) continue;
        const why = this.#finish(id);
        if (why !== null) {
          this.#hooks.onBroken(why);
          return;
        }
      }
    } while (ring.finalCheckForResponses(this.#completesHalfway ? (this.#outstanding >> 1) + 1 : 1));
    if (this.#isStopped && !this.isFull) {
      this.#isStopped = false;
      this.#hooks.onRoom();
    }
  }

  /** Takes everything back. Pages that the backend still holds follow when it lets go of them. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (let id = 0; id < this.#isPending.length; id++) {
      if (this.#isPending[id] === 0 || (this.#refs[id] as number) < 0) continue;
      const pfn = this.#pfns[id] as number;
      releaseGrant(this.#kernel, this.#refs[id] as number, () => this.#pool.give(pfn));
    }
    this.#pool.close();
  }

  get #outstanding(): number {
    return (this.#ring.reqProdPvt - this.#ring.unpushed - this.#ring.rspCons) >>> 0;
  }

  /** Writes the packet's pages and slots. False if there is no memory or grant for it: nothing was written then. */
  #fill(packet: LinkPacket, total: number): boolean {
    const ring = this.#ring;
    const pages = Math.ceil(total / PAGE_SIZE);
    const firstId = this.#takePages(pages);
    if (firstId < 0) return false;
    const { data, gso } = packet;
    writeEthernetHeader(this.#header, 0, packet);
    let flags = 0;
    if (packet.checksumBlank) flags = TX_CSUM_BLANK | TX_DATA_VALIDATED;
    else if (packet.checksumVerified) flags = TX_DATA_VALIDATED;
    if (gso !== null) flags |= TX_EXTRA_INFO;
    let id = firstId;
    for (let page = 0; page < pages; page++) {
      if (page > 0) id = this.#takeId();
      const view = this.#pool.view(this.#pfns[id] as number);
      const from = page * PAGE_SIZE;
      const bytes = Math.min(PAGE_SIZE, total - from);
      if (page === 0) {
        view.write(0, this.#header);
        view.write(ETHERNET_HEADER, pages === 1 ? data : data.subarray(0, bytes - ETHERNET_HEADER));
      } else {
        view.write(0, data.subarray(from - ETHERNET_HEADER, from - ETHERNET_HEADER + bytes));
      }
      const more = page + 1 < pages ? TX_MORE_DATA : 0;
      const size = page === 0 ? total : bytes;
      writeTxRequest(ring.view, ring.nextRequest(), this.#refs[id] as number, 0, (page === 0 ? flags : 0) | more, id, size);
      if (page === 0 && gso !== null) {
        writeGsoExtra(ring.view, ring.nextRequest(), 0, gso.type === 'tcpv4' ? GSO_TCPV4 : GSO_TCPV6, gso.size);
      }
    }
    const slots = pages + (gso === null ? 0 : 1);
    this.#hooks.counters.slotsSent += slots;
    this.#kernel.cpu.spend(slots * this.#kernel.era.costs.netfrontSlotPs, 'netfront');
    return true;
  }

  /** Gives the next `count` ids to come a page and a grant each, and takes the first of the ids; −1 if that cannot be. */
  #takePages(count: number): number {
    for (let i = 0; i < count; i++) {
      const id = this.#freeIds[this.#freeIdCount - 1 - i] as number;
      const pfn = this.#pool.take();
      const ref = pfn < 0 ? -1 : this.#grant(pfn);
      if (ref >= 0) {
        this.#pfns[id] = pfn;
        this.#refs[id] = ref;
        continue;
      }
      if (pfn >= 0) this.#pool.give(pfn);
      for (let j = 0; j < i; j++) this.#giveBack(this.#freeIds[this.#freeIdCount - 1 - j] as number);
      return -1;
    }
    return this.#takeId();
  }

  #grant(pfn: number): number {
    try {
      return this.#kernel.xen.grantAccess(this.#backDomid, pfn, true);
    } catch (error) {
      if (error instanceof RangeError) return -1;
      throw error;
    }
  }

  #takeId(): number {
    const id = this.#freeIds[--this.#freeIdCount] as number;
    this.#isPending[id] = 1;
    return id;
  }

  /** Ends a request by its answer; says what is wrong with the answer, else null. */
  #finish(id: number): string | null {
    if (id >= this.#isPending.length) return 'transmit response has an incorrect id';
    if (this.#isPending[id] === 0) return 'transmit response for an inactive request';
    if (!this.#giveBack(id)) return 'grant still in use by backend domain';
    this.#isPending[id] = 0;
    this.#freeIds[this.#freeIdCount++] = id;
    return null;
  }

  #giveBack(id: number): boolean {
    const ref = this.#refs[id] as number;
    if (ref < 0) return true;
    if (!this.#kernel.xen.endAccess(ref)) return false;
    this.#pool.give(this.#pfns[id] as number);
    this.#refs[id] = -1;
    this.#pfns[id] = -1;
    return true;
  }

  #publishSoon(): void {
    if (this.#isPublishQueued) return;
    this.#isPublishQueued = true;
    this.#kernel.cpu.exec(0, 'netfront', this.#publish);
  }

  readonly #publish = (): void => {
    this.#isPublishQueued = false;
    if (!this.#isOpen) return;
    const cpu: KernelCpu = this.#kernel.cpu;
    const isWanted = this.#ring.pushRequests();
    cpu.mark('netfront');
    if (!isWanted) return;
    this.#hooks.counters.notifiesTx++;
    this.#kernel.xen.notify(cpu, this.#port);
  };
}
