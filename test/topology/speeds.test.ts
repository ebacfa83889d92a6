/** The exact time of a byte against the effective rates that InfiniBand's tables state, and against lane rate times line code. */
import { expect, test } from 'vitest';
import { gigabitsPerSecond, LINK_SPEEDS, LINK_WIDTHS, lanes, psPerByte } from '../../src/topology/speeds.ts';
import { type LinkLanes, psPerByte as wirePsPerByte } from '../../src/wire/index.ts';

/** Effective Gb/s on 1x, 2x, 4x, 8x, 12x. */
const EFFECTIVE = {
  SDR: [2, 4, 8, 16, 24],
  DDR: [4, 8, 16, 32, 48],
  QDR: [8, 16, 32, 64, 96],
  FDR10: [10, 20, 40, 80, 120],
  FDR: [13.64, 27.27, 54.55, 109.09, 163.64],
  EDR: [25, 50, 100, 200, 300],
  HDR: [50, 100, 200, 400, 600],
  NDR: [100, 200, 400, 800, 1200],
  XDR: [200, 400, 800, 1600, 2400],
};

test.each(LINK_SPEEDS.map((speed) => [speed]))('%s has the effective rates of the table', (speed) => {
  const rates = LINK_WIDTHS.map((width) => +gigabitsPerSecond(speed, width).toFixed(2));
  expect(rates).toEqual(EFFECTIVE[speed]);
});

test('signalling rate times line code gives the same time of a byte', () => {
  const signalled = {
    SDR: [2.5, 0.8],
    DDR: [5, 0.8],
    QDR: [10, 0.8],
    FDR10: [10.3125, 64 / 66],
    FDR: [14.0625, 64 / 66],
    EDR: [25.78125, 64 / 66],
  } as const;
  for (const [speed, [gigabits, code]] of Object.entries(signalled)) {
    for (const width of LINK_WIDTHS) {
      const { numerator, denominator } = psPerByte(speed as keyof typeof signalled, width);
      expect(numerator / denominator).toBeCloseTo(8000 / (gigabits * code * lanes(width)), 9);
    }
  }
});

test('all rates but FDR and some 12x have a whole number of picoseconds a byte on 4x', () => {
  const fractional = LINK_SPEEDS.filter((speed) => psPerByte(speed, '4x').denominator !== 1);
  expect(fractional).toEqual(['FDR']);
  expect(psPerByte('FDR', '4x')).toEqual({ numerator: 440, denominator: 3 });
});

test('the table agrees with the one of the wire room, which this room may not import', () => {
  for (const speed of LINK_SPEEDS)
    for (const width of LINK_WIDTHS) {
      const ours = psPerByte(speed, width);
      const { num, den } = wirePsPerByte(speed, lanes(width) as LinkLanes);
      expect(ours.numerator * den, `${speed} ${width}`).toBe(num * ours.denominator);
    }
});
