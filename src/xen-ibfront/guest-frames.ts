/**
 * Frames of the guest behind memory that an adapter is to use, and the lists that name them to the backend.
 *
 * A program's buffers have simulated addresses of their own; the guest's kernel backs each page of them that is registered by a frame, as long as a region lies on it.
 */
import { type GuestKernel, LIST_ENTRIES, PagePool, releaseGrant, writeList } from '../hypervisor/index.ts';

const PAGE_BYTES = 4096;
/** List pages that may be shown at a time: enough for a region of 8 GiB. */
const MOST_LISTS = 4200;

/** Frames shown to the backend for the time of a command. */
export interface FrameList {
  readonly pages: number;
  /** Grant of the first list page; 0 without frames. */
  readonly list: number;
  /** The command is over: takes the list pages back. */
  done(): void;
}

export const NO_FRAMES: FrameList = { pages: 0, list: 0, done: () => undefined };

export class GuestFrames {
  readonly #kernel: GuestKernel;
  readonly #backendDomid: number;
  readonly #lists: PagePool;
  /** By number of the page in the programs' address space. */
  readonly #backed = new Map<number, { readonly pfn: number; users: number }>();

  constructor(kernel: GuestKernel, backendDomid: number) {
    this.#kernel = kernel;
    this.#backendDomid = backendDomid;
    this.#lists = new PagePool(kernel, MOST_LISTS);
  }

  /** Pages of programs that are backed now. */
  get size(): number {
    return this.#backed.size;
  }

  /** Backs the pages of `length` bytes at `addr`; their frames in order, or null if the guest has not so many. */
  back(addr: number, length: number): number[] | null {
    const first = Math.floor(addr / PAGE_BYTES);
    const last = Math.floor((addr + length - 1) / PAGE_BYTES);
    const frames: number[] = [];
    for (let page = first; page <= last; page++) {
      const pfn = this.#backPage(page);
      if (pfn < 0) {
        this.#unback(first, page - 1);
        return null;
      }
      frames.push(pfn);
    }
    return frames;
  }

  /** The region is gone. */
  unback(addr: number, length: number): void {
    this.#unback(Math.floor(addr / PAGE_BYTES), Math.floor((addr + length - 1) / PAGE_BYTES));
  }

  /** Frames for a queue of `bytes`, or null if there are not so many. */
  allocQueue(bytes: number): number[] | null {
    const frames: number[] = [];
    for (let left = Math.max(1, Math.ceil(bytes / PAGE_BYTES)); left > 0; left--) {
      const pfn = this.#alloc();
      if (pfn < 0) {
        this.freeQueue(frames);
        return null;
      }
      frames.push(pfn);
    }
    return frames;
  }

  freeQueue(frames: readonly number[]): void {
    for (const pfn of frames) this.#kernel.freePages(pfn, 1);
  }

  /** Shows frames to the backend; null where list pages or grants have run out. */
  show(frames: readonly number[]): FrameList | null {
    const shown: { readonly pfn: number; readonly ref: number }[] = [];
    const done = () => {
      for (const { pfn, ref } of shown) releaseGrant(this.#kernel, ref, () => this.#lists.give(pfn));
    };
    let next = 0;
    for (let end = frames.length; end > 0; ) {
      const from = Math.floor((end - 1) / LIST_ENTRIES) * LIST_ENTRIES;
      const ref = this.#showList(frames.slice(from, end), next, shown);
      if (ref < 0) {
        done();
        return null;
      }
      next = ref;
      end = from;
    }
    return { pages: frames.length, list: next, done };
  }

  close(): void {
    this.#lists.close();
    for (const { pfn } of this.#backed.values()) this.#kernel.freePages(pfn, 1);
    this.#backed.clear();
  }

  #showList(frames: readonly number[], next: number, shown: { readonly pfn: number; readonly ref: number }[]): number {
    const pfn = this.#lists.take();
    if (pfn < 0) return -1;
    writeList(this.#lists.view(pfn), frames, next);
    try {
      const ref = this.#kernel.xen.grantAccess(this.#backendDomid, pfn, true);
      shown.push({ pfn, ref });
      return ref;
    } catch (error) {
      this.#lists.give(pfn);
      if (error instanceof RangeError) return -1;
      throw error;
    }
  }

  #backPage(page: number): number {
    const known = this.#backed.get(page);
    if (known !== undefined) {
      known.users++;
      return known.pfn;
    }
    const pfn = this.#alloc();
    if (pfn >= 0) this.#backed.set(page, { pfn, users: 1 });
    return pfn;
  }

  #unback(first: number, last: number): void {
    for (let page = first; page <= last; page++) {
      const known = this.#backed.get(page);
      if (known === undefined || --known.users > 0) continue;
      this.#backed.delete(page);
      this.#kernel.freePages(known.pfn, 1);
    }
  }

  #alloc(): number {
    try {
      return this.#kernel.allocPages(1);
    } catch (error) {
      if (error instanceof RangeError) return -1;
      throw error;
    }
  }
}
