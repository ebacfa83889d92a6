import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignLids, indexGraph, NO_PORT, routeMinHop, type SubnetGraph } from '../../src/subnet/index.ts';
import { connectedGraph, GraphBuilder, ring, tree2 } from './graphs.ts';
import { pathSlots } from './paths.ts';

/** Distances by a plain relaxation over the link list, an oracle that shares no code with the engine. */
function distances(graph: SubnetGraph): number[][] {
  const n = graph.switches.length;
  const d = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (i === j ? 0 : Infinity)));
  for (const { a, b } of graph.links) {
    if (a.kind === 'switch' && b.kind === 'switch' && a.index !== b.index) {
      d[a.index]![b.index] = 1;
      d[b.index]![a.index] = 1;
    }
  }
  for (let k = 0; k < n; k++)
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) d[i]![j] = Math.min(d[i]![j]!, d[i]![k]! + d[k]![j]!);
  return d;
}

describe('min-hop', () => {
  it('reaches every LID over a shortest path, whatever the graph and the LMC', () => {
    fc.assert(
      fc.property(connectedGraph, fc.nat(2), (graph, lmc) => {
        const index = indexGraph(graph);
        const lids = assignLids(index, { lmc });
        const tables = routeMinHop(index, lids);
        const oracle = distances(graph);
        for (let s = 0; s < index.switchCount; s++) {
          for (let lid = 1; lid <= lids.maxLid; lid++) {
            const owner = lids.owners[lid]!;
            if (owner === -1) continue;
            const target = owner < index.adapterCount ? index.adapterSwitch[owner]! : owner - index.adapterCount;
            const slots = pathSlots(index, tables, s, lid, owner)!;
            expect(slots.length - (owner < index.adapterCount ? 1 : 0)).toBe(oracle[s]![target]);
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it('spreads the LIDs of a tree evenly over the uplinks', () => {
    const index = indexGraph(tree2(4, 6, 3));
    const lids = assignLids(index);
    const tables = routeMinHop(index, lids);
    const used = [0, 0, 0];
    for (const lid of lids.adapterLids) {
      const port = tables.ports[lid]!;
      if (port > 6) used[port - 7]!++;
    }
    expect(used).toEqual([6, 6, 6]);
  });

  it('sends the LIDs of one port over different spines with LMC 2', () => {
    const index = indexGraph(tree2(3, 2, 4));
    const lids = assignLids(index, { lmc: 2 });
    const tables = routeMinHop(index, lids);
    const base = lids.adapterLids[5]!;
    const ports = [0, 1, 2, 3].map((offset) => tables.ports[base + offset]!);
    expect([...ports].sort()).toEqual([3, 4, 5, 6]);
  });

  it('leaves LIDs without a path unrouted', () => {
    const g = new GraphBuilder();
    g.switch('a', 4);
    g.switch('b', 4);
    g.host(0);
    g.host(1);
    const index = indexGraph(g.build());
    const lids = assignLids(index);
    const tables = routeMinHop(index, lids);
    expect(tables.ports[lids.adapterLids[1]!]).toBe(NO_PORT);
    expect(tables.ports[lids.adapterLids[0]!]).toBe(1);
  });

  it('takes the short way round a ring', () => {
    const index = indexGraph(ring(5));
    const lids = assignLids(index);
    const tables = routeMinHop(index, lids);
    // Ports of sw0: 1 host, 2 to sw1, 3 to sw4.
    expect([1, 2, 3, 4].map((h) => tables.ports[lids.adapterLids[h]!])).toEqual([2, 2, 3, 3]);
  });
});
