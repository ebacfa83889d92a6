/** Our routing engines and our cycle check against the real OpenSM and ibdmchk. Needs what scripts/setup-interop installs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assignLids,
  computeRouting,
  findDependencyCycle,
  type ForwardingTables,
  indexGraph,
  LidTracer,
  type LidPlan,
  routeMinHop,
  type RoutingOptions,
  type SubnetGraph,
} from '../../src/subnet/index.ts';
import { connectedGraph, GraphBuilder, grid, ring, ringWithChords, tree2, tree3 } from '../subnet/graphs.ts';
import { type OpenSmResult, runOpenSm } from './opensm-tools.ts';

/** The graph with the LIDs that OpenSM gave. */
function withLids(graph: SubnetGraph, result: OpenSmResult): SubnetGraph {
  const lid = (guid: bigint) => ({ lid: result.lids.get(guid)! });
  return {
    ...graph,
    adapters: graph.adapters.map((a) => ({ ...a, ...lid(a.guid) })),
    switches: graph.switches.map((s) => ({ ...s, ...lid(s.guid) })),
  };
}

/** Both tables as `switch LID port` lines, for LIDs that somebody owns. */
function lines(
  graph: SubnetGraph,
  lids: LidPlan,
  tables: ForwardingTables,
  result: OpenSmResult,
): { ours: string[]; theirs: string[] } {
  const ours: string[] = [];
  const theirs: string[] = [];
  graph.switches.forEach((node, s) => {
    for (let lid = 1; lid <= lids.maxLid; lid++) {
      if (lids.owners[lid] === -1) continue;
      ours.push(`${node.name} ${lid} ${tables.ports[s * tables.stride + lid]}`);
      theirs.push(`${node.name} ${lid} ${result.tables.get(node.guid)?.get(lid)?.port ?? 255}`);
    }
  });
  return { ours, theirs };
}

/** 11 switches with odd GUIDs, parallel links and uneven numbers of hosts. */
function crooked(): SubnetGraph {
  const g = new GraphBuilder();
  const guids = [0x9f0301n, 0x100302n, 0x77aa00n, 0x550177n, 0x31n, 0xff00ffn, 0x120012n, 0x3401n, 0x990099n, 0x7n, 0x8800n];
  for (const [s, guid] of guids.entries()) g.switch(`x${s}`, 20, { guid: 0x5000000000n + guid * 0x10n });
  const edges = [
    0, 1, 0, 1, 0, 2, 1, 3, 2, 3, 2, 4, 3, 5, 4, 5, 4, 6, 5, 6, 6, 7, 6, 7, 6, 7, 7, 8, 8, 9, 9, 10, 10, 0, 10, 5, 9, 1, 3, 8,
  ];
  for (let i = 0; i < edges.length; i += 2) g.join(edges[i]!, edges[i + 1]!);
  [0, 0, 0, 1, 2, 2, 5, 5, 5, 5, 7, 7, 8, 9, 10, 10, 10].forEach((s) => {
    g.host(s);
  });
  return g.build();
}

const fabrics: [string, SubnetGraph][] = [
  ['a ring of five', ring(5, 2)],
  ['a two-level tree', tree2(6, 4, 4)],
  ['a two-level tree with parallel links', tree2(4, 4, 2, 2)],
  ['a three-level tree', tree3(4)],
  ['a 4 × 3 torus', grid([4, 3], true, 2)],
  ['a crooked fabric', crooked()],
  ['a 4 × 3 mesh', grid([4, 3], false, 2)],
  ['a hypercube', grid([2, 2, 2], false)],
];

describe('min-hop against OpenSM', () => {
  for (const [name, graph] of fabrics) {
    for (const lmc of [0, 1, 2]) {
      it(`gives the same LIDs and the same tables on ${name}, LMC ${lmc}`, async () => {
        const result = await runOpenSm(graph, 'minhop', { lmc });
        const order = assignLids(indexGraph(graph), { lmc, order: 'opensm' });
        expect([...order.adapterLids]).toEqual(graph.adapters.map((a) => result.lids.get(a.guid)));
        expect([...order.switchLids]).toEqual(graph.switches.map((s) => result.lids.get(s.guid)));
        const index = indexGraph(withLids(graph, result));
        const lids = assignLids(index, { lmc });
        const { ours, theirs } = lines(graph, lids, routeMinHop(index, lids), result);
        expect(ours).toEqual(theirs);
      });
    }
  }
});

/** ibdmchk's verdict: whether it found a credit loop. Throws if it gave none. */
function creditLoop(check: string): boolean {
  if (check.includes('no credit loops found')) return false;
  if (/Found credit loop|credit loops in routing/.test(check)) return true;
  throw new Error(`no verdict from ibdmchk:\n${check}`);
}

