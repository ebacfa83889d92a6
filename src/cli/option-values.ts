/**
 * The values of a command's options, read as what they should be. Everything that is wrong is collected, so that the user sees
 * all of it at once; `finish` throws it. Nothing is rounded, clamped or guessed.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { ConfigError, type Issue, type Ps } from '../sim/index.ts';
import { didYouMean } from './near.ts';

const TIME_UNITS: Readonly<Record<string, number>> = { ps: 1, ns: 1e3, us: 1e6, ms: 1e9, s: 1e12 };
const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  k: 1024,
  K: 1024,
  KiB: 1024,
  M: 1024 ** 2,
  MiB: 1024 ** 2,
  kB: 1e3,
  MB: 1e6,
};

export class OptionValues {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #issues: Issue[] = [];

  /** `values` as yargs gives them: a text, a list of texts where the option repeats, `true` for a switch. */
  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  given(name: string): boolean {
    const value = this.#values[name];
    return value !== undefined && value !== false;
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    if (value === undefined) return undefined;
    if (value === '') return this.fail(name, 'is empty');
    return String(value);
  }

  /** Every value of an option that repeats. */
  texts(name: string): readonly string[] {
    const value = this.#values[name];
    if (value === undefined) return [];
    return (Array.isArray(value) ? value : [value]).map(String);
  }

  /** A decimal integer from `least` to `most`. */
  whole(name: string, least: number, most: number = Number.MAX_SAFE_INTEGER): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    return this.#refuse(
      name,
      text,
      most === Number.MAX_SAFE_INTEGER ? `a whole number, at least ${least}` : `a whole number from ${least} to ${most}`,
    );
  }

  /** A number above 0 and at most `most`. */
  positive(name: string, most: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d*\.?\d+(e[-+]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
    if (value > 0 && value <= most) return value;
    return this.#refuse(name, text, `a number above 0 and at most ${most}`);
  }

  /** A time with its unit, a whole number of ps, at least `least`. */
  timePs(name: string, least: Ps = 1): Ps | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const match = /^(\d+(?:\.\d+)?) ?(ps|ns|us|ms|s)$/.exec(text);
    const exact = match === null ? undefined : scaleExactly(match[1]!, TIME_UNITS[match[2]!]!);
    if (exact !== undefined && exact >= least) return exact;
    return this.#refuse(name, text, `a time such as 100us, in whole picoseconds, at least ${least} ps (ps, ns, us, ms, s)`);
  }

  /** A number of bytes: `2048`, `64KiB`, `1M` (k and M count in 1024s, as perftest's do). */
  bytes(name: string, least: number, most: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const match = /^(\d{1,12}) ?(B|k|K|KiB|M|MiB|kB|MB)?$/.exec(text);
    const value = match === null ? Number.NaN : Number(match[1]) * SIZE_UNITS[match[2] ?? '']!;
    if (value >= least && value <= most) return value;
    return this.#refuse(name, text, `a size from ${least} to ${most} bytes, such as 2048 or 4KiB`);
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const found = choices.find((choice) => choice === text);
    return found ?? this.#refuse(name, text, `one of ${choices.join(', ')}`, choices);
  }

  /** Where to write: a file that can be made, or `-` where `allowStandardOutput`. Looked at now, so that no long run ends in vain. */
  outputFile(name: string, allowStandardOutput = false): string | undefined {
    const path = this.text(name);
    if (path === undefined || (path === '-' && allowStandardOutput)) return path;
    try {
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return this.fail(name, `${path} is a folder`);
      accessSync(dirname(path), constants.W_OK);
    } catch (error) {
      return this.fail(name, `cannot write ${path}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
    }
    return path;
  }

  /** Says that `name` has no effect unless `holds`, where it was given. */
  needs(name: string, holds: boolean, condition: string): void {
    if (this.given(name) && !holds) this.fail(name, `has no effect ${condition}`);
  }

  /** Notes a mistake. Returns nothing, so that a reader can return it. */
  fail(name: string, message: string): undefined {
    this.#issues.push({ file: `--${name}`, path: '', message });
    return undefined;
  }

  /** Throws `ConfigError` with every mistake noted so far, if there is one. */
  finish(): void {
    if (this.#issues.length > 0) throw new ConfigError(this.#issues);
  }

  #refuse(name: string, found: string, accepted: string, near: readonly string[] = []): undefined {
    return this.fail(name, `found ${JSON.stringify(found)}, expected ${accepted}${didYouMean(found, near)}`);
  }
}

/** `decimal * factor` if that is a whole number below 2^53, else nothing. */
function scaleExactly(decimal: string, factor: number): number | undefined {
  const [whole = '', fraction = ''] = decimal.split('.');
  if (whole.length > 16 || fraction.length > 16) return undefined;
  const scaled = BigInt(whole + fraction) * BigInt(factor);
  const divisor = 10n ** BigInt(fraction.length);
  if (scaled % divisor !== 0n) return undefined;
  const value = Number(scaled / divisor);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** The same object without the keys that hold `undefined`. */
export function defined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never;
}
