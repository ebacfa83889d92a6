/**
 * Measures of the switch graph: distances, and the links across a cut into equal halves. Vertices are switches, weighed by the
 * nodes on them; a node with several links counts where its first one leads, and for a cut it is a vertex of its own.
 */
import type { Topology } from './types.ts';

/** The switches and the cables between them. */
export interface SwitchGraph {
  readonly count: number;
  /** Neighbours of each switch, once per link. */
  readonly neighbours: readonly (readonly number[])[];
  /** Nodes on each switch. */
  readonly hosts: readonly number[];
}

export function switchGraph({ switches, nodes, links }: Pick<Topology, 'switches' | 'nodes' | 'links'>): SwitchGraph {
  const neighbours: number[][] = switches.map(() => []);
  const hosts = switches.map(() => 0);
  const home = nodes.map(() => -1);
  for (const { ends } of links) {
    const [a, b] = ends;
    if (a.kind === 'switch' && b.kind === 'switch') {
      neighbours[a.switch]!.push(b.switch);
      neighbours[b.switch]!.push(a.switch);
    }
    for (const [node, other] of [
      [a, b],
      [b, a],
    ] as const)
      if (node.kind === 'node' && other.kind === 'switch' && home[node.node] === -1) home[node.node] = other.switch;
  }
  for (const at of home) if (at >= 0) hosts[at]!++;
  return { count: switches.length, neighbours, hosts };
}

/**
 * What a cut divides: the switches and, as vertices after them, the nodes with more than one link, whose links a cut may cross. A node with a single link
 * stays with its switch: no cut gains by parting them.
 */
export function cutGraph(topology: Pick<Topology, 'switches' | 'nodes' | 'links'>): SwitchGraph {
  const base = switchGraph(topology);
  const neighbours = base.neighbours.map((list) => [...list]);
  const hosts = base.neighbours.map(() => 0);
  const ways = topology.nodes.map((): number[] => []);
  for (const { ends } of topology.links)
    for (const [one, other] of [ends, [ends[1], ends[0]]] as const)
      if (one.kind === 'node' && other.kind === 'switch') ways[one.node]!.push(other.switch);
  for (const way of ways) {
    if (way.length === 1) hosts[way[0]!]!++;
    if (way.length < 2) continue;
    for (const at of way) neighbours[at]!.push(neighbours.length);
    neighbours.push(way);
    hosts.push(1);
  }
  return { count: neighbours.length, neighbours, hosts };
}

/** Hops from `start` to each switch, -1 where there is no way. */
export function distancesFrom(graph: SwitchGraph, start: readonly number[]): Int32Array {
  const distance = new Int32Array(graph.count).fill(-1);
  const queue = Int32Array.from({ length: graph.count }, () => 0);
  let tail = 0;
  for (const at of start) {
    distance[at] = 0;
    queue[tail++] = at;
  }
  for (let head = 0; head < tail; head++) {
    const at = queue[head]!;
    for (const next of graph.neighbours[at]!) {
      if (distance[next]! >= 0) continue;
      distance[next] = distance[at]! + 1;
      queue[tail++] = next;
    }
  }
  return distance;
}

/** Work that a measure may cost, in link visits: about a second. */
const MAX_VISITS = 50_000_000;

/** Switches on the shortest path between the two nodes that are furthest apart; not exact where only some starts could be tried. */
export function diameter(graph: SwitchGraph): { switches: number; isExact: boolean } | undefined {
  const edges = graph.hosts.flatMap((hosts, at) => (hosts > 0 ? [at] : []));
  if (edges.length === 0) return undefined;
  const links = graph.neighbours.reduce((sum, list) => sum + list.length, 0) + graph.count;
  const step = Math.max(1, Math.ceil((edges.length * links) / MAX_VISITS));
  let furthest = 0;
  for (let i = 0; i < edges.length; i += step) {
    const distance = distancesFrom(graph, [edges[i]!]);
    for (const at of edges) furthest = Math.max(furthest, distance[at]!);
  }
  return { switches: furthest + 1, isExact: step === 1 };
}

/** A cut into two sides with as equal numbers of nodes as whole switches allow. */
export interface Cut {
  readonly links: number;
  readonly hosts: readonly [number, number];
}

const MAX_CUT_SWITCHES = 2500;
const SEEDS = 8;
const PASSES = 6;

/**
 * The smallest even cut that a search finds: breadth-first halves from several starts, each improved by moving one switch at a time
 * (Fiduccia and Mattheyses 1982). An upper bound of the bisection. `undefined` for fabrics too large to search.
 */
