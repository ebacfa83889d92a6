/**
 * Works out the settings of one node, switch or link: its own lines, over what its range or generator says, over the file's defaults.
 * What nobody says and that has no neutral default (an HCA's profile, a link's speed) is an issue, never a guess.
 */
import type { LinkSettings, NewHca, NewNode, NewSwitch } from './builder.ts';
import { didYouMean, type IssueList, oneOf, type Place, show } from './issue.ts';
import { isName } from './names.ts';
import { type QosText, resolveQos } from './qos.ts';
import type { HcaText, LinkText, NodeText, SwitchText } from './schema.ts';
import { LINK_SPEEDS } from './speeds.ts';
import { SWITCH_TYPES, type SwitchType } from './switch-types.ts';
import type { HcaCatalog, TopologyQos } from './types.ts';
import { parseBufferBlocks, parseLengthPs, parseTimePs } from './units.ts';
import { resolveIpoib, resolveXen } from './xen.ts';
import type { XenCatalog } from './xen-types.ts';

const DEFAULT_MTU = 4096;
const DEFAULT_LENGTH = '2m';
const MAX_LATENCY_PS = 1e12;

/** Everything that settings are resolved against. */
export interface SettingsContext {
  readonly issues: IssueList;
  readonly catalog: HcaCatalog | undefined;
  readonly xen: XenCatalog | undefined;
  readonly switchTypes: Readonly<Record<string, SwitchType>>;
  readonly defaults: {
    readonly node: NodeText | undefined;
    readonly switch: SwitchText | undefined;
    readonly link: LinkText | undefined;
    readonly qos: TopologyQos;
  };
  /** The types that some switch is of. */
  readonly usedTypes: Set<string>;
  /** One object per distinct `qos` block, so that threads receive it once. */
  readonly qosCache: Map<QosText, TopologyQos>;
}

/** Settings as written, with the place that they were written at. */
export interface Written<T> {
  readonly text: T;
  readonly place: Place;
}

function mergeQos(context: SettingsContext, layers: readonly Written<{ qos?: QosText | undefined }>[]): TopologyQos {
  let qos = context.defaults.qos;
  for (const { text, place } of layers) {
    if (text.qos === undefined) continue;
    const known = context.qosCache.get(text.qos);
    const merged = known ?? resolveQos(text.qos, qos, context.issues, [...place, 'qos']);
    context.qosCache.set(text.qos, merged);
    qos = merged;
  }
  return qos;
}

/** GUIDs are written with or without colons, and small ones may be plain numbers. */
export function parseGuid(text: string | number): bigint {
  return BigInt(typeof text === 'number' ? text : text.includes(':') ? `0x${text.replaceAll(':', '')}` : text);
}

