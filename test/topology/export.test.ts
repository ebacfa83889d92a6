/** Written and read back: the same graph from YAML and JSON; from the two other formats all that they can hold. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { exportTopology, generateTopology, loadTopology, loadTopologyText, type Topology } from '../../src/topology/index.ts';

const folder = fileURLToPath(new URL('../../topologies/', import.meta.url));
const files = readdirSync(folder).filter((name) => name !== 'heddle.schema.json');
const sources = [
  ...files.map((name) => folder + name),
  'dragonfly:a=2,p=1,h=1,speed=XDR,width=12x',
  'mesh:dimensions=3x2,model=fifo,vls=15',
];
const label = (source: string) => source.replace(folder, '');

/** Without where it came from, and what only a generator knows. */
function content({ source: _source, generated: _generated, warnings: _warnings, name: _name, ...rest }: Topology) {
  return rest;
}

/** What `ibnetdiscover` and ibsim files hold of a fabric. */
function wire({ nodes, switches, links }: Topology) {
  const port = (end: Topology['links'][number]['ends'][0]) =>
    end.kind === 'switch' ? `${switches[end.switch]!.guid} ${end.port}` : `${nodes[end.node]!.hcas[end.hca]!.guid} ${end.port}`;
  return {
    switches: switches.map(({ name, guid, systemImageGuid, lid, lmc, portCount, enhancedPort0, vendorId, deviceId }) => ({
      name,
      guid,
      systemImageGuid,
      lid,
      lmc,
      portCount,
      enhancedPort0,
      vendorId,
      deviceId,
    })),
    hcas: nodes.flatMap((node) =>
      node.hcas.map(({ guid, systemImageGuid, name, vendorId, deviceId, ports }) => ({
        node: node.name,
        name,
        guid,
        systemImageGuid,
        vendorId,
        deviceId,
        ports: ports.map(({ guid, lid, lmc }) => ({ guid, ...(ports.some((one) => one.link >= 0) && { lid, lmc }) })),
      })),
    ),
    links: links.map((link) => `${link.ends.map(port).sort().join(' ')} ${link.width}${link.speed}`).sort(),
  };
}

describe.each(sources.map((source) => [label(source), source]))('%s', (_label, source) => {
  const topology = loadTopology(source);
  test.each(['yaml', 'json'] as const)('as %s', (format) => {
    const text = exportTopology(topology, format);
    const back = loadTopologyText(text, `x.${format}`);
    expect(content(back)).toEqual(content(topology));
    expect(exportTopology(back, format)).toBe(text);
  });
  test.each([
    ['ibnetdiscover', 'x.txt'],
    ['ibsim', 'x.net'],
  ] as const)('as %s', (format, file) => {
    const back = loadTopologyText(exportTopology(topology, format), file);
    expect(wire(back)).toEqual(wire(topology));
  });
});

test('lines of an export are those that the tools print', () => {
  const text = exportTopology(generateTopology('star:hosts=1,speed=FDR10'), 'ibnetdiscover');
  expect(text).toContain(
    'Switch\t1 "S-0002c90200200000"\t\t# "switch1" base port 0 lid 0 lmc 0\n[1]\t"H-0002c90300100000"[1](2c90300100001) \t\t# "node1 mlx4_0" lid 0 4xFDR10\n',
  );
  expect(text).toContain(
    'Ca\t1 "H-0002c90300100000"\t\t# "node1 mlx4_0"\n[1](2c90300100001) \t"S-0002c90200200000"[1]\t\t# lid 0 lmc 0 "switch1" lid 0 4xFDR10\n',
  );
});
