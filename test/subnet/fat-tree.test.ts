import { describe, expect, it } from 'vitest';
import {
  assignLids,
  computeRouting,
  findDependencyCycle,
  indexGraph,
  routeFatTree,
  type SubnetGraph,
  treeShape,
} from '../../src/subnet/index.ts';
import { GraphBuilder, ring, tree2, tree3 } from './graphs.ts';
import { linkSlots } from './paths.ts';

/** The most flows on one link between switches, over every shift permutation of the host order. */
function worstShift(graph: SubnetGraph, offset = 0, lmc = 0): number {
  const index = indexGraph(graph);
  const lids = assignLids(index, { lmc });
  const tables = routeFatTree(index, lids);
  const hosts = treeShape(index).hostOrder;
  let worst = 0;
  for (let shift = 1; shift < hosts.length; shift++) {
    const load = new Map<number, number>();
    hosts.forEach((from, n) => {
      const to = hosts[(n + shift) % hosts.length]!;
      for (const slot of linkSlots(index, tables, from, lids.adapterLids[to]! + offset, to))
        load.set(slot, (load.get(slot) ?? 0) + 1);
    });
    worst = Math.max(worst, ...load.values());
  }
  return worst;
}

/** The same fabric with its switches listed in another order, as a discovery might. */
function shuffled(graph: SubnetGraph, multiplier: number): SubnetGraph {
  const n = graph.switches.length;
  const place = graph.switches.map((_, s) => (s * multiplier) % n);
  const switches: SubnetGraph['switches'][number][] = [];
  graph.switches.forEach((node, s) => {
    switches[place[s]!] = node;
  });
  const move = (end: SubnetGraph['links'][number]['a']) => (end.kind === 'switch' ? { ...end, index: place[end.index]! } : end);
  return { ...graph, switches, links: graph.links.map((link) => ({ ...link, a: move(link.a), b: move(link.b) })) };
}

const withoutLevels = (graph: SubnetGraph) => ({ ...graph, switches: graph.switches.map(({ level: _, ...node }) => node) });

describe('fat-tree', () => {
  it('runs every shift permutation of a full tree without contention', () => {
    expect(worstShift(tree2(6, 4, 4))).toBe(1);
    expect(worstShift(tree2(4, 4, 2, 2))).toBe(1);
    expect(worstShift(tree3(4))).toBe(1);
    expect(worstShift(tree3(6))).toBe(1);
  });

  it('does so whatever the order of the switches in the graph, and without given levels', () => {
    expect(worstShift(shuffled(tree3(4), 7))).toBe(1);
    expect(worstShift(withoutLevels(shuffled(tree3(4), 11)))).toBe(1);
  });

  it('does so with empty host ports, where the number of hosts is a multiple of the number of roots', () => {
    expect(worstShift(tree2(6, 4, 4, 1, (host) => host % 6 !== 5))).toBe(1);
    expect(worstShift(tree3(4, (host) => host % 4 !== 1))).toBe(1);
  });

  it('shares the links of a tapered tree evenly', () => {
    expect(worstShift(tree2(6, 4, 2))).toBe(2);
  });

  it('sends the LIDs of a port over different spines, each offset free of contention', () => {
    const index = indexGraph(tree2(3, 4, 4));
    const lids = assignLids(index, { lmc: 2 });
    const tables = routeFatTree(index, lids);
    const ports = [0, 1, 2, 3].map((offset) => tables.ports[lids.adapterLids[11]! + offset]!);
    expect([...ports].sort()).toEqual([5, 6, 7, 8]);
    expect(worstShift(tree2(3, 4, 4), 3, 2)).toBe(1);
  });

  it('goes round a missing cable and stays free of cycles', () => {
    const full = tree2(4, 3, 3);
    const graph = { ...full, links: full.links.slice(0, -1) };
    const index = indexGraph(graph);
    const lids = assignLids(index);
    const routing = computeRouting(index, lids, { engine: 'fat-tree' });
    expect(routing.reachability.histogram).toEqual([0, 24, 0, 108]);
    expect(findDependencyCycle({ index, lids, tables: routing.tables })).toBeUndefined();
  });

  it('uses shortest paths', () => {
    for (const graph of [tree2(5, 3, 2), tree3(4)]) {
      const index = indexGraph(graph);
      const lids = assignLids(index);
      expect(computeRouting(index, lids, { engine: 'fat-tree' }).reachability).toEqual(
        computeRouting(index, lids, { engine: 'min-hop' }).reachability,
      );
    }
  });

  it('counts levels from given roots: an adapter on a spine is no leaf then', () => {
    const full = withoutLevels(tree2(4, 2, 2));
    const spare = { ...full, switches: full.switches.map((s) => ({ ...s, portCount: s.portCount + 1 })) };
    const adapter = { guid: 0x900001n, nodeGuid: 0x900000n, name: 'sharp', port: 1 };
    const link = { a: { kind: 'adapter', index: 8 }, b: { kind: 'switch', index: 4, port: 5 } } as const;
    const index = indexGraph({ ...spare, adapters: [...spare.adapters, adapter], links: [...spare.links, link] });
    const lids = assignLids(index);
    expect(() => computeRouting(index, lids, { engine: 'fat-tree' })).toThrow('does not join neighbouring levels');
    const roots = [spare.switches[4]!.guid, spare.switches[5]!.guid];
    expect(computeRouting(index, lids, { engine: 'fat-tree', roots }).reachability.histogram).toEqual([0, 8, 16, 48]);
    expect(() => computeRouting(index, lids, { engine: 'fat-tree', roots: 'center' })).toThrow('center is for up-down');
  });

  it('refuses what is no tree, naming a link', () => {
    const index = indexGraph(ring(5));
    expect(() => routeFatTree(index, assignLids(index))).toThrow(
      /fat-tree: the link between sw0\[2\] \(level 0\) and sw1\[2\] \(level 0\)/,
    );
    const g = new GraphBuilder();
    g.switch('a', 2);
    g.switch('b', 2);
    g.host(0);
    const apart = indexGraph(g.build());
    expect(() => routeFatTree(apart, assignLids(apart))).toThrow('switch b is connected to no host');
  });
});
