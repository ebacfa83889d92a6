/**
 * `npm run bench [-- --json] [-- NAME …]`: runs `measure()` of every module in this folder, each in a fresh process against the built
 * package, and prints one table, or one JSON array. Names choose modules whose name contains one of them.
 */
import { formatTable } from '../src/report/index.ts';
import { modulesOf, runModule } from '../scripts/built-module.ts';
import type { BenchRow } from './types.ts';

type MeasuredRow = BenchRow & { readonly peakMiB: number };

const words = process.argv.slice(2);
const asJson = words.includes('--json');
const unknown = words.filter((word) => word.startsWith('-') && word !== '--json');
const names = modulesOf(
  'bench',
  'measure',
  words.filter((word) => !word.startsWith('-')),
);
const failures: string[] = [];

async function measureAll(): Promise<MeasuredRow[]> {
  const rows: MeasuredRow[] = [];
  for (const name of names) {
    try {
      const { value, peakMiB, wallSeconds } = await runModule<readonly BenchRow[]>('bench', name, 'measure');
      rows.push(...value.map((row) => ({ ...row, peakMiB: row.peakMiB ?? peakMiB })));
      process.stderr.write(`${name}: ${value.length} rows in ${wallSeconds.toFixed(1)} s\n`);
    } catch (error) {
      failures.push(`${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return rows;
}

function printTable(rows: readonly MeasuredRow[]): void {
  const number = (value: number | null, digits: number, scale = 1): string =>
    value === null ? '' : (value / scale).toFixed(digits);
  const cells = rows.map((row) => [
    row.name,
    number(row.packetHopsPerCpuSecond, 2, 1e6),
    number(row.eventsPerPacketHop, 3),
    number(row.cpuSeconds, 2),
    number(row.peakMiB, 0),
    row.ok === undefined ? '' : row.ok ? 'yes' : 'NO',
    [...Object.entries(row.figures ?? {}).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`), row.target ?? '']
      .filter((text) => text !== '')
      .join(', '),
  ]);
  const titles = ['name', 'M hops/CPU s', 'events/hop', 'CPU s', 'peak MiB'].map((title, i) => ({
    title,
    align: i === 0 ? ('left' as const) : ('right' as const),
  }));
  const columns = [...titles, { title: 'met' }, { title: 'further figures; target', align: 'left' as const }];
  process.stdout.write(`${formatTable(columns, cells).join('\n')}\n`);
}

async function main(): Promise<void> {
  if (unknown.length > 0 || names.length === 0) {
    process.stderr.write(
      unknown.length > 0 ? `unknown option ${unknown.join(' ')}; there is --json\n` : 'no benchmark of that name\n',
    );
    process.exit(2);
  }
  const rows = await measureAll();
  const flat = rows.map(({ figures, ...row }) => ({ ...row, ...figures }));
  if (asJson) process.stdout.write(`${JSON.stringify(flat, null, 2)}\n`);
  else printTable(rows);
  for (const failure of failures) process.stderr.write(`failed: ${failure}\n`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}

void main();
