/**
 * Everything a subnet manager sets before the first packet, in one call: LIDs, link settings, routing, multicast trees, QoS and
 * P_Key tables, and the deadlock check over all of it. The result is plain data and typed arrays.
 */
import { assertDeadlockFree, type DependencyCycle, type DependencyInput, findDependencyCycle } from './dependency.ts';
import { indexGraph, type SubnetGraph, type SubnetIndex } from './graph.ts';
import { assignLids, type LidOptions, type LidPlan } from './lids.ts';
import { BROADCAST_MLID, buildMulticastTrees, type MulticastGroup, type MulticastTree } from './multicast.ts';
import { buildPkeyTables, type Partition } from './partitions.ts';
import { type PathTables, StaticPaths } from './paths.ts';
import { type LinkSettings, negotiateLinks, planQos, type QosPlan, type QosTables } from './qos.ts';
import { computeRouting, type Routing, type RoutingOptions } from './routing.ts';

export interface SubnetOptions {
  readonly routing: RoutingOptions;
  readonly lids?: LidOptions;
  /** Default: the broadcast group 0xC000 with every adapter port. */
  readonly multicast?: readonly MulticastGroup[];
  readonly partitions?: readonly Partition[];
  /** Default: OpenSM's. */
  readonly qos?: QosTables;
  /** Most data VLs on any link; default 15. */
  readonly maxDataVls?: number;
  /** SLs that programs will use where the routing does not say them itself; default `[0]`. */
  readonly sls?: readonly number[];
  /** Return a cycle of channel dependencies instead of throwing. Default false. */
  readonly allowCycles?: boolean;
}

/** A subnet, set up. */
export interface SubnetConfiguration {
  readonly index: SubnetIndex;
  readonly lids: LidPlan;
  readonly links: LinkSettings;
  readonly routing: Routing;
  readonly multicast: readonly MulticastTree[];
  readonly qos: QosPlan;
  /** P_Key table of each adapter port. */
  readonly pkeys: readonly Uint16Array[];
  /** Only with `allowCycles`. */
  readonly cycle: DependencyCycle | undefined;
}

/** Sets up a subnet. @throws ConfigError for every mistake that its parts name, and for a routing that can deadlock unless allowed. */
export function configureSubnet(graph: SubnetGraph, options: SubnetOptions): SubnetConfiguration {
  const index = indexGraph(graph);
  const lids = assignLids(index, options.lids);
  const links = negotiateLinks(index, options.maxDataVls);
  const routing = computeRouting(index, lids, options.routing);
  const groups = options.multicast ?? [{ mlid: BROADCAST_MLID, members: graph.adapters.map((_, adapter) => adapter) }];
  const multicast = buildMulticastTrees(index, groups, routing.treeRules);
  const qos = planQos(index, links, routing.levels, options.qos);
  const pkeys = buildPkeyTables(index, options.partitions, options.lids?.managerPort);
  const check: DependencyInput = {
    index,
    lids,
    tables: routing.tables,
    vls: qos.switchVls,
    multicast,
    ...(routing.levels === undefined ? {} : { pathSls: routing.levels.pathSls }),
    ...(options.sls === undefined ? {} : { sls: options.sls }),
  };
  if (options.allowCycles !== true) assertDeadlockFree(check);
  const cycle = options.allowCycles === true ? findDependencyCycle(check) : undefined;
  return { index, lids, links, routing, multicast, qos, pkeys, cycle };
}

/** Path records from a configuration. */
export function pathsOf(subnet: SubnetConfiguration): StaticPaths {
  const tables: PathTables = {
    index: subnet.index,
    lids: subnet.lids,
    tables: subnet.routing.tables,
    links: subnet.links,
    pkeys: subnet.pkeys,
    ...(subnet.routing.levels === undefined ? {} : { pathSls: subnet.routing.levels.pathSls }),
  };
  return new StaticPaths(tables);
}
