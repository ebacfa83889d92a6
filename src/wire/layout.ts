/**
 * The tool with which every header here is described: a table of fields, each with its place in the bytes, from which come parse and emit.
 * Places are written as the specification draws them: byte offset, and within a byte bit 0 is the most significant one.
 * A record's type fixes the kind of each field: `number` ≤ 32 bits, `boolean` one bit, `bigint` 64 bits, `Uint8Array` raw bytes,
 * another record a layout within the layout.
 */

/** An unsigned integer of 1 … 32 bits, which may cross byte borders. */
export interface UintField {
  readonly kind: 'uint';
  /** From the start of the header, in bits, most significant first. */
  readonly bit: number;
  readonly bits: number;
}
export interface FlagField {
  readonly kind: 'flag';
  readonly bit: number;
}
/** A 64-bit unsigned integer on a byte border. */
export interface WideField {
  readonly kind: 'wide';
  readonly byte: number;
}
/** Raw bytes. */
export interface BytesField {
  readonly kind: 'bytes';
  readonly byte: number;
  readonly length: number;
}
/** Another record, laid out by its own layout. */
export interface GroupField<R extends object = object> {
  readonly kind: 'group';
  readonly byte: number;
  readonly of: Layout<R>;
}
export type Field = UintField | FlagField | WideField | BytesField | GroupField;

type FieldFor<V> = V extends number
  ? UintField
  : V extends boolean
    ? FlagField
    : V extends bigint
      ? WideField
      : V extends Uint8Array
        ? BytesField
        : V extends object
          ? GroupField<V>
          : never;

/** One field for each property of the record `R`. */
export type FieldTable<R> = { readonly [K in keyof R]-?: FieldFor<R[K]> };

/** `width` bits from bit `from` (0 = most significant) of byte `byte`. */
export const bits = (byte: number, from: number, width: number): UintField => ({
  kind: 'uint',
  bit: byte * 8 + from,
  bits: width,
});
export const u8 = (byte: number): UintField => bits(byte, 0, 8);
export const u16 = (byte: number): UintField => bits(byte, 0, 16);
export const u24 = (byte: number): UintField => bits(byte, 0, 24);
export const u32 = (byte: number): UintField => bits(byte, 0, 32);
export const u64 = (byte: number): WideField => ({ kind: 'wide', byte });
export const flag = (byte: number, from: number): FlagField => ({ kind: 'flag', bit: byte * 8 + from });
export const group = <R extends object>(byte: number, of: Layout<R>): GroupField<R> => ({ kind: 'group', byte, of });
export const raw = (byte: number, length: number): BytesField => ({ kind: 'bytes', byte, length });

/** A header: its size and its fields, with parse and emit. */
export interface Layout<R> {
  /** For messages: `BTH`, `CM REQ`. */
  readonly name: string;
  readonly bytes: number;
  readonly fields: FieldTable<R>;
  /** Reads the header at `at`. The caller has made sure that `bytes` octets are there. `Uint8Array` fields are copies. */
  parse(from: Uint8Array, at?: number): R;
  /**
   * Writes the header at `at`; reserved bits become zero. A `Uint8Array` field may be shorter than its place (the rest is zero).
   * Throws `RangeError`, naming the field, when a value does not fit: that is the caller's mistake, not the peer's.
   */
  emit(repr: R, to: Uint8Array, at?: number): void;
}

/** Makes a layout of `bytes` octets from its field table. */
export function layout<R extends object>(name: string, bytes: number, fields: FieldTable<R>): Layout<R> {
  const entries = (Object.entries(fields) as unknown as [keyof R & string, Field][]).map(([key, field]) => ({
    key,
    field,
    label: `${name}.${key}`,
  }));
  return {
    name,
    bytes,
    fields,
    parse(from, at = 0) {
      const repr: Record<string, unknown> = {};
      for (const { key, field } of entries) repr[key] = readField(from, at, field);
      return repr as R;
    },
    emit(repr, to, at = 0) {
      to.fill(0, at, at + bytes);
      for (const { key, field, label } of entries) writeField(to, at, field, repr[key], label);
    },
  };
}

