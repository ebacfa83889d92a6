/**
 * Values that carry their unit: `5m`, `100ns`, `16KiB`, `3.2GB/s`. A bare number is refused where a unit belongs, so that nobody has to
 * know which one was meant. Each kind has a pattern (for the JSON Schema), a phrase of what is accepted, and a parser
 * that returns `undefined` for what it does not take.
 */

const NUMBER = '(?:[0-9]+(?:\\.[0-9]+)?|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?';

interface UnitKind {
  /** For the JSON Schema. */
  readonly pattern: RegExp;
  /** What is accepted, to follow "expected". */
  readonly accepted: string;
  readonly units: Readonly<Record<string, number>>;
}

function unitKind(units: Record<string, number>, accepted: string): UnitKind {
  const names = Object.keys(units).sort((a, b) => b.length - a.length);
  return { units, accepted, pattern: new RegExp(`^${NUMBER} ?(?:${names.map((name) => name.replace('/', '\\/')).join('|')})$`) };
}

/** Times, in ps. */
export const TIME = unitKind(
  { ps: 1, ns: 1e3, us: 1e6, ms: 1e9, s: 1e12 },
  'a time such as 100ns, 1.5us or 2ms (ps, ns, us, ms, s)',
);
/** Cable lengths, in mm. */
export const LENGTH = unitKind({ cm: 10, m: 1e3, km: 1e6 }, 'a length such as 5m or 50cm (cm, m, km)');
/** Buffer sizes, in bytes. */
export const BUFFER = unitKind(
  { B: 1, KiB: 1024, MiB: 1024 * 1024, kB: 1000, MB: 1_000_000, blocks: 64 },
  'a size such as 16KiB or 256blocks (B, kB, KiB, MB, MiB, blocks of 64 bytes)',
);
/** Data rates, in bytes a second. */
export const RATE = unitKind(
  {
    'B/s': 1,
    'kB/s': 1e3,
    'MB/s': 1e6,
    'GB/s': 1e9,
    'KiB/s': 1024,
    'MiB/s': 1024 ** 2,
    'GiB/s': 1024 ** 3,
    'Mb/s': 125e3,
    'Gb/s': 125e6,
  },
  'a rate such as 1GB/s, 800MiB/s or 8Gb/s',
);

/** Signals take 5 ns a metre in copper and in fibre. */
const PS_PER_MILLIMETRE = 5;

/** The number of base units, or `undefined` if `text` is not of that kind. */
export function parseUnit(kind: UnitKind, text: string): number | undefined {
  if (text.length > 40 || !kind.pattern.test(text)) return undefined;
  const unit = Object.keys(kind.units)
    .filter((name) => text.endsWith(name))
    .sort((a, b) => b.length - a.length)[0]!;
  const value = Number(text.slice(0, -unit.length).trimEnd()) * kind.units[unit]!;
  return Number.isFinite(value) ? value : undefined;
}

/** A time in whole ps, or `undefined` where it is none, is finer than 1 ps, or beyond 2^53 ps. */
export function parseTimePs(text: string): number | undefined {
  return wholeNumber(parseUnit(TIME, text));
}

/** The time a signal needs for a cable of that length, in whole ps. */
export function parseLengthPs(text: string): number | undefined {
  const millimetres = parseUnit(LENGTH, text);
  return millimetres === undefined ? undefined : Math.round(millimetres * PS_PER_MILLIMETRE);
}

/** A buffer in 64-byte blocks; `undefined` where it is no whole number of them. */
export function parseBufferBlocks(text: string): number | undefined {
  const bytes = parseUnit(BUFFER, text);
  return bytes === undefined ? undefined : wholeNumber(bytes / 64);
}

/** Undoes the last-digit error of a decimal fraction times a power of ten; refuses true fractions. */
function wholeNumber(value: number | undefined): number | undefined {
  if (value === undefined) return undefined;
  const whole = Math.round(value);
  return Number.isSafeInteger(whole) && Math.abs(value - whole) <= 1e-9 * Math.max(1, whole) && (value === 0 || whole > 0)
    ? whole
    : undefined;
}

/** `5000` ps as `5ns`: the shortest exact form that `parseTimePs` reads back. */
export function formatTime(ps: number): string {
  for (const [unit, scale] of [
    ['s', 1e12],
    ['ms', 1e9],
    ['us', 1e6],
    ['ns', 1e3],
  ] as const) {
    if (ps >= scale && (ps * 1000) % scale === 0) return `${ps / scale}${unit}`;
  }
  return `${ps}ps`;
}
