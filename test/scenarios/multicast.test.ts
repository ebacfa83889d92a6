/** Multicast in whole runs: switches copy, adapters deliver to every attached queue pair, who has no receive loses it; no copy's payload is left (asserted by each run). */
import { expect, it } from 'vitest';
import type { Heard } from '../kit/multicast.ts';
import { runOn } from './kit.ts';

const fabric = (generate: string) => `
heddle: 1
defaults:
  node: { hca: { profile: connectx2-qdr } }
  link: { speed: QDR }
generate: ${generate}
`;

it.each([
  ['one switch', '{ kind: star, hosts: 5 }', 5],
  ['a tree', '{ kind: fat-tree, k: 4, levels: 2 }', 8],
  ['a grid', '{ kind: mesh, dimensions: [2, 3] }\nrouting: { engine: dor }', 6],
])('on %s', async (_, generate, hosts) => {
  const { perNode, ports } = await runOn(fabric(generate), 'multicast', []);
  for (let host = 1; host <= hosts; host++) {
    // six datagrams to each queue pair that is attached; the third has room for two; the sender's own adapter loops back
    expect(perNode[`node${host}`] as Heard).toEqual({ counts: host === 1 ? [0, 6, 2] : [6, 6, 2], intact: true });
    const counters = ports?.find(({ port }) => port === `node${host}:1`)?.counters;
    expect([counters?.portXmitPkts, counters?.portRcvPkts]).toEqual(host === 1 ? [6, 0] : [0, 6]);
  }
});

it('a cable that is down loses the copies of its own node only', async () => {
  const faults = ['link node3 down at 1us'];
  const { perNode } = await runOn(fabric('{ kind: star, hosts: 4 }'), 'multicast', [], { faults });
  expect(perNode.node2 as Heard).toEqual({ counts: [6, 6, 2], intact: true });
  expect(perNode.node3 as Heard).toEqual({ counts: [0, 0, 0], intact: true });
  expect(perNode.node4 as Heard).toEqual({ counts: [6, 6, 2], intact: true });
});
