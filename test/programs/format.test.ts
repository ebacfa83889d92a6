import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sprintf } from '../../src/programs/format.ts';

/** The printf of coreutils, the oracle for integers and fields. It rounds long doubles, so doubles are checked by exact arithmetic below. */
function printf(format: string, ...values: (number | string)[]): string {
  return execFileSync('/usr/bin/printf', [format, ...values.map(String)], { encoding: 'utf8' });
}

/** `%.{digits}f` by whole numbers: a double is m × 2^e exactly. */
function exactFixed(value: number, digits: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, Math.abs(value));
  const bits = view.getBigUint64(0);
  const biased = Number(bits >> 52n);
  const mantissa = biased === 0 ? bits & (2n ** 52n - 1n) : (bits & (2n ** 52n - 1n)) | (2n ** 52n);
  const exponent = (biased === 0 ? 1 : biased) - 1075;
  const numerator = mantissa * 10n ** BigInt(digits) * (exponent > 0 ? 2n ** BigInt(exponent) : 1n);
  const denominator = exponent < 0 ? 2n ** BigInt(-exponent) : 1n;
  let quotient = numerator / denominator;
  const twice = (numerator % denominator) * 2n;
  if (twice > denominator || (twice === denominator && quotient % 2n === 1n)) quotient++;
  const text = quotient.toString().padStart(digits + 1, '0');
  const sign = value < 0 ? '-' : '';
  return digits === 0 ? sign + text : `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

describe('sprintf', () => {
  it('agrees with the printf of the system on fields and integers', () => {
    const cases: [string, ...(number | string)[]][] = [
      [' %-7u %u', 65536, 1000],
      ['%#04x|%#06x|%#08x', 5, 0x4a, 0x1234],
      ['%#04x', 0],
      ['%016x', 255],
      ['%#016x', 0x7f0012345000],
      ['%5d|%-5d|%05d|%+d', -42, -42, -42, 42],
      ['%3d', 7],
      ['%s|%-8s|%8s|%.2s', 'abc', 'abc', 'abc', 'abc'],
      ['%X %o %c%%', 48879, 8, 'x'],
      ['%g %g %g %g %g', 0.89, 1234567, 0.00001234, 100000, 1e-5],
    ];
    for (const [format, ...values] of cases) expect(sprintf(format, ...values), format).toBe(printf(format, ...values));
  });

  it('rounds doubles exactly, ties to even', () => {
    expect(sprintf('%.2f %.2f %.0f %.0f %.1f', 0.125, 0.375, 0.5, 2.5, 0.25)).toBe('0.12 0.38 0 2 0.2');
    expect(sprintf('%.2f', 1.005)).toBe('1.00');
    expect(sprintf('%.0f', 1e22)).toBe('10000000000000000000000');
    expect(sprintf('%f %.1f', Number.POSITIVE_INFINITY, Number.NaN)).toBe('inf nan');
    fc.assert(
      fc.property(fc.double({ min: -1e12, max: 1e12, noNaN: true }), fc.integer({ min: 0, max: 8 }), (value, digits) => {
        if (Object.is(value, -0)) return;
        expect(sprintf(`%.${digits}f`, value)).toBe(exactFixed(value, digits));
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: -4096, max: 4096 }), fc.integer({ min: 0, max: 5 }), (n, digits) => {
        if (n !== 0) expect(sprintf(`%.${digits}f`, n / 64)).toBe(exactFixed(n / 64, digits));
      }),
    );
  });

  it('refuses a wrong number of values', () => {
    expect(() => sprintf('%d')).toThrow('too few values');
    expect(() => sprintf('x', 1)).toThrow('1 values for 0 conversions');
  });
});
