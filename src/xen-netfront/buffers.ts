/**
 * Where received packets land: pages of the guest that the backend copies into (`CopyBuffers`), or nothing but an offer,
 * to which the backend transfers a page of its own (`FlipBuffers`, Xen 3.0).
 */
import { type GuestKernel, PAGE_SIZE, PagePool, releaseGrant } from '../hypervisor/index.ts';
import type { KernelCpu } from '../sim/index.ts';

/** One buffer a ring slot; slots are the ring's counters modulo its size. */
export interface ReceiveBuffers {
  /** Makes a buffer for `slot` and returns its grant reference; −1 if there is none. Usable by the backend after `flush`. */
  post(slot: number): number;
  /** What all buffers posted since the last call still need. */
  flush(cpu: KernelCpu): void;
  /** Takes the slot's buffer back and moves bytes of it into `target`; false if they cannot be had. */
  take(cpu: KernelCpu, slot: number, offset: number, target: Uint8Array): boolean;
  /** Moves a buffer that was not used to another slot; its reference stays the same. */
  move(from: number, to: number): number;
  close(): void;
}

export class CopyBuffers implements ReceiveBuffers {
  readonly #kernel: GuestKernel;
  readonly #backDomid: number;
  readonly #pool: PagePool;
  readonly #refs: Int32Array;
  readonly #pfns: Int32Array;

  constructor(kernel: GuestKernel, backDomid: number, slots: number) {
    this.#kernel = kernel;
    this.#backDomid = backDomid;
    // Twice the slots: pages that the backend has not let go of stay out when their slots are used again.
    this.#pool = new PagePool(kernel, 2 * slots);
    this.#refs = new Int32Array(slots).fill(-1);
    this.#pfns = new Int32Array(slots).fill(-1);
  }

  post(slot: number): number {
    const pfn = this.#pool.take();
    if (pfn < 0) return -1;
    let ref: number;
    try {
      ref = this.#kernel.xen.grantAccess(this.#backDomid, pfn, false);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#pool.give(pfn);
      return -1;
    }
    this.#refs[slot] = ref;
    this.#pfns[slot] = pfn;
    return ref;
  }

  flush(): void {}

  take(_cpu: KernelCpu, slot: number, offset: number, target: Uint8Array): boolean {
    const ref = this.#refs[slot] as number;
    const pfn = this.#pfns[slot] as number;
    if (ref < 0) return false;
    this.#refs[slot] = -1;
    if (!this.#kernel.xen.endAccess(ref)) {
      // While the backend may still write into the page nothing in it can be used.
      releaseGrant(this.#kernel, ref, () => this.#pool.give(pfn));
      return false;
    }
    this.#pool.view(pfn).read(offset, target);
    this.#pool.give(pfn);
    return true;
  }

  move(from: number, to: number): number {
    const ref = this.#refs[from] as number;
    const pfn = this.#pfns[from] as number;
    this.#refs[from] = -1;
    this.#refs[to] = ref;
    this.#pfns[to] = pfn;
    return ref;
  }

  close(): void {
    for (let slot = 0; slot < this.#refs.length; slot++) {
      const ref = this.#refs[slot] as number;
      const pfn = this.#pfns[slot] as number;
      if (ref >= 0) releaseGrant(this.#kernel, ref, () => this.#pool.give(pfn));
      this.#refs[slot] = -1;
    }
    this.#pool.close();
  }
}

export class FlipBuffers implements ReceiveBuffers {
  readonly #kernel: GuestKernel;
  readonly #backDomid: number;
  readonly #pool: PagePool;
  readonly #refs: Int32Array;
  readonly #pfns: Int32Array;
  #released: number[] = [];

  constructor(kernel: GuestKernel, backDomid: number, slots: number) {
    this.#kernel = kernel;
    this.#backDomid = backDomid;
    this.#pool = new PagePool(kernel, 2 * slots);
    this.#refs = new Int32Array(slots).fill(-1);
    this.#pfns = new Int32Array(slots).fill(-1);
  }

  post(slot: number): number {
    const pfn = this.#pool.take();
    if (pfn < 0) return -1;
    let ref: number;
    try {
      ref = this.#kernel.xen.grantTransfer(this.#backDomid);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#pool.give(pfn);
      return -1;
    }
    this.#released.push(pfn);
    this.#refs[slot] = ref;
    this.#pfns[slot] = pfn;
    return ref;
  }

  /** Gives the frames of the new buffers to Xen: as many will come back by transfer. */
  flush(cpu: KernelCpu): void {
    if (this.#released.length === 0) return;
    this.#kernel.xen.releasePages(cpu, this.#released);
    this.#released = [];
  }

  take(cpu: KernelCpu, slot: number, offset: number, target: Uint8Array): boolean {
    const ref = this.#refs[slot] as number;
    if (ref < 0) return false;
    const mfn = this.#kernel.xen.endTransfer(ref);
    const pfn = this.#pfns[slot] as number;
    this.#refs[slot] = -1;
    if (mfn === null) {
      this.#refill(cpu, pfn);
      return false;
    }
    this.#kernel.xen.mapOwnFrame(cpu, pfn, mfn);
    this.#kernel.memory.read(pfn * PAGE_SIZE + offset, target);
    this.#pool.give(pfn);
    return true;
  }

  move(from: number, to: number): number {
    const ref = this.#refs[from] as number;
    this.#pfns[to] = this.#pfns[from] as number;
    this.#refs[from] = -1;
    this.#refs[to] = ref;
    return ref;
  }

  close(): void {
    const cpu = this.#kernel.cpu;
    this.flush(cpu);
    for (let slot = 0; slot < this.#refs.length; slot++) {
      const ref = this.#refs[slot] as number;
      if (ref < 0) continue;
      this.#refs[slot] = -1;
      const mfn = this.#kernel.xen.endTransfer(ref);
      const pfn = this.#pfns[slot] as number;
      if (mfn === null) this.#refill(cpu, pfn);
      else {
        this.#kernel.xen.mapOwnFrame(cpu, pfn, mfn);
        this.#pool.give(pfn);
      }
    }
    this.#pool.close();
  }

  /** Asks Xen for a frame under a pfn whose own was given away. */
  #refill(cpu: KernelCpu, pfn: number): void {
    if (this.#kernel.xen.populatePages(cpu, [pfn]) === 1) this.#pool.give(pfn);
    else this.#pool.lose(pfn);
  }
}
