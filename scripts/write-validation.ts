/**
 * Writes docs/validation.md and its plots (docs/validation/*.svg) from the tables of all validation modules:
 *
 *   npm run --silent validate -- --json | npx tsx scripts/write-validation.ts
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ValidationRow, ValidationTable } from '../validate/types.ts';
import { type Curve, drawCurves } from './curve-plot.ts';

const DOCUMENT = fileURLToPath(new URL('../docs/validation.md', import.meta.url));
const FOLDER = fileURLToPath(new URL('../docs/validation', import.meta.url));

const INTRODUCTION = `# Is it right?

What heddle gives, beside published measurements and computed laws. \`npm run validate\` prints these tables, and ends with exit code 1 when a row is outside its
tolerance; \`npm run validate -- NAME\` runs one module of \`validate/\`. This page and its plots are written from its output:

    npm run --silent validate -- --json | npx tsx scripts/write-validation.ts

Adapter profiles (\`src/hca/profiles.ts\`, explained in [model-hca.md](model-hca.md)) hold physical parameters: latencies, rates, sizes. They are fitted to the tables
below, which the simulator never reads: our column is what the programs report at the end of whole runs. Rows without a tolerance are for information. Where one set of physical
parameters can not meet two measurements, they share the difference: between the ConnectX-2 cards a lone 4 MiB message runs at 27.3 Gb/s in every test, but a stream of WRITEs at 25.2,
of SENDs at 27.3 and of READs at 24.3 Gb/s.

A ratio is ours by published.
`;

/** \`write 4096 B\`, \`88 queue pairs\`. */
const POINT = /^(?:([a-z]+) )?(\d+) (B|queue pairs)$/;
const LEAST_POINTS = 5;

function curvesOf(rows: readonly ValidationRow[]): { curves: Curve[]; unit: string } {
  const curves = new Map<string, { x: number; published: number; ours: number }[]>();
  let unit = '';
  for (const { name, published, ours } of rows) {
    const [, curve = 'heddle', x, what] = POINT.exec(name) ?? [];
    if (x === undefined) continue;
    unit = what as string;
    curves.set(curve, [...(curves.get(curve) ?? []), { x: Number(x), published, ours }]);
  }
  return { curves: [...curves].map(([name, points]) => ({ name, points })).filter((c) => c.points.length >= LEAST_POINTS), unit };
}

const fileName = (title: string): string =>
  `${title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')}.svg`;

/** Draws a table that is a curve; the line that shows it. */
function plotOf({ title, unit = '', rows }: ValidationTable): string[] {
  const { curves, unit: xUnit } = curvesOf(rows);
  if (curves.length === 0) return [];
  const xTitle = xUnit === 'B' ? 'message size, bytes' : xUnit;
  writeFileSync(`${FOLDER}/${fileName(title)}`, drawCurves({ title, xTitle, yTitle: unit, curves }));
  return [`![${title}](validation/${fileName(title)})`, ''];
}

const number = (value: number): string => (Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(5))));

function section(table: ValidationTable): string {
  const { title, source, unit, rows } = table;
  const cells = rows.map(({ name, published, ours, ratio, tolerance, ok }) =>
    [name, number(published), number(ours), ratio.toFixed(4), ok ? tolerance : `**outside** ${tolerance}`].map((text) =>
      text.replaceAll('|', '\\|'),
    ),
  );
  const lines = [
    `## ${title}`,
    '',
    `${source}.${unit === undefined ? '' : ` Unit: ${unit}.`}`,
    '',
    ...plotOf(table),
    '| | published or computed | heddle | ratio | tolerance |',
    '| --- | ---: | ---: | ---: | --- |',
    ...cells.map((row) => `| ${row.join(' | ')} |`),
  ];
  return `${lines.join('\n')}\n`;
}

const tables = JSON.parse(readFileSync(0, 'utf8')) as ValidationTable[];
mkdirSync(FOLDER, { recursive: true });
for (const file of readdirSync(FOLDER)) if (file.endsWith('.svg')) rmSync(`${FOLDER}/${file}`);
const rows = tables.flatMap((table) => table.rows);
const inside = rows.filter((row) => row.ok).length;
const summary = `${inside} of ${rows.length} rows in ${tables.length} tables are within their tolerance.\n`;
writeFileSync(DOCUMENT, [INTRODUCTION, summary, ...tables.map(section)].join('\n'));
process.stderr.write(`docs/validation.md: ${summary}`);
