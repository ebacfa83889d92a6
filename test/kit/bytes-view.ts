/** Bytes behind a `MemoryView`, for tests. */
import { type MemoryView, PAGE_SIZE } from '../../src/hypervisor/index.ts';

/** Bytes behind a view; `DataView` throws `RangeError` outside. */
export class BytesView implements MemoryView {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly #data: DataView;
  readonly #isReadonly: boolean;

  constructor(bytes: Uint8Array, isReadonly = false) {
    this.bytes = bytes;
    this.length = bytes.length;
    this.#data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#isReadonly = isReadonly;
  }

  u8(at: number): number {
    return this.#data.getUint8(at);
  }
  u16(at: number): number {
    return this.#data.getUint16(at, true);
  }
  u32(at: number): number {
    return this.#data.getUint32(at, true);
  }
  u64(at: number): bigint {
    return this.#data.getBigUint64(at, true);
  }
  setU8(at: number, value: number): void {
    this.#writable();
    this.#data.setUint8(at, value);
  }
  setU16(at: number, value: number): void {
    this.#writable();
    this.#data.setUint16(at, value, true);
  }
  setU32(at: number, value: number): void {
    this.#writable();
    this.#data.setUint32(at, value, true);
  }
  setU64(at: number, value: bigint): void {
    this.#writable();
    this.#data.setBigUint64(at, value, true);
  }
  read(at: number, target: Uint8Array): void {
    this.#check(at, target.length);
    target.set(this.bytes.subarray(at, at + target.length));
  }
  write(at: number, source: Uint8Array): void {
    this.#writable();
    this.#check(at, source.length);
    this.bytes.set(source, at);
  }
  fill(at: number, length: number, value: number): void {
    this.#writable();
    this.#check(at, length);
    this.bytes.fill(value, at, at + length);
  }
  #check(at: number, length: number): void {
    if (!(at >= 0 && at + length <= this.length)) throw new RangeError(`${at} + ${length} of ${this.length}`);
  }
  #writable(): void {
    if (this.#isReadonly) throw new Error('write through a read-only mapping');
  }
}

/** A domain's memory: frames under page numbers, some of which have none. */
export class FramesView implements MemoryView {
  readonly length: number;
  readonly #frame: (pfn: number) => Uint8Array | undefined;

  constructor(pages: number, frame: (pfn: number) => Uint8Array | undefined) {
    this.length = pages * PAGE_SIZE;
    this.#frame = frame;
  }

  #at(at: number): BytesView {
    const frame = this.#frame(Math.floor(at / PAGE_SIZE));
    if (frame === undefined) throw new RangeError(`no frame at ${at}`);
    return new BytesView(frame);
  }

  u8 = (at: number): number => this.#at(at).u8(at % PAGE_SIZE);
  u16 = (at: number): number => this.#at(at).u16(at % PAGE_SIZE);
  u32 = (at: number): number => this.#at(at).u32(at % PAGE_SIZE);
  u64 = (at: number): bigint => this.#at(at).u64(at % PAGE_SIZE);
  setU8 = (at: number, value: number): void => this.#at(at).setU8(at % PAGE_SIZE, value);
  setU16 = (at: number, value: number): void => this.#at(at).setU16(at % PAGE_SIZE, value);
  setU32 = (at: number, value: number): void => this.#at(at).setU32(at % PAGE_SIZE, value);
  setU64 = (at: number, value: bigint): void => this.#at(at).setU64(at % PAGE_SIZE, value);
  read = (at: number, target: Uint8Array): void => this.#at(at).read(at % PAGE_SIZE, target);
  write = (at: number, source: Uint8Array): void => this.#at(at).write(at % PAGE_SIZE, source);
  fill = (at: number, length: number, value: number): void => this.#at(at).fill(at % PAGE_SIZE, length, value);
}