/** Their tables in our form. */
function theirTables(graph: SubnetGraph, lids: LidPlan, result: OpenSmResult): ForwardingTables {
  const stride = lids.maxLid + 1;
  const ports = new Uint8Array(graph.switches.length * stride).fill(255);
  graph.switches.forEach((node, s) => {
    for (const [lid, { port }] of result.tables.get(node.guid)!) if (lid < stride) ports[s * stride + lid] = port;
  });
  return { stride, ports };
}

const roots = (graph: SubnetGraph, ...switches: number[]) => switches.map((s) => graph.switches[s]!.guid);
const named = (name: string) => fabrics.find(([title]) => title === name)![1];

/** Engine there, engine here, fabric, roots. */
const cases: [string, RoutingOptions, string, bigint[]?][] = [
  ...fabrics.map(([name]): [string, RoutingOptions, string] => ['minhop', { engine: 'min-hop' }, name]),
  ...fabrics.map(([name, graph]): [string, RoutingOptions, string, bigint[]] => {
    const tops = graph.switches.flatMap((node, s) =>
      node.level === Math.max(...graph.switches.map((n) => n.level ?? -1)) ? [s] : [],
    );
    const chosen = roots(graph, ...(tops.length > 0 ? tops : [0]));
    return ['updn', { engine: 'up-down', roots: chosen }, name, chosen];
  }),
  ['ftree', { engine: 'fat-tree' }, 'a two-level tree'],
  ['ftree', { engine: 'fat-tree' }, 'a two-level tree with parallel links'],
  ['ftree', { engine: 'fat-tree' }, 'a three-level tree'],
  ['dor', { engine: 'dor' }, 'a ring of five'],
  ['dor', { engine: 'dor' }, 'a 4 × 3 mesh'],
  ['dor', { engine: 'dor' }, 'a hypercube'],
];

describe('tables, paths and credit loops against OpenSM and ibdmchk', () => {
  for (const [theirs, options, name, rootGuids] of cases) {
    it(`${options.engine} on ${name}`, async () => {
      const result = await runOpenSm(named(name), theirs, rootGuids === undefined ? {} : { roots: rootGuids });
      expect(result.log).toContain(`${theirs} tables configured on all switches`);
      const graph = withLids(named(name), result);
      const index = indexGraph(graph);
      const lids = assignLids(index);
      const routing = computeRouting(index, lids, options);
      const tracer = new LidTracer(index, lids, routing.tables);
      lids.adapterLids.forEach((lid) => {
        tracer.trace(lid);
        const hops = graph.switches.map((node) => result.tables.get(node.guid)!.get(lid)!.hops);
        expect([...tracer.hops]).toEqual(hops);
      });
      if (options.engine !== 'fat-tree') {
        const entries = lines(graph, lids, routing.tables, result);
        expect(entries.ours).toEqual(entries.theirs);
      }
      // Our check and theirs judge the same tables: theirs.
      const cycle = findDependencyCycle({ index, lids, tables: theirTables(graph, lids, result) });
      expect(cycle !== undefined).toBe(creditLoop(result.check));
      const ours = findDependencyCycle({ index, lids, tables: routing.tables });
      expect(ours !== undefined).toBe(cycle !== undefined);
    });
  }

  it('names the cycle of five that ibdmchk names', async () => {
    const result = await runOpenSm(named('a ring of five'), 'minhop');
    expect(result.check).toContain('Found credit loop');
    const graph = withLids(named('a ring of five'), result);
    const index = indexGraph(graph);
    const lids = assignLids(index);
    const cycle = findDependencyCycle({ index, lids, tables: theirTables(graph, lids, result) });
    expect(cycle!.channels.length).toBe(5);
  });
});

describe('random fabrics against OpenSM and ibdmchk', () => {
  it('min-hop gives the same tables', async () => {
    for (const sample of fc.sample(connectedGraph, { seed: 11, numRuns: 12 })) {
      const result = await runOpenSm(sample, 'minhop');
      const graph = withLids(sample, result);
      const index = indexGraph(graph);
      const lids = assignLids(index);
      const { ours, theirs } = lines(graph, lids, routeMinHop(index, lids), result);
      expect(ours).toEqual(theirs);
    }
  });

  it('the cycle check and ibdmchk agree on rings with chords', async () => {
    const verdicts: boolean[] = [];
    for (const sample of fc.sample(ringWithChords, { seed: 5, numRuns: 16 })) {
      const result = await runOpenSm(sample, 'minhop');
      const graph = withLids(sample, result);
      const index = indexGraph(graph);
      const lids = assignLids(index);
      const found = findDependencyCycle({ index, lids, tables: theirTables(graph, lids, result) }) !== undefined;
      expect(found).toBe(creditLoop(result.check));
      verdicts.push(found);
    }
    expect(new Set(verdicts).size).toBe(2);
  });
});
