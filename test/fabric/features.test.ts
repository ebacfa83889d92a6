import { expect, test } from 'vitest';
import { star } from '../../bench/kernel-topologies.ts';
import { createFabric, type FabricSpec, PayloadPool, RECORD_BAD_CRC, recordFlags } from '../../src/fabric/index.ts';
import { delivered, send, take } from './helpers.ts';

const SERIAL = 2074 * 80;

test('management packets need no credits, go first, and are dropped when their buffer is full', () => {
  // host 2 drains nothing, so data to it stop after one buffer; management passes
  const fabric = createFabric({
    ...star({ hosts: 3, bufferBlocks: 33, host: (h) => (h === 2 ? { sinkPsPerByte: 1e6 } : {}), sw: { vl15Blocks: 5 } }),
    maxWireBytes: 2074,
  });
  for (let i = 0; i < 3; i++) send(fabric, { timePs: 0, from: 0, dlid: 3, number: i });
  fabric.runUntil(5_000_000);
  expect(delivered(fabric).map((g) => g.number)).toEqual([0]);
  send(fabric, { from: 0, dlid: 3, wireBytes: 282, vl15: true, number: 9 });
  fabric.runUntil(6_000_000);
  const [mad] = delivered(fabric);
  expect(mad).toMatchObject({ number: 9, vl: 15, timePs: 5_000_000 + 50_000 + 100_000 + 282 * 80 + 50_000 });
  // five blocks of room: of two 5-block packets that come while the output is taken, one stays outside
  for (let i = 0; i < 4; i++)
    send(fabric, { timePs: 7_000_000, from: i % 2, dlid: 3, wireBytes: 282, vl15: true, number: 20 + i });
  fabric.runUntil(8_000_000);
  expect(delivered(fabric).length + fabric.stats().droppedBy.vl15).toBe(4);
  expect(fabric.stats().droppedBy.vl15).toBe(1);
  const overrun = [1, 2].map((port) => fabric.counters({ kind: 'switch', index: 0, port }).counters.vl15Dropped);
  expect(overrun[0] + overrun[1]).toBe(1);
});

test('a packet for no port, for the switch itself, on an SL without a VL: dropped, counted, room given back', () => {
  const spec = star({
    hosts: 2,
    sw: { lft: Uint8Array.from([255, 1, 2, 0, 9]), sl2vl: Uint8Array.from({ length: 16 }, (_, sl) => (sl === 3 ? 15 : 0)) },
  });
  const fabric = createFabric({ ...spec, hostPorts: spec.hostPorts.map((h) => ({ ...h, sl2vl: new Uint8Array(16) })) });
  send(fabric, { from: 0, dlid: 3, number: 1 });
  send(fabric, { from: 0, dlid: 4, number: 2 });
  send(fabric, { from: 0, dlid: 777, number: 3 });
  send(fabric, { from: 0, dlid: 2, sl: 3, number: 4 });
  send(fabric, { from: 0, dlid: 2, sl: 5, number: 5 });
  fabric.runUntil(10_000_000);
  expect(delivered(fabric).map((g) => g.number)).toEqual([5]);
  expect(fabric.stats().droppedBy).toMatchObject({ route: 2, management: 1, vl: 1 });
  expect(fabric.counters({ kind: 'switch', index: 0, port: 1 }).counters.portRcvSwitchRelayErrors).toBe(3);
  expect(fabric.counters({ kind: 'switch', index: 0, port: 2 }).counters.portXmitDiscards).toBe(1);
  fabric.assertDrained();
});

