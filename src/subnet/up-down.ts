/**
 * Up*\/down* routing: the switches get a total order with the roots on top, and a path never goes up again after it went
 * down. So channel dependencies cannot form a cycle, on any graph, with one VL.
 *
 * Order as in OpenSM's updn: rank = hops to the nearest root; among equals the smaller GUID is above.
 * Forwarding is by destination alone, so a switch that sends downward toward a LID must have nobody turn upward behind it.
 * For each destination the search first takes the shortest way for each switch, and the downward one on a tie. If some
 * switch finds no legal way past the choices of its neighbours, the destination is searched again with "down wherever
 * that is possible", which reaches everybody who has a legal path at all. (OpenSM's search ignores this and can turn
 * from down to up on irregular graphs.)
 */
import { balanceLfts, type ForwardingTables, newNextHops, type NextHopFinder, type NextHops, UNREACHED } from './forwarding.ts';
import { connectedParts, type SubnetIndex, subnetError } from './graph.ts';
import type { LidPlan } from './lids.ts';
import { minHopFinder } from './min-hop.ts';

/**
 * Which switches are the roots: GUIDs; or `center`, the switch nearest to all hosts; or `found`: the switches of the top level, else those that
 * OpenSM's histogram rule finds, else the center. Each part of a fabric that is not connected finds its own.
 */
export type RootChoice = readonly bigint[] | 'found' | 'center';

/** Forwarding tables that never turn from down to up. @throws ConfigError when no root reaches a switch. */
export function routeUpDown(index: SubnetIndex, lids: LidPlan, roots: RootChoice = 'found'): ForwardingTables {
  return balanceLfts(index, lids, upDownFinder(index, upDownOrder(index, chooseRoots(index, roots))));
}

/** The switches to start from. @throws ConfigError when a GUID is no switch's. */
export function chooseRoots(index: SubnetIndex, choice: RootChoice): number[] {
  if (choice !== 'center' && choice !== 'found') return choice.map((guid) => switchByGuid(index, guid));
  const part = connectedParts(index);
  const firsts = [...part.keys()].filter((s) => part[s] === s);
  return firsts.flatMap((first) => {
    const members = [...part.keys()].filter((s) => part[s] === first);
    return choice === 'center' ? [surveyPart(index, members).center] : findRoots(index, members);
  });
}

function switchByGuid(index: SubnetIndex, guid: bigint): number {
  const s = index.graph.switches.findIndex((node) => node.guid === guid);
  if (s < 0) throw subnetError('routing.roots', `no switch has GUID 0x${guid.toString(16)}`);
  return s;
}

/** The roots of one connected part. */
function findRoots(index: SubnetIndex, members: readonly number[]): number[] {
  const levels = members.map((s) => index.graph.switches[s]!.level ?? -1);
  const top = levels.reduce((most, level) => Math.max(most, level), 0);
  if (top > 0 && !levels.includes(-1)) return members.filter((_, i) => levels[i] === top);
  const { spines, center } = surveyPart(index, members);
  return spines.length > 0 ? spines : [center];
}

/**
 * What distances to adapters tell about a part. Spines by OpenSM's rule: a switch that sees more than 90 % of the adapters at one distance, and
 * over 5 % at no other. The center: the least sum of distances, the first switch on a tie.
 */
function surveyPart(index: SubnetIndex, members: readonly number[]): { spines: number[]; center: number } {
  const adapters = new Int32Array(index.switchCount);
  for (const s of index.adapterSwitch) if (s >= 0) adapters[s]!++;
  const total = members.reduce((sum, s) => sum + adapters[s]!, 0);
  const find = minHopFinder(index);
  const next = newNextHops(index);
  const spines: number[] = [];
  let center = members[0]!;
  let least = Infinity;
  for (const s of members) {
    find(s, next);
    const histogram = new Map<number, number>();
    let sum = 0;
    for (const d of members) {
      const hops = next.hops[d]!;
      histogram.set(hops, (histogram.get(hops) ?? 0) + adapters[d]!);
      sum += hops * adapters[d]!;
    }
    const bars = [...histogram.values()];
    if (bars.filter((n) => n > 0.9 * total).length === 1 && bars.filter((n) => n > 0.05 * total).length === 1) spines.push(s);
    if (sum < least) {
      center = s;
      least = sum;
    }
  }
  return { spines, center };
}

/** Hops from each switch to the nearest root. @throws ConfigError when no root reaches a switch. */
export function rootRanks(index: SubnetIndex, roots: readonly number[]): Int32Array {
  const rank = new Int32Array(index.switchCount).fill(-1);
  const queue = [...roots];
  for (const root of roots) rank[root] = 0;
  for (let head = 0; head < queue.length; head++) {
    const s = queue[head]!;
    for (let slot = index.portBase[s]! + 1; slot < index.portBase[s + 1]!; slot++) {
      const peer = index.peerSwitch[slot]!;
      if (peer < 0 || rank[peer] !== -1) continue;
      rank[peer] = rank[s]! + 1;
      queue.push(peer);
    }
  }
  const lost = rank.indexOf(-1);
  if (lost >= 0) throw subnetError('routing.roots', `no root switch is connected to switch ${index.graph.switches[lost]!.name}`);
  return rank;
}

