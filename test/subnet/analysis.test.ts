import { describe, expect, it } from 'vitest';
import { RandomStream } from '../../src/sim/index.ts';
import {
  assignLids,
  effectiveBisection,
  indexGraph,
  type LoadInput,
  routeFatTree,
  routeMinHop,
  type SubnetGraph,
  shiftLoads,
} from '../../src/subnet/index.ts';
import { ebbTable, shiftTable } from '../../validate/routing.ts';
import { ring, tree2 } from './graphs.ts';

function routed(graph: SubnetGraph, engine: typeof routeMinHop): LoadInput {
  const index = indexGraph(graph);
  const lids = assignLids(index);
  return { index, lids, tables: engine(index, lids) };
}

describe('link loads', () => {
  it('of shifts on a ring grow with the distance', () => {
    // On a ring of 6 with one host a switch, a shift by k < 3 puts k flows on each link of its direction.
    expect([...shiftLoads(routed(ring(6), routeMinHop), [0, 1, 2, 3, 4, 5])].filter((_, i) => i !== 2)).toEqual([1, 2, 2, 1]);
  });

  it('give the exact bisection of one switch pair', () => {
    // Two leaves with one host each: one pair, full rate. Two hosts a leaf over one spine link: worked out by hand below.
    expect(effectiveBisection(routed(tree2(2, 1, 1), routeFatTree), [0, 1], 5, new RandomStream(1, 'x'))).toBe(1);
    // Hosts 0, 1 | 2, 3, one uplink. A third of the pairings stays in the leaves (rate 1); in the rest both pairs cross (rate 1/2).
    const ours = effectiveBisection(routed(tree2(2, 2, 1), routeFatTree), [0, 1, 2, 3], 3000, new RandomStream(1, 'y'));
    expect(Math.abs(ours - (1 / 3 + (2 / 3) * 0.5))).toBeLessThan(0.02);
  });

  it('agree with the published effective bisection bandwidths and the shift law', () => {
    for (const row of [...ebbTable().rows, ...shiftTable().rows]) expect(row).toMatchObject({ ok: true });
  });
});
