import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BandwidthSamples,
  bandwidth,
  durationLatency,
  exactLatency,
  histogramSamples,
  iterationDeltas,
  perftestLatency,
} from '../../../src/programs/perftest/statistics.ts';

const HALF_US = { psPerUnit: 1e6, rttFactor: 2 };

/** perftest's loop of print_report_lat, step by step, with a 1 THz clock (1 cycle = 1 ps) and 64-bit whole numbers. */
function printReportLat(deltas: bigint[], quotient: number) {
  const delta = [...deltas].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const count = delta.length - 2;
  const median = (count - 1) % 2 !== 0 ? (delta[count / 2]! + delta[count / 2 - 1]!) / 2n : delta[(count - (count % 2)) / 2]!;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += Number(delta[i]) / quotient;
  const average = sum / count;
  let stdev = 0;
  for (let i = 0; i < count; i++) stdev += (~~(average - Number(delta[i]) / quotient)) ** 2;
  const at = (i: number) => Number(delta[i]) / quotient;
  return [
    at(0),
    at(count),
    Number(median) / quotient,
    average,
    Math.sqrt(stdev / count),
    at(Math.ceil(count * 0.99)),
    at(Math.ceil(count * 0.999)),
  ];
}

describe('latency', () => {
  it('is exact on a case done by hand', () => {
    // Half round trips of 2, 4, 4, 4, 5, 5, 7 and 9 us, in another order.
    const deltas = iterationDeltas(Float64Array.of(0, 18e6, 22e6, 30e6, 40e6, 48e6, 56e6, 66e6, 80e6));
    const r = exactLatency(64, 9, deltas, HALF_US);
    expect(r).toEqual({
      MsgSize: 64,
      n_iterations: 9,
      t_min: 2,
      t_max: 9,
      t_typical: 4.5,
      t_avg: 5,
      t_stdev: 2,
      percentile_99: 9,
      'percentile_99.9': 9,
    });
  });

  it('takes percentiles by the nearest rank', () => {
    const deltas = Float64Array.from({ length: 1000 }, (_, i) => (1000 - i) * 1e6);
    const r = exactLatency(2, 1001, deltas, { psPerUnit: 1e6, rttFactor: 1 });
    expect([r.t_typical, r.percentile_99, r['percentile_99.9'], r.t_max]).toEqual([500.5, 990, 999, 1000]);
  });

  it('agrees with perftest, bug for bug', () => {
    const r = perftestLatency(64, 6, Float64Array.of(2e6, 40e6, 4e6, 6e6, 20e6), HALF_US);
    // Kept: 1, 2, 3; the largest but one is the maximum; differences 1 and −1 from the average 2 are whole.
    expect([r.t_min, r.t_max, r.t_typical, r.t_avg, r.t_stdev]).toEqual([1, 10, 2, 2, Math.sqrt(2 / 3)]);
    const samples = fc.array(fc.integer({ min: 1, max: 20_000_000 }), { minLength: 4, maxLength: 300 });
    fc.assert(
      fc.property(samples, fc.constantFrom(1, 2), (deltas, rttFactor) => {
        const ours = perftestLatency(8, deltas.length + 1, Float64Array.from(deltas), { psPerUnit: 1e6, rttFactor });
        const theirs = printReportLat(deltas.map(BigInt), 1e6 * rttFactor);
        expect([
          ours.t_min,
          ours.t_max,
          ours.t_typical,
          ours.t_avg,
          ours.t_stdev,
          ours.percentile_99,
          ours['percentile_99.9'],
        ]).toEqual(theirs);
      }),
    );
  });

  it('prints histograms sorted, without the tail in perftest mode', () => {
    const deltas = Float64Array.of(5, 1, 4, 2, 3);
    expect([...histogramSamples(deltas, 'exact')]).toEqual([1, 2, 3, 4, 5]);
    expect([...histogramSamples(deltas, 'perftest')]).toEqual([1, 2, 3]);
    expect([...deltas]).toEqual([5, 1, 4, 2, 3]);
  });

  it('averages over a duration', () => {
    expect(durationLatency(2, 1000, 2e9, 2)).toEqual({ MsgSize: 2, n_iterations: 1000, t_avg: 1, tps_average: 500_000 });
  });
});

describe('bandwidth', () => {
  const base = { size: 1_048_576, qps: 1, postList: 1, noPeak: false, isDuration: false, gbits: false };

  it('takes the average from the first post to the last completion, the peak from the fastest stretch', () => {
    const s: BandwidthSamples = {
      ...base,
      iters: 4,
      cqMod: 1,
      postedPs: Float64Array.of(0, 0, 0, 0),
      completedPs: Float64Array.of(1e9, 1.5e9, 2e9, 4e9),
    };
    const r = bandwidth(s, false);
    expect(r.BW_average).toBeCloseTo(1000, 9); // 4 MiB in 4 ms
    expect(r.BW_peak).toBeCloseTo(1500, 9); // 3 MiB in 2 ms
    expect(r.MsgRate).toBeCloseTo(0.001, 12);
    expect(bandwidth({ ...s, gbits: true }, false).BW_average).toBeCloseTo((4 * 1_048_576 * 8) / 4e-3 / 1e9, 9);
  });

  it('looks only at moments that exist when completions are moderated', () => {
    const completedPs = new Float64Array(5).fill(Number.POSITIVE_INFINITY);
    completedPs[1] = 3e9;
    completedPs[3] = 4e9;
    completedPs[4] = 5e9;
    const r = bandwidth(
      { ...base, iters: 5, cqMod: 2, postedPs: Float64Array.of(0, 0, 2.5e9, 2.5e9, 2.5e9), completedPs },
      false,
    );
    expect(r.BW_peak).toBeCloseTo(1 / 0.00075, 9); // messages 3 and 4, posted at 2.5 ms, done at 4 ms
  });

  it('counts all queue pairs, and only what was sampled in duration mode', () => {
    const postedPs = Float64Array.of(0);
    const completedPs = Float64Array.of(2e12);
    const s = { ...base, iters: 1000, cqMod: 100, postedPs, completedPs, noPeak: true };
    expect(bandwidth({ ...s, qps: 2 }, false)).toMatchObject({ n_iterations: 2000, BW_peak: 0, BW_average: 1000 });
    expect(bandwidth({ ...s, qps: 2, isDuration: true }, false)).toMatchObject({ n_iterations: 1000, BW_average: 500 });
  });
});
