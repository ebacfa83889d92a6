/**
 * The fabric kernel on 8192 hosts and 1280 switches (k = 32), in a process of its own: here memory latency counts, not instructions.
 * Alone: `npx tsx bench/kernel-large.ts`.
 */
import { pathToFileURL } from 'node:url';
import { measureCase, uniform } from './kernel.ts';
import type { BenchRow } from './types.ts';

export async function measure(): Promise<readonly BenchRow[]> {
  return [
    measureCase({
      name: 'kernel/k32-uniform-90',
      k: 32,
      traffic: uniform(0.9),
      chunkPs: 5_000_000,
      chunks: 5,
      minHopsPerSecond: 1.5e6,
    }),
  ];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(JSON.stringify(await measure(), null, 2));
