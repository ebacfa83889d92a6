/**
 * From a topology to what is built from it: the fabric's specification, every adapter's configuration, the address book, the latencies over the cut.
 */
import type { FabricSpec, FaultSpec, HostPortSpec, LinkSpec, PartitionSpec, SwitchSpec, VlArbSpec } from '../fabric/index.ts';
import { type HcaConfig, type HcaPortConfig, type HcaProfile, resolveProfile } from '../hca/index.ts';
import { ConfigError, type Issue, type Ps } from '../sim/index.ts';
import type { Topology, TopologyFault, TopologyLink, TopologyQos } from '../topology/index.ts';
import { type LinkLanes, linkSpeed, widthCode } from '../wire/index.ts';
import type { CutOptions } from './coordinator.ts';
import { type Directory, makeDirectory } from './directory.ts';
import { DEFAULT_PEER_NETWORK } from './peers.ts';
import { MULTICAST_LIDS, type PlannedPort, planSubnet, type SubnetPlan } from './subnet-plan.ts';
import { parseFaults } from './load.ts';
import type { RunOptions } from './types.ts';
import { type VirtualFunction, virtualFunctions } from './virtual-functions.ts';

/** fe80::/64, the default subnet prefix. */
export const SUBNET_PREFIX = 0xfe80000000000000n;
/** Receive buffer of an adapter port, per VL: 32 KiB, enough for the credit round trip of the fastest links. */
const HOST_BUFFER_BLOCKS = 512;
/** From freed buffer room to the credit update decoded at the other end, propagation apart: flow-control packets are sent as room comes free, and wait behind one packet at most. */
const CREDIT_RETURN_PS = 50_000;
const LFT_DROP = 255;
const MIN_MTU = 256;
/** Room for all headers and checksums around the largest payload: two blocks. */
const HEADER_BYTES = 128;

export interface ClusterPlan {
  readonly nodeNames: readonly string[];
  readonly subnet: SubnetPlan;
  readonly fabric: FabricSpec;
  /** Adapters by node. */
  readonly hcas: readonly (readonly HcaConfig[])[];
  readonly directory: Directory;
  readonly warnings: readonly string[];
  /** The cut for these ranks and groups. */
  cut(
    nodeOfRank: readonly number[],
    groups: readonly (readonly number[])[],
    end: { untilPs?: Ps | undefined; horizonPs: Ps },
  ): CutOptions;
}

/** The options that a plan depends on. */
export type PlanOptions = Pick<RunOptions, 'topology' | 'topologyFile' | 'allowCycles' | 'seed' | 'faults'>;

/** Plans a run. Throws `ConfigError` with everything that is wrong. */
export function planCluster(options: PlanOptions, groups: readonly (readonly number[])[]): ClusterPlan {
  const { topology } = options;
  const subnet = inFile(options.topologyFile, () => planSubnet(topology, options.allowCycles ?? false));
  const profiles = resolveProfiles(topology, options.topologyFile);
  const seed = options.seed ?? 1;
  const handles = portHandles(subnet);
  const functions = virtualFunctions(topology);
  const hcas = topology.nodes.map((node) =>
    node.hcas.map((_, hca) => hcaConfig({ topology, subnet, profiles, handles, functions, seed }, node.index, hca)),
  );
  const used = hcas.flat().map((hca) => hca.profile);
  return {
    nodeNames: topology.nodes.map((node) => node.name),
    subnet,
    fabric: {
      ...fabricSpec(topology, subnet, profiles, groups, seed),
      faults: [...topology.faults, ...parseFaults(options.faults ?? [], topology)].map(faultSpec),
    },
    hcas,
    directory: makeDirectory(topology, subnet),
    warnings: [...subnet.warnings, ...mtuWarnings(topology)],
    cut: (nodeOfRank, members, { untilPs, horizonPs }) => {
      const groupOf = groupOfNodes(topology.nodes.length, members);
      return {
        toFabricPs: least(used, (profile) => profile.txPipelinePs),
        toGroupPs: least(used, (profile) => profile.rxPipelinePs),
        peerPs: DEFAULT_PEER_NETWORK.latencyPs,
        groupOfRank: nodeOfRank.map((node) => groupOf[node] as number),
        untilPs: untilPs ?? Number.POSITIVE_INFINITY,
        horizonPs,
      };
    },
  };
}