test('partitions: what a member sends has a key of its own; what it gets has the same key, unless both are limited', () => {
  const only = (enforceIn: boolean, enforceOut: boolean, table: number[]) => ({ table, enforceIn, enforceOut });
  const fabric = createFabric(
    star({
      hosts: 4,
      sw: {
        partitions: { 1: only(true, false, [0x0005, 0x8007]), 3: only(false, true, [0xffff, 0x8005]), 4: only(false, true, [5]) },
      },
    }),
  );
  send(fabric, { from: 0, dlid: 2, pkey: 0x8005, number: 1 }); // a limited member as a full one
  send(fabric, { from: 0, dlid: 2, pkey: 0x0005, number: 2 }); // as what it is
  send(fabric, { from: 0, dlid: 2, pkey: 0x0007, number: 3 }); // a full member as a limited one
  send(fabric, { from: 0, dlid: 2, pkey: 0x0006, number: 4 }); // no member
  send(fabric, { from: 1, dlid: 3, pkey: 0x0005, number: 5 }); // limited to full
  send(fabric, { from: 1, dlid: 3, pkey: 0x8006, number: 6 }); // another partition
  send(fabric, { from: 1, dlid: 4, pkey: 0x8005, number: 7 }); // full to limited
  send(fabric, { from: 1, dlid: 4, pkey: 0x0005, number: 8 }); // limited to limited
  send(fabric, { from: 1, dlid: 4, pkey: 0x0005, number: 9, vl15: true }); // management
  fabric.runUntil(20_000_000);
  expect(
    delivered(fabric)
      .map((g) => g.number)
      .sort(),
  ).toEqual([2, 3, 5, 7, 9]);
  const counters = (port: number) => fabric.counters({ kind: 'switch', index: 0, port }).counters;
  expect(counters(1).portRcvConstraintErrors).toBe(2);
  expect(counters(3).portXmitConstraintErrors).toBe(1);
  expect(counters(4).portXmitConstraintErrors).toBe(1);
  fabric.assertDrained();
});

test('multicast: each member but the sender gets a copy, and each copy holds the payload', () => {
  const pool = PayloadPool.create(1, 4);
  const fabric = createFabric(star({ hosts: 4, sw: { mft: [[0xc000, [1, 2, 4]]] } }), { pool });
  const slot = pool.allocate(0);
  send(fabric, { from: 0, dlid: 0xc000, slot: slot + 1, number: 7 });
  fabric.runUntil(10_000_000);
  const got = delivered(fabric);
  expect(got.map((g) => g.port).sort()).toEqual([1, 3]);
  expect(new Set(got.map((g) => g.timePs))).toEqual(new Set([200_000 + SERIAL]));
  pool.release(slot);
  pool.release(slot);
  expect(pool.inUse()).toBe(0);
  const extended = fabric.counters({ kind: 'switch', index: 0, port: 1 }).extended;
  expect(extended).toMatchObject({ portMulticastRcvPkts: 1n, portUnicastRcvPkts: 0n });
  // to a group without members: dropped, and the kernel gives the payload back
  const lost = pool.allocate(0);
  send(fabric, { from: 0, dlid: 0xc005, slot: lost + 1 });
  fabric.runUntil(20_000_000);
  expect(pool.inUse()).toBe(0);
  fabric.assertDrained();
});

test('a link that goes down loses what is on it and discards what waits for it; up again it has all its credits', () => {
  const faults = [
    { atPs: 1_000_000, kind: 'link-down' as const, target: 1 },
    { atPs: 3_000_000, kind: 'link-up' as const, target: 1 },
  ];
  const fabric = createFabric({ ...star({ hosts: 2, bufferBlocks: 66 }), faults });
  for (let i = 0; i < 10; i++) send(fabric, { timePs: 0, from: 0, dlid: 2, number: i });
  fabric.runUntil(4_000_000);
  const got = delivered(fabric);
  // alone at full rate: packet i is in at 200 ns + (i + 1) × 165.92 ns
  expect(got.map((g) => g.number)).toEqual([0, 1, 2, 3]);
  expect(fabric.stats()).toMatchObject({ delivered: 4, dropped: 6, inside: 0 });
  expect(fabric.counters({ kind: 'host', index: 1 }).counters.linkDowned).toBe(1);
  const { receivedPackets } = fabric.counters({ kind: 'host', index: 1 });
  expect(receivedPackets).toBe(4);
  fabric.assertDrained();
  for (let i = 0; i < 50; i++) send(fabric, { timePs: 4_000_000, from: 0, dlid: 2, number: 100 + i });
  fabric.runUntil(20_000_000);
  expect(delivered(fabric).length).toBe(50);
  fabric.assertDrained();
});

