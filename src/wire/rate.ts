/**
 * Link speeds, widths, MTUs and rates: their codes in PortInfo, in path records and in libibverbs, and what they mean for a byte on the wire.
 *
 * Signalling and coding: 8b/10b to QDR, 64b/66b to EDR, from HDR on 256b/257b with RS(544,514). The data rate after coding is kept as an
 * exact fraction, since FDR (150/11 Gb/s a lane) and 12x widths have no whole number of picoseconds per byte.
 * Codes: IBA vol. 1, PortInfo and PathRecord; Linux `enum ib_port_speed`, `enum ib_rate`; `ibv_rate_to_mbps(3)`.
 */

/** An exact, reduced fraction of positive integers. */
export interface Ratio {
  readonly num: number;
  readonly den: number;
}

export type SpeedName = 'SDR' | 'DDR' | 'QDR' | 'FDR10' | 'FDR' | 'EDR' | 'HDR' | 'NDR' | 'XDR';
export type LinkLanes = 1 | 2 | 4 | 8 | 12;

export interface LinkSpeed {
  readonly name: SpeedName;
  /** Baud on one lane, before coding, in Mb/s. */
  readonly laneSignalMbps: number;
  /** What is left after coding and forward error correction. */
  readonly coding: Ratio;
  /** The Gb/s a lane by which the speed is called and rate codes are named: 2.5 for SDR, 14 for FDR. */
  readonly nominalLaneGbps: number;
  /** `active_speed` of `ibv_query_port`, Linux `enum ib_port_speed`. */
  readonly verbsCode: number;
  /** Bit in PortInfo: `speed` = LinkSpeed{Supported,Enabled,Active}, `extended` = LinkSpeedExt…, `extended2` = LinkSpeedExt2…, `vendor` = attribute 0xFF90. */
  readonly portInfo: { readonly field: 'speed' | 'extended' | 'extended2' | 'vendor'; readonly code: number };
}

const CODING_8B10B: Ratio = { num: 4, den: 5 };
const CODING_64B66B: Ratio = { num: 32, den: 33 };
/** 256/257 × 514/544. */
const CODING_RS544: Ratio = { num: 16, den: 17 };

const speed = (
  name: SpeedName,
  laneSignalMbps: number,
  coding: Ratio,
  nominalLaneGbps: number,
  verbsCode: number,
  field: LinkSpeed['portInfo']['field'],
  code: number,
): LinkSpeed => ({ name, laneSignalMbps, coding, nominalLaneGbps, verbsCode, portInfo: { field, code } });

/** All speeds, slowest first. */
export const LINK_SPEEDS: readonly LinkSpeed[] = [
  speed('SDR', 2500, CODING_8B10B, 2.5, 1, 'speed', 1),
  speed('DDR', 5000, CODING_8B10B, 5, 2, 'speed', 2),
  speed('QDR', 10000, CODING_8B10B, 10, 4, 'speed', 4),
  speed('FDR10', 10312.5, CODING_64B66B, 10, 8, 'vendor', 1),
  speed('FDR', 14062.5, CODING_64B66B, 14, 16, 'extended', 1),
  speed('EDR', 25781.25, CODING_64B66B, 25, 32, 'extended', 2),
  speed('HDR', 53125, CODING_RS544, 50, 64, 'extended', 4),
  speed('NDR', 106250, CODING_RS544, 100, 128, 'extended', 8),
  speed('XDR', 212500, CODING_RS544, 200, 256, 'extended2', 1),
];

export const SPEED_NAMES: readonly SpeedName[] = LINK_SPEEDS.map((s) => s.name);

/** Lanes of a link. */
export const LINK_LANES: readonly LinkLanes[] = [1, 2, 4, 8, 12];
const WIDTH_CODES: readonly [LinkLanes, number][] = [
  [1, 1],
  [4, 2],
  [8, 4],
  [12, 8],
  [2, 16],
];

/** The speed of that name. Throws `RangeError` for an unknown one. */
export function linkSpeed(name: SpeedName): LinkSpeed {
  const found = LINK_SPEEDS.find((s) => s.name === name);
  if (found === undefined) throw new RangeError(`unknown link speed ${String(name)}`);
  return found;
}

/** PortInfo and `active_width` bit of a width: 1x = 1, 4x = 2, 8x = 4, 12x = 8, 2x = 16. */
export function widthCode(lanes: LinkLanes): number {
  return (WIDTH_CODES.find(([l]) => l === lanes) as [LinkLanes, number])[1];
}

