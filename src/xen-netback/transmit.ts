/**
 * From the guest: takes packets off its transmit ring in batches, fetches their bytes by grant, hands them on, answers.
 *
 *   build     up to 64 packets are read and judged (`tx-parse`)
 *   fetch     one hypercall copies, one maps what the batch needs: old eras map every slot; 4.17 copies the first 128 bytes and maps what is beyond
 *   hand on   each packet an item of its own
 *   finish    one hypercall unmaps, the responses become visible, at most one event
 */
import {
  type BackRing,
  type GrantCopy,
  type GrantMap,
  type GuestKernel,
  type MemoryView,
  PAGE_SIZE,
  PagePool,
  RSP_ERROR,
  RSP_OKAY,
  type TxRequest,
} from '../hypervisor/index.ts';
import type { LinkPacket } from '../net/index.ts';
import type { KernelCpu } from '../sim/index.ts';
import { Credit, type Rate } from './credit.ts';
import type { VifCounters } from './device.ts';
import { packetOf } from './offload.ts';
import { TxPacket, TxParser } from './tx-parse.ts';

/** Packets of a batch. */
const BATCH = 64;
/** Bytes that are copied rather than mapped (`XEN_NETBACK_TX_COPY_LEN`). */
const COPY_BYTES = 128;
const DOMID_SELF = 0x7ff0;

export interface TxHooks {
  readonly counters: VifCounters;
  readonly onPacket: (packet: LinkPacket) => void;
  readonly onMulticast: (address: Uint8Array, joined: boolean) => boolean;
  /** The guest broke the rules: the interface is to be disabled. */
  readonly onFatal: (why: string) => void;
}

/** A piece of a packet that a hypercall fetches: where it stands in the frame, and which of the copies or maps brings it. */
interface Piece {
  packet: TxPacket;
  slot: number;
  /** In the frame. */
  at: number;
  /** In the granted page. */
  offset: number;
  bytes: number;
}

export class TxEngine {
  readonly #kernel: GuestKernel;
  readonly #cpu: KernelCpu;
  readonly #domid: number;
  readonly #ring: BackRing;
  readonly #port: number;
  readonly #hooks: TxHooks;
  readonly #parser: TxParser;
  readonly #credit: Credit;
  readonly #copyBytes: number;
  readonly #staging: PagePool;
  /** Packets of the batch under way, kept for the next. */
  readonly #batch: TxPacket[] = [];
  /** Where the next copy goes in its page. */
  #stageAt = 0;
  #handles: number[] = [];
  #isBusy = false;
  #timer = 0;
  #creditPs = 0;
  #isOpen = true;
  #isFatal = false;

