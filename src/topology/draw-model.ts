/**
 * What a drawing shows: boxes and lines. A small fabric is drawn one to one; in a large one, hosts that hang alike become one box with
 * their number, then the switches of a pod or group, then switches that are joined alike, until the picture can be read.
 */
import { switchGraph, switchLevels } from './graph.ts';
import { TopologyError } from './issue.ts';
import { lanes } from './speeds.ts';
import type { LinkEnd, Topology, TopologyLink } from './types.ts';

export interface Box {
  readonly id: string;
  readonly kind: 'switch' | 'processor' | 'io';
  readonly label: string;
  /** A second, smaller line. */
  readonly note: string;
  /** More than one thing in it. */
  readonly folded: boolean;
  /** Nodes are on level -1; switches on theirs. */
  readonly level: number;
  readonly coordinates?: readonly number[];
  readonly group?: string;
}

export interface Line {
  readonly from: string;
  readonly to: string;
  readonly speed: TopologyLink['speed'];
  readonly lanes: number;
  /** Parallel cables that it stands for. */
  readonly count: number;
}

export interface DrawingModel {
  readonly boxes: readonly Box[];
  readonly lines: readonly Line[];
  /** Whether levels say enough to lay the picture out in rows. */
  readonly isLayered: boolean;
  /** Whether every box is a switch at coordinates of its own, and neighbours differ in one of them. */
  readonly isGrid: boolean;
}

const MAX_SINGLE_HOSTS = 48;
const MAX_SINGLE_SWITCHES = 72;
/** What the layout engine does in seconds. */
const MAX_BOXES = 500;
const MAX_GRID = 1100;

/** A partition of the vertices (nodes first, then switches) into what is drawn as one. */
type Folding = string[];

export function drawingModel(topology: Topology): DrawingModel {
  const { nodes, switches } = topology;
  const folding: Folding = [...nodes.map((_, i) => `n${i}`), ...switches.map((_, i) => `s${i}`)];
  const adjacency = vertexLinks(topology);
  if (switches.length > MAX_SINGLE_SWITCHES) {
    switches.forEach((one, i) => {
      if (one.group !== undefined) folding[nodes.length + i] = `g${one.group}`;
    });
    if (!switches.every((one) => one.coordinates !== undefined && one.level === undefined && one.group === undefined))
      foldAlike(topology, folding, adjacency, 'switch');
  }
  if (nodes.length > MAX_SINGLE_HOSTS) foldAlike(topology, folding, adjacency, 'node');
  const levels = switchLevels(topology, switchGraph(topology));
  const boxes = makeBoxes(topology, folding, levels);
  const lines = makeLines(topology, folding);
  const hasTree = switches.some((one) => one.level !== undefined) || new Set(levels).size > 1;
  const grid = gridModel(boxes, lines);
  if (grid !== undefined && !hasTree) return { ...grid, isLayered: false, isGrid: true };
  if (boxes.length > MAX_BOXES) {
    const message = `the drawing would have ${boxes.length} boxes after folding; at most ${MAX_BOXES} can be laid out`;
    throw new TopologyError([{ file: topology.source, path: '', message }]);
  }
  return { boxes: shorten(boxes), lines, isLayered: hasTree || switches.length <= 2, isGrid: false };
}

/** In a wide row of folded nodes their names would only make it wider. */
function shorten(boxes: readonly Box[]): Box[] {
  const isMany = boxes.filter((box) => box.kind !== 'switch' && box.folded).length > 20;
  return boxes.map((box) => (isMany && box.kind !== 'switch' ? { ...box, note: '' } : box));
}

/** A grid without its nodes, which each switch tells in its note; `undefined` for other shapes, and for grids small enough to show nodes. */
function gridModel(boxes: readonly Box[], lines: readonly Line[]): { boxes: Box[]; lines: Line[] } | undefined {
  const switches = new Map(boxes.filter((box) => box.kind === 'switch').map((box) => [box.id, box]));
  const dimensions = switches.values().next().value?.coordinates?.length ?? 0;
  if (switches.size < 9 || switches.size > MAX_GRID || dimensions < 2) return undefined;
  const taken = new Set([...switches.values()].map((box) => box.coordinates?.join()));
  if (
    taken.size < switches.size ||
    [...switches.values()].some((box) => box.coordinates?.length !== dimensions || box.folded || box.group !== undefined)
  )
    return undefined;
  const notes = new Map<string, number>();
  const kept: Line[] = [];
  for (const line of lines) {
    const [a, b] = [switches.get(line.from), switches.get(line.to)];
    if (a !== undefined && b !== undefined) {
      if (a.coordinates!.filter((c, d) => c !== b.coordinates![d]).length !== 1) return undefined;
      kept.push(line);
    } else if (a ?? b) notes.set((a ?? b)!.id, (notes.get((a ?? b)!.id) ?? 0) + line.count);
  }
  const noted = [...switches.values()].map((box) => ({
    ...box,
    note: `${notes.get(box.id) ?? 0} host ${notes.get(box.id) === 1 ? 'link' : 'links'}`,
  }));
  return { boxes: noted, lines: kept };
}

