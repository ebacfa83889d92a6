/**
 * Prints what synthetic traffic measured: accepted load, latency, fairness among the sources, and how full the links were.
 */
import { formatCount, formatScaled, formatShare, formatTable } from './table.ts';

/** How one direction of a link was used during the measured part. */
export interface LinkUse {
  /** `leaf1:3 -> spine2:1`. */
  readonly name: string;
  /** Share of the time that it carried bits, 0 … 1. */
  readonly use: number;
  /** Share of the time that a packet was ready but had to wait for credits or the arbiter (PortXmitWait). */
  readonly wait: number;
}

export interface TrafficReport {
  readonly pattern: string;
  readonly hosts: number;
  /** Share of the sources' data rate; null in a closed loop. */
  readonly offeredLoad: number | null;
  /** Mean over the sources, share of their data rate. */
  readonly acceptedLoad: number;
  /** Payload delivered per second, all hosts together. */
  readonly bytesPerSecond: number;
  readonly messages: number;
  /** From the moment a message is made to its last byte's arrival. */
  readonly latencyPs: {
    readonly min: number;
    readonly mean: number;
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
  };
  /** Latencies and how often each was seen, for the percentile file; values may be rounded to 0.1 %. */
  readonly latencySamples: readonly (readonly [valuePs: number, count: number])[];
  /** Among what each source got through: Jain's index (1 = all alike), least and greatest share of the mean. */
  readonly fairness: { readonly jain: number; readonly leastOfMean: number; readonly greatestOfMean: number };
  /** Every link direction that can carry this traffic, the fullest first. */
  readonly links: readonly LinkUse[];
}

/** Lines of the report, with the `linkRows` fullest links. */
export function formatTraffic(report: TrafficReport, linkRows = 10): string[] {
  const latency = report.latencyPs;
  const us = (ps: number): string => (ps / 1e6).toFixed(3);
  const offered = report.offeredLoad === null ? 'closed loop' : `offered ${formatShare(report.offeredLoad)}`;
  const fair = report.fairness;
  return [
    `${report.pattern}, ${formatCount(report.hosts)} hosts, ${offered}`,
    `  accepted  ${formatShare(report.acceptedLoad)} of the links' data rate, ${formatScaled(report.bytesPerSecond)}B/s, ` +
      `${formatCount(report.messages)} messages`,
    `  fairness  Jain ${fair.jain.toFixed(4)}, sources get ${fair.leastOfMean.toFixed(2)} to ${fair.greatestOfMean.toFixed(2)} of the mean`,
    '',
    ...formatTable(
      ['us', 'min', 'mean', '50 %', '90 %', '99 %', '99.9 %', 'max'].map((title, i) => ({
        title,
        align: i === 0 ? 'left' : 'right',
      })),
      [['latency', ...[latency.min, latency.mean, latency.p50, latency.p90, latency.p99, latency.p999, latency.max].map(us)]],
      '  ',
    ),
    '',
    ...formatLinks(report.links, linkRows),
  ];
}

function formatLinks(links: readonly LinkUse[], count: number): string[] {
  if (links.length === 0) return [];
  const mean = links.reduce((sum, link) => sum + link.use, 0) / links.length;
  const idle = links.filter((link) => link.use === 0).length;
  const shown = links.slice(0, count).map((link) => [link.name, formatShare(link.use), formatShare(link.wait)]);
  const columns = [{ title: 'fullest links' }, { title: 'in use' }, { title: 'waiting' }];
  return [
    `  links     mean use ${formatShare(mean)} over ${formatCount(links.length)} directions, ${formatCount(idle)} idle`,
    ...formatTable(columns, shown, '  '),
  ];
}

/** The object that `--json` writes for traffic: the report without the raw samples. */
export function trafficToJson<T extends TrafficReport>(report: T): Omit<T, 'latencySamples'> {
  const { latencySamples: _, ...rest } = report;
  return rest;
}
