/**
 * Bytes that two domains may share, behind one interface: little-endian numbers and copies by offset.
 *
 * Drivers, rings and tables see memory only so. Normally the bytes are frames of the simulated machine; in tests against real programs they are a file that
 * the other program maps, which is why nobody gets hold of the bytes themselves. Everything a peer wrote may be garbage and may change between two reads:
 * copy first, then check the copy.
 */
export interface MemoryView {
  /** Bytes in view. */
  readonly length: number;
  /** Each throws `RangeError` outside of the view: that is a bug of the caller, who must check offsets that a peer gave. */
  u8(at: number): number;
  u16(at: number): number;
  u32(at: number): number;
  /** 64 bits; as a bigint, since frame numbers and ids of hostile guests have all of them. */
  u64(at: number): bigint;
  setU8(at: number, value: number): void;
  setU16(at: number, value: number): void;
  setU32(at: number, value: number): void;
  setU64(at: number, value: bigint): void;
  /** Copies `target.length` bytes from `at` on into `target`. */
  read(at: number, target: Uint8Array): void;
  /** Copies `source` to `at`. */
  write(at: number, source: Uint8Array): void;
  /** Sets `length` bytes from `at` on to `value`. */
  fill(at: number, length: number, value: number): void;
}

/** A frame and a page, in bytes. */
export const PAGE_SIZE = 4096;
