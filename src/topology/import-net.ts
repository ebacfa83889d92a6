/**
 * From the records of an `ibnetdiscover` or ibsim file to a topology: names from descriptions, HCAs of one host put into one node,
 * both listings of each link held against each other. What the file cannot say (profiles, lengths, buffers) comes from device
 * ids and defaults, and a warning says how often that was a guess.
 */
import { type NewHca, TopologyBuilder } from './builder.ts';
import { didYouMean, IssueList, show } from './issue.ts';
import { MAX_NAME_LENGTH } from './limits.ts';
import { trainLink } from './link-masks.ts';
import { defaultPartition } from './members.ts';
import { isName } from './names.ts';
import { type IncludeReader, type NetPort, type NetRecord, readNetRecords } from './net-records.ts';
import { profileForDevice, profileForSpeed, switchTypeForDevice } from './products.ts';
import { findLooseEnds } from './resolve.ts';
import type { LinkSpeed, LinkWidth } from './speeds.ts';
import { SWITCH_TYPES } from './switch-types.ts';
import type { HcaCatalog, LinkEnd, Topology } from './types.ts';
import { parseLengthPs } from './units.ts';

/** What an imported link is taken to be, since the files do not say. */
const IMPORTED_LENGTH_PS = parseLengthPs('2m')!;
const IMPORTED_MTU = 4096;

export interface ImportOptions {
  readonly source: string;
  readonly fallbackName: string;
  readonly catalog?: HcaCatalog | undefined;
  readonly include?: IncludeReader | undefined;
}

/** A link as both of its ends tell it. */
interface ImportedLink {
  readonly line: number;
  readonly a: { readonly record: NetRecord; readonly port: NetPort };
  readonly b: { readonly record: NetRecord; readonly port: NetPort };
  readonly speed: LinkSpeed;
  readonly width: LinkWidth;
}

/** Imports a text. Throws `TopologyError`. */
export function importNet(text: string, options: ImportOptions): Topology {
  const issues = new IssueList(options.source, (place) => (typeof place[0] === 'number' ? { line: place[0], path: '' } : {}));
  const records = readNetRecords(text, issues, options.include);
  checkIdentities(records, issues);
  const links = pairLinks(records, issues);
  issues.throwIfAny();
  const builder = new TopologyBuilder(issues);
  const ends = new Map<NetRecord, (port: number) => LinkEnd>();
  const speeds = fastestLinks(links);
  addSwitches(builder, records, ends, issues);
  addNodes(builder, records, speeds, ends, options.catalog, issues);
  for (const { a, b, speed, width, line } of links) {
    const [left, right] = [ends.get(a.record), ends.get(b.record)];
    if (left && right)
      builder.connect(
        left(a.port.number),
        right(b.port.number),
        { speed, width, mtu: IMPORTED_MTU, propagationPs: IMPORTED_LENGTH_PS, bitErrorRate: 0 },
        [line],
      );
  }
  const topology = builder.finish({
    name: options.fallbackName,
    source: options.source,
    routing: { engine: 'min-hop' },
    partitions: [defaultPartition(builder.nodeCount)],
    faults: [],
  });
  return { ...topology, warnings: [...topology.warnings, ...findLooseEnds(topology)] };
}

function checkIdentities(records: readonly NetRecord[], issues: IssueList): void {
  const seen = new Map<string, number>();
  for (const record of records) {
    const first = seen.get(record.id);
    if (first !== undefined) issues.add([record.line], `the node ${show(record.id)} is listed twice, first on line ${first}`);
    else seen.set(record.id, record.line);
    const inId = /^[SHR]-([0-9a-fA-F]{16})$/.exec(record.id);
    if (inId !== null && record.guid !== undefined && BigInt(`0x${inId[1]}`) !== record.guid)
      issues.add([record.line], `${show(record.id)} has the GUID 0x${record.guid.toString(16)} on the line above it`);
  }
}

/** Each link once. Both ends must name each other and agree on the link. */
function pairLinks(records: readonly NetRecord[], issues: IssueList): ImportedLink[] {
  const byId = new Map(records.map((record) => [record.id, record]));
  const byAlias = new Map(
    records.flatMap((record) => [...record.aliases].map(([alias, port]) => [alias, { record, port }] as const)),
  );
  const orders = new Map(records.map((record, order) => [record, order]));
  const links: ImportedLink[] = [];
  let silent = 0;
  for (const [order, record] of records.entries()) {
    for (const port of record.ports) {
      const target = resolveRemote(port, byId, byAlias, issues);
      if (target === undefined) continue;
      const back = target.record.ports.find((other) => other.number === target.port);
      const returns = back && resolveRemote(back, byId, byAlias, issues);
      if (back === undefined || returns?.record !== record || returns.port !== port.number) {
        const found =
          back === undefined ? 'is not listed there' : `leads to ${show(back.remoteId)}[${back.remotePort ?? 1}] there`;
        issues.add(
          [port.line],
          `port ${port.number} of ${show(record.id)} leads to ${show(target.record.id)}[${target.port}], which ${found}; both ends list a link`,
        );
        continue;
      }
      if (target.record === record && target.port === port.number) {
        issues.add([port.line], `port ${port.number} of ${show(record.id)} is linked to itself`);
        continue;
      }
      const isFirst = orders.get(target.record)! >= order && (target.record !== record || port.number < back.number);
      if (!isFirst) continue;
      const rate = agreeOnRate(port, back, issues);
      if (rate === undefined) continue;
      if (rate.silent) silent++;
      links.push({
        line: port.line,
        a: { record, port },
        b: { record: target.record, port: back },
        speed: rate.speed,
        width: rate.width,
      });
    }
  }
  if (silent > 0) issues.warn([], `${silent} of ${links.length} links say no width and speed; taken as 4x SDR, as ibsim does`);
  return links;
}

