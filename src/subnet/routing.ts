/**
 * The routing engines behind one call: graph and LIDs in, forwarding tables and service levels out.
 *
 * | engine     | for                           | deadlock                               | LMC > 0                              |
 * | ---------- | ----------------------------- | -------------------------------------- | ------------------------------------ |
 * | `min-hop`  | any graph                     | possible; see the dependency check     | LIDs of a port over different nodes  |
 * | `up-down`  | any graph with a root         | free                                   | as min-hop                           |
 * | `fat-tree` | trees                         | free                                   | each offset shifted by one root      |
 * | `dor`      | meshes, tori, hypercubes      | free; in rings only with `datelines`   | over parallel links                  |
 */
import { connectedParts, type SubnetIndex, subnetError } from './graph.ts';
import { datelineLevels, gridShape, gridTreeParent, type PathLevels, routeDor } from './dor.ts';
import { routeFatTree, treeShape } from './fat-tree.ts';
import { balanceLfts, type ForwardingTables } from './forwarding.ts';
import type { LidPlan } from './lids.ts';
import { routeMinHop } from './min-hop.ts';
import type { TreeRules } from './multicast.ts';
import { checkReachability, type Reachability } from './reachability.ts';
import { chooseRoots, type RootChoice, upDownFinder, upDownOrder } from './up-down.ts';

/** Names of the engines, as in a topology file. */
export const ROUTING_ENGINES = ['min-hop', 'up-down', 'fat-tree', 'dor'] as const;
export type RoutingEngine = (typeof ROUTING_ENGINES)[number];

export interface RoutingOptions {
  readonly engine: RoutingEngine;
  /** `up-down`, and `fat-tree` (GUIDs only: levels are then counted from these switches). */
  readonly roots?: RootChoice;
  /** `dor` only: break the rings of a torus by SL and VL. Default false. */
  readonly datelines?: boolean;
  /** Accept that the engine leaves adapters unreached which cables connect. Default false. */
  readonly allowUnreachable?: boolean;
}

/** What an engine decides. */
export interface Routing {
  readonly engine: RoutingEngine;
  readonly tables: ForwardingTables;
  /** SL for each path and VL for each SL, where the engine needs them. */
  readonly levels: PathLevels | undefined;
  /** How multicast trees should be laid. */
  readonly treeRules: TreeRules;
  readonly reachability: Reachability;
  /** `up-down`: the switches it started from. */
  readonly roots: readonly number[];
}

/**
 * Runs an engine and follows every path of its tables.
 * @throws ConfigError when the engine does not fit the graph, when an option has no effect on it, and when adapters cannot
 * reach each other (unless allowed).
 */
export function computeRouting(index: SubnetIndex, lids: LidPlan, options: RoutingOptions): Routing {
  refuseIdleOptions(options);
  const routing = runEngine(index, lids, options);
  const reachability = checkReachability(index, lids, routing.tables);
  if (reachability.unreachable.length > 0 && options.allowUnreachable !== true)
    refuseUnreachable(index, reachability, options.engine);
  return { engine: options.engine, ...routing, reachability };
}

function refuseIdleOptions(options: RoutingOptions): void {
  const { engine } = options;
  if (!ROUTING_ENGINES.includes(engine))
    throw subnetError('routing.engine', `${String(engine)} is no routing engine; there are ${ROUTING_ENGINES.join(', ')}`);
  if (options.roots !== undefined && engine !== 'up-down' && engine !== 'fat-tree')
    throw subnetError('routing.roots', `has no effect on ${engine}`);
  if (engine === 'fat-tree' && typeof options.roots === 'string')
    throw subnetError('routing.roots', `${options.roots} is for up-down; fat-tree takes GUIDs, or finds levels by itself`);
  if (options.datelines !== undefined && engine !== 'dor') throw subnetError('routing.datelines', `has no effect on ${engine}`);
}

function runEngine(
  index: SubnetIndex,
  lids: LidPlan,
  options: RoutingOptions,
): Pick<Routing, 'tables' | 'levels' | 'treeRules' | 'roots'> {
  if (index.switchCount === 0 || options.engine === 'min-hop')
    return { tables: routeMinHop(index, lids), levels: undefined, treeRules: {}, roots: [] };
  if (options.engine === 'up-down') {
    const roots = chooseRoots(index, options.roots ?? 'found');
    const order = upDownOrder(index, roots);
    return {
      tables: balanceLfts(index, lids, upDownFinder(index, order)),
      levels: undefined,
      treeRules: { roots: partTops(index, order), order },
      roots,
    };
  }
  if (options.engine === 'fat-tree') {
    const shape = treeShape(index, options.roots === undefined ? undefined : chooseRoots(index, options.roots));
    const order = Int32Array.from(shape.levels, (level) => shape.levelCount - level);
    return {
      tables: routeFatTree(index, lids, shape),
      levels: undefined,
      treeRules: { roots: partTops(index, order), order },
      roots: [],
    };
  }
  const shape = gridShape(index);
  if (options.datelines === true && !shape.wraps.includes(true))
    throw subnetError('routing.datelines', 'has no effect: no dimension of this fabric is a ring');
  const levels = options.datelines === true ? datelineLevels(index, shape) : undefined;
  return { tables: routeDor(index, lids, shape), levels, treeRules: { parent: gridTreeParent(index, shape) }, roots: [] };
}

/** The switches that come first in `order` in each connected part. */
function partTops(index: SubnetIndex, order: Int32Array): number[] {
  const part = connectedParts(index);
  const tops = new Int32Array(index.switchCount).fill(0x7fffffff);
  for (let s = 0; s < index.switchCount; s++) tops[part[s]!] = Math.min(tops[part[s]!]!, order[s]!);
  return [...part.keys()].filter((s) => order[s] === tops[part[s]!]);
}

function refuseUnreachable(index: SubnetIndex, reachability: Reachability, engine: string): never {
  const { adapters, switches } = index.graph;
  const { unreachable } = reachability;
  const shown = unreachable.slice(0, 8).map(({ source, adapter, lid, why }) => {
    const end = `${adapters[adapter]!.name}/P${adapters[adapter]!.port} (LID ${lid})`;
    return `\n  from adapters on ${switches[source]!.name} to ${end}: ${why === 'loop' ? 'the tables loop' : 'no path'}`;
  });
  const more = unreachable.length > shown.length ? `\n  and ${unreachable.length - shown.length} more` : '';
  throw subnetError('routing', `${engine} leaves adapters that cannot reach each other:${shown.join('')}${more}`);
}
