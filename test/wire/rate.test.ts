import { describe, expect, it } from 'vitest';
import {
  dataRateGbps,
  LINK_LANES,
  LINK_SPEEDS,
  lanesFromWidthCode,
  linkSpeed,
  mtuBytes,
  mtuCode,
  psPerByte,
  rateCode,
  rateGbps,
  rateMbps,
  type LinkLanes,
  type SpeedName,
  serializationPs,
  speedFromVerbsCode,
  timeoutPs,
  widthCode,
} from '../../src/wire/index.ts';

/** Effective Gb/s by width 1x 2x 4x 8x 12x, as published. */
const EFFECTIVE: Record<SpeedName, number[]> = {
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

describe('link rates', () => {
  it('give the published data rates after coding', () => {
    for (const { name } of LINK_SPEEDS) {
      LINK_LANES.forEach((lanes, i) => {
        const { num, den } = dataRateGbps(name, lanes);
        expect(Number.isInteger(num) && Number.isInteger(den)).toBe(true);
        expect(+(num / den).toFixed(2), `${name} ${lanes}x`).toBe(EFFECTIVE[name][i]);
        const byte = psPerByte(name, lanes);
        expect((byte.num * num) / (byte.den * den)).toBeCloseTo(8000, 9);
      });
    }
  });

  it('give whole picoseconds a byte except for FDR and some 12x widths', () => {
    const fractional = LINK_SPEEDS.flatMap(({ name }) =>
      LINK_LANES.filter((l) => psPerByte(name, l).den !== 1).map((l) => `${name} ${l}x`),
    );
    // A rate with a factor of three (12x, and FDR's 150/11 Gb/s) does not divide 8000 ps·Gb/s.
    const expected = LINK_SPEEDS.flatMap(({ name }) =>
      LINK_LANES.filter((l) => l === 12 || name === 'FDR').map((l) => `${name} ${l}x`),
    );
    expect(fractional).toEqual(expected);
    expect(psPerByte('FDR', 4)).toEqual({ num: 440, den: 3 });
    expect(psPerByte('QDR', 4)).toEqual({ num: 250, den: 1 });
    expect(psPerByte('SDR', 1)).toEqual({ num: 4000, den: 1 });
  });

  it('rounds a duration up, once', () => {
    expect(serializationPs(3, psPerByte('FDR', 4))).toBe(440);
    expect(serializationPs(4, psPerByte('FDR', 4))).toBe(587);
    expect(serializationPs(4126, psPerByte('EDR', 4))).toBe(330080);
  });

  it('codes of speed and width go both ways', () => {
    for (const speed of LINK_SPEEDS) expect(speedFromVerbsCode(speed.verbsCode)).toBe(speed);
    for (const lanes of LINK_LANES) expect(lanesFromWidthCode(widthCode(lanes))).toBe(lanes);
    expect(lanesFromWidthCode(3)).toBeUndefined();
    expect(() => linkSpeed('ZDR' as SpeedName)).toThrow(RangeError);
  });

  it('rate codes: nominal rate of the link', () => {
    expect([rateCode('SDR', 4), rateCode('QDR', 4), rateCode('FDR', 4), rateCode('FDR', 2), rateCode('FDR10', 4)]).toEqual([
      3, 7, 12, 19, 7,
    ]);
    expect([rateCode('EDR', 4), rateCode('HDR', 4), rateCode('HDR', 2), rateCode('NDR', 4), rateCode('XDR', 8)]).toEqual([
      16, 17, 16, 21, 25,
    ]);
    expect(rateCode('XDR', 12)).toBeUndefined();
    expect([rateGbps(12), rateMbps(12), rateGbps(1), rateMbps(1)]).toEqual([56, 56250, undefined, -1]);
  });

  it('the Mb/s of rates named after FDR and later is lanes × signalling rate', () => {
    const named: [SpeedName, LinkLanes[]][] = [
      ['FDR', [1, 2, 4, 8, 12]],
      ['EDR', [1, 4, 8, 12]],
      ['HDR', [1, 8, 12]],
      ['NDR', [4, 8, 12]],
      ['XDR', [4, 8]],
    ];
    for (const [name, widths] of named) {
      for (const lanes of widths)
        expect(rateMbps(rateCode(name, lanes) as number)).toBe(Math.floor(linkSpeed(name).laneSignalMbps * lanes));
    }
  });

  it('MTU codes and timeouts', () => {
    expect([256, 512, 1024, 2048, 4096].map(mtuCode)).toEqual([1, 2, 3, 4, 5]);
    expect([mtuCode(0), mtuCode(1500), mtuBytes(0), mtuBytes(6), mtuBytes(5)]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      4096,
    ]);
    expect(timeoutPs(14)).toBe(67_108_864_000);
  });
});
