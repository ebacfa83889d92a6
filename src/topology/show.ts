/** What a topology amounts to, in lines for a terminal: counts, levels, distances, bisection, and what else it sets. */
import { cutGraph, diameter, findCut, type SwitchGraph, switchGraph, switchLevels } from './graph.ts';
import { gigabitsPerSecond } from './speeds.ts';
import type { Topology, TopologyLink } from './types.ts';
import { formatTime } from './units.ts';

/** One fact a line, its label first. `roots` are the switches that the routing engine finds as its roots where the topology names none. */
export function describeTopology(topology: Topology, roots: readonly string[] = []): readonly string[] {
  const graph = switchGraph(topology);
  const facts: [string, string][] = [
    ['name', topology.name],
    ...(topology.generated === undefined ? [] : [['generator', describeGenerator(topology)] as [string, string]]),
    ['nodes', describeNodes(topology)],
    ...describeHcas(topology),
    ...describeSwitches(topology),
    ...describeLinks(topology),
    ...(topology.switches.length === 0 ? [] : [['levels', describeLevels(topology, graph)] as [string, string]]),
    ['diameter', describeDiameter(graph)],
    ['bisection', describeBisection(topology)],
    ['routing', describeRouting(topology, roots)],
    ...describeLanes(topology),
    ...topology.partitions.map((partition): [string, string] => {
      const full = partition.members.filter((member) => member.membership === 'full').length;
      return [
        'partition',
        `${partition.name} 0x${partition.pkey.toString(16).padStart(4, '0')}: ${full} full, ${partition.members.length - full} limited`,
      ];
    }),
    ...(topology.faults.length === 0
      ? []
      : [
          ['faults', `${topology.faults.length} events, the first at ${formatTime(topology.faults[0]!.atPs)}`] as [
            string,
            string,
          ],
        ]),
  ];
  let last = '';
  return facts.map(([label, text]) => {
    const shown = label === last ? '' : label;
    last = label;
    return `${shown.padEnd(11)}${text}`;
  });
}

function describeGenerator({ generated }: Topology): string {
  const { kind, parameters } = generated!;
  const words = Object.entries(parameters).map(([name, value]) => `${name}=${Array.isArray(value) ? value.join('x') : value}`);
  return words.length === 0 ? kind : `${kind} ${words.join(' ')}`;
}

function describeNodes({ nodes }: Topology): string {
  const io = nodes.filter((node) => node.role === 'io').length;
  const adapters = nodes.reduce((sum, node) => sum + node.hcas.length, 0);
  const ports = nodes.flatMap((node) => node.hcas.flatMap((hca) => hca.ports));
  const linked = ports.filter((port) => port.link >= 0).length;
  return `${nodes.length} (${nodes.length - io} processor, ${io} io), ${count(adapters, 'HCA')}, ${linked} of ${count(ports.length, 'port')} linked`;
}

function count(number: number, noun: string): string {
  const plural = noun.endsWith('ch') ? `${noun}es` : `${noun}s`;
  return `${number} ${number === 1 ? noun : plural}`;
}

