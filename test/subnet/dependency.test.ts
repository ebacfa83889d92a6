import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assertDeadlockFree,
  assignLids,
  buildMulticastTrees,
  type DependencyInput,
  describeCycle,
  findDependencyCycle,
  indexGraph,
  routeMinHop,
} from '../../src/subnet/index.ts';
import { grid, ring, ringWithChords, tree2 } from './graphs.ts';
import { linkSlots } from './paths.ts';

function minHop(graph: Parameters<typeof indexGraph>[0]): DependencyInput {
  const index = indexGraph(graph);
  const lids = assignLids(index);
  return { index, lids, tables: routeMinHop(index, lids) };
}

/** All dependencies between links, path by path; then leaves are cut until nothing or a cycle remains. */
function cyclic({ index, lids, tables }: DependencyInput): { cyclic: boolean; edges: Set<string> } {
  const edges = new Set<string>();
  for (let from = 0; from < index.adapterCount; from++) {
    for (let to = 0; to < index.adapterCount; to++) {
      if (from === to) continue;
      const slots = linkSlots(index, tables, from, lids.adapterLids[to]!, to);
      for (let i = 1; i < slots.length; i++) edges.add(`${slots[i - 1]} ${slots[i]}`);
    }
  }
  let rest = [...edges].map((edge) => edge.split(' '));
  for (let before = -1; before !== rest.length; ) {
    before = rest.length;
    const sources = new Set(rest.map(([source]) => source));
    rest = rest.filter(([, target]) => sources.has(target!));
  }
  return { cyclic: rest.length > 0, edges };
}

describe('channel dependencies', () => {
  it('finds the five-hop cycle of a ring of five under min-hop', () => {
    const input = minHop(ring(5));
    const cycle = findDependencyCycle(input)!;
    expect(cycle.channels.length).toBe(5);
    const lines = describeCycle(input.index, cycle).split('\n');
    expect(lines[0]).toBe('sw0[2] -> sw1[2] VL0');
    expect(lines[4]).toBe('sw4[3] -> sw0[3] VL0');
    expect(() => assertDeadlockFree(input)).toThrow(
      /can deadlock: 5 channels wait for each other in a cycle\n {2}sw0\[2\] -> sw1\[2\] VL0/,
    );
  });

  it('agrees with a plain search over all paths, and names a cycle that is there', () => {
    let cycles = 0;
    fc.assert(
      fc.property(ringWithChords, (graph) => {
        const input = minHop(graph);
        const oracle = cyclic(input);
        const cycle = findDependencyCycle(input);
        expect(cycle !== undefined).toBe(oracle.cyclic);
        if (cycle === undefined) return;
        cycles++;
        const slots = cycle.channels.map((channel) => channel.slot);
        expect(new Set(slots).size).toBe(slots.length);
        slots.forEach((slot, i) => {
          expect(oracle.edges).toContain(`${slot} ${slots[(i + 1) % slots.length]}`);
        });
      }),
      { numRuns: 200, seed: 7 },
    );
    expect(cycles).toBeGreaterThan(50);
    expect(cycles).toBeLessThan(190);
  });

  it('finds none in trees', () => {
    expect(findDependencyCycle(minHop(tree2(6, 4, 3)))).toBeUndefined();
  });

  it('keeps VLs apart: a ring whose SLs split at the seam has none, one whose SLs share a VL has one', () => {
    const input = minHop(ring(6));
    const { index } = input;
    const pathSls = new Uint8Array(36);
    for (let a = 0; a < 6; a++) {
      for (let b = 0; b < 6; b++) {
        const slots = linkSlots(index, input.tables, a, input.lids.adapterLids[b]!, b);
        const seam = slots.some((slot) => Math.abs(index.slotSwitch[slot]! - index.peerSwitch[slot]!) === 5);
        pathSls[a * 6 + b] = seam ? 1 : 0;
      }
    }
    const split = new Uint8Array(index.peerSwitch.length * 16).map((_, i) => (i % 16 === 1 ? 1 : 0));
    expect(findDependencyCycle({ ...input, pathSls, vls: split })).toBeUndefined();
    expect(findDependencyCycle({ ...input, pathSls, vls: new Uint8Array(split.length) })).toBeDefined();
    // Any SL on any path: both VLs have the whole cycle.
    expect(findDependencyCycle({ ...input, sls: [1], vls: split })!.channels.every((channel) => channel.vl === 1)).toBe(true);
    // VL 15 drops the packet, and a dropped packet waits for nothing.
    expect(findDependencyCycle({ ...input, vls: new Uint8Array(split.length).fill(15) })).toBeUndefined();
  });

  it('counts multicast trees', () => {
    const input = minHop(grid([2, 2], false));
    expect(findDependencyCycle(input)).toBeUndefined();
    const { index } = input;
    // A tree with the path 0-1-3-2 beside unicast that turns 1-0-2 … closes the square.
    const trees = buildMulticastTrees(index, [{ mlid: 0xc000, members: [0, 1, 2, 3] }]);
    const alone = findDependencyCycle({ ...input, multicast: trees });
    const both = findDependencyCycle({ ...input, multicast: [...trees, turned(index)] });
    expect(alone === undefined || both !== undefined).toBe(true);
    expect(both).toBeDefined();
  });
});

/** A hand-made "tree" that is a ring: every switch forwards between all of its links. */
function turned(index: ReturnType<typeof indexGraph>) {
  const tree = buildMulticastTrees(index, [{ mlid: 0xc001, members: [] }])[0]!;
  index.peerSwitch.forEach((peer, slot) => {
    const s = index.slotSwitch[slot]!;
    if (peer >= 0) tree.masks[s * tree.words]! |= 1 << (slot - index.portBase[s]!);
  });
  return tree;
}
