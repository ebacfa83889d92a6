/** Whole runs on topologies that are written in the test itself. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTopologyFile, run, type RunOptions, type RunResult } from '../../src/cluster/index.ts';
import type { Written } from '../kit/writer.ts';

/** Runs a program of `test/kit` on the topology `yaml`. */
export async function runOn(
  yaml: string,
  program: string,
  programArgs: readonly string[],
  more: Partial<RunOptions> = {},
): Promise<RunResult> {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-'));
  try {
    const topologyFile = join(folder, 'fabric.yaml');
    writeFileSync(topologyFile, yaml);
    const topology = loadTopologyFile(topologyFile);
    const reference = { kind: 'file', path: `test/kit/${program}.ts` } as const;
    return await run({ topology, topologyFile, program: reference, programArgs, placement: 'inline', counters: true, ...more });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What `client` says of its writes to `server`, and a reader of port counters. */
export async function write(
  yaml: string,
  [server, client]: readonly [string, string],
  args: readonly string[],
  more: Partial<RunOptions> = {},
) {
  const result = await runOn(yaml, 'writer', args, { nodes: [server, client], ...more });
  const counter = (port: string, name: string): number | undefined => result.ports?.find((p) => p.port === port)?.counters[name];
  return { ...(result.perNode[client] as Written), counter, result };
}