test('a switch or a node that dies leaves no packet and no credit behind', () => {
  for (const model of ['voq', 'fifo'] as const)
    for (const kind of ['switch-dead', 'node-dead'] as const) {
      const fabric = createFabric({ ...star({ hosts: 4, sw: { model } }), faults: [{ atPs: 777_000, kind, target: 0 }] });
      for (let i = 0; i < 40; i++) send(fabric, { timePs: i * 30_000, from: i % 4, dlid: ((i + 1) % 4) + 1, number: i });
      fabric.runUntil(50_000_000);
      const { delivered: arrived, dropped } = fabric.stats();
      expect(arrived + dropped).toBe(40);
      expect(arrived).toBeGreaterThan(0);
      expect(dropped).toBeGreaterThan(kind === 'switch-dead' ? 10 : 5);
      expect(take(fabric).filter((g) => g.freed).length).toBe(40);
      fabric.assertDrained();
    }
});

test('bit errors: as many packets are damaged as 1 − (1 − BER)^bits says, and the same ones each time', () => {
  const run = (seed: number): [number, string] => {
    const spec: FabricSpec = star({ hosts: 2, seed, link: (h) => (h === 1 ? { bitErrorRate: 1e-5 } : {}) });
    const fabric = createFabric(spec);
    for (let i = 0; i < 4000; i++) send(fabric, { timePs: i * 200_000, from: 0, dlid: 2, number: i });
    fabric.runUntil(1e9);
    const counters = fabric.counters({ kind: 'host', index: 1 });
    expect(counters.counters.portRcvErrors).toBe(fabric.stats().droppedBy.damaged);
    expect(counters.receivedPackets + fabric.stats().droppedBy.damaged).toBe(4000);
    fabric.assertDrained();
    return [fabric.stats().droppedBy.damaged, fabric.stats().hash];
  };
  const p = 1 - (1 - 1e-5) ** (8 * 2074);
  const [damaged, hash] = run(1);
  expect(Math.abs(damaged - 4000 * p)).toBeLessThan(4 * Math.sqrt(4000 * p * (1 - p)));
  expect(run(1)).toEqual([damaged, hash]);
  expect(run(2)[1]).not.toBe(hash);
});

test('a slow receiver slows its sender down to its own rate, from the time on at which it becomes slow', () => {
  const fabric = createFabric({
    ...star({ hosts: 2, bufferBlocks: 66 }),
    faults: [{ atPs: 0, kind: 'slow-receiver', target: 1, value: 400 }],
  });
  for (let i = 0; i < 100; i++) send(fabric, { timePs: 0, from: 0, dlid: 2, number: i });
  fabric.runUntil(200_000_000);
  const got = delivered(fabric);
  expect((got[99].timePs - got[49].timePs) / 50).toBe(2074 * 400);
});

test('PortXmitWait and the data counters: in words, without VCRC', () => {
  const fabric = createFabric(star({ hosts: 3 }));
  send(fabric, { timePs: 0, from: 0, dlid: 3, number: 0 });
  send(fabric, { timePs: 0, from: 1, dlid: 3, number: 1 });
  fabric.runUntil(50_000);
  // on the cable: sent, not yet received
  expect(fabric.counters({ kind: 'host', index: 0 })).toMatchObject({ xmitPackets: 1, waitPs: 0 });
  expect(fabric.counters({ kind: 'switch', index: 0, port: 1 })).toMatchObject({ receivedPackets: 0, receivedBytes: 0 });
  fabric.runUntil(10_000_000);
  const port = fabric.counters({ kind: 'switch', index: 0, port: 3 });
  expect(port.counters).toMatchObject({ portXmitPkts: 2, portXmitData: (2 * 2072) / 4, portXmitWait: 0, portRcvPkts: 0 });
  expect(port.busyPs).toBe(2 * SERIAL);
  // a buffer of one packet: the second waits for the credit of the first
  const tight = createFabric({ ...star({ hosts: 2, bufferBlocks: 33 }), maxWireBytes: 2074 });
  send(tight, { timePs: 0, from: 0, dlid: 2, number: 0 });
  send(tight, { timePs: 0, from: 0, dlid: 2, number: 1 });
  tight.runUntil(10_000_000);
  // from the end of the first (SERIAL) until its tail has left the switch (150 ns later) and the credit is back (50 ns)
  expect(tight.counters({ kind: 'host', index: 0 }).waitPs).toBe(200_000);
  expect(tight.counters({ kind: 'host', index: 0 }).counters.portXmitWait).toBe(200_000 / 320);
});

