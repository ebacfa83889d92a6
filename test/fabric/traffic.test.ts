import { expect, test } from 'vitest';
import { star, threeLevelTree } from '../../bench/kernel-topologies.ts';
import { bucketPs, createFabric, quantilePs, type TrafficPattern, type TrafficSpec } from '../../src/fabric/index.ts';
import { planTraffic } from '../../src/fabric/traffic.ts';
import { makeWiring } from '../../src/fabric/wiring.ts';

const SIZES = [{ wireBytes: 2074, weight: 1 }];
const spec = (pattern: TrafficPattern, more: Partial<TrafficSpec> = {}): TrafficSpec => ({
  pattern,
  mode: { kind: 'open', load: 0.5 },
  sizes: SIZES,
  ...more,
});
const plan = (pattern: TrafficPattern, hosts = 9) =>
  planTraffic(spec(pattern), makeWiring({ ...star({ hosts }), traffic: spec(pattern) }));

test('patterns with fixed destinations', () => {
  expect([...plan({ kind: 'shift', by: -1 }, 4).target]).toEqual([3, 0, 1, 2]);
  const permutation = plan({ kind: 'permutation' }).target;
  expect([...permutation].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  for (const [h, d] of permutation.entries()) expect(d).not.toBe(h);
  const { target, sends } = plan({ kind: 'bisection' });
  expect([...sends].filter((s) => s === 1).length).toBe(8);
  for (const [h, d] of target.entries()) if (sends[h] === 1) expect(target[d]).toBe(h);
  expect([...plan({ kind: 'incast', to: 2, sources: [0, 1, 2] }, 4).sends]).toEqual([1, 1, 0, 0]);
  expect(() => plan({ kind: 'hot-spot', to: 99, fraction: 0.1 })).toThrow(/no host 99/);
});

test('open loop: the offered load arrives, evenly spread over the destinations', () => {
  const traffic = spec({ kind: 'uniform' }, { measureFromPs: 10_000_000 });
  const fabric = createFabric({ ...threeLevelTree({ k: 4, dataVls: 1 }), traffic });
  fabric.runUntil(1_510_000_000);
  const report = fabric.traffic();
  expect(Math.abs(report.acceptedLoad / 0.5 - 1)).toBeLessThan(0.02);
  expect(report.fairness).toBeGreaterThan(0.995);
  const flows = report.flowBytes as Float64Array;
  const mean = flows.reduce((a, b) => a + b) / (16 * 15);
  for (let s = 0; s < 16; s++)
    for (let d = 0; d < 16; d++)
      expect(Math.abs(flows[s * 16 + d] / mean - (s === d ? 0 : 1))).toBeLessThan(s === d ? 1e-9 : 0.25);
  // two links of 50 ns, the switch and the packet at the least; the quantiles are in order and between the extremes
  expect(report.latencyMinPs).toBe(100_000 + 100_000 + 2074 * 80);
  const quantiles = [0.01, 0.5, 0.9, 0.99, 1].map(report.quantilePs);
  expect([...quantiles].sort((a, b) => a - b)).toEqual(quantiles);
  expect(Math.abs(quantiles[4] / report.latencyMaxPs - 1)).toBeLessThan(1 / 64);
});

test('M/D/1: the wait of Poisson arrivals at one link', () => {
  // many hosts on one switch, evenly loading one output each: the wait at the sender's own link alone is M/D/1
  const load = 0.7;
  const traffic = spec({ kind: 'table', to: [1, -1] }, { mode: { kind: 'open', load, queueLimit: 1e6 } });
  const fabric = createFabric({ ...star({ hosts: 2, bufferBlocks: 1000 }), traffic });
  fabric.runUntil(40_000_000_000);
  const serial = 2074 * 80;
  const wait = (fabric.traffic().latencyMeanPs - 200_000 - serial) / serial;
  expect(Math.abs(wait / (load / (2 * (1 - load))) - 1)).toBeLessThan(0.03);
});

test('a closed loop with responses keeps exactly its packets under way', () => {
  const traffic = spec({ kind: 'all-to-all' }, { mode: { kind: 'closed', outstanding: 3, responsePs: 200_000 } });
  const fabric = createFabric({ ...star({ hosts: 5 }), traffic });
  for (let t = 1_000_000; t < 40_000_000; t += 777_777) {
    fabric.runUntil(t);
    expect(fabric.stats().inside).toBeLessThanOrEqual(15);
  }
  // window law: 3 packets per round trip, the link being idle in between or not
  const flows = fabric.traffic().flowBytes as Float64Array;
  for (let d = 1; d < 5; d++) expect(flows[d]).toBeGreaterThan(0);
  expect(flows[0]).toBe(0);
});

test('packet sizes are drawn by weight, and stopping drains', () => {
  const traffic = spec(
    { kind: 'uniform' },
    {
      sizes: [
        { wireBytes: 90, weight: 3 },
        { wireBytes: 2074, weight: 1 },
      ],
      stopPs: 2_000_000_000,
    },
  );
  const fabric = createFabric({ ...star({ hosts: 4 }), traffic });
  fabric.runUntil(3_000_000_000);
  expect(fabric.nextPs()).toBe(Number.POSITIVE_INFINITY);
  const { delivered, deliveredBytes } = fabric.stats();
  const large = (deliveredBytes - 90 * delivered) / (2074 - 90);
  expect(Math.abs(large / delivered - 0.25)).toBeLessThan(0.01);
  fabric.assertDrained();
});

test('histogram buckets: quantiles of known values', () => {
  const buckets = new Float64Array(2000);
  buckets[10] = 50;
  buckets[200] = 50;
  expect(quantilePs(buckets, 0.5)).toBe(bucketPs(10));
  expect(quantilePs(buckets, 0.51)).toBe(bucketPs(200));
  expect(quantilePs(new Float64Array(10), 0.5)).toBeNaN();
  expect(bucketPs(10)).toBe(10.5 * 256);
  for (let i = 1; i < 1700; i++) expect(bucketPs(i)).toBeGreaterThan(bucketPs(i - 1));
});
