/**
 * Generated fabrics against closed forms: counts, degrees, and distances that the literature gives for each shape; and for every
 * plan that cables are consistent, by properties over random parameters.
 */
import { expect, test } from 'vitest';
import { GENERATORS, generateTopology, type Topology, TopologyError } from '../../src/topology/index.ts';
import { diameter, findCut, switchGraph } from '../../src/topology/graph.ts';
import { fc, test as property } from './property.ts';

/** [spec, hosts, switches, links, switches between the furthest two hosts, bisection links or undefined] */
const SHAPES: [string, number, number, number, number, number | undefined][] = [
  ['star:hosts=5', 5, 1, 5, 1, undefined],
  ['fat-tree:k=36,levels=2', 648, 54, 1296, 3, 324],
  ['fat-tree:k=36,levels=2,taper=2', 864, 48, 1296, 3, 216],
  ['fat-tree:k=8,levels=2,leaves=4', 16, 8, 32, 3, 8],
  ['fat-tree:k=4,levels=3', 16, 20, 48, 5, 8],
  ['fat-tree:k=16,levels=3', 1024, 320, 3072, 5, 512],
  ['fat-tree:k=16,levels=3,taper=2', 1280, 248, 2560, 5, 320],
  ['fat-tree:k=6,levels=3,pods=2', 18, 21, 54, 5, 9],
  ['k-ary-n-tree:k=2,n=4', 16, 32, 64, 7, 8],
  ['k-ary-n-tree:k=4,n=3', 64, 48, 192, 5, 32],
  ['torus:dimensions=5', 5, 5, 10, 3, undefined],
  ['torus:dimensions=4x4x4,hosts=2', 128, 64, 320, 7, 32],
  ['torus:dimensions=2x6', 12, 12, 6 + 12 + 12, 5, 4],
  ['mesh:dimensions=6x3', 18, 18, 27 + 18, 8, 3],
  ['hypercube:dimension=5', 32, 32, 80 + 32, 6, 16],
  ['dragonfly:a=4,p=2,h=2', 72, 36, 72 + 54 + 36, 4, undefined],
];

test.each(SHAPES)('%s', (spec, hosts, switches, links, furthest, bisection) => {
  const topology = generateTopology(spec);
  expect([topology.nodes.length, topology.switches.length, topology.links.length]).toEqual([hosts, switches, links]);
  const graph = switchGraph(topology);
  expect(diameter(graph)).toEqual({ switches: furthest, isExact: true });
  expect(topology.generated?.bisectionLinks).toBe(bisection);
  // The search knows nothing of the shape; it may not beat theory, and on these fabrics it reaches it.
  if (bisection !== undefined) expect(findCut(graph)?.links).toBe(bisection);
});

test('two hosts back to back need no switch', () => {
  const { nodes, switches, links } = generateTopology('back-to-back');
  expect([nodes.length, switches.length, links.length]).toEqual([2, 0, 1]);
});

test('every two groups of a dragonfly share one cable, in any number of groups', () => {
  for (const groups of [2, 5, 9]) {
    const topology = generateTopology(`dragonfly:a=4,p=1,h=2,groups=${groups}`);
    const pairs = new Map<string, number>();
    for (const { ends } of topology.links) {
      const names = ends.map((end) => (end.kind === 'switch' ? topology.switches[end.switch]!.group! : ''));
      if (names.includes('') || names[0] === names[1]) continue;
      const key = names.sort().join(' ');
      pairs.set(key, (pairs.get(key) ?? 0) + 1);
    }
    expect([...pairs.values()]).toEqual(new Array((groups * (groups - 1)) / 2).fill(1));
  }
});

test('grids have plus on odd ports and minus on even ones, to the neighbour in that dimension', () => {
  const { switches, links } = generateTopology('torus:dimensions=3x4');
  for (const one of switches) {
    one.coordinates!.forEach((at, d) => {
      const size = [3, 4][d]!;
      const link = links[one.links[2 * d + 1]!]!;
      const far = link.ends.find((end) => end.kind === 'switch' && end.switch !== one.index)!;
      expect(far.port).toBe(2 * d + 2);
      const expected = one.coordinates!.map((c, i) => (i === d ? (at + 1) % size : c));
      expect(far.kind === 'switch' && switches[far.switch]!.coordinates).toEqual(expected);
    });
  }
});

