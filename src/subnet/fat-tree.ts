/**
 * Fat-tree routing, d-mod-k: on the way up, a packet to host number n leaves a switch of level l by the uplink
 * ⌊n / (k₀ k₁ … k₍l₋₁₎)⌋ mod k_l, k_j being the uplinks of a switch of level j; on the way down there is one way (or one
 * bundle of parallel links, chosen by the same digit). Then each downward link carries the packets to as few hosts as can be,
 * and on a full tree every shift permutation runs without two flows on one link (Zahavi, "Fat-trees routing and node
 * ordering providing contention free traffic for MPI global collectives").
 *
 * Trees of any number of levels, tapered, with empty host ports, and with cables missing: a switch chooses among the
 * uplinks that lead to the destination by a shortest path. (With empty ports, shifts stay free of contention if the number of
 * hosts is a multiple of the number of roots; else two flows can meet where the shift wraps round.) Hosts are numbered densely, leaf by leaf, pod by pod; uplinks are
 * ordered by the roots they lead to, so that the numbering of middle switches in a discovered fabric does not matter.
 */
import { type ForwardingTables, newNextHops, newTables, type NextHops, UNREACHED } from './forwarding.ts';
import { describeSlot, type SubnetIndex, subnetError } from './graph.ts';
import type { LidPlan } from './lids.ts';
import { rootRanks } from './up-down.ts';

/** What the graph is as a tree. */
export interface TreeShape {
  /** Level of each switch, 0 at the leaves. */
  readonly levels: Int32Array;
  /** Number of levels. */
  readonly levelCount: number;
  /** Uplink slots of each switch, in the order of the roots they lead to. */
  readonly upSlots: readonly Int32Array[];
  /** Adapter ports in host order: leaf by leaf, pod by pod. Ports on no switch are absent. */
  readonly hostOrder: Int32Array;
  /** For each level the product of the uplinks of a switch of the levels below. */
  readonly dividers: Float64Array;
}

/**
 * Forwarding tables by d-mod-k. With LMC > 0 the LID at offset i is routed like host n + i, so that the LIDs of one port use
 * different roots and each offset for itself keeps shift permutations free of contention.
 * @throws ConfigError when a link joins switches that are not one level apart.
 */
export function routeFatTree(index: SubnetIndex, lids: LidPlan, shape: TreeShape = treeShape(index)): ForwardingTables {
  const tables = newTables(index, lids);
  const router = new TreeRouter(index, shape);
  const numbers = new Int32Array(index.adapterCount);
  shape.hostOrder.forEach((adapter, n) => {
    numbers[adapter] = n;
  });
  for (let d = 0; d < index.switchCount; d++) {
    router.aim(d);
    router.place(tables, lids.switchLids[d]!, d);
    tables.ports[d * tables.stride + lids.switchLids[d]!] = 0;
    for (let slot = index.portBase[d]! + 1; slot < index.portBase[d + 1]!; slot++) {
      const adapter = index.peerAdapter[slot]!;
      if (adapter < 0) continue;
      for (let offset = 0; offset < 1 << lids.lmc; offset++) {
        const lid = lids.adapterLids[adapter]! + offset;
        router.place(tables, lid, numbers[adapter]! + offset);
        tables.ports[d * tables.stride + lid] = slot - index.portBase[d]!;
      }
    }
  }
  return tables;
}

/**
 * Levels, uplinks and host order. Levels come from the distance to the nearest of `roots` if they are given, else from the graph if every
 * switch tells its own, else from the distance to the nearest switch with an adapter.
 * @throws ConfigError naming the link that does not fit a tree.
 */
