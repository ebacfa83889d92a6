import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/sim/index.ts';
import { configureSubnet, indexGraph, type LinkEnd, ROUTING_ENGINES, type SubnetGraph } from '../../src/subnet/index.ts';
import { GraphBuilder, grid, tree2 } from './graphs.ts';

/** Numbers of which a few are out of range in some place. */
const small = fc.oneof(
  { weight: 40, arbitrary: fc.nat(2) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 0.5, Number.NaN, 1e9, 300) },
);
const lid = fc.oneof({ weight: 40, arbitrary: fc.integer({ min: 1, max: 400 }) }, { weight: 1, arbitrary: small });

/** Up to four switches of four ports, six adapters, cables between different ends; now and then something is wrong. */
const anyGraph: fc.Arbitrary<SubnetGraph> = fc
  .record({
    switches: fc.array(
      fc.record(
        {
          name: fc.constant('s'),
          portCount: fc.oneof({ weight: 40, arbitrary: fc.constant(4) }, { weight: 1, arbitrary: small }),
          lid,
          level: small,
          coordinates: fc.array(small, { minLength: 2, maxLength: 2 }),
          dataVls: fc.constantFrom(1, 2, 8, 15),
        },
        { requiredKeys: ['name', 'portCount', 'coordinates'] },
      ),
      { maxLength: 4 },
    ),
    adapters: fc.array(
      fc.record(
        { nodeGuid: fc.constant(5n), name: fc.constant('h'), port: fc.constant(1), lid },
        { requiredKeys: ['nodeGuid', 'name', 'port'] },
      ),
      {
        maxLength: 6,
      },
    ),
    ends: fc.shuffledSubarray(
      Array.from(
        { length: 22 },
        (_, i): LinkEnd => (i < 16 ? { kind: 'switch', index: i >> 2, port: (i & 3) + 1 } : { kind: 'adapter', index: i - 16 }),
      ),
    ),
    stray: fc.nat(30),
  })
  .map(({ switches, adapters, ends, stray }) => {
    const there = ends.filter((end, i) => i === stray || end.index < (end.kind === 'switch' ? switches : adapters).length);
    const links = Array.from({ length: there.length >> 1 }, (_, i) => ({ a: there[2 * i]!, b: there[2 * i + 1]! }));
    const guids = <T extends object>(list: readonly T[], base: bigint) =>
      list.map((node, i) => ({ ...node, guid: base + BigInt(i) }));
    return { switches: guids(switches, 100n), adapters: guids(adapters, 200n), links };
  });

describe('any graph', () => {
  it('is set up or refused with a ConfigError, by every engine', () => {
    let accepted = 0;
    fc.assert(
      fc.property(anyGraph, fc.constantFrom(...ROUTING_ENGINES), fc.nat(2), (graph, engine, lmc) => {
        try {
          configureSubnet(graph, { routing: { engine, allowUnreachable: true }, lids: { lmc } });
          accepted++;
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
        }
      }),
      { numRuns: 3000, seed: 3 },
    );
    expect(accepted).toBeGreaterThan(300);
  });
});

describe('a switch cabled to itself', () => {
  it('disturbs no engine', () => {
    for (const [engine, full] of [
      ['min-hop', tree2(2, 2, 2)],
      ['up-down', tree2(2, 2, 2)],
      ['fat-tree', tree2(2, 2, 2)],
      ['dor', grid([3, 2], false)],
    ] as const) {
      const loop = { a: { kind: 'switch', index: 0, port: 9 }, b: { kind: 'switch', index: 0, port: 10 } } as const;
      const graph = { ...full, switches: full.switches.map((s) => ({ ...s, portCount: 10 })), links: [...full.links, loop] };
      const plain = configureSubnet(full, { routing: { engine } });
      const looped = configureSubnet(graph, { routing: { engine } });
      expect(looped.routing.tables.ports).toEqual(plain.routing.tables.ports);
      expect(looped.multicast[0]!.ports(0)).toEqual(plain.multicast[0]!.ports(0));
    }
  });
});

describe('a graph', () => {
  it('names every fault of its links and nodes', () => {
    const g = new GraphBuilder();
    g.switch('a', 2);
    g.switch('b', 0, { guid: 0x200000n, dataVls: 3, mtuBytes: 1000, level: -1, coordinates: [0, 0.5] });
    g.host(0);
    g.links.push({ a: { kind: 'switch', index: 0, port: 1 }, b: { kind: 'switch', index: 0, port: 2 } });
    g.links.push({ a: { kind: 'switch', index: 0, port: 2 }, b: { kind: 'switch', index: 0, port: 2 } });
    g.links.push({ a: { kind: 'switch', index: 0, port: 3 }, b: { kind: 'adapter', index: 7 } });
    expect(() => indexGraph(g.build())).toThrow(
      [
        'switches[1]: GUID 0x200000 already belongs to switch a',
        'switches[1].portCount: 0 is not in 1 … 254',
        'switches[1].dataVls: 3 is none of 1, 2, 4, 8, 15',
        'switches[1].mtuBytes: 1000 is none of 256, 512, 1024, 2048, 4096',
        'switches[1].level: -1 is not in 0 … 31',
        'switches[1].coordinates: 0.5 is not in 0 … 65535',
        'links[1].a: a[1] already has a cable',
        'links[2]: joins a[2] to itself',
        'links[3].a: a has no port 3, only 1 … 2',
      ].join('\n'),
    );
  });
});
