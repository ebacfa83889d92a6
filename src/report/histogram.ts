/**
 * Percentiles of latencies by HdrHistogram, and its `.hgrm` percentile distribution, which the plotters of that family read.
 * The library is loaded on first use: it takes longer to load than a small simulation runs.
 */

/** A latency and how often it was seen. */
export type Sample = readonly [valuePs: number, count: number];

/** Kept of each value: at most 0.1 % off. */
const SIGNIFICANT_DIGITS = 3;

/**
 * The text of a `.hgrm` file: value in microseconds, percentile, count so far, 1/(1 − percentile), and the closing
 * lines with mean, deviation, maximum and total. `samples` need no order; values are integer ps.
 */
export async function percentileDistribution(samples: Iterable<Sample>): Promise<string> {
  const histogram = await record(samples);
  // Recorded in ns, of which three digits of a latency never need a part, and written in us, which is what plots of latencies show.
  return histogram.outputPercentileDistribution(5, 1000);
}

/** The latency below which `percent` of the samples lie, by the nearest-rank rule, exact. `sorted` is ascending and not empty. */
export function percentileOf(sorted: ArrayLike<number>, percent: number): number {
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  return sorted[Math.min(rank, sorted.length) - 1] as number;
}

async function record(samples: Iterable<Sample>) {
  const { build } = await import('hdr-histogram-js');
  const histogram = build({
    useWebAssembly: false,
    bitBucketSize: 64,
    autoResize: true,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 2,
    numberOfSignificantValueDigits: SIGNIFICANT_DIGITS,
  });
  for (const [valuePs, count] of samples) histogram.recordValueWithCount(Math.max(1, Math.round(valuePs / 1000)), count);
  return histogram;
}
