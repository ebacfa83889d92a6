/**
 * Head-of-queue life, packet life time and VL stall, each at its exact time: a receiver takes one packet and no more, the output of the switch is blocked,
 * and what waits there is dropped when its time is over.
 */
import { expect, test } from 'vitest';
import { star } from '../../bench/kernel-topologies.ts';
import { createFabric, type Fabric, type SwitchSpec } from '../../src/fabric/index.ts';
import { delivered, send } from './helpers.ts';

const SERIAL = 2074 * 80;
/** From the start of a packet at its host to its place in the queue of the switch: cable and switch. */
const TO_QUEUE = 50_000 + 100_000;
/** Code 0. */
const LIFE = 4_096_000;
const BLOCKED = 2;

function blocked(sw: Partial<SwitchSpec>): Fabric {
  const host = (h: number) => (h === 1 ? { sinkPsPerByte: 1e6, bufferBlocks: 33 } : {});
  const fabric = createFabric({ ...star({ hosts: 3, host, sw: { bufferBlocks: 330, ...sw } }), maxWireBytes: 2074 });
  send(fabric, { timePs: 0, from: 0, dlid: BLOCKED, number: 0 }); // takes all credits for two milliseconds
  return fabric;
}

const discards = (fabric: Fabric) => fabric.counters({ kind: 'switch', index: 0, port: BLOCKED }).counters.portXmitDiscards;

/** That the number of discarded packets rises from `before` to `after` at exactly `atPs`. */
function expectDiscardsAt(fabric: Fabric, atPs: number, before: number, after: number): void {
  fabric.runUntil(atPs);
  expect(discards(fabric)).toBe(before);
  fabric.runUntil(atPs + 1);
  expect(discards(fabric)).toBe(after);
  fabric.assertConserved();
}

test.each(['voq', 'fifo'] as const)('head of queue (%s): each packet has its life from when it is the first', (model) => {
  const fabric = blocked({ hoqLife: 0, model });
  for (let i = 1; i <= 3; i++) send(fabric, { timePs: 0, from: 0, dlid: BLOCKED, number: i });
  const head = SERIAL + TO_QUEUE;
  expectDiscardsAt(fabric, head + LIFE, 0, 1);
  expectDiscardsAt(fabric, head + 2 * LIFE, 1, 2);
  expectDiscardsAt(fabric, head + 3 * LIFE, 2, 3);
  expect(fabric.stats().droppedBy['head-of-queue']).toBe(3);
  fabric.runUntil(5e9);
  expect(delivered(fabric).map((got) => got.number)).toEqual([0]);
  fabric.assertDrained();
});

test('packet life time: runs from the arrival in the switch, whatever is in front', () => {
  const fabric = blocked({ lifeTime: 0 });
  for (let i = 1; i <= 3; i++) send(fabric, { timePs: 0, from: 0, dlid: BLOCKED, number: i });
  for (let i = 1; i <= 3; i++) expectDiscardsAt(fabric, i * SERIAL + TO_QUEUE + LIFE, i - 1, i);
  expect(fabric.stats().droppedBy.lifetime).toBe(3);
  fabric.runUntil(5e9);
  fabric.assertDrained();
});

test('a packet that gets its credits in time lives', () => {
  const fabric = blocked({ hoqLife: 9, lifeTime: 9 }); // 2.1 ms; the receiver is ready again after 2074 us
  send(fabric, { timePs: 0, from: 0, dlid: BLOCKED, number: 1 });
  fabric.runUntil(5e9);
  expect(delivered(fabric).map((got) => got.number)).toEqual([0, 1]);
  fabric.assertDrained();
});

test('VL stall: so many lives over in a row, and the VL drops all for eight lives; then it begins anew', () => {
  const fabric = blocked({ hoqLife: 0, vlStallCount: 3 });
  for (let i = 1; i <= 5; i++) send(fabric, { timePs: 0, from: 0, dlid: BLOCKED, number: i });
  const head = SERIAL + TO_QUEUE;
  const stall = head + 3 * LIFE;
  expectDiscardsAt(fabric, head + LIFE, 0, 1);
  expectDiscardsAt(fabric, head + 2 * LIFE, 1, 2);
  expectDiscardsAt(fabric, stall, 2, 5); // the third, and the two behind it
  send(fabric, { timePs: stall + LIFE, from: 0, dlid: BLOCKED, number: 6 });
  send(fabric, { timePs: stall + LIFE, from: 2, dlid: 1, number: 7 }); // another output is not concerned
  expectDiscardsAt(fabric, stall + LIFE + TO_QUEUE, 5, 6); // as it comes
  const late = stall + 9 * LIFE;
  for (let i = 8; i <= 9; i++) send(fabric, { timePs: late, from: 0, dlid: BLOCKED, number: i });
  expectDiscardsAt(fabric, late + TO_QUEUE + LIFE, 6, 7); // one life over is no stall
  expectDiscardsAt(fabric, late + TO_QUEUE + 2 * LIFE, 7, 8);
  fabric.runUntil(5e9);
  expect(delivered(fabric).map((got) => got.number)).toEqual([0, 7]);
  fabric.assertDrained();
});
