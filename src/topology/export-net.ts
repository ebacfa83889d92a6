/**
 * Writes a topology as `ibnetdiscover` prints a fabric, or as an ibsim `.net` file. Both hold names, GUIDs, LIDs and links with their
 * widths and speeds; what they cannot hold (roles, lengths, buffers, lanes, partitions, faults) is left out, and a comment says so.
 */
import { EXTENDED_SPEED_CODES, type LinkSpeed, SPEED_CODES, WIDTH_CODES } from './speeds.ts';
import type { LinkEnd, Topology, TopologyHca, TopologyLink, TopologyNode, TopologySwitch } from './types.ts';

const LEFT_OUT =
  '# Left out, since the format holds none: roles, profiles, cable lengths, MTU, buffers, virtual lanes, partitions, routing, faults.';

interface Dialect {
  readonly ibsim: boolean;
}

/** As `ibnetdiscover` prints it. */
export function exportIbnetdiscover(topology: Topology): string {
  return writeNet(topology, { ibsim: false });
}

/** As ibsim reads it: names as ids, and link masks beside the comment. */
export function exportIbsim(topology: Topology): string {
  return writeNet(topology, { ibsim: true });
}

function writeNet(topology: Topology, dialect: Dialect): string {
  const lines = ['#', `# Topology file: ${topology.name}`, LEFT_OUT, '#'];
  for (const one of topology.switches) lines.push(...switchRecord(topology, one, dialect), '');
  for (const node of topology.nodes) for (const hca of node.hcas) lines.push(...hcaRecord(topology, node, hca, dialect), '');
  return lines.join('\n');
}

const hex = (guid: bigint) => guid.toString(16);
const hex16 = (guid: bigint) => guid.toString(16).padStart(16, '0');

function idOf(topology: Topology, end: LinkEnd, { ibsim }: Dialect): string {
  if (end.kind === 'switch') {
    const one = topology.switches[end.switch]!;
    return ibsim ? one.name : `S-${hex16(one.guid)}`;
  }
  const node = topology.nodes[end.node]!;
  return hcaId(node, node.hcas[end.hca]!, ibsim);
}

function hcaId(node: TopologyNode, hca: TopologyHca, ibsim: boolean): string {
  if (!ibsim) return `${node.router ? 'R' : 'H'}-${hex16(hca.guid)}`;
  return node.hcas.length === 1 ? node.name : `${node.name}/${hca.name}`;
}

/** A quote inside a description would end it. */
function describe(text: string): string {
  return text.replaceAll('"', "'").replace(/[\r\n]+/g, ' ');
}

function hcaDescription(node: TopologyNode, hca: TopologyHca): string {
  return describe(hca.description ?? `${node.name} ${hca.name}`);
}

function identityLines(of: TopologySwitch | TopologyHca): string[] {
  return [
    ...(of.vendorId === undefined ? [] : [`vendid=0x${of.vendorId.toString(16)}`]),
    ...(of.deviceId === undefined ? [] : [`devid=0x${of.deviceId.toString(16)}`]),
    `sysimgguid=0x${hex(of.systemImageGuid)}`,
  ];
}

function switchRecord(topology: Topology, one: TopologySwitch, dialect: Dialect): string[] {
  const id = dialect.ibsim ? one.name : `S-${hex16(one.guid)}`;
  const port0 = one.enhancedPort0 ? 'enhanced' : 'base';
  const lines = [
    ...identityLines(one),
    `switchguid=0x${hex(one.guid)}(${hex(one.guid)})`,
    `Switch\t${one.portCount} "${id}"\t\t# "${describe(one.description ?? one.name)}" ${port0} port 0 lid ${one.lid ?? 0} lmc ${one.lmc}`,
  ];
  for (let port = 1; port <= one.portCount; port++) {
    const link = topology.links[one.links[port]!];
    if (link === undefined) continue;
    const [a, b] = link.ends;
    const remote = a.kind === 'switch' && a.switch === one.index && a.port === port ? b : a;
    const { description, lid, guid } = remoteFacts(topology, remote);
    const tail = `# "${description}" lid ${lid} ${link.width}${link.speed}`;
    lines.push(`[${port}]\t"${idOf(topology, remote, dialect)}"[${remote.port}]${guid}\t\t${masks(link, dialect)}${tail}`);
  }
  return lines;
}

function remoteFacts(topology: Topology, end: LinkEnd): { description: string; lid: number; guid: string } {
  if (end.kind === 'switch') {
    const { description, name, lid = 0 } = topology.switches[end.switch]!;
    return { description: describe(description ?? name), lid, guid: '' };
  }
  const node = topology.nodes[end.node]!;
  const hca = node.hcas[end.hca]!;
  const port = hca.ports[end.port - 1]!;
  return { description: hcaDescription(node, hca), lid: port.lid ?? 0, guid: `(${hex(port.guid)}) ` };
}

function hcaRecord(topology: Topology, node: TopologyNode, hca: TopologyHca, dialect: Dialect): string[] {
  const lines = [
    ...identityLines(hca),
    `${node.router ? 'rt' : 'ca'}guid=0x${hex(hca.guid)}`,
    `${node.router ? 'Rt' : 'Ca'}\t${hca.ports.length} "${hcaId(node, hca, dialect.ibsim)}"\t\t# "${hcaDescription(node, hca)}"`,
  ];
  for (const port of hca.ports) {
    const link = topology.links[port.link];
    if (link === undefined) continue;
    const [a, b] = link.ends;
    const isA = a.kind === 'node' && a.node === node.index && node.hcas[a.hca] === hca && a.port === port.number;
    const remote = isA ? b : a;
    const facts = remoteFacts(topology, remote);
    const tail = `# lid ${port.lid ?? 0} lmc ${port.lmc} "${facts.description}" lid ${facts.lid} ${link.width}${link.speed}`;
    const guid = facts.guid === '' ? '' : ` ${facts.guid}`;
    lines.push(
      `[${port.number}](${hex(port.guid)}) \t"${idOf(topology, remote, dialect)}"[${remote.port}]${guid}\t\t${masks(link, dialect)}${tail}`,
    );
  }
  return lines;
}

/** ibsim's enabled masks. FDR10 is QDR to it, and XDR the fastest it has; the comment names the true speed, and this importer reads that. */
function masks(link: TopologyLink, { ibsim }: Dialect): string {
  if (!ibsim) return '';
  const asKnown: LinkSpeed = link.speed === 'FDR10' ? 'QDR' : link.speed === 'XDR' ? 'NDR' : link.speed;
  const extended = asKnown in EXTENDED_SPEED_CODES ? EXTENDED_SPEED_CODES[asKnown as keyof typeof EXTENDED_SPEED_CODES] : 0;
  const speed = extended > 0 ? SPEED_CODES.QDR : SPEED_CODES[asKnown as keyof typeof SPEED_CODES];
  return `w=${WIDTH_CODES[link.width]} s=${speed}${extended > 0 ? ` e=${extended}` : ''} `;
}
