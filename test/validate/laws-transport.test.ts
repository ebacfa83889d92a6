/** The transport's laws in shorter runs than `npm run validate` makes. */
import { describe, expect, it } from 'vitest';
import {
  collective,
  completionRoundTripPs,
  FAST_HOST,
  goBackN,
  LATENCY_POINTS,
  LATENCY_SETUPS,
  lawLatencyPs,
  lossCost,
  packetsInFlight,
  programLatencyPs,
  readRoundTripPs,
  steadyPs,
} from '../../validate/laws-transport.ts';

const FAR = { ...FAST_HOST, switches: 5 };

describe('unloaded latency of whole programs', () => {
  it.each(LATENCY_SETUPS)('$profile over $switches switches is the sum of its parts, to the ps', async (setup) => {
    for (const [operation, bytes] of LATENCY_POINTS.filter(([, size]) => size < 10_000))
      expect([operation, bytes, await programLatencyPs(setup, operation, bytes)]).toEqual([
        operation,
        bytes,
        lawLatencyPs(setup, operation, bytes),
      ]);
  });
});

describe('operations under way', () => {
  it.each([
    [FAST_HOST, 512, 1],
    [FAR, 8192, 4],
  ])('READ: max_rd_atomic × size / round trip', async (setup, bytes, maxRdAtomic) => {
    const each = await steadyPs(setup, { operation: 'read', bytes, depth: 32, maxRdAtomic }, 100);
    expect(each * maxRdAtomic).toBeCloseTo(readRoundTripPs(setup, bytes), -1);
  });

  it.each([
    ['write', FAR, 1024, 2],
    ['ud', FAST_HOST, 2048, 2],
  ] as const)('%s: tx depth × size / round trip', async (operation, setup, bytes, depth) => {
    const each = await steadyPs(setup, { operation, bytes, depth }, 100);
    expect(each * depth).toBeCloseTo(completionRoundTripPs(setup, operation, bytes), -1);
  });
});

describe('go-back-N', () => {
  it('pays for one loss what is in flight', async () => {
    expect(await lossCost(FAST_HOST, 250_000_000)).toBeCloseTo(packetsInFlight(FAST_HOST), 1);
  });

  it('has the efficiency of the law', async () => {
    const { law, ours, tolerance } = await goBackN(FAST_HOST, 1e-6, 1000);
    expect(tolerance).toBeLessThan(0.08);
    expect(Math.abs(ours - law)).toBeLessThan(tolerance);
  });
});

describe('collectives', () => {
  it.each([
    ['ring', 8, 4096],
    ['broadcast', 8, 64],
    ['broadcast', 6, 20_000],
  ] as const)('%s of %d ranks, %d bytes a step, is a sum of steps', async (kind, ranks, bytes) => {
    const { law, ours } = await collective(kind, ranks, bytes);
    expect(ours).toBeCloseTo(law, -1);
  });
});
