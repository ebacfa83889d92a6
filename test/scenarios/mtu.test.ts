/** Links of several MTUs on one path: packets that fit pass, longer ones are discarded by the switch before the link, and counted there. */
import { expect, it } from 'vitest';
import { write } from './kit.ts';

const FABRIC = `
heddle: 1
defaults:
  node: { hca: { profile: connectx4-edr } }
  switch: { type: switch-ib }
  link: { speed: EDR }
switches: { "switch[1-2]": {} }
nodes: { "node[1-2]": {} }
links:
  - node1 -> switch1:1
  - node2 -> switch2:1
  - { connect: "switch1:2 -> switch2:2", mtu: 1024 }
`;
const SUCCESS = 0;
const RETRY_EXC_ERR = 12;
const MTU_1024 = 3;
const MTU_2048 = 4;

it('the least MTU of the path passes whole messages', async () => {
  const { status, counter } = await write(FABRIC, ['node2', 'node1'], ['bytes=10000', 'count=3', `mtu=${MTU_1024}`]);
  expect(status).toEqual([SUCCESS, SUCCESS, SUCCESS]);
  expect(counter('node2:1', 'portRcvPkts')).toBe(30);
});

it.each([
  [1108, SUCCESS, 0], // LRH, BTH, RETH, ICRC and VCRC are 42 bytes of the 126 that all headers may have
  [1109, RETRY_EXC_ERR, 2],
])('a larger one passes what is no longer than the link’s MTU with all headers: %i bytes', async (bytes, expected, lost) => {
  const { status, counter, result } = await write(FABRIC, ['node2', 'node1'], [`bytes=${bytes}`, `mtu=${MTU_2048}`, 'timeout=8']);
  expect(status).toEqual([expected]);
  expect(counter('switch1:1', 'portRcvPkts')).toBe(lost === 0 ? 1 : lost);
  expect(counter('node2:1', 'portRcvPkts')).toBe(lost === 0 ? 1 : 0);
  expect(result.warnings).toEqual([expect.stringMatching(/^links have MTUs from 1024 to 4096 bytes/)]);
});
