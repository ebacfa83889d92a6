/**
 * The fabric as an SVG picture: boxes where `draw-layout.ts` puts them, lines straight, their colour the link's speed, their width its
 * lanes. Lines that would run through other boxes of their row, and the links that close a torus, are arcs.
 */
import { LABEL_SIZE, NOTE_SIZE, type Placed, placeBoxes } from './draw-layout.ts';
import { type DrawingModel, drawingModel, type Line } from './draw-model.ts';
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
/** Above this many lines, numbers on them would hide each other. */
const MAX_LABELLED_LINES = 60;
/** Faint lines where there are many. */
const MANY_LINES = 150;

/** Draws `topology` as a stand-alone SVG document. */
export async function drawTopology(topology: Topology): Promise<string> {
  const model = drawingModel(topology);
  const boxes = await placeBoxes(model);
  return renderSvg(topology, model, boxes);
}

function renderSvg(topology: Topology, model: DrawingModel, boxes: readonly Placed[]): string {
  const lines = bundle(model.lines);
  const unshifted = new Map(boxes.map((box) => [box.id, box]));
  const tops = lines.map((line) => arcMiddle(line, unshifted, 1));
  const left = Math.min(...boxes.map((box) => box.x), ...tops.map(([x]) => x - 8));
  const right = Math.max(...boxes.map((box) => box.x + box.width + 6), ...tops.map(([x]) => x + 8));
  const top = Math.min(...boxes.map((box) => box.y - 6), ...tops.map(([, y]) => y - 8));
  const bottom = Math.max(...boxes.map((box) => box.y + box.height), ...tops.map(([, y]) => y + 8));
  const width = Math.ceil(Math.max(620, right - left + 2 * MARGIN));
  const height = Math.ceil(bottom - top + 2 * MARGIN + TITLE_HEIGHT + LEGEND_HEIGHT);
  const [dx, dy] = [(width - (right - left)) / 2 - left, MARGIN + TITLE_HEIGHT - top];
  const placed = boxes.map((box): Placed => ({ ...box, x: box.x + dx, y: box.y + dy }));
  const byId = new Map(placed.map((box) => [box.id, box]));
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="Helvetica, Arial, sans-serif">`,
    `<title>${escapeXml(topology.name)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fcfcfd"/>`,
    text(MARGIN, 30, 18, topology.name, { weight: 600 }),
    text(MARGIN, 48, 11, summary(topology), { fill: '#5b6673' }),
    '<g fill="none" stroke-linecap="round">',
    ...lines.map((line) => renderLine(line, byId, lines.length)),
    '</g>',
    ...placed.map(renderBox),
    ...(lines.length > MAX_LABELLED_LINES ? [] : lines.map((line) => renderCount(line, byId))),
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
  const [x1, y1, x2, y2] = ends(line, byId);
  const bend = arcHeight(line, byId);
  const faint = count > MANY_LINES || bend !== 0;
  const width = fixed(strokeWidth(line.lanes) * (faint ? 0.5 : 1));
  const curve = bend === 0 ? 'L' : `Q${arcMiddle(line, byId, 2).map(fixed).join(' ')} `;
  return `<path d="M${fixed(x1)} ${fixed(y1)}${curve}${fixed(x2)} ${fixed(y2)}" stroke="${COLOURS[line.speed]}" stroke-width="${width}"${faint ? ' stroke-opacity="0.6"' : ''}/>`;
}

/** How far a line bends away from straight: not at all unless boxes of its row or column lie between its ends. */
function arcHeight(line: BundledLine, byId: ReadonlyMap<string, Placed>): number {
  const [x1, y1, x2, y2] = ends(line, byId);
  const isOblique = Math.abs(y2 - y1) > 1 && Math.abs(x2 - x1) > 1;
  if (isOblique && byId.get(line.from)!.coordinates === undefined) return 0;
  if (isOblique && byId.get(line.from)!.group !== undefined) return 0;
  const length = Math.hypot(x2 - x1, y2 - y1);
  for (const box of byId.values()) {
    if (box.id === line.from || box.id === line.to) continue;
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const along = ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / (length * length);
    const aside = Math.abs((x - x1) * (y2 - y1) - (y - y1) * (x2 - x1)) / length;
    if (along > 0 && along < 1 && aside < 4) return 24 + length * 0.1;
  }
  return 0;
}

/** The point `share` times the arc's height off the middle of the line: 1 is on the curve, 2 is its control point. */
function arcMiddle(line: BundledLine, byId: ReadonlyMap<string, Placed>, share: number): [number, number] {
  const [x1, y1, x2, y2] = ends(line, byId);
  const length = Math.hypot(x2 - x1, y2 - y1) || 1;
  const bend = arcHeight(line, byId) * share * (x2 < x1 || (x2 === x1 && y2 < y1) ? -1 : 1);
  return [(x1 + x2) / 2 + ((y2 - y1) / length) * bend, (y1 + y2) / 2 - ((x2 - x1) / length) * bend];
}

function strokeWidth(lanes: number): number {
  return { 1: 1.2, 2: 1.7, 4: 2.4, 8: 3.6, 12: 5 }[lanes] ?? 2.4;
}

function renderCount(line: BundledLine, byId: ReadonlyMap<string, Placed>): string {
  if (line.count === 1) return '';
  const [x, y] = arcMiddle(line, byId, 1);
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