/** Each port of a link points back to it, no port is used twice, indexes are positions, GUIDs are unique. */
function checkConsistency(topology: Topology): void {
  const seen = new Set<string>();
  const guids = new Set<bigint>();
  topology.links.forEach((link, i) => {
    expect(link.index).toBe(i);
    for (const end of link.ends) {
      const key = JSON.stringify(end);
      expect(seen.has(key)).toBe(false);
      seen.add(key);
      const back =
        end.kind === 'switch'
          ? topology.switches[end.switch]!.links[end.port]
          : topology.nodes[end.node]!.hcas[end.hca]!.ports[end.port - 1]!.link;
      expect(back).toBe(i);
    }
  });
  const all = [
    ...topology.switches.map((one) => one.guid),
    ...topology.nodes.flatMap((node) => node.hcas.flatMap((hca) => [hca.guid, ...hca.ports.map((port) => port.guid)])),
  ];
  for (const guid of all) guids.add(guid);
  expect(guids.size).toBe(all.length);
}

const small = (min: number, max: number) => fc.integer({ min, max });
const specs = fc.oneof(
  fc.tuple(small(2, 12), small(1, 3)).map(([k, taper]) => `fat-tree:k=${k},levels=2,taper=${taper}`),
  fc.tuple(small(1, 5), small(1, 2)).map(([half, taper]) => `fat-tree:k=${2 * half},levels=3,taper=${taper}`),
  fc.tuple(small(2, 4), small(1, 3)).map(([k, n]) => `k-ary-n-tree:k=${k},n=${n}`),
  fc
    .tuple(fc.constantFrom('torus', 'mesh'), fc.array(small(1, 5), { minLength: 1, maxLength: 3 }), small(1, 2))
    .map(([kind, sizes, hosts]) => `${kind}:dimensions=${sizes.join('x')},hosts=${hosts}`),
  fc.tuple(small(1, 5), small(1, 2)).map(([dimension, hosts]) => `hypercube:dimension=${dimension},hosts=${hosts}`),
  fc.tuple(small(1, 4), small(1, 2), small(1, 2)).map(([a, p, h]) => `dragonfly:a=${a},p=${p},h=${h}`),
);

property(
  'any parameters give a consistent, connected fabric or a refusal that names a parameter',
  specs,
  (spec) => {
    try {
      const topology = generateTopology(spec);
      checkConsistency(topology);
      expect(topology.warnings).toEqual([]);
    } catch (error) {
      if (!(error instanceof TopologyError)) throw error;
      expect(error.issues.every((issue) => issue.path !== '' && issue.message !== '')).toBe(true);
    }
  },
  150,
);

test.each([
  ['fat-tree:k=16', 'needs levels'],
  ['fat-tree:k=16,levels=3,leaves=4', 'changes nothing'],
  ['fat-tree:k=7,levels=3', 'even number'],
  ['fat-tree:k=254,levels=3', '49151'],
  ['torus:dimensions=300x300', '49151'],
  ['torus:dimensions=4x4,host=3', 'did you mean hosts?'],
  ['star:hosts=300', '1 to 254'],
  ['hypercube:dimension=15,hosts=1', '49151'],
  ['dragonfly:a=4,p=2,h=2,groups=10', 'at most 9 groups'],
  ['star:hosts=2,speed=WDR', 'did you mean'],
  ['star:hosts', 'expected parameter=value'],
  ['star:hosts=2,hosts=3', 'given twice'],
  ['fat-tree:k=4,levels=2,type=infiniscale-v', 'did you mean infiniscale-iv?'],
  ['fat-tree:k=40,levels=2,type=infiniscale-iv', 'has 36'],
])('%s is refused: %s', (spec, reason) => expect(() => generateTopology(spec)).toThrow(reason));

test('every generator says what it makes and what it wants', () => {
  for (const { summary, parameters } of Object.values(GENERATORS)) {
    expect(summary).not.toBe('');
    for (const { meaning } of Object.values(parameters)) expect(meaning).not.toBe('');
  }
});