/** A record with every number 0, every flag false, every byte field zeros: the start for building one by hand. */
export function zeroRepr<R extends object>(of: Layout<R>): R {
  return of.parse(new Uint8Array(of.bytes));
}

function readField(from: Uint8Array, at: number, field: Field): number | boolean | bigint | object {
  switch (field.kind) {
    case 'uint':
      return readBits(from, at * 8 + field.bit, field.bits);
    case 'flag':
      return readBits(from, at * 8 + field.bit, 1) === 1;
    case 'wide':
      return readU64(from, at + field.byte);
    case 'bytes':
      // A Buffer's own slice would be a view, and a Buffer.
      return new Uint8Array(from.subarray(at + field.byte, at + field.byte + field.length));
    case 'group':
      return field.of.parse(from, at + field.byte);
  }
}

function writeField(to: Uint8Array, at: number, field: Field, value: unknown, name: string): void {
  switch (field.kind) {
    case 'uint': {
      const number = value as number;
      if (!Number.isInteger(number) || number < 0 || number >= 2 ** field.bits)
        throw doesNotFit(name, value, `${field.bits} bits`);
      writeBits(to, at * 8 + field.bit, field.bits, number);
      return;
    }
    case 'flag':
      writeBits(to, at * 8 + field.bit, 1, value ? 1 : 0);
      return;
    case 'wide': {
      const wide = value as bigint;
      if (typeof wide !== 'bigint' || wide < 0n || wide >> 64n !== 0n) throw doesNotFit(name, value, '64 bits');
      writeU64(to, at + field.byte, wide);
      return;
    }
    case 'bytes': {
      const source = value as Uint8Array;
      if (source.length > field.length) throw doesNotFit(name, `${source.length} bytes`, `${field.length} bytes`);
      to.set(source, at + field.byte);
      return;
    }
    case 'group':
      field.of.emit(value as object, to, at + field.byte);
      return;
  }
}

/** Largest value of 0 … 32 bits. */
const MAX_BY_BITS = Array.from({ length: 33 }, (_, bits) => 2 ** bits - 1);

function doesNotFit(name: string, value: unknown, place: string): RangeError {
  return new RangeError(`${name}: ${String(value)} does not fit ${place}`);
}

/** Reads `count` (1 … 32) bits that begin at absolute bit `bit`. Arithmetic where shifts fail: 32 bits may span five bytes. */
function readBits(from: Uint8Array, bit: number, count: number): number {
  const first = bit >>> 3;
  const last = (bit + count - 1) >>> 3;
  if (first === last) return (from[first] >>> ((last + 1) * 8 - bit - count)) & MAX_BY_BITS[count];
  let value = 0;
  for (let i = first; i <= last; i++) value = value * 256 + from[i];
  const below = (last + 1) * 8 - (bit + count);
  return Math.floor(value / 2 ** below) % 2 ** count;
}

/** Writes `count` bits into bytes that hold zeros there. */
function writeBits(to: Uint8Array, bit: number, count: number, value: number): void {
  const last = (bit + count - 1) >>> 3;
  const below = (last + 1) * 8 - (bit + count);
  let rest = below === 0 ? value : value * 2 ** below;
  if (bit >>> 3 === last) {
    to[last] |= rest;
    return;
  }
  for (let i = last; rest > 0; i--) {
    const low = rest % 256;
    to[i] |= low;
    rest = (rest - low) / 256;
  }
}

/** Big-endian 64-bit read. */
export function readU64(from: Uint8Array, at: number): bigint {
  let value = 0n;
  for (let i = 0; i < 8; i++) value = (value << 8n) | BigInt(from[at + i]);
  return value;
}

/** Big-endian 64-bit write. */
export function writeU64(to: Uint8Array, at: number, value: bigint): void {
  for (let i = 7; i >= 0; i--) {
    to[at + i] = Number(value & 0xffn);
    value >>= 8n;
  }
}
