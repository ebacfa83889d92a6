/**
 * Puts a topology together piece by piece, whatever describes it: a file, a generator or an importer. Keeps names, ports, GUIDs and
 * LIDs unique, gives free ports and GUIDs where none are asked for, and hands out the finished graph.
 */
import type { FaultTargets } from './faults.ts';
import { type IssueList, type Place, show } from './issue.ts';
import { MAX_LINKS, MAX_PORTS, MAX_UNICAST_LIDS } from './limits.ts';
import { DEFAULT_LIFE, defaultQos } from './qos.ts';
import { type LinkSpeed, type LinkWidth, psPerByte } from './speeds.ts';
import type {
  GeneratedShape,
  LinkEnd,
  NodeRole,
  SwitchModel,
  Topology,
  TopologyFault,
  TopologyHca,
  TopologyIssue,
  TopologyLink,
  TopologyNode,
  TopologyPartition,
  TopologyPort,
  TopologyQos,
  TopologyRouting,
  TopologySwitch,
} from './types.ts';
import type { TopologyIpoib, TopologyXen } from './xen-types.ts';

export interface NewSwitch {
  readonly name: string;
  readonly type: string;
  readonly model: SwitchModel;
  readonly portCount: number;
  readonly latencyPs: number;
  readonly bufferBlocks: number;
  readonly packetLifetime?: number;
  readonly qos?: TopologyQos;
  readonly guid?: bigint;
  readonly systemImageGuid?: bigint;
  readonly vendorId?: number;
  readonly deviceId?: number;
  readonly description?: string;
  readonly lid?: number;
  readonly lmc?: number;
  readonly enhancedPort0?: boolean;
  readonly level?: number;
  readonly coordinates?: readonly number[];
  readonly group?: string;
}

export interface NewHca {
  readonly name: string;
  readonly profile: string;
  readonly overrides?: Readonly<Record<string, number>>;
  readonly guid?: bigint;
  readonly systemImageGuid?: bigint;
  readonly vendorId?: number;
  readonly deviceId?: number;
  readonly description?: string;
  readonly qos?: TopologyQos;
  readonly ports: readonly { readonly guid?: bigint; readonly lid?: number; readonly lmc?: number }[];
}

export interface NewNode {
  readonly name: string;
  readonly role: NodeRole;
  readonly router?: true;
  readonly ipoib?: TopologyIpoib;
  readonly xen?: TopologyXen;
  readonly hcas: readonly NewHca[];
}

export interface LinkSettings {
  readonly speed: LinkSpeed;
  readonly width: LinkWidth;
  readonly mtu: number;
  readonly propagationPs: number;
  readonly bitErrorRate: number;
}

/** Auto-assigned GUIDs carry the OUI 00:02:c9 of the HCAs that the profiles model; switches and HCAs have a range each. */
const HCA_GUID_BASE = 0x0002c90300100000n;
const SWITCH_GUID_BASE = 0x0002c90200200000n;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type DraftSwitch = Omit<Mutable<TopologySwitch>, 'guid' | 'systemImageGuid' | 'links'> & { links: number[]; asked: NewSwitch };
interface DraftHca {
  readonly asked: NewHca;
  readonly links: number[];
}
interface DraftNode {
  readonly asked: NewNode;
  readonly hcas: readonly DraftHca[];
}

/** What a name stands for. */
export type Entity = { readonly kind: 'node'; readonly index: number } | { readonly kind: 'switch'; readonly index: number };

export class TopologyBuilder {
  readonly issues: IssueList;
  readonly #switches: DraftSwitch[] = [];
  readonly #nodes: DraftNode[] = [];
  readonly #links: TopologyLink[] = [];
  readonly #names = new Map<string, Entity>();
  readonly #guids = new Set<bigint>();
  readonly #lids = new Set<number>();
  readonly #qos = defaultQos();
  #lidsNeeded = 0;

  constructor(issues: IssueList) {
    this.issues = issues;
  }

  get names(): ReadonlyMap<string, Entity> {
    return this.#names;
  }
  get nodeCount(): number {
    return this.#nodes.length;
  }
  get switchCount(): number {
    return this.#switches.length;
  }
  get linkCount(): number {
    return this.#links.length;
  }

  entityName({ kind, index }: Entity): string {
    return kind === 'switch' ? this.#switches[index]!.name : this.#nodes[index]!.asked.name;
  }

