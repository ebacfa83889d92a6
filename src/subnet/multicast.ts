/**
 * Multicast: one spanning tree for each MLID, and from it the port masks of every switch's multicast forwarding table.
 * The root is chosen as OpenSM does: the switch whose greatest distance to a member is least, the first in the order of
 * OpenSM's GUID map among equals. The tree holds only switches on the way to members.
 */
import { newNextHops, UNREACHED } from './forwarding.ts';
import { connectedParts, type SubnetIndex, subnetError } from './graph.ts';
import { compareGuidsAsOpenSm } from './lids.ts';
import { minHopFinder } from './min-hop.ts';

/** MLID of the IPoIB broadcast group of the default partition: the first multicast LID. */
export const BROADCAST_MLID = 0xc000;

/** A group to build a tree for. */
export interface MulticastGroup {
  /** 0xC000 … 0xFFFE. */
  readonly mlid: number;
  /** Adapter ports. */
  readonly members: readonly number[];
  /** Service level of its packets; default 0. */
  readonly sl?: number;
}

/** What the routing engine wants of trees, so that they do not close dependency cycles with its paths. */
export interface TreeRules {
  /** Switches that may be the root; all when absent. */
  readonly roots?: readonly number[];
  /** The up/down order, 0 = top: the tree then descends from its root wherever members can be reached that way. */
  readonly order?: Int32Array;
  /** The slot by which switch `s` should hang on the tree with that root; −1 = nowhere. If it leaves out a member, any tree is taken. */
  readonly parent?: (root: number, s: number) => number;
}

/** The tree of one MLID. */
export class MulticastTree {
  readonly mlid: number;
  readonly sl: number;
  /** The root switch; one for each part of the fabric with members, where parts are not connected. */
  readonly roots: readonly number[];
  /** Port masks: bit `p % 32` of word `s * words + p / 32` says that switch `s` forwards to port `p`. */
  readonly masks: Uint32Array;
  readonly words: number;

  constructor(group: MulticastGroup, roots: readonly number[], masks: Uint32Array, words: number) {
    this.mlid = group.mlid;
    this.sl = group.sl ?? 0;
    this.roots = roots;
    this.masks = masks;
    this.words = words;
  }

  /** Whether switch `s` forwards this MLID to `port` (a packet never goes back out of the port it came in by). */
  has(s: number, port: number): boolean {
    return ((this.masks[s * this.words + (port >>> 5)]! >>> (port & 31)) & 1) === 1;
  }

  /** The ports of switch `s` in its forwarding table for this MLID, ascending. */
  ports(s: number): number[] {
    return Array.from({ length: this.words * 32 }, (_, port) => port).filter((port) => this.has(s, port));
  }
}

/** One tree a group. @throws ConfigError when an MLID is out of range or given twice, or a member does not exist. */
export function buildMulticastTrees(
  index: SubnetIndex,
  groups: readonly MulticastGroup[],
  rules: TreeRules = {},
): MulticastTree[] {
  const used = new Set<number>();
  return groups.map((group, i) => {
    const path = `multicast[${i}]`;
    if (!Number.isInteger(group.mlid) || group.mlid < BROADCAST_MLID || group.mlid > 0xfffe)
      throw subnetError(`${path}.mlid`, `0x${group.mlid.toString(16)} is not in 0xC000 … 0xFFFE`);
    if (used.has(group.mlid)) throw subnetError(`${path}.mlid`, `0x${group.mlid.toString(16)} is given twice`);
    used.add(group.mlid);
    const stranger = group.members.find((member) => !(member in index.adapterSwitch));
    if (stranger !== undefined) throw subnetError(`${path}.members`, `there is no adapter port ${stranger}`);
    return buildTree(index, group, rules);
  });
}

