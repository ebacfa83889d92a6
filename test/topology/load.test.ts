/** Files: what a loaded one holds, and for each kind of mistake the line, column, path and words that the user sees. */
import { describe, expect, test } from 'vitest';
import {
  checkTopologyText,
  type HcaCatalog,
  loadTopology,
  loadTopologyBytes,
  loadTopologyText,
  TopologyError,
} from '../../src/topology/index.ts';

const CATALOG: HcaCatalog = {
  profiles: ['connectx2-qdr', 'connectx3-qdr'],
  parameters: ['postNs', 'wireMtu'],
  check: (_profile, parameter, value) =>
    parameter === 'postNs' && value < 0 ? `found ${value}; expected a time of at least 0` : undefined,
};

const HEAD = `heddle: 1
defaults: { node: { hca: { profile: connectx2-qdr } }, link: { speed: QDR } }
`;
const load = (text: string) => loadTopologyText(HEAD + text, 'x.yaml', { catalog: CATALOG });

/** Issues as `line:column path: message`, for short expectations. */
function issuesOf(text: string): string[] {
  return checkTopologyText(text, 'x.yaml', { catalog: CATALOG }).map(
    ({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`,
  );
}

describe('what a file says', () => {
  test('ranges of names on one side and of ports on the other', () => {
    const { nodes, switches, links } = load(
      'switches: { leaf1: {} }\nnodes: { "cpu[1-16]": {} }\nlinks:\n  - cpu[1-16] -> leaf1[1-16]\n',
    );
    expect(nodes.map((node) => node.name)).toEqual(Array.from({ length: 16 }, (_, i) => `cpu${i + 1}`));
    expect(switches[0]!.links.slice(0, 18)).toEqual([-1, ...Array.from({ length: 16 }, (_, i) => i), -1]);
    expect(links.map(({ ends }) => [ends[0].kind, ends[1].port])).toEqual(Array.from({ length: 16 }, (_, i) => ['node', i + 1]));
  });

  test('ports that nobody names are the lowest that nobody names', () => {
    const { links } = load('switches: { s: {} }\nnodes: { "a[1-3]": {} }\nlinks: ["a1 -> s", "a2 -> s:1", "a3 -> s"]\n');
    const ports = Object.fromEntries(links.map(({ ends }) => [ends[0].kind === 'node' && ends[0].node, ends[1].port]));
    expect(ports).toEqual({ 0: 2, 1: 1, 2: 3 });
  });

  test('each with each, parallel links, and settings of one link', () => {
    const text =
      'switches: { "l[1-3]": {}, "s[1-2]": {} }\nnodes: { a: {} }\nlinks: ["a -> l1", "l[1-3] => s[1-2]", { connect: "l1 -> s1", count: 3, speed: FDR, width: 12x, length: 10m, mtu: 1024, bitErrorRate: 1e-12 }]\n';
    const { links } = load(text);
    expect(links).toHaveLength(1 + 6 + 3);
    expect(links.at(-1)).toMatchObject({
      speed: 'FDR',
      width: '12x',
      propagationPs: 50_000,
      mtu: 1024,
      bitErrorRate: 1e-12,
      psPerByteNumerator: 440,
      psPerByteDenominator: 9,
    });
  });

  test('several HCAs, defaults under them, overrides that belong to a profile', () => {
    const text = `heddle: 1
defaults: { node: { role: io, hca: { profile: connectx2-qdr, ports: 2, overrides: { postNs: 5, wireMtu: 9 } } }, link: { speed: QDR } }
nodes:
  a: { hcas: [{ name: ib0, overrides: { postNs: 7 } }, { name: ib1, profile: connectx3-qdr, ports: 1, guid: 0x0002:c903:0000:0010 }] }
  b: { role: processor, hca: { ports: [{ lid: 8, lmc: 3 }, { lid: 16 }] } }
links: ["a/ib1:1 -> b:2", "a/ib0:2 -> b:1"]
`
      .replace('0x0002:c903', '"0002:c903')
      .replace('0000:0010', '0000:0010"');
    const { nodes } = loadTopologyText(text, 'x.yaml', { catalog: CATALOG });
    expect(nodes[0]!.role).toBe('io');
    expect(nodes[0]!.hcas.map(({ name, profile, overrides, ports }) => [name, profile, overrides, ports.length])).toEqual([
      ['ib0', 'connectx2-qdr', { postNs: 7, wireMtu: 9 }, 2],
      ['ib1', 'connectx3-qdr', {}, 1],
    ]);
    expect(nodes[0]!.hcas[1]!.guid).toBe(0x0002c90300000010n);
    expect(nodes[0]!.hcas[1]!.ports[0]!.guid).toBe(0x0002c90300000011n);
    expect(nodes[1]!.hcas[0]!.ports.map(({ lid, lmc, link }) => [lid, lmc, link])).toEqual([
      [8, 3, 1],
      [16, 0, 0],
    ]);
  });

  test('switch types, one of the file among them, and numbers of one switch', () => {
    const text =
      'switchTypes: { mine: { base: quantum, ports: 8, model: fifo } }\nswitches: { a: { type: mine }, b: { type: mine, latency: 250ns, buffer: 128blocks } }\nnodes: { n: {} }\nlinks: [n -> a, a -> b]\n';
    const { switches } = load(text);
    expect(switches.map(({ model, portCount, latencyPs, bufferBlocks }) => [model, portCount, latencyPs, bufferBlocks])).toEqual([
      ['fifo', 8, 130_000, 256],
      ['fifo', 8, 250_000, 128],
    ]);
  });

  test('virtual lanes: defaults folded onto the VLs there are, tables of a block, the device above the file', () => {
    const text = 'nodes: { a: {}, b: { hca: { qos: { operationalVls: 1 } } } }\nlinks: [a -> b]\n';
    const { nodes } = loadTopologyText(
      HEAD.replace(
        'defaults: {',
        'defaults: { qos: { operationalVls: 2, vlArbitration: { high: "0:4", low: "1:255", highLimit: 3 } },',
      ) + text,
      'x.yaml',
    );
    expect(nodes[0]!.hcas[0]!.qos).toMatchObject({
      operationalVls: 2,
      slToVl: [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1],
      vlArbitration: { high: [{ vl: 0, weight: 4 }], low: [{ vl: 1, weight: 255 }], highLimit: 3 },
    });
    expect(nodes[1]!.hcas[0]!.qos).toMatchObject({
      operationalVls: 1,
      slToVl: new Array(16).fill(0),
      vlArbitration: { high: [], low: [{ vl: 0 }] },
    });
  });

  test('a generator with settings for one of its nodes, and more beside it', () => {
    const text =
      'generate: { kind: star, hosts: 3, hostLink: { mtu: 512 } }\nswitches: { switch1: { ports: 8 } }\nnodes: { node2: { role: io }, extra: {} }\nlinks: [extra -> switch1]\n';
    const { nodes, switches, links } = load(text);
    expect(nodes.map((node) => [node.name, node.role])).toEqual([
      ['node1', 'processor'],
      ['node2', 'io'],
      ['node3', 'processor'],
      ['extra', 'processor'],
    ]);
    expect([switches.length, switches[0]!.portCount, links.map((link) => link.mtu)]).toEqual([1, 8, [512, 512, 512, 4096]]);
  });

  test('partitions: the default one is full alone, limited beside others', () => {
    expect(load('nodes: { a: {}, b: {} }\nlinks: [a -> b]\n').partitions).toEqual([
      {
        name: 'Default',
        pkey: 0x7fff,
        members: [
          { node: 0, membership: 'full' },
          { node: 1, membership: 'full' },
        ],
      },
    ]);
    const { partitions } = load(
      'nodes: { a: {}, b: {} }\nlinks: [a -> b]\npartitions: { p: { pkey: 0x10, full: a, limited: all } }\n',
    );
    expect(partitions.map(({ pkey, members }) => [pkey, members.map((member) => member.membership)])).toEqual([
      [0x7fff, ['limited', 'limited']],
      [0x10, ['full', 'limited']],
    ]);
  });

  test('JSON is read by the same rules, and aliases copy', () => {
    const json = JSON.stringify({
      heddle: 1,
      nodes: { a: { hca: { profile: 'p' } }, b: { hca: { profile: 'p' } } },
      links: [{ connect: 'a -> b', speed: 'NDR' }],
    });
    expect(loadTopologyText(json, 'x.json').links[0]!.psPerByteNumerator).toBe(20);
    expect(load('nodes: { a: &n { role: io }, b: *n }\nlinks: [a -> b]\n').nodes.map((node) => node.role)).toEqual(['io', 'io']);
  });

  test('a topology can be cloned, and holds no undefined', () => {
    const topology = load(
      'switches: { s: {} }\nnodes: { a: {}, b: {} }\nlinks: [a -> s, b -> s]\nfaults: [link a down at 1ms for 1us]\n',
    );
    expect(structuredClone(topology)).toEqual(topology);
    const visit = (value: unknown): boolean =>
      typeof value === 'object' && value !== null ? Object.values(value).every(visit) : value !== undefined;
    expect(visit(topology)).toBe(true);
  });
});

/** [name, text after the head, issues] */
const MISTAKES: [string, string, string[]][] = [
  [
    'all at once, each at its place',
    'nodes:\n  a: { rol: io }\n  b: { hca: { profile: connectx2 } }\nrouting: { engine: minhop }\n',
    [
      '4:8 nodes.a.rol: unknown key; did you mean role?',
      '6:20 routing.engine: found "minhop"; expected min-hop, up-down, fat-tree, dor; did you mean min-hop?',
    ],
  ],
  [
    'a profile that does not exist',
    'nodes: { a: { hca: { profile: connectx2 } } }\n',
    ['3:31 nodes.a.hca.profile: found "connectx2"; expected connectx2-qdr or connectx3-qdr'],
  ],
  [
    'an override that no HCA has',
    'nodes: { a: { hca: { overrides: { postN: 1 } } } }\n',
    ['3:35 nodes.a.hca.overrides.postN: is no parameter of an HCA; accepted are postNs, wireMtu; did you mean postNs?'],
  ],
  [
    'an override out of range',
    'nodes: { a: { hca: { overrides: { postNs: -1 } } } }\n',
    ['3:43 nodes.a.hca.overrides.postNs: found -1; expected a time of at least 0'],
  ],
  [
    'a name that is not there',
    'switches: { s1: {} }\nnodes: { a: {} }\nlinks:\n  - a -> s2\n',
    ['6:5 links[0]: there is no node or switch "s2"; did you mean s1?'],
  ],
  [
    'sides of different length',
    'switches: { s: {} }\nnodes: { "a[1-3]": {} }\nlinks: ["a[1-3] -> s:[1-2]"]\n',
    ['5:9 links[0]: joins 3 with 2 one by one; both sides of -> stand for as many, or one is a single name without port'],
  ],
  [
    'a port twice',
    'switches: { s: {} }\nnodes: { a: {}, b: {} }\nlinks: ["a -> s:1", "b:1 -> s:1"]\n',
    ['5:9 links[0]: s:1 is taken by the link b:1 -> s:1'],
  ],
  [
    'a port beyond the last',
    'switches: { s: { ports: 2 } }\nnodes: { a: {} }\nlinks: ["a:1 -> s:3"]\n',
    ['5:9 links[0]: s:3: there is no such port; it has ports 1 to 2'],
  ],
  [
    'names or ports, both possible',
    'switches: { s1: {}, s12: {} }\nnodes: { "a[1-2]": {} }\nlinks: ["a[1-2] -> s1[1-2]"]\n',
    ['5:9 links[0]: "s1[1-2]" may be ports of s1 or names such as s11; write s1:[1-2] for ports, or rename'],
  ],
  [
    'an option that changes nothing: datelines',
    'nodes: { a: {}, b: {} }\nlinks: [a -> b]\nrouting: { engine: up-down, datelines: true }\n',
    ['5:29 routing.datelines: changes nothing: up-down has no datelines; dor has'],
  ],
  [
    'datelines that are no yes or no',
    'nodes: { a: {}, b: {} }\nlinks: [a -> b]\nrouting: { engine: dor, datelines: 2 }\n',
    ['5:36 routing.datelines: found 2; expected true or false'],
  ],
  [
    'an option that changes nothing: roots',
    'nodes: { a: {}, b: {} }\nlinks: [a -> b]\nrouting: { engine: dor, roots: a }\n',
    ['5:25 routing.roots: changes nothing: dor has no roots; up-down and fat-tree have'],
  ],
  [
    'an option that changes nothing: one HCA beside a list',
    'nodes: { a: { hca: { ports: 2 }, hcas: [{}] }, b: {} }\nlinks: [a -> b]\n',
    ['3:15 nodes.a.hca: changes nothing beside hcas; give one of them'],
  ],
  [
    'a root that is no switch',
    'generate: { kind: star, hosts: 2 }\nswitches: { switch1: { guid: 7 } }\nrouting: { engine: up-down, roots: "node[1-2]" }\n',
    ['5:36 routing.roots: "node1" is a node; expected a switch', '5:36 routing.roots: "node2" is a node; expected a switch'],
  ],
  [
    'an option that changes nothing: length beside propagation',
    'nodes: { a: {}, b: {} }\nlinks: [{ connect: a -> b, length: 1m, propagation: 1ns }]\n',
    ['4:36 links[0].length: changes nothing beside propagation; give one of them'],
  ],
  [
    'an option that changes nothing: an unused type',
    'switchTypes: { t: {} }\nnodes: { a: {}, b: {} }\nlinks: [a -> b]\n',
    ['3:16 switchTypes.t: changes nothing: no switch is of this type'],
  ],
  [
    'an option that changes nothing: a limit without a table',
    'nodes: { a: { hca: { qos: { vlArbitration: { highLimit: 1 } } } }, b: {} }\nlinks: [a -> b]\n',
    ['3:57 nodes.a.hca.qos.vlArbitration.highLimit: changes nothing, because the high table is empty; give high too'],
  ],
  [
    'one identity for many',
    'nodes: { "a[1-2]": { hca: { guid: 5 } } }\n',
    [
      '3:20 nodes.a[1-2]: the GUID 0x0000000000000005 is used twice',
      '3:29 nodes.a[1-2].hca.guid: belongs to one alone, but "a[1-2]" stands for 2',
    ],
  ],
  [
    'a name twice',
    'switches: { a: {} }\nnodes: { a: {} }\n',
    ['4:10 nodes.a: the name "a" is used twice; names of nodes and switches are unique'],
  ],
  [
    'a GUID twice',
    'nodes: { a: { hca: { guid: 5 } }, b: { hca: { guid: 5 } } }\nlinks: [a -> b]\n',
    ['3:38 nodes.b: the GUID 0x0000000000000005 is used twice'],
  ],
  [
    'LIDs that overlap',
    'nodes: { a: { hca: { ports: [{ lid: 4, lmc: 2 }] } }, b: { hca: { ports: [{ lid: 5 }] } } }\nlinks: [a -> b]\n',
    ['3:58 nodes.b: LID 5 is used twice'],
  ],
  [
    'a VL that is not in use',
    'nodes: { a: { hca: { qos: { operationalVls: 1, slToVl: [0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,15] } } }, b: {} }\nlinks: [a -> b]\n',
    ['3:59 nodes.a.hca.qos.slToVl[1]: SL 1 goes to VL 1, which is not in use; accepted are 0 to 0, or 15 to drop'],
  ],
  [
    'a VL that is never served',
    'nodes: { a: { hca: { qos: { operationalVls: 2, vlArbitration: { low: "0:1" } } } }, b: {} }\nlinks: [a -> b]\n',
    ['3:63 nodes.a.hca.qos.vlArbitration: SL 1 uses VL 1, which no arbitration table serves: its packets would never leave'],
  ],
];

describe('what a file gets wrong', () => {
  test.each(MISTAKES)('%s', (_name, text, expected) => {
    // Most of these files have no link, which makes the head's default for links an issue of its own.
    const found = issuesOf(HEAD + text).filter((issue) => !issue.includes('defaults.link: changes nothing'));
    expect(found).toEqual(expected);
  });

  test('defaults for what is not there, and a file without nodes', () => {
    expect(issuesOf(`${HEAD}nodes: { a: {} }\n`)).toEqual(['2:56 defaults.link: changes nothing: there is no link']);
    expect(issuesOf('heddle: 1\n')).toEqual(['1:1 : has no nodes, so nothing could run; give nodes, or a generate block']);
  });

  test('an unknown section is named, with those that there are', () => {
    expect(issuesOf(`${HEAD}nodes: { a: {} }\nsweep: {}\n`)).toEqual([
      '4:1 sweep: unknown key; accepted are heddle, name, description, defaults, switchTypes, generate, switches, nodes, links, routing, partitions, faults',
    ]);
  });

  test('missing profile and speed are not guessed', () => {
    expect(issuesOf('heddle: 1\nnodes: { a: {}, b: {} }\nlinks: [a -> b]\n')).toEqual([
      '2:13 nodes.a.profile: no HCA profile: give it here or in defaults.node.hca.profile; accepted are connectx2-qdr or connectx3-qdr',
      '2:20 nodes.b.profile: no HCA profile: give it here or in defaults.node.hca.profile; accepted are connectx2-qdr or connectx3-qdr',
      '3:9 links[0]: no link speed: give speed here or in defaults.link.speed; accepted are SDR, DDR, QDR, FDR10, FDR, EDR, HDR, NDR, XDR',
    ]);
  });

  test('broken YAML, two documents, a key twice', () => {
    expect(issuesOf('heddle: 1\nnodes: { a: {\n')[0]).toMatch(/^3:1 : /);
    expect(issuesOf('heddle: 1\n---\nheddle: 1\n')[0]).toMatch(/^2:1 : .*multiple documents/);
    expect(issuesOf('heddle: 1\nheddle: 1\n')[0]).toMatch(/^2:1 : .*unique/);
    expect(issuesOf('')[0]).toContain('found null; expected a map that begins with heddle: 1');
    expect(issuesOf('heddle: 2\nnodes: {}\n')[0]).toBe('1:9 heddle: found 2; expected 1, the version of the format');
  });
});

describe('sizes that a slip or a hostile file may ask for', () => {
  test('aliases of aliases', () => {
    const bomb = `heddle: 1\na: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefghij'
      .split('')
      .map((c, i) => `${c}: &${c} [${new Array(10).fill(`*${'abcdefghij'[i]}`).join(',')}]`)
      .join('\n')}\n`;
    expect(issuesOf(bomb)[0]).toContain('aliases stand for more than 100000 values');
  });
  test('an alias that holds itself', () => expect(issuesOf('heddle: 1\nnodes: &n { a: *n }\n').length).toBeGreaterThan(0));
  test('deep nesting', () => {
    expect(issuesOf(`heddle: 1\nnodes: ${'['.repeat(50)}${']'.repeat(50)}\n`)[0]).toContain('nested deeper than 32');
    expect(issuesOf(`heddle: 1\nnodes: ${'['.repeat(100_000)}\n`).length).toBeGreaterThan(0);
  });
  test('ranges and generators beyond a subnet', () => {
    expect(issuesOf(`${HEAD}nodes: { "a[1-60000]": {} }\n`)[1]).toContain('more than 49151 names');
    expect(issuesOf(`${HEAD}nodes: { "a[1-30000]": {}, "b[1-30000]": {} }\n`).join()).toContain(
      'needs 60000 LIDs for its HCA ports and switches; a subnet has 49151',
    );
    expect(issuesOf(`${HEAD}generate: { kind: torus, dimensions: [49151, 49151] }\n`)[0]).toContain('49151 unicast LIDs');
    expect(issuesOf(`${HEAD}switches: { "s[1-2000]": {} }\nnodes: { a: {} }\nlinks: ["s[1-2000] => s[1-2000]"]\n`)[0]).toContain(
      'more than 500000 links',
    );
  });
  test('bytes that are no text', () =>
    expect(() => loadTopologyBytes(new Uint8Array([0xff, 0xfe, 0]), 'x.yaml')).toThrow('UTF-8'));
  test('no file, no generator', () => {
    expect(() => loadTopology('no-such-file.yaml')).toThrow(TopologyError);
    expect(() => loadTopology('fattree:k=4')).toThrow('did you mean fat-tree?');
  });
});