function resolveRemote(
  port: NetPort,
  byId: ReadonlyMap<string, NetRecord>,
  byAlias: ReadonlyMap<string, { record: NetRecord; port: number }>,
  issues: IssueList,
): { record: NetRecord; port: number } | undefined {
  const alias = byAlias.get(port.remoteId);
  if (alias !== undefined) return alias;
  const record = byId.get(port.remoteId);
  if (record === undefined) {
    issues.add(
      [port.line],
      `leads to ${show(port.remoteId)}, which the file does not describe${didYouMean(port.remoteId, byId.keys())}`,
    );
    return undefined;
  }
  return { record, port: port.remotePort ?? 1 };
}

function agreeOnRate(
  a: NetPort,
  b: NetPort,
  issues: IssueList,
): { speed: LinkSpeed; width: LinkWidth; silent: boolean } | undefined {
  if (a.named && b.named && (a.named.speed !== b.named.speed || a.named.width !== b.named.width)) {
    issues.add([a.line], `is ${a.named.width}${a.named.speed} here and ${b.named.width}${b.named.speed} on line ${b.line}`);
    return undefined;
  }
  const named = a.named ?? b.named;
  if (named !== undefined) return { ...named, silent: false };
  const trained = trainLink(a.masks, b.masks);
  if (trained === undefined) issues.add([a.line], `has no width or speed in common with its other end on line ${b.line}`);
  return trained && { ...trained, silent: !a.masksGiven && !b.masksGiven };
}

/** The fastest link of each record, for guessing its product. */
function fastestLinks(links: readonly ImportedLink[]): Map<NetRecord, LinkSpeed> {
  const order = ['SDR', 'DDR', 'QDR', 'FDR10', 'FDR', 'EDR', 'HDR', 'NDR', 'XDR'];
  const fastest = new Map<NetRecord, LinkSpeed>();
  for (const { a, b, speed } of links) {
    for (const { record } of [a, b])
      if (order.indexOf(speed) > order.indexOf(fastest.get(record) ?? '')) fastest.set(record, speed);
  }
  return fastest;
}

/** A name made of a description: `MF0;ib5:SX6036/U1` is the managed switch ib5; of other texts, what is no letter becomes a dash. */
function nameFrom(text: string): string {
  const managed = /^MF0;([^:;]+):/.exec(text);
  return (managed?.[1] ?? text)
    .replace(/[^A-Za-z0-9_.+-]+/g, '-')
    .replace(/^[^A-Za-z0-9_]+|-+$/g, '')
    .slice(0, MAX_NAME_LENGTH);
}

/** Names for records that each want one: the wish where it is a name and nobody else has the same, else the id, else a number. */
function chooseName(wish: string, id: string, isShared: boolean, taken: ReadonlyMap<string, unknown>): string {
  for (const candidate of [isShared ? '' : wish, nameFrom(id)]) if (isName(candidate) && !taken.has(candidate)) return candidate;
  const stem = (isName(wish) ? wish : 'node').slice(0, MAX_NAME_LENGTH - 8);
  for (let i = 2; ; i++) if (!taken.has(`${stem}-${i}`)) return `${stem}-${i}`;
}

