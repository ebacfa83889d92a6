/** Several ways from one node to another: LIDs of one port (LMC), ports, adapters. */
import { expect, it } from 'vitest';
import { write } from './kit.ts';

const SUCCESS = 0;
const RETRY_EXC_ERR = 12;

const TREE = `
heddle: 1
defaults:
  node: { hca: { profile: connectx4-edr, ports: [ { lmc: 2 } ] } }
  switch: { type: switch-ib }
  link: { speed: EDR }
generate: { kind: fat-tree, k: 8, levels: 2 }
routing: { engine: fat-tree }
`;

it('each LID of a port is reached over another spine: one cable down cuts one of four paths', async () => {
  const statuses = await Promise.all(
    [0, 1, 2, 3].map(async (path) => {
      const args = [`path=${path}`, 'timeout=8'];
      return (await write(TREE, ['node9', 'node1'], args, { faults: ['link leaf1:6 down at 1us'] })).status[0];
    }),
  );
  expect(statuses.sort((a, b) => (a as number) - (b as number))).toEqual([SUCCESS, SUCCESS, SUCCESS, RETRY_EXC_ERR]);
});

const RAILS = `
heddle: 1
defaults:
  switch: { type: switch-ib }
  link: { speed: QDR }
switches: { "rail[1-3]": {} }
nodes:
  "node[1-2]":
    hcas:
      - { profile: connectx4-edr }
      - { profile: connectx2-qdr, ports: 2 }
links:
  - node[1-2]/mlx4_0:1 -> rail1:[1-2]
  - node[1-2]/mlx4_1:1 -> rail2:[1-2]
  - node[1-2]/mlx4_1:2 -> rail3:[1-2]
`;

it.each([
  ['mlx4_0', 1, 'rail1'],
  ['mlx4_1', 1, 'rail2'],
  ['mlx4_1', 2, 'rail3'],
])('traffic of %s port %i runs over %s and nowhere else', async (device, port, rail) => {
  const { status, counter } = await write(RAILS, ['node2', 'node1'], [`device=${device}`, `port=${port}`, 'count=3']);
  expect(status).toEqual([SUCCESS, SUCCESS, SUCCESS]);
  for (const name of ['rail1', 'rail2', 'rail3']) expect(counter(`${name}:1`, 'portRcvPkts')).toBe(name === rail ? 3 : 0);
});
