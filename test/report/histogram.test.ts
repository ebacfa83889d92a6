import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { percentileDistribution, percentileOf, type Sample } from '../../src/report/index.ts';

/** The data rows of a `.hgrm` text: value, percentile, count so far. */
function dataRows(text: string): { value: number; percentile: number; total: number }[] {
  return text
    .split('\n')
    .filter((line) => /^\s+[\d.]+\s+[\d.]+\s+\d+/.test(line))
    .map((line) => line.trim().split(/\s+/).map(Number))
    .map(([value, percentile, total]) => ({ value: value!, percentile: percentile!, total: total! }));
}

describe('percentileDistribution', () => {
  it('writes microseconds, to three digits, ending with every sample counted', async () => {
    const samples: Sample[] = Array.from({ length: 1000 }, (_, i) => [(i + 1) * 1_000_000, 1]);
    const text = await percentileDistribution(samples);
    expect(text).toMatch(/^\s+Value\s+Percentile\s+TotalCount\s+1\/\(1-Percentile\)/);
    const rows = dataRows(text);
    expect(rows.at(-1)).toMatchObject({ percentile: 1, total: 1000 });
    const median = rows.find((row) => row.percentile >= 0.5)!;
    expect(Math.abs(median.value - 500)).toBeLessThanOrEqual(0.5);
    expect(text).toMatch(/#\[Max\s+=\s+1000\.\d+, Total count\s+=\s+1000\]/);
    expect(text).toMatch(/#\[Mean\s+=\s+500\.\d+,/);
  });

  it('counts a sample as often as it was seen', async () => {
    const rows = dataRows(
      await percentileDistribution([
        [2_000_000, 90],
        [9_000_000, 10],
      ]),
    );
    expect(rows.filter((row) => row.value < 3).at(-1)?.total).toBe(90);
    expect(rows.at(-1)?.total).toBe(100);
  });
});

describe('percentileOf', () => {
  it('is the nearest rank: at least that share lies at or below, and less than that share below', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(1000), { minLength: 1, maxLength: 200 }),
        fc.double({ min: 0.1, max: 100, noNaN: true }),
        (values, p) => {
          const sorted = Float64Array.from(values).sort();
          const found = percentileOf(sorted, p);
          const atOrBelow = values.filter((v) => v <= found).length;
          const below = values.filter((v) => v < found).length;
          expect(atOrBelow).toBeGreaterThanOrEqual(Math.min(values.length, (p / 100) * values.length));
          expect(below).toBeLessThan(Math.max(1, Math.ceil((p / 100) * values.length)));
        },
      ),
    );
  });
});
