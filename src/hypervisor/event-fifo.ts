/**
 * FIFO event channels: a word for each port (pending, masked, linked, and the number of the next port), and for each vCPU 16 queues by priority, whose heads are in a control
 * block of the guest's and whose tails only the hypervisor knows. After xen/common/event_fifo.c.
 *
 * The words are the guest's memory: a link may say anything, but only words of the guest's own pages are ever touched.
 */
import type { Ps } from '../sim/index.ts';
import {
  EVTCHN_FIFO_CONTROL_BLOCK,
  EVTCHN_FIFO_LINK_BITS,
  EVTCHN_FIFO_LINKED,
  EVTCHN_FIFO_MASKED,
  EVTCHN_FIFO_MAX_QUEUES,
  EVTCHN_FIFO_NR_CHANNELS,
  EVTCHN_FIFO_PENDING,
} from './abi/event.ts';
import { ERRNO } from './abi/numbers.ts';
import type { EventAbi, EventChannels, Port } from './event-channels.ts';
import type { Frame, MachineMemory } from './machine-memory.ts';
import { PAGE_SIZE } from './memory-view.ts';

/** Event words in a page. */
const WORDS = PAGE_SIZE / 4;
const MAX_PAGES = EVTCHN_FIFO_NR_CHANNELS / WORDS;
const PENDING = 1 << EVTCHN_FIFO_PENDING;
const MASKED = 1 << EVTCHN_FIFO_MASKED;
const LINKED = 1 << EVTCHN_FIFO_LINKED;
const LINK_MASK = (1 << EVTCHN_FIFO_LINK_BITS) - 1;
const READY = EVTCHN_FIFO_CONTROL_BLOCK.at.ready >>> 2;
const HEAD = EVTCHN_FIFO_CONTROL_BLOCK.at.head >>> 2;

interface ControlBlock {
  readonly frame: Frame;
  /** Where it begins, in words. */
  readonly at: number;
  /** Last port of each queue; 0 for an empty one, as far as the hypervisor knows. */
  readonly tails: Uint32Array;
}

export class FifoEvents implements EventAbi {
  readonly portLimit = EVTCHN_FIFO_NR_CHANNELS;
  readonly #channels: EventChannels;
  readonly #machine: MachineMemory;
  readonly #pages: Frame[] = [];
  readonly #blocks: (ControlBlock | null)[];

  constructor(channels: EventChannels, machine: MachineMemory) {
    this.#channels = channels;
    this.#machine = machine;
    this.#blocks = new Array(channels.vcpuCount).fill(null);
  }

  /** EVTCHNOP_init_control for one vCPU. */
  addControlBlock(frame: Frame | null, offset: number, vcpu: number): number {
    if (offset > PAGE_SIZE - EVTCHN_FIFO_CONTROL_BLOCK.size || (offset & 7) !== 0) return -ERRNO.EINVAL;
    if (frame === null || this.#blocks[vcpu] !== null) return -ERRNO.EINVAL;
    this.#machine.pin(frame);
    this.#blocks[vcpu] = { frame, at: offset >>> 2, tails: new Uint32Array(EVTCHN_FIFO_MAX_QUEUES) };
    return 0;
  }

  /** EVTCHNOP_expand_array. Events that had no word until now are raised. */
  addPage(frame: Frame | null, atPs: Ps): number {
    if (this.#pages.length === MAX_PAGES) return -ERRNO.ENOSPC;
    if (frame === null) return -ERRNO.EINVAL;
    this.#machine.pin(frame);
    const first = this.#pages.length * WORDS;
    this.#pages.push(frame);
    const { ports } = this.#channels;
    for (let port = first; port < Math.min(first + WORDS, ports.length); port++)
      if ((ports[port] as Port).isEarly) this.setPending(port, atPs);
    return 0;
  }

  /** Lets the guest's pages go. */
  release(): void {
    for (const frame of this.#pages) this.#machine.unpin(frame);
    for (const block of this.#blocks) if (block !== null) this.#machine.unpin(block.frame);
    this.#pages.length = 0;
    this.#blocks.fill(null);
  }

  setPending(port: number, atPs: Ps): void {
    const page = this.#pages[port >>> 10];
    const own = this.#channels.ports[port] as Port;
    if (page === undefined) {
      own.isEarly = true;
      return;
    }
    own.isEarly = false;
    const { words } = page;
    const i = port & (WORDS - 1);
    const old = words[i] as number;
    words[i] = old | PENDING;
    if ((old & (MASKED | LINKED)) === 0) this.#link(port, own, words, i, atPs);
    if ((old & PENDING) === 0) this.#channels.onPending?.(port, atPs);
  }

  #link(port: number, own: Port, words: Uint32Array, i: number, atPs: Ps): void {
    const block = this.#blocks[own.vcpu] as ControlBlock | null;
    // Without a control block the vCPU gets no events. The guest sees the pending bit if it looks.
    if (block === null) return;
    this.#leaveOldQueue(port, own);
    own.lastVcpu = own.vcpu;
    own.lastPriority = own.priority;
    words[i] = (words[i] as number) | LINKED;
    const { tails, frame, at } = block;
    const tail = tails[own.priority] as number;
    const isLinked = tail !== 0 && this.#setLink(tail, port);
    tails[own.priority] = port;
    if (isLinked) return;
    frame.words[at + HEAD + own.priority] = port;
    const ready = frame.words[at + READY] as number;
    const bit = 1 << own.priority;
    frame.words[at + READY] = ready | bit;
    if ((ready & bit) === 0) this.#channels.infos.markPending(own.vcpu, atPs);
  }

  /** If the port was the last of the queue that it was in before, that queue is empty now. */
  #leaveOldQueue(port: number, own: Port): void {
    const old = this.#blocks[own.lastVcpu] as ControlBlock | null;
    if (old !== null && old.tails[own.lastPriority] === port) old.tails[own.lastPriority] = 0;
  }

  /** Links `port` behind `tail`; false if the guest has taken `tail` off its queue already. */
  #setLink(tail: number, port: number): boolean {
    const page = this.#pages[tail >>> 10] as Frame;
    const i = tail & (WORDS - 1);
    const word = page.words[i] as number;
    if ((word & LINKED) === 0) return false;
    page.words[i] = (word & ~LINK_MASK) | port;
    return true;
  }

  clearPending(port: number): void {
    const page = this.#pages[port >>> 10];
    if (page !== undefined) page.words[port & (WORDS - 1)] = (page.words[port & (WORDS - 1)] as number) & ~PENDING;
  }

  isPending(port: number): boolean {
    return (this.#word(port) & PENDING) !== 0;
  }

  isMasked(port: number): boolean {
    const page = this.#pages[port >>> 10];
    return page === undefined || (this.#word(port) & MASKED) !== 0;
  }

  unmask(port: number, atPs: Ps): void {
    const page = this.#pages[port >>> 10];
    if (page === undefined) return;
    const i = port & (WORDS - 1);
    page.words[i] = (page.words[i] as number) & ~MASKED;
    if (((page.words[i] as number) & PENDING) !== 0) this.setPending(port, atPs);
  }

  isBusy(port: number): boolean {
    return (this.#word(port) & LINKED) !== 0;
  }

  #word(port: number): number {
    return this.#pages[port >>> 10]?.words[port & (WORDS - 1)] ?? 0;
  }
}