export function findCut(graph: SwitchGraph): Cut | undefined {
  const homes = graph.hosts.filter((hosts) => hosts > 0).length;
  if (graph.count > MAX_CUT_SWITCHES || homes < 2) return undefined;
  let best: Cut | undefined;
  for (let seed = 0; seed < Math.min(SEEDS, graph.count); seed++) {
    const side = halfFrom(graph, Math.floor((seed * graph.count) / SEEDS) % graph.count);
    for (let pass = 0; pass < PASSES && improve(graph, side); pass++);
    const cut = measure(graph, side);
    if (best === undefined || imbalance(cut) < imbalance(best) || (imbalance(cut) === imbalance(best) && cut.links < best.links))
      best = cut;
  }
  return best;
}

const imbalance = (cut: Cut) => Math.abs(cut.hosts[0] - cut.hosts[1]);

/** Side 0 for the nearest switches that hold half of the nodes; switches without nodes go where most of their links lead. */
function halfFrom(graph: SwitchGraph, start: number): Uint8Array {
  const distance = distancesFrom(graph, [start]);
  const order = Array.from({ length: graph.count }, (_, i) => i).sort(
    (a, b) => (distance[a]! >>> 0) - (distance[b]! >>> 0) || a - b,
  );
  const total = graph.hosts.reduce((sum, hosts) => sum + hosts, 0);
  const side = new Uint8Array(graph.count).fill(1);
  let inside = 0;
  for (const at of order) {
    if (graph.hosts[at] === 0 || inside + graph.hosts[at]! / 2 > total / 2) continue;
    side[at] = 0;
    inside += graph.hosts[at]!;
  }
  for (const at of order) {
    if (graph.hosts[at]! > 0) continue;
    const near = graph.neighbours[at]!.filter((next) => side[next] === 0).length;
    side[at] = 2 * near >= graph.neighbours[at]!.length ? 0 : 1;
  }
  return side;
}

/** One pass of moves, each switch once, the best prefix kept. Returns whether the cut shrank. */
function improve(graph: SwitchGraph, side: Uint8Array): boolean {
  const gain = new Int32Array(graph.count);
  const moved = new Uint8Array(graph.count);
  for (let at = 0; at < graph.count; at++)
    for (const next of graph.neighbours[at]!) gain[at]! += side[next] === side[at] ? -1 : 1;
  let lean = 0;
  for (let at = 0; at < graph.count; at++) lean += side[at] === 0 ? graph.hosts[at]! : -graph.hosts[at]!;
  const slack = Math.max(Math.abs(lean), 2 * Math.max(...graph.hosts));
  const startLean = Math.abs(lean);
  const moves: number[] = [];
  let [total, bestTotal, bestLength] = [0, 0, 0];
  for (let step = 0; step < graph.count; step++) {
    const at = pickMove(graph, side, gain, moved, lean, slack);
    if (at < 0) break;
    total += gain[at]!;
    lean += side[at] === 0 ? -2 * graph.hosts[at]! : 2 * graph.hosts[at]!;
    side[at] = 1 - side[at]!;
    moved[at] = 1;
    moves.push(at);
    gain[at] = -gain[at]!;
    for (const next of graph.neighbours[at]!) gain[next]! += side[next] === side[at] ? -2 : 2;
    if (total > bestTotal && Math.abs(lean) <= startLean) [bestTotal, bestLength] = [total, moves.length];
  }
  for (const at of moves.slice(bestLength)) side[at] = 1 - side[at]!;
  return bestTotal > 0;
}

function pickMove(
  graph: SwitchGraph,
  side: Uint8Array,
  gain: Int32Array,
  moved: Uint8Array,
  lean: number,
  slack: number,
): number {
  let best = -1;
  for (let at = 0; at < graph.count; at++) {
    if (moved[at] === 1 || (best >= 0 && gain[at]! <= gain[best]!)) continue;
    const after = Math.abs(lean + (side[at] === 0 ? -2 : 2) * graph.hosts[at]!);
    if (after <= slack) best = at;
  }
  return best;
}

function measure(graph: SwitchGraph, side: Uint8Array): Cut {
  let twice = 0;
  const hosts: [number, number] = [0, 0];
  for (let at = 0; at < graph.count; at++) {
    hosts[side[at] === 0 ? 0 : 1] += graph.hosts[at]!;
    for (const next of graph.neighbours[at]!) if (side[next] !== side[at]) twice++;
  }
  return { links: twice / 2, hosts };
}

/** The level of each switch: what the description says, else hops from the nearest switch with nodes. */
export function switchLevels(topology: Topology, graph: SwitchGraph): number[] {
  const edges = graph.hosts.flatMap((hosts, at) => (hosts > 0 ? [at] : []));
  const distance = distancesFrom(graph, edges);
  return topology.switches.map((one, at) => one.level ?? Math.max(0, distance[at]!));
}
