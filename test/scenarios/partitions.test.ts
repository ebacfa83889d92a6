/** Partitions of a topology file in whole runs: members talk, others do not, and the switch that stops them counts it. */
import { expect, it } from 'vitest';
import { write } from './kit.ts';

const FABRIC = `
heddle: 1
defaults:
  node: { hca: { profile: connectx2-qdr } }
  switch: { type: infiniscale-iv }
  link: { speed: QDR }
switches: { switch1: {} }
nodes: { "node[1-4]": {} }
links: [ "node[1-4] -> switch1:[1-4]" ]
`;
const PARTITIONS = `${FABRIC}
partitions:
  storage: { pkey: 0x0010, full: "node[1-2]" }
  compute: { pkey: 0x0011, full: node3, limited: "node[1,4]" }
`;
const SUCCESS = 0;
const RETRY_EXC_ERR = 12;

it.each([
  ['full and full', 'node1', 'node2', 0x10],
  ['limited to full', 'node1', 'node3', 0x11],
  ['full to limited', 'node3', 'node4', 0x11],
])('members talk: %s', async (_, client, server, pkey) => {
  const { status, counter } = await write(PARTITIONS, [server, client], [`pkey=${pkey}`]);
  expect(status).toEqual([SUCCESS]);
  for (const port of [1, 2, 3, 4]) {
    expect(counter(`switch1:${port}`, 'portXmitConstraintErrors') ?? 0).toBe(0);
    expect(counter(`switch1:${port}`, 'portRcvConstraintErrors') ?? 0).toBe(0);
  }
});

it.each([
  ['both limited members', 'node1', 'node4', 0x11],
  ['no member of the sender’s partition', 'node1', 'node3', 0x10],
  ['the default partition beside others has limited members only', 'node2', 'node4', 0x7fff],
])('others do not: %s', async (_, client, server, pkey) => {
  const { status, counter, violations } = await write(PARTITIONS, [server, client], [`pkey=${pkey}`, 'timeout=8']);
  expect(status).toEqual([RETRY_EXC_ERR]);
  expect(counter(`switch1:${server.slice(4)}`, 'portXmitConstraintErrors')).toBe(2); // once, and once again
  expect(counter(`${server}:1`, 'portRcvPkts')).toBe(0);
  expect(violations).toBe(0);
});

it('without a switch the adapter itself refuses, and counts', async () => {
  const cable = `
heddle: 1
defaults: { node: { hca: { profile: connectx2-qdr } }, link: { speed: QDR } }
nodes: { "node[1-2]": {} }
links: [ "node1 -> node2" ]
partitions: { apart: { pkey: 0x0010, limited: "node[1-2]" } }
`;
  const { status, result } = await write(cable, ['node2', 'node1'], ['pkey=0x10', 'timeout=8']);
  expect(status).toEqual([RETRY_EXC_ERR]);
  expect(result.perNode.node2).toMatchObject({ violations: 2 });
});
