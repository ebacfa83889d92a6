/**
 * Turns link lines such as `cpu[1-16] -> leaf1[1-16]` into cables. `->` joins one by one, `=>` each with each; a port that is not
 * named is the lowest one free, and is given only after every named port has its cable.
 */
import type { Entity, TopologyBuilder } from './builder.ts';
import { didYouMean, type Place, show } from './issue.ts';
import { MAX_LINKS } from './limits.ts';
import { expandNames, expandPorts, splitEndpoint } from './names.ts';
import type { LinkText } from './schema.ts';
import { resolveLink, type SettingsContext } from './settings.ts';
import type { LinkEnd } from './types.ts';

/** One end, with a port or without. */
interface WantedEnd {
  readonly entity: Entity;
  readonly hca: number | undefined;
  readonly port: number | undefined;
}

interface WantedLink {
  readonly ends: readonly [WantedEnd, WantedEnd];
  readonly text: LinkText;
  readonly place: Place;
}

/** Adds all links of a file's `links` list. */
export function connectLinks(
  builder: TopologyBuilder,
  context: SettingsContext,
  lines: readonly (string | (LinkText & { connect: string; count?: number | undefined }))[],
): void {
  const wanted = lines.flatMap((line, i) => {
    const { connect, count = 1, ...text } = typeof line === 'string' ? { connect: line } : line;
    const place = typeof line === 'string' ? ['links', i] : ['links', i, 'connect'];
    return pairEnds(builder, connect, place).flatMap((ends) =>
      Array.from({ length: count }, (): WantedLink => ({ ends, text, place: ['links', i] })),
    );
  });
  if (wanted.length > MAX_LINKS) {
    context.issues.add(['links'], `stand for ${wanted.length} links; at most ${MAX_LINKS} are built`);
    return;
  }
  const isNamed = (link: WantedLink) => link.ends.every((end) => end.port !== undefined);
  const settings = new Map<LinkText, ReturnType<typeof resolveLink>>();
  // Named ports first; then half-named links, whose named ports must not be given away; then the rest.
  const half = (link: WantedLink) => !isNamed(link) && link.ends.some((end) => end.port !== undefined);
  const reserved = reservePorts(builder, wanted);
  for (const link of [...wanted.filter(isNamed), ...wanted.filter(half), ...wanted.filter((l) => !isNamed(l) && !half(l))]) {
    if (builder.issues.isFull) return;
    const resolved = settings.get(link.text) ?? resolveLink(context, layersOf(context, link), link.place);
    settings.set(link.text, resolved);
    const a = pickPort(builder, link.ends[0], reserved, link.place);
    const b = a && pickPort(builder, link.ends[1], reserved, link.place, a);
    if (a && b) builder.connect(a, b, resolved, link.place);
  }
}

function layersOf(context: SettingsContext, link: WantedLink) {
  const { link: byDefault } = context.defaults;
  return [...(byDefault ? [{ text: byDefault, place: ['defaults', 'link'] }] : []), { text: link.text, place: link.place }];
}

/** Keys of the ports that some link of the file names. */
function reservePorts(builder: TopologyBuilder, wanted: readonly WantedLink[]): Set<string> {
  const reserved = new Set<string>();
  for (const { ends } of wanted)
    for (const end of ends) if (end.port !== undefined) reserved.add(builder.endName(toEnd(end, end.port)));
  return reserved;
}

function toEnd({ entity, hca }: WantedEnd, port: number): LinkEnd {
  return entity.kind === 'switch'
    ? { kind: 'switch', switch: entity.index, port }
    : { kind: 'node', node: entity.index, hca: hca ?? 0, port };
}

/** The named port, or the lowest free one that nobody names and that is not `other`. */
function pickPort(
  builder: TopologyBuilder,
  end: WantedEnd,
  reserved: ReadonlySet<string>,
  place: Place,
  other?: LinkEnd,
): LinkEnd | undefined {
  if (end.port !== undefined) return toEnd(end, end.port);
  const found = builder.freePort(end.entity, end.hca, (candidate) => {
    const name = builder.endName(candidate);
    return reserved.has(name) || (other !== undefined && builder.endName(other) === name);
  });
  if (found === undefined) builder.issues.add(place, `${builder.entityName(end.entity)} has no free port left`);
  return found;
}