const vertexOf = (end: LinkEnd, nodeCount: number) => (end.kind === 'node' ? end.node : nodeCount + end.switch);

/** Links of each vertex, nodes first. */
function vertexLinks({ nodes, switches, links }: Topology): TopologyLink[][] {
  const result: TopologyLink[][] = [...nodes, ...switches].map(() => []);
  for (const link of links) for (const end of link.ends) result[vertexOf(end, nodes.length)]!.push(link);
  return result;
}

/** Folds vertices of one kind whose links lead to the same boxes at the same speeds. Vertices already folded with others stay. */
function foldAlike(topology: Topology, folding: Folding, adjacency: readonly TopologyLink[][], kind: LinkEnd['kind']): void {
  const { nodes, switches } = topology;
  const offset = kind === 'node' ? 0 : nodes.length;
  const members = kind === 'node' ? nodes : switches;
  const groups = new Map<string, number[]>();
  members.forEach((_, i) => {
    const vertex = offset + i;
    if (folding[vertex]!.startsWith('g')) return;
    const far = adjacency[vertex]!.map((link) => {
      const [a, b] = link.ends.map((end) => vertexOf(end, nodes.length));
      const other = a === vertex ? b! : a!;
      // Hosts are folded after switches and would tell all switches apart.
      return other < nodes.length && kind === 'switch' ? `host ${link.speed}` : `${folding[other]} ${link.width}${link.speed}`;
    });
    const role = kind === 'node' ? nodes[i]!.role : `${switches[i]!.type} ${switches[i]!.level ?? ''}`;
    const key = `${role} ${far.sort().join(' ')}`;
    groups.set(key, [...(groups.get(key) ?? []), vertex]);
  });
  for (const vertices of groups.values()) for (const vertex of vertices) folding[vertex] = folding[vertices[0]!]!;
}

function makeBoxes({ nodes, switches }: Topology, folding: Folding, levels: readonly number[]): Box[] {
  const boxes = new Map<string, { nodes: number[]; switches: number[] }>();
  folding.forEach((id, vertex) => {
    const box = boxes.get(id) ?? { nodes: [], switches: [] };
    if (vertex < nodes.length) box.nodes.push(vertex);
    else box.switches.push(vertex - nodes.length);
    boxes.set(id, box);
  });
  return [...boxes].map(([id, box]): Box => {
    if (box.switches.length === 0) {
      const first = nodes[box.nodes[0]!]!;
      const adapters = first.hcas.length > 1 ? `${first.hcas.length} HCAs` : '';
      const what = first.role === 'io' ? 'I/O nodes' : 'nodes';
      const folded = box.nodes.length > 1;
      return {
        id,
        kind: first.role,
        label: folded ? `${box.nodes.length} ${what}` : first.name,
        note: folded ? rangeOf(box.nodes.map((i) => nodes[i]!.name)) : adapters,
        folded,
        level: -1,
      };
    }
    const first = switches[box.switches[0]!]!;
    const folded = box.switches.length > 1;
    const level = Math.max(...box.switches.map((i) => levels[i]!));
    const label = folded ? (id.startsWith('g') ? first.group! : `${box.switches.length} switches`) : first.name;
    const note = folded
      ? id.startsWith('g')
        ? `${box.switches.length} switches`
        : rangeOf(box.switches.map((i) => switches[i]!.name))
      : `${first.portCount} ports`;
    return {
      id,
      kind: 'switch',
      label,
      note,
      folded,
      level,
      ...(!folded && first.coordinates !== undefined && { coordinates: first.coordinates }),
      ...(!folded && first.group !== undefined && { group: first.group }),
    };
  });
}

function rangeOf(names: readonly string[]): string {
  return `${names[0]} … ${names.at(-1)}`;
}

function makeLines({ nodes, links }: Topology, folding: Folding): Line[] {
  const lines = new Map<string, { -readonly [K in keyof Line]: Line[K] }>();
  for (const { ends, speed, width } of links) {
    const [from, to] = ends.map((end) => folding[vertexOf(end, nodes.length)]!).sort() as [string, string];
    if (from === to) continue;
    const key = `${from} ${to} ${speed} ${width}`;
    const line = lines.get(key);
    if (line === undefined) lines.set(key, { from, to, speed, lanes: lanes(width), count: 1 });
    else line.count++;
  }
  return [...lines.values()];
}
