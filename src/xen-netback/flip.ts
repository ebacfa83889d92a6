/**
 * Receiving by page transfer, as Xen 3.0 did it: each packet gets a page of this domain's own, the page is given to the guest, and this domain asks Xen for new frames
 * in batches.
 */
import {
  type BackRing,
  ETHERNET_HEADER,
  type GrantTransfer,
  type GuestKernel,
  PAGE_SIZE,
  RSP_ERROR,
} from '../hypervisor/index.ts';
import type { KernelCpu } from '../sim/index.ts';

/** Frames asked for at a time (MAX_MFN_ALLOC). */
const FRAMES = 64;
const GNTST_OKAY = 0;
/** The one failure after which the page is still here. */
const GNTST_BAD_PAGE = -9;

export class Flipper {
  readonly #kernel: GuestKernel;
  readonly #domid: number;
  /** Pages with a frame, and pfns whose frame was given away. */
  readonly #full: number[] = [];
  #empty: number[] = [];
  #transfers: GrantTransfer[] = [];
  /** Offsets of the responses that the transfers belong to. */
  #slots: number[] = [];

  constructor(kernel: GuestKernel, domid: number) {
    this.#kernel = kernel;
    this.#domid = domid;
  }

  /** Puts a frame into a page to be transferred; false if there is no page. */
  add(cpu: KernelCpu, ref: number, responseAt: number, header: Uint8Array, data: Uint8Array): boolean {
    if (ETHERNET_HEADER + data.length > PAGE_SIZE) return false;
    if (this.#full.length === 0) this.#stock(cpu);
    const pfn = this.#full.pop();
    if (pfn === undefined) return false;
    // By address: the frame under the pfn is never the same.
    this.#kernel.memory.write(pfn * PAGE_SIZE, header);
    this.#kernel.memory.write(pfn * PAGE_SIZE + ETHERNET_HEADER, data);
    this.#transfers.push({ pfn, domid: this.#domid, ref });
    this.#slots.push(responseAt);
    return true;
  }

  /** One hypercall for all; a failed transfer spoils its response. */
  flush(cpu: KernelCpu, ring: BackRing): void {
    if (this.#transfers.length === 0) return;
    const transfers = this.#transfers;
    const slots = this.#slots;
    this.#transfers = [];
    this.#slots = [];
    const statuses = this.#kernel.xen.transferGrants(cpu, transfers);
    for (let i = 0; i < transfers.length; i++) {
      const { pfn } = transfers[i] as GrantTransfer;
      if (statuses[i] !== GNTST_OKAY) ring.view.setU16((slots[i] as number) + 6, RSP_ERROR & 0xffff);
      if (statuses[i] === GNTST_BAD_PAGE) this.#full.push(pfn);
      else this.#empty.push(pfn);
    }
  }

  /** Gives the pages back to the kernel, each with a frame again. */
  close(): void {
    const { cpu, xen } = this.#kernel;
    for (const { pfn } of this.#transfers) this.#full.push(pfn);
    this.#transfers = [];
    const filled = this.#empty.length === 0 ? 0 : xen.populatePages(cpu, this.#empty);
    this.#full.push(...this.#empty.slice(0, filled));
    for (const pfn of this.#full) this.#kernel.freePages(pfn, 1);
    this.#full.length = 0;
    this.#empty = [];
  }

  #stock(cpu: KernelCpu): void {
    if (this.#empty.length > 0) {
      const wanted = this.#empty.slice(0, FRAMES);
      const filled = this.#kernel.xen.populatePages(cpu, wanted);
      this.#full.push(...this.#empty.splice(0, Math.max(filled, 0)).reverse());
      if (this.#full.length > 0) return;
    }
    try {
      this.#full.push(this.#kernel.allocPages(1));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
}
