/**
 * Tables of text with aligned columns, and how numbers are written in them.
 * A table is lines without trailing blanks; the caller prints or joins them.
 */

export interface Column {
  readonly title: string;
  /** Default: `right` where every cell of the column is a number or looks like one, else `left`. */
  readonly align?: 'left' | 'right';
}

/** A cell; numbers are written with `String`, so the caller rounds. */
export type Cell = string | number;

const NUMBER_LIKE = /^[-+]?[\d,.]+( ?[%kMGT])?$/;

/** Lines of a table: the titles, then the rows. Rows shorter than the columns are filled with blanks. `indent` is put before each line. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly Cell[])[], indent = ''): string[] {
  const cells = rows.map((row) => columns.map((_, i) => String(row[i] ?? '')));
  const right = columns.map((column, i) =>
    isRight(
      column,
      cells.map((row) => row[i] ?? ''),
    ),
  );
  const widths = columns.map((column, i) => Math.max(width(column.title), ...cells.map((row) => width(row[i] ?? ''))));
  const line = (texts: readonly string[]): string =>
    (indent + texts.map((text, i) => pad(text, widths[i] ?? 0, right[i] ?? false)).join('  ')).trimEnd();
  return [line(columns.map((column) => column.title)), ...cells.map(line)];
}

function isRight(column: Column, texts: readonly string[]): boolean {
  if (column.align !== undefined) return column.align === 'right';
  const filled = texts.filter((text) => text !== '');
  return filled.length > 0 && filled.every((text) => NUMBER_LIKE.test(text));
}

function pad(text: string, columns: number, right: boolean): string {
  const blanks = ' '.repeat(Math.max(0, columns - width(text)));
  return right ? blanks + text : text + blanks;
}

/** Characters, not UTF-16 units. */
function width(text: string): number {
  return [...text].length;
}

/** `1,234,567`. */
export function formatCount(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Three significant digits with a prefix: `999`, `1.23 k`, `45.6 M`, `7.00 G`. */
export function formatScaled(value: number): string {
  const scales: readonly [number, string][] = [
    [1e12, ' T'],
    [1e9, ' G'],
    [1e6, ' M'],
    [1e3, ' k'],
  ];
  for (const [scale, unit] of scales) if (Math.abs(value) >= 0.9995 * scale) return `${threeDigits(value / scale)}${unit}`;
  return Number.isInteger(value) ? String(value) : threeDigits(value);
}

function threeDigits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

/** A share of 1 as `12.3 %`. */
export function formatShare(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Picoseconds as nanoseconds with all three decimals, exact: `1234.567`. Half picoseconds keep a fourth. */
export function formatNs(ps: number): string {
  const whole = Math.trunc(ps);
  const half = ps === whole ? '' : String(Math.abs(ps - whole)).slice(2);
  const sign = ps < 0 ? '-' : '';
  const size = Math.abs(whole);
  return `${sign}${Math.floor(size / 1000)}.${String(size % 1000).padStart(3, '0')}${half}`;
}