test('trace and capture show each hop of a packet', () => {
  const hops: number[][] = [];
  const seen: [string, boolean, number][] = [];
  const fabric = createFabric(star({ hosts: 2 }), {
    trace: (source, number, port, vl, arrivedPs, startPs, endPs) =>
      hops.push([source, number, port, vl, arrivedPs, startPs, endPs]),
    capture: {
      ports: [
        { kind: 'host', index: 0 },
        { kind: 'switch', index: 0, port: 1 },
        { kind: 'host', index: 1 },
      ],
      packet: (port, transmitted, timePs, words, at) =>
        seen.push([`${fabric.portName(port)} ${words[at + 15]}`, transmitted, timePs]),
    },
  });
  send(fabric, { timePs: 1000, from: 0, dlid: 2, number: 42 });
  fabric.runUntil(1_000_000);
  expect(hops).toEqual([
    [0, 42, 2, 0, 1000, 1000, 1000 + SERIAL],
    [0, 42, 1, 0, 151_000, 151_000, 151_000 + SERIAL],
  ]);
  expect(seen).toEqual([
    ['host0 42', true, 1000 + SERIAL],
    ['switch/1 42', false, 51_000 + SERIAL],
    ['host1 42', false, 201_000 + SERIAL],
  ]);
});

test('trace and capture name the management lane as the wire does', () => {
  const lanes: number[] = [];
  const fabric = createFabric(star({ hosts: 2 }), {
    trace: (_source, _number, _port, vl) => lanes.push(vl),
    capture: { ports: [0, 1].map((index) => ({ kind: 'host', index })), packet: (...passed) => lanes.push(passed[5]) },
  });
  send(fabric, { timePs: 1000, from: 0, dlid: 2, number: 1, wireBytes: 282, vl15: true });
  fabric.runUntil(1_000_000);
  expect(lanes).toEqual([15, 15, 15, 15]);
});

test('a damaged packet is captured where it comes in, with its damage', () => {
  const seen: [string, boolean][] = [];
  const fabric = createFabric(
    { ...star({ hosts: 2 }), faults: [{ atPs: 1, kind: 'bit-error-rate', target: 0, value: 1 }] },
    {
      capture: {
        ports: [
          { kind: 'host', index: 0 },
          { kind: 'switch', index: 0, port: 1 },
        ],
        packet: (port, _transmitted, _timePs, words, at) =>
          seen.push([fabric.portName(port), (recordFlags(words, at) & RECORD_BAD_CRC) !== 0]),
      },
    },
  );
  send(fabric, { timePs: 1000, from: 0, dlid: 2, number: 1 });
  fabric.runUntil(1_000_000);
  expect(seen).toEqual([
    ['host0', false],
    ['switch/1', true],
  ]);
  expect(fabric.stats().droppedBy.damaged).toBe(1);
});

test('a ring routed one way round stands still, and the wait cycle is named', () => {
  const n = 4;
  const fabric = createFabric({
    seed: 1,
    maxWireBytes: 2074,
    switches: Array.from({ length: n }, (_, s) => ({
      name: `ring${s}`,
      portCount: 3,
      model: 'voq' as const,
      latencyPs: 100_000,
      bufferBlocks: 33,
      dataVls: 1,
      lft: Uint8Array.from({ length: n + 1 }, (__, lid) => (lid === 0 ? 255 : lid - 1 === s ? 3 : 1)),
    })),
    hostPorts: Array.from({ length: n }, (_, h) => ({ name: `h${h}`, node: h, lid: h + 1, dataVls: 1, bufferBlocks: 33 })),
    links: Array.from({ length: n }, (_, s) => s).flatMap((s) => [
      {
        a: { kind: 'switch' as const, index: s, port: 1 },
        b: { kind: 'switch' as const, index: (s + 1) % n, port: 2 },
        psPerByte: 80,
        propagationPs: 50_000,
      },
      {
        a: { kind: 'switch' as const, index: s, port: 3 },
        b: { kind: 'host' as const, index: s, port: 1 },
        psPerByte: 80,
        propagationPs: 50_000,
      },
    ]),
  });
  for (let h = 0; h < n; h++)
    for (let i = 0; i < 4; i++) send(fabric, { timePs: 0, from: h, dlid: ((h + 2) % n) + 1, number: i });
  fabric.runUntil(100_000_000);
  expect(fabric.nextPs()).toBe(Number.POSITIVE_INFINITY);
  expect(fabric.stats().inside).toBeGreaterThan(0);
  const cycle = fabric.waitCycle();
  expect(cycle?.map((step) => step.portName).sort()).toEqual(['ring0/1', 'ring1/1', 'ring2/1', 'ring3/1']);
  for (const step of cycle ?? []) {
    expect(step.creditBlocks).toBe(0);
    expect(step.packets.length).toBeGreaterThan(0);
  }
  fabric.assertConserved();
});

