/**
 * One queue of a network interface: its two ring pages with their grants, its event channels, and the rings' frontend halves.
 */
import { type GuestKernel, initSharedRing, PAGE_SIZE, releaseGrant } from '../hypervisor/index.ts';
import type { KernelCpu } from '../sim/index.ts';
import { CopyBuffers, FlipBuffers } from './buffers.ts';
import { ReceiveRing, type ReceiveHooks } from './receive.ts';
import { TransmitRing, type TransmitHooks } from './transmit.ts';

export interface QueueOptions {
  readonly kernel: GuestKernel;
  readonly backDomid: number;
  readonly index: number;
  /** An event channel for each ring. */
  readonly isSplit: boolean;
  readonly isFlip: boolean;
}

interface SharedPage {
  readonly pfn: number;
  readonly ref: number;
}

export class NetfrontQueue {
  readonly tx: TransmitRing;
  readonly rx: ReceiveRing;
  /** Where the queue's events are handled. */
  readonly cpu: KernelCpu;
  readonly #kernel: GuestKernel;
  readonly #pages: readonly [SharedPage, SharedPage];
  readonly #txPort: number;
  readonly #rxPort: number;

  /** Throws `RangeError` where pages, grants or event channels are used up; nothing is held then. */
  constructor(options: QueueOptions, hooks: TransmitHooks & ReceiveHooks) {
    const { kernel, backDomid, index, isSplit, isFlip } = options;
    const vcpu = index % kernel.cpus.length;
    this.#kernel = kernel;
    this.cpu = kernel.cpus[vcpu] as KernelCpu;
    const txPage = sharePage(kernel, backDomid);
    const undo = (): void => unsharePage(kernel, txPage);
    const rxPage = orUndo(() => sharePage(kernel, backDomid), undo);
    this.#pages = [txPage, rxPage];
    const undoPages = (): void => this.#unsharePages();
    this.#txPort = orUndo(() => openPort(kernel, backDomid, vcpu), undoPages);
    this.#rxPort = this.#txPort;
    if (isSplit) {
      this.#rxPort = orUndo(
        () => openPort(kernel, backDomid, vcpu),
        () => {
          kernel.xen.closePort(kernel.cpu, this.#txPort);
          undoPages();
        },
      );
    }
    this.tx = new TransmitRing(kernel, backDomid, kernel.pages(txPage.pfn, 1), this.#txPort, hooks);
    this.rx = new ReceiveRing(
      kernel,
      this.cpu,
      kernel.pages(rxPage.pfn, 1),
      this.#rxPort,
      (slots) => (isFlip ? new FlipBuffers(kernel, backDomid, slots) : new CopyBuffers(kernel, backDomid, slots)),
      hooks,
    );
    if (isSplit) {
      kernel.xen.setHandler(this.#txPort, () => this.tx.complete());
      kernel.xen.setHandler(this.#rxPort, () => this.rx.wake());
    } else {
      kernel.xen.setHandler(this.#txPort, () => {
        this.tx.complete();
        this.rx.wake();
      });
    }
  }

  /** What the backend must know, as xenstore keys. */
  get keys(): Readonly<Record<string, number>> {
    const [tx, rx] = this.#pages;
    const ports =
      this.#txPort === this.#rxPort
        ? { 'event-channel': this.#txPort }
        : { 'event-channel-tx': this.#txPort, 'event-channel-rx': this.#rxPort };
    return { 'tx-ring-ref': tx.ref, 'rx-ring-ref': rx.ref, ...ports };
  }

  /** Gives everything back; pages that the backend still has mapped, when it lets go of them. */
  close(): void {
    const { xen, cpu } = this.#kernel;
    xen.setHandler(this.#txPort, null);
    xen.closePort(cpu, this.#txPort);
    if (this.#rxPort !== this.#txPort) {
      xen.setHandler(this.#rxPort, null);
      xen.closePort(cpu, this.#rxPort);
    }
    this.tx.close();
    this.rx.close();
    this.#unsharePages();
  }

  #unsharePages(): void {
    for (const page of this.#pages) unsharePage(this.#kernel, page);
  }
}

/** A fresh ring page that the backend may map. */
export function sharePage(kernel: GuestKernel, domid: number): SharedPage {
  const pfn = kernel.allocPages(1);
  const view = kernel.pages(pfn, 1);
  view.fill(0, PAGE_SIZE, 0);
  initSharedRing(view);
  return {
    pfn,
    ref: orUndo(
      () => kernel.xen.grantAccess(domid, pfn, false),
      () => kernel.freePages(pfn, 1),
    ),
  };
}

export function unsharePage(kernel: GuestKernel, page: SharedPage): void {
  releaseGrant(kernel, page.ref, () => kernel.freePages(page.pfn, 1));
}

/** An event channel that the backend may bind. */
export function openPort(kernel: GuestKernel, domid: number, vcpu: number): number {
  const port = kernel.xen.allocUnbound(kernel.cpu, domid);
  if (port < 0) throw new RangeError(`no event channel: error ${port}`);
  if (vcpu !== 0) kernel.xen.bindVcpu(kernel.cpu, port, vcpu);
  return port;
}

function orUndo<T>(act: () => T, undo: () => void): T {
  try {
    return act();
  } catch (error) {
    undo();
    throw error;
  }
}
