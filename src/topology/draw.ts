/**
 * The fabric as an SVG picture. `elkjs`, the layout engine of the Eclipse project, places the boxes: in rows by level where there are levels, else by
 * stress, which keeps neighbours at equal distances. Lines are straight, their colour the link's speed, their width its lanes.
 */
import { createRequire } from 'node:module';
import type { ELK, ElkNode } from 'elkjs/lib/elk-api.js';
import { type Box, type DrawingModel, drawingModel, type Line } from './draw-model.ts';
import { LINK_SPEEDS, type LinkSpeed } from './speeds.ts';
import type { Topology } from './types.ts';

const COLOURS: Readonly<Record<LinkSpeed, string>> = {
  SDR: '#8c8c8c',
  DDR: '#8a6d3b',
  QDR: '#2f6fb0',
  FDR10: '#1f9bb5',
  FDR: '#18977a',
  EDR: '#5a9e1c',
  HDR: '#d98a00',
  NDR: '#d1495b',
  XDR: '#7b3fb5',
};
const FILLS = { switch: '#e3ecf7', processor: '#ffffff', io: '#fdf1d8' } as const;
const MARGIN = 36;
const TITLE_HEIGHT = 44;
const LEGEND_HEIGHT = 64;
const LABEL_SIZE = 13;
const NOTE_SIZE = 10;
/** Above this many lines, numbers on them would hide each other. */
const MAX_LABELLED_LINES = 60;
/** Faint lines where there are many. */
const MANY_LINES = 150;

interface Placed extends Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Draws `topology` as a stand-alone SVG document. */
export async function drawTopology(topology: Topology): Promise<string> {
  const model = drawingModel(topology);
  const boxes = await placeBoxes(model);
  return renderSvg(topology, model, boxes);
}

function boxSize(box: Box): { width: number; height: number } {
  const text = Math.max(box.label.length * LABEL_SIZE * 0.6, box.note.length * NOTE_SIZE * 0.58);
  return { width: Math.max(52, Math.ceil(text) + 18), height: box.note === '' ? 30 : 42 };
}