/** Lanes for a single width bit; undefined for anything else. */
export function lanesFromWidthCode(code: number): LinkLanes | undefined {
  return WIDTH_CODES.find(([, c]) => c === code)?.[0];
}

/** The speed with that `active_speed` code of libibverbs. */
export function speedFromVerbsCode(code: number): LinkSpeed | undefined {
  return LINK_SPEEDS.find((s) => s.verbsCode === code);
}

/** Makes a reduced fraction of two positive integers. */
export function ratio(num: number, den: number): Ratio {
  let a = num;
  let b = den;
  while (b !== 0) [a, b] = [b, a % b];
  return { num: num / a, den: den / a };
}

/** Data rate of a link after coding, in Gb/s, exactly: `{400, 1}` for HDR 8x, `{600, 11}` for FDR 4x. */
export function dataRateGbps(name: SpeedName, lanes: LinkLanes): Ratio {
  const { laneSignalMbps, coding } = linkSpeed(name);
  // Signal rates are multiples of 1.25 Mb/s, so × 4 is a whole number.
  return ratio(laneSignalMbps * 4 * coding.num * lanes, 4000 * coding.den);
}

/** Picoseconds a byte takes on the wire, exactly: `{500, 1}` for DDR 4x (16 Gb/s), `{440, 3}` for FDR 4x. */
export function psPerByte(name: SpeedName, lanes: LinkLanes): Ratio {
  const rate = dataRateGbps(name, lanes);
  return ratio(8000 * rate.den, rate.num);
}

/** Time to send `bytes` at `perByte`, in whole picoseconds, rounded up. Exact for every size a packet can have. */
export function serializationPs(bytes: number, perByte: Ratio): number {
  return Math.ceil((bytes * perByte.num) / perByte.den);
}

/** Path MTU codes 1 … 5 (index 0 unused), in bytes. */
export const MTU_BYTES: readonly number[] = [0, 256, 512, 1024, 2048, 4096];

/** The code of an MTU in bytes; undefined unless it is exactly one of 256 … 4096. */
export function mtuCode(bytes: number): number | undefined {
  const code = MTU_BYTES.indexOf(bytes);
  return code > 0 ? code : undefined;
}

/** The MTU in bytes of code 1 … 5; undefined otherwise. */
export function mtuBytes(code: number): number | undefined {
  return code >= 1 ? MTU_BYTES[code] : undefined;
}

/** Rate codes of path records, static rates and `enum ibv_rate`: [code, nominal Gb/s, Mb/s that `ibv_rate_to_mbps` answers]. */
export const RATE_CODES: readonly (readonly [number, number, number])[] = [
  [2, 2.5, 2500],
  [3, 10, 10000],
  [4, 30, 30000],
  [5, 5, 5000],
  [6, 20, 20000],
  [7, 40, 40000],
  [8, 60, 60000],
  [9, 80, 80000],
  [10, 120, 120000],
  [11, 14, 14062],
  [12, 56, 56250],
  [13, 112, 112500],
  [14, 168, 168750],
  [15, 25, 25781],
  [16, 100, 103125],
  [17, 200, 206250],
  [18, 300, 309375],
  [19, 28, 28125],
  [20, 50, 53125],
  [21, 400, 425000],
  [22, 600, 637500],
  [23, 800, 850000],
  [24, 1200, 1275000],
  [25, 1600, 1700000],
];

/** Nominal Gb/s of a rate code; undefined for an unassigned one. */
export function rateGbps(code: number): number | undefined {
  return RATE_CODES.find(([c]) => c === code)?.[1];
}

/** As `ibv_rate_to_mbps`: Mb/s of a rate code, or −1. */
export function rateMbps(code: number): number {
  return RATE_CODES.find(([c]) => c === code)?.[2] ?? -1;
}

/** Rate code of a link; undefined where none is assigned (XDR 12x). */
export function rateCode(name: SpeedName, lanes: LinkLanes): number | undefined {
  const nominal = linkSpeed(name).nominalLaneGbps * lanes;
  return RATE_CODES.find(([, gbps]) => gbps === nominal)?.[0];
}

/** Time of a 5-bit timeout code (local ACK timeout, packet lifetime, subnet timeout …): 4.096 µs × 2^code, in picoseconds. */
export function timeoutPs(code: number): number {
  return 4_096_000 * 2 ** code;
}
