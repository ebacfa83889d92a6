/**
 * Virtual time: an integer number of picoseconds in a `number`, exact to 2^53 ps (2.5 hours).
 * Every InfiniBand rate gives an integer or a terminating number of ps per byte, so no rounding creeps in;
 * where a rate does not (FDR), the duration is rounded once, up, where it is made.
 */
import { InvariantError } from './errors.ts';

/** A point in, or a length of, virtual time: integer picoseconds, 0 … 2^53 − 1. */
export type Ps = number;

/** Checks that `value` is a whole, exactly representable, non-negative number of picoseconds, and returns it. Throws `InvariantError`. */
export function ps(value: number): Ps {
  if (!Number.isSafeInteger(value) || value < 0) throw new InvariantError(`not a virtual time in whole picoseconds: ${value}`);
  return value;
}

/** Nanoseconds (fractions down to 0.001 allowed) to picoseconds, rounded to the nearest. */
export function nsToPs(ns: number): Ps {
  return ps(Math.round(ns * 1e3));
}

/** Microseconds to picoseconds, rounded to the nearest. */
export function usToPs(us: number): Ps {
  return ps(Math.round(us * 1e6));
}

/** A time as a person reads it: `812 ps`, `1.25 ns`, `3.5 us`, `2.000001 ms`, `1.5 s`. */
export function formatPs(value: Ps): string {
  const units: [number, string][] = [
    [1e12, 's'],
    [1e9, 'ms'],
    [1e6, 'us'],
    [1e3, 'ns'],
  ];
  for (const [scale, unit] of units) if (Math.abs(value) >= scale) return `${+(value / scale).toFixed(6)} ${unit}`;
  return `${value} ps`;
}
