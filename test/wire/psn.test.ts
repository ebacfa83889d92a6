import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatPsn, psnAdd, psnDiff, psnInRange, psnLess, psnNext, psnSpan } from '../../src/wire/index.ts';

const psn = fc.integer({ min: 0, max: 0xffffff });

describe('PSN arithmetic', () => {
  it('wraps at 2^24 in both directions', () => {
    expect(psnNext(0xffffff)).toBe(0);
    expect(psnAdd(0xfffffe, 5)).toBe(3);
    expect(psnAdd(2, -5)).toBe(0xfffffd);
  });

  it('orders numbers less than half the space apart, across the wrap', () => {
    expect(psnDiff(1, 0xffffff)).toBe(2);
    expect(psnLess(0xffffff, 0)).toBe(true);
    expect(psnLess(0, 0xffffff)).toBe(false);
    expect(psnDiff(0x800000, 0)).toBe(-0x800000);
    expect(psnDiff(0x7fffff, 0)).toBe(0x7fffff);
  });

  it('difference undoes addition (checked with wide integers)', () => {
    fc.assert(
      fc.property(psn, fc.integer({ min: -0x800000, max: 0x7fffff }), (base, step) => {
        const wide = Number((BigInt(base) + BigInt(step) + (1n << 24n)) % (1n << 24n));
        expect(psnAdd(base, step)).toBe(wide);
        expect(psnDiff(psnAdd(base, step), base)).toBe(step);
        expect(psnInRange(psnAdd(base, step), base, 0x800000)).toBe(step >= 0);
      }),
    );
  });

  it('counts the packets of a message', () => {
    expect([0, 1, 2048, 2049, 4096].map((bytes) => psnSpan(bytes, 2048))).toEqual([1, 1, 1, 2, 2]);
    expect(psnSpan(2 ** 31, 256)).toBe(2 ** 23);
  });

  it('prints six digits', () => expect(formatPsn(0xbeef)).toBe('0x00beef'));
});
