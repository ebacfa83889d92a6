import { describe, expect, it } from 'vitest';
import { loadTopologyFile } from '../../src/cluster/index.ts';
import { chooseRanks } from '../../src/cluster/ranks.ts';
import type { RunOptions } from '../../src/cluster/types.ts';

const topology = loadTopologyFile('star:hosts=4');

function choose(twoSided: boolean, options: Partial<RunOptions>, on = topology): string[] {
  const program = { kind: 'builtin', name: 'x' } as const;
  const base = { topology: on, topologyFile: 'star', program, programArgs: [] };
  return chooseRanks(on, twoSided, { ...base, ...options }).map((place) => place.name);
}

describe('ranks', () => {
  it.each([
    [true, {}, ['node2', 'node1']],
    [true, { client: 'node3' }, ['node1', 'node3']],
    [true, { server: 'node1' }, ['node1', 'node2']],
    [true, { server: 'node4', client: 'node2' }, ['node4', 'node2']],
    [true, { nodes: ['node3', 'node1'] }, ['node3', 'node1']],
    [false, {}, ['node1', 'node2', 'node3', 'node4']],
    [false, { nodes: ['node4', 'node2'] }, ['node4', 'node2']],
  ] as const)('two-sided %s, %j: %j', (twoSided, options, names) => {
    expect(choose(twoSided, options)).toEqual(names);
  });

  it.each([
    [true, { client: 'nodeX' }, '--client', 'found nodeX; the nodes are node1, node2, node3, node4'],
    [true, { nodes: ['node1', 'nodeX', 'nodeY'] }, 'found nodeX; the nodes', 'found nodeY; the nodes'],
    [true, { server: 'nodeX', client: 'nodeY' }, '--server: found nodeX', '--client: found nodeY'],
    [true, { server: 'node1', client: 'node1' }, '--client', 'server and client are both node1'],
    [true, { nodes: ['node2', 'node2'] }, '--nodes', 'server and client are both node2'],
    [true, { nodes: ['node1'] }, '--nodes', 'found 1 names'],
    [true, { nodes: ['node1', 'node2'], client: 'node1' }, '--nodes', 'either'],
    [false, { client: 'node1' }, '--client', 'runs on all nodes alike'],
    [false, { nodes: ['node1', 'node1'] }, '--nodes', 'node1 is named twice'],
    [false, { nodes: [] }, 'star', 'no processor node'],
  ] as const)('two-sided %s, %j is refused', (twoSided, options, where, message) => {
    const call = () => choose(twoSided, options);
    expect(call).toThrow(where);
    expect(call).toThrow(message);
  });
});