/** A switch from its layers, the most general first. `planned` ports come from a generator. */
export function resolveSwitch(
  context: SettingsContext,
  name: string,
  layers: readonly Written<SwitchText>[],
  planned?: { ports: number; level?: number; coordinates?: readonly number[]; group?: string },
): NewSwitch {
  const text: SwitchText = Object.assign({}, ...layers.map((layer) => layer.text));
  const placeOf = (key: keyof SwitchText): Place => [
    ...(layers.findLast((layer) => layer.text[key] !== undefined)?.place ?? []),
    key,
  ];
  const type = text.type ?? 'generic';
  const known = Object.hasOwn(context.switchTypes, type);
  if (!known) {
    const names = Object.keys(context.switchTypes);
    context.issues.add(placeOf('type'), `found ${show(type)}; expected ${oneOf(names)}${didYouMean(type, names)}`);
  }
  context.usedTypes.add(type);
  const product = context.switchTypes[known ? type : 'generic']!;
  const portCount = text.ports ?? (text.type === undefined && planned !== undefined ? planned.ports : product.ports);
  if (planned !== undefined && portCount < planned.ports)
    context.issues.add(
      placeOf(text.ports === undefined ? 'type' : 'ports'),
      `${name} needs ${planned.ports} ports, and ${text.ports === undefined ? `a ${type}` : 'it'} has ${portCount}`,
    );
  const latencyPs = text.latency === undefined ? product.latencyPs : parseTimePs(text.latency);
  if (latencyPs === undefined || latencyPs < 1 || latencyPs > MAX_LATENCY_PS)
    context.issues.add(placeOf('latency'), `found ${show(text.latency)}; expected a time in whole picoseconds from 1ps to 1s`);
  const bufferBlocks = text.buffer === undefined ? product.bufferBlocks : parseBufferBlocks(text.buffer);
  if (bufferBlocks === undefined || bufferBlocks < 1 || bufferBlocks > 2048)
    context.issues.add(
      placeOf('buffer'),
      `found ${show(text.buffer)}; expected whole blocks of 64 bytes, from 1 to 2048, as flow control counts them`,
    );
  const {
    level = planned?.level,
    coordinates = planned?.coordinates,
    group = planned?.group,
    lid,
    lmc,
    enhancedPort0,
    packetLifetime,
  } = text;
  if (text.lmc !== undefined && text.lid === undefined) context.issues.add(placeOf('lmc'), 'changes nothing without lid');
  if (text.lmc !== undefined && text.lmc > 0 && enhancedPort0 !== true)
    context.issues.add(placeOf('lmc'), 'a base port 0 has LMC 0; give enhancedPort0: true');
  return {
    name,
    type,
    model: text.model ?? product.model,
    portCount,
    latencyPs: latencyPs ?? 1,
    bufferBlocks: bufferBlocks ?? 1,
    qos: mergeQos(context, layers),
    ...identity(text),
    ...(packetLifetime !== undefined && { packetLifetime }),
    ...(enhancedPort0 !== undefined && { enhancedPort0 }),
    ...(lid !== undefined && { lid }),
    ...(lmc !== undefined && { lmc }),
    ...(level !== undefined && { level }),
    ...(coordinates !== undefined && { coordinates }),
    ...(group !== undefined && { group }),
  };
}

/** What switches and HCAs say about themselves in the same words. */
function identity(text: Pick<SwitchText & HcaText, 'guid' | 'systemImageGuid' | 'vendorId' | 'deviceId' | 'description'>) {
  const { guid, systemImageGuid, vendorId, deviceId, description } = text;
  return {
    ...(guid !== undefined && { guid: parseGuid(guid) }),
    ...(systemImageGuid !== undefined && { systemImageGuid: parseGuid(systemImageGuid) }),
    ...(vendorId !== undefined && { vendorId }),
    ...(deviceId !== undefined && { deviceId }),
    ...(description !== undefined && { description }),
  };
}

