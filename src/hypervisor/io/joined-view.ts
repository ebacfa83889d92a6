/**
 * Several views seen as one: a ring of more than one page, which its back has mapped grant by grant.
 */
import { type MemoryView, PAGE_SIZE } from '../memory-view.ts';

/** `pages` (each of `PAGE_SIZE` bytes) end to end. Numbers must not straddle two pages unless they are read bytewise: ABI structures keep theirs aligned. */
export function joinPages(pages: readonly MemoryView[]): MemoryView {
  return pages.length === 1 ? (pages[0] as MemoryView) : new JoinedView(pages);
}

class JoinedView implements MemoryView {
  readonly length: number;
  readonly #pages: readonly MemoryView[];

  constructor(pages: readonly MemoryView[]) {
    this.#pages = pages;
    this.length = pages.length * PAGE_SIZE;
  }

  u8(at: number): number {
    return this.#page(at, 1).u8(at % PAGE_SIZE);
  }

  u16(at: number): number {
    return this.#page(at, 2).u16(at % PAGE_SIZE);
  }

  u32(at: number): number {
    return this.#page(at, 4).u32(at % PAGE_SIZE);
  }

  u64(at: number): bigint {
    return BigInt(this.u32(at)) | (BigInt(this.u32(at + 4)) << 32n);
  }

  setU8(at: number, value: number): void {
    this.#page(at, 1).setU8(at % PAGE_SIZE, value);
  }

  setU16(at: number, value: number): void {
    this.#page(at, 2).setU16(at % PAGE_SIZE, value);
  }

  setU32(at: number, value: number): void {
    this.#page(at, 4).setU32(at % PAGE_SIZE, value);
  }

  setU64(at: number, value: bigint): void {
    this.setU32(at, Number(value & 0xffff_ffffn));
    this.setU32(at + 4, Number((value >> 32n) & 0xffff_ffffn));
  }

  read(at: number, target: Uint8Array): void {
    this.#check(at, target.length);
    for (let done = 0; done < target.length; ) {
      const within = (at + done) % PAGE_SIZE;
      const n = Math.min(PAGE_SIZE - within, target.length - done);
      this.#page(at + done, n).read(within, target.subarray(done, done + n));
      done += n;
    }
  }

  write(at: number, source: Uint8Array): void {
    this.#check(at, source.length);
    for (let done = 0; done < source.length; ) {
      const within = (at + done) % PAGE_SIZE;
      const n = Math.min(PAGE_SIZE - within, source.length - done);
      this.#page(at + done, n).write(within, source.subarray(done, done + n));
      done += n;
    }
  }

  fill(at: number, length: number, value: number): void {
    this.#check(at, length);
    for (let done = 0; done < length; ) {
      const within = (at + done) % PAGE_SIZE;
      const n = Math.min(PAGE_SIZE - within, length - done);
      this.#page(at + done, n).fill(within, n, value);
      done += n;
    }
  }

  #check(at: number, bytes: number): void {
    if (!(at >= 0 && at + bytes <= this.length)) throw new RangeError(`bytes ${at} to ${at + bytes} of ${this.length}`);
  }

  #page(at: number, bytes: number): MemoryView {
    this.#check(at, bytes);
    return this.#pages[Math.floor(at / PAGE_SIZE)] as MemoryView;
  }
}
