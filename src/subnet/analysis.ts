/**
 * How good a routing is, without simulating: the load that a traffic pattern puts on each link, and figures made from it.
 *
 * Effective bisection bandwidth (eBB; Hoefler, Schneider, Lumsdaine, "Multistage switches are not crossbars", Cluster 2008): random halves of the
 * hosts in random pairs, both directions at once; a flow gets 1 / (flows on its busiest link); eBB is the mean over flows and draws.
 */
import { assert, type RandomStream } from '../sim/index.ts';
import { type ForwardingTables, NO_PORT } from './forwarding.ts';
import type { SubnetIndex } from './graph.ts';
import type { LidPlan } from './lids.ts';

/** What the loads are computed from. */
export interface LoadInput {
  readonly index: SubnetIndex;
  readonly lids: LidPlan;
  readonly tables: ForwardingTables;
}

/** Counts flows on every switch output slot. The arrays are reused from pattern to pattern. */
export class LinkLoads {
  readonly #input: LoadInput;
  /** Flows that leave by each slot, those to hosts included. */
  readonly flows: Int32Array;
  readonly #path: Int32Array;

  constructor(input: LoadInput) {
    this.#input = input;
    this.flows = new Int32Array(input.index.peerSwitch.length);
    this.#path = new Int32Array(input.index.switchCount + 1);
  }

  clear(): void {
    this.flows.fill(0);
  }

  /** Adds a flow between two adapter ports. @throws InvariantError when there is no path. */
  add(from: number, to: number): void {
    const hops = this.#follow(from, to);
    for (let i = 0; i < hops; i++) this.flows[this.#path[i]!]!++;
  }

  /** The most flows on any link of a flow's path (the flow itself should have been added). */
  busiest(from: number, to: number): number {
    const hops = this.#follow(from, to);
    let most = 1;
    for (let i = 0; i < hops; i++) most = Math.max(most, this.flows[this.#path[i]!]!);
    return most;
  }

  #follow(from: number, to: number): number {
    const { index, lids, tables } = this.#input;
    const lid = lids.adapterLids[to]!;
    let hops = 0;
    for (let s = index.adapterSwitch[from]!; s >= 0; ) {
      const port = tables.ports[s * tables.stride + lid]!;
      assert(port !== NO_PORT && port !== 0 && hops < this.#path.length, () => `no path from adapter port ${from} to LID ${lid}`);
      const slot = index.portBase[s]! + port;
      this.#path[hops++] = slot;
      s = index.peerSwitch[slot]!;
    }
    return hops;
  }
}

/** For each shift 1 … n − 1 of `hosts` (host i sends to host i + shift), the most flows on one link. */
export function shiftLoads(input: LoadInput, hosts: ArrayLike<number>): Int32Array {
  const loads = new LinkLoads(input);
  const worst = new Int32Array(Math.max(0, hosts.length - 1));
  for (let shift = 1; shift < hosts.length; shift++) {
    loads.clear();
    for (let i = 0; i < hosts.length; i++) loads.add(hosts[i]!, hosts[(i + shift) % hosts.length]!);
    worst[shift - 1] = loads.flows.reduce((most, flows) => Math.max(most, flows), 0);
  }
  return worst;
}

/** eBB over `draws` random bisections, as a fraction of the link rate. With an odd number of hosts one stays silent. */
export function effectiveBisection(
  input: LoadInput,
  hosts: ArrayLike<number>,
  draws: number,
  random: RandomStream,
  directions: 1 | 2 = 2,
): number {
  const order = Array.from(hosts);
  const half = order.length >> 1;
  const loads = new LinkLoads(input);
  let sum = 0;
  for (let draw = 0; draw < draws; draw++) {
    random.shuffle(order);
    loads.clear();
    for (let i = 0; i < half; i++) {
      loads.add(order[i]!, order[half + i]!);
      if (directions === 2) loads.add(order[half + i]!, order[i]!);
    }
    for (let i = 0; i < half; i++) {
      sum += 1 / loads.busiest(order[i]!, order[half + i]!);
      if (directions === 2) sum += 1 / loads.busiest(order[half + i]!, order[i]!);
    }
  }
  return sum / (draws * half * directions);
}
