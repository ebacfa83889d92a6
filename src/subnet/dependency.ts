/**
 * Deadlock check: the channel dependency graph (Dally and Seitz). A channel is a VL of a link between two switches; it depends
 * on the next channel of every path that goes over both. A lossless network can deadlock only if these dependencies
 * close a cycle. Links from and to adapters are no part of any cycle: an adapter consumes what it gets.
 *
 * Only paths that adapters can use count: for each LID and SL the tables are followed from every switch with adapters.
 * Multicast trees count too, if given: a switch forwards from each tree port to all others.
 */
import { ConfigError } from '../sim/index.ts';
import { type ForwardingTables, NO_PORT } from './forwarding.ts';
import { describeSlot, type SubnetIndex } from './graph.ts';
import type { LidPlan } from './lids.ts';
import type { MulticastTree } from './multicast.ts';

/** What the check looks at. */
export interface DependencyInput {
  readonly index: SubnetIndex;
  readonly lids: LidPlan;
  readonly tables: ForwardingTables;
  /** VL for each output slot and SL, at `slot * 16 + sl`; VL 0 everywhere when absent. VL 15 = dropped there. */
  readonly vls?: Uint8Array;
  /** SL from switch `a` to switch `b` at `a * switchCount + b`; when absent, every path may use every SL of `sls`. */
  readonly pathSls?: Uint8Array;
  /** SLs that traffic uses; default `[0]`. Without effect where `pathSls` is given. */
  readonly sls?: readonly number[];
  readonly multicast?: readonly MulticastTree[];
}

/** A VL of a link between two switches, named by the slot that sends on it. */
export interface Channel {
  readonly slot: number;
  readonly vl: number;
}

/** Channels each of which waits for the next, the last for the first. */
export interface DependencyCycle {
  readonly channels: readonly Channel[];
}

/** A cycle of channel dependencies, short rather than long, or undefined if there is none. */
export function findDependencyCycle(input: DependencyInput): DependencyCycle | undefined {
  const graph = new DependencyGraph(input);
  collectUnicast(input, graph);
  for (const tree of input.multicast ?? []) collectMulticast(input, tree, graph);
  const nodes = graph.findCycle();
  return nodes === undefined ? undefined : { channels: nodes.map((node) => graph.channel(node)) };
}

/** The cycle, a channel a line: `leaf1[3] -> spine2[1] VL0`. */
export function describeCycle(index: SubnetIndex, cycle: DependencyCycle): string {
  return cycle.channels
    .map(({ slot, vl }) => `${describeSlot(index, slot)} -> ${describeSlot(index, index.peerSlot[slot]!)} VL${vl}`)
    .join('\n');
}

/** @throws ConfigError with the whole cycle, if there is one. */
export function assertDeadlockFree(input: DependencyInput): void {
  const cycle = findDependencyCycle(input);
  if (cycle === undefined) return;
  const text = describeCycle(input.index, cycle).replaceAll('\n', '\n  ');
  const message = `this routing can deadlock: ${cycle.channels.length} channels wait for each other in a cycle\n  ${text}`;
  throw new ConfigError([{ file: '', path: 'routing', message }]);
}

/** Nodes are channels, `slot * vlCount + vl`; edges are bits, one row of (port, VL) bits of the next switch a node. */
class DependencyGraph {
  readonly #index: SubnetIndex;
  readonly #vls: Uint8Array | undefined;
  readonly #vlCount: number;
  readonly #words: number;
  readonly #edges: Uint32Array;

  constructor(input: DependencyInput) {
    this.#index = input.index;
    this.#vls = input.vls;
    this.#vlCount = input.vls === undefined ? 1 : input.vls.reduce((most, vl) => (vl === 15 ? most : Math.max(most, vl)), 0) + 1;
    let ports = 0;
    for (let s = 0; s < input.index.switchCount; s++)
      ports = Math.max(ports, input.index.portBase[s + 1]! - input.index.portBase[s]!);
    this.#words = Math.ceil((ports * this.#vlCount) / 32);
    this.#edges = new Uint32Array(input.index.peerSwitch.length * this.#vlCount * this.#words);
  }

