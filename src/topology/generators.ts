/**
 * The table of generators: their parameters, what they need of each other, how large the result is, and the function that plans it.
 * A file's `generate` block and a specification such as `fat-tree:k=16,levels=3,taper=2` both end here.
 */
import { backToBack, dragonfly, grid, hypercube, star } from './generate-grids.ts';
import { karyTree, leafSplit, threeLevelTree, twoLevelTree } from './generate-trees.ts';
import { didYouMean, type IssueList, oneOf, type Place, show } from './issue.ts';
import { MAX_LINKS, MAX_PORTS, MAX_UNICAST_LIDS } from './limits.ts';
import type { FabricPlan } from './plan.ts';

/** Parameters as given: numbers, and a list for `dimensions`. */
export type GeneratorParameters = Readonly<Record<string, number | readonly number[]>>;

export interface Generator {
  readonly summary: string;
  /** Meaning of each parameter, with its default where it has one. */
  readonly parameters: Readonly<
    Record<string, { readonly meaning: string; readonly default?: number | ((given: GeneratorParameters) => number) }>
  >;
  /** What is wrong with parameters that each are in range, or the plan. */
  readonly plan: (given: GeneratorParameters) => FabricPlan | { readonly parameter: string; readonly problem: string };
}

const hosts = (meaning: string) => ({ meaning, default: 1 });
const refuse = (parameter: string, problem: string) => ({ parameter, problem });

/** Insertion order is the order of `heddle list`. */
export const GENERATORS: Readonly<Record<string, Generator>> = {
  'back-to-back': { summary: 'two hosts and a cable', parameters: {}, plan: () => backToBack() },
  star: {
    summary: 'hosts on one switch',
    parameters: { hosts: { meaning: `number of hosts, 1 to ${MAX_PORTS}` } },
    plan: ({ hosts }) =>
      (hosts as number) < 1 || (hosts as number) > MAX_PORTS
        ? refuse('hosts', `found ${hosts}; expected 1 to ${MAX_PORTS}`)
        : star(hosts as number),
  },
  'fat-tree': {
    summary: 'k-port switches in two levels (k*k/2 hosts) or three (k*k*k/4), tapered at the leaves',
    parameters: {
      k: { meaning: 'ports of each switch' },
      levels: { meaning: '2 or 3' },
      taper: { meaning: 'hosts per uplink of a leaf', default: 1 },
      leaves: { meaning: 'leaf switches of a two-level tree, at most k', default: ({ k }) => k as number },
      pods: { meaning: 'pods of a three-level tree, at most k', default: ({ k }) => k as number },
    },
    plan: planFatTree,
  },
  'k-ary-n-tree': {
    summary: 'k^n hosts under n levels of switches with k ports down and k up',
    parameters: { k: { meaning: 'arity' }, n: { meaning: 'levels' } },
    plan: ({ k, n }) => {
      const [arity, levels] = [k as number, n as number];
      if (arity < 2 || arity > MAX_PORTS / 2) return refuse('k', `found ${arity}; expected 2 to ${MAX_PORTS / 2}`);
      return tooLarge('n', arity ** levels + levels * arity ** (levels - 1), levels * arity ** levels) ?? karyTree(arity, levels);
    },
  },
  torus: {
    summary: 'a grid of switches, closed to a ring in each dimension',
    parameters: { dimensions: { meaning: 'size of each dimension' }, hosts: hosts('hosts per switch') },
    plan: (given) => planGrid(given, true),
  },
  mesh: {
    summary: 'a grid of switches, open at its ends',
    parameters: { dimensions: { meaning: 'size of each dimension' }, hosts: hosts('hosts per switch') },
    plan: (given) => planGrid(given, false),
  },
  hypercube: {
    summary: '2^dimension switches, each joined to those that differ in one bit',
    parameters: { dimension: { meaning: 'number of dimensions' }, hosts: hosts('hosts per switch') },
    plan: ({ dimension, hosts }) => {
      const [bits, perSwitch] = [dimension as number, hosts as number];
      const count = 2 ** bits;
      if (bits + perSwitch > MAX_PORTS)
        return refuse('hosts', `needs ${bits + perSwitch} ports a switch; a switch has at most ${MAX_PORTS}`);
      return tooLarge('dimension', count * (1 + perSwitch), count * (bits / 2 + perSwitch)) ?? hypercube(bits, perSwitch);
    },
  },
  dragonfly: {
    summary: 'groups of a routers, p hosts and h global links a router',
    parameters: {
      a: { meaning: 'routers of a group' },
      p: { meaning: 'hosts of a router' },
      h: { meaning: 'global links of a router' },
      groups: { meaning: 'number of groups, at most a*h+1', default: ({ a, h }) => (a as number) * (h as number) + 1 },
    },
    plan: planDragonfly,
  },
};

