/** Which nodes and guests run the program, and in which rank order. */
import { ConfigError } from '../sim/index.ts';
import type { Topology } from '../topology/index.ts';
import { defaultPlacesOf, findPlace, type Place, placesOf } from './places.ts';
import type { RunOptions } from './types.ts';

/**
 * Rank 0, 1, … as places. A two-sided program gets server (rank 0) and client (rank 1): as named, else on the second and the first processor node.
 * Other programs run where named, else on all processor nodes. On a node with a hypervisor that means its guests. Throws `ConfigError` for names that are unknown (all of them), double, or too few.
 */
export function chooseRanks(topology: Topology, twoSided: boolean, options: RunOptions): Place[] {
  requireKnown(topology, options);
  const named = options.nodes?.map((name) => findPlace(topology, name) as Place);
  if (twoSided) {
    const [server, client] = twoSidedRanks(topology, named, options);
    if (server.name === client.name)
      throw problem(
        named === undefined ? '--client' : '--nodes',
        `server and client are both ${server.name}; name two nodes or guests`,
      );
    return [server, client];
  }
  for (const option of ['client', 'server'] as const)
    if (options[option] !== undefined) throw problem(`--${option}`, 'this program runs on all nodes alike; use --nodes');
  const ranks = named ?? defaults(topology).flat();
  requireDistinct(ranks);
  if (ranks.length === 0) throw problem(options.topologyFile, 'there is no processor node to run the program on');
  return ranks;
}

function twoSidedRanks(topology: Topology, named: Place[] | undefined, options: RunOptions): [server: Place, client: Place] {
  if (named !== undefined) {
    if (options.client !== undefined || options.server !== undefined)
      throw problem('--nodes', 'give either --nodes SERVER,CLIENT or --server and --client');
    if (named.length !== 2)
      throw problem('--nodes', `found ${named.length} names; this program runs on two nodes: SERVER,CLIENT`);
    return [named[0]!, named[1]!];
  }
  const choices = spread(defaults(topology));
  const pick = (option: 'client' | 'server', other: string | undefined, at: number): Place => {
    const name = options[option];
    if (name !== undefined) return findPlace(topology, name) as Place;
    const free = choices.filter((place) => place.name !== other);
    // With the other end named, the first free place, on another node if there is one; else client is the first and server the second.
    const place =
      other === undefined ? choices[at] : (free.find((one) => one.node !== findPlace(topology, other)?.node) ?? free[0]);
    if (place === undefined)
      throw problem(
        `--${option}`,
        `the topology has ${choices.length} processor node(s) or guest(s); name one for the ${option}`,
      );
    return place;
  };
  return [pick('server', options.client, 1), pick('client', options.server, 0)];
}

/** Where programs run by default, by processor node. */
function defaults(topology: Topology): Place[][] {
  return topology.nodes.filter((node) => node.role === 'processor').map(defaultPlacesOf);
}

/** One place of each node first, then the others. */
function spread(places: readonly (readonly Place[])[]): Place[] {
  return [...places.map((ofNode) => ofNode[0] as Place), ...places.flatMap((ofNode) => ofNode.slice(1))];
}

function requireDistinct(ranks: readonly Place[]): void {
  const seen = new Set<string>();
  for (const { name } of ranks) {
    if (seen.has(name)) throw problem('--nodes', `${name} is named twice`);
    seen.add(name);
  }
}

/** Every name that no node has is reported at once. */
function requireKnown(topology: Topology, { nodes, server, client }: RunOptions): void {
  const all = topology.nodes.flatMap(placesOf).map((place) => place.name);
  const known = `${all.slice(0, 8).join(', ')}${all.length > 8 ? ` … (${all.length} in all)` : ''}`;
  const check = (option: string, names: readonly string[]) =>
    names
      .filter((name) => findPlace(topology, name) === undefined)
      .map((name) => ({ file: option, path: '', message: `found ${name}; the nodes are ${known}` }));
  const issues = [
    ...check('--nodes', nodes ?? []),
    ...check('--server', server === undefined ? [] : [server]),
    ...check('--client', client === undefined ? [] : [client]),
  ];
  if (issues.length > 0) throw new ConfigError(issues);
}

function problem(file: string, message: string): ConfigError {
  return new ConfigError([{ file, path: '', message }]);
}
