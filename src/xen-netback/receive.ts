/**
 * To the guest: packets wait in a queue until the guest has posted enough buffers, then go in batches: each page of a packet is copied by grant into
 * a buffer of the guest's (or, in Xen 3.0, a page of this domain's is transferred to it), and the responses follow in the ring's order.
 *
 * A guest that posts no buffers must not hold packets for ever: after a while they are dropped, and after a minute its carrier goes off.
 */
import {
  type BackRing,
  ETHERNET_HEADER,
  EXTRA_MORE,
  type GrantCopy,
  type GuestKernel,
  GSO_TCPV4,
  GSO_TCPV6,
  PAGE_SIZE,
  PagePool,
  readRxRequest,
  RSP_ERROR,
  RX_CSUM_BLANK,
  RX_DATA_VALIDATED,
  RX_EXTRA_INFO,
  RX_MORE_DATA,
  writeGsoExtra,
  writeHashExtra,
  writeRxResponse,
} from '../hypervisor/index.ts';
import { type LinkPacket, writeEthernetHeader } from '../net/index.ts';
import type { KernelCpu, Ps } from '../sim/index.ts';
import type { VifCounters } from './device.ts';
import { Flipper } from './flip.ts';

/** Packets of a batch, and copies of a hypercall. */
const BATCH = 64;
/** Bytes that may wait (half a ring of pages); packets, in eras whose queue is the network device's. */
const QUEUE_BYTES = 128 * PAGE_SIZE;
const QUEUE_PACKETS = 32;
const DOMID_SELF = 0x7ff0;
const SECOND: Ps = 1e12;
const DRAIN_PS: Ps = 10 * SECOND;
const STALL_PS: Ps = 60 * SECOND;
/** For guests that do not promise to notify when they post buffers. */
const UNNOTIFIED_DRAIN_PS: Ps = 0.03 * SECOND;

export interface RxOptions {
  readonly isFlip: boolean;
  /** The guest notifies when it posts buffers (`feature-rx-notify`). */
  readonly isNotifying: boolean;
}

export interface RxHooks {
  readonly counters: VifCounters;
  /** The queue was full and has room again. */
  readonly onRoom: () => void;
  /** The guest takes no packets any more, or does again. */
  readonly onStall: (isStalled: boolean) => void;
  readonly onFatal: (why: string) => void;
}

interface Waiting {
  readonly packet: LinkPacket;
  readonly bytes: number;
  readonly slots: number;
  /** Number of the type, and value; −1: no hash to tell. */
  readonly hashType: number;
  readonly hash: number;
  readonly sincePs: Ps;
}

export class RxEngine {
  readonly #kernel: GuestKernel;
  readonly #cpu: KernelCpu;
  readonly #domid: number;
  readonly #ring: BackRing;
  readonly #port: number;
  readonly #options: RxOptions;
  readonly #hooks: RxHooks;
  readonly #staging: PagePool;
  readonly #flipper: Flipper | null;
  readonly #request = { id: 0, gref: 0 };
  readonly #header = new Uint8Array(ETHERNET_HEADER);
  readonly #isByteLimited: boolean;
  #queue: Waiting[] = [];
  #head = 0;
  #queuedBytes = 0;
  #copies: GrantCopy[] = [];
  /** Ring slots (offsets of their responses) of `#copies`, and staging pages of the batch. */
  #copySlots: number[] = [];
  #staged: number[] = [];
  #isBusy = false;
  #isFull = false;
  #isStalled = false;
  #lastProgressPs: Ps;
  #timer = 0;
  #isOpen = true;

  constructor(
    kernel: GuestKernel,
    cpu: KernelCpu,
    domid: number,
    ring: BackRing,
    port: number,
    options: RxOptions,
    hooks: RxHooks,
  ) {
    this.#kernel = kernel;
    this.#cpu = cpu;
    this.#domid = domid;
    this.#ring = ring;
    this.#port = port;
    this.#options = options;
    this.#hooks = hooks;
    this.#staging = new PagePool(kernel, 2 * ring.size);
    this.#flipper = options.isFlip ? new Flipper(kernel, domid) : null;
    this.#isByteLimited = kernel.era.name === 'xen-4.17';
    this.#lastProgressPs = cpu.nowPs;
  }

