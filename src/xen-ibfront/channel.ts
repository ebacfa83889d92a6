/**
 * The frontend's end of the device channel: commands into the ring, answers to whoever asked, events and datagrams to their handlers. Everything runs as items of vCPU 0.
 */
import {
  EventConsumer,
  FrontRing,
  type GuestKernel,
  initSharedRing,
  MAD_PLACE_BYTES,
  MAD_PLACES,
  type MemoryView,
  releaseGrant,
  slotId,
  VIB_FRONT_KEYS,
  VIB_SLOT_BYTES,
  type VibEvent,
} from '../hypervisor/index.ts';
import { assert, type Ps } from '../sim/index.ts';

/** Cause of the CPU time that the channel takes at this end. */
const CAUSE = 'ibfront';

/** Called with the answer's slot, or with null when the device is gone; `atPs` is the CPU's time. */
export type Answered = (response: Uint8Array | null, atPs: Ps) => void;

interface Waiting {
  readonly bytes: Uint8Array;
  readonly answered: Answered;
}

/** Who hears what comes by itself. */
export interface ChannelEvents {
  onEvent(event: VibEvent, atPs: Ps): void;
  /** A datagram; `event` says from where. */
  onMad(event: VibEvent, bytes: Uint8Array, atPs: Ps): void;
  /** The backend broke the rules of the ring. */
  onBroken(reason: string): void;
}

export class FrontChannel {
  readonly #kernel: GuestKernel;
  readonly #events: ChannelEvents;
  readonly #ring: FrontRing;
  readonly #consumer: EventConsumer;
  readonly #madOut: MemoryView;
  readonly #madIn: MemoryView;
  readonly #pfns: readonly number[];
  readonly #refs: readonly number[];
  readonly #ports: readonly number[];
  readonly #costPs: Ps;
  /** Commands in the ring, by id. */
  readonly #pending = new Map<number, Answered>();
  /** Commands that wait for a slot. */
  readonly #backlog: Waiting[] = [];
  /** Places of outgoing datagrams that are free, and datagrams that wait for one. */
  readonly #madPlaces = Array.from({ length: MAD_PLACES }, (_, i) => MAD_PLACES - 1 - i);
  readonly #madBacklog: { readonly bytes: Uint8Array; readonly send: (place: number) => void }[] = [];
  #nextId = 1;
  #isClosed = false;
  /** Commands asked for so far. */
  commands = 0;

