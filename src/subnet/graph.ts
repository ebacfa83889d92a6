/**
 * The network as a subnet manager discovers it: switches, channel-adapter ports and the links between them, nothing else.
 *
 * `SubnetGraph` is plain data that somebody else makes (a loader from a topology file, a sweep of directed-route SMPs).
 * `indexGraph` checks it and turns it into typed arrays, which every routing engine and check works on.
 */
import { ConfigError, type Issue } from '../sim/index.ts';

/** A switch. Port 0 is its management port; ports 1 … `portCount` are cabled. */
export interface SwitchNode {
  readonly guid: bigint;
  readonly name: string;
  /** External ports, 1 … 254. */
  readonly portCount: number;
  /** LID to keep, 1 … 0xBFFF; assigned when absent. */
  readonly lid?: number;
  /** Switches of one chassis share it; the node's own GUID when absent. */
  readonly systemGuid?: bigint;
  /** Level in a tree: 0 for the switches next to the hosts, more toward the roots. */
  readonly level?: number;
  /** Place in a mesh, torus or hypercube, one number a dimension, from 0. */
  readonly coordinates?: readonly number[];
  /** Data VLs its ports can do: 1, 2, 4, 8 or 15. Default 8. */
  readonly dataVls?: number;
  /** Largest MTU of its ports: 256 … 4096 bytes. Default 4096. */
  readonly mtuBytes?: number;
}

/** One port of a channel adapter. A node with two ports gives two entries with one `nodeGuid`. */
export interface AdapterPort {
  /** Port GUID. */
  readonly guid: bigint;
  readonly nodeGuid: bigint;
  /** The node's name. */
  readonly name: string;
  /** Port number on its adapter, from 1. */
  readonly port: number;
  /** Base LID to keep, a multiple of 2^LMC; assigned when absent. */
  readonly lid?: number;
  /** As for a switch. */
  readonly dataVls?: number;
  /** As for a switch. */
  readonly mtuBytes?: number;
}

/** One end of a link: a switch's port, or an adapter port (an index into `SubnetGraph.adapters`, which is a port already). */
export type LinkEnd =
  | { readonly kind: 'switch'; readonly index: number; readonly port: number }
  | { readonly kind: 'adapter'; readonly index: number };

/** A cable. */
export interface GraphLink {
  readonly a: LinkEnd;
  readonly b: LinkEnd;
  /** Nominal rate in Gb/s as path records name it: 2.5, 10, 20, 40, 56, 100, 200 …; default 40. */
  readonly rateGbps?: number;
}

/** What a subnet manager knows after discovery. */
export interface SubnetGraph {
  readonly switches: readonly SwitchNode[];
  readonly adapters: readonly AdapterPort[];
  readonly links: readonly GraphLink[];
}

/**
 * The graph as typed arrays. Switch `s`, port `p` has the slot `portBase[s] + p`; slot arrays have one entry for each
 * port of each switch, port 0 included. −1 means "none".
 */
export interface SubnetIndex {
  readonly graph: SubnetGraph;
  readonly switchCount: number;
  readonly adapterCount: number;
  /** First slot of each switch; one entry more than there are switches. */
  readonly portBase: Int32Array;
  /** The switch that owns a slot. */
  readonly slotSwitch: Int32Array;
  /** The switch at the other end of a slot's cable. */
  readonly peerSwitch: Int32Array;
  /** The slot at the other end, if it is a switch. */
  readonly peerSlot: Int32Array;
  /** The adapter port at the other end. */
  readonly peerAdapter: Int32Array;
  /** The link in a slot. */
  readonly slotLink: Int32Array;
  /** The switch an adapter port hangs on. */
  readonly adapterSwitch: Int32Array;
  /** The slot an adapter port hangs on. */
  readonly adapterSlot: Int32Array;
  /** The adapter port at the other end, for two hosts back to back. */
  readonly adapterPeer: Int32Array;
  /** The link of an adapter port. */
  readonly adapterLink: Int32Array;
}

const MAX_LEVEL = 31;
const MAX_DIMENSIONS = 32;
const MAX_COORDINATE = 0xffff;

