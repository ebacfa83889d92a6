/** `heddle topology check`: what a run on this topology would refuse, and what holds. */
import { PROFILES } from '../hca/index.ts';
import { assert } from '../sim/index.ts';
import type { Topology } from '../topology/index.ts';
import { planCluster } from './plan.ts';
import type { TopologyCheck } from './types.ts';

/** Plans the whole cluster without running anything. Throws `ConfigError` with everything that is wrong. */
export function checkTopology(topology: Topology, options: { readonly allowCycles?: boolean }): TopologyCheck {
  const plan = planCluster({ topology, topologyFile: topology.source, allowCycles: options.allowCycles ?? false }, [
    topology.nodes.map((node) => node.index),
  ]);
  const { index, lids, routing } = plan.subnet;
  assert(PROFILES.length > 0, 'there are no HCA profiles');
  const pairs = index.adapterCount * (index.adapterCount - 1);
  const mayCycle = plan.warnings.some((warning) => warning.includes('can deadlock'));
  return {
    findings: [
      `${topology.nodes.length} nodes, ${topology.switches.length} switches, ${topology.links.length} links are consistent`,
      `LIDs 1 to ${lids.maxLid} are assigned without a clash`,
      `${routing.engine} routing reaches all of the ${pairs} ordered pairs of adapter ports`,
      ...(mayCycle ? [] : ['no set of routes can block each other for ever (channel dependencies have no cycle)']),
    ],
    warnings: plan.warnings,
  };
}