function buildTree(index: SubnetIndex, group: MulticastGroup, rules: TreeRules): MulticastTree {
  let ports = 1;
  for (let s = 0; s < index.switchCount; s++) ports = Math.max(ports, index.portBase[s + 1]! - index.portBase[s]!);
  const words = Math.ceil(ports / 32);
  const masks = new Uint32Array(index.switchCount * words);
  const set = (slot: number) => {
    const s = index.slotSwitch[slot]!;
    const port = slot - index.portBase[s]!;
    masks[s * words + (port >>> 5)]! |= 1 << (port & 31);
  };
  const roots: number[] = [];
  let waiting = group.members.filter((member) => index.adapterSwitch[member]! >= 0);
  while (waiting.length > 0) {
    const homes = [...new Set(waiting.map((member) => index.adapterSwitch[member]!))];
    const root = chooseRoot(index, homes, rules.roots) ?? chooseRoot(index, homes, undefined)!;
    const towardRoot = spanningTree(index, root, homes, rules);
    roots.push(root);
    waiting = waiting.filter((member) => {
      const home = index.adapterSwitch[member]!;
      if (home !== root && towardRoot[home] === -1) return true;
      set(index.adapterSlot[member]!);
      for (let s = home; s !== root; s = index.peerSwitch[towardRoot[s]!]!) {
        set(towardRoot[s]!);
        set(index.peerSlot[towardRoot[s]!]!);
      }
      return false;
    });
  }
  return new MulticastTree(group, roots, masks, words);
}

/** The candidate that reaches most of the switches `homes`, and among those the farthest one soonest; undefined if none reaches any. */
function chooseRoot(index: SubnetIndex, homes: readonly number[], allowed: readonly number[] | undefined): number | undefined {
  const { switches } = index.graph;
  const candidates = [...(allowed ?? switches.keys())].sort((a, b) => compareGuidsAsOpenSm(switches[a]!.guid, switches[b]!.guid));
  const farthest = new Int32Array(index.switchCount);
  const reached = new Int32Array(index.switchCount);
  const find = minHopFinder(index);
  const next = newNextHops(index);
  for (const home of homes) {
    find(home, next);
    for (const s of candidates) {
      if (next.hops[s] === UNREACHED) continue;
      reached[s]!++;
      farthest[s] = Math.max(farthest[s]!, next.hops[s]!);
    }
  }
  const better = (a: number, b: number) =>
    reached[a]! > reached[b]! || (reached[a] === reached[b] && farthest[a]! < farthest[b]!);
  const first = candidates.find((s) => reached[s]! > 0);
  return first === undefined ? undefined : candidates.reduce((best, s) => (better(s, best) ? s : best), first);
}

/** For each switch the slot toward the root; −1 at the root and where there is no way. */
function spanningTree(index: SubnetIndex, root: number, homes: readonly number[], rules: TreeRules): Int32Array {
  const part = connectedParts(index);
  const complete = (towardRoot: Int32Array) =>
    homes.every((home) => home === root || towardRoot[home] !== -1 || part[home] !== part[root]);
  if (rules.parent !== undefined) {
    const towardRoot = plannedTree(index, root, rules.parent);
    if (complete(towardRoot)) return towardRoot;
  }
  const towardRoot = new Int32Array(index.switchCount).fill(-1);
  growTree(index, root, towardRoot, rules.order);
  if (rules.order !== undefined && !complete(towardRoot)) growTree(index, root, towardRoot, undefined);
  return towardRoot;
}

/** Parents as the routing engine wants them; a switch whose way to the root is cut has none. */
function plannedTree(index: SubnetIndex, root: number, parent: (root: number, s: number) => number): Int32Array {
  const towardRoot = Int32Array.from({ length: index.switchCount }, (_, s) => (s === root ? -1 : parent(root, s)));
  const joined = new Uint8Array(index.switchCount);
  joined[root] = 1;
  for (let first = 0; first < index.switchCount; first++) {
    const way: number[] = [];
    let s = first;
    while (joined[s] === 0 && towardRoot[s] !== -1 && way.length <= index.switchCount) {
      way.push(s);
      s = index.peerSwitch[towardRoot[s]!]!;
    }
    for (const step of way) {
      if (joined[s] === 1) joined[step] = 1;
      else towardRoot[step] = -1;
    }
  }
  return towardRoot;
}

/** Grows the tree breadth first over the lowest ports; with `order`, downward only. */
function growTree(index: SubnetIndex, root: number, towardRoot: Int32Array, order: Int32Array | undefined): void {
  const inTree = [root];
  towardRoot.forEach((slot, s) => {
    if (slot !== -1) inTree.push(s);
  });
  for (let head = 0; head < inTree.length; head++) {
    const s = inTree[head]!;
    for (let slot = index.portBase[s]! + 1; slot < index.portBase[s + 1]!; slot++) {
      const peer = index.peerSwitch[slot]!;
      if (peer < 0 || peer === root || towardRoot[peer] !== -1) continue;
      if (order !== undefined && order[peer]! < order[s]!) continue;
      towardRoot[peer] = index.peerSlot[slot]!;
      inTree.push(peer);
    }
  }
}
