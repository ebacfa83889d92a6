/**
 * From the content of a file, or a generator specification, to a `Topology`: defaults, generator, nodes, switches, links, and what
 * refers to them, in that order. Issues are collected across all of it.
 */
import { TopologyBuilder } from './builder.ts';
import { connectLinks } from './connect.ts';
import { resolveFaults } from './faults.ts';
import { type GeneratorParameters, planFabric } from './generators.ts';
import { type IssueList, type Place, show } from './issue.ts';
import { resolvePartitions, resolveRouting } from './members.ts';
import { expandNames } from './names.ts';
import type { FabricPlan } from './plan.ts';
import { defaultQos, type QosText, resolveQos } from './qos.ts';
import type { GenerateText, LinkText, NodeText, SwitchText, TopologyFile } from './schema.ts';
import { resolveLink, resolveNode, resolveSwitch, resolveSwitchTypes, type SettingsContext, type Written } from './settings.ts';
import type { HcaCatalog, LinkEnd, Topology, TopologyQos } from './types.ts';
import type { XenCatalog } from './xen-types.ts';

export interface ResolveOptions {
  readonly source: string;
  /** Where the file says no name. */
  readonly fallbackName: string;
  readonly catalog?: HcaCatalog | undefined;
  readonly xen?: XenCatalog | undefined;
}

/** Settings by expanded name, in the order of the file. */
type ByName<T> = Map<string, Written<T>>;

/** Resolves a file's content. Throws `TopologyError` with everything that is wrong. */
export function resolveFile(file: TopologyFile, issues: IssueList, options: ResolveOptions): Topology {
  const context = makeContext(file, issues, options);
  const builder = new TopologyBuilder(issues);
  const switches = expandSettings(file.switches, 'switches', issues);
  const nodes = expandSettings(file.nodes, 'nodes', issues);
  const plan = file.generate && runGenerator(file.generate, issues);
  refuseIdleBlocks(file, plan, context);
  if (plan !== undefined) addPlan(builder, context, plan, file.generate!, switches, nodes);
  for (const [name, written] of switches)
    builder.addSwitch(resolveSwitch(context, name, switchLayers(context, written)), written.place);
  for (const [name, written] of nodes) builder.addNode(resolveNode(context, name, nodeLayers(context, written)), written.place);
  connectLinks(builder, context, file.links ?? []);
  for (const type of Object.keys(file.switchTypes ?? {}))
    if (!context.usedTypes.has(type)) issues.add(['switchTypes', type], 'changes nothing: no switch is of this type', true);
  const routing = resolveRouting(builder, file.routing);
  const partitions = resolvePartitions(builder, file.partitions);
  const faults = resolveFaults(file.faults ?? [], builder.targets(), issues, ['faults']);
  const topology = builder.finish({
    name: file.name ?? options.fallbackName,
    source: options.source,
    description: file.description,
    routing,
    partitions,
    faults,
    generated: plan?.shape,
  });
  return { ...topology, warnings: [...topology.warnings, ...findLooseEnds(topology)] };
}

/** Parts that nothing connects: allowed, since rails and spare nodes exist, but worth a line. */
export function findLooseEnds(topology: Topology): Topology['warnings'] {
  const { nodes, switches, links, source } = topology;
  const part = Array.from({ length: nodes.length + switches.length }, (_, i) => i);
  const find = (i: number): number => {
    let at = i;
    while (part[at] !== at) {
      part[at] = part[part[at]!]!;
      at = part[at]!;
    }
    return at;
  };
  const idOf = (end: LinkEnd) => (end.kind === 'node' ? end.node : nodes.length + end.switch);
  for (const { ends } of links) part[find(idOf(ends[0]))] = find(idOf(ends[1]));
  const warnings: { file: string; path: string; message: string }[] = [];
  const alone = nodes.filter((node) => node.hcas.every((hca) => hca.ports.every((port) => port.link < 0)));
  if (alone.length > 0)
    warnings.push({
      file: source,
      path: '',
      message: `${alone.length} of ${nodes.length} nodes have no link: ${listSome(alone.map((node) => node.name))}`,
    });
  const idle = switches.filter((one) => one.links.every((link) => link < 0));
  if (idle.length > 0)
    warnings.push({
      file: source,
      path: '',
      message: `${idle.length} switches have no link: ${listSome(idle.map((one) => one.name))}`,
    });
  const linked = nodes.filter((node) => !alone.includes(node));
  const islands = new Set(linked.map((node) => find(node.index)));
  if (islands.size > 1)
    warnings.push({ file: source, path: '', message: `the nodes are in ${islands.size} parts that no link joins` });
  return warnings;
}

function listSome(names: readonly string[]): string {
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')}, …`;
}

function makeContext(file: TopologyFile, issues: IssueList, { catalog, xen }: ResolveOptions): SettingsContext {
  const { node, switch: forSwitches, link, qos } = file.defaults ?? {};
  return {
    issues,
    catalog,
    xen,
    switchTypes: resolveSwitchTypes(file.switchTypes ?? {}, issues),
    defaults: {
      node,
      switch: forSwitches,
      link,
      qos: qos === undefined ? defaultQos() : resolveQos(qos, defaultQos(), issues, ['defaults', 'qos']),
    },
    usedTypes: new Set(),
    qosCache: new Map<QosText, TopologyQos>(),
  };
}

