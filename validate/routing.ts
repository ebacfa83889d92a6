/**
 * Routing against published and computed values: effective bisection bandwidth of two-level trees under d-mod-k, shift
 * permutations at full rate, and what a failed root costs.
 */
import { RandomStream } from '../src/sim/index.ts';
import {
  assignLids,
  effectiveBisection,
  type GraphLink,
  indexGraph,
  type LoadInput,
  routeFatTree,
  type SubnetGraph,
  shiftLoads,
  treeShape,
} from '../src/subnet/index.ts';
import { compare, type ValidationRow, type ValidationTable } from './types.ts';

interface Tree {
  readonly leaves: number;
  readonly hosts: number;
  readonly spines: number;
}

/** eBB of two-level trees with one link from each leaf to each spine: both directions at once, and one alone. */
const PUBLISHED_EBB: readonly (Tree & { readonly both: number; readonly one?: number })[] = [
  // biome-ignore lint/suspicious/noApproximativeNumericConstant: 0.693 is a measurement here, not ln 2
  { leaves: 16, hosts: 8, spines: 8, both: 0.693, one: 0.846 },
  { leaves: 24, hosts: 12, spines: 12, both: 0.682, one: 0.818 },
  { leaves: 36, hosts: 18, spines: 18, both: 0.665, one: 0.808 },
  { leaves: 72, hosts: 18, spines: 18, both: 0.655, one: 0.802 },
  { leaves: 36, hosts: 24, spines: 12, both: 0.397 },
];

const DRAWS = 500;

/** All tables of this module. */
export async function rows(): Promise<readonly ValidationTable[]> {
  return [ebbTable(), shiftTable()];
}

/** Effective bisection bandwidth, as a fraction of the link rate; within 2 %. */
export function ebbTable(): ValidationTable {
  const rows: ValidationRow[] = [];
  for (const { both, one, ...tree } of PUBLISHED_EBB) {
    const input = routed(twoLevels(tree));
    const hosts = treeShape(input.index).hostOrder;
    const label = `${tree.leaves} leaves × ${tree.hosts} hosts, ${tree.spines} spines`;
    rows.push(compare(label, both, effectiveBisection(input, hosts, DRAWS, new RandomStream(1, label)), 2));
    if (one !== undefined)
      rows.push(
        compare(`${label}, one direction`, one, effectiveBisection(input, hosts, DRAWS, new RandomStream(2, label), 1), 2),
      );
  }
  return {
    title: 'effective bisection bandwidth, d-mod-k',
    source:
      'metric of Hoefler, Schneider, Lumsdaine (Cluster 2008); reference values from an independent computation on the same trees',
    unit: 'of the link rate',
    rows,
  };
}

/** Rate of the slowest flow over all shift permutations, as a fraction of the link rate; exact. */
export function shiftTable(): ValidationTable {
  const row = (name: string, published: number, graph: SubnetGraph) => {
    const input = routed(graph);
    const most = shiftLoads(input, treeShape(input.index).hostOrder).reduce((a, b) => Math.max(a, b), 1);
    return compare(name, published, 1 / most, 0);
  };
  const tree = { leaves: 36, hosts: 18, spines: 18 };
  return {
    title: 'slowest flow of any shift permutation, d-mod-k',
    source: 'Zahavi, D-Mod-K routing providing non-blocking traffic for shift permutations on real life fat trees',
    unit: 'of the link rate',
    rows: [
      row('648 hosts, two levels', 1, twoLevels(tree)),
      row('432 hosts, three levels of 12-port switches', 1, threeLevels(12)),
      row('648 hosts, one spine dead', 1 / 2, twoLevels({ ...tree, spines: 17 })),
      row('864 hosts, 2:1 taper', 1 / 2, twoLevels({ leaves: 36, hosts: 24, spines: 12 })),
    ],
  };
}

function routed(graph: SubnetGraph): LoadInput {
  const index = indexGraph(graph);
  const lids = assignLids(index);
  return { index, lids, tables: routeFatTree(index, lids) };
}

function twoLevels({ leaves, hosts, spines }: Tree): SubnetGraph {
  const links: GraphLink[] = [];
  for (let leaf = 0; leaf < leaves; leaf++) {
    for (let h = 0; h < hosts; h++) links.push(hostLink(leaf * hosts + h, leaf, h + 1));
    for (let s = 0; s < spines; s++) links.push(switchLink(leaf, hosts + s + 1, leaves + s, leaf + 1));
  }
  return graphOf(leaves + spines, Math.max(leaves, hosts + spines), leaves * hosts, links);
}

/** The full tree of k-port switches: k pods of k/2 leaves and k/2 middle switches. */
function threeLevels(k: number): SubnetGraph {
  const m = k / 2;
  const links: GraphLink[] = [];
  for (let leaf = 0; leaf < k * m; leaf++) {
    const pod = Math.floor(leaf / m);
    for (let h = 0; h < m; h++) links.push(hostLink(leaf * m + h, leaf, h + 1));
    for (let i = 0; i < m; i++) links.push(switchLink(leaf, m + i + 1, k * m + pod * m + i, (leaf % m) + 1));
  }
  for (let middle = 0; middle < k * m; middle++) {
    const pod = Math.floor(middle / m);
    for (let j = 0; j < m; j++) links.push(switchLink(k * m + middle, m + j + 1, 2 * k * m + (middle % m) * m + j, pod + 1));
  }
  return graphOf(2 * k * m + m * m, k, k * m * m, links);
}

function hostLink(adapter: number, leaf: number, port: number): GraphLink {
  return { a: { kind: 'adapter', index: adapter }, b: { kind: 'switch', index: leaf, port } };
}

function switchLink(a: number, aPort: number, b: number, bPort: number): GraphLink {
  return { a: { kind: 'switch', index: a, port: aPort }, b: { kind: 'switch', index: b, port: bPort } };
}

function graphOf(switches: number, portCount: number, hosts: number, links: GraphLink[]): SubnetGraph {
  return {
    switches: Array.from({ length: switches }, (_, s) => ({ guid: BigInt(0x200000 + s), name: `switch${s}`, portCount })),
    adapters: Array.from({ length: hosts }, (_, h) => {
      const nodeGuid = BigInt(0x100000 + 2 * h);
      return { guid: nodeGuid + 1n, nodeGuid, name: `host${h}`, port: 1 };
    }),
    links,
  };
}
