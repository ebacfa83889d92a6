/**
 * Starting very many nodes: from a loaded topology to programs on all nodes having met at one barrier and ended, thread start-up included. Wall
 * time, the least of a few runs, since what disturbs it only ever adds to it.
 */
import { loadTopologyFile, type RunOptions, run } from '../src/cluster/index.ts';
import type { BenchRow } from './types.ts';

const RUNS = 3;
const MAX_WALL_SECONDS = 2;

interface Case {
  readonly name: string;
  readonly topology: string;
  readonly nodes: number;
  readonly placement: Pick<RunOptions, 'placement' | 'workers'>;
  /** Only 1024 nodes have a target. */
  readonly hasTarget: boolean;
}

const K16 = { topology: 'topologies/fat-tree-k16.yaml', nodes: 1024, hasTarget: true } as const;
const CASES: readonly Case[] = [
  { ...K16, name: '1024 nodes, pool', placement: { placement: 'pool' } },
  { ...K16, name: '1024 nodes, pool of 2', placement: { placement: 'pool', workers: 2 } },
  { ...K16, name: '1024 nodes, inline', placement: { placement: 'inline' }, hasTarget: false },
  {
    name: '3456 nodes, pool',
    topology: 'fat-tree:k=24,levels=3',
    nodes: 3456,
    placement: { placement: 'pool' },
    hasTarget: false,
  },
];

async function start({ topology: source, nodes, placement }: Case): Promise<{ wallSeconds: number; cpuSeconds: number }> {
  const topology = loadTopologyFile(source);
  if (topology.nodes.length !== nodes) throw new Error(`${source} has ${topology.nodes.length} nodes, not ${nodes}`);
  const startMs = performance.now();
  const cpu = process.cpuUsage();
  await run({
    topology,
    topologyFile: source,
    program: { kind: 'file', path: 'bench/programs/meet.ts' },
    programArgs: [],
    ...placement,
  });
  const { user, system } = process.cpuUsage(cpu);
  return { wallSeconds: (performance.now() - startMs) / 1000, cpuSeconds: (user + system) / 1e6 };
}

export async function measure(): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const one of CASES) {
    const runs = [];
    for (let i = 0; i < RUNS; i++) runs.push(await start(one));
    const wallSeconds = Math.min(...runs.map((run) => run.wallSeconds));
    rows.push({
      name: `scale/${one.name}`,
      packetHopsPerCpuSecond: null,
      eventsPerPacketHop: null,
      cpuSeconds: Math.min(...runs.map((run) => run.cpuSeconds)),
      peakMiB: null,
      figures: { wallSeconds },
      ...(one.hasTarget ? { target: `< ${MAX_WALL_SECONDS} s of wall time`, ok: wallSeconds < MAX_WALL_SECONDS } : {}),
    });
  }
  return rows;
}
