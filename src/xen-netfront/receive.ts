/**
 * The frontend's receive ring: buffers are posted, the backend fills them in order, and the packet's responses stand in the slots of its requests.
 *
 * One packet is one item of kernel code, so what a packet causes (an acknowledgement) can leave before the next one is looked at. Everything that the backend wrote is
 * checked as Linux's `xennet_get_responses` does; a packet that makes no sense is dropped and its buffers are posted again.
 */
import {
  ETHERNET_HEADER,
  EXTRA_GSO,
  EXTRA_MORE,
  EXTRA_TYPES,
  extraInfo,
  FrontRing,
  type GuestKernel,
  GSO_TCPV4,
  GSO_TCPV6,
  gsoSize,
  gsoType,
  type MemoryView,
  NETIF_SLOTS_MIN,
  PAGE_SIZE,
  readExtra,
  readRxResponse,
  RX_CSUM_BLANK,
  RX_DATA_VALIDATED,
  RX_EXTRA_INFO,
  RX_MORE_DATA,
  RX_SLOT_BYTES,
  rxResponse,
  writeRxRequest,
} from '../hypervisor/index.ts';
import { type Gso, type LinkPacket, readEthernet } from '../net/index.ts';
import type { KernelCpu } from '../sim/index.ts';
import type { ReceiveBuffers } from './buffers.ts';
import type { NetfrontCounters } from './device.ts';

/** Packets between two refills (NAPI's budget). */
const BUDGET = 64;
/** Linux 2.6's limits of how many buffers are posted. */
const OLD_TARGET_MIN = 64;
/** More slots than this is no packet (MAX_SKB_FRAGS + 1, and the one that may hold the header alone). */
const MOST_SLOTS = NETIF_SLOTS_MIN + 1;

export interface ReceiveHooks {
  readonly counters: NetfrontCounters;
  readonly onPacket: (packet: LinkPacket) => void;
  readonly onBroken: (why: string) => void;
}

export class ReceiveRing {
  readonly #kernel: GuestKernel;
  readonly #cpu: KernelCpu;
  readonly #ring: FrontRing;
  readonly #port: number;
  readonly #buffers: ReceiveBuffers;
  readonly #hooks: ReceiveHooks;
  readonly #response = rxResponse();
  readonly #extra = extraInfo();
  /** Slot, offset and bytes of each piece of the packet that is being read. */
  readonly #pieces = new Int32Array(3 * 256);
  #pieceCount = 0;
  /** Its slots that hold extras: their buffers are posted again when the packet is out of its own. */
  readonly #extraSlots = new Int32Array(256);
  #extraCount = 0;
  /** Buffers kept posted. */
  #target: number;
  readonly #isOldStyle: boolean;
  #isPolling = false;
  #isPublishQueued = false;
  #sinceRefill = 0;
  #isOpen = true;

  constructor(
    kernel: GuestKernel,
    cpu: KernelCpu,
    page: MemoryView,
    port: number,
    makeBuffers: (slots: number) => ReceiveBuffers,
    hooks: ReceiveHooks,
  ) {
    this.#kernel = kernel;
    this.#cpu = cpu;
    this.#ring = new FrontRing(page, RX_SLOT_BYTES);
    this.#port = port;
    this.#buffers = makeBuffers(this.#ring.size);
    this.#hooks = hooks;
    this.#isOldStyle = kernel.era.name !== 'xen-4.17';
    this.#target = this.#isOldStyle ? OLD_TARGET_MIN : this.#ring.size;
  }

