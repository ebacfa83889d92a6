/**
 * A machine's memory: frames of 4 KiB with an owner each, made when first touched.
 *
 * Domains reserve pages and get frames for them only when something reads or writes there, so a large idle domain costs nothing. What the machine has in all is
 * counted by reservations, never by frames made. A frame that its owner gives back lives on while others have it mapped.
 */
import { assert } from '../sim/index.ts';
import { PAGE_SIZE } from './memory-view.ts';

/** `Frame.owner` of a frame that nobody owns. */
export const NO_OWNER = -1;

/** Bytes of frames are cut from buffers of this many frames. */
const SLAB_FRAMES = 64;
/** Frame 0 and its neighbours belong to nobody: a guest that leaves a field zero names no frame. */
const FIRST_MFN = 256;

export class Frame {
  readonly mfn: number;
  readonly bytes: Uint8Array;
  readonly halves: Uint16Array;
  readonly words: Uint32Array;
  /** Domain that it belongs to, or `NO_OWNER`. */
  owner = NO_OWNER;
  /** Where its owner has it: the owner's pfn, or -1. */
  pfn = -1;
  /** Mappings by grant, whoever has them. */
  pins = 0;
  /** It is in its owner's reservation; false once that gave it back, then only pins keep it. */
  isAllocated = false;
  /** The hypervisor's own page, shared with its owner: shared info, grant frames. In no reservation, never given away. */
  isXen = false;

  constructor(mfn: number, slab: ArrayBuffer, offset: number) {
    this.mfn = mfn;
    this.bytes = new Uint8Array(slab, offset, PAGE_SIZE);
    this.halves = new Uint16Array(slab, offset, PAGE_SIZE / 2);
    this.words = new Uint32Array(slab, offset, PAGE_SIZE / 4);
  }
}

export class MachineMemory {
  readonly totalPages: number;
  /** Pages in no reservation. */
  freePages: number;
  /** A frame of this owner, which had given it back, is free at last. */
  onLateFree: ((owner: number) => void) | null = null;
  /** All frames ever made; number `mfn` at `mfn - FIRST_MFN`. */
  readonly #frames: Frame[] = [];
  readonly #free: Frame[] = [];
  #slab: ArrayBuffer = new ArrayBuffer(0);

  constructor(totalPages: number) {
    this.totalPages = totalPages;
    this.freePages = totalPages;
  }

  /** Takes `count` pages out of the free ones; false if there are not so many. */
  reserve(count: number): boolean {
    if (count > this.freePages) return false;
    this.freePages -= count;
    return true;
  }

  /** Gives a reservation back. */
  unreserve(count: number): void {
    this.freePages += count;
    assert(this.freePages <= this.totalPages, 'more pages given back than there are');
  }

  /** A frame of zeros for a page that is reserved. */
  take(owner: number, isXen = false): Frame {
    const frame = this.#free.pop() ?? this.#make();
    frame.owner = owner;
    frame.isAllocated = !isXen;
    frame.isXen = isXen;
    frame.pfn = -1;
    return frame;
  }

  /** The frame with number `mfn` if somebody owns it. Any number may be asked for. */
  frame(mfn: number): Frame | null {
    const frame = this.#frames[mfn - FIRST_MFN];
    return frame === undefined || frame.owner === NO_OWNER ? null : frame;
  }

  /** The owner gives the frame back. It is free now (then true), or when the last pin goes. */
  drop(frame: Frame): boolean {
    frame.isAllocated = false;
    frame.isXen = false;
    if (frame.pins > 0) return false;
    this.#release(frame);
    return true;
  }

  pin(frame: Frame): void {
    frame.pins++;
  }

  unpin(frame: Frame): void {
    assert(frame.pins > 0, () => `frame ${frame.mfn} is unpinned too often`);
    if (--frame.pins > 0 || frame.isAllocated || frame.isXen) return;
    const { owner } = frame;
    this.#release(frame);
    this.onLateFree?.(owner);
  }

  /** All frames of an owner, pages that it gave back but that are still pinned among them. */
  ownedBy(owner: number): Frame[] {
    return this.#frames.filter((frame) => frame.owner === owner);
  }

  /** Frames that somebody owns. */
  get framesInUse(): number {
    return this.#frames.length - this.#free.length;
  }

  #release(frame: Frame): void {
    frame.owner = NO_OWNER;
    frame.pfn = -1;
    frame.bytes.fill(0);
    this.#free.push(frame);
    this.unreserve(1);
  }

  #make(): Frame {
    const index = this.#frames.length;
    assert(index < this.totalPages, 'more frames touched than reserved');
    const place = index % SLAB_FRAMES;
    if (place === 0) this.#slab = new ArrayBuffer(SLAB_FRAMES * PAGE_SIZE);
    const frame = new Frame(FIRST_MFN + index, this.#slab, place * PAGE_SIZE);
    this.#frames.push(frame);
    return frame;
  }
}