  /** In an item of the kernel's CPU: takes pages, grants them, and opens two ports. Throws `RangeError` without memory, grants or ports. */
  constructor(kernel: GuestKernel, backendDomid: number, events: ChannelEvents) {
    this.#kernel = kernel;
    this.#events = events;
    this.#costPs = kernel.era.costs.ibChannelPs;
    this.#pfns = Array.from({ length: 4 }, () => kernel.allocPages(1));
    const views = this.#pfns.map((pfn) => kernel.pages(pfn, 1)) as [MemoryView, MemoryView, MemoryView, MemoryView];
    for (const view of views) view.fill(0, view.length, 0);
    initSharedRing(views[0]);
    this.#ring = new FrontRing(views[0], VIB_SLOT_BYTES);
    this.#consumer = new EventConsumer(views[1]);
    this.#madOut = views[2];
    this.#madIn = views[3];
    this.#refs = this.#pfns.map((pfn) => kernel.xen.grantAccess(backendDomid, pfn, false));
    this.#ports = [0, 1].map(() => kernel.xen.allocUnbound(kernel.cpu, backendDomid));
    if (this.#ports.some((port) => port < 0)) throw new RangeError('no event channel is left');
    kernel.xen.setHandler(this.#ports[0] as number, () => this.#answers());
    kernel.xen.setHandler(this.#ports[1] as number, () => this.#takeEvents());
  }

  /** What the backend needs to know, by xenstore key. */
  get keys(): Readonly<Record<string, number>> {
    const values = [...this.#refs, ...this.#ports];
    return Object.fromEntries(VIB_FRONT_KEYS.map((key, i) => [key, values[i] as number]));
  }

  /** A new id for a command. */
  newId(): number {
    this.#nextId = (this.#nextId + 1) >>> 0 || 1;
    return this.#nextId;
  }

  /** Sends a command, its id already in it; from any context. */
  submit(bytes: Uint8Array, answered: Answered): void {
    this.commands++;
    this.#kernel.cpu.exec(this.#costPs, CAUSE, () => this.#enqueue({ bytes, answered }));
  }

  /** Puts a datagram into the page that the backend reads; `send` gets its place, which is free again after `freeMad`. */
  placeMad(bytes: Uint8Array, send: (place: number) => void): void {
    const place = this.#madPlaces.pop();
    if (place === undefined) {
      this.#madBacklog.push({ bytes, send });
      return;
    }
    this.#madOut.write(place * MAD_PLACE_BYTES, bytes);
    send(place);
  }

  freeMad(place: number): void {
    this.#madPlaces.push(place);
    const next = this.#madBacklog.shift();
    if (next !== undefined) this.placeMad(next.bytes, next.send);
  }

  /** The device is gone: whoever waits for an answer hears so, and the pages are taken back. In an item of the CPU. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { xen, cpu } = this.#kernel;
    for (const port of this.#ports) {
      xen.setHandler(port, null);
      xen.closePort(cpu, port);
    }
    this.#refs.forEach((ref, i) => {
      releaseGrant(this.#kernel, ref, () => this.#kernel.freePages(this.#pfns[i] as number, 1));
    });
    const waiting = [...this.#pending.values(), ...this.#backlog.map(({ answered }) => answered)];
    this.#pending.clear();
    this.#backlog.length = 0;
    for (const answered of waiting) answered(null, cpu.nowPs);
  }

  #enqueue(command: Waiting): void {
    if (this.#isClosed) command.answered(null, this.#kernel.cpu.nowPs);
    else if (this.#ring.free === 0) this.#backlog.push(command);
    else {
      this.#write(command);
      this.#kernel.cpu.mark('ibfront');
      this.#kernel.cpu.exec(0, CAUSE, () => this.#push());
    }
  }

  #write({ bytes, answered }: Waiting): void {
    const id = slotId(bytes);
    assert(!this.#pending.has(id), 'two commands of one id');
    this.#pending.set(id, answered);
    this.#ring.view.write(this.#ring.nextRequest(), bytes);
  }

  #push(): void {
    if (this.#isClosed || this.#ring.unpushed === 0) return;
    const { xen, cpu } = this.#kernel;
    if (this.#ring.pushRequests()) xen.notify(cpu, this.#ports[0] as number);
  }

  /** Takes the answers that are there, and sends what waited for a slot. */
  #answers(): void {
    const ring = this.#ring;
    do {
      if (ring.isOverrun) {
        this.#events.onBroken('the backend answers more than it was asked');
        return;
      }
      while (ring.unconsumedResponses > 0) {
        const bytes = new Uint8Array(VIB_SLOT_BYTES);
        ring.view.read(ring.slot(ring.rspCons), bytes);
        ring.rspCons = (ring.rspCons + 1) >>> 0;
        this.#answer(bytes);
        if (this.#isClosed) return;
      }
    } while (ring.finalCheckForResponses());
    let written = 0;
    for (; this.#backlog.length > 0 && ring.free > 0; written++) this.#write(this.#backlog.shift() as Waiting);
    if (written > 0) this.#kernel.cpu.exec(0, CAUSE, () => this.#push());
  }

  #answer(bytes: Uint8Array): void {
    const id = slotId(bytes);
    const answered = this.#pending.get(id);
    if (answered === undefined) {
      this.#events.onBroken(`the backend answers command ${id}, which is not under way`);
      return;
    }
    this.#pending.delete(id);
    this.#kernel.cpu.mark('event');
    answered(bytes, this.#kernel.cpu.nowPs);
  }

  #takeEvents(): void {
    const { cpu, xen } = this.#kernel;
    const wasFull = this.#consumer.isFull;
    cpu.mark('event');
    for (let event = this.#consumer.take(); event !== null && !this.#isClosed; event = this.#consumer.take()) this.#hear(event);
    if (this.#isClosed) return;
    this.#consumer.acknowledge();
    if (wasFull) xen.notify(cpu, this.#ports[1] as number);
  }

  #hear(event: VibEvent): void {
    const { nowPs } = this.#kernel.cpu;
    const isMad = event.kind === 3 && event.number < MAD_PLACES;
    if (!isMad) {
      this.#events.onEvent(event, nowPs);
      return;
    }
    const bytes = new Uint8Array(MAD_PLACE_BYTES);
    this.#madIn.read(event.number * MAD_PLACE_BYTES, bytes);
    this.#events.onMad(event, bytes, nowPs);
  }
}