async function placeBoxes(model: DrawingModel): Promise<Placed[]> {
  const onGrid = placeOnGrid(model);
  if (onGrid !== undefined) return onGrid;
  const require = createRequire(import.meta.url);
  const Elk = require('elkjs/lib/elk.bundled.js') as { new (): ELK };
  const highest = Math.max(...model.boxes.map((box) => box.level));
  const graph: ElkNode = {
    id: 'fabric',
    layoutOptions: model.isLayered ? LAYERED : STRESS,
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
  'elk.layered.thoroughness': '3',
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
  return rows.flatMap((row, i) => {
    const spread = row.length === 1 ? 0 : Math.min((total - widths[i]!) / row.length, 4 * 120);
    let x = (total - (widths[i]! + spread * (row.length - 1))) / 2;
    return row.map((box): Placed => {
      const placed = { ...box, x, y: i * gap };
      x += box.width + 18 + spread;
      return placed;
    });
  });
}

/** Meshes and tori of two dimensions are drawn as the grid that they are; other shapes are the engine's. */
function placeOnGrid(model: DrawingModel): Placed[] | undefined {
  const switches = model.boxes.filter((box) => box.kind === 'switch');
  const isGrid = !model.isLayered && switches.length > 0 && switches.every((box) => box.coordinates?.length === 2 && !box.folded);
  const taken = new Set(switches.map((box) => box.coordinates?.join()));
  if (!isGrid || taken.size < switches.length) return undefined;
  const [stepX, stepY] = [190, 150];
  const placed = new Map<string, Placed>();
  for (const box of switches)
    placed.set(box.id, { ...box, ...boxSize(box), x: box.coordinates![1]! * stepX, y: box.coordinates![0]! * stepY });
  const onSwitch = new Map<string, number>();
  for (const box of model.boxes) {
    if (box.kind === 'switch') continue;
    const line = model.lines.find(({ from, to }) => from === box.id || to === box.id);
    const home = line && placed.get(line.from === box.id ? line.to : line.from);
    if (home === undefined) return undefined;
    const already = onSwitch.get(home.id) ?? 0;
    onSwitch.set(home.id, already + 1);
    placed.set(box.id, { ...box, ...boxSize(box), x: home.x + 66 + already * 12, y: home.y + 52 + already * 34 });
  }
  return model.boxes.map((box) => placed.get(box.id)!);
}

function renderSvg(topology: Topology, model: DrawingModel, boxes: readonly Placed[]): string {
  const left = Math.min(...boxes.map((box) => box.x));
  const top = Math.min(...boxes.map((box) => box.y));
  const shifted = boxes.map((box): Placed => ({ ...box, x: box.x - left + MARGIN, y: box.y - top + MARGIN + TITLE_HEIGHT }));
  const width = Math.ceil(Math.max(620, Math.max(...shifted.map((box) => box.x + box.width)) + MARGIN));
  const bottom = Math.max(...shifted.map((box) => box.y + box.height));
  const height = Math.ceil(bottom + MARGIN + LEGEND_HEIGHT);
  const centre = (width - (Math.max(...shifted.map((box) => box.x + box.width)) + MARGIN)) / 2;
  const centred = shifted.map((box): Placed => ({ ...box, x: box.x + centre }));
  const byId = new Map(centred.map((box) => [box.id, box]));
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="Helvetica, Arial, sans-serif">`,
    `<title>${escapeXml(topology.name)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fcfcfd"/>`,
    text(MARGIN, 30, 18, `${topology.name}`, { weight: 600 }),
    text(MARGIN, 48, 11, summary(topology), { fill: '#5b6673' }),
    '<g fill="none" stroke-linecap="round">',
    ...bundle(model.lines).map((line) => renderLine(line, byId, model.lines.length)),
    '</g>',
    ...centred.map(renderBox),
    ...(model.lines.length > MAX_LABELLED_LINES ? [] : bundle(model.lines).map((line) => renderCount(line, byId))),
    renderLegend(topology, height - LEGEND_HEIGHT + 8),
    '</svg>',
  ];
  return `${parts.filter((part) => part !== '').join('\n')}\n`;
}

function summary({ nodes, switches, links }: Topology): string {
  const plural = (number: number, noun: string, ending = 's') => `${number} ${noun}${number === 1 ? '' : ending}`;
  return `${plural(nodes.length, 'node')}, ${plural(switches.length, 'switch', 'es')}, ${plural(links.length, 'link')}`;
}

interface BundledLine extends Line {
  /** Position among the lines between the same two boxes, centred on 0. */
  readonly offset: number;
}

/** Lines of different speed between the same boxes lie beside each other. */
function bundle(lines: readonly Line[]): BundledLine[] {
  const among = new Map<string, Line[]>();
  for (const line of lines) among.set(`${line.from} ${line.to}`, [...(among.get(`${line.from} ${line.to}`) ?? []), line]);
  return [...among.values()].flatMap((group) => group.map((line, i) => ({ ...line, offset: i - (group.length - 1) / 2 })));
}

/** The two points where the straight line between box centres meets the boxes. */
function ends(line: BundledLine, byId: ReadonlyMap<string, Placed>): [number, number, number, number] {
  const [a, b] = [byId.get(line.from)!, byId.get(line.to)!];
  const [ax, ay, bx, by] = [a.x + a.width / 2, a.y + a.height / 2, b.x + b.width / 2, b.y + b.height / 2];
  const length = Math.hypot(bx - ax, by - ay) || 1;
  const [shiftX, shiftY] = [(-(by - ay) / length) * 8 * line.offset, ((bx - ax) / length) * 8 * line.offset];
  return [ax + shiftX, ay + shiftY, bx + shiftX, by + shiftY];
}

const fixed = (value: number) => String(+value.toFixed(1));

function renderLine(line: BundledLine, byId: ReadonlyMap<string, Placed>, count: number): string {
  const [x1, y1, x2, y2] = ends(line, byId).map(fixed);
  const width = fixed(strokeWidth(line.lanes) * (count > MANY_LINES ? 0.45 : 1));
  const opacity = count > MANY_LINES ? ' stroke-opacity="0.55"' : '';
  return `<path d="M${x1} ${y1}L${x2} ${y2}" stroke="${COLOURS[line.speed]}" stroke-width="${width}"${opacity}/>`;
}

function strokeWidth(lanes: number): number {
  return { 1: 1.2, 2: 1.7, 4: 2.4, 8: 3.6, 12: 5 }[lanes] ?? 2.4;
}

function renderCount(line: BundledLine, byId: ReadonlyMap<string, Placed>): string {
  if (line.count === 1) return '';
  const [x1, y1, x2, y2] = ends(line, byId);
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const label = `×${line.count}`;
  const width = label.length * 7 + 6;
  return `<rect x="${fixed(x - width / 2)}" y="${fixed(y - 9)}" width="${width}" height="17" rx="4" fill="#fcfcfd" stroke="${COLOURS[line.speed]}" stroke-width="0.8"/>${text(x, y + 4, 11, label, { anchor: 'middle', fill: COLOURS[line.speed], weight: 600 })}`;
}

function renderBox(box: Placed): string {
  const { x, y, width, height } = box;
  const outline = box.kind === 'switch' ? '#40608a' : box.kind === 'io' ? '#a97b1e' : '#59636e';
  const middle = x + width / 2;
  const shapes = box.folded ? [shape(box, x + 6, y - 6, outline), shape(box, x + 3, y - 3, outline)] : [];
  const labelY = box.note === '' ? y + height / 2 + 4.5 : y + 18;
  return [
    ...shapes,
    shape(box, x, y, outline),
    text(middle, labelY, LABEL_SIZE, box.label, { anchor: 'middle', weight: box.kind === 'switch' ? 600 : 400 }),
    box.note === '' ? '' : text(middle, y + 33, NOTE_SIZE, box.note, { anchor: 'middle', fill: '#5b6673' }),
  ]
    .filter((part) => part !== '')
    .join('');
}

/** Switches are rounded, processor nodes square, I/O nodes have a cut corner. */
function shape({ kind, width, height }: Pick<Placed, 'kind' | 'width' | 'height'>, x: number, y: number, stroke: string): string {
  const paint = `fill="${FILLS[kind]}" stroke="${stroke}" stroke-width="1.2"`;
  if (kind === 'io') {
    const cut = 9;
    return `<path d="M${fixed(x)} ${fixed(y)}h${fixed(width - cut)}l${cut} ${cut}v${fixed(height - cut)}h${fixed(-width)}z" ${paint}/>`;
  }
  return `<rect x="${fixed(x)}" y="${fixed(y)}" width="${fixed(width)}" height="${fixed(height)}" rx="${kind === 'switch' ? 9 : 2}" ${paint}/>`;
}

function renderLegend({ links, nodes, switches }: Topology, top: number): string {
  const y = top + 18;
  const parts = [`<path d="M${MARGIN} ${top}H${MARGIN + 548}" stroke="#d4dae1"/>`];
  let x = MARGIN;
  const kinds = [
    ...(switches.length > 0 ? [['switch', 'switch'] as const] : []),
    ...(nodes.some((node) => node.role === 'processor') ? [['processor', 'processor node'] as const] : []),
    ...(nodes.some((node) => node.role === 'io') ? [['io', 'I/O node'] as const] : []),
  ];
  for (const [kind, label] of kinds) {
    parts.push(shape({ kind, width: 24, height: 15 }, x, y - 4, '#59636e'), text(x + 30, y + 8, 11, label, {}));
    x += 46 + label.length * 6.4;
  }
  const used = LINK_SPEEDS.flatMap((speed) =>
    [...new Set(links.filter((link) => link.speed === speed).map((link) => link.width))].map((width) => ({ speed, width })),
  );
  x = MARGIN;
  for (const { speed, width } of used) {
    const stroke = fixed(strokeWidth(Number.parseInt(width, 10)));
    parts.push(
      `<path d="M${fixed(x)} ${y + 26}h26" stroke="${COLOURS[speed]}" stroke-width="${stroke}"/>`,
      text(x + 32, y + 30, 11, `${width} ${speed}`, {}),
    );
    x += 100;
  }
  return parts.join('\n');
}

function text(
  x: number,
  y: number,
  size: number,
  content: string,
  { anchor, fill = '#1d2733', weight }: { anchor?: string; fill?: string; weight?: number },
): string {
  const attributes = `${anchor === undefined ? '' : ` text-anchor="${anchor}"`}${weight === undefined || weight === 400 ? '' : ` font-weight="${weight}"`}`;
  return `<text x="${fixed(x)}" y="${fixed(y)}" font-size="${size}" fill="${fill}"${attributes}>${escapeXml(content)}</text>`;
}

function escapeXml(content: string): string {
  return content.replace(/[&<>"]/g, (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[character]!);
}