/** The place of each switch in the total order, 0 = top. @throws ConfigError when no root reaches a switch. */
export function upDownOrder(index: SubnetIndex, roots: readonly number[]): Int32Array {
  const rank = rootRanks(index, roots);
  const { switches } = index.graph;
  const order = switches.map((_, s) => s);
  order.sort((a, b) => rank[a]! - rank[b]! || (switches[a]!.guid < switches[b]!.guid ? -1 : 1));
  const place = new Int32Array(index.switchCount);
  order.forEach((s, i) => {
    place[s] = i;
  });
  return place;
}

/** Finds the ports on shortest legal paths; `place` is the total order, 0 = top. */
export function upDownFinder(index: SubnetIndex, place: Int32Array): NextHopFinder {
  const search = new UpDownSearch(index, place);
  return (destination, out) => {
    if (!search.shortest(destination, out.hops)) search.downFirst(destination, out.hops);
    search.collect(destination, out);
  };
}

class UpDownSearch {
  readonly #index: SubnetIndex;
  readonly #place: Int32Array;
  /** 1 where the switch sends downward, all the way to the destination. */
  readonly #descends: Uint8Array;
  readonly #queue: Int32Array;
  /** Switches in the connected part of each switch. */
  readonly #partSize: Int32Array;

  constructor(index: SubnetIndex, place: Int32Array) {
    this.#index = index;
    this.#place = place;
    this.#descends = new Uint8Array(index.switchCount);
    this.#queue = new Int32Array(index.switchCount);
    const part = connectedParts(index);
    const sizes = new Int32Array(index.switchCount);
    for (const first of part) sizes[first]!++;
    this.#partSize = part.map((first) => sizes[first]!);
  }

  /** Breadth first from the destination, against the direction of travel. False if a switch is left without a way. */
  shortest(destination: number, hops: Uint16Array): boolean {
    const { portBase, peerSwitch } = this.#index;
    const descends = this.#descends;
    const queue = this.#queue;
    this.#begin(destination, hops);
    let tail = 1;
    for (let head = 0; head < tail; head++) {
      const u = queue[head]!;
      const reach = hops[u]! + 1;
      for (let slot = portBase[u]! + 1; slot < portBase[u + 1]!; slot++) {
        const r = peerSwitch[slot]!;
        if (r < 0 || r === u || hops[r]! < reach) continue;
        const goesDown = this.#place[r]! < this.#place[u]!;
        if (goesDown && descends[u] === 0) continue;
        if (hops[r] === UNREACHED) {
          hops[r] = reach;
          queue[tail++] = r;
        }
        if (goesDown) descends[r] = 1;
      }
    }
    return tail === this.#partSize[destination];
  }

  /** Every switch above the destination goes straight down; the others go up by the shortest way to one of those. */
  downFirst(destination: number, hops: Uint16Array): void {
    this.#begin(destination, hops);
    const rows: number[][] = [[destination]];
    this.#grow(rows, hops, true);
    this.#grow(rows, hops, false);
  }

  #begin(destination: number, hops: Uint16Array): void {
    hops.fill(UNREACHED);
    this.#descends.fill(0);
    hops[destination] = 0;
    this.#descends[destination] = 1;
    this.#queue[0] = destination;
  }

  /** Extends the rows of switches at each distance by steps of one kind: r → u downward, or r → u upward. */
  #grow(rows: number[][], hops: Uint16Array, downward: boolean): void {
    const { portBase, peerSwitch } = this.#index;
    for (let distance = 0; distance < rows.length; distance++) {
      for (const u of rows[distance] ?? []) {
        for (let slot = portBase[u]! + 1; slot < portBase[u + 1]!; slot++) {
          const r = peerSwitch[slot]!;
          if (r < 0 || r === u || hops[r] !== UNREACHED || this.#place[r]! < this.#place[u]! !== downward) continue;
          hops[r] = distance + 1;
          if (downward) this.#descends[r] = 1;
          rows[distance + 1] ??= [];
          rows[distance + 1]!.push(r);
        }
      }
    }
  }

  /** The ports that follow the chosen distances and directions. */
  collect(destination: number, out: NextHops): void {
    const { portBase, peerSwitch, switchCount } = this.#index;
    const place = this.#place;
    const descends = this.#descends;
    for (let s = 0; s < switchCount; s++) {
      const base = portBase[s]!;
      let n = 0;
      if (s !== destination && out.hops[s] !== UNREACHED) {
        for (let slot = base + 1; slot < portBase[s + 1]!; slot++) {
          const r = peerSwitch[slot]!;
          if (r < 0 || out.hops[r] !== out.hops[s]! - 1) continue;
          const down = place[r]! > place[s]!;
          if (descends[s] === 1 ? down && descends[r] === 1 : !down) out.ports[base + n++] = slot - base;
        }
      }
      out.count[s] = n;
    }
  }
}
