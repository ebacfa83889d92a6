/** `heddle topology check`: what a run on this topology would refuse, and what holds. */
import { ConfigError } from '../sim/index.ts';
import { chooseRoots, indexGraph, type Routing, treeShape } from '../subnet/index.ts';
import type { Topology } from '../topology/index.ts';
import { planCluster } from './plan.ts';
import { listPorts, subnetGraph } from './subnet-plan.ts';
import type { TopologyCheck } from './types.ts';

/** Plans the whole cluster without running anything. Throws `ConfigError` with everything that is wrong. */
export function checkTopology(topology: Topology, options: { readonly allowCycles?: boolean }): TopologyCheck {
  const plan = planCluster({ topology, topologyFile: topology.source, allowCycles: options.allowCycles ?? false }, [
    topology.nodes.map((node) => node.index),
  ]);
  const { lids, routing } = plan.subnet;
  const mayCycle = plan.warnings.some((warning) => warning.includes('can deadlock'));
  return {
    findings: [
      `${topology.nodes.length} nodes, ${topology.switches.length} switches, ${topology.links.length} links are consistent`,
      `LIDs 1 to ${lids.maxLid} are assigned without a clash`,
      `${routing.engine} routing${withDatelines(routing)} reaches all of the ${describePairs(topology, routing)}`,
      ...(mayCycle ? [] : ['no set of routes can block each other for ever (channel dependencies have no cycle)']),
    ],
    warnings: plan.warnings,
  };
}

/** Ordered pairs of adapter ports that cables join. */
function describePairs(topology: Topology, { reachability: { pairs, apart } }: Routing): string {
  const direct = topology.links.filter(({ ends }) => ends.every((end) => end.kind === 'node')).length * 2;
  const rest = apart === 0 ? '' : `; no cables join ${apart} others`;
  return `${pairs - apart + direct} ordered pairs of adapter ports${rest}`;
}

function withDatelines({ levels }: Routing): string {
  return levels === undefined ? '' : ` with datelines (an SL for each path, ${levels.vlCount} VLs)`;
}

/** Names of the switches that the engine of this topology takes as roots by itself; none where it has no roots, or the topology names them, or does not fit the engine. */
export function findRoutingRoots(topology: Topology): readonly string[] {
  const { routing, switches } = topology;
  if (!('roots' in routing) || routing.roots.length > 0 || switches.length === 0) return [];
  const index = indexGraph(subnetGraph(topology, listPorts(topology)));
  try {
    if (routing.engine === 'up-down') return chooseRoots(index, 'found').map((s) => switches[s]?.name ?? '');
    const { levels, levelCount } = treeShape(index);
    return switches.filter((_, s) => levels[s] === levelCount - 1).map(({ name }) => name);
  } catch (error) {
    if (error instanceof ConfigError) return []; // `heddle topology check` says why
    throw error;
  }
}
