/**
 * JSON output. The object of a run has exactly the keys that the manual promises: `program`, `options`, `results`, `run`
 * (and `breakdown` and `ports`, only where they were asked for).
 */
import type { BreakdownReport } from './breakdown.ts';
import type { PortCountersReport } from './port-counters.ts';
import type { SummaryReport } from './summary.ts';

export interface RunReport {
  readonly program: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** What the program returned: a list of results, one result, or nothing. */
  readonly results: unknown;
  readonly breakdown: readonly BreakdownReport[];
  /** Port counters, where they were asked for. */
  readonly ports?: readonly PortCountersReport[];
  readonly run: SummaryReport;
}

/** The object that `--json` writes for a run. `withBreakdown` adds the key `breakdown`. */
export function runToJson(report: RunReport, withBreakdown: boolean): Record<string, unknown> {
  const { program, options, run, ports } = report;
  const results = asList(report.results);
  const extra = { ...(withBreakdown ? { breakdown: report.breakdown } : {}), ...(ports === undefined ? {} : { ports }) };
  return { program, options, results, ...extra, run };
}

function asList(results: unknown): readonly unknown[] {
  if (results === undefined || results === null) return [];
  return Array.isArray(results) ? results : [results];
}

/** Indented JSON with a newline at the end. A bigint becomes a decimal text, bytes become a list, NaN and infinities become null. */
export function toJsonText(value: unknown): string {
  return `${JSON.stringify(value, replace, 2)}\n`;
}

function replace(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value as Uint8Array);
  return value;
}
