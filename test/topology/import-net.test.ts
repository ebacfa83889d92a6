/** Both dialects of switch and HCA records, as their tools print and read them, and the traps that real dumps hold. */
import { describe, expect, test } from 'vitest';
import { checkTopologyText, loadTopologyText } from '../../src/topology/index.ts';

const DUMP = `#
# Topology file: generated on Mon Jan  1 00:00:00 2024
#
# Initiated from node 0002c90300100000 port 0002c90300100001

vendid=0x2c9
devid=0xbd36
sysimgguid=0x2c90200200003
switchguid=0x2c90200200000(2c90200200000)
Switch	36 "S-0002c90200200000"		# "MF0;rack-1:IS5030/U1 # \\"x; a:b" enhanced port 0 lid 6 lmc 0
[1]	"H-0002c90300100000"[1](2c90300100001) 		# "cpu1 mlx4_0" lid 4 4xQDR
[2]	"H-0002c90300100010"[2](2c90300100012) 		# "cpu1 mlx4_1" lid 5 4xQDR
[20][ext 3]	"S-0002c90200200010"[21][ext 4]		# "Infiniscale-IV Mellanox Technologies" lid 0 4xFDR10
[35]	"S-0002c90200200000"[36]		# "MF0;rack-1:IS5030/U1" lid 6 1xSDR
[36]	"S-0002c90200200000"[35]		# "MF0;rack-1:IS5030/U1" lid 6 1xSDR

vendid=0x2c9
devid=0xbd36
sysimgguid=0x2c90200200013		# Chassis 2
switchguid=0x2c90200200010(2c90200200010)	# Spine 1
Switch	36 "S-0002c90200200010"		# "Infiniscale-IV Mellanox Technologies" base port 0 lid 0 lmc 0
[21]    "S-0002c90200200000"[20]                # "MF0;rack-1:IS5030/U1" lid 6 4xFDR10 s=4 w=2 v=5
[22]	"R-0002c90300100020"[1](2c90300100021) 		# "Router" lid 9 8xHDR
[23]	"H-0002c90300100030"[1](2c90300100030) 		# "Mellanox Technologies Aggregation Node" lid 11 2xEDR

vendid=0x2c9
devid=0x673c
sysimgguid=0x2c90300100003
caguid=0x2c90300100000
Ca	2 "H-0002c90300100000"		# "cpu1 mlx4_0"
[1](2c90300100001) 	"S-0002c90200200000"[1]		# lid 4 lmc 1 "MF0;rack-1:IS5030/U1" lid 6 4xQDR

caguid=0x2c90300100010
Ca	2 "H-0002c90300100010"		# "cpu1 mlx4_1"
[2](2c90300100012) 	"S-0002c90200200000"[2]		# lid 6 lmc 0 "MF0;rack-1:IS5030/U1" lid 6 4xQDR

devid=0xffff
caguid=0x2c90300100030
Ca	1 "H-0002c90300100030"		# "Mellanox Technologies Aggregation Node"
[1](2c90300100030) 	"S-0002c90200200010"[23]		# lid 11 lmc 0 "Infiniscale-IV Mellanox Technologies" lid 0 2xEDR

rtguid=0x2c90300100020
Rt	1 "R-0002c90300100020"		# "Router"
[1](2c90300100021) 	"S-0002c90200200010"[22]		# lid 9 lmc 0 "Infiniscale-IV Mellanox Technologies" lid 0 8xHDR
`;

describe('ibnetdiscover output', () => {
  const text = DUMP.replace('lid 6 lmc 0 "MF0;rack-1:IS5030/U1" lid 6 4xQDR', 'lid 12 lmc 0 "MF0;rack-1:IS5030/U1" lid 6 4xQDR');
  const topology = loadTopologyText(text, 'dump.txt');

  test('names, GUIDs, LIDs and identities are kept', () => {
    expect(
      topology.switches.map(({ name, type, guid, lid, enhancedPort0, group }) => [name, type, guid, lid, enhancedPort0, group]),
    ).toEqual([
      ['rack-1', 'infiniscale-iv', 0x0002c90200200000n, 6, true, undefined],
      ['S-0002c90200200010', 'infiniscale-iv', 0x0002c90200200010n, undefined, false, 'chassis2'],
    ]);
    expect(topology.switches[0]!.description).toBe('MF0;rack-1:IS5030/U1 # \\"x; a:b');
    expect(topology.nodes.map(({ name, role, router }) => [name, role, router])).toEqual([
      ['cpu1', 'processor', undefined],
      ['Mellanox-Technologies-Aggregation-Node', 'io', undefined],
      ['Router', 'io', true],
    ]);
  });

  test('HCAs of one host make one node', () => {
    const [cpu] = topology.nodes;
    expect(cpu!.hcas.map(({ name, profile, guid, systemImageGuid }) => [name, profile, guid, systemImageGuid])).toEqual([
      ['mlx4_0', 'connectx2-qdr', 0x0002c90300100000n, 0x0002c90300100003n],
      ['mlx4_1', 'connectx2-qdr', 0x0002c90300100010n, 0x0002c90300100010n],
    ]);
    expect(cpu!.hcas[0]!.ports.map(({ guid, lid, lmc, link }) => [guid, lid, lmc, link >= 0])).toEqual([
      [0x0002c90300100001n, 4, 1, true],
      [0x0002c90300100002n, undefined, 0, false],
    ]);
  });

  test('links once each, with width and speed; a switch may be cabled to itself', () => {
    expect(topology.links.map(({ width, speed }) => width + speed).sort()).toEqual([
      '1xSDR',
      '2xEDR',
      '4xFDR10',
      '4xQDR',
      '4xQDR',
      '8xHDR',
    ]);
    expect(topology.switches[0]!.links[35]).toBe(topology.switches[0]!.links[36]);
  });

  test('guesses are warnings', () => {
    expect(topology.warnings.map((warning) => warning.message)).toEqual([
      '2 of 4 HCAs have no known device id; profile taken from their link speed',
      '1 routers are held as end nodes: they forward nothing',
    ]);
  });

  test('a LID given twice is found', () => {
    expect(checkTopologyText(DUMP, 'dump.txt').map(({ line, message }) => [line, message])).toEqual([
      [30, 'LID 6 is used twice'],
    ]);
  });
});