export function treeShape(index: SubnetIndex, roots?: readonly number[]): TreeShape {
  const levels = roots === undefined ? switchLevels(index) : levelsBelow(rootRanks(index, roots));
  const levelCount = levels.reduce((most, level) => Math.max(most, level), -1) + 1;
  index.peerSwitch.forEach((peer, slot) => {
    const own = index.slotSwitch[slot]!;
    if (peer < 0 || peer === own || Math.abs(levels[peer]! - levels[own]!) === 1) return;
    const ends = `${describeSlot(index, slot)} (level ${levels[own]}) and ${describeSlot(index, index.peerSlot[slot]!)} (level ${levels[peer]})`;
    throw subnetError('routing.engine', `fat-tree: the link between ${ends} does not join neighbouring levels`);
  });
  const upSlots = orderedUplinks(index, levels, levelCount);
  const dividers = new Float64Array(levelCount + 1).fill(1);
  for (let level = 0; level < levelCount; level++) {
    const widest = upSlots.reduce((most, slots, s) => (levels[s] === level ? Math.max(most, slots.length) : most), 1);
    dividers[level + 1] = dividers[level]! * widest;
  }
  return { levels, levelCount, upSlots, hostOrder: hostOrder(index, levels, levelCount), dividers };
}

function levelsBelow(ranks: Int32Array): Int32Array {
  const deepest = ranks.reduce((most, rank) => Math.max(most, rank), 0);
  return ranks.map((rank) => deepest - rank);
}

function switchLevels(index: SubnetIndex): Int32Array {
  const { switches } = index.graph;
  if (switches.every((node) => node.level !== undefined)) return Int32Array.from(switches, (node) => node.level!);
  const levels = new Int32Array(index.switchCount).fill(-1);
  const queue = [...new Set(index.adapterSwitch)].filter((s) => s >= 0);
  for (const s of queue) levels[s] = 0;
  for (let head = 0; head < queue.length; head++) {
    const s = queue[head]!;
    for (let slot = index.portBase[s]! + 1; slot < index.portBase[s + 1]!; slot++) {
      const peer = index.peerSwitch[slot]!;
      if (peer < 0 || levels[peer] !== -1) continue;
      levels[peer] = levels[s]! + 1;
      queue.push(peer);
    }
  }
  const lost = levels.indexOf(-1);
  if (lost >= 0) throw subnetError('routing.engine', `fat-tree: switch ${switches[lost]!.name} is connected to no host`);
  return levels;
}

/** Uplinks sorted by the lowest root that the switch at the other end leads to, then by switch and port. */
function orderedUplinks(index: SubnetIndex, levels: Int32Array, levelCount: number): Int32Array[] {
  const upSlots: Int32Array[] = new Array(index.switchCount);
  const lowestRoot = new Int32Array(index.switchCount);
  for (let level = levelCount - 1; level >= 0; level--) {
    for (let s = 0; s < index.switchCount; s++) {
      if (levels[s] !== level) continue;
      const slots: number[] = [];
      for (let slot = index.portBase[s]! + 1; slot < index.portBase[s + 1]!; slot++) {
        if (index.peerSwitch[slot]! >= 0 && levels[index.peerSwitch[slot]!] === level + 1) slots.push(slot);
      }
      const peer = index.peerSwitch;
      slots.sort(
        (a, b) => lowestRoot[peer[a]!]! - lowestRoot[peer[b]!]! || peer[a]! - peer[b]! || index.peerSlot[a]! - index.peerSlot[b]!,
      );
      upSlots[s] = Int32Array.from(slots);
      lowestRoot[s] = slots.length === 0 ? s : lowestRoot[peer[slots[0]!]!]!;
    }
  }
  return upSlots;
}

/** Hosts by pod of the highest level, then of the next, …, then by switch and port: subtrees get consecutive numbers. */
function hostOrder(index: SubnetIndex, levels: Int32Array, levelCount: number): Int32Array {
  const pods: Int32Array[] = [];
  for (let level = levelCount - 2; level >= 1; level--) pods.push(podsBelow(index, levels, level));
  const order = index.graph.switches.map((_, s) => s);
  order.sort((a, b) => {
    for (const pod of pods) if (pod[a] !== pod[b]) return pod[a]! - pod[b]!;
    return a - b;
  });
  const hosts: number[] = [];
  for (const s of order) {
    for (let slot = index.portBase[s]! + 1; slot < index.portBase[s + 1]!; slot++) {
      if (index.peerAdapter[slot]! >= 0) hosts.push(index.peerAdapter[slot]!);
    }
  }
  return Int32Array.from(hosts);
}