  channel(node: number): Channel {
    return { slot: Math.floor(node / this.#vlCount), vl: node % this.#vlCount };
  }

  /** A packet of service level `sl` comes over `inSlot` (of the switch before) and leaves by `outSlot`. */
  add(inSlot: number, outSlot: number, sl: number): void {
    const vlIn = this.#vls === undefined ? 0 : this.#vls[inSlot * 16 + sl]!;
    const vlOut = this.#vls === undefined ? 0 : this.#vls[outSlot * 16 + sl]!;
    if (vlIn === 15 || vlOut === 15 || this.#index.peerSwitch[outSlot]! < 0) return;
    const port = outSlot - this.#index.portBase[this.#index.slotSwitch[outSlot]!]!;
    const bit = port * this.#vlCount + vlOut;
    this.#edges[(inSlot * this.#vlCount + vlIn) * this.#words + (bit >>> 5)]! |= 1 << (bit & 31);
  }

  /** The first successor of `node` whose bit is at or behind `from`, as a bit number; −1 = none. */
  #nextBit(node: number, from: number): number {
    const row = node * this.#words;
    for (let word = from >>> 5; word < this.#words; word++) {
      let bits = this.#edges[row + word]!;
      if (word === from >>> 5) bits &= -1 << (from & 31);
      if (bits !== 0) return word * 32 + 31 - Math.clz32(bits & -bits);
    }
    return -1;
  }

  #target(node: number, bit: number): number {
    const slot = Math.floor(node / this.#vlCount);
    return this.#index.portBase[this.#index.peerSwitch[slot]!]! * this.#vlCount + bit;
  }

  /** Depth first; from the first edge that closes a cycle, the shortest way back along dependencies. */
  findCycle(): number[] | undefined {
    const nodes = this.#index.peerSwitch.length * this.#vlCount;
    const state = new Uint8Array(nodes);
    const stack = new Int32Array(nodes);
    const position = new Int32Array(nodes);
    for (let first = 0; first < nodes; first++) {
      if (state[first] !== 0) continue;
      let depth = 0;
      stack[0] = first;
      state[first] = 1;
      while (depth >= 0) {
        const node = stack[depth]!;
        const bit = this.#nextBit(node, position[node]!);
        if (bit < 0) {
          state[node] = 2;
          depth--;
          continue;
        }
        position[node] = bit + 1;
        const target = this.#target(node, bit);
        if (state[target] === 1) return this.#shortestWay(target, node);
        if (state[target] === 2) continue;
        state[target] = 1;
        stack[++depth] = target;
      }
    }
    return undefined;
  }

  #shortestWay(from: number, to: number): number[] {
    const before = new Map<number, number>([[from, -1]]);
    const queue = [from];
    for (let head = 0; head < queue.length && !before.has(to); head++) {
      const node = queue[head]!;
      for (let bit = this.#nextBit(node, 0); bit >= 0; bit = this.#nextBit(node, bit + 1)) {
        const target = this.#target(node, bit);
        if (before.has(target)) continue;
        before.set(target, node);
        queue.push(target);
      }
    }
    const way: number[] = [];
    for (let node = to; node !== -1; node = before.get(node)!) way.push(node);
    return way.reverse();
  }
}

function collectUnicast(input: DependencyInput, graph: DependencyGraph): void {
  const { index, lids, pathSls } = input;
  const sources = [...new Set(index.adapterSwitch)].filter((s) => s >= 0).sort((a, b) => a - b);
  const seen = new Int32Array(index.switchCount);
  let stamp = 0;
  for (let adapter = 0; adapter < index.adapterCount; adapter++) {
    const home = index.adapterSwitch[adapter]!;
    if (home < 0) continue;
    const bySl = new Map<number, number[]>();
    if (pathSls === undefined) for (const sl of input.sls ?? [0]) bySl.set(sl, sources);
    else {
      for (const s of sources) {
        const sl = pathSls[s * index.switchCount + home]!;
        const list = bySl.get(sl);
        if (list === undefined) bySl.set(sl, [s]);
        else list.push(s);
      }
    }
    for (let offset = 0; offset < 1 << lids.lmc; offset++) {
      for (const [sl, from] of bySl) followLid(input, graph, lids.adapterLids[adapter]! + offset, sl, from, seen, ++stamp);
    }
  }
}

/** Follows one LID from each source until it meets the way of a source before it. */
function followLid(
  input: DependencyInput,
  graph: DependencyGraph,
  lid: number,
  sl: number,
  sources: readonly number[],
  seen: Int32Array,
  stamp: number,
): void {
  const { portBase, peerSwitch } = input.index;
  const { stride, ports } = input.tables;
  for (const source of sources) {
    let before = -1;
    for (let s = source; s >= 0; ) {
      const port = ports[s * stride + lid]!;
      const slot = portBase[s]! + port;
      if (port === NO_PORT || port === 0 || slot >= portBase[s + 1]!) break;
      if (before >= 0) graph.add(before, slot, sl);
      if (seen[s] === stamp) break;
      seen[s] = stamp;
      before = slot;
      s = peerSwitch[slot]!;
    }
  }
}

function collectMulticast(input: DependencyInput, tree: MulticastTree, graph: DependencyGraph): void {
  const { index } = input;
  for (let s = 0; s < index.switchCount; s++) {
    for (let inSlot = index.portBase[s]! + 1; inSlot < index.portBase[s + 1]!; inSlot++) {
      if (index.peerSwitch[inSlot]! < 0 || !tree.has(s, inSlot - index.portBase[s]!)) continue;
      for (let outSlot = index.portBase[s]! + 1; outSlot < index.portBase[s + 1]!; outSlot++) {
        if (outSlot !== inSlot && tree.has(s, outSlot - index.portBase[s]!)) graph.add(index.peerSlot[inSlot]!, outSlot, tree.sl);
      }
    }
  }
}