  constructor(kernel: GuestKernel, cpu: KernelCpu, domid: number, ring: BackRing, port: number, rate: Rate, hooks: TxHooks) {
    this.#kernel = kernel;
    this.#cpu = cpu;
    this.#domid = domid;
    this.#ring = ring;
    this.#port = port;
    this.#hooks = hooks;
    this.#credit = new Credit(rate, cpu.nowPs);
    if (kernel.era.netback.txMap) this.#copyBytes = kernel.era.name === 'xen-4.17' ? COPY_BYTES : 0;
    else this.#copyBytes = PAGE_SIZE;
    this.#staging = new PagePool(kernel, 2 * ring.size);
    this.#parser = new TxParser(ring, {
      admit: (bytes) => this.#admit(bytes),
      onMulticast: hooks.onMulticast,
    });
  }

  /** The guest's event: there may be requests. */
  wake(): void {
    if (this.#isBusy || !this.#isOpen || this.#isFatal || this.#timer !== 0) return;
    this.#isBusy = true;
    this.#build();
  }

  /** Lets go of everything of the guest's. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#timer !== 0) this.#cpu.clearTimer(this.#timer);
    if (this.#handles.length > 0) this.#kernel.xen.unmapGrants(this.#kernel.cpu, this.#handles);
    this.#handles = [];
    this.#staging.close();
  }

  readonly #build = (): void => {
    if (!this.#isOpen) return;
    let count = 0;
    let slots = 0;
    let isAnswering = false;
    while (count < BATCH) {
      let packet = this.#batch[count];
      if (packet === undefined) {
        packet = new TxPacket();
        this.#batch[count] = packet;
      }
      const verdict = this.#parser.next(packet);
      slots += this.#parser.slots;
      if (verdict === 'packet') {
        count++;
        continue;
      }
      if (verdict === 'answered') {
        isAnswering = true;
        this.#hooks.counters.txErrors++;
        continue;
      }
      if (verdict === 'fatal') this.#isFatal = true;
      break;
    }
    this.#cpu.spend(slots * this.#kernel.era.costs.netbackSlotPs, 'netback');
    if (count > 0) this.#fetch(count);
    for (let i = 0; i < count; i++) this.#handOn(this.#batch[i] as TxPacket);
    if (count > 0 || isAnswering) this.#cpu.exec(0, 'netback', this.#finish);
    else this.#rest();
  };

  /** Packet by packet an item, so that what one causes can go ahead of the next. */
  #handOn(packet: TxPacket): void {
    const { frame, flags, gso, total } = packet;
    if (frame === null) {
      this.#hooks.counters.txErrors++;
      return;
    }
    this.#cpu.exec(this.#kernel.era.costs.netbackPacketPs, 'netback', () => {
      if (!this.#isOpen) return;
      const link = packetOf(frame, flags, gso);
      if (link === null) {
        this.#hooks.counters.txErrors++;
        return;
      }
      this.#hooks.counters.txPackets++;
      this.#hooks.counters.txBytes += total;
      this.#cpu.mark('netback');
      this.#hooks.onPacket(link);
    });
  }

  /** Gets the bytes of the batch's packets, and writes their responses. */
  #fetch(count: number): void {
    const copies: GrantCopy[] = [];
    const copied: Piece[] = [];
    const maps: GrantMap[] = [];
    const mapped: Piece[] = [];
    const staged: number[] = [];
    for (let i = 0; i < count; i++) this.#plan(this.#batch[i] as TxPacket, copies, copied, maps, mapped, staged);
    if (copies.length > 0) this.#copyIn(copies, copied);
    for (const pfn of staged) this.#staging.give(pfn);
    if (maps.length > 0) this.#mapIn(maps, mapped);
    for (let i = 0; i < count; i++) {
      const packet = this.#batch[i] as TxPacket;
      for (let slot = 0; slot < packet.count; slot++) {
        const isBad = ((packet.failed >> slot) & 1) === 1;
        if (isBad) packet.frame = null;
        this.#parser.answer(packet, slot, isBad ? RSP_ERROR : RSP_OKAY);
      }
    }
  }

  /** What a packet needs: pieces at most `#copyBytes` into its first slot are copied, the others mapped. */
  #plan(packet: TxPacket, copies: GrantCopy[], copied: Piece[], maps: GrantMap[], mapped: Piece[], staged: number[]): void {
    packet.frame = new Uint8Array(packet.total);
    let at = 0;
    for (let slot = 0; slot < packet.count; slot++) {
      const request = packet.requests[slot] as TxRequest;
      const isCopying = slot === 0 || this.#copyBytes === PAGE_SIZE;
      let bytes = isCopying ? Math.min(this.#copyBytes, request.size) : 0;
      if (bytes > 0) {
        const page = this.#stage(bytes, copies, staged);
        if (page < 0) bytes = 0;
        else {
          const source = { domid: this.#domid, ref: request.gref, offset: request.offset };
          copies.push({ source, destination: { domid: DOMID_SELF, pfn: page, offset: this.#stageAt }, length: bytes });
          copied.push({ packet, slot, at, offset: this.#stageAt, bytes });
          this.#stageAt += bytes;
        }
      }
      if (bytes < request.size || request.size === 0) {
        maps.push({ domid: this.#domid, ref: request.gref, readonly: true });
        mapped.push({ packet, slot, at: at + bytes, offset: request.offset + bytes, bytes: request.size - bytes });
      }
      at += request.size;
    }
  }

  #stage(bytes: number, copies: GrantCopy[], staged: number[]): number {
    const last = staged.at(-1);
    if (copies.length > 0 && last !== undefined && this.#stageAt + bytes <= PAGE_SIZE) return last;
    const pfn = this.#staging.take();
    if (pfn < 0) return -1;
    staged.push(pfn);
    this.#stageAt = 0;
    return pfn;
  }

  #copyIn(copies: readonly GrantCopy[], pieces: readonly Piece[]): void {
    const statuses = this.#kernel.xen.copyGrants(this.#cpu, copies);
    this.#cpu.mark('grant copy');
    for (let i = 0; i < pieces.length; i++) {
      const { packet, slot, at, offset, bytes } = pieces[i] as Piece;
      if (statuses[i] !== 0) {
        packet.failed |= 1 << slot;
        continue;
      }
      const page = this.#staging.view((copies[i] as GrantCopy).destination.pfn as number);
      read(page, offset, packet.frame as Uint8Array, at, bytes);
    }
  }

  #mapIn(maps: readonly GrantMap[], pieces: readonly Piece[]): void {
    const mappings = this.#kernel.xen.mapGrants(this.#cpu, maps);
    this.#cpu.mark('grant map');
    for (let i = 0; i < pieces.length; i++) {
      const { packet, slot, at, offset, bytes } = pieces[i] as Piece;
      const mapping = mappings[i] as (typeof mappings)[number];
      if (mapping.status !== 0 || mapping.view === null) {
        packet.failed |= 1 << slot;
        continue;
      }
      this.#handles.push(mapping.handle);
      read(mapping.view, offset, packet.frame as Uint8Array, at, bytes);
    }
  }

  readonly #finish = (): void => {
    if (!this.#isOpen) return;
    if (this.#handles.length > 0) {
      const handles = this.#handles;
      this.#handles = [];
      this.#kernel.xen.unmapGrants(this.#cpu, handles);
      this.#cpu.exec(0, 'netback', this.#publish);
    } else {
      this.#publish();
    }
  };

  readonly #publish = (): void => {
    if (!this.#isOpen) return;
    if (this.#ring.pushResponses()) {
      this.#hooks.counters.notifiesTx++;
      this.#kernel.xen.notify(this.#cpu, this.#port);
    }
    this.#rest();
  };

  /** Goes on if there is more, else sleeps until the guest's next event. */
  #rest(): void {
    if (this.#isFatal) {
      this.#isBusy = false;
      this.#hooks.onFatal(this.#parser.why);
    } else if (this.#timer !== 0) {
      this.#isBusy = false;
    } else if (this.#ring.isOverrun || this.#ring.finalCheckForRequests()) {
      this.#cpu.exec(0, 'netback', this.#build);
    } else {
      this.#isBusy = false;
    }
  }

  #admit(bytes: number): boolean {
    this.#creditPs = this.#credit.take(bytes, this.#cpu.nowPs);
    if (this.#creditPs === 0) return true;
    this.#timer = this.#cpu.setTimer(this.#creditPs, () => {
      this.#timer = 0;
      this.#credit.replenish();
      this.wake();
    });
    return false;
  }
}

function read(view: MemoryView, offset: number, frame: Uint8Array, at: number, bytes: number): void {
  view.read(offset, bytes === frame.length ? frame : frame.subarray(at, at + bytes));
}
