import { expect, test } from 'vitest';
import { star, threeLevelTree } from '../../bench/kernel-topologies.ts';
import type { FabricSpec } from '../../src/fabric/index.ts';
import { createFabric } from '../../src/fabric/index.ts';
import { makeWiring } from '../../src/fabric/wiring.ts';
import { layTables } from '../../src/fabric/wiring-tables.ts';
import { send } from './helpers.ts';

test('the lookahead is the least of hop, delivery of the smallest packet, and return of a credit', () => {
  const of = (spec: FabricSpec): number => makeWiring(spec).lookaheadPs;
  const base = { hosts: 2, latencyPs: 100_000, propagationPs: 50_000, psPerByte: 80 } as const;
  // a credit: smallest packet (26 bytes) and cable
  expect(of(star(base))).toBe(50_000 + 26 * 80);
  expect(of({ ...star(base), minWireBytes: 2074 })).toBe(150_000);
  expect(of({ ...star({ ...base, sw: { creditReturnPs: 30_000 } }), minWireBytes: 1000 })).toBe(130_000); // delivery at a host
  expect(of(star({ ...base, latencyPs: 1000, sw: { creditReturnPs: 30_000 } }))).toBe(51_000);
});

test('a credit of a small packet reaches the sender inside what would be a hop of large ones (a window too long loses it)', () => {
  // small packets, one packet of buffer: each needs the credit of the one before it, and the credit takes less than a hop
  const fabric = createFabric({ ...star({ hosts: 2, bufferBlocks: 1 }), minWireBytes: 30, maxWireBytes: 64 });
  const n = 50;
  for (let i = 0; i < n; i++) send(fabric, { timePs: 0, from: 0, dlid: 2, wireBytes: 30, number: i });
  // start to start: cable, switch, the packet itself, cable back
  const period = 50_000 + 100_000 + 30 * 80 + 50_000;
  fabric.runUntil(1e9);
  expect(fabric.stats().delivered).toBe(n);
  const times = Array.from({ length: n }, (_, i) => i * period);
  expect(fabric.counters({ kind: 'host', index: 0 }).waitPs).toBe(times[n - 1] - (n - 1) * 30 * 80);
});

test('events that keep coming into the running slot do not run out of room (what was done makes room)', () => {
  // a slot lasts 0.2 ms here; the host offers a packet each 2.4 ns, nearly all of them refused: 80,000 events in a slot for 50 records
  const fabric = createFabric(
    {
      seed: 1,
      switches: [],
      hostPorts: [0, 1].map((h) => ({ name: `h${h}`, node: h, lid: h + 1, dataVls: 1, bufferBlocks: 1 })),
      links: [
        {
          a: { kind: 'host', index: 0, port: 1 },
          b: { kind: 'host', index: 1, port: 1 },
          psPerByte: 80,
          propagationPs: 200_000_000,
        },
      ],
      traffic: {
        pattern: { kind: 'table', to: [1, -1] },
        mode: { kind: 'open', load: 1, spacing: 'even', queueLimit: 2 },
        sizes: [{ wireBytes: 30, weight: 1 }],
      },
    },
    { packetCapacity: 50 },
  );
  fabric.runUntil(1_000_000_000);
  // one packet per round trip of its credit: starts at 0, 400 us, 800 us; the last is still on the cable
  expect(fabric.stats()).toMatchObject({ delivered: 2, packetHops: 3 });
  const offered = fabric.stats().injected + fabric.traffic().refused;
  expect(Math.abs(offered - 1_000_000_000 / 2400)).toBeLessThan(2);
});

test('equal tables are kept once, and ports know theirs', () => {
  const tree = threeLevelTree({ k: 4 });
  const map = new Uint8Array(16);
  const arb = {
    high: [],
    low: [
      { vl: 0, weight: 0 },
      { vl: 1, weight: 9 },
    ],
    highLimit: 3,
  };
  const spec = {
    ...tree,
    switches: tree.switches.map((s) => ({ ...s, sl2vl: map, vlArb: { 1: arb }, hoqLife: { 2: 1 }, lifeTime: 0 })),
  };
  const wiring = makeWiring(spec);
  const tables = layTables(spec, wiring.portBase, wiring.switchPorts, wiring.ports, wiring.vls);
  expect(tables.sl2vl.length).toBe(32);
  expect(tables.arbTables.length).toBe(2);
  expect([...tables.arbTables[1].lowVl]).toEqual([1]);
  expect(tables.arbTables[1].highLimitBytes).toBe(3 * 4096);
  expect([...tables.arbOf.slice(0, 4)]).toEqual([1, 0, 0, 0]);
  expect([...tables.hoqPs.slice(0, 3)]).toEqual([Number.POSITIVE_INFINITY, 8_192_000, Number.POSITIVE_INFINITY]);
  expect(tables.lifePs[0]).toBe(4_096_000);
  expect(wiring.uses).toMatchObject({
    oneRate: true,
    sl2vl: true,
    arbTables: true,
    lifetimes: true,
    fifo: false,
    multicast: false,
  });
});

test('processes: one per switch, one per group of hosts on a switch', () => {
  const wiring = makeWiring(threeLevelTree({ k: 4 }));
  expect(wiring.processes).toBe(20 + 8);
  for (let p = 0; p < wiring.ports; p++) expect(wiring.processPort[wiring.processOf[p] * 32 + wiring.bitOf[p]]).toBe(p);
});
