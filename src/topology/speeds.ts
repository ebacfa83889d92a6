/**
 * Link speeds and widths: names, PortInfo codes, and the exact time of a byte.
 * Effective lane rates are after line code and FEC (IBA Vol 2; see the table in `docs/topology.md`).
 */

/** Per-lane speeds, oldest first. */
export const LINK_SPEEDS = ['SDR', 'DDR', 'QDR', 'FDR10', 'FDR', 'EDR', 'HDR', 'NDR', 'XDR'] as const;
export type LinkSpeed = (typeof LINK_SPEEDS)[number];

export const LINK_WIDTHS = ['1x', '2x', '4x', '8x', '12x'] as const;
export type LinkWidth = (typeof LINK_WIDTHS)[number];

export const MTUS = [256, 512, 1024, 2048, 4096] as const;

/** Picoseconds per byte on one lane as [numerator, denominator]. FDR is 14.0625 Gb/s with 64b/66b: 8000 * 66 / 64 / 14.0625. */
const LANE_PS_PER_BYTE: Readonly<Record<LinkSpeed, readonly [number, number]>> = {
  SDR: [4000, 1],
  DDR: [2000, 1],
  QDR: [1000, 1],
  FDR10: [800, 1],
  FDR: [1760, 3],
  EDR: [320, 1],
  HDR: [160, 1],
  NDR: [80, 1],
  XDR: [40, 1],
};

/** Lanes of a width. */
export function lanes(width: LinkWidth): number {
  return Number.parseInt(width, 10);
}

/** The time that one byte takes, in ps, as a reduced fraction. */
export function psPerByte(speed: LinkSpeed, width: LinkWidth): { numerator: number; denominator: number } {
  const [numerator, denominator] = LANE_PS_PER_BYTE[speed];
  const below = denominator * lanes(width);
  const divisor = greatestCommonDivisor(numerator, below);
  return { numerator: numerator / divisor, denominator: below / divisor };
}

/** Effective data rate in Gb/s: 8 bits over the time of a byte. */
export function gigabitsPerSecond(speed: LinkSpeed, width: LinkWidth): number {
  const { numerator, denominator } = psPerByte(speed, width);
  return (8000 * denominator) / numerator;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** LinkWidthActive codes of PortInfo (IBA 14.2.5.6). */
export const WIDTH_CODES: Readonly<Record<LinkWidth, number>> = { '1x': 1, '4x': 2, '8x': 4, '12x': 8, '2x': 16 };
/** LinkSpeedActive codes. */
export const SPEED_CODES = { SDR: 1, DDR: 2, QDR: 4 } as const;
/** LinkSpeedExtActive codes. */
export const EXTENDED_SPEED_CODES = { FDR: 1, EDR: 2, HDR: 4, NDR: 8 } as const;
