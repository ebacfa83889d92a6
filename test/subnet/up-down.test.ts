import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assignLids,
  chooseRoots,
  computeRouting,
  findDependencyCycle,
  indexGraph,
  routeUpDown,
  upDownOrder,
} from '../../src/subnet/index.ts';
import { connectedGraph, GraphBuilder, ring, tree2, tree3 } from './graphs.ts';
import { pathSlots } from './paths.ts';

describe('up-down', () => {
  it('reaches everybody from one root, never turns from down to up, and has no dependency cycle', () => {
    fc.assert(
      fc.property(connectedGraph, fc.nat(11), fc.nat(1), (graph, pick, lmc) => {
        const index = indexGraph(graph);
        const lids = assignLids(index, { lmc });
        const root = pick % index.switchCount;
        const roots = [graph.switches[root]!.guid];
        const tables = routeUpDown(index, lids, roots);
        const place = upDownOrder(index, [root]);
        expect(place[root]).toBe(0);
        for (let s = 0; s < index.switchCount; s++) {
          for (let lid = 1; lid <= lids.maxLid; lid++) {
            const owner = lids.owners[lid]!;
            if (owner === -1) continue;
            const slots = pathSlots(index, tables, s, lid, owner);
            expect(slots).toBeDefined();
            const places = [s, ...slots!.map((slot) => index.peerSwitch[slot]!).filter((next) => next >= 0)].map(
              (node) => place[node]!,
            );
            const turn = places.findIndex((p, i) => i > 0 && p > places[i - 1]!);
            const descent = turn < 0 ? [] : places.slice(turn - 1);
            expect(descent).toEqual([...descent].sort((a, b) => a - b));
          }
        }
        expect(findDependencyCycle({ index, lids, tables })).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });

  it('reaches whoever has a legal path when there are several roots', () => {
    fc.assert(
      fc.property(connectedGraph, fc.array(fc.nat(11), { minLength: 1, maxLength: 4 }), (graph, picks) => {
        const index = indexGraph(graph);
        const lids = assignLids(index);
        const roots = [...new Set(picks.map((pick) => pick % index.switchCount))];
        const tables = routeUpDown(
          index,
          lids,
          roots.map((s) => graph.switches[s]!.guid),
        );
        const place = upDownOrder(index, roots);
        expect(findDependencyCycle({ index, lids, tables })).toBeUndefined();
        for (let d = 0; d < index.switchCount; d++) {
          const legal = legalSources(index, place, d);
          for (let s = 0; s < index.switchCount; s++) {
            const found = pathSlots(index, tables, s, lids.switchLids[d]!, index.adapterCount + d) !== undefined;
            expect(found).toBe(legal.has(s));
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it('keeps the shortest paths of a tree', () => {
    const index = indexGraph(tree3(4));
    const lids = assignLids(index);
    expect(computeRouting(index, lids, { engine: 'up-down' }).reachability.histogram).toEqual(
      computeRouting(index, lids, { engine: 'min-hop' }).reachability.histogram,
    );
  });

  it('finds the spines of a tree with and without levels', () => {
    const graph = tree2(12, 2, 3);
    const bare = { ...graph, switches: graph.switches.map(({ level: _, ...node }) => node) };
    expect(chooseRoots(indexGraph(graph), 'found')).toEqual([12, 13, 14]);
    expect(chooseRoots(indexGraph(bare), 'found')).toEqual([12, 13, 14]);
  });

  it('takes the switch nearest to all hosts where there is nothing like a root', () => {
    const full = ring(5);
    const extra = { ...full, switches: full.switches.map((s) => ({ ...s, portCount: 4 })) };
    const host = { guid: 0x900001n, nodeGuid: 0x900000n, name: 'more', port: 1 };
    const cable = { a: { kind: 'adapter', index: 5 }, b: { kind: 'switch', index: 3, port: 4 } } as const;
    const index = indexGraph({ ...extra, adapters: [...extra.adapters, host], links: [...extra.links, cable] });
    expect(chooseRoots(index, 'center')).toEqual([3]);
    expect(chooseRoots(index, 'found')).toEqual([3]);
    expect(computeRouting(index, assignLids(index), { engine: 'up-down' }).roots).toEqual([3]);
    expect(() => routeUpDown(index, assignLids(index), [0x99n])).toThrow('no switch has GUID 0x99');
    // All on one level is no hint.
    const flat = indexGraph({ ...full, switches: full.switches.map((s) => ({ ...s, level: 0 })) });
    expect(chooseRoots(flat, 'found')).toEqual([0]);
  });

  it('finds roots for each part of a fabric whose parts are not connected', () => {
    const g = new GraphBuilder();
    for (const name of ['a', 'b', 'c', 'd']) g.switch(name, 4);
    for (const s of [0, 1, 2, 3]) g.host(s);
    g.join(0, 1);
    g.join(2, 3);
    const index = indexGraph(g.build());
    const routing = computeRouting(index, assignLids(index), { engine: 'up-down' });
    expect(routing.roots).toEqual([0, 2]);
    expect(routing.reachability).toEqual({ pairs: 12, histogram: [0, 0, 4], unreachable: [], apart: 8 });
    expect(routing.treeRules.roots).toEqual([0, 2]);
  });

  it('refuses a switch that no root reaches', () => {
    const g = new GraphBuilder();
    g.switch('a', 2);
    g.switch('b', 2);
    const index = indexGraph(g.build());
    expect(() => upDownOrder(index, [0])).toThrow('no root switch is connected to switch b');
  });
});

/** Switches with any up*\/down* path to `d`, by a search over (switch, has gone down) states: the definition itself. */
function legalSources(index: ReturnType<typeof indexGraph>, place: Int32Array, d: number): Set<number> {
  const seen = new Set([`${d} true`, `${d} false`]);
  const queue: [number, boolean][] = [
    [d, true],
    [d, false],
  ];
  for (const [u, down] of queue) {
    for (let slot = index.portBase[u]! + 1; slot < index.portBase[u + 1]!; slot++) {
      const r = index.peerSwitch[slot]!;
      if (r < 0) continue;
      // Against the direction of travel: before a downward leg anything may come, before an upward leg only upward ones.
      const stepDown = place[r]! < place[u]!;
      if (stepDown && !down) continue;
      const key = `${r} ${stepDown}`;
      if (seen.has(key)) continue;
      seen.add(key);
      queue.push([r, stepDown]);
    }
  }
  return new Set(queue.map(([s]) => s));
}