/** For each switch the lowest switch it is connected with through levels up to `top` alone; itself above that. */
function podsBelow(index: SubnetIndex, levels: Int32Array, top: number): Int32Array {
  const pod = new Int32Array(index.switchCount).fill(-1);
  for (let first = 0; first < index.switchCount; first++) {
    if (pod[first] !== -1) continue;
    pod[first] = first;
    if (levels[first]! > top) continue;
    const stack = [first];
    for (let s = stack.pop(); s !== undefined; s = stack.pop()) {
      for (let slot = index.portBase[s]! + 1; slot < index.portBase[s + 1]!; slot++) {
        const peer = index.peerSwitch[slot]!;
        if (peer < 0 || pod[peer] !== -1 || levels[peer]! > top) continue;
        pod[peer] = first;
        stack.push(peer);
      }
    }
  }
  return pod;
}

/** Ports toward one destination switch, and the choice among them by host number. */
class TreeRouter {
  readonly #index: SubnetIndex;
  readonly #shape: TreeShape;
  readonly #next: NextHops;
  /** 1 where the switch is above the destination: its candidates go down. */
  readonly #above: Uint8Array;
  readonly #byLevel: readonly Int32Array[];
  readonly #digits: Float64Array;

  constructor(index: SubnetIndex, shape: TreeShape) {
    this.#index = index;
    this.#shape = shape;
    this.#next = newNextHops(index);
    this.#above = new Uint8Array(index.switchCount);
    this.#digits = new Float64Array(shape.levelCount + 1);
    this.#byLevel = Array.from({ length: shape.levelCount }, (_, level) =>
      Int32Array.from(index.graph.switches.flatMap((_node, s) => (shape.levels[s] === level ? [s] : []))),
    );
  }

  /** Finds, for every switch, the ports that lead to `destination` by the shortest way up, then down. */
  aim(destination: number): void {
    const { hops, count } = this.#next;
    hops.fill(UNREACHED);
    count.fill(0);
    this.#above.fill(0);
    hops[destination] = 0;
    let frontier = [destination];
    while (frontier.length > 0) frontier = this.#climb(frontier);
    for (let level = this.#shape.levelCount - 2; level >= 0; level--) {
      for (const s of this.#byLevel[level]!) if (s !== destination && this.#above[s] === 0) this.#chooseUp(s);
    }
  }

  /** From switches that lead down to the destination to those above them; returns the latter. */
  #climb(frontier: readonly number[]): number[] {
    const { hops, count, ports, start } = this.#next;
    const found: number[] = [];
    for (const s of frontier) {
      for (const slot of this.#shape.upSlots[s]!) {
        const peer = this.#index.peerSwitch[slot]!;
        if (hops[peer] === UNREACHED) {
          hops[peer] = hops[s]! + 1;
          this.#above[peer] = 1;
          found.push(peer);
        }
        ports[start[peer]! + count[peer]!++] = this.#index.peerSlot[slot]! - this.#index.portBase[peer]!;
      }
    }
    return found;
  }

  #chooseUp(s: number): void {
    const { hops, count, ports, start } = this.#next;
    const upSlots = this.#shape.upSlots[s]!;
    let least = UNREACHED;
    for (const slot of upSlots) least = Math.min(least, hops[this.#index.peerSwitch[slot]!]!);
    if (least === UNREACHED) return;
    hops[s] = least + 1;
    for (const slot of upSlots) {
      if (hops[this.#index.peerSwitch[slot]!] === least) ports[start[s]! + count[s]!++] = slot - start[s]!;
    }
  }

  /** Writes one LID at every switch but the destination, by the digits of host number `n`. */
  place(tables: ForwardingTables, lid: number, n: number): void {
    const { count, ports, start } = this.#next;
    const { levels, dividers, upSlots } = this.#shape;
    const digits = this.#digits;
    for (let level = 0; level < digits.length; level++) digits[level] = Math.floor(n / dividers[level]!);
    for (let s = 0; s < levels.length; s++) {
      const choices = count[s]!;
      if (choices === 0) continue;
      let pick = 0;
      if (choices > 1 && this.#above[s] === 0) pick = digits[levels[s]!]! % choices;
      else if (choices > 1) {
        const below = this.#index.peerSwitch[start[s]! + ports[start[s]!]!]!;
        pick = (digits[levels[below]!]! % upSlots[below]!.length) % choices;
      }
      tables.ports[s * tables.stride + lid] = ports[start[s]! + pick]!;
    }
  }
}