test('back to back, without a switch', () => {
  const fabric = createFabric({
    seed: 1,
    switches: [],
    hostPorts: [0, 1].map((h) => ({ name: `h${h}`, node: h, lid: h + 1, dataVls: 1, bufferBlocks: 128 })),
    links: [
      { a: { kind: 'host', index: 0, port: 1 }, b: { kind: 'host', index: 1, port: 1 }, psPerByte: 250, propagationPs: 10_000 },
    ],
  });
  send(fabric, { timePs: 5, from: 1, dlid: 1, wireBytes: 30 });
  fabric.runUntil(1_000_000);
  expect(delivered(fabric)).toMatchObject([{ timePs: 5 + 30 * 250 + 10_000, port: 0 }]);
});

test('a switch with more than 32 ports: every input gets its turn', () => {
  const hosts = 70;
  const fabric = createFabric(star({ hosts }));
  for (let round = 0; round < 3; round++)
    for (let h = 1; h < hosts; h++) send(fabric, { timePs: 0, from: h, dlid: 1, number: round * 100 + h });
  fabric.runUntil(1e9);
  const got = delivered(fabric);
  expect(got.length).toBe(3 * (hosts - 1));
  // round robin: the first 69 are one of each
  expect(new Set(got.slice(0, hosts - 1).map((g) => g.number % 100)).size).toBe(hosts - 1);
  fabric.assertDrained();
});

test('what cannot work is refused with its place', () => {
  expect(() => createFabric(star({ hosts: 2, bufferBlocks: 10 }))).toThrow(/switches\[0\]\.bufferBlocks: 10 blocks/);
  expect(() => createFabric(star({ hosts: 2, link: () => ({ propagationPs: 0 }), latencyPs: 0 }))).toThrow(
    /without propagation and latency/,
  );
  const spec = star({ hosts: 2 });
  expect(() => createFabric({ ...spec, links: [...spec.links, spec.links[0]] })).toThrow(/links\[2\]: a port has two cables/);
  const fabric = createFabric(spec);
  fabric.runUntil(1000);
  expect(() => send(fabric, { timePs: 999, from: 0, dlid: 2 })).toThrow(/has run until 1000 ps/);
});

test('a packet longer than the MTU of the next link and all headers is discarded and counted', () => {
  const spec = star({ hosts: 3 });
  const links = spec.links.map((link, i) => ({ ...link, mtuBytes: i === 1 ? 1024 : 2048 }));
  const fabric = createFabric({ ...spec, links });
  send(fabric, { from: 0, dlid: 2, wireBytes: 1150, number: 1 });
  send(fabric, { from: 0, dlid: 2, wireBytes: 1154, number: 2 });
  send(fabric, { from: 0, dlid: 3, wireBytes: 2074, number: 3 });
  fabric.runUntil(20_000_000);
  expect(delivered(fabric).map((g) => g.number)).toEqual([1, 3]);
  expect(fabric.stats().droppedBy.mtu).toBe(1);
  expect(fabric.counters({ kind: 'switch', index: 0, port: 2 }).counters.portXmitDiscards).toBe(1);
  fabric.assertDrained();
});