function planFatTree(given: GeneratorParameters): ReturnType<Generator['plan']> {
  const { k, levels, taper, leaves, pods } = given as Record<string, number>;
  if (k! < 2 || k! > MAX_PORTS) return refuse('k', `found ${k}; expected 2 to ${MAX_PORTS}`);
  const split = leafSplit(k!, taper!);
  if (split === undefined) return refuse('taper', `${taper} hosts per uplink cannot be made of ${k} ports`);
  if (levels === 2) {
    if (leaves! > k!) return refuse('leaves', `found ${leaves}; a spine has ${k} ports, so at most ${k} leaves`);
    return (
      tooLarge('k', leaves! * (split.down + 1) + split.up, leaves! * (split.down + split.up)) ??
      twoLevelTree(k!, split, leaves!, taper!)
    );
  }
  if (k! % 2 !== 0) return refuse('k', `found ${k}; a three-level tree needs an even number of ports`);
  if (pods! > k!) return refuse('pods', `found ${pods}; a core switch has ${k} ports, so at most ${k} pods`);
  const perPod = (k! / 2) * (split.down + 1) + split.up;
  const cores = (split.up * k!) / 2;
  const links = pods! * (k! / 2) * (split.down + 2 * split.up);
  return tooLarge('k', pods! * perPod + cores, links) ?? threeLevelTree(k!, split, pods!, taper!);
}

function planGrid(given: GeneratorParameters, wrap: boolean): ReturnType<Generator['plan']> {
  const dimensions = given.dimensions as readonly number[];
  const perSwitch = given.hosts as number;
  const count = dimensions.reduce((product, size) => product * size, 1);
  const ports = 2 * dimensions.length + perSwitch;
  if (ports > MAX_PORTS) return refuse('hosts', `needs ${ports} ports a switch; a switch has at most ${MAX_PORTS}`);
  return (
    tooLarge('dimensions', count * (1 + perSwitch), count * (dimensions.length + perSwitch)) ?? grid(dimensions, perSwitch, wrap)
  );
}

function planDragonfly(given: GeneratorParameters): ReturnType<Generator['plan']> {
  const { a, p, h, groups } = given as Record<string, number>;
  if (p! + a! - 1 + h! > MAX_PORTS)
    return refuse('a', `needs ${p! + a! - 1 + h!} ports a router; a switch has at most ${MAX_PORTS}`);
  if (groups! > a! * h! + 1)
    return refuse('groups', `found ${groups}; ${a} routers with ${h} global links each reach at most ${a! * h! + 1} groups`);
  const links = groups! * (a! * p! + (a! * (a! - 1)) / 2) + (groups! * (groups! - 1)) / 2;
  return tooLarge('groups', groups! * a! * (1 + p!), links) ?? dragonfly(a!, p!, h!, groups!);
}

function tooLarge(parameter: string, lids: number, links: number) {
  if (lids > MAX_UNICAST_LIDS)
    return refuse(parameter, `makes ${lids} hosts and switches; a subnet has ${MAX_UNICAST_LIDS} unicast LIDs`);
  return links > MAX_LINKS ? refuse(parameter, `makes ${links} links; at most ${MAX_LINKS} are built`) : undefined;
}

/** Runs a generator. Wrong, missing and unknown parameters become issues at `place`, and the result is `undefined`. */
export function planFabric(kind: string, given: GeneratorParameters, issues: IssueList, place: Place): FabricPlan | undefined {
  const generator = Object.hasOwn(GENERATORS, kind) ? GENERATORS[kind]! : undefined;
  if (generator === undefined) {
    const kinds = Object.keys(GENERATORS);
    issues.add([...place, 'kind'], `found ${show(kind)}; expected ${oneOf(kinds)}${didYouMean(kind, kinds)}`);
    return undefined;
  }
  const before = issues.count;
  const names = Object.keys(generator.parameters);
  for (const name of Object.keys(given)) {
    const foreign = kind === 'fat-tree' && ((name === 'leaves' && given.levels === 3) || (name === 'pods' && given.levels === 2));
    if (!names.includes(name))
      issues.add([...place, name], `is no parameter of ${kind}; it has ${oneOf(names)}${didYouMean(name, names)}`, true);
    else if (foreign) issues.add([...place, name], `changes nothing in a tree of ${given.levels} levels`, true);
  }
  const complete: Record<string, number | readonly number[]> = {};
  for (const [name, parameter] of Object.entries(generator.parameters)) {
    const byDefault = typeof parameter.default === 'function' ? parameter.default(given) : parameter.default;
    const value = given[name] ?? byDefault;
    if (value === undefined && parameter.default === undefined) issues.add(place, `${kind} needs ${name}: ${parameter.meaning}`);
    else if (value !== undefined) complete[name] = value;
  }
  if (issues.count > before) return undefined;
  const plan = generator.plan(complete);
  if (!('problem' in plan)) return plan;
  issues.add([...place, plan.parameter], plan.problem);
  return undefined;
}
