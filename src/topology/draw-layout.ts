/**
 * Where the boxes of a drawing go. Grids are placed by their coordinates and dragonflies by their groups, as textbooks draw them;
 * everything else is laid out by `elkjs`, the layout engine of the Eclipse project: in rows where there are levels, else by stress,
 * which keeps neighbours at equal distances.
 */
import { createRequire } from 'node:module';
import type { ELK, ElkNode } from 'elkjs/lib/elk-api.js';
import type { Box, DrawingModel } from './draw-model.ts';

export const LABEL_SIZE = 13;
export const NOTE_SIZE = 10;

export interface Placed extends Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

function boxSize(box: Box): { width: number; height: number } {
  const text = Math.max(box.label.length * LABEL_SIZE * 0.6, box.note.length * NOTE_SIZE * 0.58);
  return { width: Math.max(52, Math.ceil(text) + 18), height: box.note === '' ? 30 : 42 };
}

/** Places the boxes of a model. */
export async function placeBoxes(model: DrawingModel): Promise<Placed[]> {
  const placed = placeOnGrid(model) ?? placeInGroups(model);
  if (placed !== undefined) return placed;
  const require = createRequire(import.meta.url);
  const Elk = require('elkjs/lib/elk.bundled.js') as { new (): ELK };
  const highest = Math.max(...model.boxes.map((box) => box.level));
  const graph: ElkNode = {
    id: 'fabric',
    layoutOptions: model.isLayered ? { ...LAYERED, 'elk.layered.thoroughness': model.lines.length > 300 ? '1' : '3' } : STRESS,
    children: model.boxes.map((box) => ({
      id: box.id,
      ...boxSize(box),
      layoutOptions: { 'elk.partitioning.partition': String(highest - box.level) },
    })),
    edges: model.lines.map(({ from, to }, i) => ({ id: `e${i}`, ...direct(model, from, to) })),
  };
  const laid = await new Elk().layout(graph);
  const positions = new Map(laid.children!.map((child) => [child.id, child]));
  const boxes = model.boxes.map((box): Placed => {
    const { x = 0, y = 0 } = positions.get(box.id)!;
    return { ...box, ...boxSize(box), x, y };
  });
  return model.isLayered ? alignRows(boxes, model) : boxes;
}

const LAYERED = {
  'elk.algorithm': 'layered',
  'elk.direction': 'DOWN',
  'elk.partitioning.activate': 'true',
  'elk.edgeRouting': 'POLYLINE',
  'elk.spacing.nodeNode': '18',
  'elk.layered.spacing.nodeNodeBetweenLayers': '110',
  'elk.layered.spacing.edgeNodeBetweenLayers': '10',
  'elk.layered.considerModelOrder.strategy': 'NODES_AND_EDGES',
  'elk.layered.crossingMinimization.forceNodeModelOrder': 'false',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
};
const STRESS = { 'elk.algorithm': 'stress', 'elk.stress.desiredEdgeLength': '130', 'elk.spacing.nodeNode': '40' };

/** Edges run from the higher level down, so that the layering agrees with the levels. */
function direct(model: DrawingModel, from: string, to: string): { sources: string[]; targets: string[] } {
  const level = (id: string) => model.boxes.find((box) => box.id === id)!.level;
  return level(from) >= level(to) ? { sources: [from], targets: [to] } : { sources: [to], targets: [from] };
}

/** One row a level, whatever detours the layering took; the order within a row is the engine's, evened out under the widest row. */
function alignRows(boxes: readonly Placed[], model: DrawingModel): Placed[] {
  const levels = [...new Set(model.boxes.map((box) => box.level))].sort((a, b) => b - a);
  const rows = levels.map((level) => boxes.filter((box) => box.level === level).sort((a, b) => a.x - b.x));
  const widths = rows.map((row) => row.reduce((sum, box) => sum + box.width + 18, -18));
  const total = Math.max(...widths);
  const gap = 70 + Math.min(260, total / 10);
  const middles = new Map<string, number>();
  return rows.flatMap((row, i) => {
    if (levels[i] === -1 && i > 0) sortUnder(row, model, middles);
    const spread = row.length === 1 ? 0 : Math.min((total - widths[i]!) / row.length, 4 * 120);
    let x = (total - (widths[i]! + spread * (row.length - 1))) / 2;
    return row.map((box): Placed => {
      const placed = { ...box, x, y: i * gap };
      middles.set(box.id, x + box.width / 2);
      x += box.width + 18 + spread;
      return placed;
    });
  });
}

/** Nodes stand under the middle of the switches that they are on; equals keep their order. */
function sortUnder(row: Placed[], model: DrawingModel, middles: ReadonlyMap<string, number>): void {
  const above = new Map<string, number[]>();
  for (const { from, to } of model.lines) {
    for (const [a, b] of [
      [from, to],
      [to, from],
    ] as const)
      if (middles.has(b)) above.set(a, [...(above.get(a) ?? []), middles.get(b)!]);
  }
  const middle = (box: Placed) => {
    const xs = above.get(box.id) ?? [0];
    return xs.reduce((sum, x) => sum + x, 0) / xs.length;
  };
  const keys = new Map(row.map((box) => [box.id, middle(box)]));
  row.sort((a, b) => keys.get(a.id)! - keys.get(b.id)!);
}

