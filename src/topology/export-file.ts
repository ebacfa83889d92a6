/**
 * Writes a topology as a file of heddle's own, YAML or JSON, such that loading it gives the same graph: each node, switch and link by
 * itself, with the identities that were given out. Settings that all share are written once, in `defaults`.
 */
import { xenFields } from './export-xen.ts';
import { formatEnd } from './faults.ts';
import { DEFAULT_PKEY } from './members.ts';
import { DEFAULT_LIFE, defaultQos } from './qos.ts';
import { SWITCH_TYPES } from './switch-types.ts';
import type {
  Topology,
  TopologyHca,
  TopologyLink,
  TopologyNode,
  TopologyPartition,
  TopologyQos,
  TopologySwitch,
  VlWeight,
} from './types.ts';
import { formatTime } from './units.ts';

export type Value = string | number | boolean | readonly Value[] | { readonly [key: string]: Value | undefined };
export type Fields = Record<string, Value | undefined>;

/** The topology as JSON. */
export function exportJson(topology: Topology): string {
  return `${JSON.stringify(toFile(topology), null, 2)}\n`;
}

/** The topology as YAML, an entry a line. */
export function exportYaml(topology: Topology): string {
  const lines: string[] = [];
  for (const [key, value] of Object.entries(toFile(topology))) {
    if (value === undefined) continue;
    if (Array.isArray(value)) lines.push(`${key}:`, ...value.map((item) => `  - ${flow(item)}`));
    else if (typeof value === 'object') {
      lines.push(`${key}:`);
      for (const [name, inner] of Object.entries(value)) if (inner !== undefined) lines.push(`  ${flow(name)}: ${flow(inner)}`);
    } else lines.push(`${key}: ${flow(value)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** A value in flow style; texts are left bare where YAML reads them back as the same text. */
function flow(value: Value): string {
  if (typeof value === 'string') return isBare(value) ? value : JSON.stringify(value);
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  const entries = Object.entries(value).filter((entry): entry is [string, Value] => entry[1] !== undefined);
  return entries.length === 0 ? '{}' : `{ ${entries.map(([key, inner]) => `${flow(key)}: ${flow(inner)}`).join(', ')} }`;
}

function isBare(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_./+-]*$/.test(text) && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(text);
}

/** What a loader would have read. Undefined fields are left out. */
function toFile(topology: Topology): Fields {
  const { nodes, switches, links, routing, faults } = topology;
  const qosTexts = [...nodes.flatMap((node) => node.hcas), ...switches].map(({ qos }) => JSON.stringify(qos));
  const commonQos = mostCommon(qosTexts) ?? JSON.stringify(defaultQos());
  const linkTexts = links.map((link) => JSON.stringify(linkFields(link)));
  const commonLink = mostCommon(linkTexts);
  const commonProfile = mostCommon(nodes.flatMap((node) => node.hcas.map((hca) => hca.profile)));
  return {
    heddle: 1,
    name: topology.name,
    description: topology.description,
    defaults: {
      node: commonProfile === undefined ? undefined : { hca: { profile: commonProfile } },
      link: commonLink === undefined ? undefined : (JSON.parse(commonLink) as Fields as Value),
      qos: commonQos === JSON.stringify(defaultQos()) ? undefined : qosFields(JSON.parse(commonQos) as TopologyQos),
    },
    switchTypes: ownTypes(switches),
    switches:
      switches.length === 0 ? undefined : Object.fromEntries(switches.map((one) => [one.name, switchFields(one, commonQos)])),
    nodes: Object.fromEntries(nodes.map((node) => [node.name, nodeFields(node, commonProfile, commonQos)])),
    links:
      links.length === 0
        ? undefined
        : links.map((link, i): Value => {
            const connect = link.ends.map((end) => formatEnd(end, topology)).join(' -> ');
            return linkTexts[i] === commonLink ? connect : { connect, ...linkFields(link) };
          }),
    routing: {
      engine: routing.engine,
      roots: 'roots' in routing && routing.roots.length > 0 ? routing.roots.map((root) => switches[root]!.name) : undefined,
      datelines: routing.engine === 'dor' && routing.datelines ? true : undefined,
    },
    partitions: partitionFields(topology),
    faults: faults.length === 0 ? undefined : [...new Set(faults.map((fault) => fault.text))],
  };
}

function mostCommon(texts: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
}

function guidText(guid: bigint): string {
  return `0x${guid.toString(16).padStart(16, '0')}`;
}

function linkFields(link: TopologyLink): Fields {
  const { speed, width, propagationPs, mtu, bitErrorRate } = link;
  return {
    speed,
    width,
    propagation: formatTime(propagationPs),
    mtu,
    bitErrorRate: bitErrorRate === 0 ? undefined : bitErrorRate,
  };
}

function identityFields(of: TopologyHca | TopologySwitch): Fields {
  const { guid, systemImageGuid, vendorId, deviceId, description } = of;
  return {
    guid: guidText(guid),
    systemImageGuid: systemImageGuid === guid ? undefined : guidText(systemImageGuid),
    vendorId,
    deviceId,
    description,
  };
}

function switchFields(one: TopologySwitch, commonQos: string): Fields {
  const {
    type,
    model,
    portCount,
    latencyPs,
    bufferBlocks,
    packetLifetime,
    lid,
    lmc,
    enhancedPort0,
    level,
    coordinates,
    group,
    qos,
  } = one;
  const product = Object.hasOwn(SWITCH_TYPES, type) ? SWITCH_TYPES[type]! : undefined;
  return {
    type,
    ports: portCount,
    model: model === product?.model ? undefined : model,
    latency: latencyPs === product?.latencyPs ? undefined : formatTime(latencyPs),
    buffer: bufferBlocks === product?.bufferBlocks ? undefined : `${bufferBlocks}blocks`,
    packetLifetime: packetLifetime === DEFAULT_LIFE ? undefined : packetLifetime,
    ...identityFields(one),
    lid,
    lmc: lmc === 0 ? undefined : lmc,
    enhancedPort0: enhancedPort0 || undefined,
    level,
    coordinates,
    group,
    qos: JSON.stringify(qos) === commonQos ? undefined : qosFields(qos),
  };
}

/** Types that are not built in come from the file that was loaded; each switch states its own numbers, so the names suffice. */
function ownTypes(switches: readonly TopologySwitch[]): Value | undefined {
  const names = [...new Set(switches.map((one) => one.type))].filter((type) => !Object.hasOwn(SWITCH_TYPES, type));
  return names.length === 0 ? undefined : Object.fromEntries(names.map((name) => [name, {}]));
}

function nodeFields(node: TopologyNode, commonProfile: string | undefined, commonQos: string): Fields {
  const hcas = node.hcas.map((hca) => hcaFields(hca, commonProfile, commonQos));
  return {
    role: node.role,
    ...(hcas.length === 1 ? { hca: hcas[0]! } : { hcas }),
    router: node.router,
    ipoib: node.ipoib && { ...node.ipoib },
    xen: node.xen && xenFields(node.xen),
  };
}

function hcaFields(hca: TopologyHca, commonProfile: string | undefined, commonQos: string): Fields {
  const plain = hca.ports.every((port, i) => port.lid === undefined && port.guid === hca.guid + BigInt(i + 1));
  const ports = hca.ports.map(
    (port, i): Fields => ({
      guid: port.guid === hca.guid + BigInt(i + 1) ? undefined : guidText(port.guid),
      lid: port.lid,
      lmc: port.lmc === 0 ? undefined : port.lmc,
    }),
  );
  return {
    name: hca.name,
    profile: hca.profile === commonProfile ? undefined : hca.profile,
    overrides: Object.keys(hca.overrides).length === 0 ? undefined : hca.overrides,
    ports: plain ? hca.ports.length : ports,
    ...identityFields(hca),
    qos: JSON.stringify(hca.qos) === commonQos ? undefined : qosFields(hca.qos),
  };
}

function qosFields(qos: TopologyQos): Fields {
  const weights = (table: readonly VlWeight[]) => table.map(({ vl, weight }) => `${vl}:${weight}`).join(',');
  const { high, low, highLimit } = qos.vlArbitration;
  return {
    operationalVls: qos.operationalVls,
    slToVl: qos.slToVl,
    vlArbitration: { high: weights(high), low: weights(low), highLimit: high.length === 0 ? undefined : highLimit },
    headOfQueueLife: qos.headOfQueueLife,
    vlStallCount: qos.vlStallCount,
  };
}

/** Nothing where there is only the default partition with all nodes as full members. */
function partitionFields({ partitions, nodes }: Topology): Fields | undefined {
  const names = (partition: TopologyPartition, membership: string): Value | undefined => {
    const members = partition.members.filter((member) => member.membership === membership);
    if (members.length === 0) return undefined;
    return members.length === nodes.length ? 'all' : members.map(({ node }) => nodes[node]!.name);
  };
  const [only, ...more] = partitions;
  if (more.length === 0 && only?.pkey === DEFAULT_PKEY && only.name === 'Default' && names(only, 'full') === 'all')
    return undefined;
  return Object.fromEntries(
    partitions.map((partition) => [
      partition.name,
      { pkey: partition.pkey, full: names(partition, 'full'), limited: names(partition, 'limited') },
    ]),
  );
}
