/** The files in `topologies/`: each loads, says first what it is for, and is what its name promises; the schema for editors is current. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { describeTopology, type HcaCatalog, loadTopology, topologySchemaText } from '../../src/topology/index.ts';

const folder = fileURLToPath(new URL('../../topologies/', import.meta.url));
const files = readdirSync(folder).filter((name) => name !== 'heddle.schema.json');

/** The profiles that the files may name. */
const PROFILES = [
  'infinihost-sdr',
  'connectx2-qdr',
  'connectx3-qdr',
  'connectx3-fdr',
  'connect-ib-fdr',
  'connectx4-edr',
  'connectx6-hdr',
  'connectx6-hdr-vf',
  'connectx7-ndr',
];
const catalog: HcaCatalog = { profiles: PROFILES, parameters: [] };

/** [nodes, switches, links] */
const SIZES: Record<string, [number, number, number]> = {
  'two-hosts.yaml': [2, 0, 1],
  'xen-bypass.yaml': [4, 1, 4],
  'xen-two-hosts.yaml': [2, 0, 1],
  'xen-neighbours.yaml': [2, 0, 1],
  'xen-sriov.yaml': [2, 0, 1],
  'connectx2-switch.yaml': [4, 1, 4],
  'connectx3-switch.yaml': [2, 1, 2],
  'connectx6-vf-switch.yaml': [2, 1, 2],
  'hdr-switch.yaml': [4, 1, 4],
  'exadata-rack.yaml': [22, 3, 44 + 7 + 2],
  'processor-io.yaml': [11, 2, 15],
  'tree-648.yaml': [648, 54, 1296],
  'fat-tree-k16.yaml': [1024, 320, 3072],
  'torus-3d.yaml': [250, 125, 625],
  'ring-5.yaml': [5, 5, 10],
  'dragonfly.yaml': [72, 36, 162],
  'dual-rail.yaml': [8, 2, 16],
  'cluster-96.ibnetdiscover': [96, 8, 150],
  'lab.net': [5, 2, 7],
};

test('there is a size for each file and a file for each size', () => expect(files.sort()).toEqual(Object.keys(SIZES).sort()));

describe.each(files.map((file) => [file]))('%s', (file) => {
  test('opens with a comment of at least a sentence', () => {
    const comment = /^(?:#.*\n)+/.exec(readFileSync(folder + file, 'utf8'))?.[0] ?? '';
    expect(comment.length).toBeGreaterThan(80);
  });
  test('loads with known profiles and without warnings', () => {
    const { nodes, switches, links, warnings } = loadTopology(folder + file, { catalog });
    expect([nodes.length, switches.length, links.length]).toEqual(SIZES[file]);
    expect(warnings.map((warning) => warning.message)).toEqual([]);
  });
});

test('the rack has two-port cards on both leaves, and the cables that its maker lists', () => {
  const { nodes, switches, links } = loadTopology(`${folder}exadata-rack.yaml`);
  expect(nodes.filter((node) => node.role === 'io')).toHaveLength(14);
  const between = links
    .filter((link) => link.ends.every((end) => end.kind === 'switch'))
    .map((link) => link.ends.map((end) => (end.kind === 'switch' ? switches[end.switch]!.name : '')).join());
  expect([...new Set(between)].map((pair) => [pair, between.filter((other) => other === pair).length])).toEqual([
    ['leaf1,leaf2', 7],
    ['leaf1,spine1', 1],
    ['leaf2,spine1', 1],
  ]);
});

test('the schema for editors is the one of the code (npx tsx scripts/write-schema.ts writes it)', () => {
  expect(readFileSync(`${folder}heddle.schema.json`, 'utf8')).toBe(topologySchemaText());
});

test('describing a fabric: exact where theory knows, heuristic where it was searched', () => {
  const line = (file: string, label: string) =>
    describeTopology(loadTopology(folder + file)).find((text) => text.startsWith(label));
  expect(line('tree-648.yaml', 'bisection')).toBe('bisection  324 links, exact');
  expect(line('dragonfly.yaml', 'bisection')).toMatch(/^bisection {2}at most \d+ links \(heuristic search; nodes 36 to 36\)$/);
  expect(line('connectx2-switch.yaml', 'bisection')).toBe('bisection  2 links, exact: one switch, its host links are the cut');
  // Half of the nodes, two links each; with the leaves apart it would be one link of each node, and the cables between the leaves.
  expect(line('exadata-rack.yaml', 'bisection')).toBe('bisection  at most 22 links (heuristic search; nodes 11 to 11)');
  expect(line('dual-rail.yaml', 'bisection')).toBe('bisection  at most 8 links (heuristic search; nodes 4 to 4)');
  expect(line('two-hosts.yaml', 'bisection')).toBe('bisection  1 link, exact');
  expect(line('fat-tree-k16.yaml', 'levels')).toBe(
    'levels     3 (128 switches on level 0, 128 switches on level 1, 64 switches on level 2)',
  );
  expect(line('fat-tree-k16.yaml', 'diameter')).toBe('diameter   5 switches between the two nodes furthest apart');
  expect(line('two-hosts.yaml', 'diameter')).toBe('diameter   no switch between the nodes');
  expect(line('exadata-rack.yaml', 'nodes')).toBe('nodes      22 (8 processor, 14 io), 22 HCAs, 44 of 44 ports linked');
});
