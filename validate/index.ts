/**
 * `npm run validate [-- --json] [-- NAME …]`: runs `rows()` of every module in this folder, each in a fresh process against the built
 * package, and prints each table: published or computed, ours, ratio, tolerance. Exit code 1 if a row is outside its tolerance.
 */
import { formatTable } from '../src/report/index.ts';
import { modulesOf, runModule } from '../scripts/built-module.ts';
import type { ValidationTable } from './types.ts';

const words = process.argv.slice(2);
const asJson = words.includes('--json');
const unknown = words.filter((word) => word.startsWith('-') && word !== '--json');
const names = modulesOf(
  'validate',
  'rows',
  words.filter((word) => !word.startsWith('-')),
);
const failures: string[] = [];

async function collect(): Promise<ValidationTable[]> {
  const tables: ValidationTable[] = [];
  for (const name of names) {
    try {
      const { value, wallSeconds } = await runModule<readonly ValidationTable[]>('validate', name, 'rows');
      tables.push(...value);
      if (!asJson) for (const table of value) printTable(table);
      process.stderr.write(`${name}: ${value.length} tables in ${wallSeconds.toFixed(1)} s\n`);
    } catch (error) {
      failures.push(`${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return tables;
}

function printTable({ title, source, unit, rows }: ValidationTable): void {
  const number = (value: number): string => (Number.isInteger(value) ? String(value) : value.toPrecision(5));
  const cells = rows.map((row) => [
    row.name,
    number(row.published),
    number(row.ours),
    row.ratio.toFixed(4),
    row.tolerance,
    row.ok ? 'ok' : 'OUTSIDE',
  ]);
  const columns = [
    { title: '', align: 'left' as const },
    { title: 'published' },
    { title: 'ours' },
    { title: 'ratio' },
    { title: 'tolerance', align: 'right' as const },
    { title: '' },
  ];
  const heading = unit === undefined ? title : `${title} (${unit})`;
  process.stdout.write(`${[heading, `  ${source}`, ...formatTable(columns, cells, '  ')].join('\n')}\n\n`);
}

async function main(): Promise<void> {
  if (unknown.length > 0 || names.length === 0) {
    process.stderr.write(
      unknown.length > 0 ? `unknown option ${unknown.join(' ')}; there is --json\n` : 'no validation of that name\n',
    );
    process.exit(2);
  }
  const tables = await collect();
  const rows = tables.flatMap((table) => table.rows);
  const outside = rows.filter((row) => !row.ok).length;
  if (asJson) process.stdout.write(`${JSON.stringify(tables, null, 2)}\n`);
  else
    process.stdout.write(
      `${rows.length - outside} of ${rows.length} rows in ${tables.length} tables are within their tolerance\n`,
    );
  for (const failure of failures) process.stderr.write(`failed: ${failure}\n`);
  process.exitCode = failures.length === 0 && outside === 0 ? 0 : 1;
}

void main();