/** A node from its layers, the most general first. */
export function resolveNode(context: SettingsContext, name: string, layers: readonly Written<NodeText>[]): NewNode {
  const text: NodeText = Object.assign({}, ...layers.map((layer) => layer.text));
  for (const layer of layers)
    if (layer.text.hca !== undefined && layer.text.hcas !== undefined)
      context.issues.add([...layer.place, 'hca'], 'changes nothing beside hcas; give one of them', true);
  const own = layers.findLast((layer) => layer.text.hcas !== undefined || layer.text.hca !== undefined);
  const general = layers.filter(
    (layer) => layer !== own && layer.text.hca !== undefined && layers.indexOf(layer) < (own ? layers.indexOf(own) : Infinity),
  );
  const base = general.map((layer): Written<HcaText> => ({ text: layer.text.hca!, place: [...layer.place, 'hca'] }));
  const written: Written<HcaText>[] =
    own === undefined
      ? [{ text: {}, place: layers.at(-1)?.place ?? [] }]
      : (own.text.hcas ?? [own.text.hca!]).map((hca, i) => ({
          text: hca,
          place: [...own.place, ...(own.text.hcas ? ['hcas', i] : ['hca'])],
        }));
  const taken = new Set(written.map(({ text: hca }) => hca.name));
  const hcas = written.map((hca, i) => {
    const resolved = resolveHca(context, hca, base, `mlx4_${i}`);
    if (hca.text.name === undefined && taken.has(resolved.name))
      context.issues.add(hca.place, `the name ${resolved.name} is taken by another HCA of ${name}; give it a name`);
    return resolved;
  });
  const names = hcas.map((hca) => hca.name);
  const twice = names.findIndex((hca, i) => names.indexOf(hca) < i && written[i]!.text.name !== undefined);
  if (twice >= 0) context.issues.add([...written[twice]!.place, 'name'], `${show(names[twice])} names two HCAs of ${name}`);
  const placeOf = (key: keyof NodeText): Place => [
    ...(layers.findLast((layer) => layer.text[key] !== undefined)?.place ?? []),
    key,
  ];
  return {
    name,
    role: text.role ?? 'processor',
    hcas,
    ...(text.router && { router: true }),
    ...(text.ipoib && { ipoib: resolveIpoib(context, text.ipoib, hcas, placeOf('ipoib')) }),
    ...(text.xen && { xen: resolveXen(context, text.xen, hcas, placeOf('xen')) }),
  };
}

function resolveHca(
  context: SettingsContext,
  own: Written<HcaText>,
  base: readonly Written<HcaText>[],
  defaultName: string,
): NewHca {
  const layers = [...base, own];
  // A profile's overrides belong to it: a layer that names another profile starts afresh.
  let profile: string | undefined;
  let overrides: Record<string, number> = {};
  let from: Place = own.place;
  for (const { text, place } of layers) {
    if (text.profile !== undefined) {
      if (text.profile !== profile) overrides = {};
      [profile, from] = [text.profile, [...place, 'profile']];
    }
    Object.assign(overrides, text.overrides);
  }
  const ports = layers.findLast((layer) => layer.text.ports !== undefined)?.text.ports ?? 1;
  if (profile === undefined) {
    const choices = context.catalog ? `; accepted are ${oneOf(context.catalog.profiles)}` : '';
    context.issues.add([...own.place, 'profile'], `no HCA profile: give it here or in defaults.node.hca.profile${choices}`);
  } else checkProfile(context, profile, from, layers);
  const name = own.text.name ?? defaultName;
  if (!isName(name)) context.issues.add([...own.place, 'name'], `${show(name)} is no name`);
  return {
    name,
    profile: profile ?? '',
    overrides,
    ports: typeof ports === 'number' ? Array.from({ length: ports }, () => ({})) : ports.map(resolvePort),
    qos: mergeQos(context, layers),
    ...identity(own.text),
  };
}

function resolvePort(port: { guid?: string | number | undefined; lid?: number | undefined; lmc?: number | undefined }) {
  return {
    ...(port.guid !== undefined && { guid: parseGuid(port.guid) }),
    ...(port.lid !== undefined && { lid: port.lid }),
    ...(port.lmc !== undefined && { lmc: port.lmc }),
  };
}

function checkProfile(context: SettingsContext, profile: string, place: Place, layers: readonly Written<HcaText>[]): void {
  const { catalog, issues } = context;
  if (catalog === undefined) return;
  if (!catalog.profiles.includes(profile)) {
    issues.add(place, `found ${show(profile)}; expected ${oneOf(catalog.profiles)}${didYouMean(profile, catalog.profiles)}`);
    return;
  }
  for (const layer of layers) {
    for (const [parameter, value] of Object.entries(layer.text.overrides ?? {})) {
      const at = [...layer.place, 'overrides', parameter];
      const problem = catalog.parameters.includes(parameter) ? catalog.check?.(profile, parameter, value) : undefined;
      if (!catalog.parameters.includes(parameter)) {
        issues.add(
          at,
          `is no parameter of an HCA; accepted are ${catalog.parameters.join(', ')}${didYouMean(parameter, catalog.parameters)}`,
          true,
        );
      } else if (problem !== undefined) issues.add(at, problem);
    }
  }
}

