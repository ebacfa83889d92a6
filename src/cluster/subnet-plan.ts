/**
 * What a subnet manager would have set by time 0: the topology as the graph that it would discover, LIDs, forwarding tables, multicast trees,
 * and the check that nothing can deadlock.
 */
import {
  assertDeadlockFree,
  assignLids,
  BROADCAST_MLID,
  buildMulticastTrees,
  computeRouting,
  describeCycle,
  findDependencyCycle,
  indexGraph,
  type LidPlan,
  type LinkEnd,
  type MulticastTree,
  type Routing,
  type RoutingOptions,
  type SubnetGraph,
  type SubnetIndex,
} from '../subnet/index.ts';
import { ConfigError } from '../sim/index.ts';
import { linkSpeed } from '../wire/index.ts';
import type { LinkEnd as TopologyEnd, Topology, TopologyHca, TopologyPort } from '../topology/index.ts';

/** Multicast LIDs that are routed: 0xC000 is the broadcast group; programs join groups that are hashed onto all of them. */
export const MULTICAST_LIDS = 16;

/** An adapter port of the topology; its position in `SubnetPlan.ports` is its handle in the fabric, too. */
export interface PlannedPort {
  readonly node: number;
  readonly hca: number;
  readonly port: TopologyPort;
  readonly adapter: TopologyHca;
}

export interface SubnetPlan {
  readonly index: SubnetIndex;
  readonly ports: readonly PlannedPort[];
  readonly lids: LidPlan;
  readonly routing: Routing;
  /** Every adapter port is a member; the same ports for each of the `MULTICAST_LIDS`. */
  readonly multicast: MulticastTree;
  /** VL for each switch output slot and SL, at `slot × 16 + SL`. */
  readonly vls: Uint8Array;
  readonly warnings: readonly string[];
}

/** Handles of adapter ports by node, HCA and port number. */
export function listPorts(topology: Topology): PlannedPort[] {
  return topology.nodes.flatMap((node) =>
    node.hcas.flatMap((adapter, hca) => adapter.ports.map((port) => ({ node: node.index, hca, port, adapter }))),
  );
}

/** The topology as a subnet manager discovers it. */
export function subnetGraph(topology: Topology, ports: readonly PlannedPort[]): SubnetGraph {
  const handles = new Map(ports.map(({ node, hca, port }, handle) => [`${node}/${hca}/${port.number}`, handle]));
  const end = (from: TopologyEnd): LinkEnd =>
    from.kind === 'switch'
      ? { kind: 'switch', index: from.switch, port: from.port }
      : { kind: 'adapter', index: handles.get(`${from.node}/${from.hca}/${from.port}`) as number };
  return {
    switches: topology.switches.map((node) => ({
      guid: node.guid,
      name: node.name,
      portCount: node.portCount,
      systemGuid: node.systemImageGuid,
      dataVls: node.qos.operationalVls,
      ...(node.lid === undefined ? {} : { lid: node.lid }),
      ...(node.level === undefined ? {} : { level: node.level }),
      ...(node.coordinates === undefined ? {} : { coordinates: node.coordinates }),
    })),
    adapters: ports.map(({ node, port, adapter }) => ({
      guid: port.guid,
      nodeGuid: adapter.guid,
      name: topology.nodes[node]?.name ?? '',
      port: port.number,
      dataVls: adapter.qos.operationalVls,
      mtuBytes: topology.links[port.link]?.mtu ?? 4096,
      ...(port.lid === undefined ? {} : { lid: port.lid }),
    })),
    links: topology.links.map((link) => ({
      a: end(link.ends[0]),
      b: end(link.ends[1]),
      rateGbps: linkSpeed(link.speed).nominalLaneGbps * Number.parseInt(link.width, 10),
    })),
  };
}

/**
 * Plans the subnet. Throws `ConfigError` when LIDs clash, the routing engine does not fit, ports cannot reach each other, or the
 * channel-dependency check finds a cycle that is not allowed.
 */
export function planSubnet(topology: Topology, allowCycles: boolean): SubnetPlan {
  const ports = listPorts(topology);
  const index = indexGraph(subnetGraph(topology, ports));
  const lmc = Math.max(0, ...ports.map(({ port }) => port.lmc));
  const lids = assignLids(index, { lmc });
  const routing = computeRouting(index, lids, routingOptions(topology));
  requireLanes(topology, routing);
  const multicast = buildMulticastTrees(
    index,
    [{ mlid: BROADCAST_MLID, members: ports.map((_, handle) => handle) }],
    routing.treeRules,
  )[0] as MulticastTree;
  const vls = routing.levels?.vls ?? outputVls(topology, index);
  const warnings = topology.warnings.map((issue) => issue.message);
  const check = {
    index,
    lids,
    tables: routing.tables,
    vls,
    multicast: [multicast],
    ...(routing.levels === undefined ? {} : { pathSls: routing.levels.pathSls }),
  };
  if (!allowCycles) assertDeadlockFree(check);
  else {
    const cycle = findDependencyCycle(check);
    if (cycle !== undefined)
      warnings.push(`the routing can deadlock; allowed by --allow-cycles. The cycle:\n${describeCycle(index, cycle)}`);
  }
  return { index, ports, lids, routing, multicast, vls, warnings };
}

/** Datelines need a second VL on every link between switches. */
function requireLanes(topology: Topology, { levels }: Routing): void {
  if (levels === undefined) return;
  const short = topology.switches.find(({ qos }) => qos.operationalVls < levels.vlCount);
  if (short === undefined) return;
  const message = `needs ${levels.vlCount} data VLs on every switch; ${short.name} has ${short.qos.operationalVls} (qos.operationalVls)`;
  throw new ConfigError([{ file: topology.source, path: 'routing.datelines', message }]);
}

function routingOptions(topology: Topology): RoutingOptions {
  const { routing } = topology;
  if (routing.engine === 'dor') return routing.datelines ? { engine: 'dor', datelines: true } : { engine: 'dor' };
  if (!('roots' in routing) || routing.roots.length === 0) return { engine: routing.engine };
  return { engine: routing.engine, roots: routing.roots.map((s) => topology.switches[s]?.guid as bigint) };
}

/** The SL2VL tables of all switches' ports as one: the same table for every pair of ports of a switch. */
function outputVls(topology: Topology, index: SubnetIndex): Uint8Array {
  const vls = new Uint8Array(index.slotSwitch.length * 16);
  for (let slot = 0; slot < index.slotSwitch.length; slot++) {
    const node = topology.switches[index.slotSwitch[slot] as number];
    if (node !== undefined) vls.set(node.qos.slToVl, slot * 16);
  }
  return vls;
}
