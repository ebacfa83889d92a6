/**
 * A domain's memory: which machine frame is behind each of its page frame numbers, and reads and writes by guest-physical address.
 *
 * Pages of the reservation get a frame when first written or asked for; until then they read as zeros. Behind other numbers may be pages of other domains, mapped by
 * grant, for reading alone or also for writing; and nothing: an access there would fault, so it throws `RangeError`. The hypervisor, which must
 * not trust addresses that guests give, asks `canRead` and `canWrite` first.
 */
import { assert } from '../sim/index.ts';
import type { Frame, MachineMemory } from './machine-memory.ts';
import { type MemoryView, PAGE_SIZE } from './memory-view.ts';

const CHUNK_SHIFT = 9;
const CHUNK_PAGES = 1 << CHUNK_SHIFT;
const CHUNK_MASK = CHUNK_PAGES - 1;
const PAGE_MASK = PAGE_SIZE - 1;
const MAX_FAST = 2 ** 32;

/** What is behind a page frame number. */
export const PAGE_HOLE = 0;
/** A page of the reservation that nothing has touched. */
export const PAGE_UNTOUCHED = 1;
/** The domain's own, or shared with it by the hypervisor. */
export const PAGE_OWN = 2;
/** Another domain's, mapped by grant. */
export const PAGE_FOREIGN = 3;
export type PageKind = 0 | 1 | 2 | 3;

/** 512 page frame numbers. */
class Chunk {
  /** Frame to read from; null for a hole and for an untouched page. */
  readonly readable: (Frame | null)[] = new Array(CHUNK_PAGES).fill(null);
  /** Frame to write to; null too where only reading is allowed. */
  readonly writable: (Frame | null)[] = new Array(CHUNK_PAGES).fill(null);
  readonly kinds = new Uint8Array(CHUNK_PAGES);
}

export class DomainMemory implements MemoryView {
  readonly domid: number;
  readonly machine: MachineMemory;
  /** Page frame numbers are below this. */
  readonly pfnLimit: number;
  readonly length: number;
  /** Pages that the domain has, those included that it gave back but that others have mapped. */
  totalPages: number;
  /** It cannot have more. */
  maxPages: number;
  readonly #initialPages: number;
  readonly #chunks: (Chunk | null)[];

  /** Reserves `pages`, behind the numbers 0 … pages − 1. Throws `RangeError` if the machine has not so many. */
  constructor(machine: MachineMemory, domid: number, pages: number, maxPages: number, pfnLimit: number) {
    if (!machine.reserve(pages)) throw new RangeError(`${pages} pages asked for, ${machine.freePages} free`);
    this.machine = machine;
    this.domid = domid;
    this.pfnLimit = pfnLimit;
    this.length = pfnLimit * PAGE_SIZE;
    this.totalPages = pages;
    this.maxPages = maxPages;
    this.#initialPages = pages;
    this.#chunks = new Array(Math.ceil(pfnLimit / CHUNK_PAGES)).fill(null);
  }

  // Page frame numbers.

  kindOf(pfn: number): PageKind {
    if (!Number.isInteger(pfn) || pfn < 0 || pfn >= this.pfnLimit) return PAGE_HOLE;
    const chunk = this.#chunks[pfn >>> CHUNK_SHIFT] as Chunk | null;
    if (chunk === null) return pfn < this.#initialPages ? PAGE_UNTOUCHED : PAGE_HOLE;
    return chunk.kinds[pfn & CHUNK_MASK] as PageKind;
  }

  /** The frame behind `pfn`, made if it is a page of the domain's that nothing has touched; null behind a hole. */
  frameAt(pfn: number): Frame | null {
    const kind = this.kindOf(pfn);
    if (kind === PAGE_HOLE) return null;
    return kind === PAGE_UNTOUCHED ? this.#touch(pfn) : (this.#chunk(pfn).readable[pfn & CHUNK_MASK] as Frame);
  }

  /** Puts a frame behind a number where nothing is. */
  place(pfn: number, frame: Frame, kind: typeof PAGE_OWN | typeof PAGE_FOREIGN, isReadonly = false): void {
    assert(this.kindOf(pfn) === PAGE_HOLE && pfn < this.pfnLimit, () => `pfn ${pfn} of domain ${this.domid} is taken`);
    const chunk = this.#chunk(pfn);
    const i = pfn & CHUNK_MASK;
    chunk.readable[i] = frame;
    chunk.writable[i] = isReadonly ? null : frame;
    chunk.kinds[i] = kind;
    if (kind === PAGE_OWN) frame.pfn = pfn;
  }