/** The least of a property; no spread of arguments, which has a limit that large fabrics reach. */
function least<T>(list: readonly T[], property: (item: T) => number): number {
  return list.reduce((found, item) => Math.min(found, property(item)), Number.POSITIVE_INFINITY);
}

/** The group of each node. */
function groupOfNodes(nodes: number, groups: readonly (readonly number[])[]): Int32Array {
  const groupOf = new Int32Array(nodes);
  groups.forEach((members, group) => {
    for (const node of members) groupOf[node] = group;
  });
  return groupOf;
}

/** Handles of the ports of each adapter, under `node/hca`. */
function portHandles(subnet: SubnetPlan): Map<string, number[]> {
  const handles = new Map<string, number[]>();
  subnet.ports.forEach(({ node, hca }, handle) => {
    const key = `${node}/${hca}`;
    const known = handles.get(key);
    if (known === undefined) handles.set(key, [handle]);
    else known.push(handle);
  });
  return handles;
}

/** Issues of rooms that know no files get the topology file's name. */
function inFile<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(error.issues.map((issue) => (issue.file === '' ? { ...issue, file } : issue)));
  }
}

/** The profile of each adapter, by node and adapter. */
function resolveProfiles(topology: Topology, file: string): HcaProfile[][] {
  const issues: Issue[] = [];
  const known = new Map<string, HcaProfile>();
  const profiles = topology.nodes.map((node) =>
    node.hcas.map((hca) => {
      const key = `${hca.profile} ${JSON.stringify(hca.overrides)}`;
      const found = known.get(key);
      if (found !== undefined) return found;
      const resolved = resolveProfile(hca.profile, hca.overrides, file, `${node.name}.hca`);
      issues.push(...resolved.issues);
      if (resolved.profile !== undefined) known.set(key, resolved.profile);
      return resolved.profile as HcaProfile;
    }),
  );
  if (issues.length > 0) throw new ConfigError(issues);
  return profiles;
}

interface HcaParts {
  readonly topology: Topology;
  readonly subnet: SubnetPlan;
  readonly profiles: readonly HcaProfile[][];
  readonly handles: ReadonlyMap<string, readonly number[]>;
  readonly functions: readonly VirtualFunction[];
  readonly seed: number;
}

function hcaConfig({ topology, subnet, profiles, handles, functions, seed }: HcaParts, node: number, hca: number): HcaConfig {
  const adapter = topology.nodes[node]?.hcas[hca];
  if (adapter === undefined) throw new RangeError(`node ${node} has no HCA ${hca}`);
  const ports = (handles.get(`${node}/${hca}`) ?? []).map((handle): HcaPortConfig => {
    const { port } = subnet.ports[handle] as PlannedPort;
    const link = topology.links[port.link];
    return {
      portNumber: port.number,
      hostPort: handle,
      portGuid: port.guid,
      gidPrefix: SUBNET_PREFIX,
      lid: subnet.lids.adapterLids[handle] as number,
      lmc: subnet.lids.lmc,
      pkeys: pkeysOf(topology, node),
      dataVls: adapter.qos.operationalVls,
      slToVl: adapter.qos.slToVl,
      ...linkFacts(link),
      smLid: subnet.lids.adapterLids[0] as number,
      smSl: 0,
      subnetTimeout: 18,
    };
  });
  return {
    nodeName: topology.nodes[node]?.name ?? '',
    deviceName: adapter.name,
    index: hca,
    nodeGuid: adapter.guid,
    profile: profiles[node]?.[hca] as HcaProfile,
    ports,
    functions: functions
      .filter((one) => one.node === node && one.hca === hca)
      .map(({ deviceName, nodeGuid, portGuids }) => ({ deviceName, nodeGuid, portGuids })),
    seed,
  };
}