/** Ranges become single names. What only one thing can have is refused for a range. */
function expandSettings<T extends SwitchText | NodeText>(
  section: Readonly<Record<string, T>> | undefined,
  key: string,
  issues: IssueList,
): ByName<T> {
  const result: ByName<T> = new Map();
  for (const [pattern, text] of Object.entries(section ?? {})) {
    const place = [key, pattern];
    const expansion = expandNames(pattern);
    if ('error' in expansion) {
      issues.add(place, `${show(pattern)} ${expansion.error}`, true);
      continue;
    }
    if (expansion.names.length > 1) refuseIdentity(text, place, expansion.names.length, issues);
    for (const name of expansion.names) {
      if (result.has(name)) issues.add(place, `${show(name)} is given twice`, true);
      else result.set(name, { text, place });
    }
  }
  return result;
}

const IDENTITY = ['guid', 'systemImageGuid', 'lid', 'coordinates', 'description', 'address', 'mac', 'ip'];

function refuseIdentity(text: SwitchText | NodeText, place: Place, count: number, issues: IssueList): void {
  const visit = (value: unknown, at: Place): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      const here = Array.isArray(value) ? [...at, Number(key)] : [...at, key];
      if (IDENTITY.includes(key))
        issues.add(
          here,
          count === 0
            ? 'belongs to one alone, and defaults are for all'
            : `belongs to one alone, but ${show(place[1])} stands for ${count}`,
          true,
        );
      else visit(inner, here);
    }
  };
  visit(text, place);
}

function refuseIdleBlocks(file: TopologyFile, plan: FabricPlan | undefined, { issues, defaults }: SettingsContext): void {
  const switches = Object.keys(file.switches ?? {}).length + (plan?.switches.length ?? 0);
  const links = (file.links ?? []).length + (plan?.links.length ?? 0);
  if (file.generate !== undefined && plan === undefined) return;
  if (defaults.switch !== undefined && switches === 0)
    issues.add(['defaults', 'switch'], 'changes nothing: there is no switch', true);
  if (defaults.link !== undefined && links === 0) issues.add(['defaults', 'link'], 'changes nothing: there is no link', true);
  for (const [key, host] of [
    ['hostLink', true],
    ['switchLink', false],
  ] as const) {
    const idle = plan !== undefined && !plan.links.some((link) => link.some((end) => end.host) === host);
    if (file.generate?.[key] !== undefined && idle)
      issues.add(['generate', key], 'changes nothing: the generator makes no such link', true);
  }
  if (defaults.node) refuseIdentity(defaults.node, ['defaults', 'node'], 0, issues);
  if (defaults.switch) refuseIdentity(defaults.switch, ['defaults', 'switch'], 0, issues);
}

function runGenerator(generate: GenerateText, issues: IssueList): FabricPlan | undefined {
  const { kind, hostLink: _host, switchLink: _switch, ...parameters } = generate;
  return planFabric(kind, parameters as GeneratorParameters, issues, ['generate']);
}

const switchLayers = (context: SettingsContext, ...own: readonly Written<SwitchText>[]) =>
  withDefault(context.defaults.switch, 'switch', own);
const nodeLayers = (context: SettingsContext, ...own: readonly Written<NodeText>[]) =>
  withDefault(context.defaults.node, 'node', own);

function withDefault<T>(byDefault: T | undefined, key: string, own: readonly Written<T>[]): Written<T>[] {
  return byDefault === undefined ? [...own] : [{ text: byDefault, place: ['defaults', key] }, ...own];
}

/** Adds what a generator planned. Settings that the file gives to a generated name are taken out of `switches` and `nodes`. */
function addPlan(
  builder: TopologyBuilder,
  context: SettingsContext,
  plan: FabricPlan,
  generate: { readonly hostLink?: LinkText | undefined; readonly switchLink?: LinkText | undefined },
  switches: ByName<SwitchText>,
  nodes: ByName<NodeText>,
): void {
  const place = ['generate'];
  const take = <T>(settings: ByName<T>, name: string): Written<T>[] => {
    const own = settings.get(name);
    settings.delete(name);
    return own === undefined ? [] : [own];
  };
  for (const planned of plan.switches) {
    const own = take(switches, planned.name);
    builder.addSwitch(resolveSwitch(context, planned.name, switchLayers(context, ...own), planned), own[0]?.place ?? place);
  }
  const before = context.issues.count;
  for (const name of plan.hosts) {
    // One missing profile is one issue, not one for each host.
    if (context.issues.count > before + 3) break;
    const own = take(nodes, name);
    builder.addNode(
      resolveNode(context, name, nodeLayers(context, ...(own.length > 0 ? own : [{ text: {}, place }]))),
      own[0]?.place ?? place,
    );
  }
  if (context.issues.count > before) return;
  const layers = (key: 'hostLink' | 'switchLink') => [
    ...(context.defaults.link ? [{ text: context.defaults.link, place: ['defaults', 'link'] }] : []),
    ...(generate[key] ? [{ text: generate[key], place: ['generate', key] }] : []),
  ];
  const hasLinks = (host: boolean) => plan.links.some((link) => link.some((end) => end.host) === host);
  const hostLink = hasLinks(true) ? resolveLink(context, layers('hostLink'), place) : undefined;
  const switchLink = hasLinks(false) ? resolveLink(context, layers('switchLink'), place) : undefined;
  const toEnd = (end: FabricPlan['links'][number][0]): LinkEnd =>
    end.host ? { kind: 'node', node: end.index, hca: 0, port: end.port } : { kind: 'switch', switch: end.index, port: end.port };
  for (const [a, b] of plan.links) builder.connect(toEnd(a), toEnd(b), a.host || b.host ? hostLink! : switchLink!, place);
}