  /** Queues a packet as the guest can take it. False if the queue is full: `onRoom` follows. */
  enqueue(packet: LinkPacket, hashType: number, hash: number): boolean {
    if (this.#isQueueFull) {
      // Xen 3.0 does not hold packets for a guest without buffers.
      if (this.#kernel.era.name === 'xen-3.0') {
        this.#hooks.counters.rxDropped++;
        return true;
      }
      this.#isFull = true;
      return false;
    }
    const bytes = ETHERNET_HEADER + packet.data.length;
    const slots = Math.ceil(bytes / PAGE_SIZE) + (packet.gso === null ? 0 : 1) + (hashType < 0 ? 0 : 1);
    this.#queue.push({ packet, bytes, slots, hashType, hash, sincePs: this.#kernel.cpu.nowPs });
    this.#queuedBytes += bytes;
    this.#start();
    return true;
  }

  /** The guest's event: there may be buffers. */
  wake(): void {
    if (!this.#isOpen) return;
    if (this.#isStalled && this.#hasRoom(1)) this.#noteProgress();
    if (this.#head < this.#queue.length) this.#start();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#timer !== 0) this.#cpu.clearTimer(this.#timer);
    this.#hooks.counters.rxDropped += this.#queue.length - this.#head;
    this.#queue = [];
    this.#head = 0;
    this.#staging.close();
    this.#flipper?.close();
  }

  get #isQueueFull(): boolean {
    return this.#isByteLimited ? this.#queuedBytes >= QUEUE_BYTES : this.#queue.length - this.#head >= QUEUE_PACKETS;
  }

  #start(): void {
    if (this.#isBusy || !this.#isOpen) return;
    this.#isBusy = true;
    this.#cpu.exec(0, 'netback', this.#run);
  }

  readonly #run = (): void => {
    if (!this.#isOpen) return;
    const costs = this.#kernel.era.costs;
    let packets = 0;
    let slots = 0;
    while (packets < BATCH && this.#head < this.#queue.length) {
      const next = this.#queue[this.#head] as Waiting;
      if (!this.#hasRoom(next.slots)) break;
      this.#pop();
      packets++;
      slots += next.slots;
      if (this.#flipper === null) this.#copyOut(next);
      else this.#flipOut(this.#flipper, next);
      this.#hooks.counters.rxPackets++;
      this.#hooks.counters.rxBytes += next.bytes;
    }
    if (this.#ring.isOverrun) {
      this.#hooks.onFatal('impossible number of receive requests');
      return;
    }
    if (packets === 0) {
      this.#isBusy = false;
      this.#watchStall();
      return;
    }
    this.#cpu.spend(packets * costs.netbackPacketPs + slots * costs.netbackSlotPs, 'netback');
    this.#flush();
    this.#flipper?.flush(this.#cpu, this.#ring);
    this.#cpu.mark(this.#flipper === null ? 'grant copy' : 'grant transfer');
    this.#cpu.exec(0, 'netback', this.#publish);
  };

  readonly #publish = (): void => {
    if (!this.#isOpen) return;
    this.#noteProgress();
    const isWanted = this.#ring.pushResponses();
    this.#cpu.mark('netback');
    if (isWanted) {
      this.#hooks.counters.notifiesRx++;
      this.#kernel.xen.notify(this.#cpu, this.#port);
    }
    if (this.#isFull && !this.#isQueueFull) {
      this.#isFull = false;
      this.#hooks.onRoom();
    }
    this.#isBusy = false;
    if (this.#head < this.#queue.length) this.#start();
  };

  /** Whether the guest has posted `slots` buffers; if not, asks to be told, and looks again. */
  #hasRoom(slots: number): boolean {
    const ring = this.#ring;
    let producer: number;
    do {
      if (ring.isOverrun) return false;
      producer = ring.requestProducer;
      if ((producer - ring.reqCons) >>> 0 >= slots) return true;
      ring.setRequestEvent((producer + 1) >>> 0);
    } while (ring.requestProducer !== producer);
    return false;
  }

  #pop(): Waiting {
    const next = this.#queue[this.#head++] as Waiting;
    this.#queuedBytes -= next.bytes;
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    }
    return next;
  }

  /** Takes the guest's next buffer; the response goes into the same slot. Returns the slot's offset, the request in `#request`. */
  #takeSlot(): number {
    const ring = this.#ring;
    readRxRequest(ring.view, ring.slot(ring.reqCons), this.#request);
    ring.reqCons = (ring.reqCons + 1) >>> 0;
    return ring.nextResponse();
  }

  /** Lays a packet out over the guest's buffers: first slot, extras, further slots. */
  #copyOut({ packet, bytes, hashType, hash }: Waiting): void {
    const { view } = this.#ring;
    const pages = Math.ceil(bytes / PAGE_SIZE);
    writeEthernetHeader(this.#header, 0, packet);
    for (let page = 0; page < pages; page++) {
      const at = this.#takeSlot();
      const size = Math.min(PAGE_SIZE, bytes - page * PAGE_SIZE);
      const more = page + 1 < pages ? RX_MORE_DATA : 0;
      let flags = more;
      if (page === 0) flags |= checksumFlags(packet) | (packet.gso !== null || hashType >= 0 ? RX_EXTRA_INFO : 0);
      const isSent = this.#stage(packet, page, size, at);
      writeRxResponse(view, at, this.#request.id, 0, flags, isSent ? size : RSP_ERROR);
      if (page > 0) continue;
      const { gso } = packet;
      if (gso !== null) {
        const type = gso.type === 'tcpv4' ? GSO_TCPV4 : GSO_TCPV6;
        writeGsoExtra(view, this.#takeSlot(), hashType >= 0 ? EXTRA_MORE : 0, type, gso.size);
      }
      if (hashType >= 0) writeHashExtra(view, this.#takeSlot(), 0, hashType, hash);
    }
  }

  /** Puts a page of the packet into a page of this domain and plans its copy into the buffer of `#request`. */
  #stage(packet: LinkPacket, page: number, size: number, at: number): boolean {
    if (this.#copies.length === BATCH) this.#flush();
    const pfn = this.#staging.take();
    if (pfn < 0) return false;
    const target = this.#staging.view(pfn);
    const { data } = packet;
    if (page === 0) {
      target.write(0, this.#header);
      target.write(ETHERNET_HEADER, size - ETHERNET_HEADER === data.length ? data : data.subarray(0, size - ETHERNET_HEADER));
    } else {
      const from = page * PAGE_SIZE - ETHERNET_HEADER;
      target.write(0, data.subarray(from, from + size));
    }
    this.#staged.push(pfn);
    this.#copySlots.push(at);
    this.#copies.push({
      source: { domid: DOMID_SELF, pfn, offset: 0 },
      destination: { domid: this.#domid, ref: this.#request.gref, offset: 0 },
      length: size,
    });
    return true;
  }

  /** One hypercall for all copies planned; a failed one spoils its response. */
  #flush(): void {
    if (this.#copies.length === 0) return;
    const statuses = this.#kernel.xen.copyGrants(this.#cpu, this.#copies);
    for (let i = 0; i < statuses.length; i++) {
      if (statuses[i] !== 0) this.#ring.view.setU16((this.#copySlots[i] as number) + 6, RSP_ERROR & 0xffff);
    }
    for (const pfn of this.#staged) this.#staging.give(pfn);
    this.#copies = [];
    this.#copySlots = [];
    this.#staged = [];
  }

  #flipOut(flipper: Flipper, { packet, bytes }: Waiting): void {
    writeEthernetHeader(this.#header, 0, packet);
    const at = this.#takeSlot();
    const { id, gref } = this.#request;
    const isSent = flipper.add(this.#cpu, gref, at, this.#header, packet.data);
    writeRxResponse(this.#ring.view, at, id, 0, checksumFlags(packet), isSent ? bytes : RSP_ERROR);
  }

  #noteProgress(): void {
    this.#lastProgressPs = this.#cpu.nowPs;
    if (!this.#isStalled) return;
    this.#isStalled = false;
    this.#hooks.onStall(false);
  }

  /** Packets wait for buffers: looks after them when they have waited long enough. */
  #watchStall(): void {
    if (this.#timer !== 0 || this.#head === this.#queue.length) return;
    const head = this.#queue[this.#head] as Waiting;
    const drainPs = this.#options.isNotifying ? DRAIN_PS : UNNOTIFIED_DRAIN_PS;
    this.#timer = this.#cpu.setTimer(head.sincePs + drainPs, () => {
      this.#timer = 0;
      this.#dropExpired(drainPs);
    });
  }

  #dropExpired(drainPs: Ps): void {
    const nowPs = this.#cpu.nowPs;
    while (this.#head < this.#queue.length && (this.#queue[this.#head] as Waiting).sincePs + drainPs <= nowPs) {
      this.#pop();
      this.#hooks.counters.rxDropped++;
    }
    if (this.#isFull && !this.#isQueueFull) {
      this.#isFull = false;
      this.#hooks.onRoom();
    }
    if (this.#options.isNotifying && !this.#isStalled && nowPs - this.#lastProgressPs >= STALL_PS) {
      this.#isStalled = true;
      this.#hooks.onStall(true);
    }
    this.#start();
  }
}

/** The two lowest flags, which receive responses have the other way round than transmit requests. */
function checksumFlags(packet: LinkPacket): number {
  if (packet.checksumBlank) return RX_CSUM_BLANK | RX_DATA_VALIDATED;
  return packet.checksumVerified ? RX_DATA_VALIDATED : 0;
}
