/**
 * The built command as a user starts it, start-up included: wall and CPU time of whole processes. The least of a few runs counts, since
 * what disturbs a wall time only ever adds to it.
 */
import { spawn } from 'node:child_process';
import type { BenchRow } from './types.ts';

const RUNS = 3;

interface Case {
  readonly name: string;
  readonly words: readonly string[];
  readonly maxWallSeconds: number;
}

const CASES: readonly Case[] = [
  { name: 'start-up, heddle --version', words: ['--version'], maxWallSeconds: 0.4 },
  { name: 'start-up, heddle list', words: ['list'], maxWallSeconds: 0.4 },
  { name: 'ib_write_lat -n 1000', words: ['run', 'topologies/two-hosts.yaml', 'ib_write_lat', '-n', '1000'], maxWallSeconds: 1 },
  {
    name: 'ib_write_lat -a -n 100',
    words: ['run', 'topologies/two-hosts.yaml', 'ib_write_lat', '-a', '-n', '100'],
    maxWallSeconds: 5,
  },
];

/** Written to file descriptor 3 by the process itself as it ends: it alone knows the CPU time of all its threads. */
const REPORT_USAGE = `data:text/javascript,import{writeSync}from"node:fs";import{isMainThread}from"node:worker_threads";
if(isMainThread)process.on("exit",()=>writeSync(3,JSON.stringify(process.resourceUsage())));`;

interface ProcessRun {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly peakMiB: number;
}

async function runOnce(words: readonly string[]): Promise<ProcessRun> {
  const startMs = performance.now();
  const child = spawn(process.execPath, ['--import', REPORT_USAGE, 'dist/cli/main.js', ...words], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  let usage = '';
  let errors = '';
  child.stdio[3]?.on('data', (chunk) => {
    usage += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    errors += chunk;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  const wallSeconds = (performance.now() - startMs) / 1000;
  if (code !== 0) throw new Error(`heddle ${words.join(' ')} ended with exit code ${code}: ${errors}`);
  const { userCPUTime, systemCPUTime, maxRSS } = JSON.parse(usage) as NodeJS.ResourceUsage;
  return { wallSeconds, cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakMiB: maxRSS / 1024 };
}

export async function measure(): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const { name, words, maxWallSeconds } of CASES) {
    const runs: ProcessRun[] = [];
    for (let i = 0; i < RUNS; i++) runs.push(await runOnce(words));
    const wallSeconds = Math.min(...runs.map((run) => run.wallSeconds));
    rows.push({
      name: `command-line/${name}`,
      packetHopsPerCpuSecond: null,
      eventsPerPacketHop: null,
      cpuSeconds: Math.min(...runs.map((run) => run.cpuSeconds)),
      peakMiB: Math.max(...runs.map((run) => run.peakMiB)),
      figures: { wallSeconds },
      target: `< ${maxWallSeconds} s of wall time`,
      ok: wallSeconds < maxWallSeconds,
    });
  }
  return rows;
}