  /** Posts buffers up to the target, on `cpu`. */
  fill(cpu: KernelCpu = this.#cpu): void {
    const ring = this.#ring;
    let posted = ring.size - ring.free;
    // Old kernels refill in large batches, and post more if the backend nearly ran dry.
    if (this.#isOldStyle && this.#target - posted < this.#target / 2) {
      if (ring.unpushed !== 0) this.#publishSoon(cpu);
      return;
    }
    if (this.#isOldStyle && posted !== 0 && ring.outstanding < this.#target / 4)
      this.#target = Math.min(this.#target * 2, ring.size);
    let isNew = ring.unpushed !== 0;
    for (; posted < this.#target; posted++) {
      const slot = ring.reqProdPvt & (ring.size - 1);
      const ref = this.#buffers.post(slot);
      if (ref < 0) break;
      writeRxRequest(ring.view, ring.nextRequest(), slot, ref);
      isNew = true;
    }
    if (!isNew) return;
    this.#buffers.flush(cpu);
    this.#publishSoon(cpu);
  }

  /** The backend's event: there may be packets. */
  wake(): void {
    if (this.#isPolling || !this.#isOpen) return;
    this.#isPolling = true;
    this.#poll();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#buffers.close();
  }

  readonly #poll = (): void => {
    if (!this.#isOpen) return;
    const ring = this.#ring;
    if (ring.isOverrun) {
      this.#hooks.onBroken('illegal number of receive responses');
      return;
    }
    if (ring.unconsumedResponses === 0) {
      this.#refill();
      if (!ring.finalCheckForResponses()) {
        this.#isPolling = false;
        return;
      }
    }
    const packet = this.#next();
    if (++this.#sinceRefill >= BUDGET) this.#refill();
    if (packet !== null) {
      this.#hooks.counters.packetsReceived++;
      this.#cpu.mark('netfront');
      this.#hooks.onPacket(packet);
    }
    if (this.#isOpen) this.#cpu.exec(0, 'netfront', this.#poll);
  };

  #refill(): void {
    this.#sinceRefill = 0;
    const ring = this.#ring;
    // Few responses at a time: fewer buffers do. Up quickly, down slowly.
    if (this.#isOldStyle && ring.outstanding > (3 * this.#target) / 4 && this.#target > OLD_TARGET_MIN) this.#target--;
    this.fill();
  }

  /** Reads one packet; null if it is none. */
  #next(): LinkPacket | null {
    const ring = this.#ring;
    const before = ring.rspCons;
    const response = readRxResponse(ring.view, ring.slot(ring.rspCons), this.#response);
    const flags = response.flags;
    let left = Math.min(ring.unconsumedResponses, ring.size) - 1;
    this.#pieceCount = 0;
    this.#extraCount = 0;
    let isGood = this.#addPiece(ring.rspCons, response.offset, response.status);
    ring.rspCons = (ring.rspCons + 1) >>> 0;
    let gso: Gso | null = null;
    if (flags & RX_EXTRA_INFO) {
      const extras = this.#readExtras(left);
      isGood = isGood && extras.isGood;
      gso = extras.gso;
      left -= extras.count;
    }
    let more = flags & RX_MORE_DATA;
    while (more !== 0) {
      if (left-- === 0) {
        isGood = false;
        break;
      }
      readRxResponse(ring.view, ring.slot(ring.rspCons), response);
      more = response.flags & RX_MORE_DATA;
      if (!this.#addPiece(ring.rspCons, response.offset, response.status)) isGood = false;
      ring.rspCons = (ring.rspCons + 1) >>> 0;
    }
    const slots = (ring.rspCons - before) >>> 0;
    this.#hooks.counters.slotsReceived += slots;
    this.#cpu.spend(slots * this.#kernel.era.costs.netfrontSlotPs, 'netfront');
    const packet = this.#assemble(flags, gso, isGood && this.#pieceCount <= MOST_SLOTS);
    for (let i = 0; i < this.#extraCount; i++) this.#repost(this.#extraSlots[i] as number);
    if (packet === null) this.#hooks.counters.receiveErrors++;
    return packet;
  }

  /** Notes a slot with data; false if its numbers make no sense. The slot's buffer is taken back in any case. */
  #addPiece(counter: number, offset: number, status: number): boolean {
    const isGood = status >= 0 && offset + status <= PAGE_SIZE;
    const at = 3 * this.#pieceCount++;
    this.#pieces[at] = counter & (this.#ring.size - 1);
    this.#pieces[at + 1] = isGood ? offset : 0;
    this.#pieces[at + 2] = isGood ? status : 0;
    return isGood;
  }

  /** Reads the extras, at most as many as there are responses. */
  #readExtras(available: number): { readonly isGood: boolean; readonly gso: Gso | null; readonly count: number } {
    const ring = this.#ring;
    const extra = this.#extra;
    let gso: Gso | null = null;
    let isGood = true;
    let count = 0;
    do {
      if (count === available) return { isGood: false, gso, count };
      readExtra(ring.view, ring.slot(ring.rspCons), extra);
      this.#extraSlots[this.#extraCount++] = ring.rspCons & (ring.size - 1);
      ring.rspCons = (ring.rspCons + 1) >>> 0;
      count++;
      if (extra.type === 0 || extra.type >= EXTRA_TYPES) isGood = false;
      if (extra.type !== EXTRA_GSO) continue;
      const type = gsoType(extra);
      if (gsoSize(extra) === 0 || (type !== GSO_TCPV4 && type !== GSO_TCPV6)) isGood = false;
      else gso = { type: type === GSO_TCPV4 ? 'tcpv4' : 'tcpv6', size: gsoSize(extra) };
    } while (extra.flags & EXTRA_MORE);
    return { isGood, gso, count };
  }

  #repost(from: number): void {
    const ring = this.#ring;
    const slot = ring.reqProdPvt & (ring.size - 1);
    writeRxRequest(ring.view, ring.nextRequest(), slot, this.#buffers.move(from, slot));
  }

  /** Collects the pieces into one frame. Their buffers come back even if the packet is no good. */
  #assemble(flags: number, gso: Gso | null, isGood: boolean): LinkPacket | null {
    const pieces = this.#pieces;
    let total = 0;
    for (let i = 0; i < this.#pieceCount; i++) total += pieces[3 * i + 2] as number;
    const frame = new Uint8Array(total);
    let at = 0;
    let isWhole = isGood && total >= ETHERNET_HEADER;
    for (let i = 0; i < this.#pieceCount; i++) {
      const bytes = pieces[3 * i + 2] as number;
      const part = this.#pieceCount === 1 ? frame : frame.subarray(at, at + bytes);
      if (!this.#buffers.take(this.#cpu, pieces[3 * i] as number, pieces[3 * i + 1] as number, part)) isWhole = false;
      at += bytes;
    }
    const ethernet = isWhole ? readEthernet(frame) : null;
    if (ethernet === null) return null;
    const checksumBlank = (flags & RX_CSUM_BLANK) !== 0;
    return {
      destination: ethernet.destination,
      source: ethernet.source,
      protocol: ethernet.protocol,
      data: ethernet.data,
      gso,
      checksumBlank,
      checksumVerified: checksumBlank || (flags & RX_DATA_VALIDATED) !== 0,
    };
  }

  #publishSoon(cpu: KernelCpu): void {
    if (this.#isPublishQueued) return;
    this.#isPublishQueued = true;
    cpu.exec(0, 'netfront', () => {
      this.#isPublishQueued = false;
      if (!this.#isOpen || !this.#ring.pushRequests()) return;
      this.#hooks.counters.notifiesRx++;
      this.#kernel.xen.notify(cpu, this.#port);
    });
  }
}