  /** Adds a switch. A name that is taken, or an identity that another has, becomes an issue at `place`. */
  addSwitch(asked: NewSwitch, place: Place): void {
    const index = this.#switches.length;
    if (!this.#takeName(asked.name, { kind: 'switch', index }, place)) return;
    this.#takeGuid(asked.guid, place);
    this.#takeLids(asked.lid, asked.lmc ?? 0, place);
    const { guid: _guid, systemImageGuid: _image, ...rest } = asked;
    this.#switches.push({
      packetLifetime: DEFAULT_LIFE,
      qos: this.#qos,
      lmc: 0,
      enhancedPort0: false,
      ...rest,
      index,
      links: new Array<number>(asked.portCount + 1).fill(-1),
      asked,
    });
  }

  /** Adds a node with its HCAs. */
  addNode(asked: NewNode, place: Place): void {
    const index = this.#nodes.length;
    if (!this.#takeName(asked.name, { kind: 'node', index }, place)) return;
    for (const hca of asked.hcas) {
      this.#takeGuid(hca.guid, place);
      for (const port of hca.ports) {
        if (port.guid !== hca.guid) this.#takeGuid(port.guid, place);
        this.#takeLids(port.lid, port.lmc ?? 0, place);
      }
    }
    this.#nodes.push({ asked, hcas: asked.hcas.map((hca) => ({ asked: hca, links: hca.ports.map(() => -1) })) });
  }

  /** Whether a port exists and is free, as a message or nothing. */
  #portProblem(end: LinkEnd): string | undefined {
    const links = this.#linksOf(end);
    const first = end.kind === 'switch' ? 1 : 0;
    const slot = end.kind === 'switch' ? end.port : end.port - 1;
    const count = links.length - first;
    if (end.port < 1 || end.port > count) return `${this.endName(end)}: there is no such port; it has ports 1 to ${count}`;
    if (links[slot]! >= 0) return `${this.endName(end)} is taken by the link ${this.linkName(links[slot]!)}`;
    return undefined;
  }

  /** The lowest free port of an entity (of one HCA where given, else of the first HCA that has one) that `refuse` lets pass. */
  freePort(entity: Entity, hca?: number, refuse: (end: LinkEnd) => boolean = () => false): LinkEnd | undefined {
    if (entity.kind === 'switch') {
      const { links } = this.#switches[entity.index]!;
      for (let port = 1; port < links.length; port++) {
        if (links[port]! >= 0) continue;
        const end: LinkEnd = { kind: 'switch', switch: entity.index, port };
        if (!refuse(end)) return end;
      }
      return undefined;
    }
    const hcas = this.#nodes[entity.index]!.hcas;
    for (let i = hca ?? 0; i <= (hca ?? hcas.length - 1); i++) {
      const { links } = hcas[i]!;
      for (let slot = 0; slot < links.length; slot++) {
        if (links[slot]! >= 0) continue;
        const end: LinkEnd = { kind: 'node', node: entity.index, hca: i, port: slot + 1 };
        if (!refuse(end)) return end;
      }
    }
    return undefined;
  }

  hcaNames(node: number): string[] {
    return this.#nodes[node]!.asked.hcas.map((hca) => hca.name);
  }

  /** Joins two ports by a cable. */
  connect(a: LinkEnd, b: LinkEnd, settings: LinkSettings, place: Place): void {
    const problem = this.#portProblem(a) ?? this.#portProblem(b) ?? this.#linkProblem(a, b);
    if (problem !== undefined) {
      this.issues.add(place, problem);
      return;
    }
    const index = this.#links.length;
    const { speed, width, mtu, propagationPs, bitErrorRate } = settings;
    const { numerator, denominator } = psPerByte(speed, width);
    this.#links.push({
      index,
      ends: [a, b],
      speed,
      width,
      psPerByteNumerator: numerator,
      psPerByteDenominator: denominator,
      mtu,
      propagationPs,
      bitErrorRate,
    });
    this.#linksOf(a)[a.kind === 'switch' ? a.port : a.port - 1] = index;
    this.#linksOf(b)[b.kind === 'switch' ? b.port : b.port - 1] = index;
  }

  #linkProblem(a: LinkEnd, b: LinkEnd): string | undefined {
    if (a.port === b.port && this.#linksOf(a) === this.#linksOf(b)) return `${this.endName(a)} would be linked to itself`;
    return this.#links.length >= MAX_LINKS ? `more than ${MAX_LINKS} links` : undefined;
  }

  /** `leaf1:3`, `cpu1:1`, `cpu1/mlx4_1:2`. */
  endName(end: LinkEnd): string {
    if (end.kind === 'switch') return `${this.#switches[end.switch]!.name}:${end.port}`;
    const { asked } = this.#nodes[end.node]!;
    return asked.hcas.length === 1 ? `${asked.name}:${end.port}` : `${asked.name}/${asked.hcas[end.hca]!.name}:${end.port}`;
  }

  linkName(link: number): string {
    const [a, b] = this.#links[link]!.ends;
    return `${this.endName(a)} -> ${this.endName(b)}`;
  }

  /** Names and links so far, for faults. */
  targets(): FaultTargets {
    return {
      nodes: this.#nodes.map(({ asked }, index) => ({ index, name: asked.name, hcas: asked.hcas })),
      switches: this.#switches,
      links: this.#links,
    };
  }

  /** The finished graph. Throws `TopologyError` if anything was wrong. */
  finish(about: {
    name: string;
    source: string;
    description?: string | undefined;
    routing: TopologyRouting;
    partitions: readonly TopologyPartition[];
    faults: readonly TopologyFault[];
    generated?: GeneratedShape | undefined;
    warnings?: readonly TopologyIssue[];
  }): Topology {
    if (this.#lidsNeeded > MAX_UNICAST_LIDS)
      this.issues.add([], `needs ${this.#lidsNeeded} LIDs for its HCA ports and switches; a subnet has ${MAX_UNICAST_LIDS}`);
    if (this.#nodes.length === 0 && this.issues.count === 0)
      this.issues.add([], 'has no nodes, so nothing could run; give nodes, or a generate block');
    this.issues.throwIfAny();
    const { description, generated, warnings, ...rest } = about;
    return {
      ...rest,
      ...(description !== undefined && { description }),
      ...(generated !== undefined && { generated }),
      nodes: this.#finishNodes(),
      switches: this.#finishSwitches(),
      links: this.#links,
      warnings: [...this.issues.warnings, ...(warnings ?? [])],
    };
  }

  #finishSwitches(): TopologySwitch[] {
    let next = SWITCH_GUID_BASE;
    return this.#switches.map(({ asked, ...rest }) => {
      while (asked.guid === undefined && this.#guids.has(next)) next++;
      const guid = asked.guid ?? next++;
      return { ...rest, guid, systemImageGuid: asked.systemImageGuid ?? guid };
    });
  }

  #finishNodes(): TopologyNode[] {
    let next = HCA_GUID_BASE;
    const freeRun = (length: number): bigint => {
      for (let offset = 0; offset < length; offset++) {
        if (this.#guids.has(next + BigInt(offset))) {
          next += BigInt(offset + 1);
          offset = -1;
        }
      }
      const found = next;
      next += BigInt(length);
      return found;
    };
    return this.#nodes.map(({ asked, hcas }, index) => ({
      index,
      name: asked.name,
      role: asked.role,
      hcas: hcas.map((hca) => this.#finishHca(hca, freeRun)),
      ...(asked.router && { router: true as const }),
      ...(asked.ipoib && { ipoib: asked.ipoib }),
      ...(asked.xen && { xen: asked.xen }),
    }));
  }

  /** Port GUIDs follow the node GUID, as on Mellanox HCAs; one that is taken by another is replaced by a free one. */
  #finishHca({ asked, links }: DraftHca, freeRun: (length: number) => bigint): TopologyHca {
    const guid = asked.guid ?? freeRun(asked.ports.length + 1);
    const ports = asked.ports.map((port, i): TopologyPort => {
      const natural = guid + BigInt(i + 1);
      const portGuid = port.guid ?? (this.#guids.has(natural) ? freeRun(1) : natural);
      this.#guids.add(portGuid);
      return {
        number: i + 1,
        guid: portGuid,
        lmc: port.lmc ?? 0,
        link: links[i]!,
        ...(port.lid !== undefined && { lid: port.lid }),
      };
    });
    const { name, profile, overrides = {}, vendorId, deviceId, description, qos = this.#qos } = asked;
    return {
      name,
      profile,
      overrides,
      guid,
      systemImageGuid: asked.systemImageGuid ?? guid,
      ports,
      qos,
      ...(vendorId !== undefined && { vendorId }),
      ...(deviceId !== undefined && { deviceId }),
      ...(description !== undefined && { description }),
    };
  }

  #linksOf(end: LinkEnd): number[] {
    return end.kind === 'switch' ? this.#switches[end.switch]!.links : this.#nodes[end.node]!.hcas[end.hca]!.links;
  }

  #takeName(name: string, entity: Entity, place: Place): boolean {
    if (this.#names.has(name)) {
      this.issues.add(place, `the name ${show(name)} is used twice; names of nodes and switches are unique`, true);
      return false;
    }
    this.#names.set(name, entity);
    return true;
  }

  #takeGuid(guid: bigint | undefined, place: Place): void {
    if (guid === undefined) return;
    if (this.#guids.has(guid)) this.issues.add(place, `the GUID 0x${guid.toString(16).padStart(16, '0')} is used twice`);
    this.#guids.add(guid);
  }

  #takeLids(lid: number | undefined, lmc: number, place: Place): void {
    this.#lidsNeeded += 1 << lmc;
    if (lid === undefined) return;
    if (lid % (1 << lmc) !== 0) this.issues.add(place, `LID ${lid} is no multiple of ${1 << lmc}, as LMC ${lmc} wants`);
    for (let i = lid; i < lid + (1 << lmc); i++) {
      if (this.#lids.has(i) || i > MAX_UNICAST_LIDS)
        this.issues.add(place, this.#lids.has(i) ? `LID ${i} is used twice` : `LID ${i} is beyond ${MAX_UNICAST_LIDS}`);
      this.#lids.add(i);
    }
  }
}

/** The most ports that a switch or HCA can have. */
export const PORT_LIMIT = MAX_PORTS;
