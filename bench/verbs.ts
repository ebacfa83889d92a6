/**
 * The verbs round trip: post an inline RDMA write of eight bytes, wait for its completion. On one adapter, looped back, no packet touches the fabric,
 * so the figure is the cost of verbs, transport and program; across two worker threads it is the cost of crossing.
 */
import { costOf, type RunCase } from './run-cost.ts';
import type { BenchRow } from './types.ts';

interface Case extends Omit<RunCase, 'program' | 'args'> {
  readonly name: string;
  readonly program: 'loopback' | 'remote-write';
  /** Nodes that go round. */
  readonly nodes: number;
  readonly rounds: { readonly short: number; readonly long: number };
  readonly maxUsPerRoundTrip: number;
}

const CASES: readonly Case[] = [
  {
    name: 'loopback, inline',
    program: 'loopback',
    topology: 'topologies/two-hosts.yaml',
    options: { placement: 'inline' },
    nodes: 2,
    rounds: { short: 1000, long: 200_000 },
    maxUsPerRoundTrip: 0.6,
  },
  {
    name: 'loopback, pool, 1024 busy nodes',
    program: 'loopback',
    topology: 'topologies/fat-tree-k16.yaml',
    options: { placement: 'pool' },
    nodes: 1024,
    rounds: { short: 1, long: 400 },
    maxUsPerRoundTrip: 1.5,
  },
  {
    name: 'loopback, pool of 2, 1024 busy nodes',
    program: 'loopback',
    topology: 'topologies/fat-tree-k16.yaml',
    options: { placement: 'pool', workers: 2 },
    nodes: 1024,
    rounds: { short: 1, long: 400 },
    maxUsPerRoundTrip: 1.5,
  },
  {
    name: 'two nodes across two workers',
    program: 'remote-write',
    topology: 'topologies/two-hosts.yaml',
    options: { placement: 'pool', workers: 2 },
    nodes: 1,
    rounds: { short: 500, long: 20_000 },
    maxUsPerRoundTrip: 30,
  },
];

export async function measure(): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const { name, program, nodes, rounds, maxUsPerRoundTrip, ...place } of CASES) {
    const { cpuSeconds, marginalCpuSeconds } = await costOf(
      { ...place, program: { kind: 'file', path: `bench/programs/${program}.ts` }, args: (count) => [`${count}`] },
      rounds.short,
      rounds.long,
    );
    const usPerRoundTrip = (marginalCpuSeconds * 1e6) / (nodes * (rounds.long - rounds.short));
    rows.push({
      name: `verbs/${name}`,
      packetHopsPerCpuSecond: null,
      eventsPerPacketHop: null,
      cpuSeconds,
      peakMiB: null,
      figures: { usPerRoundTrip },
      target: `<= ${maxUsPerRoundTrip} us of CPU, all threads`,
      ok: usPerRoundTrip <= maxUsPerRoundTrip,
    });
  }
  return rows;
}
