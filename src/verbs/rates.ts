/**
 * Rate codes (`Rate`, of path records, address handles and queue pairs): what they are in multiples of 2.5 Gb/s and in Mb/s.
 * Facts from libibverbs' `ibv_rate_to_mult(3)`: only rates that are whole multiples of a lane's 2.5 Gb/s (and 28, 50, 400 … by its rounding) have a
 * multiplier; rates of 14 Gb/s lanes and more carry the signalling rate of 64b/66b code in Mb/s.
 */
import { Rate } from './enums.ts';

/** [code, multiple of 2.5 Gb/s or −1, Mb/s] */
const RATES: readonly (readonly [Rate, number, number])[] = [
  [Rate.RATE_2_5_GBPS, 1, 2500],
  [Rate.RATE_5_GBPS, 2, 5000],
  [Rate.RATE_10_GBPS, 4, 10000],
  [Rate.RATE_20_GBPS, 8, 20000],
  [Rate.RATE_30_GBPS, 12, 30000],
  [Rate.RATE_40_GBPS, 16, 40000],
  [Rate.RATE_60_GBPS, 24, 60000],
  [Rate.RATE_80_GBPS, 32, 80000],
  [Rate.RATE_120_GBPS, 48, 120000],
  [Rate.RATE_14_GBPS, -1, 14062],
  [Rate.RATE_56_GBPS, -1, 56250],
  [Rate.RATE_112_GBPS, -1, 112500],
  [Rate.RATE_168_GBPS, -1, 168750],
  [Rate.RATE_25_GBPS, -1, 25781],
  [Rate.RATE_100_GBPS, -1, 103125],
  [Rate.RATE_200_GBPS, -1, 206250],
  [Rate.RATE_300_GBPS, -1, 309375],
  [Rate.RATE_28_GBPS, 11, 28125],
  [Rate.RATE_50_GBPS, 20, 53125],
  [Rate.RATE_400_GBPS, 160, 425000],
  [Rate.RATE_600_GBPS, 240, 637500],
  [Rate.RATE_800_GBPS, 320, 850000],
  [Rate.RATE_1200_GBPS, 480, 1275000],
];

/** `ibv_rate_to_mult`: the rate in multiples of 2.5 Gb/s, or −1 where it is none. */
export function rateToMult(rate: Rate): number {
  return RATES.find((row) => row[0] === rate)?.[1] ?? -1;
}

/** `mult_to_ibv_rate`: the code for a multiple of 2.5 Gb/s, or `Rate.MAX` where there is none. */
export function multToRate(mult: number): Rate {
  return (mult > 0 ? RATES.find((row) => row[1] === mult)?.[0] : undefined) ?? Rate.MAX;
}

/** `ibv_rate_to_mbps`: the rate in Mb/s, or −1 for an unknown code (and for `Rate.MAX`, which is no rate). */
export function rateToMbps(rate: Rate): number {
  return RATES.find((row) => row[0] === rate)?.[2] ?? -1;
}

/** `mbps_to_ibv_rate`: the code for exactly so many Mb/s, or `Rate.MAX` where there is none. */
export function mbpsToRate(mbps: number): Rate {
  return RATES.find((row) => row[2] === mbps)?.[0] ?? Rate.MAX;
}
