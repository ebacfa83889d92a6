/**
 * Command lines as getopt_long reads them: bundled short options (`-ab`), attached values (`-s64`, `--size=64`), unique beginnings of long options.
 *
 * Node's own `util.parseArgs` finds the tokens (it has that grammar, which yargs has not: yargs reads `-cRC` as three flags); this file checks them
 * against a table in which each option says whether it is used, accepted with a warning, or refused. Nothing is ignored silently, and all mistakes are reported at once.
 */
import { parseArgs } from 'node:util';
import { ConfigError, type Issue } from '../sim/index.ts';

/** One option of a tool. */
export interface OptionSpec {
  readonly long: string;
  readonly short?: string;
  /** Name of its value in the help text; absent for a flag. */
  readonly value?: string;
  /** What it does, one line. */
  readonly text: string;
  /** Absent: used. `warned`: accepted, without effect, says why. `refused`: an error, says why. */
  readonly verdict?: 'warned' | 'refused';
  /** Why it is warned of or refused. */
  readonly why?: string;
}

/** An option as found: how the user wrote it, and its value. */
export interface FoundOption {
  readonly spec: OptionSpec;
  readonly written: string;
  readonly value: string;
}

export interface FoundOptions {
  readonly options: readonly FoundOption[];
  /** What is no option; a mistake unless the tool takes them. */
  readonly positionals: readonly string[];
  /** One line each, to be printed. */
  readonly warnings: readonly string[];
  readonly issues: Issue[];
}

/** Reads `args` by `table`. Mistakes are collected in `issues`, so that more can be added before `throwIssues`. */
export function readOptions(
  tool: string,
  table: readonly OptionSpec[],
  args: readonly string[],
  takesPositionals = false,
): FoundOptions {
  const issues: Issue[] = [];
  const add = (path: string, message: string) => issues.push({ file: tool, path, message });
  const { tokens } = parseArgs({
    args: expandBeginnings(table, args, add),
    options: Object.fromEntries(
      table.map((spec) => [
        spec.long,
        {
          type: spec.value === undefined ? 'boolean' : 'string',
          ...(spec.short === undefined ? {} : { short: spec.short }),
        } as const,
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const options: FoundOption[] = [];
  const positionals: string[] = [];
  const warnings: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') {
      positionals.push(token.value);
      if (!takesPositionals)
        add(token.value, 'not an option; client and server are chosen by heddle, with --client and --server before the program');
    }
    if (token.kind !== 'option') continue;
    const spec = table.find((candidate) => candidate.long === token.name);
    if (spec === undefined) add(token.rawName, `unknown option${suggestion(table, token.name)}`);
    else if (spec.verdict === 'refused') add(token.rawName, `refused: ${spec.why}`);
    else if (options.some((option) => option.spec === spec)) add(token.rawName, 'given twice');
    else if (spec.value !== undefined && token.value === undefined) add(token.rawName, `needs a value: ${spec.value}`);
    else if (spec.value === undefined && token.value !== undefined) add(token.rawName, `takes no value, found ${token.value}`);
    else {
      options.push({ spec, written: token.rawName, value: token.value ?? '' });
      if (spec.verdict === 'warned') warnings.push(`warning: ${token.rawName} has no effect: ${spec.why}`);
    }
  }
  return { options, positionals, warnings, issues };
}

/** Throws a `ConfigError` with all of them, if there are any. */
export function throwIssues(issues: readonly Issue[]): void {
  if (issues.length > 0) throw new ConfigError(issues);
}

/** The value of a whole-number option, or `fallback` when it is absent; an issue when it is out of range. */
export function wholeOption(
  found: FoundOptions,
  tool: string,
  long: string,
  fallback: number,
  low: number,
  high: number,
): number {
  const option = found.options.find((candidate) => candidate.spec.long === long);
  if (option === undefined) return fallback;
  const value = parseWhole(option.value);
  if (value !== null && value >= low && value <= high) return value;
  found.issues.push({ file: tool, path: option.written, message: `found ${option.value}, accepted ${low} to ${high}` });
  return fallback;
}

/** Whether an option was given. */
export function hasOption(found: FoundOptions, long: string): boolean {
  return found.options.some((option) => option.spec.long === long);
}

/** The value of an option, or null. */
export function textOption(found: FoundOptions, long: string): string | null {
  return found.options.find((option) => option.spec.long === long)?.value ?? null;
}

/** The help text of a table, for `--help`. */
export function helpText(tool: string, table: readonly OptionSpec[]): string[] {
  const lines = [`Usage: heddle run TOPOLOGY ${tool} [options]`, '', 'Options:'];
  for (const spec of table) {
    if (spec.verdict === 'refused') continue;
    const name = `${spec.short === undefined ? '    ' : `-${spec.short}, `}--${spec.long}${spec.value === undefined ? '' : `=<${spec.value}>`}`;
    lines.push(`  ${name.padEnd(34)} ${spec.text}${spec.verdict === 'warned' ? ` (accepted, no effect: ${spec.why})` : ''}`);
  }
  return lines;
}

/** Replaces a unique beginning of a long option by the whole name, as getopt_long does. */
function expandBeginnings(
  table: readonly OptionSpec[],
  args: readonly string[],
  add: (path: string, message: string) => void,
): string[] {
  return args.map((arg) => {
    const match = /^--([^=]+)(=.*)?$/s.exec(arg);
    if (match === null) return arg;
    const name = match[1] as string;
    if (table.some((spec) => spec.long === name)) return arg;
    const candidates = table.filter((spec) => spec.long.startsWith(name));
    if (candidates.length > 1) add(`--${name}`, `may mean ${candidates.map((spec) => `--${spec.long}`).join(', ')}`);
    return candidates.length === 1 ? `--${candidates[0]?.long}${match[2] ?? ''}` : arg;
  });
}

function suggestion(table: readonly OptionSpec[], name: string): string {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[-_]/g, '');
  const near = table.filter((spec) => spec.verdict !== 'refused' && editDistance(plain(spec.long), plain(name)) <= 2);
  return near.length === 0 || name.length < 3 ? '' : `; did you mean ${near.map((spec) => `--${spec.long}`).join(' or ')}?`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** A whole number as C's strtol with base 0 reads it (decimal, 0x…, 0…), or null. */
export function parseWhole(text: string): number | null {
  const match = /^([-+]?)(0[xX][0-9a-fA-F]+|\d+)$/.exec(text);
  if (match === null) return null;
  const digits = match[2] as string;
  const octal = /^0\d+$/.test(digits);
  if (octal && /[89]/.test(digits)) return null;
  const value = octal ? Number.parseInt(digits, 8) : Number(digits);
  return match[1] === '-' ? -value : value;
}
