/** IPoIB in whole runs: real switches, the static subnet's paths and multicast trees. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeDirectory } from '../../src/cluster/directory.ts';
import { loadTopologyFile, type RunResult, run } from '../../src/cluster/index.ts';
import { planSubnet } from '../../src/cluster/subnet-plan.ts';
import { writeDirectory } from '../kit/directory-argument.ts';
import type { Talked } from '../kit/ipoib-hosts.ts';

async function talk(generate: string, args: readonly string[], placement: 'inline' | 'dedicated' = 'inline'): Promise<RunResult> {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-'));
  try {
    const topologyFile = join(folder, 'fabric.yaml');
    writeFileSync(
      topologyFile,
      `heddle: 1\ndefaults:\n  node: { hca: { profile: connectx2-qdr } }\n  link: { speed: QDR, mtu: 2048 }\ngenerate: ${generate}\n`,
    );
    const topology = loadTopologyFile(topologyFile);
    const program = { kind: 'file', path: 'test/kit/ipoib-hosts.ts' } as const;
    return await run({
      topology,
      topologyFile,
      program,
      programArgs: [writeDirectory(makeDirectory(topology, planSubnet(topology, false))), ...args],
      placement,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it.each([
  ['star', '{ kind: star, hosts: 4 }', 4, 'datagram'],
  ['fat tree', '{ kind: fat-tree, k: 4, levels: 2 }', 8, 'datagram'],
  ['fat tree, connected', '{ kind: fat-tree, k: 4, levels: 2 }', 8, 'connected'],
])('ARP, echoes and a group across a %s', async (_, generate, hosts, mode) => {
  const { perNode } = await talk(generate, [mode, '3', '1000']);
  const of = (node: number) => perNode[`node${node}`] as Talked;
  const echo = (what: string) => Array.from({ length: 3 }, () => `echo ${what} 1028`);
  expect(of(1).heard).toEqual(['arp', ...echo('reply')]);
  expect(of(2).heard).toEqual(['arp', ...echo('request')]);
  for (let node = 3; node <= hosts; node++) expect(of(node).heard).toEqual(node % 2 === 1 ? ['arp', 'group 128'] : ['arp']);
  expect(of(1).counters.connectionsMade).toBe(mode === 'connected' ? 1 : 0);
  // After the first, which waits for path and connection, an echo takes as long as the one before.
  const [, second, third] = of(1).echoPs;
  expect(second).toBe(third);
});

it('is the same wherever hosts are simulated', async () => {
  const args = ['datagram', '2', '56'];
  const [alone, apart] = await Promise.all([
    talk('{ kind: star, hosts: 3 }', args),
    talk('{ kind: star, hosts: 3 }', args, 'dedicated'),
  ]);
  expect(apart.perNode).toEqual(alone.perNode);
});
