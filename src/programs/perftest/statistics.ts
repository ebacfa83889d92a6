/**
 * From moments to numbers, in two ways: exact, and as perftest 6.29 computes them, bug for bug (`--compat perftest`):
 * it drops the two largest samples from everything, prints the second largest as the maximum, takes the percentiles one place too high,
 * and computes the standard deviation from differences cut to whole microseconds.
 */
import { InvariantError } from '../../sim/index.ts';

/** Statistics of one message size, in the unit asked for. Keys are perftest's JSON keys. */
export interface LatencyResult {
  readonly MsgSize: number;
  readonly n_iterations: number;
  readonly t_min: number;
  readonly t_max: number;
  readonly t_typical: number;
  readonly t_avg: number;
  readonly t_stdev: number;
  readonly percentile_99: number;
  readonly 'percentile_99.9': number;
}

/** Of one message size in duration mode. */
export interface LatencyDurationResult {
  readonly MsgSize: number;
  readonly n_iterations: number;
  readonly t_avg: number;
  readonly tps_average: number;
}

/** Of one message size. Rates are in MiB/s or Gb/s, as asked for. */
export interface BandwidthResult {
  readonly MsgSize: number;
  readonly n_iterations: number;
  readonly BW_peak: number;
  readonly BW_average: number;
  /** Million messages per second. */
  readonly MsgRate: number;
}

/** How samples become numbers. */
export interface LatencyScale {
  /** ps per printed unit: 1e6 for microseconds, 1e3 for cycles of 1 ns. */
  readonly psPerUnit: number;
  /** 2 for half round trips, 1 for whole ones. */
  readonly rttFactor: number;
}

/** perftest's LAT_MEASURE_TAIL. */
const TAIL = 2;

/** Lengths of the iterations: differences of successive posting times (ps). */
export function iterationDeltas(postedPs: Float64Array): Float64Array {
  const deltas = new Float64Array(postedPs.length - 1);
  for (let i = 0; i < deltas.length; i++) deltas[i] = (postedPs[i + 1] as number) - (postedPs[i] as number);
  return deltas;
}

/** Statistics of `deltasPs` (unsorted, at least 1). */
export function exactLatency(size: number, iters: number, deltasPs: Float64Array, scale: LatencyScale): LatencyResult {
  const sorted = deltasPs.slice().sort();
  const n = sorted.length;
  if (n === 0) throw new InvariantError('no samples');
  const quotient = scale.psPerUnit * scale.rttFactor;
  let sum = 0;
  for (const delta of sorted) sum += delta;
  const mean = sum / n;
  let squares = 0;
  for (const delta of sorted) squares += (delta - mean) ** 2;
  const median = n % 2 === 1 ? (sorted[(n - 1) / 2] as number) : ((sorted[n / 2] as number) + (sorted[n / 2 - 1] as number)) / 2;
  const rank = (p: number) => sorted[Math.ceil((p * n) / 1000) - 1] as number; // the nearest rank
  return {
    MsgSize: size,
    n_iterations: iters,
    t_min: (sorted[0] as number) / quotient,
    t_max: (sorted[n - 1] as number) / quotient,
    t_typical: median / quotient,
    t_avg: mean / quotient,
    t_stdev: Math.sqrt(squares / n) / quotient,
    percentile_99: rank(990) / quotient,
    'percentile_99.9': rank(999) / quotient,
  };
}

/** The same as perftest computes it; needs at least 3 samples. */
export function perftestLatency(size: number, iters: number, deltasPs: Float64Array, scale: LatencyScale): LatencyResult {
  const sorted = deltasPs.slice().sort();
  const n = sorted.length - TAIL;
  if (n < 1) throw new InvariantError('perftest needs at least 3 samples');
  const quotient = scale.psPerUnit * scale.rttFactor;
  const middle = sorted[n >> 1] as number;
  const median = (n - 1) % 2 === 1 ? Math.floor((middle + (sorted[(n >> 1) - 1] as number)) / 2) : middle;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += (sorted[i] as number) / quotient;
  const average = sum / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += Math.trunc(average - (sorted[i] as number) / quotient) ** 2;
  return {
    MsgSize: size,
    n_iterations: iters,
    t_min: (sorted[0] as number) / quotient,
    t_max: (sorted[n] as number) / quotient,
    t_typical: median / quotient,
    t_avg: average,
    t_stdev: Math.sqrt(squares / n),
    percentile_99: (sorted[Math.ceil(n * 0.99)] as number) / quotient,
    'percentile_99.9': (sorted[Math.ceil(n * 0.999)] as number) / quotient,
  };
}

/** The samples that `-H` prints: sorted; perftest leaves out its tail. */
export function histogramSamples(deltasPs: Float64Array, compat: 'exact' | 'perftest'): Float64Array {
  const sorted = deltasPs.slice().sort();
  return compat === 'perftest' ? sorted.subarray(0, sorted.length - TAIL) : sorted;
}

/** Average latency and transactions per second of a time-limited run. */
export function durationLatency(size: number, iters: number, sampledPs: number, rttFactor: number): LatencyDurationResult {
  return {
    MsgSize: size,
    n_iterations: iters,
    t_avg: sampledPs / 1e6 / rttFactor / iters,
    tps_average: iters / (sampledPs / 1e12),
  };
}

/** Moments of a bandwidth run. */
export interface BandwidthSamples {
  readonly size: number;
  /** Messages per queue pair, or all messages counted in a time-limited run. */
  readonly iters: number;
  readonly qps: number;
  readonly postList: number;
  readonly cqMod: number;
  /** When each message was posted (all queue pairs, in order), or only the first. ps. */
  readonly postedPs: Float64Array;
  /** When the completion came that made so many complete: index i, i + 1 messages; or only [0], the end. ps. */
  readonly completedPs: Float64Array;
  readonly noPeak: boolean;
  readonly isDuration: boolean;
  readonly gbits: boolean;
}

/** Peak and average bandwidth and message rate. `wholeCycles`: per-message times are cut to whole ps, as perftest cuts them to whole cycles. */
export function bandwidth(s: BandwidthSamples, wholeCycles: boolean): BandwidthResult {
  const messages = s.iters * (s.isDuration ? 1 : s.qps);
  const endPs = s.completedPs[s.noPeak ? 0 : messages - 1] as number;
  const elapsedPs = endPs - (s.postedPs[0] as number);
  const factor = s.gbits ? 125_000_000 : 1_048_576;
  return {
    MsgSize: s.size,
    n_iterations: messages,
    BW_peak: s.noPeak ? 0 : (s.size * 1e12) / (leastTimePs(s, messages, wholeCycles) * factor),
    BW_average: (s.size * messages * 1e12) / (elapsedPs * factor),
    MsgRate: (messages * 1e12) / (elapsedPs * 1e6),
  };
}

/** The least time per message over all stretches from a post to a completion. */
function leastTimePs(s: BandwidthSamples, messages: number, wholeCycles: boolean): number {
  const { postedPs, completedPs, cqMod } = s;
  let least = Number.POSITIVE_INFINITY;
  const lastIsExtra = messages % cqMod !== 0;
  const consider = (i: number, j: number) => {
    const time = ((completedPs[j] as number) - (postedPs[i] as number)) / (j - i + 1);
    if (time < least) least = time;
  };
  for (let i = 0; i < messages; i += s.postList) {
    for (let j = Math.ceil((i + 1) / cqMod) * cqMod - 1; j < messages; j += cqMod) consider(i, j);
    if (lastIsExtra) consider(i, messages - 1);
  }
  return wholeCycles ? Math.floor(least) : least;
}