/** How many of each text, the most frequent first. */
function tally(texts: readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

function describeHcas({ nodes }: Topology): [string, string][] {
  const texts = nodes.flatMap((node) =>
    node.hcas.map((hca) => {
      const changed = Object.entries(hca.overrides).map(([name, value]) => `${name}=${value}`);
      return `${hca.profile}${changed.length === 0 ? '' : ` with ${changed.join(' ')}`}`;
    }),
  );
  return tally(texts).map(([text, number]) => ['HCAs', `${number} x ${text}`]);
}

function describeSwitches({ switches }: Topology): [string, string][] {
  if (switches.length === 0) return [['switches', 'none']];
  const texts = switches.map(
    ({ type, portCount, latencyPs, model, bufferBlocks }) =>
      `${type}: ${portCount} ports, ${formatTime(latencyPs)}, ${model}, ${(bufferBlocks * 64) / 1024} KiB a VL`,
  );
  return tally(texts).map(([text, number]) => ['switches', `${number} x ${text}`]);
}

function describeLinks(topology: Topology): [string, string][] {
  const texts = topology.links.map((link) => {
    const ends = link.ends.map((end) => end.kind).sort();
    const where = ends[0] === ends[1] ? (ends[0] === 'node' ? 'node to node' : 'switch to switch') : 'node to switch';
    const errors = link.bitErrorRate > 0 ? `, bit errors ${link.bitErrorRate}` : '';
    return `${where}: ${describeRate(link)}, MTU ${link.mtu}, ${formatTime(link.propagationPs)} one way${errors}`;
  });
  return tally(texts).map(([text, number]) => ['links', `${number} x ${text}`]);
}

function describeRate({ speed, width }: TopologyLink): string {
  return `${width} ${speed} (${+gigabitsPerSecond(speed, width).toFixed(2)} Gb/s)`;
}

function describeLevels(topology: Topology, graph: SwitchGraph): string {
  const levels = switchLevels(topology, graph);
  const top = levels.reduce((most, level) => Math.max(most, level), 0);
  const counts = Array.from({ length: top + 1 }, (_, level) => levels.filter((one) => one === level).length);
  return `${counts.length} (${counts.map((number, level) => `${count(number, 'switch')} on level ${level}`).join(', ')})`;
}

function describeDiameter(graph: SwitchGraph): string {
  const found = diameter(graph);
  if (found === undefined) return 'no switch between the nodes';
  return `${found.isExact ? '' : 'at least '}${count(found.switches, 'switch')} between the two nodes furthest apart${found.isExact ? '' : ' (not all were tried)'}`;
}

function describeBisection(topology: Topology): string {
  const { generated, nodes, switches, links } = topology;
  // Links added by hand to a generated fabric change the figure that theory gives.
  const isPure = generated !== undefined && links.length === generated.links;
  if (isPure && generated.bisectionLinks !== undefined) return `${count(generated.bisectionLinks, 'link')}, exact`;
  if (switches.length === 0) return nodes.length === 2 ? `${count(links.length, 'link')}, exact` : 'not searched: no switches';
  const graph = cutGraph(topology);
  const homes = graph.hosts.filter((hosts) => hosts > 0);
  if (homes.length === 1 && homes[0]! > 1)
    return `${count(Math.floor(homes[0]! / 2), 'link')}, exact: one switch, its host links are the cut`;
  const cut = findCut(graph);
  if (cut === undefined) return 'not searched: the fabric is too large, or no two switches have nodes';
  return `at most ${count(cut.links, 'link')} (heuristic search; nodes ${cut.hosts[0]} to ${cut.hosts[1]})`;
}

function describeRouting({ routing, switches }: Topology, found: readonly string[]): string {
  if (routing.engine === 'dor') return `dor, ${routing.datelines ? 'with datelines' : 'no datelines'}`;
  if (!('roots' in routing)) return routing.engine;
  const byEngine = routing.roots.length === 0;
  const names = byEngine ? found : routing.roots.map((root) => switches[root]!.name);
  const list = `${names.slice(0, 6).join(', ')}${names.length > 6 ? `, … (${names.length})` : ''}`;
  return `${routing.engine}, roots ${byEngine ? 'found by the engine' : ''}${byEngine && names.length > 0 ? ': ' : ''}${list}`;
}

function describeLanes({ nodes, switches }: Topology): [string, string][] {
  const texts = [...switches, ...nodes.flatMap((node) => node.hcas)].map(({ qos }) => {
    const { high, low } = qos.vlArbitration;
    return `${count(qos.operationalVls, 'data VL')}, arbitration ${high.length} high and ${low.length} low entries`;
  });
  return tally(texts).map(([text, number]) => ['lanes', `${text}${texts.length === number ? '' : ` on ${number} devices`}`]);
}
