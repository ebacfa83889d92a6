/** A host bus that is slower than the wire: the port's buffer fills, credits stay away, and the ports before it wait, back to the sender. */
import { expect, it } from 'vitest';
import { write } from './kit.ts';

const PS_PER_BYTE = 400;
const FABRIC = `
heddle: 1
defaults:
  node: { hca: { profile: connectx4-edr } }
  switch: { type: switch-ib }
  link: { speed: EDR }
switches: { switch1: {} }
nodes:
  "node[1-2]": {}
  slow: { hca: { overrides: { hostWritePsPerByte: ${PS_PER_BYTE} } } }
links: [ "node[1-2] -> switch1:[1-2]", "slow -> switch1:3" ]
`;
const MESSAGES = ['bytes=1048576', 'count=20', 'mtu=5'];

it('the bus is the rate, and every port on the way counts its wait', async () => {
  const { bytesPerSecond, counter, result } = await write(FABRIC, ['slow', 'node1'], MESSAGES);
  // the bus carries headers, too
  expect(bytesPerSecond / (1e12 / PS_PER_BYTE)).toBeGreaterThan(0.985);
  expect(bytesPerSecond / (1e12 / PS_PER_BYTE)).toBeLessThan(1);
  // a tick is the time of 4 bytes on the link, 320 ps; the wire is idle for what the bus takes beyond 80 ps a byte
  const waitPs = (counter('switch1:3', 'portXmitWait') as number) * 320;
  const idlePs = 20 * 2 ** 20 * (PS_PER_BYTE - 80);
  expect(waitPs / idlePs).toBeGreaterThan(0.97);
  expect(waitPs / idlePs).toBeLessThan(1.03);
  const sender = (counter('node1:1', 'portXmitWait') as number) * 320;
  expect(sender / idlePs).toBeGreaterThan(0.97);
  expect(sender / idlePs).toBeLessThan(1.03);
  expect(counter('switch1:3', 'portXmitDiscards')).toBe(0);
  expect(result.run.packetHops).toBe(result.run.packets * 2);
});

it('a bus as fast as the wire lets nobody wait', async () => {
  const { counter } = await write(FABRIC, ['node2', 'node1'], MESSAGES);
  expect(counter('switch1:2', 'portXmitWait')).toBe(0);
  expect(counter('node1:1', 'portXmitWait')).toBe(0);
});
