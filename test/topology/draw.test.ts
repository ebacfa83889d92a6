/** Drawings: well-formed, all boxes inside and apart, every link accounted for, large fabrics folded, the same picture each time. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { drawingModel } from '../../src/topology/draw-model.ts';
import { placeBoxes } from '../../src/topology/draw-layout.ts';
import { drawTopology, generateTopology, loadTopology } from '../../src/topology/index.ts';

const folder = fileURLToPath(new URL('../../topologies/', import.meta.url));
const SOURCES = [
  `${folder}ring-5.yaml`,
  `${folder}exadata-rack.yaml`,
  `${folder}two-hosts.yaml`,
  `${folder}fat-tree-k16.yaml`,
  `${folder}dragonfly.yaml`,
  `${folder}torus-3d.yaml`,
  `${folder}cluster-96.ibnetdiscover`,
  'fat-tree:k=8,levels=2',
  'hypercube:dimension=5',
];

describe.each(SOURCES.map((source) => [source.replace(folder, ''), source]))('%s', (_label, source) => {
  const topology = loadTopology(source);

  test('no two boxes overlap', async () => {
    const boxes = await placeBoxes(drawingModel(topology));
    for (const [i, a] of boxes.entries()) {
      for (const b of boxes.slice(i + 1)) {
        const apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
        expect(apart, `${a.label} and ${b.label}`).toBe(true);
      }
    }
  });

  test('tags are balanced, numbers are finite, boxes lie on the canvas', async () => {
    const svg = await drawTopology(topology);
    expect(svg).toMatch(/^<svg [^>]*>\n[\s\S]*<\/svg>\n$/);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    const depth = [...svg.matchAll(/<(\/?)[a-z]+[^>]*?(\/?)>/g)].reduce((sum, [, end, own]) => sum + (end ? -1 : own ? 0 : 1), 0);
    expect(depth).toBe(0);
    const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(svg)!.map(Number) as [number, number, number];
    for (const [, x, y] of svg.matchAll(/<rect x="([-\d.]+)" y="([-\d.]+)"/g)) {
      expect(Number(x)).toBeGreaterThanOrEqual(0);
      expect(Number(y)).toBeGreaterThanOrEqual(0);
      expect(Number(x)).toBeLessThan(width);
      expect(Number(y)).toBeLessThan(height);
    }
    expect(await drawTopology(topology)).toBe(svg);
  });

  test('every link between what is drawn apart is in a line', () => {
    const model = drawingModel(topology);
    const drawn = model.lines.reduce((sum, line) => sum + line.count, 0);
    const notes = model.isGrid ? model.boxes.reduce((sum, box) => sum + Number.parseInt(box.note, 10), 0) : 0;
    // Only links inside of a fold may be missing.
    const inside = model.boxes.some((box) => box.kind === 'switch' && box.folded) ? topology.links.length - drawn : 0;
    expect(drawn + notes + inside).toBe(topology.links.length);
  });
});

test('a thousand hosts fold into some dozens of boxes, and a name is escaped', async () => {
  expect(drawingModel(loadTopology(`${folder}fat-tree-k16.yaml`)).boxes.length).toBeLessThan(40);
  const topology = { ...generateTopology('star:hosts=2'), name: '<a & "b">' };
  expect(await drawTopology(topology)).toContain('&lt;a &amp; &quot;b&quot;&gt;');
});
