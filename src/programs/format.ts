/**
 * Formatting as C's printf does it, to the character: what the real tools print is compared byte for byte.
 *
 * Conversions: d i u x X o s c g f and %%, with the flags `-`, `0`, `#`, `+` and space, width, precision and the length marks h, l, ll, z, which mean nothing here.
 * Doubles are rounded as glibc rounds them: exactly, ties to even.
 */
import { InvariantError } from '../sim/index.ts';

type Value = number | bigint | string;

const CONVERSION = /%([-0#+ ]*)(\d+)?(?:\.(\d+))?(?:hh|h|ll|l|z)?([diuxXoscgf%])/g;

/** The text that C's `sprintf(format, ...values)` gives. Throws `InvariantError` if the number of values does not fit the format. */
export function sprintf(format: string, ...values: readonly Value[]): string {
  let next = 0;
  const text = format.replace(
    CONVERSION,
    (_all, flags: string, width: string | undefined, precision: string | undefined, kind: string) => {
      if (kind === '%') return '%';
      if (next >= values.length) throw new InvariantError(`too few values for the format "${format}"`);
      const value = values[next++] as Value;
      return pad(
        convert(kind, value, flags, precision === undefined ? undefined : Number(precision)),
        flags,
        Number(width ?? 0),
        kind,
      );
    },
  );
  if (next !== values.length)
    throw new InvariantError(`${values.length} values for ${next} conversions in the format "${format}"`);
  return text;
}

function convert(kind: string, value: Value, flags: string, precision: number | undefined): string {
  switch (kind) {
    case 's':
      return precision === undefined ? String(value) : String(value).slice(0, precision);
    case 'c':
      return typeof value === 'string' ? value : String.fromCharCode(Number(value));
    case 'f':
      return signed(formatFixed(Number(value), precision ?? 6), flags);
    case 'g':
      return signed(formatGeneral(Number(value), precision ?? 6), flags);
    default:
      return convertInteger(kind, BigInt(value), flags);
  }
}

function convertInteger(kind: string, value: bigint, flags: string): string {
  switch (kind) {
    case 'x':
    case 'X': {
      const digits = value.toString(16);
      const text = flags.includes('#') && value !== 0n ? `0x${digits}` : digits;
      return kind === 'X' ? text.toUpperCase() : text;
    }
    case 'o':
      return (flags.includes('#') && value !== 0n ? '0' : '') + value.toString(8);
    case 'u':
      return value.toString();
    default:
      return signed(value.toString(), flags);
  }
}

function signed(text: string, flags: string): string {
  if (text.startsWith('-')) return text;
  if (flags.includes('+')) return `+${text}`;
  return flags.includes(' ') ? ` ${text}` : text;
}

function pad(text: string, flags: string, width: number, kind: string): string {
  if (text.length >= width) return text;
  if (flags.includes('-')) return text.padEnd(width);
  if (!flags.includes('0') || kind === 's' || kind === 'c' || /inf|nan/.test(text)) return text.padStart(width);
  const lead = /^[-+ ]?(?:0[xX])?/.exec(text)?.[0] ?? '';
  return lead + '0'.repeat(width - text.length) + text.slice(lead.length);
}

/** C's `%.{digits}f`: the exact value of the double, rounded half to even. */
export function formatFixed(value: number, digits: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  if (Math.abs(value) >= 1e21) return BigInt(value).toString() + (digits > 0 ? `.${'0'.repeat(digits)}` : '');
  const rounded = value.toFixed(digits); // ties away from zero; only a tie needs a second look
  if (!isTie(value, digits)) return negativeZero(value, rounded);
  const last = Number(rounded.at(-1));
  if (last % 2 === 0) return negativeZero(value, rounded);
  const step = 10 ** -digits;
  return negativeZero(value, (value - Math.sign(value) * (step / 2)).toFixed(digits));
}

function isTie(value: number, digits: number): boolean {
  // A tie is an odd multiple of 10^-digits / 2, so a multiple of 2^-(digits + 1), and then digits + 1 decimals show the double exactly.
  return Number.isInteger(value * 2 ** (digits + 1)) && value.toFixed(digits + 1).endsWith('5');
}

function negativeZero(value: number, text: string): string {
  return Object.is(value, -0) ? `-${text}` : text;
}

/** C's `%.{precision}g`. */
export function formatGeneral(value: number, precision: number): string {
  if (!Number.isFinite(value)) return formatFixed(value, 0);
  const significant = precision === 0 ? 1 : precision;
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const exponential = value.toExponential(significant - 1);
  const exponent = Number(exponential.slice(exponential.indexOf('e') + 1));
  if (exponent >= -4 && exponent < significant) return stripZeros(formatFixed(value, significant - 1 - exponent));
  const mantissa = stripZeros(exponential.slice(0, exponential.indexOf('e')));
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

function stripZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
