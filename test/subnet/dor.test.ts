import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assignLids,
  computeRouting,
  findDependencyCycle,
  gridShape,
  indexGraph,
  type RoutingOptions,
  type SubnetGraph,
} from '../../src/subnet/index.ts';
import { GraphBuilder, grid, ring } from './graphs.ts';
import { linkSlots } from './paths.ts';

function route(graph: SubnetGraph, extra: Partial<RoutingOptions> = {}) {
  const index = indexGraph(graph);
  const lids = assignLids(index);
  const routing = computeRouting(index, lids, { engine: 'dor', ...extra });
  const levels = routing.levels === undefined ? {} : { vls: routing.levels.vls, pathSls: routing.levels.pathSls };
  return { index, lids, routing, cycle: findDependencyCycle({ index, lids, tables: routing.tables, ...levels }) };
}

const radices = fc.array(fc.integer({ min: 2, max: 5 }), { minLength: 1, maxLength: 3 });

describe('dor', () => {
  it('goes along dimension 0 first, by shortest paths', () => {
    fc.assert(
      fc.property(radices, fc.boolean(), (radix, wrap) => {
        const { index, lids, routing } = route(grid(radix, wrap));
        expect(routing.reachability).toEqual(computeRouting(index, lids, { engine: 'min-hop' }).reachability);
        const { directions } = gridShape(index);
        for (let from = 0; from < index.adapterCount; from++) {
          for (let to = 0; to < index.adapterCount; to++) {
            if (from === to) continue;
            const dims = linkSlots(index, routing.tables, from, lids.adapterLids[to]!, to).map((slot) => directions[slot]! >> 1);
            expect(dims).toEqual([...dims].sort((a, b) => a - b));
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('is free of cycles on meshes and hypercubes', () => {
    expect(route(grid([4, 3, 3], false)).cycle).toBeUndefined();
    expect(route(grid([2, 2, 2, 2], false)).cycle).toBeUndefined();
  });

  it('has a cycle in any ring of five or more, which datelines break', () => {
    fc.assert(
      fc.property(radices, (radix) => {
        const graph = grid(radix, true);
        const ringed = radix.some((r) => r > 2);
        expect(route(graph).cycle !== undefined).toBe(radix.some((r) => r > 4));
        if (ringed) expect(route(graph, { datelines: true }).cycle).toBeUndefined();
        else expect(() => route(graph, { datelines: true })).toThrow('no dimension of this fabric is a ring');
      }),
      { numRuns: 30 },
    );
  });

  it('shares both ways round an even ring', () => {
    const { index, lids, routing } = route(ring(4));
    const ports = [0, 1, 2, 3].map((s) => routing.tables.ports[s * routing.tables.stride + lids.adapterLids[(s + 2) % 4]!]!);
    const ways = ports.map((port, s) => (index.peerSwitch[index.portBase[s]! + port]! - s + 4) % 4);
    expect(ways).toEqual([1, 3, 1, 3]);
  });

  it('reports pairs whose way is cut', () => {
    const full = grid([3, 3], false);
    const graph = { ...full, links: full.links.filter((_, l) => l !== full.adapters.length) };
    expect(() => route(graph)).toThrow(/dor leaves adapters that cannot reach each other/);
    const { routing } = route(graph, { allowUnreachable: true });
    expect(routing.reachability.unreachable.every((pair) => pair.why === 'no-path')).toBe(true);
    // Without the link (0,0)-(1,0): 0.0 reaches only its column, and of what crosses x only rows 1 and 2 do.
    expect(routing.reachability.unreachable).toContainEqual({ source: 0, lid: 2, adapter: 1, why: 'no-path' });
    expect(routing.reachability.unreachable.length).toBe(12);
  });

  it('refuses graphs whose cables do not fit the coordinates', () => {
    const g = new GraphBuilder();
    g.switch('a', 4, { coordinates: [0, 0] });
    g.switch('b', 4, { coordinates: [1, 1] });
    g.join(0, 1);
    expect(() => gridShape(indexGraph(g.build()))).toThrow(
      'the link between a[1] and b[1] does not join neighbours in one dimension',
    );
    const twice = new GraphBuilder();
    twice.switch('a', 4, { coordinates: [0] });
    twice.switch('b', 4, { coordinates: [0] });
    expect(() => gridShape(indexGraph(twice.build()))).toThrow('b and a are both at 0');
    const none = new GraphBuilder();
    none.switch('a', 4);
    expect(() => gridShape(indexGraph(none.build()))).toThrow('dor needs coordinates');
  });
});