/** Makes a user's mistake about the subnet; `path` names the object as the graph does. */
export function subnetError(path: string, message: string): ConfigError {
  return new ConfigError([{ file: '', path, message }]);
}

/**
 * Checks the graph and builds its index.
 * @throws ConfigError with every fault found: unknown ends, ports out of range or used twice, GUIDs used twice.
 */
export function indexGraph(graph: SubnetGraph): SubnetIndex {
  const issues: Issue[] = [];
  checkNodes(graph, issues);
  const index = emptyIndex(graph);
  graph.links.forEach((link, l) => {
    if (!endIsFree(index, link.a, l, 'a', issues) || !endIsFree(index, link.b, l, 'b', issues)) return;
    if (slotOf(index, link.a) === slotOf(index, link.b)) {
      issues.push({ file: '', path: `links[${l}]`, message: `joins ${describeEnd(graph, link.a)} to itself` });
      return;
    }
    attach(index, link.a, link.b, l);
    attach(index, link.b, link.a, l);
  });
  if (issues.length > 0) throw new ConfigError(issues);
  return index;
}

/** `leaf1[3]` for a switch port, `node7/P1` for an adapter port. */
export function describeEnd(graph: SubnetGraph, end: LinkEnd): string {
  if (end.kind === 'switch') return `${graph.switches[end.index]?.name ?? `switch ${end.index}`}[${end.port}]`;
  const adapter = graph.adapters[end.index];
  return adapter === undefined ? `adapter ${end.index}` : `${adapter.name}/P${adapter.port}`;
}

/** `leaf1[3]` for a slot. */
export function describeSlot(index: SubnetIndex, slot: number): string {
  const s = index.slotSwitch[slot]!;
  return `${index.graph.switches[s]!.name}[${slot - index.portBase[s]!}]`;
}

function checkNodes(graph: SubnetGraph, issues: Issue[]): void {
  const owners = new Map<bigint, string>();
  const claim = (guid: bigint, path: string, what: string) => {
    const owner = owners.get(guid);
    if (owner !== undefined) issues.push({ file: '', path, message: `GUID 0x${guid.toString(16)} already belongs to ${owner}` });
    else owners.set(guid, what);
  };
  graph.switches.forEach((node, s) => {
    const path = `switches[${s}]`;
    claim(node.guid, path, `switch ${node.name}`);
    if (!Number.isInteger(node.portCount) || node.portCount < 1 || node.portCount > 254)
      issues.push({ file: '', path: `${path}.portCount`, message: `${node.portCount} is not in 1 … 254` });
    checkLimits(node, path, issues);
    checkPlace(node, path, issues);
  });
  graph.adapters.forEach((port, a) => {
    claim(port.guid, `adapters[${a}]`, `port ${port.port} of ${port.name}`);
    checkLimits(port, `adapters[${a}]`, issues);
  });
}

function checkLimits(node: { dataVls?: number; mtuBytes?: number }, path: string, issues: Issue[]): void {
  if (node.dataVls !== undefined && ![1, 2, 4, 8, 15].includes(node.dataVls))
    issues.push({ file: '', path: `${path}.dataVls`, message: `${node.dataVls} is none of 1, 2, 4, 8, 15` });
  if (node.mtuBytes !== undefined && ![256, 512, 1024, 2048, 4096].includes(node.mtuBytes))
    issues.push({ file: '', path: `${path}.mtuBytes`, message: `${node.mtuBytes} is none of 256, 512, 1024, 2048, 4096` });
}

/** Levels and coordinates size the engines' arrays, so they have bounds. */
function checkPlace(node: SwitchNode, path: string, issues: Issue[]): void {
  const fits = (value: number, most: number) => Number.isInteger(value) && value >= 0 && value <= most;
  if (node.level !== undefined && !fits(node.level, MAX_LEVEL))
    issues.push({ file: '', path: `${path}.level`, message: `${node.level} is not in 0 … ${MAX_LEVEL}` });
  const { coordinates } = node;
  if (coordinates === undefined) return;
  if (coordinates.length > MAX_DIMENSIONS)
    issues.push({
      file: '',
      path: `${path}.coordinates`,
      message: `${coordinates.length} dimensions, more than ${MAX_DIMENSIONS}`,
    });
  const bad = coordinates.find((c) => !fits(c, MAX_COORDINATE));
  if (bad !== undefined)
    issues.push({ file: '', path: `${path}.coordinates`, message: `${bad} is not in 0 … ${MAX_COORDINATE}` });
}

