/**
 * Scripted faults, one line each; the same words in a file's `faults` list and after `--fault`:
 *
 *     link END down at TIME [for TIME]          link END up at TIME
 *     link END ber PROBABILITY at TIME [for TIME]
 *     switch NAME dies at TIME                  node NAME dies at TIME
 *     node NAME slow RATE at TIME [for TIME]
 *
 * END is a port of the link (`leaf1:3`, `cpu1/mlx4_0:1`), a node or switch with a single link, or `A -> B` where one link alone joins them.
 */
import { didYouMean, IssueList, type Place, show } from './issue.ts';
import { splitEndpoint } from './names.ts';
import type { LinkEnd, TopologyFault, TopologyLink } from './types.ts';
import { parseTimePs, parseUnit, RATE, TIME } from './units.ts';

/** What faults are resolved against. */
export interface FaultTargets {
  readonly nodes: readonly {
    readonly index: number;
    readonly name: string;
    readonly hcas: readonly { readonly name: string }[];
  }[];
  readonly switches: readonly { readonly index: number; readonly name: string }[];
  readonly links: readonly TopologyLink[];
}

const GRAMMAR =
  'expected one of: link END down at TIME [for TIME]; link END up at TIME; link END ber PROBABILITY at TIME [for TIME]; ' +
  'switch NAME dies at TIME; node NAME dies at TIME; node NAME slow RATE at TIME [for TIME]';

/** The events of one fault (two with `for`). Throws `TopologyError` that names the option `source`. */
export function parseFault(text: string, topology: FaultTargets, source = '--fault'): TopologyFault[] {
  const issues = new IssueList(source);
  const faults = resolveFault(text, topology, issues, []);
  issues.throwIfAny();
  return faults;
}

/** All faults of a list in order of time, the list's order among equals. Mistakes become issues. */
export function resolveFaults(texts: readonly string[], targets: FaultTargets, issues: IssueList, place: Place): TopologyFault[] {
  const faults = texts.flatMap((text, i) => resolveFault(text, targets, issues, [...place, i]));
  return faults.sort((a, b) => a.atPs - b.atPs);
}

type FaultEffect = TopologyFault extends infer F ? (F extends TopologyFault ? Omit<F, 'atPs' | 'text'> : never) : never;

function resolveFault(text: string, targets: FaultTargets, issues: IssueList, place: Place): TopologyFault[] {
  const match =
    /^\s*(link|switch|node)\s+(.{1,300}?)\s+(down|up|dies|ber|slow)(?:\s+(\S+))??\s+at\s+(\S+)(?:\s+for\s+(\S+))?\s*$/.exec(
      text.slice(0, 500),
    );
  if (match === null) {
    issues.add(place, `found ${show(text)}; ${GRAMMAR}`);
    return [];
  }
  const [, what, target, verb, value, at, duration] = match as unknown as [
    string,
    string,
    string,
    string,
    string?,
    string?,
    string?,
  ];
  const effects = parseEffect({ what, target, verb, value }, targets, issues, place);
  const atPs = readTime(at!, 0, issues, place);
  const forPs = duration === undefined ? undefined : readTime(duration, 1, issues, place);
  if (duration !== undefined && effects?.after === undefined && effects !== undefined)
    issues.add(place, `${verb} takes no "for": ${verb === 'dies' ? 'what has died does not come back' : 'it lasts'}`);
  if (effects === undefined || atPs === undefined) return [];
  const first = { ...effects.now, atPs, text: text.trim() } as TopologyFault;
  if (forPs === undefined || effects.after === undefined) return [first];
  return [first, { ...effects.after, atPs: atPs + forPs, text: text.trim() } as TopologyFault];
}

function readTime(text: string, least: number, issues: IssueList, place: Place): number | undefined {
  const time = parseTimePs(text);
  if (time !== undefined && time >= least && time <= Number.MAX_SAFE_INTEGER / 4) return time;
  issues.add(
    place,
    `found the time ${show(text)}; expected ${TIME.accepted} in whole picoseconds${least > 0 ? ', more than none' : ''}`,
  );
  return undefined;
}

interface FaultWords {
  readonly what: string;
  readonly target: string;
  readonly verb: string;
  readonly value: string | undefined;
}

