import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assignLids,
  BROADCAST_MLID,
  buildMulticastTrees,
  computeRouting,
  configureSubnet,
  findDependencyCycle,
  indexGraph,
  type MulticastTree,
  type SubnetIndex,
} from '../../src/subnet/index.ts';
import { connectedGraph, GraphBuilder, grid, tree2, tree3 } from './graphs.ts';

/** Copies of one packet that each adapter port gets when `from` sends it; throws when it circles. */
function flood(index: SubnetIndex, tree: MulticastTree, from: number): number[] {
  const copies = new Array<number>(index.adapterCount).fill(0);
  const waiting: [number, number][] = [[index.adapterSwitch[from]!, index.adapterSlot[from]!]];
  for (let steps = 0; waiting.length > 0; steps++) {
    if (steps > 1000) throw new Error('the packet circles');
    const [s, inSlot] = waiting.pop()!;
    for (let slot = index.portBase[s]! + 1; slot < index.portBase[s + 1]!; slot++) {
      if (slot === inSlot || !tree.has(s, slot - index.portBase[s]!)) continue;
      if (index.peerAdapter[slot]! >= 0) copies[index.peerAdapter[slot]!]!++;
      else waiting.push([index.peerSwitch[slot]!, index.peerSlot[slot]!]);
    }
  }
  return copies;
}

describe('multicast trees', () => {
  it('bring one copy to every other member and none to anybody else', () => {
    fc.assert(
      fc.property(connectedGraph, fc.array(fc.nat(19), { minLength: 1 }), (graph, picks) => {
        const index = indexGraph(graph);
        const members = [...new Set(picks.map((pick) => pick % index.adapterCount))];
        const [tree] = buildMulticastTrees(index, [{ mlid: BROADCAST_MLID, members }]);
        for (const from of members) {
          const expected = graph.adapters.map((_, a) => (members.includes(a) && a !== from ? 1 : 0));
          expect(flood(index, tree!, from)).toEqual(expected);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('follow the order of up-down, so that no cycle appears', () => {
    fc.assert(
      fc.property(connectedGraph, (graph) => {
        const index = indexGraph(graph);
        const lids = assignLids(index);
        const routing = computeRouting(index, lids, { engine: 'up-down', roots: [graph.switches[0]!.guid] });
        const members = graph.adapters.map((_, a) => a);
        const multicast = buildMulticastTrees(index, [{ mlid: BROADCAST_MLID, members }], routing.treeRules);
        expect(multicast[0]!.roots).toEqual([0]);
        expect(findDependencyCycle({ index, lids, tables: routing.tables, multicast })).toBeUndefined();
      }),
      { numRuns: 150 },
    );
  });

  it('close no cycle with dimension-order paths on meshes, nor on tori with datelines', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 2, max: 5 }), { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        fc.nat(),
        (radix, wrap, salt) => {
          const graph = grid(radix, wrap);
          const datelines = wrap && radix.some((r) => r > 2);
          // Few members, so that the root is not always in the middle.
          const members = graph.adapters.flatMap((_, a) => ((a * 7 + salt) % 3 === 0 ? [a] : []));
          const multicast = [{ mlid: BROADCAST_MLID, members }];
          const routing = datelines ? ({ engine: 'dor', datelines } as const) : ({ engine: 'dor' } as const);
          expect(configureSubnet(graph, { routing, multicast }).multicast[0]!.roots.length).toBe(Math.min(1, members.length));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('go round a missing cable of a mesh', () => {
    const full = grid([3, 3], false);
    const graph = { ...full, links: full.links.filter((_, l) => l !== full.adapters.length + 2) };
    const index = indexGraph(graph);
    const routing = computeRouting(index, assignLids(index), { engine: 'dor', allowUnreachable: true });
    const members = graph.adapters.map((_, a) => a);
    const [tree] = buildMulticastTrees(index, [{ mlid: 0xc000, members }], routing.treeRules);
    for (const from of members) expect(flood(index, tree!, from)).toEqual(members.map((a) => (a === from ? 0 : 1)));
  });

  it('take a root nearest to the farthest member', () => {
    const index = indexGraph(tree3(4));
    const members = index.graph.adapters.map((_, a) => a);
    expect(index.graph.switches[buildMulticastTrees(index, [{ mlid: 0xc000, members }])[0]!.roots[0]!]!.level).toBe(2);
    expect(buildMulticastTrees(index, [{ mlid: 0xc000, members: [0, 1] }])[0]!.roots).toEqual([0]);
    expect(buildMulticastTrees(index, [{ mlid: 0xc000, members: [] }])[0]!.roots).toEqual([]);
  });

  it('list their ports a switch', () => {
    // Two leaves of two hosts, one spine: the spine is the root, the leaves hold hosts 1, 2 and uplink 3.
    const index = indexGraph(tree2(2, 2, 1));
    const [tree] = buildMulticastTrees(index, [{ mlid: 0xc000, members: [0, 2, 3] }]);
    expect(tree!.roots).toEqual([2]);
    expect([0, 1, 2].map((s) => tree!.ports(s))).toEqual([
      [1, 3],
      [1, 2, 3],
      [1, 2],
    ]);
  });

  it('are one for each part of a fabric whose parts are not connected', () => {
    const g = new GraphBuilder();
    for (const name of ['a', 'b', 'c']) g.switch(name, 4);
    for (const s of [0, 0, 1, 2]) g.host(s);
    g.join(1, 2);
    const index = indexGraph(g.build());
    const [tree] = buildMulticastTrees(index, [{ mlid: 0xc000, members: [0, 1, 2, 3] }]);
    expect(tree!.roots).toEqual([1, 0]);
    expect([0, 2].map((from) => flood(index, tree!, from))).toEqual([
      [0, 1, 0, 0],
      [0, 0, 0, 1],
    ]);
  });

  it('refuse bad MLIDs and members', () => {
    const index = indexGraph(tree2(2, 1, 1));
    expect(() => buildMulticastTrees(index, [{ mlid: 0xbfff, members: [] }])).toThrow('0xbfff is not in 0xC000');
    expect(() => buildMulticastTrees(index, [{ mlid: 0xc000, members: [9] }])).toThrow('there is no adapter port 9');
    const twice = { mlid: 0xc000, members: [] };
    expect(() => buildMulticastTrees(index, [twice, twice])).toThrow('given twice');
  });
});
