/**
 * The guest's event handler: at an upcall it finds the pending ports among the bits or queues in its own memory, takes the events, and calls the ports' handlers.
 * As Linux's events_2l.c and events_fifo.c do it.
 */
import {
  EVTCHN_FIFO_CONTROL_BLOCK,
  EVTCHN_FIFO_LINK_BITS,
  EVTCHN_FIFO_LINKED,
  EVTCHN_FIFO_MASKED,
  EVTCHN_FIFO_MAX_QUEUES,
  EVTCHN_FIFO_PENDING,
} from './abi/event.ts';
import { SHARED_INFO, VCPU_INFO } from './abi/guest.ts';
import type { Domain } from './domain.ts';
import type { Frame } from './machine-memory.ts';
import { PAGE_SIZE } from './memory-view.ts';
import type { Vcpu } from './vcpu.ts';

const PENDING_BIT = 1 << EVTCHN_FIFO_PENDING;
const MASKED_BIT = 1 << EVTCHN_FIFO_MASKED;
const LINKED_BIT = 1 << EVTCHN_FIFO_LINKED;
const LINK_MASK = (1 << EVTCHN_FIFO_LINK_BITS) - 1;
const READY = EVTCHN_FIFO_CONTROL_BLOCK.at.ready;
const HEAD = EVTCHN_FIFO_CONTROL_BLOCK.at.head;

/** Where FIFO channels' pages are: a control block for each vCPU in one page, and the pages of event words. */
export interface FifoPages {
  readonly controlPfn: number;
  /** Distance of two vCPUs' control blocks. */
  readonly controlStride: number;
  readonly arrayPfns: number[];
}

export class GuestEvents {
  readonly #domain: Domain;
  /** Address of shared info. */
  readonly #sharedInfo: number;
  readonly #fifo: FifoPages | null;
  readonly #crash: () => void;
  readonly #handlers: ((() => void) | null)[] = [];
  /** vCPU of each port; 0 unless bound to another. */
  readonly #portVcpu: number[] = [];
  /** Ports whose events came before they had a handler. */
  readonly #missed = new Set<number>();
  /** FIFO: the guest's own heads, by vCPU and queue. */
  readonly #heads: number[];
  #found: number[] = [];

  /** `crash` ends the domain as a fault in its kernel does. */
  constructor(domain: Domain, sharedInfoPfn: number, fifo: FifoPages | null, crash: () => void) {
    this.#crash = crash;
    this.#domain = domain;
    this.#sharedInfo = sharedInfoPfn * PAGE_SIZE;
    this.#fifo = fifo;
    this.#heads = new Array(domain.vcpus.length * EVTCHN_FIFO_MAX_QUEUES).fill(0);
  }

