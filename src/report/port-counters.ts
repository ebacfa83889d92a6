/** Port counters for a reader: a table of the counters that are not zero anywhere. */
import { formatTable } from './table.ts';

/** PortCounters of one port by attribute name (IBA 16.1.3.5). */
export interface PortCountersReport {
  readonly port: string;
  readonly counters: Readonly<Record<string, number>>;
}

/** A row a port and a column a counter, without the counters that are zero at all ports. */
export function formatPortCounters(ports: readonly PortCountersReport[]): string[] {
  const names = [...new Set(ports.flatMap(({ counters }) => Object.keys(counters)))];
  const used = names.filter((name) => ports.some(({ counters }) => (counters[name] ?? 0) !== 0));
  const columns = [{ title: 'port' }, ...used.map((title) => ({ title, align: 'right' as const }))];
  return formatTable(
    columns,
    ports.map(({ port, counters }) => [port, ...used.map((name) => String(counters[name] ?? 0))]),
  );
}