type LinkFacts = Pick<
  HcaPortConfig,
  'mtuBytes' | 'linkPsPerByte' | 'activeWidth' | 'activeSpeed' | 'widthName' | 'speedName' | 'state'
>;

/** What a port knows of its cable; a port without one is Down. */
function linkFacts(link: TopologyLink | undefined): LinkFacts {
  if (link === undefined)
    return { mtuBytes: 4096, linkPsPerByte: 1000, activeWidth: 1, activeSpeed: 1, widthName: '1X', speedName: 'SDR', state: 1 };
  return {
    mtuBytes: link.mtu,
    linkPsPerByte: link.psPerByteNumerator / link.psPerByteDenominator,
    activeWidth: widthCode(Number.parseInt(link.width, 10) as LinkLanes),
    activeSpeed: linkSpeed(link.speed).verbsCode,
    widthName: link.width.toUpperCase(),
    speedName: link.speed,
    state: 4,
  };
}

/** The default partition and those that list the node; full members with bit 15. */
function pkeysOf(topology: Topology, node: number): number[] {
  return topology.partitions.flatMap(({ pkey, members }) => {
    const member = members.find((candidate) => candidate.node === node);
    return member === undefined ? [] : [member.membership === 'full' ? pkey | 0x8000 : pkey];
  });
}

function fabricSpec(
  topology: Topology,
  subnet: SubnetPlan,
  profiles: readonly HcaProfile[][],
  groups: readonly (readonly number[])[],
  seed: number,
): FabricSpec {
  const groupOf = groupOfNodes(topology.nodes.length, groups);
  const handles = new Map(subnet.ports.map(({ node, hca, port }, handle) => [`${node}/${hca}/${port.number}`, handle]));
  const links = topology.links.map((link): LinkSpec => {
    const [a, b] = link.ends.map((end) =>
      end.kind === 'switch'
        ? ({ kind: 'switch', index: end.switch, port: end.port } as const)
        : ({ kind: 'host', index: handles.get(`${end.node}/${end.hca}/${end.port}`) as number, port: 1 } as const),
    );
    return {
      a: a as LinkSpec['a'],
      b: b as LinkSpec['b'],
      psPerByte: link.psPerByteNumerator / link.psPerByteDenominator,
      propagationPs: link.propagationPs,
      bitErrorRate: link.bitErrorRate,
      mtuBytes: link.mtu,
    };
  });
  return {
    seed,
    maxWireBytes: Math.max(...topology.links.map((link) => link.mtu), MIN_MTU) + HEADER_BYTES,
    switches: topology.switches.map((_, s) => switchSpec(topology, subnet, s)),
    hostPorts: subnet.ports.map((planned, handle): HostPortSpec => {
      const { qos } = planned.adapter;
      const profile = profiles[planned.node]?.[planned.hca] as HcaProfile;
      return {
        name: `${topology.nodes[planned.node]?.name}:${planned.port.number}`,
        node: planned.node,
        group: groupOf[planned.node] as number,
        lid: subnet.lids.adapterLids[handle] as number,
        lmc: subnet.lids.lmc,
        dataVls: qos.operationalVls,
        bufferBlocks: HOST_BUFFER_BLOCKS,
        creditReturnPs: CREDIT_RETURN_PS,
        sl2vl: Uint8Array.from(qos.slToVl),
        vlArb: arbitrationOf(qos),
        sinkPsPerByte: profile.hostWritePsPerByte,
      };
    }),
    links,
  };
}