  setHandler(port: number, handler: (() => void) | null): void {
    while (this.#handlers.length <= port) this.#handlers.push(null);
    this.#handlers[port] = handler;
    if (handler === null || !this.#missed.delete(port)) return;
    this.#vcpuOf(port).exec(0, 'upcall', handler);
  }

  /** A port is new, or closed: what was known of it is forgotten. */
  forget(port: number): void {
    if (port < this.#handlers.length) this.#handlers[port] = null;
    this.#missed.delete(port);
    this.setVcpu(port, 0);
  }

  setVcpu(port: number, vcpu: number): void {
    if (vcpu === 0 && port >= this.#portVcpu.length) return;
    while (this.#portVcpu.length <= port) this.#portVcpu.push(0);
    this.#portVcpu[port] = vcpu;
  }

  #vcpuOf(port: number): Vcpu {
    return this.#domain.vcpus[this.#portVcpu[port] ?? 0] as Vcpu;
  }

  // Masks, in the guest's memory.

  mask(port: number): void {
    const { memory } = this.#domain;
    if (this.#fifo === null) {
      const at = this.#sharedInfo + SHARED_INFO.at.evtchn_mask + 4 * (port >>> 5);
      memory.setU32(at, memory.u32(at) | (1 << (port & 31)));
    } else {
      const at = this.#wordAt(port);
      memory.setU32(at, memory.u32(at) | MASKED_BIT);
    }
  }

  isMasked(port: number): boolean {
    if (port >= this.capacity) return true;
    const { memory } = this.#domain;
    if (this.#fifo !== null) return (memory.u32(this.#wordAt(port)) & MASKED_BIT) !== 0;
    return (memory.u32(this.#sharedInfo + SHARED_INFO.at.evtchn_mask + 4 * (port >>> 5)) & (1 << (port & 31))) !== 0;
  }

  /** Clears the mask; true if an event waits, so that the hypervisor must be called (before the mask is cleared). */
  mustUnmaskByHypercall(port: number): boolean {
    const { memory } = this.#domain;
    if (this.#fifo === null) {
      const word = 4 * (port >>> 5);
      const bit = 1 << (port & 31);
      if ((memory.u32(this.#sharedInfo + SHARED_INFO.at.evtchn_pending + word) & bit) !== 0) return true;
      const at = this.#sharedInfo + SHARED_INFO.at.evtchn_mask + word;
      memory.setU32(at, memory.u32(at) & ~bit);
      return false;
    }
    const at = this.#wordAt(port);
    const word = memory.u32(at);
    if ((word & PENDING_BIT) !== 0) return true;
    memory.setU32(at, word & ~MASKED_BIT);
    return false;
  }

  /** Ports that have a word by now (FIFO), or all. */
  get capacity(): number {
    return this.#fifo === null ? 4096 : this.#fifo.arrayPfns.length * (PAGE_SIZE / 4);
  }

  #wordAt(port: number): number {
    const pfns = (this.#fifo as FifoPages).arrayPfns;
    return (pfns[port >>> 10] as number) * PAGE_SIZE + 4 * (port & 1023);
  }

  // The upcall.

  /** Runs as an item of `vcpu`, its cost charged already. */
  upcall(vcpu: Vcpu): void {
    const { events, account } = this.#domain;
    const place = events.infos.place(vcpu.id);
    if (place === null || !events.infos.isPending(vcpu.id) || events.infos.isMasked(vcpu.id)) return;
    account.upcalls++;
    const found = this.#found;
    found.length = 0;
    place.frame.bytes[place.offset + VCPU_INFO.at.evtchn_upcall_pending] = 0;
    if (!this.#scan(vcpu.id, place)) return;
    account.eventsReceived += found.length;
    this.#dispatch();
  }

  /** Finds the pending ports; false if the kernel has taken its own pages away: then it crashes. */
  #scan(vcpu: number, place: { readonly frame: Frame; readonly offset: number }): boolean {
    try {
      if (this.#fifo !== null && this.#domain.events.isFifo) this.#scanQueues(vcpu, this.#fifo);
      else this.#scanBits(vcpu, place.frame.words, (place.offset + VCPU_INFO.at.evtchn_pending_sel) >>> 2);
      return true;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#crash();
      return false;
    }
  }

  /** Calls the handlers, in the upcall and before anything else that waits, as interrupts do. */
  #dispatch(): void {
    for (const port of this.#found) {
      const handler = this.#handlers[port] ?? null;
      if (handler === null) this.#missed.add(port);
      else handler();
    }
  }

  #scanBits(vcpu: number, infoWords: Uint32Array, selectorAt: number): void {
    const { memory } = this.#domain;
    for (let half = 0; half < 2; half++) {
      let selector = infoWords[selectorAt + half] as number;
      infoWords[selectorAt + half] = 0;
      while (selector !== 0) {
        const bit = 31 - Math.clz32(selector & -selector);
        selector &= selector - 1;
        const word = (half * 32 + bit) * 2;
        this.#scanWord(vcpu, memory, word);
        this.#scanWord(vcpu, memory, word + 1);
      }
    }
  }

  #scanWord(vcpu: number, memory: Domain['memory'], word: number): void {
    const at = this.#sharedInfo + SHARED_INFO.at.evtchn_pending + 4 * word;
    const pending = memory.u32(at);
    if (pending === 0) return;
    let ready = pending & ~memory.u32(this.#sharedInfo + SHARED_INFO.at.evtchn_mask + 4 * word);
    let left = pending;
    while (ready !== 0) {
      const lowest = ready & -ready;
      ready &= ready - 1;
      const port = word * 32 + 31 - Math.clz32(lowest);
      // Ports of other vCPUs are theirs, found by their own selectors.
      if ((this.#portVcpu[port] ?? 0) !== vcpu) continue;
      left &= ~lowest;
      this.#found.push(port);
    }
    memory.setU32(at, left);
  }

  #scanQueues(vcpu: number, fifo: FifoPages): void {
    const { memory } = this.#domain;
    const control = fifo.controlPfn * PAGE_SIZE + vcpu * fifo.controlStride;
    let ready = memory.u32(control + READY);
    memory.setU32(control + READY, 0);
    while (ready !== 0) {
      const queue = 31 - Math.clz32(ready & -ready);
      if (queue >= EVTCHN_FIFO_MAX_QUEUES || !this.#consume(vcpu, control, queue)) ready &= ~(1 << queue);
      ready |= memory.u32(control + READY);
      memory.setU32(control + READY, 0);
    }
  }

  /** Takes the first event of a queue; false if that was the last one. */
  #consume(vcpu: number, control: number, queue: number): boolean {
    const { memory } = this.#domain;
    const i = vcpu * EVTCHN_FIFO_MAX_QUEUES + queue;
    let port = this.#heads[i] as number;
    if (port === 0) port = memory.u32(control + HEAD + 4 * queue);
    if (port === 0 || port >= this.capacity) {
      this.#heads[i] = 0;
      return false;
    }
    const at = this.#wordAt(port);
    const word = memory.u32(at);
    const next = word & LINK_MASK;
    let left = word & ~(LINKED_BIT | LINK_MASK);
    if ((left & PENDING_BIT) !== 0 && (left & MASKED_BIT) === 0) {
      left &= ~PENDING_BIT;
      this.#found.push(port);
    }
    memory.setU32(at, left);
    this.#heads[i] = next;
    return next !== 0;
  }
}
