/** Which nodes run the program, and in which rank order. */
import { ConfigError } from '../sim/index.ts';
import type { Topology, TopologyNode } from '../topology/index.ts';
import type { RunOptions } from './types.ts';

/**
 * Rank 0, 1, … as node indexes. A two-sided program gets server (rank 0) and client (rank 1): as named, else the second and the first processor node.
 * Other programs run on the nodes named, else on all processor nodes. Throws `ConfigError` for names that are unknown (all of them), double, or too few.
 */
export function chooseRanks(topology: Topology, twoSided: boolean, options: RunOptions): number[] {
  requireKnown(topology, options);
  const named = options.nodes?.map((name) => nodeIndex(topology, name));
  if (twoSided) {
    const [server, client] = twoSidedRanks(topology, named, options);
    if (server === client)
      throw problem(
        named === undefined ? '--client' : '--nodes',
        `server and client are both ${topology.nodes[server]?.name}; name two nodes`,
      );
    return [server, client];
  }
  for (const option of ['client', 'server'] as const)
    if (options[option] !== undefined) throw problem(`--${option}`, 'this program runs on all nodes alike; use --nodes');
  const ranks = named ?? processors(topology).map((node) => node.index);
  requireDistinct(topology, ranks);
  if (ranks.length === 0) throw problem(options.topologyFile, 'there is no processor node to run the program on');
  return ranks;
}

function twoSidedRanks(topology: Topology, named: number[] | undefined, options: RunOptions): [server: number, client: number] {
  if (named !== undefined) {
    if (options.client !== undefined || options.server !== undefined)
      throw problem('--nodes', 'give either --nodes SERVER,CLIENT or --server and --client');
    if (named.length !== 2)
      throw problem('--nodes', `found ${named.length} names; this program runs on two nodes: SERVER,CLIENT`);
    return [named[0]!, named[1]!];
  }
  const defaults = processors(topology);
  const pick = (option: 'client' | 'server', other: string | undefined, place: number): number => {
    const name = options[option];
    if (name !== undefined) return nodeIndex(topology, name);
    const free = defaults.filter((node) => node.name !== other);
    // With the other end named, the first free processor node; else client is the first and server the second.
    const node = other === undefined ? defaults[place] : free[0];
    if (node === undefined)
      throw problem(`--${option}`, `the topology has ${defaults.length} processor node(s); name a node for the ${option}`);
    return node.index;
  };
  return [pick('server', options.client, 1), pick('client', options.server, 0)];
}

function processors(topology: Topology): TopologyNode[] {
  return topology.nodes.filter((node) => node.role === 'processor');
}

function requireDistinct(topology: Topology, ranks: readonly number[]): void {
  const seen = new Set<number>();
  for (const rank of ranks) {
    if (seen.has(rank)) throw problem('--nodes', `${topology.nodes[rank]?.name} is named twice`);
    seen.add(rank);
  }
}

/** Every name that no node has is reported at once. */
function requireKnown(topology: Topology, { nodes, server, client }: RunOptions): void {
  const some = topology.nodes.slice(0, 8).map((node) => node.name);
  const known = `${some.join(', ')}${topology.nodes.length > 8 ? ` … (${topology.nodes.length} in all)` : ''}`;
  const check = (option: string, names: readonly string[]) =>
    names
      .filter((name) => nodeIndex(topology, name) < 0)
      .map((name) => ({ file: option, path: '', message: `found ${name}; the nodes are ${known}` }));
  const issues = [
    ...check('--nodes', nodes ?? []),
    ...check('--server', server === undefined ? [] : [server]),
    ...check('--client', client === undefined ? [] : [client]),
  ];
  if (issues.length > 0) throw new ConfigError(issues);
}

function nodeIndex(topology: Topology, name: string): number {
  return topology.nodes.findIndex((node) => node.name === name);
}

function problem(file: string, message: string): ConfigError {
  return new ConfigError([{ file, path: '', message }]);
}
