/** Structures of control hypercalls as bytes: reading and writing fields by their ABI tables, and the calling tool's memory. */
import type { AbiStruct } from '../abi/layout.ts';

/** The memory of the program that makes a hypercall: it is elsewhere, so every access waits. Rejects when the program is gone. */
export interface ClientMemory {
  read(address: bigint, length: number): Promise<Uint8Array>;
  write(address: bigint, bytes: Uint8Array): Promise<void>;
}

/** A structure within bytes, little-endian. */
export class AbiRecord {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** A field of at most 8 bytes as a number. Addresses want `address`. */
  get<F extends string>(struct: AbiStruct<F>, field: F, base = 0): number {
    const [offset, size] = struct.fields[field];
    const at = base + offset;
    if (size === 1) return this.#view.getUint8(at);
    if (size === 2) return this.#view.getUint16(at, true);
    return size === 4 ? this.#view.getUint32(at, true) : Number(this.#view.getBigUint64(at, true));
  }

  address<F extends string>(struct: AbiStruct<F>, field: F, base = 0): bigint {
    return this.#view.getBigUint64(base + struct.fields[field][0], true);
  }

  set<F extends string>(struct: AbiStruct<F>, field: F, value: number, base = 0): void {
    const [offset, size] = struct.fields[field];
    const at = base + offset;
    if (size === 1) this.#view.setUint8(at, value);
    else if (size === 2) this.#view.setUint16(at, value, true);
    else if (size === 4) this.#view.setUint32(at, value, true);
    else this.#view.setBigUint64(at, BigInt(value), true);
  }
}

/** A set of numbers as the bytes of a bitmap. */
export function bitmapBytes(numbers: readonly number[], bytes: number): Uint8Array {
  const map = new Uint8Array(bytes);
  for (const bit of numbers) if (bit >> 3 < bytes) map[bit >> 3]! |= 1 << (bit & 7);
  return map;
}

/** The numbers that are set in a bitmap. */
export function bitmapNumbers(map: Uint8Array): number[] {
  const numbers: number[] = [];
  for (let bit = 0; bit < map.length * 8; bit++) if ((map[bit >> 3]! & (1 << (bit & 7))) !== 0) numbers.push(bit);
  return numbers;
}

/** Text as a C string of a field's length, cut where it is too long. */
export function cString(text: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < Math.min(text.length, length - 1); at++) bytes[at] = text.charCodeAt(at) & 0x7f;
  return bytes;
}
