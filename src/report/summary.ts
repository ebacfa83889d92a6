/**
 * The closing lines of a run: what was simulated, at which cost, and the hash that says whether two runs were the same.
 */
import { formatPs } from '../sim/index.ts';
import { formatCount, formatScaled } from './table.ts';

/** What the summary tells of; the `run` object of the JSON output has this shape. */
export interface SummaryReport {
  readonly hash: string;
  readonly seed: number;
  readonly version: string;
  readonly simulatedPs: number;
  readonly packets: number;
  readonly packetHops: number;
  readonly events: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly placement: string;
  readonly workers: number;
}

/** Two lines: what happened in virtual time, and what it took in real time. */
export function formatRunSummary(run: SummaryReport): string[] {
  const workers = `${run.workers} worker ${run.workers === 1 ? 'thread' : 'threads'}`;
  const placement = run.workers === 0 ? run.placement : `${run.placement}, ${workers}`;
  const rate = run.cpuMs > 0 ? `, ${formatScaled((1000 * run.packetHops) / run.cpuMs)} packet-hops per CPU second` : '';
  return [
    `${formatPs(run.simulatedPs)} simulated, ${formatCount(run.packets)} packets, ${formatCount(run.packetHops)} packet-hops, ` +
      `${formatCount(run.events)} events, seed ${run.seed}, hash ${run.hash}`,
    `${seconds(run.wallMs)} s of wall time, ${seconds(run.cpuMs)} s of CPU (${placement})${rate}`,
  ];
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}