/** The pairs of ends that one line stands for. */
function pairEnds(builder: TopologyBuilder, text: string, place: Place): [WantedEnd, WantedEnd][] {
  const match = /^\s*(\S[^>]*?)\s*(->|=>)\s*(\S[^>]*?)\s*$/.exec(text.slice(0, 2001));
  if (match === null) {
    builder.issues.add(place, `found ${show(text)}; expected ends such as "cpu[1-4] -> leaf1[1-4]" or "leaf[1-4] => spine[1-2]"`);
    return [];
  }
  const [, left, arrow, right] = match as unknown as [string, string, string, string];
  const [a, b] = [expandEnd(builder, left, place), expandEnd(builder, right, place)];
  if (a === undefined || b === undefined) return [];
  if (arrow === '=>')
    return a.length * b.length > MAX_LINKS
      ? tooMany(builder, place)
      : a.flatMap((x) => b.map((y): [WantedEnd, WantedEnd] => [x, y]));
  const length = Math.max(a.length, b.length);
  const single = (ends: readonly WantedEnd[]) => ends.length === 1 && ends[0]!.port === undefined;
  if (a.length !== b.length && !single(a) && !single(b)) {
    builder.issues.add(
      place,
      `joins ${a.length} with ${b.length} one by one; both sides of -> stand for as many, or one is a single name without port`,
    );
    return [];
  }
  return Array.from({ length }, (_, i) => [a[a.length === 1 ? 0 : i]!, b[b.length === 1 ? 0 : i]!]);
}

function tooMany(builder: TopologyBuilder, place: Place): [] {
  builder.issues.add(place, `stands for more than ${MAX_LINKS} links`);
  return [];
}

/** What one side of an arrow stands for. */
function expandEnd(builder: TopologyBuilder, text: string, place: Place): WantedEnd[] | undefined {
  const parts = splitEndpoint(text);
  if (parts === undefined) {
    builder.issues.add(place, `found the end ${show(text)}; expected name, name:port, name/hca:port, or a range of them`);
    return undefined;
  }
  const bracketed =
    parts.port === undefined && parts.hca === undefined ? readBracketAsPorts(builder, parts.name, place) : undefined;
  if (bracketed === 'ambiguous') return undefined;
  const name = bracketed?.name ?? parts.name;
  const portText = bracketed?.ports ?? parts.port;
  const expansion = expandNames(name);
  if ('error' in expansion) {
    builder.issues.add(place, `${show(name)} ${expansion.error}`);
    return undefined;
  }
  const ports = portText === undefined ? [undefined] : expandPorts(portText);
  if (typeof ports === 'string') {
    builder.issues.add(place, `${show(text)} ${ports}`);
    return undefined;
  }
  const entities = expansion.names.map((one) => findEntity(builder, one, place));
  if (entities.includes(undefined)) return undefined;
  if (entities.length * ports.length > MAX_LINKS) return tooMany(builder, place);
  const hcas = entities.map((entity) => findHca(builder, entity!, parts.hca, portText !== undefined, place));
  if (hcas.includes(null)) return undefined;
  return entities.flatMap((entity, i) => ports.map((port) => ({ entity: entity!, hca: hcas[i] ?? undefined, port })));
}

/** `leaf1[1-16]`: ports of leaf1 where there is a leaf1 and no leaf11; names where there is a leaf11 and no leaf1; both is an issue. */
function readBracketAsPorts(
  builder: TopologyBuilder,
  name: string,
  place: Place,
): { name: string; ports: string } | 'ambiguous' | undefined {
  const match = /^(.*[^\]])(\[[^[\]]*\])$/.exec(name);
  if (match === null) return undefined;
  const [, base, ports] = match as unknown as [string, string, string];
  const bases = expandNames(base);
  if ('error' in bases || !bases.names.every((one) => builder.names.has(one))) return undefined;
  const expansion = expandNames(name);
  if (!('error' in expansion) && expansion.names.some((one) => builder.names.has(one))) {
    builder.issues.add(
      place,
      `${show(name)} may be ports of ${base} or names such as ${expansion.names[0]}; write ${base}:${ports} for ports, or rename`,
    );
    return 'ambiguous';
  }
  return { name: base, ports };
}

/** The node or switch of that name, or an issue. */
export function findEntity(builder: TopologyBuilder, name: string, place: Place): Entity | undefined {
  const entity = builder.names.get(name);
  if (entity === undefined)
    builder.issues.add(place, `there is no node or switch ${show(name)}${didYouMean(name, builder.names.keys())}`);
  return entity;
}

/** Index of the HCA meant, `undefined` for any, `null` after an issue. */
function findHca(
  builder: TopologyBuilder,
  entity: Entity,
  hca: string | undefined,
  portNamed: boolean,
  place: Place,
): number | undefined | null {
  if (entity.kind === 'switch') {
    if (hca === undefined) return undefined;
    builder.issues.add(place, `${builder.entityName(entity)} is a switch and has no HCA ${show(hca)}`);
    return null;
  }
  const names = builder.hcaNames(entity.index);
  if (hca === undefined) {
    if (!portNamed || names.length === 1) return undefined;
    builder.issues.add(
      place,
      `${builder.entityName(entity)} has ${names.length} HCAs; say whose port it is, as in ${builder.entityName(entity)}/${names[0]}:1`,
    );
    return null;
  }
  const index = names.indexOf(hca);
  if (index < 0) builder.issues.add(place, `${builder.entityName(entity)} has no HCA ${show(hca)}; it has ${names.join(', ')}`);
  return index < 0 ? null : index;
}
