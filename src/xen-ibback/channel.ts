/**
 * One connected device: takes the guest's commands one after the other, has them carried out, and answers; sends completion events, asynchronous events and datagrams.
 *
 * All of it are items of the driver domain's CPU. Nothing in the shared pages is trusted: a slot is copied before it is looked at, whatever it holds is answered with an
 * errno, and only counters beyond all bounds end the device.
 */
import {
  BackRing,
  decodeRequest,
  encodeResponse,
  EVENT_ASYNC,
  EVENT_COMPLETION,
  EVENT_MAD,
  EVENT_OF_CQ,
  EVENT_OF_PORT,
  EVENT_OF_QP,
  EVENT_OF_SRQ,
  EventProducer,
  type GuestKernel,
  MAD_PLACE_BYTES,
  MAD_PLACES,
  type MemoryView,
  slotId,
  VIB_SLOT_BYTES,
  type VibEvent,
  type VibRequest,
} from '../hypervisor/index.ts';
import type { Ps } from '../sim/index.ts';
import {
  type CmProxyClient,
  cmProxyOf,
  Errno,
  failed,
  type MadSource,
  type Outcome,
  type OwnedObjects,
  Timers,
} from '../verbs/index.ts';
import { carryOut, nativePs } from './carry-out.ts';
import { checkFrames, type OwnsFrame } from './page-lists.ts';

/** Cause of the CPU time that the channel takes at this end. */
const CAUSE = 'ibback';
/** Events that wait for room in the page of events; a guest that lets more pile up loses datagrams and repeated completions. */
const MOST_BACKLOG = 4096;
type AsyncEvent = Parameters<NonNullable<OwnedObjects['events']>['async']>[0];

export interface ChannelParts {
  readonly kernel: GuestKernel;
  /** The guest. */
  readonly domid: number;
  readonly objects: OwnedObjects;
  readonly ring: MemoryView;
  readonly events: MemoryView;
  /** Datagrams from the guest, and to it. */
  readonly madOut: MemoryView;
  readonly madIn: MemoryView;
  readonly commandPort: number;
  readonly eventPort: number;
  readonly ownsFrame: OwnsFrame;
  /** The guest broke the rules of a ring. */
  readonly onBroken: (reason: string) => void;
}

export interface ChannelCounters {
  commands: number;
  refused: number;
  completions: number;
  asyncEvents: number;
  madsOut: number;
  madsIn: number;
  lostEvents: number;
}

export class IbChannel implements CmProxyClient {
  readonly objects: OwnedObjects;
  readonly counters: ChannelCounters = {
    commands: 0,
    refused: 0,
    completions: 0,
    asyncEvents: 0,
    madsOut: 0,
    madsIn: 0,
    lostEvents: 0,
  };
  readonly #parts: ChannelParts;
  readonly #kernel: GuestKernel;
  readonly #ring: BackRing;
  readonly #events: EventProducer;
  readonly #timers: Timers;
  readonly #costPs: Ps;
  readonly #backlog: VibEvent[] = [];
  /** Number of the event that a place of an incoming datagram waits for; null where it is free. */
  readonly #places: (number | null)[] = Array.from({ length: MAD_PLACES }, () => null);
  #nextPlace = 0;
  #isBusy = false;
  #isClosed = false;

