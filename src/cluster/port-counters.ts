/** Port counters at the end of a run: of the adapter ports of the nodes that run the program, and of the switch ports that they are connected to. */
import type { Fabric, PortRef } from '../fabric/index.ts';
import type { LinkEnd, Topology } from '../topology/index.ts';
import { chooseCapturedPorts } from './run-capture.ts';
import type { PlannedPort } from './subnet-plan.ts';
import type { PortCounterReport } from './types.ts';

/** The counters, adapter port by adapter port in the order of the topology, each followed by the switch port at the other end of its cable. */
export function readPortCounters(
  fabric: Fabric,
  topology: Topology,
  ports: readonly PlannedPort[],
  ranks: readonly number[],
): PortCounterReport[] {
  return chooseCapturedPorts(topology, ports, ranks, undefined).flatMap(({ name, ref }) => {
    const own = { port: name, counters: { ...fabric.counters(ref).counters } };
    const far = switchEnd(topology, ports[ref.index]?.port.link ?? -1);
    if (far === null) return [own];
    const port = `${topology.switches[far.index]?.name}:${far.port}`;
    return [own, { port, counters: { ...fabric.counters(far).counters } }];
  });
}

/** The end of an adapter's link that is a switch; null back to back. */
function switchEnd(topology: Topology, link: number): Extract<PortRef, { kind: 'switch' }> | null {
  const isSwitch = (end: LinkEnd) => end.kind === 'switch';
  const end = topology.links[link]?.ends.find(isSwitch);
  return end?.kind === 'switch' ? { kind: 'switch', index: end.switch, port: end.port } : null;
}