function emptyIndex(graph: SubnetGraph): SubnetIndex {
  const switchCount = graph.switches.length;
  const adapterCount = graph.adapters.length;
  const portBase = new Int32Array(switchCount + 1);
  graph.switches.forEach((node, s) => {
    portBase[s + 1] = portBase[s]! + Math.max(0, Math.min(254, Math.trunc(node.portCount) || 0)) + 1;
  });
  const slots = portBase[switchCount]!;
  const slotSwitch = new Int32Array(slots);
  for (let s = 0; s < switchCount; s++) slotSwitch.fill(s, portBase[s], portBase[s + 1]);
  const none = (length: number) => new Int32Array(length).fill(-1);
  return {
    graph,
    switchCount,
    adapterCount,
    portBase,
    slotSwitch,
    peerSwitch: none(slots),
    peerSlot: none(slots),
    peerAdapter: none(slots),
    slotLink: none(slots),
    adapterSwitch: none(adapterCount),
    adapterSlot: none(adapterCount),
    adapterPeer: none(adapterCount),
    adapterLink: none(adapterCount),
  };
}

/** A number for an end that differs between any two ends: adapters count down from −1. */
function slotOf(index: SubnetIndex, end: LinkEnd): number {
  return end.kind === 'switch' ? index.portBase[end.index]! + end.port : -1 - end.index;
}

function endIsFree(index: SubnetIndex, end: LinkEnd, link: number, side: string, issues: Issue[]): boolean {
  const path = `links[${link}].${side}`;
  const fault = (message: string) => {
    issues.push({ file: '', path, message });
    return false;
  };
  if (end.kind === 'adapter') {
    if (!(end.index in index.adapterLink)) return fault(`there is no adapter port ${end.index}`);
    const taken = index.adapterLink[end.index] !== -1;
    return taken ? fault(`${describeEnd(index.graph, end)} already has a cable`) : true;
  }
  const node = index.graph.switches[end.index];
  if (node === undefined) return fault(`there is no switch ${end.index}`);
  if (!Number.isInteger(end.port) || end.port < 1 || end.port > node.portCount)
    return fault(`${node.name} has no port ${end.port}, only 1 … ${node.portCount}`);
  return index.slotLink[slotOf(index, end)] === -1 ? true : fault(`${describeEnd(index.graph, end)} already has a cable`);
}

function attach(index: SubnetIndex, end: LinkEnd, peer: LinkEnd, link: number): void {
  if (end.kind === 'adapter') {
    index.adapterLink[end.index] = link;
    if (peer.kind === 'adapter') index.adapterPeer[end.index] = peer.index;
    else {
      index.adapterSwitch[end.index] = peer.index;
      index.adapterSlot[end.index] = slotOf(index, peer);
    }
    return;
  }
  const slot = slotOf(index, end);
  index.slotLink[slot] = link;
  if (peer.kind === 'adapter') index.peerAdapter[slot] = peer.index;
  else {
    index.peerSwitch[slot] = peer.index;
    index.peerSlot[slot] = slotOf(index, peer);
  }
}

/** For each switch the lowest switch that cables connect it with: the parts of a fabric that is not connected (two rails, say). */
export function connectedParts(index: SubnetIndex): Int32Array {
  const part = new Int32Array(index.switchCount).fill(-1);
  for (let first = 0; first < index.switchCount; first++) {
    if (part[first] !== -1) continue;
    part[first] = first;
    const stack = [first];
    for (let s = stack.pop(); s !== undefined; s = stack.pop()) {
      for (let slot = index.portBase[s]! + 1; slot < index.portBase[s + 1]!; slot++) {
        const peer = index.peerSwitch[slot]!;
        if (peer < 0 || part[peer] !== -1) continue;
        part[peer] = first;
        stack.push(peer);
      }
    }
  }
  return part;
}
