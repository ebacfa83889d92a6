import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bits, type Field, flag, type Layout, layout, raw, u24, u64, zeroRepr } from '../../src/wire/index.ts';
import * as wire from '../../src/wire/index.ts';

const isLayout = (value: unknown): value is Layout<object> =>
  typeof value === 'object' && value !== null && 'fields' in value && 'emit' in value;
const LAYOUTS = Object.values(wire as unknown as Record<string, unknown>).filter(isLayout);

/** Bits that a field occupies, written down one by one. */
function occupied(field: Field): number[] {
  const range = (start: number, count: number) => Array.from({ length: count }, (_, i) => start + i);
  switch (field.kind) {
    case 'uint':
      return range(field.bit, field.bits);
    case 'flag':
      return [field.bit];
    case 'wide':
      return range(field.byte * 8, 64);
    case 'bytes':
      return range(field.byte * 8, field.length * 8);
    case 'group':
      return fieldBits(field.of).map((bit) => bit + field.byte * 8);
  }
}
const fieldBits = (of: Layout<object>) => Object.values(of.fields as Record<string, Field>).flatMap(occupied);

describe('every layout of the room', () => {
  it('is found by the search below', () => expect(LAYOUTS.length).toBeGreaterThan(35));

  it('has fields that lie inside it and do not overlap', () => {
    for (const of of LAYOUTS) {
      const all = fieldBits(of);
      expect(new Set(all).size, of.name).toBe(all.length);
      expect(Math.max(...all), of.name).toBeLessThan(of.bytes * 8);
    }
  });

  it('parse then emit keeps the bits of its fields and clears the reserved ones', () => {
    for (const of of LAYOUTS) {
      const mask = new Uint8Array(of.bytes);
      for (const bit of fieldBits(of)) mask[bit >> 3] |= 0x80 >> (bit & 7);
      fc.assert(
        fc.property(fc.uint8Array({ minLength: of.bytes + 3, maxLength: of.bytes + 3 }), (noise) => {
          const out = Uint8Array.from(noise);
          of.emit(of.parse(noise, 2), out, 2);
          const expected = noise.map((byte, i) => (i < 2 || i === of.bytes + 2 ? byte : byte & mask[i - 2]));
          expect(out).toEqual(expected);
        }),
        { numRuns: 10 },
      );
    }
  });
});

describe('layout', () => {
  const SAMPLE = layout<{ a: number; b: boolean; c: number; d: bigint; e: Uint8Array; f: number }>('sample', 20, {
    a: bits(0, 1, 3),
    b: flag(0, 7),
    c: u24(1),
    d: u64(4),
    e: raw(12, 3),
    f: bits(15, 4, 32),
  });
  const repr = { a: 5, b: true, c: 0x123456, d: 0xfedcba9876543210n, e: Uint8Array.of(1, 2, 3), f: 0x89abcdef };
  const text = '51123456fedcba987654321001020308 9abcdef0'.replace(' ', '');

  it('places bits as the specification draws them', () => {
    const bytes = new Uint8Array(20);
    SAMPLE.emit(repr, bytes);
    expect(Buffer.from(bytes).toString('hex')).toBe(text);
    expect(SAMPLE.parse(bytes)).toEqual(repr);
  });

  it('names the field whose value does not fit', () => {
    const bytes = new Uint8Array(20);
    expect(() => SAMPLE.emit({ ...repr, a: 8 }, bytes)).toThrow(/sample\.a: 8 does not fit 3 bits/);
    expect(() => SAMPLE.emit({ ...repr, c: -1 }, bytes)).toThrow(RangeError);
    expect(() => SAMPLE.emit({ ...repr, c: 1.5 }, bytes)).toThrow(/sample\.c/);
    expect(() => SAMPLE.emit({ ...repr, d: 1n << 64n }, bytes)).toThrow(/sample\.d/);
    expect(() => SAMPLE.emit({ ...repr, e: new Uint8Array(4) }, bytes)).toThrow(/sample\.e: 4 bytes does not fit 3 bytes/);
  });

  it('starts records from zero', () => {
    expect(zeroRepr(SAMPLE)).toEqual({ a: 0, b: false, c: 0, d: 0n, e: new Uint8Array(3), f: 0 });
  });
});