  /** Leaves a hole behind `pfn`. What was there belongs to whom it belonged. */
  clear(pfn: number): void {
    const chunk = this.#chunk(pfn);
    const i = pfn & CHUNK_MASK;
    const frame = chunk.readable[i] as Frame | null;
    if (frame !== null && chunk.kinds[i] === PAGE_OWN) frame.pfn = -1;
    chunk.readable[i] = null;
    chunk.writable[i] = null;
    chunk.kinds[i] = PAGE_HOLE;
  }

  /** Whether `pfn` is mapped for writing. */
  isWritable(pfn: number): boolean {
    const kind = this.kindOf(pfn);
    return kind === PAGE_UNTOUCHED || (kind !== PAGE_HOLE && this.#chunk(pfn).writable[pfn & CHUNK_MASK] !== null);
  }

  // The reservation.

  /** One page more, behind no number yet; null at the domain's limit or the machine's. */
  addPage(): Frame | null {
    if (this.totalPages >= this.maxPages || !this.machine.reserve(1)) return null;
    this.totalPages++;
    return this.machine.take(this.domid);
  }

  /** Gives a page back; false unless it is one of the reservation. */
  givePage(mfn: number): boolean {
    const frame = this.machine.frame(mfn);
    if (frame === null || frame.owner !== this.domid || !frame.isAllocated) return false;
    if (frame.pfn >= 0) this.clear(frame.pfn);
    if (this.machine.drop(frame)) this.totalPages--;
    return true;
  }

  /** The domain is gone: every page of the reservation is given back. What others have mapped stays until they unmap it. Returns how many stay. */
  giveAll(): number {
    let untouched = 0;
    for (let pfn = 0; pfn < this.#initialPages; pfn++) {
      const chunk = this.#chunks[pfn >>> CHUNK_SHIFT] as Chunk | null;
      if (chunk === null) {
        const end = Math.min(this.#initialPages, ((pfn >>> CHUNK_SHIFT) + 1) * CHUNK_PAGES);
        untouched += end - pfn;
        pfn = end - 1;
      } else if (chunk.kinds[pfn & CHUNK_MASK] === PAGE_UNTOUCHED) untouched++;
    }
    this.machine.unreserve(untouched);
    this.totalPages -= untouched;
    let stay = 0;
    for (const frame of this.machine.ownedBy(this.domid)) {
      frame.pfn = -1;
      if (frame.isXen) continue;
      if (this.machine.drop(frame)) this.totalPages--;
      else stay++;
    }
    this.#chunks.fill(null);
    this.#isGone = true;
    return stay;
  }
  #isGone = false;

  // What the hypervisor asks before it trusts an address.

  /** Whether `length` bytes from `at` on can be read. */
  canRead(at: number, length: number): boolean {
    if (!(at >= 0 && at + length <= this.length)) return false;
    const last = Math.floor((at + Math.max(length, 1) - 1) / PAGE_SIZE);
    for (let pfn = Math.floor(at / PAGE_SIZE); pfn <= last; pfn++) if (this.kindOf(pfn) === PAGE_HOLE) return false;
    return !this.#isGone;
  }

  /** Whether they can be written. */
  canWrite(at: number, length: number): boolean {
    if (!(at >= 0 && at + length <= this.length)) return false;
    const last = Math.floor((at + Math.max(length, 1) - 1) / PAGE_SIZE);
    for (let pfn = Math.floor(at / PAGE_SIZE); pfn <= last; pfn++) if (!this.isWritable(pfn)) return false;
    return !this.#isGone;
  }

  // MemoryView.

  u8(at: number): number {
    const frame = this.#readable(at);
    return frame === null ? 0 : (frame.bytes[at & PAGE_MASK] as number);
  }

  u16(at: number): number {
    if ((at & 1) !== 0) return this.u8(at) + this.u8(at + 1) * 0x100;
    const frame = this.#readable(at);
    return frame === null ? 0 : (frame.halves[(at & PAGE_MASK) >>> 1] as number);
  }

  u32(at: number): number {
    if ((at & 3) !== 0) return this.u16(at) + this.u16(at + 2) * 0x10000;
    const frame = this.#readable(at);
    return frame === null ? 0 : (frame.words[(at & PAGE_MASK) >>> 2] as number);
  }

  u64(at: number): bigint {
    return (BigInt(this.u32(at + 4)) << 32n) | BigInt(this.u32(at));
  }

  setU8(at: number, value: number): void {
    this.#writable(at).bytes[at & PAGE_MASK] = value;
  }

  setU16(at: number, value: number): void {
    if ((at & 1) !== 0) {
      this.#writable(at + 1);
      this.setU8(at, value);
      this.setU8(at + 1, value >>> 8);
    } else this.#writable(at).halves[(at & PAGE_MASK) >>> 1] = value;
  }

  setU32(at: number, value: number): void {
    if ((at & 3) !== 0) {
      this.#writable(at + 3);
      this.setU16(at, value);
      this.setU16(at + 2, value >>> 16);
    } else this.#writable(at).words[(at & PAGE_MASK) >>> 2] = value;
  }

  setU64(at: number, value: bigint): void {
    this.#writable(at + 7);
    this.setU32(at, Number(value & 0xffffffffn));
    this.setU32(at + 4, Number((value >> 32n) & 0xffffffffn));
  }

  read(at: number, target: Uint8Array): void {
    let done = 0;
    while (done < target.length) {
      const offset = (at + done) & PAGE_MASK;
      const count = Math.min(PAGE_SIZE - offset, target.length - done);
      const frame = this.#readable(at + done);
      if (frame === null) target.fill(0, done, done + count);
      else if (count === PAGE_SIZE) target.set(frame.bytes, done);
      else if (count <= 32) for (let i = 0; i < count; i++) target[done + i] = frame.bytes[offset + i] as number;
      else target.set(frame.bytes.subarray(offset, offset + count), done);
      done += count;
    }
  }

  write(at: number, source: Uint8Array): void {
    let done = 0;
    while (done < source.length) {
      const offset = (at + done) & PAGE_MASK;
      const count = Math.min(PAGE_SIZE - offset, source.length - done);
      const { bytes } = this.#writable(at + done);
      if (count <= 32) for (let i = 0; i < count; i++) bytes[offset + i] = source[done + i] as number;
      else if (count === source.length) bytes.set(source, offset);
      else bytes.set(source.subarray(done, done + count), offset);
      done += count;
    }
  }

  fill(at: number, length: number, value: number): void {
    let done = 0;
    while (done < length) {
      const offset = (at + done) & PAGE_MASK;
      const count = Math.min(PAGE_SIZE - offset, length - done);
      this.#writable(at + done).bytes.fill(value, offset, offset + count);
      done += count;
    }
  }

  /** Frame to read `at` from, null for zeros. */
  #readable(at: number): Frame | null {
    if (at >= 0 && at < this.length) {
      const pfn = at < MAX_FAST ? at >>> 12 : Math.floor(at / PAGE_SIZE);
      const chunk = this.#chunks[pfn >>> CHUNK_SHIFT] as Chunk | null;
      if (chunk !== null) {
        const frame = chunk.readable[pfn & CHUNK_MASK] as Frame | null;
        if (frame !== null || chunk.kinds[pfn & CHUNK_MASK] === PAGE_UNTOUCHED) return frame;
      } else if (pfn < this.#initialPages && !this.#isGone) return null;
    }
    throw this.#fault('read', at);
  }

  #writable(at: number): Frame {
    if (at >= 0 && at < this.length) {
      const pfn = at < MAX_FAST ? at >>> 12 : Math.floor(at / PAGE_SIZE);
      const chunk = this.#chunks[pfn >>> CHUNK_SHIFT] as Chunk | null;
      if (chunk !== null) {
        const frame = chunk.writable[pfn & CHUNK_MASK] as Frame | null;
        if (frame !== null) return frame;
        if (chunk.kinds[pfn & CHUNK_MASK] === PAGE_UNTOUCHED) return this.#touch(pfn);
      } else if (pfn < this.#initialPages && !this.#isGone) return this.#touch(pfn);
    }
    throw this.#fault('write', at);
  }

  #fault(what: string, at: number): RangeError {
    return new RangeError(`domain ${this.domid}: ${what} at ${at} (pfn ${Math.floor(at / PAGE_SIZE)}) faults`);
  }

  #touch(pfn: number): Frame {
    const frame = this.machine.take(this.domid);
    const chunk = this.#chunk(pfn);
    chunk.readable[pfn & CHUNK_MASK] = frame;
    chunk.writable[pfn & CHUNK_MASK] = frame;
    chunk.kinds[pfn & CHUNK_MASK] = PAGE_OWN;
    frame.pfn = pfn;
    return frame;
  }

  #chunk(pfn: number): Chunk {
    const index = pfn >>> CHUNK_SHIFT;
    const found = this.#chunks[index] as Chunk | null;
    if (found !== null) return found;
    const chunk = new Chunk();
    const untouched = Math.min(CHUNK_PAGES, Math.max(0, this.#initialPages - index * CHUNK_PAGES));
    if (!this.#isGone) chunk.kinds.fill(PAGE_UNTOUCHED, 0, untouched);
    this.#chunks[index] = chunk;
    return chunk;
  }
}
