/**
 * The fabric kernel alone, with synthetic traffic: packet-hops per second of CPU on the three-level tree of 1024 hosts, and the same over a fixed event loop in the
 * same process, a ratio that a busy machine moves less. Alone: `npx tsx bench/kernel.ts`.
 */
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createFabric, type Fabric, type TrafficSpec } from '../src/fabric/index.ts';
import { threeLevelTree } from './kernel-topologies.ts';
import type { BenchRow } from './types.ts';

/** LRH 8, BTH 12, payload 2048, ICRC 4, VCRC 2. */
export const WIRE_BYTES = 2074;
const WARM_PS = 10_000_000;

export interface KernelCase {
  readonly name: string;
  readonly k: number;
  readonly traffic: TrafficSpec;
  /** Simulated time per chunk; the median of the chunks counts. */
  readonly chunkPs: number;
  readonly chunks: number;
  readonly minHopsPerSecond?: number;
}

export function uniform(load: number): TrafficSpec {
  return {
    pattern: { kind: 'uniform' },
    mode: { kind: 'open', load, queueLimit: 4 },
    sizes: [{ wireBytes: WIRE_BYTES, weight: 1 }],
    sls: [0, 1],
  };
}

/** CPU seconds, user and system, of this process since `since`. */
export function cpuSeconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

/**
 * The fixed loop that figures are held against: a binary heap of 1024 typed-array entries, the earliest taken out and put back a random
 * time later. Events per CPU second.
 */
export function holdLoopRate(events = 2_000_000): number {
  const n = 1024;
  const times = new Float64Array(n);
  let random = 12345;
  for (let i = 0; i < n; i++) times[i] = i;
  const before = process.cpuUsage();
  for (let e = 0; e < events; e++) {
    random = (Math.imul(random, 1664525) + 1013904223) | 0;
    const t = (times[0] as number) + (random >>> 12);
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= n) break;
      if (child + 1 < n && (times[child + 1] as number) < (times[child] as number)) child++;
      if ((times[child] as number) >= t) break;
      times[i] = times[child] as number;
      i = child;
    }
    times[i] = t;
  }
  return events / cpuSeconds(before);
}

/** Live bytes of the JavaScript heap, after a collection. */
function liveHeapBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

/** Runs one case: warm-up, then chunks. The loop that it is held against runs between the chunks, so that both see the same machine. */
export function measureCase(c: KernelCase): BenchRow {
  const fabric: Fabric = createFabric(threeLevelTree({ k: c.k, dataVls: 2, traffic: c.traffic }));
  fabric.runUntil(WARM_PS);
  holdLoopRate(200_000);
  const rates: number[] = [];
  const ratios: number[] = [];
  const start = fabric.stats();
  const heap = liveHeapBytes();
  let cpu = 0;
  for (let i = 1; i <= c.chunks; i++) {
    const hops = fabric.stats().packetHops;
    const before = process.cpuUsage();
    fabric.runUntil(WARM_PS + i * c.chunkPs);
    const seconds = cpuSeconds(before);
    cpu += seconds;
    const rate = (fabric.stats().packetHops - hops) / seconds;
    rates.push(rate);
    ratios.push(rate / holdLoopRate(500_000));
  }
  const grown = liveHeapBytes() - heap;
  const rss = process.memoryUsage().rss;
  const end = fabric.stats();
  fabric.assertConserved();
  const hops = end.packetHops - start.packetHops;
  const rate = median(rates);
  return {
    name: c.name,
    packetHopsPerCpuSecond: rate,
    eventsPerPacketHop: (end.events - start.events) / hops,
    cpuSeconds: cpu,
    peakMiB: Math.round(rss / 2 ** 20),
    figures: {
      bestPacketHopsPerCpuSecond: Math.max(...rates),
      ratioToHoldLoop: median(ratios),
      packetHops: hops,
      heapGrowthKiB: Math.round(grown / 1024),
      acceptedLoad: fabric.traffic().acceptedLoad,
    },
    ...(c.minHopsPerSecond === undefined
      ? {}
      : { target: `>= ${c.minHopsPerSecond / 1e6} M packet-hops per CPU second`, ok: rate >= c.minHopsPerSecond }),
  };
}

const CASES: readonly KernelCase[] = [
  { name: 'kernel/k16-uniform-90', k: 16, traffic: uniform(0.9), chunkPs: 40_000_000, chunks: 11, minHopsPerSecond: 5e6 },
  {
    name: 'kernel/k16-shift-90',
    k: 16,
    traffic: { ...uniform(0.9), pattern: { kind: 'shift', by: 513 } },
    chunkPs: 40_000_000,
    chunks: 5,
    minHopsPerSecond: 7e6,
  },
  { name: 'kernel/k8-uniform-90', k: 8, traffic: uniform(0.9), chunkPs: 200_000_000, chunks: 5 },
];

export async function measure(): Promise<readonly BenchRow[]> {
  return CASES.map(measureCase);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(JSON.stringify(await measure(), null, 2));
