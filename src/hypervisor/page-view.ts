/**
 * Consecutive pages of a domain as a `MemoryView` of their own: a ring, a buffer, a mapped grant. What is behind the page frame numbers may change under it, as with
 * real page tables; an access where nothing is left throws `RangeError`.
 */
import type { DomainMemory } from './memory.ts';
import { type MemoryView, PAGE_SIZE } from './memory-view.ts';

export class PageView implements MemoryView {
  readonly length: number;
  readonly #memory: DomainMemory;
  readonly #base: number;

  constructor(memory: DomainMemory, pfn: number, count: number) {
    this.#memory = memory;
    this.#base = pfn * PAGE_SIZE;
    this.length = count * PAGE_SIZE;
  }

  u8(at: number): number {
    this.#check(at, 1);
    return this.#memory.u8(this.#base + at);
  }

  u16(at: number): number {
    this.#check(at, 2);
    return this.#memory.u16(this.#base + at);
  }

  u32(at: number): number {
    this.#check(at, 4);
    return this.#memory.u32(this.#base + at);
  }

  u64(at: number): bigint {
    this.#check(at, 8);
    return this.#memory.u64(this.#base + at);
  }

  setU8(at: number, value: number): void {
    this.#check(at, 1);
    this.#memory.setU8(this.#base + at, value);
  }

  setU16(at: number, value: number): void {
    this.#check(at, 2);
    this.#memory.setU16(this.#base + at, value);
  }

  setU32(at: number, value: number): void {
    this.#check(at, 4);
    this.#memory.setU32(this.#base + at, value);
  }

  setU64(at: number, value: bigint): void {
    this.#check(at, 8);
    this.#memory.setU64(this.#base + at, value);
  }

  read(at: number, target: Uint8Array): void {
    this.#check(at, target.length);
    this.#memory.read(this.#base + at, target);
  }

  write(at: number, source: Uint8Array): void {
    this.#check(at, source.length);
    this.#memory.write(this.#base + at, source);
  }

  fill(at: number, length: number, value: number): void {
    this.#check(at, length);
    this.#memory.fill(this.#base + at, length, value);
  }

  #check(at: number, length: number): void {
    if (!(at >= 0 && at + length <= this.length))
      throw new RangeError(`${length} bytes at ${at} are outside of ${this.length} bytes in view`);
  }
}