/** The effect now, and the one that ends it where it can end. */
function parseEffect(
  words: FaultWords,
  targets: FaultTargets,
  issues: IssueList,
  place: Place,
): { now: FaultEffect; after?: FaultEffect } | undefined {
  const { what, verb, value } = words;
  const allowed = { link: ['down', 'up', 'ber'], switch: ['dies'], node: ['dies', 'slow'] }[what]!;
  const wantsValue = verb === 'ber' || verb === 'slow';
  if (!allowed.includes(verb) || wantsValue !== (value !== undefined)) {
    issues.add(place, `a ${what} cannot "${verb}${value === undefined ? '' : ` ${value}`}"; ${GRAMMAR}`);
    return undefined;
  }
  if (what === 'link') return linkEffect(words, targets, issues, place);
  const list = what === 'switch' ? targets.switches : targets.nodes;
  const found = list.find((item) => item.name === words.target);
  if (found === undefined) {
    issues.add(
      place,
      `there is no ${what} ${show(words.target)}${didYouMean(
        words.target,
        list.map((item) => item.name),
      )}`,
    );
    return undefined;
  }
  if (what === 'switch') return { now: { kind: 'switch-dies', switch: found.index } };
  if (verb === 'dies') return { now: { kind: 'node-dies', node: found.index } };
  const bytesPerSecond = parseUnit(RATE, value!);
  if (bytesPerSecond === undefined || bytesPerSecond <= 0) {
    issues.add(place, `found the rate ${show(value)}; expected ${RATE.accepted}`);
    return undefined;
  }
  const slow = (rate: number | null): FaultEffect => ({ kind: 'slow-receiver', node: found.index, bytesPerSecond: rate });
  return { now: slow(bytesPerSecond), after: slow(null) };
}

function linkEffect(
  { target, verb, value }: FaultWords,
  targets: FaultTargets,
  issues: IssueList,
  place: Place,
): { now: FaultEffect; after?: FaultEffect } | undefined {
  const link = findLink(target, targets, issues, place);
  if (link === undefined) return undefined;
  if (verb === 'down') return { now: { kind: 'link-down', link }, after: { kind: 'link-up', link } };
  if (verb === 'up') return { now: { kind: 'link-up', link } };
  const rate = /^[0-9.]+(?:[eE][+-]?[0-9]+)?$/.test(value!) ? Number(value) : Number.NaN;
  if (!(rate >= 0 && rate <= 1)) {
    issues.add(place, `found the bit error rate ${show(value)}; expected a probability from 0 to 1, such as 1e-9`);
    return undefined;
  }
  return {
    now: { kind: 'bit-error-rate', link, rate },
    after: { kind: 'bit-error-rate', link, rate: targets.links[link]!.bitErrorRate },
  };
}

/** The link that `text` means, or an issue. */
function findLink(text: string, targets: FaultTargets, issues: IssueList, place: Place): number | undefined {
  const [left, right, ...more] = text.split('->').map((part) => part.trim());
  const a = linksAt(left!, targets, issues, place);
  const b = right === undefined ? a : linksAt(right, targets, issues, place);
  if (a === undefined || b === undefined) return undefined;
  const links = a.filter((link) => b.includes(link));
  if (links.length === 1 && more.length === 0) return links[0];
  const choices = links.slice(0, 8).map((link) => targets.links[link]!.ends.map((end) => formatEnd(end, targets)).join(' -> '));
  const listed = choices.length > 0 ? `: ${choices.join(', ')}${links.length > 8 ? ', …' : ''}` : '';
  issues.add(
    place,
    links.length === 0
      ? `there is no link ${show(text)}`
      : `${show(text)} may be any of ${links.length} links${listed}; name a port`,
  );
  return undefined;
}

/** The links of an entity, or of one of its ports. */
function linksAt(text: string, { nodes, switches, links }: FaultTargets, issues: IssueList, place: Place): number[] | undefined {
  const parts = splitEndpoint(text);
  const node = parts && nodes.find((item) => item.name === parts.name);
  const found = parts && switches.find((item) => item.name === parts.name);
  if (parts === undefined || (node === undefined && found === undefined) || (found !== undefined && parts.hca !== undefined)) {
    const names = [...nodes, ...switches].map((item) => item.name);
    issues.add(place, `there is no port, node or switch ${show(text)}${didYouMean(parts?.name ?? text, names)}`);
    return undefined;
  }
  const port = parts.port === undefined ? undefined : Number(parts.port);
  return links
    .filter(({ ends }) =>
      ends.some((end) => {
        if (port !== undefined && end.port !== port) return false;
        if (end.kind === 'switch') return end.switch === found?.index;
        if (end.node !== node?.index) return false;
        const hcas = node.hcas;
        return parts.hca === undefined ? port === undefined || hcas.length === 1 : hcas[end.hca]!.name === parts.hca;
      }),
    )
    .map((link) => link.index);
}

/** `leaf1:3`, `cpu1:1`, `cpu1/mlx4_1:2`: a port as users name it. */
export function formatEnd(end: LinkEnd, { nodes, switches }: Pick<FaultTargets, 'nodes' | 'switches'>): string {
  if (end.kind === 'switch') return `${switches[end.switch]!.name}:${end.port}`;
  const node = nodes[end.node]!;
  return node.hcas.length === 1 ? `${node.name}:${end.port}` : `${node.name}/${node.hcas[end.hca]!.name}:${end.port}`;
}