  constructor(parts: ChannelParts) {
    const { kernel, objects } = parts;
    this.#parts = parts;
    this.#kernel = kernel;
    this.objects = objects;
    this.#ring = new BackRing(parts.ring, VIB_SLOT_BYTES);
    this.#events = new EventProducer(parts.events);
    this.#timers = new Timers(objects.hca.loop, objects.hca.entity);
    this.#costPs = kernel.era.costs.ibChannelPs;
    // Somebody answers for the adapter from now on, also where no guest listens.
    cmProxyOf(objects.hca);
    objects.events = {
      completion: (cq, atPs) => this.#onInterrupt(atPs, () => this.#completion(cq)),
      async: (event) => this.#onInterrupt(event.atPs, () => this.#async(event)),
    };
    kernel.xen.setHandler(parts.commandPort, () => this.#look());
    kernel.xen.setHandler(parts.eventPort, () => this.#flush());
    // The guest may have asked before this end was there.
    kernel.cpu.exec(0, CAUSE, () => this.#look());
  }

  /** Takes everything back that the guest has. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { xen } = this.#kernel;
    xen.setHandler(this.#parts.commandPort, null);
    xen.setHandler(this.#parts.eventPort, null);
    const { hca, counts } = this.objects;
    cmProxyOf(hca).detach(this);
    this.objects.freeAll();
    this.#kernel.cpu.exec(counts.all * hca.profile.controlPs, 'verbs', () => undefined);
  }

  // ---- commands

  /** Begins with the commands that are there, unless it is at it. */
  #look(): void {
    if (this.#isBusy || this.#isClosed) return;
    this.#isBusy = true;
    this.#next();
  }

  #next(): void {
    const ring = this.#ring;
    if (this.#isClosed) return;
    if (ring.isOverrun) {
      this.#parts.onBroken('the guest asks for more than the ring holds');
      return;
    }
    if (ring.unconsumedRequests === 0 && !ring.finalCheckForRequests()) {
      this.#isBusy = false;
      return;
    }
    const bytes = new Uint8Array(VIB_SLOT_BYTES);
    ring.view.read(ring.slot(ring.reqCons), bytes);
    ring.reqCons = (ring.reqCons + 1) >>> 0;
    this.#kernel.cpu.exec(this.#costPs, CAUSE, () => this.#carryOut(bytes));
  }

  #carryOut(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    const { cpu } = this.#kernel;
    this.counters.commands++;
    cpu.mark('ibback');
    const request = decodeRequest(bytes);
    const outcome = request === null ? failed(Errno.ENOSYS) : this.#outcome(request, bytes);
    if (outcome.errno !== 0) this.counters.refused++;
    const response = encodeResponse(bytes, outcome.errno, outcome.answer);
    cpu.mark('native verb');
    cpu.exec(0, CAUSE, () => this.#respond(response));
  }

  #respond(response: Uint8Array): void {
    if (this.#isClosed) return;
    const ring = this.#ring;
    ring.view.write(ring.nextResponse(), response);
    const { cpu, xen } = this.#kernel;
    if (ring.pushResponses()) xen.notify(cpu, this.#parts.commandPort);
    this.#next();
  }

  #outcome(request: VibRequest, bytes: Uint8Array): Outcome {
    const { kernel, domid, ownsFrame } = this.#parts;
    const { objects } = this;
    if ('list' in request && request.pages !== 0 && !checkFrames(kernel, domid, request.list, request.pages, ownsFrame))
      return failed(Errno.EFAULT);
    kernel.cpu.spend(nativePs(request, objects.hca), 'verbs');
    if (request.command === 'sendMad') return this.#sendMad(request);
    const proxy = cmProxyOf(objects.hca);
    if (request.command === 'listen') return failed(proxy.listen(this, request.serviceId) ? 0 : Errno.EADDRINUSE);
    if (request.command === 'unlisten') return failed(proxy.unlisten(this, request.serviceId) ? 0 : Errno.EINVAL);
    return objects.settle(slotId(bytes), bytes, () => carryOut(objects, request, kernel.cpu.nowPs));
  }

  #sendMad(request: Extract<VibRequest, { readonly command: 'sendMad' }>): Outcome {
    const { portNum, slot, dlid, sl, srcPathBits } = request;
    const { hca } = this.objects;
    const port = hca.config.ports.find((candidate) => candidate.portNumber === portNum);
    if (port === undefined || slot >= MAD_PLACES || dlid === 0 || sl > 15 || srcPathBits >= 2 ** port.lmc)
      return failed(Errno.EINVAL);
    const bytes = new Uint8Array(MAD_PLACE_BYTES);
    this.#parts.madOut.read(slot * MAD_PLACE_BYTES, bytes);
    const isSent = cmProxyOf(hca).send(this, portNum, bytes, { dlid, sl, srcPathBits }, this.#kernel.cpu.nowPs);
    if (isSent) this.counters.madsOut++;
    return failed(isSent ? 0 : Errno.EINVAL);
  }

  // ---- events

  /** The adapter interrupts at `atPs`; then `effect` runs on the driver domain's CPU. */
  #onInterrupt(atPs: Ps, effect: () => void): void {
    this.#timers.at(atPs, () => {
      if (!this.#isClosed) this.#kernel.cpu.interrupt('hca', () => this.#isClosed || effect());
    });
  }

  #completion(cq: number): void {
    this.counters.completions++;
    this.#post({ kind: EVENT_COMPLETION, type: 0, number: cq, a: 0, b: 0 });
  }

  #async(event: AsyncEvent): void {
    this.counters.asyncEvents++;
    const { type, portNum, element } = event;
    const [a, number] = this.#nameOf(element);
    this.#post({ kind: EVENT_ASYNC, type, number, a, b: portNum });
  }

  #nameOf(element: object | null): readonly [kind: number, number: number] {
    if (element === null) return [EVENT_OF_PORT, 0];
    if ('qpn' in element) return [EVENT_OF_QP, element.qpn as number];
    return ['queue' in element ? EVENT_OF_SRQ : EVENT_OF_CQ, (element as { number: number }).number];
  }

  /** A datagram for the guest. As with queue pair 1, one that finds no place is lost. */
  receive(bytes: Uint8Array, from: MadSource, atPs: Ps): void {
    this.#onInterrupt(atPs, () => {
      const place = this.#nextPlace;
      const event = this.#places[place] as number | null;
      const isFree = event === null || this.#events.isConsumed(event);
      if (!isFree || this.#backlog.length >= MOST_BACKLOG) {
        this.counters.lostEvents++;
        return;
      }
      this.counters.madsIn++;
      this.#nextPlace = (place + 1) % MAD_PLACES;
      this.#places[place] = (this.#events.producer + this.#backlog.length) >>> 0;
      this.#parts.madIn.write(place * MAD_PLACE_BYTES, bytes);
      const a = from.sl | (from.dlidPathBits << 8) | (from.pkeyIndex << 16);
      this.#post({ kind: EVENT_MAD, type: from.slid, number: place, a, b: from.portNum });
    });
  }

  /** Sends an event, in an item that its cost has passed in. */
  #post(event: VibEvent): void {
    const { cpu } = this.#kernel;
    cpu.spend(this.#costPs, CAUSE);
    if (this.#backlog.length < MOST_BACKLOG) this.#backlog.push(event);
    else this.counters.lostEvents++;
    cpu.mark('ibback');
    cpu.exec(0, CAUSE, () => this.#flush());
  }

  /** Writes the events for which there is room, and notifies. The guest notifies when there is room again. */
  #flush(): void {
    if (this.#isClosed) return;
    if (this.#events.isOverrun) {
      this.#parts.onBroken('the guest has consumed events that there are not');
      return;
    }
    let written = 0;
    for (; this.#backlog.length > 0 && this.#events.hasRoom; written++) this.#events.push(this.#backlog.shift() as VibEvent);
    if (written > 0) this.#kernel.xen.notify(this.#kernel.cpu, this.#parts.eventPort);
  }
}
