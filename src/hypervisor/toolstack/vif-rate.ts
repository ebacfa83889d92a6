/**
 * The rate limit of a network interface, `RATE[@INTERVAL]`: `10Mb/s`, `250KB/s@20ms` (xl-network-configuration(5), libxlu_vif.c).
 * netback gets it as bytes of credit for each interval of microseconds: 10Mb/s is 62,500 bytes every 50,000 us.
 */
import type { RateLimit } from './guest-config.ts';

const DEFAULT_INTERVAL_US = 50_000;
const MAX_U32 = 0xffff_ffff;
const MAX_U64 = (1n << 64n) - 1n;
const FACTOR: Readonly<Record<string, number>> = { G: 1e9, M: 1e6, K: 1e3 };
const INTERVAL_FACTOR: Readonly<Record<string, number>> = { us: 1, u: 1, ms: 1e3, m: 1e3, s: 1e6, '': 1e6 };

/** A number as C's `strtoull` with base 0 reads digits: with a leading 0 it is octal. */
function cNumber(digits: string): number {
  if (!/^0\d/.test(digits)) return Number(digits);
  const octal = /^0[0-7]+$/.test(digits);
  return octal ? Number.parseInt(digits, 8) : Number.NaN;
}

function fault(text: string, why: string): string {
  return `found the rate ${JSON.stringify(text)}, ${why}`;
}

const ACCEPTED =
  'accepted is a number of b/s, B/s, Kb/s, KB/s, Mb/s, MB/s, Gb/s or GB/s, and optionally @ and an interval in s, ms or us';

/** The limit that `text` describes, or what is wrong with it. */
export function parseRate(text: string): RateLimit | string {
  const at = text.indexOf('@');
  const rate = /^(\d+)([GMK]?)([Bb])\/s$/.exec(at < 0 ? text : text.slice(0, at));
  if (rate === null) return fault(text, ACCEPTED);
  const amount = cNumber(rate[1]!);
  if (!(amount > 0 && amount <= MAX_U32)) return fault(text, `accepted are numbers from 1 to ${MAX_U32}`);
  const interval = at < 0 ? null : /^(\d+)(us|ms|u|m|s|)$/.exec(text.slice(at + 1));
  if (at >= 0 && interval === null) return fault(text, ACCEPTED);
  const intervalUs = interval === null ? DEFAULT_INTERVAL_US : cNumber(interval[1]!) * INTERVAL_FACTOR[interval[2]!]!;
  if (!(intervalUs > 0 && intervalUs <= MAX_U32)) return fault(text, `accepted are intervals from 1 us to ${MAX_U32} us`);
  const scaled = BigInt(amount) * BigInt(FACTOR[rate[2]!] ?? 1);
  const bytesPerSecond = rate[3] === 'b' ? scaled / 8n : scaled;
  if (bytesPerSecond > MAX_U64 / BigInt(intervalUs))
    return fault(text, 'accepted are rates whose product with the interval in us has 64 bits');
  return { bytesPerInterval: Number((bytesPerSecond * BigInt(intervalUs)) / 1_000_000n), intervalUs };
}
