import { describe, expect, it } from 'vitest';
import {
  buildPkeyTables,
  commonPkey,
  configureSubnet,
  fitQos,
  indexGraph,
  negotiateLinks,
  OPENSM_QOS,
  type PathRecord,
  pathsOf,
  planQos,
  rateCodeNotAbove,
  type SubnetGraph,
} from '../../src/subnet/index.ts';
import { GraphBuilder, grid, ring, tree2 } from './graphs.ts';

describe('link settings', () => {
  it('are the lesser of both ends', () => {
    const g = new GraphBuilder();
    g.switch('a', 4, { dataVls: 4, mtuBytes: 2048 });
    g.switch('b', 4, { dataVls: 15 });
    g.host(0, 'h0', { dataVls: 1 });
    g.join(0, 1);
    g.host(1, 'h1', { dataVls: 15, mtuBytes: 1024 });
    g.host(1, 'h2');
    const index = indexGraph(g.build());
    expect([...negotiateLinks(index).dataVls]).toEqual([1, 4, 15, 8]);
    expect([...negotiateLinks(index, 2).dataVls]).toEqual([1, 2, 2, 2]);
    expect([...negotiateLinks(index).mtuBytes]).toEqual([2048, 2048, 1024, 4096]);
    expect(() => negotiateLinks(index, 3)).toThrow('3 is none of 1, 2, 4, 8, 15');
  });
});

describe('QoS tables', () => {
  it('are cut to the VLs of the port, as OpenSM cuts them', () => {
    expect(fitQos(OPENSM_QOS, 15)).toEqual(OPENSM_QOS);
    const four = fitQos(OPENSM_QOS, 4);
    expect(four.slToVl).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
    expect(four.low.map(({ vl, weight }) => `${vl}:${weight}`).join(',')).toBe(
      '0:0,1:4,2:4,3:4,0:4,1:4,2:4,3:4,0:4,1:4,2:4,3:4,0:4,1:4,2:4',
    );
    expect(fitQos(OPENSM_QOS, 1).slToVl).toEqual(new Array(16).fill(0));
    expect(fitQos({ ...OPENSM_QOS, slToVl: new Array(16).fill(15) }, 2).slToVl).toEqual(new Array(16).fill(15));
  });

  it('are refused when out of range', () => {
    const index = indexGraph(tree2(2, 1, 1));
    const links = negotiateLinks(index);
    const plan = (change: object) => () => planQos(index, links, undefined, { ...OPENSM_QOS, ...change });
    expect(plan({ slToVl: [0] })).toThrow('must be 16 VLs');
    expect(plan({ high: [{ vl: 15, weight: 1 }] })).toThrow('15:1 is not VL 0 … 14');
    expect(plan({ low: [{ vl: 1, weight: 256 }] })).toThrow('1:256');
    expect(plan({ highLimit: 256 })).toThrow('256 is not in 0 … 255');
  });
});

describe('partitions', () => {
  const index = indexGraph(tree2(2, 2, 1));
  const tables = (...args: Parameters<typeof buildPkeyTables> extends [unknown, ...infer R] ? R : never) =>
    buildPkeyTables(index, ...args).map((table) => [...table]);

  it('make everybody a full member of the default partition when there are none', () => {
    expect(tables()).toEqual([[0xffff], [0xffff], [0xffff], [0xffff]]);
  });

  it('leave the default partition limited but for the manager when others are given', () => {
    const storage = {
      name: 'storage',
      pkey: 0x10,
      members: [
        { adapter: 1, membership: 'full' },
        { adapter: 2, membership: 'limited' },
        { adapter: 3, membership: 'both' },
      ],
    } as const;
    expect(tables([storage], 2)).toEqual([[0x7fff], [0x7fff, 0x8010], [0xffff, 0x0010], [0x7fff, 0x8010, 0x0010]]);
  });

  it('take a given default partition as it is, at index 0', () => {
    const partitions = [
      { name: 'a', pkey: 1, everybody: 'full' },
      { name: 'Default', pkey: 0x7fff, everybody: 'limited', members: [{ adapter: 3, membership: 'full' }] },
    ] as const;
    expect(tables(partitions)).toEqual([
      [0x7fff, 0x8001],
      [0x7fff, 0x8001],
      [0x7fff, 0x8001],
      [0xffff, 0x8001],
    ]);
  });

  it('match when one of the two is a full member', () => {
    const keys = (...list: number[]) => Uint16Array.from(list);
    expect(commonPkey(keys(0x7fff), keys(0x7fff))).toBeUndefined();
    expect(commonPkey(keys(0x7fff), keys(0xffff))).toBe(0x7fff);
    expect(commonPkey(keys(0x7fff, 0x8010), keys(0x7fff, 0x0010))).toBe(0x8010);
  });

  it('name every fault', () => {
    const member = { adapter: 9, membership: 'full' } as const;
    const bad = [
      { name: 'zero', pkey: 0 },
      { name: 'a', pkey: 5, members: [member, member] },
      { name: 'b', pkey: 5 },
    ];
    expect(() => tables(bad)).toThrow(
      [
        'partitions[0].pkey: 0 is not in 1 … 0x7fff',
        'partitions[1].members: there is no adapter port 9',
        'partitions[1].members: there is no adapter port 9',
        'partitions[1].members: names adapter port 9 twice',
        'partitions[2].pkey: 0x5 already belongs to partition a',
      ].join('\n'),
    );
  });
});