/** An id in ibsim's free form is the user's own name for the thing; one made of a GUID is not. */
function wishedName(record: NetRecord): string {
  const isGuid = /(?:^|#)[SHR]-[0-9a-fA-F]{16}$/.test(record.id);
  const { description = record.id } = record;
  // Unmanaged switches describe their product in several words, managed ones and hosts name themselves in one.
  const isProduct = record.type === 'Switch' && /\s/.test(description) && !description.startsWith('MF0;');
  return nameFrom(isGuid && !isProduct ? description : record.id);
}

function addSwitches(
  builder: TopologyBuilder,
  records: readonly NetRecord[],
  ends: Map<NetRecord, (port: number) => LinkEnd>,
  issues: IssueList,
): void {
  const switches = records.filter((record) => record.type === 'Switch');
  const wishes = countBy(switches.map(wishedName));
  let unknown = 0;
  for (const record of switches) {
    const wish = wishedName(record);
    const name = chooseName(wish, record.id, wishes.get(wish)! > 1, builder.names);
    const type = switchTypeForDevice(record.deviceId) ?? 'generic';
    if (type === 'generic') unknown++;
    const { latencyPs, bufferBlocks, model } = SWITCH_TYPES[type]!;
    const index = builder.switchCount;
    builder.addSwitch(
      {
        name,
        type,
        model,
        latencyPs,
        bufferBlocks,
        portCount: record.portCount,
        enhancedPort0: record.enhancedPort0,
        ...identity(record),
        ...lidOf(record),
        ...(record.chassis !== undefined && { group: record.chassis }),
      },
      [record.line],
    );
    ends.set(record, (port) => ({ kind: 'switch', switch: index, port }));
  }
  if (unknown > 0) issues.warn([], `${unknown} of ${switches.length} switches have no known device id; taken as type generic`);
}

function identity(record: NetRecord) {
  const { guid, systemImageGuid, vendorId, deviceId, description } = record;
  return {
    ...(guid !== undefined && { guid }),
    ...(systemImageGuid !== undefined && { systemImageGuid }),
    ...(vendorId !== undefined && { vendorId }),
    ...(deviceId !== undefined && { deviceId }),
    ...(description !== undefined && { description }),
  };
}

function lidOf({ lid, lmc }: { readonly lid?: number; readonly lmc?: number }) {
  return lid === undefined ? {} : { lid, ...(lmc !== undefined && lmc >= 0 && lmc <= 7 && { lmc }) };
}

function countBy(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** `stage114 mlx4_0`: host and HCA, as the kernel's drivers write descriptions. */
function hostAndHca(record: NetRecord): { host: string; hca: string } | undefined {
  const [, host, hca] = /^(\S+) (\S+)$/.exec(record.description ?? '') ?? [];
  return host !== undefined && hca !== undefined && isName(host) && isName(hca) ? { host, hca } : undefined;
}

function addNodes(
  builder: TopologyBuilder,
  records: readonly NetRecord[],
  speeds: ReadonlyMap<NetRecord, LinkSpeed>,
  ends: Map<NetRecord, (port: number) => LinkEnd>,
  catalog: HcaCatalog | undefined,
  issues: IssueList,
): void {
  const adapters = records.filter((record) => record.type !== 'Switch');
  const hosts = groupByHost(adapters);
  const wishes = countBy([...hosts.values()].map((host) => (host.named ? host.named : wishedName(host.records[0]!))));
  const guessed: string[] = [];
  for (const { named, records: own } of hosts.values()) {
    const first = own[0]!;
    const wish = named ?? wishedName(first);
    const name = chooseName(wish, first.id, wishes.get(wish)! > 1, builder.names);
    const isSpecial = first.type === 'Rt' || (first.description ?? '').includes('Aggregation Node');
    const node = builder.nodeCount;
    const hcas = own.map((record, i) => {
      ends.set(record, (port) => ({ kind: 'node', node, hca: i, port }));
      return importHca(record, named === undefined ? `mlx4_${i}` : hostAndHca(record)!.hca, speeds.get(record), catalog, guessed);
    });
    builder.addNode({ name, role: isSpecial ? 'io' : 'processor', hcas, ...(first.type === 'Rt' && { router: true as const }) }, [
      first.line,
    ]);
  }
  if (guessed.length > 0)
    issues.warn([], `${guessed.length} of ${adapters.length} HCAs have no known device id; profile taken from their link speed`);
  const routers = adapters.filter((record) => record.type === 'Rt').length;
  if (routers > 0) issues.warn([], `${routers} routers are held as end nodes: they forward nothing`);
}

/** HCAs of one host make one node; those whose descriptions tell no host, or the same HCA of it twice, make one each. */
function groupByHost(adapters: readonly NetRecord[]): Map<string, { named?: string; records: NetRecord[] }> {
  const twice = countBy(adapters.map((record) => record.description ?? record.id));
  const groups = new Map<string, { named?: string; records: NetRecord[] }>();
  for (const record of adapters) {
    const parts = twice.get(record.description ?? record.id)! > 1 || record.type === 'Rt' ? undefined : hostAndHca(record);
    if (parts === undefined) groups.set(`id ${record.id}`, { records: [record] });
    else {
      const group = groups.get(`host ${parts.host}`) ?? { named: parts.host, records: [] };
      group.records.push(record);
      groups.set(`host ${parts.host}`, group);
    }
  }
  return groups;
}

function importHca(
  record: NetRecord,
  name: string,
  speed: LinkSpeed | undefined,
  catalog: HcaCatalog | undefined,
  guessed: string[],
): NewHca {
  const known = profileForDevice(record.deviceId);
  const profile =
    known !== undefined && (catalog === undefined || catalog.profiles.includes(known)) ? known : profileForSpeed(speed ?? 'EDR');
  if (profile !== known) guessed.push(record.id);
  const ports = Array.from({ length: record.portCount }, (_, i) => {
    const port = record.ports.find((one) => one.number === i + 1);
    return port === undefined ? {} : { ...(port.portGuid !== undefined && { guid: port.portGuid }), ...lidOf(port) };
  });
  return { name, profile, ports, ...identity(record) };
}
