/** Parts of fabrics, and synthetic traffic that stays within them. */
import { describe, expect, it } from 'vitest';
import { partsOf } from '../../src/cluster/fabric-parts.ts';
import { loadTopologyFile, runTraffic, type TrafficOptions } from '../../src/cluster/index.ts';
import { planSubnet } from '../../src/cluster/subnet-plan.ts';
import { loadTopologyText } from '../../src/topology/index.ts';

const parts = (file: string) => {
  const { index, ports } = planSubnet(loadTopologyFile(file), true);
  return partsOf(
    index,
    ports.flatMap(({ port }, handle) => (port.link >= 0 ? [handle] : [])),
  );
};

describe('parts', () => {
  it('are what links join', () => {
    expect(parts('topologies/two-hosts.yaml')).toEqual([[0, 1]]);
    expect(parts('star:hosts=4')).toEqual([[0, 1, 2, 3]]);
    expect(parts('fat-tree:k=4,levels=3')).toHaveLength(1);
    expect(parts('topologies/dual-rail.yaml').map((rail) => rail.length)).toEqual([8, 8]);
  });
});

describe('traffic', () => {
  const run = (options: Partial<TrafficOptions> & Pick<TrafficOptions, 'topology' | 'pattern'>) =>
    runTraffic({ topologyFile: 'x', messageBytes: 256, durationPs: 30e6, warmupPs: 3e6, load: 0.4, ...options });

  it.each(['uniform', 'permutation', 'shift', 'bisection', 'incast'] as const)(
    '%s on separate rails stays within them',
    async (pattern) => {
      const result = await run({ topology: loadTopologyFile('topologies/dual-rail.yaml'), pattern });
      expect(result.hosts).toBe(16);
      expect(result.messages).toBeGreaterThan(200);
      if (pattern !== 'incast' && pattern !== 'bisection') expect(result.acceptedLoad).toBeCloseTo(0.4, 1);
    },
  );

  it.each(['hot-spot', 'all-to-all'] as const)('%s is refused there', async (pattern) => {
    await expect(run({ topology: loadTopologyFile('topologies/dual-rail.yaml'), pattern })).rejects.toThrow(
      'uniform, permutation',
    );
  });

  it('uniform leaves out a port without a cable', async () => {
    const topology = loadTopologyText(
      `heddle: 1
defaults: { node: { hca: { profile: connectx2-qdr, ports: 2 } }, link: { speed: QDR } }
switches: { s: { ports: 4 } }
nodes: { "n[1-3]": {} }
links: ["n[1-3]:1 -> s"]
`,
      'x.yaml',
    );
    const result = await run({ topology, pattern: 'uniform' });
    expect(result.hosts).toBe(3);
    expect(result.acceptedLoad).toBeCloseTo(0.4, 1);
  });
});
