/**
 * How a topology says what is wrong: issues are collected, so that a user sees all of them at once, and thrown together.
 * Also the wording that every message shares: what was found, what is accepted, what was perhaps meant.
 */
import { isSilenced } from './salvage.ts';
import type { TopologyIssue } from './types.ts';

/** Everything wrong with one topology, found in one pass. `cluster` and the command line turn it into their own error. */
export class TopologyError extends Error {
  override readonly name = 'TopologyError';
  readonly issues: readonly TopologyIssue[];
  constructor(issues: readonly TopologyIssue[]) {
    super(issues.map(formatTopologyIssue).join('\n'));
    this.issues = issues;
  }
}

/** `file:line:column: path: message`, leaving out what is not known. */
export function formatTopologyIssue(issue: TopologyIssue): string {
  const place = [issue.file, issue.line, issue.column].filter((part) => part !== undefined && part !== '').join(':');
  return [place, issue.path, issue.message].filter((part) => part !== '').join(': ');
}

/** Where in the source something stands: a path of keys and indexes. The reader of the format turns it into line and column. */
export type Place = readonly (string | number)[];

/** The position of a place; `atKey` asks for the key rather than its value. `path` replaces the place's own form. */
export type Locate = (place: Place, atKey?: boolean) => { line?: number; column?: number; path?: string };

/** At most this many issues are kept; a last one says how many more there are. */
const MAX_ISSUES = 100;
/** Issues without a line come after those with one. */
const LAST = Number.MAX_SAFE_INTEGER;

/** Collects issues and warnings of one source. */
export class IssueList {
  readonly warnings: TopologyIssue[] = [];
  readonly #issues: TopologyIssue[] = [];
  readonly #file: string;
  readonly #locate: Locate;
  readonly #seen = new Set<string>();
  #silenced: readonly Place[] = [];
  #dropped = 0;
  #unsaid = 0;

  constructor(file: string, locate: Locate = () => ({})) {
    this.#file = file;
    this.#locate = locate;
  }

  /** Whether more issues would only be counted: a pass over very many things may stop. */
  get isFull(): boolean {
    return this.#issues.length >= MAX_ISSUES;
  }

  /** Mistakes met so far, silenced ones included: whoever compares two counts wants to know whether anything went wrong in between. */
  get count(): number {
    return this.#issues.length + this.#unsaid;
  }

  /** From now on, mistakes at, above or below these places are taken for consequences of those noted, and not noted. */
  silence(places: readonly Place[]): void {
    this.#silenced = [...this.#silenced, ...places];
  }

  /** Notes a mistake at `place`. */
  add(place: Place, message: string, atKey = false): void {
    if (this.#silenced.length > 0 && isSilenced(place, this.#silenced)) {
      this.#unsaid++;
      return;
    }
    // A mistake in a range or a default shows in each thing that it covers; it is said once.
    const key = `${place.join('\0')}\0\0${message}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    if (this.#issues.length >= MAX_ISSUES) this.#dropped++;
    else this.#issues.push(this.#make(place, message, atKey));
  }

  /** Notes a mistake at a line and column. */
  addAt(position: { line?: number; column?: number }, message: string, path = ''): void {
    if (this.#issues.length >= MAX_ISSUES) this.#dropped++;
    else this.#issues.push({ file: this.#file, ...position, path, message });
  }

  /** Notes what the user should know, though it is no mistake. */
  warn(place: Place, message: string): void {
    if (this.warnings.length < MAX_ISSUES) this.warnings.push(this.#make(place, message, false));
  }

  /** Throws `TopologyError` if anything was added. */
  throwIfAny(): void {
    if (this.#issues.length === 0) return;
    const rest = this.#dropped > 0 ? [{ file: this.#file, path: '', message: `and ${this.#dropped} more` }] : [];
    const inOrder = [...this.#issues].sort((a, b) => (a.line ?? LAST) - (b.line ?? LAST) || (a.column ?? 0) - (b.column ?? 0));
    throw new TopologyError([...inOrder, ...rest]);
  }

  #make(place: Place, message: string, atKey: boolean): TopologyIssue {
    return { file: this.#file, path: formatPlace(place), ...this.#locate(place, atKey), message };
  }
}

/** `nodes.cpu1.hcas[0].profile`. */
export function formatPlace(place: Place): string {
  let text = '';
  for (const part of place) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** What was found, short enough for one line. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'object') return 'a map';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** `a, b or c`. */
export function oneOf(names: readonly string[]): string {
  if (names.length === 0) return 'nothing';
  return names.length === 1 ? names[0]! : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}

/** `; did you mean X?` where one of `names` is near `found`, else nothing. */
export function didYouMean(found: string, names: Iterable<string>): string {
  if (found.length > 64) return '';
  let best = '';
  let bestDistance = Math.max(1, Math.floor(found.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(found.toLowerCase(), name.toLowerCase(), bestDistance);
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best === '' ? '' : `; did you mean ${best}?`;
}

/** Levenshtein's distance with swaps of neighbours, or `limit` if it is not below that. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(row[j - 1]! + 1, last[j]! + 1, last[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, beforeLast[j - 2]! + 1);
      row.push(best);
    }
    [beforeLast, last] = [last, row];
  }
  return Math.min(last[b.length]!, limit);
}
