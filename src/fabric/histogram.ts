/**
 * Log-linear latency histogram in a typed array: units of 256 ps, exact below 128 units, then 64 buckets per power of two (error at most 1/64).
 * The kernel increments the buckets itself; here is what reads them.
 */
export const HISTOGRAM_BUCKETS = 26 * 64 + 64;
const UNIT_PS = 256;

/** Middle of bucket `index`. */
export function bucketPs(index: number): number {
  if (index < 128) return index * UNIT_PS + UNIT_PS / 2;
  const shift = (index >> 6) - 1;
  const first = ((index & 63) + 64) * 2 ** shift;
  return (first + 2 ** shift / 2) * UNIT_PS;
}

/** The latency that a fraction `q` (0 … 1) of all values does not exceed, to the histogram's precision; NaN if there are none. */
export function quantilePs(buckets: Float64Array, q: number): number {
  let total = 0;
  for (const n of buckets) total += n;
  if (total === 0) return Number.NaN;
  let left = Math.max(1, Math.ceil(q * total));
  for (let i = 0; i < buckets.length; i++) {
    left -= buckets[i];
    if (left <= 0) return bucketPs(i);
  }
  return Number.NaN;
}