const NET = `# a comment
module="m"
width=3
Switch 4 "sw"
[1] "h1"[1]  s=7
[2] "h2"     w=2 s=4
@[3] "up"
[3] "m2#top"[1]
module=""
switchguid=0x1000
Switch 2 "m2#top"
[1] "m@up"
caguid=0x2000
module="m"
Hca 1 "h1"
[1] "sw"[1] s=6
Hca 2 "h2"
[1] "sw"[2] w=1 s=7 # lid 7 lmc 0 "sw" lid 0
Hca 1 "h3"
caguid+0x100
Ca 1 "h4"
`;

describe('ibsim files', () => {
  test('modules, aliases, masks and bases of GUIDs', () => {
    const { nodes, switches, links } = loadTopologyText(NET.replace('w=1 s=7', 'w=3 s=7'), 'x.net');
    expect(switches.map(({ name, guid }) => [name, guid])).toEqual([
      ['m-sw', 0x0002c90200200000n],
      ['m2-top', 0x1000n],
    ]);
    expect(nodes.map(({ name, hcas }) => [name, hcas[0]!.guid])).toEqual([
      ['m-h1', 0x2000n],
      ['m-h2', 0x2002n],
      ['m-h3', 0x2005n],
      ['m-h4', 0x2100n],
    ]);
    expect(links.map(({ width, speed }) => width + speed)).toEqual(['4xQDR', '4xQDR', '4xSDR']);
    expect(nodes[1]!.hcas[0]!.ports[0]!.lid).toBe(7);
  });

  test('masks without a common bit', () => {
    expect(checkTopologyText(NET, 'x.net').map(({ line, message }) => [line, message])).toEqual([
      [6, 'has no width or speed in common with its other end on line 18'],
    ]);
  });

  test('included files are read beside the file, and only then', () => {
    const include = (name: string) => (name === 'b.net' ? 'Hca 1 "b"\n[1] "a"[1]\n' : undefined);
    const text = 'Hca 1 "a"\n[1] "b"[1]\ninclude "b.net"\n';
    expect(loadTopologyText(text, 'x.net', { include }).links).toHaveLength(1);
    expect(checkTopologyText(text, 'x.net')[1]!.message).toContain('cannot include "b.net"');
    expect(checkTopologyText('include "x.net"\n', 'x.net', { include: () => 'include "x.net"\n' })[0]!.message).toContain(
      'more than 8 deep',
    );
  });

  test('links without width and speed are SDR, as ibsim has it, and that is said', () => {
    const { links, warnings } = loadTopologyText('Hca 1 "a"\n[1] "b"[1]\nHca 1 "b"\n[1] "a"[1]\n', 'x.net');
    expect(links[0]).toMatchObject({ width: '4x', speed: 'SDR' });
    expect(warnings[0]!.message).toContain('1 of 1 links say no width and speed');
  });
});

test.each([
  ['Hca 1 "a"\n[1] "c"[1]\n', 2, 'leads to "c", which the file does not describe'],
  ['Hca 1 "a"\n[1] "b"[1]\nHca 1 "b"\n', 2, 'which is not listed there'],
  ['Hca 1 "a"\n[1] "a"[1]\n', 2, 'linked to itself'],
  ['Hca 1 "a"\n[2] "b"[1]\n', 2, 'has ports 1 to 1'],
  ['Hca 1 "a"\nHca 1 "a"\n', 2, 'listed twice'],
  ['Hca 1 "a"\n[1] "b"[1]\n[1] "b"[1]\n', 3, 'port 1 of "a" is listed twice'],
  ['[1] "b"[1]\nHca 1 "a"\n', 1, 'outside a node'],
  ['Hca 300 "a"\n', 1, 'expected 1 to 254'],
  ['Hca 1 "a"\n[1] b\n', 2, 'expected a port such as'],
  ['Hca 1 "a"\n[1] "b"[1] q=1\n', 2, 'found the option "q=1"'],
  ['Hca 1 "a"\n[1] "b"[1] # "x" lid 1 4xWDR\n', 2, 'found the link "4xWDR"'],
  ['Hca 1 "a"\n[1] "b"[1] # "x" lid 1 ??\x3f\x3f?\n', 2, 'expected a width'],
  ['Hca 1 "a"\nwhatever\n', 2, 'expected a node (Switch, Ca, Hca, Rt)'],
  ['Hca 1 "a"\ndo Unlink "a"\n', 2, 'console command'],
  ['guid=7\nHca 1 "a"\n', 1, 'expected an assignment'],
  ['caguid=0x5\nCa 1 "H-0000000000000006"\n', 2, 'has the GUID 0x5 on the line above'],
  [
    'Hca 1 "a"\n[1] "b"[1] # "b" lid 1 4xQDR\nHca 1 "b"\n[1] "a"[1] # lid 1 lmc 0 "a" lid 2 4xEDR\n',
    2,
    'is 4xQDR here and 4xEDR on line 4',
  ],
])('%j: line %i %s', (text, line, message) => {
  const issues = checkTopologyText(text, 'x.net');
  expect(issues.map((issue) => [issue.line, issue.message.includes(message)])).toContainEqual([line, true]);
});
