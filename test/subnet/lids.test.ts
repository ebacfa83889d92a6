import { describe, expect, it } from 'vitest';
import { assignLids, compareGuidsAsOpenSm, indexGraph, type SubnetGraph } from '../../src/subnet/index.ts';
import { ConfigError } from '../../src/sim/index.ts';
import { ring } from './graphs.ts';

function withAdapterLids(graph: SubnetGraph, lids: (number | undefined)[]): SubnetGraph {
  return { ...graph, adapters: graph.adapters.map((a, i) => (lids[i] === undefined ? a : { ...a, lid: lids[i] })) };
}

describe('LID assignment', () => {
  it('numbers adapter ports, then switches, in the order of the graph', () => {
    const plan = assignLids(indexGraph(ring(3)));
    expect([...plan.adapterLids]).toEqual([1, 2, 3]);
    expect([...plan.switchLids]).toEqual([4, 5, 6]);
    expect([...plan.owners]).toEqual([-1, 0, 1, 2, 3, 4, 5]);
    expect(plan.maxLid).toBe(6);
  });

  it('gives adapter ports aligned ranges of 2^LMC and switches one LID', () => {
    const plan = assignLids(indexGraph(ring(3)), { lmc: 2 });
    expect([...plan.adapterLids]).toEqual([4, 8, 12]);
    expect([...plan.switchLids]).toEqual([16, 17, 18]);
    expect([...plan.owners.subarray(4, 8)]).toEqual([0, 0, 0, 0]);
  });

  it('keeps given LIDs and fills round them', () => {
    const plan = assignLids(indexGraph(withAdapterLids(ring(3), [undefined, 2, undefined])));
    expect([...plan.adapterLids]).toEqual([1, 2, 3]);
    const late = assignLids(indexGraph(withAdapterLids(ring(3), [undefined, undefined, 1])));
    expect([...late.adapterLids]).toEqual([2, 3, 1]);
  });

  it('names every clash, misfit and overflow at once', () => {
    const graph = indexGraph(withAdapterLids(ring(4), [8, 8, 6, 0xc000]));
    const error = (() => {
      try {
        assignLids(graph, { lmc: 2 });
      } catch (caught) {
        return caught as ConfigError;
      }
      return undefined;
    })();
    expect(error).toBeInstanceOf(ConfigError);
    expect(error!.issues.map((issue) => issue.message)).toEqual([
      'port 1 of h1: LID 8 already belongs to port 1 of h0',
      'port 1 of h2: LID 6 is not a multiple of 4, as LMC 2 asks',
      'port 1 of h3: LID 49152 is not in 1 … 49151',
    ]);
    expect(() => assignLids(graph, { lmc: 8 })).toThrow('8 is not in 0 … 7');
  });

  it('orders GUIDs as a little-endian machine sees network order', () => {
    const sorted = [0x200100n, 0x200001n, 0x200000n, 0x1ff002n].sort(compareGuidsAsOpenSm);
    expect(sorted).toEqual([0x200000n, 0x200100n, 0x200001n, 0x1ff002n]);
  });
});