/** A projection for any number of dimensions: two flat, the third oblique, each further one a copy of all below beside or under it. */
function projection(sizes: readonly number[]): [number, number][] {
  const vectors: [number, number][] = [];
  const [obliqueX, obliqueY] = [76, -56];
  // A column and row leave room for all that the third dimension puts between them.
  const layers = Math.max(4, sizes[sizes.length - 3] ?? 0) - 1;
  let [width, height] = [0, 0];
  [...sizes].reverse().forEach((size, d) => {
    const vector: [number, number] =
      d === 0
        ? [sizes.length > 2 ? 102 + obliqueX * layers : 190, 0]
        : d === 1
          ? [0, sizes.length > 2 ? 92 - obliqueY * layers : 120]
          : d === 2
            ? [obliqueX, obliqueY]
            : d % 2 === 1
              ? [width + 240, 0]
              : [0, height + 180];
    vectors.unshift(vector);
    width += Math.abs(vector[0]) * (size - 1);
    height += Math.abs(vector[1]) * (size - 1);
  });
  return vectors;
}

/** Meshes, tori and hypercubes: switches on their coordinates, with what hangs on a switch noted in its box by the model. */
function placeOnGrid(model: DrawingModel): Placed[] | undefined {
  if (!model.isGrid) return undefined;
  const dimensions = model.boxes[0]!.coordinates!.length;
  const sizes = Array.from({ length: dimensions }, (_, d) => 1 + Math.max(...model.boxes.map((box) => box.coordinates![d]!)));
  const vectors = projection(sizes);
  return model.boxes.map((box): Placed => {
    const at = (axis: 0 | 1) => box.coordinates!.reduce((sum, c, d) => sum + c * vectors[d]![axis], 0);
    return { ...box, ...boxSize(box), x: at(0), y: at(1) };
  });
}

/** Groups on a circle, the switches of each on a circle of their own, nodes outside of their switch. */
function placeInGroups(model: DrawingModel): Placed[] | undefined {
  const switches = model.boxes.filter((box) => box.kind === 'switch');
  const groups = [...new Set(switches.map((box) => box.group))];
  if (model.isLayered || groups.length < 3 || groups.includes(undefined) || switches.some((box) => box.folded)) return undefined;
  const largest = Math.max(...groups.map((group) => switches.filter((box) => box.group === group).length));
  const small = Math.max(80, (largest * 105) / (2 * Math.PI));
  const large = Math.max(260, (groups.length * 2 * (small + 130)) / (2 * Math.PI));
  const placed = new Map<string, Placed>();
  const put = (box: Box, x: number, y: number) =>
    placed.set(box.id, { ...box, ...boxSize(box), x: x - boxSize(box).width / 2, y: y - boxSize(box).height / 2 });
  const centre = new Map<string, [number, number]>();
  groups.forEach((group, g) => {
    const angle = (2 * Math.PI * g) / groups.length - Math.PI / 2;
    const own = switches.filter((box) => box.group === group);
    own.forEach((box, i) => {
      const turn = angle + (2 * Math.PI * (i + 0.5)) / own.length;
      const [cx, cy] = [large * Math.cos(angle), large * Math.sin(angle)];
      centre.set(box.id, [cx, cy]);
      put(box, cx + small * Math.cos(turn), cy + small * Math.sin(turn) * 0.8);
    });
  });
  return placeOutside(model, placed, centre, put) ? model.boxes.map((box) => placed.get(box.id)!) : undefined;
}

/** Puts the nodes of each switch beyond it, seen from the centre of its group. */
function placeOutside(
  model: DrawingModel,
  placed: Map<string, Placed>,
  centre: ReadonlyMap<string, [number, number]>,
  put: (box: Box, x: number, y: number) => void,
): boolean {
  const onSwitch = new Map<string, number>();
  for (const box of model.boxes) {
    if (box.kind === 'switch') continue;
    const line = model.lines.find(({ from, to }) => from === box.id || to === box.id);
    const home = line && placed.get(line.from === box.id ? line.to : line.from);
    if (home === undefined || home.kind !== 'switch') return false;
    const already = onSwitch.get(home.id) ?? 0;
    onSwitch.set(home.id, already + 1);
    const [cx, cy] = centre.get(home.id)!;
    const [hx, hy] = [home.x + home.width / 2, home.y + home.height / 2];
    const length = Math.hypot(hx - cx, hy - cy) || 1;
    put(box, hx + ((hx - cx) / length) * 96, hy + ((hy - cy) / length) * 64 + already * 34);
  }
  return true;
}
