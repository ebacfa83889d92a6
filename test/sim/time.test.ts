import { describe, expect, it } from 'vitest';
import { formatPs, InvariantError, nsToPs, ps, usToPs } from '../../src/sim/index.ts';

describe('virtual time', () => {
  it('is whole picoseconds and nothing else', () => {
    expect(ps(2 ** 53 - 1)).toBe(2 ** 53 - 1);
    for (const wrong of [0.5, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) expect(() => ps(wrong)).toThrow(InvariantError);
    expect(nsToPs(1.2345)).toBe(1235);
    expect(usToPs(0.89)).toBe(890_000);
  });

  it('reads as a person would write it', () => {
    expect([812, 1250, 3_500_000, 2_000_001_000, 1.5e12].map(formatPs)).toEqual([
      '812 ps',
      '1.25 ns',
      '3.5 us',
      '2.000001 ms',
      '1.5 s',
    ]);
  });
});