describe('path records', () => {
  const guid = (graph: SubnetGraph, adapter: number) => graph.adapters[adapter]!.guid;
  const ask = (
    graph: SubnetGraph,
    from: number,
    to: number,
    options: Partial<Parameters<typeof configureSubnet>[1]> = {},
  ): readonly PathRecord[] =>
    pathsOf(configureSubnet(graph, { routing: { engine: 'min-hop' }, ...options })).resolve({
      sourceGuid: guid(graph, from),
      destinationGuid: guid(graph, to),
    });

  function mixed(): SubnetGraph {
    const g = new GraphBuilder();
    g.switch('a', 4, { mtuBytes: 2048 });
    g.switch('b', 4);
    g.host(0);
    g.host(1);
    g.join(0, 1, 20);
    return g.build();
  }

  it('carry the least MTU and rate of the path', () => {
    const [record] = ask(mixed(), 0, 1);
    expect(record).toMatchObject({
      slid: 1,
      dlid: 2,
      sl: 0,
      pkey: 0xffff,
      mtuBytes: 2048,
      mtuCode: 4,
      rateGbps: 20,
      rateCode: 6,
      hops: 2,
    });
    expect(record!.packetLifeCode).toBe(18);
  });

  it('of a port to itself have no hops and no life time', () => {
    expect(ask(mixed(), 0, 0)[0]).toMatchObject({ slid: 1, dlid: 1, hops: 0, packetLifeCode: 0 });
  });

  it('give one path a LID', () => {
    const records = ask(tree2(2, 2, 2), 0, 3, { lids: { lmc: 1 } });
    expect(records.map(({ slid, dlid }) => [slid, dlid])).toEqual([
      [2, 8],
      [3, 9],
    ]);
  });

  it('are none between strangers', () => {
    const graph = mixed();
    const partitions = [{ name: 'Default', pkey: 0x7fff, everybody: 'limited' }] as const;
    expect(ask(graph, 0, 1, { partitions })).toEqual([]);
    const paths = pathsOf(configureSubnet(graph, { routing: { engine: 'min-hop' } }));
    expect(paths.resolve({ sourceGuid: guid(graph, 0), destinationGuid: 0x77n })).toEqual([]);
    expect(paths.resolve({ sourceGuid: guid(graph, 0), destinationGuid: guid(graph, 1), pkey: 0x10 })).toEqual([]);
    expect(paths.resolve({ sourceGuid: guid(graph, 0), destinationGuid: guid(graph, 1), pkey: 0x7fff }).length).toBe(1);
  });

  it('carry the SL that a torus needs', () => {
    const graph = grid([6], true);
    const routing = { engine: 'dor', datelines: true } as const;
    expect(ask(graph, 4, 5, { routing, multicast: [] })[0]!.sl).toBe(0);
    expect(ask(graph, 5, 0, { routing, multicast: [] })[0]!.sl).toBe(1);
  });

  it('of two hosts back to back need no switch', () => {
    const full = new GraphBuilder();
    full.adapters.push(
      { guid: 1n, nodeGuid: 2n, name: 'x', port: 1 },
      { guid: 3n, nodeGuid: 4n, name: 'y', port: 1, mtuBytes: 512 },
    );
    full.links.push({ a: { kind: 'adapter', index: 0 }, b: { kind: 'adapter', index: 1 }, rateGbps: 100 });
    expect(ask(full.build(), 0, 1)[0]).toMatchObject({ slid: 1, dlid: 2, mtuBytes: 512, rateCode: 16, hops: 0 });
  });

  it('name rates by the greatest code that fits', () => {
    expect([1, 2.5, 32, 40, 54.5, 56, 100, 3000].map(rateCodeNotAbove)).toEqual([2, 2, 4, 7, 20, 12, 16, 25]);
  });
});

describe('the whole subnet', () => {
  it('is refused when it can deadlock, unless that is allowed', () => {
    const options = { routing: { engine: 'min-hop' } } as const;
    expect(() => configureSubnet(ring(5), options)).toThrow(/this routing can deadlock: 5 channels/);
    expect(configureSubnet(ring(5), { ...options, allowCycles: true }).cycle!.channels.length).toBe(5);
    expect(configureSubnet(tree2(4, 2, 2), { ...options, allowCycles: true }).cycle).toBeUndefined();
  });

  it('splits a torus over two VLs, and needs them on every link', () => {
    const routing = { engine: 'dor', datelines: true } as const;
    const subnet = configureSubnet(grid([5, 5], true), { routing, multicast: [] });
    expect(subnet.routing.levels!.vlCount).toBe(2);
    expect(() => configureSubnet(grid([5, 5], true), { routing, multicast: [], maxDataVls: 1 })).toThrow(
      /runs with 1 data VLs; the routing needs 2 on every link/,
    );
  });

  it('puts every host into the broadcast tree', () => {
    const subnet = configureSubnet(tree2(4, 2, 2), { routing: { engine: 'fat-tree' } });
    const [tree] = subnet.multicast;
    expect(tree!.mlid).toBe(0xc000);
    expect(
      subnet.index.adapterSlot.every((slot) => {
        const s = subnet.index.slotSwitch[slot]!;
        return tree!.has(s, slot - subnet.index.portBase[s]!);
      }),
    ).toBe(true);
  });

  it('refuses options that change nothing', () => {
    const roots = [1n];
    expect(() => configureSubnet(ring(5), { routing: { engine: 'dor', roots } })).toThrow('has no effect on dor');
    expect(() => configureSubnet(ring(5), { routing: { engine: 'min-hop', datelines: true } })).toThrow(
      'has no effect on min-hop',
    );
  });
});
