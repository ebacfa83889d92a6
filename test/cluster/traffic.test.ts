/** Synthetic traffic from a topology to its figures, against closed forms. */
import { describe, expect, it } from 'vitest';
import { checkTopology, loadTopologyFile, runTraffic, type TrafficOptions } from '../../src/cluster/index.ts';

const STAR = 'star:hosts=4';
const topology = loadTopologyFile(STAR);
const WIRE = 1024 + 26;

function traffic(options: Partial<TrafficOptions>) {
  return runTraffic({
    topology,
    topologyFile: STAR,
    pattern: 'shift',
    messageBytes: 1024,
    durationPs: 200_000_000,
    warmupPs: 20_000_000,
    closedLoop: 8,
    ...options,
  });
}

describe('synthetic traffic', () => {
  it('goes at full rate by a shift on a star, all alike', async () => {
    const result = await traffic({ shift: 1 });
    expect(result.hosts).toBe(4);
    expect(result.acceptedLoad).toBeGreaterThan(0.995);
    expect(result.acceptedLoad).toBeLessThanOrEqual(1.005);
    expect(result.fairness.jain).toBeCloseTo(1, 4);
    const [link] = topology.links;
    const rate = ((1e12 * (link?.psPerByteDenominator ?? 0)) / (link?.psPerByteNumerator ?? 1)) * (1024 / WIRE);
    expect(result.bytesPerSecond / (4 * rate)).toBeCloseTo(1, 2);
  });

  it('shares one port among the senders of an incast', async () => {
    const { acceptedLoad, links, fairness } = await traffic({ pattern: 'incast', target: 'node1' });
    expect(acceptedLoad * 3).toBeCloseTo(1, 1);
    expect(links[0]?.use).toBeCloseTo(1, 2);
    expect(links[0]?.name).toContain('-> node1');
    expect(fairness.leastOfMean).toBeGreaterThan(0.95);
  });

  it('accepts what is offered in an open loop below saturation', async () => {
    const { acceptedLoad, offeredLoad, latencyPs } = await traffic({
      closedLoop: undefined,
      load: 0.3,
      pattern: 'uniform',
    } as never);
    expect(offeredLoad).toBe(0.3);
    expect(acceptedLoad).toBeCloseTo(0.3, 1);
    expect(latencyPs.min).toBeLessThanOrEqual(latencyPs.p50);
    expect(latencyPs.p50).toBeLessThanOrEqual(latencyPs.max);
  });

  it('is the same for the same seed and another for another', async () => {
    const one = await traffic({ pattern: 'uniform', seed: 1 });
    const same = await traffic({ pattern: 'uniform', seed: 1 });
    const other = await traffic({ pattern: 'uniform', seed: 2 });
    expect(same.run.hash).toBe(one.run.hash);
    expect(other.run.hash).not.toBe(one.run.hash);
  });

  it.each([
    [{ nodes: ['node1', 'nobody'] }, 'there is no node nobody'],
    [{ nodes: ['node1'] }, 'at least 2 are needed'],
    [{ messageBytes: 9000 }, 'at most the MTU'],
    [{ pattern: 'incast', target: 'nobody' }, 'none of the nodes'],
    [{ pattern: 'hot-spot', nodes: ['node1', 'node2'] }, 'runs where all ports of all nodes'],
  ] as const)('%j is refused', async (options, message) => {
    await expect(traffic(options)).rejects.toThrow(message);
  });
});

describe('the check of a topology', () => {
  it('says what holds', () => {
    expect(checkTopology(topology, {}).findings).toEqual(
      expect.arrayContaining([
        '4 nodes, 1 switches, 4 links are consistent',
        expect.stringContaining('reaches all of the 12 ordered pairs'),
        expect.stringContaining('channel dependencies have no cycle'),
      ]),
    );
  });

  it('refuses a ring that can deadlock, or warns of it', () => {
    const ring = loadTopologyFile('topologies/ring-5.yaml');
    const cyclic = { ...ring, routing: { engine: 'min-hop' } } as typeof ring;
    expect(() => checkTopology(cyclic, {})).toThrow(/cycle/);
    const { findings, warnings } = checkTopology(cyclic, { allowCycles: true });
    expect(warnings.join()).toContain('can deadlock');
    expect(findings.join()).not.toContain('have no cycle');
  });
});