function switchSpec(topology: Topology, subnet: SubnetPlan, s: number): SwitchSpec {
  const node = topology.switches[s];
  if (node === undefined) throw new RangeError(`no switch ${s}`);
  const { stride, ports } = subnet.routing.tables;
  const members: number[] = [];
  for (let port = 1; port <= node.portCount; port++) if (subnet.multicast.has(s, port)) members.push(port);
  return {
    name: node.name,
    portCount: node.portCount,
    model: node.model,
    latencyPs: node.latencyPs,
    bufferBlocks: node.bufferBlocks,
    creditReturnPs: CREDIT_RETURN_PS,
    dataVls: node.qos.operationalVls,
    lft: ports.slice(s * stride, (s + 1) * stride).map((port) => (port === 0xff ? LFT_DROP : port)),
    ...(members.length === 0 ? {} : { mft: Array.from({ length: MULTICAST_LIDS }, (_, i) => [0xc000 + i, members] as const) }),
    sl2vl: slToVl(subnet, s, node.portCount, node.qos),
    vlArb: arbitrationOf(node.qos),
    hoqLife: node.qos.headOfQueueLife,
    vlStallCount: node.qos.vlStallCount,
    lifeTime: node.packetLifetime,
    ...partitionsOf(topology, s),
  };
}

/** Ports with an adapter behind them enforce its P_Keys both ways, as OpenSM sets it up. Nothing to enforce where everybody is a full member of one partition. */
function partitionsOf(topology: Topology, s: number): Pick<SwitchSpec, 'partitions'> {
  const [first, ...others] = topology.partitions;
  const isOpen = others.length === 0 && first?.members.length === topology.nodes.length;
  if (isOpen && first.members.every((member) => member.membership === 'full')) return {};
  const partitions: Record<number, PartitionSpec> = {};
  for (const { ends } of topology.links)
    for (const [end, far] of [ends, [ends[1], ends[0]] as const])
      if (end.kind === 'switch' && end.switch === s && far.kind !== 'switch')
        partitions[end.port] = { table: pkeysOf(topology, far.node), enforceIn: true, enforceOut: true };
  return { partitions };
}

/** Links of several MTUs work, with connections of the least of their path. */
function mtuWarnings({ links }: Topology): string[] {
  const mtus = links.map((link) => link.mtu);
  const least = mtus.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = mtus.reduce((a, b) => Math.max(a, b), 0);
  if (least >= most) return [];
  const range = `links have MTUs from ${least} to ${most} bytes`;
  return [
    `${range}: a switch discards packets longer than the next link's MTU; connections need the least MTU of their path, as rdma_cm sets it`,
  ];
}

/** One table for all pairs of ports, or, where the routing engine wants its own VLs, one a pair. */
function slToVl(subnet: SubnetPlan, s: number, portCount: number, qos: TopologyQos): Uint8Array {
  const { levels } = subnet.routing;
  if (levels === undefined) return Uint8Array.from(qos.slToVl);
  const first = (subnet.index.portBase[s] as number) * 16;
  const perOutput = levels.vls.subarray(first, first + (portCount + 1) * 16);
  const table = new Uint8Array((portCount + 1) ** 2 * 16);
  for (let input = 0; input <= portCount; input++) table.set(perOutput, input * perOutput.length);
  return table;
}

function arbitrationOf(qos: TopologyQos): VlArbSpec {
  return qos.vlArbitration;
}

/** The kernel counts links, switches and nodes as the topology does. */
function faultSpec(fault: TopologyFault): FaultSpec {
  const { atPs } = fault;
  switch (fault.kind) {
    case 'link-down':
    case 'link-up':
      return { atPs, kind: fault.kind, target: fault.link };
    case 'bit-error-rate':
      return { atPs, kind: fault.kind, target: fault.link, value: fault.rate };
    case 'switch-dies':
      return { atPs, kind: 'switch-dead', target: fault.switch };
    case 'node-dies':
      return { atPs, kind: 'node-dead', target: fault.node };
    case 'slow-receiver':
      return {
        atPs,
        kind: 'slow-receiver',
        target: fault.node,
        value: fault.bytesPerSecond === null ? 0 : 1e12 / fault.bytesPerSecond,
      };
  }
}
