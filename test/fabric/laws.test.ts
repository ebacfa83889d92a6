/** The laws of `validate/laws-fabric.ts` with shorter runs; the full ones, with the specification's tolerances, run in `npm run validate`. */
import { expect, test } from 'vitest';
import {
  creditLimited,
  fifoSaturation,
  hotSpotRate,
  outputQueueWait,
  parkingLot,
  unloadedLatencyPs,
  unloadedLawPs,
  victimRate,
  vlShares,
  worstShift,
} from '../../validate/laws-fabric.ts';

const near = (value: number, law: number, part: number): void => {
  expect(Math.abs(value / law - 1)).toBeLessThan(part);
};

test.each([
  [2, 0.75],
  [4, 0.6553],
  [8, 0.6184],
])('FIFO saturation, N = %i', (n, law) => {
  near(fifoSaturation(n, 0.15), law, 0.015);
});

test('wait in output queues', () => {
  near(outputQueueWait(4, 0.8, 0.3), 1.5, 0.06);
});

test('credits limit a long cable', () => {
  near(creditLimited(250, 8192, 4_000_000, 0.1), 0.512, 0.01);
  near(creditLimited(80, 16384, 2_000_000, 0.1), 0.65536, 0.01);
});

test('VL weights and the high limit', () => {
  const shares = vlShares({ high: [], low: [33, 66, 132].map((weight, vl) => ({ vl, weight })), highLimit: 255 }, 3, 0.1);
  for (const [vl, law] of [1 / 7, 2 / 7, 4 / 7].entries()) near(shares[vl], law, 0.01);
  near(vlShares({ high: [{ vl: 0, weight: 255 }], low: [{ vl: 1, weight: 255 }], highLimit: 1 }, 2, 0.1)[0], 2 / 3, 0.01);
  // limit 0: one packet each; no limit: low starves
  near(vlShares({ high: [{ vl: 0, weight: 255 }], low: [{ vl: 1, weight: 255 }], highLimit: 0 }, 2, 0.1)[0], 1 / 2, 0.01);
  near(vlShares({ high: [{ vl: 0, weight: 255 }], low: [{ vl: 1, weight: 255 }], highLimit: 255 }, 2, 0.1)[0], 1, 0.001);
});

test('parking lot, hot spot, victim', () => {
  for (const [i, law] of [1 / 2, 1 / 4, 1 / 8, 1 / 8].entries()) near(parkingLot(4, 0.05)[i], law, 0.03);
  near(hotSpotRate(64, 1 / 16, 0.2), 1 / (1 + 63 / 16), 0.03);
  near(victimRate(4, 'fifo', 0.1), 1 / 4, 0.03);
});

test('every shift at full rate under d-mod-k', () => {
  near(worstShift(4, [1, 2, 3, 5, 7, 8, 11, 15], 0.2), 1, 0.005);
});

test('unloaded latency is the sum of its parts, to the picosecond', () => {
  for (const rates of [[80], [80, 80], [1000, 80], [80, 1000, 40], [40, 80, 40, 220 / 3]])
    for (const bytes of [30, 2074])
      expect(unloadedLatencyPs(rates, bytes, 30_000, 100_000)).toBe(unloadedLawPs(rates, bytes, 30_000, 100_000));
});