/** A link from its layers, the most general first. */
export function resolveLink(context: SettingsContext, layers: readonly Written<LinkText>[], place: Place): LinkSettings {
  const text: LinkText = Object.assign({}, ...layers.map((layer) => layer.text));
  for (const layer of layers) {
    if (layer.text.length !== undefined && layer.text.propagation !== undefined)
      context.issues.add([...layer.place, 'length'], 'changes nothing beside propagation; give one of them');
  }
  if (text.speed === undefined) {
    context.issues.add(place, `no link speed: give speed here or in defaults.link.speed; accepted are ${LINK_SPEEDS.join(', ')}`);
  }
  const timed = layers.findLast((layer) => layer.text.length !== undefined || layer.text.propagation !== undefined);
  const { propagation, length = DEFAULT_LENGTH } = timed?.text ?? {};
  const propagationPs = propagation === undefined ? parseLengthPs(length) : parseTimePs(propagation);
  if (propagationPs === undefined || propagationPs < 1 || propagationPs > MAX_LATENCY_PS) {
    const key = propagation === undefined ? 'length' : 'propagation';
    context.issues.add(
      [...(timed?.place ?? place), key],
      `found ${show(propagation ?? length)}; expected a propagation time from 1ps to 1s (5 ns a metre)`,
    );
  }
  return {
    speed: text.speed ?? 'SDR',
    width: text.width ?? '4x',
    mtu: text.mtu ?? DEFAULT_MTU,
    propagationPs: propagationPs ?? 1,
    bitErrorRate: text.bitErrorRate ?? 0,
  };
}

/** The file's own switch types over the built-in ones. */
export function resolveSwitchTypes(
  own: Readonly<Record<string, { base?: string | undefined } & Pick<SwitchText, 'ports' | 'model' | 'latency' | 'buffer'>>>,
  issues: IssueList,
): Record<string, SwitchType> {
  const types: Record<string, SwitchType> = { ...SWITCH_TYPES };
  for (const [name, text] of Object.entries(own)) {
    const place = ['switchTypes', name];
    if (!isName(name)) issues.add(place, `${show(name)} is no name`, true);
    if (Object.hasOwn(SWITCH_TYPES, name)) issues.add(place, 'is a built-in switch type; give yours another name', true);
    const baseName = text.base ?? 'generic';
    if (!Object.hasOwn(SWITCH_TYPES, baseName)) {
      const names = Object.keys(SWITCH_TYPES);
      issues.add([...place, 'base'], `found ${show(baseName)}; expected ${oneOf(names)}${didYouMean(baseName, names)}`);
      continue;
    }
    const base = SWITCH_TYPES[baseName]!;
    const latencyPs = text.latency === undefined ? base.latencyPs : parseTimePs(text.latency);
    const bufferBlocks = text.buffer === undefined ? base.bufferBlocks : parseBufferBlocks(text.buffer);
    if (latencyPs === undefined || latencyPs < 1 || latencyPs > MAX_LATENCY_PS)
      issues.add([...place, 'latency'], `found ${show(text.latency)}; expected whole picoseconds from 1ps to 1s`);
    if (bufferBlocks === undefined || bufferBlocks < 1 || bufferBlocks > 2048)
      issues.add([...place, 'buffer'], `found ${show(text.buffer)}; expected whole blocks of 64 bytes, from 1 to 2048`);
    types[name] = {
      summary: `of this file, on ${baseName}`,
      source: 'the file',
      ports: text.ports ?? base.ports,
      model: text.model ?? base.model,
      latencyPs: latencyPs ?? 1,
      bufferBlocks: bufferBlocks ?? 1,
    };
  }
  return types;
}
