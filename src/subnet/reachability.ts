/**
 * Follows forwarding tables hop by hop: who is reached, over how many switches, and which LIDs run in circles or end nowhere.
 * It trusts no engine: it works on any tables.
 */
import { type ForwardingTables, NO_PORT } from './forwarding.ts';
import { connectedParts, type SubnetIndex } from './graph.ts';
import type { LidPlan } from './lids.ts';

/** `Traces.hops` where the packet is dropped. */
export const DROPPED = -1;
/** `Traces.hops` where the packet would circle for ever. */
export const LOOPS = -2;

/** Packets from adapters on `source` (a switch) to `lid` do not arrive. */
export interface UnreachablePair {
  readonly source: number;
  readonly lid: number;
  /** The adapter port that owns the LID. */
  readonly adapter: number;
  readonly why: 'no-path' | 'loop';
}

/** What `checkReachability` finds. */
export interface Reachability {
  /** Ordered pairs of different adapter ports that are attached to switches; LMC ranges count once, by the base LID. */
  readonly pairs: number;
  /** Number of pairs by switches on the path: `histogram[3]` pairs have three. */
  readonly histogram: readonly number[];
  /** Every pair of a switch with adapters and a LID in the same connected part of the fabric that fails. */
  readonly unreachable: readonly UnreachablePair[];
  /** Pairs of adapter ports that no cables connect; they are in `pairs`, too. */
  readonly apart: number;
}

/** Follows one LID from every switch. */
export class LidTracer {
  readonly #index: SubnetIndex;
  readonly #lids: LidPlan;
  readonly #tables: ForwardingTables;
  readonly #trail: Int32Array;
  /** Switches crossed from each switch to the owner of the LID traced last, itself included; `DROPPED` or `LOOPS`. */
  readonly hops: Int32Array;

  constructor(index: SubnetIndex, lids: LidPlan, tables: ForwardingTables) {
    this.#index = index;
    this.#lids = lids;
    this.#tables = tables;
    this.#trail = new Int32Array(index.switchCount);
    this.hops = new Int32Array(index.switchCount);
  }

  trace(lid: number): void {
    const unknown = -3;
    const open = -4;
    const { hops } = this;
    hops.fill(unknown);
    for (let first = 0; first < hops.length; first++) {
      let length = 0;
      let s = first;
      let behind = 0;
      for (;;) {
        const known = hops[s]!;
        if (known === open) behind = LOOPS;
        else if (known !== unknown) behind = known;
        if (known !== unknown) break;
        const next = this.#step(s, lid);
        hops[s] = open;
        this.#trail[length++] = s;
        if (next < 0) {
          behind = next === ARRIVED ? 0 : DROPPED;
          break;
        }
        s = next;
      }
      while (length > 0) {
        if (behind >= 0) behind++;
        hops[this.#trail[--length]!] = behind;
      }
    }
  }

  /** The next switch, `ARRIVED`, or `DROPPED`. */
  #step(s: number, lid: number): number {
    const port = this.#tables.ports[s * this.#tables.stride + lid]!;
    const owner = this.#lids.owners[lid]!;
    const base = this.#index.portBase[s]!;
    if (port === 0) return owner === this.#index.adapterCount + s ? ARRIVED : DROPPED;
    if (port === NO_PORT || base + port >= this.#index.portBase[s + 1]!) return DROPPED;
    const next = this.#index.peerSwitch[base + port]!;
    if (next >= 0) return next;
    return owner >= 0 && this.#index.peerAdapter[base + port] === owner ? ARRIVED : DROPPED;
  }
}

const ARRIVED = -5;

/** Follows every LID of every adapter port from every switch that has adapters. */
export function checkReachability(index: SubnetIndex, lids: LidPlan, tables: ForwardingTables): Reachability {
  const tracer = new LidTracer(index, lids, tables);
  const adapters = new Int32Array(index.switchCount);
  for (const s of index.adapterSwitch) if (s >= 0) adapters[s]!++;
  const histogram: number[] = [];
  const unreachable: UnreachablePair[] = [];
  const part = connectedParts(index);
  let pairs = 0;
  let apart = 0;
  for (let adapter = 0; adapter < index.adapterCount; adapter++) {
    const home = index.adapterSwitch[adapter]!;
    if (home < 0) continue;
    for (let offset = 0; offset < 1 << lids.lmc; offset++) {
      const lid = lids.adapterLids[adapter]! + offset;
      tracer.trace(lid);
      for (let source = 0; source < index.switchCount; source++) {
        const sources = adapters[source]! - (source === home ? 1 : 0);
        if (sources <= 0) continue;
        const hops = tracer.hops[source]!;
        if (offset === 0) pairs += sources;
        if (part[source] !== part[home]) {
          if (offset === 0) apart += sources;
        } else if (hops < 0) unreachable.push({ source, lid, adapter, why: hops === LOOPS ? 'loop' : 'no-path' });
        else if (offset === 0) histogram[hops] = (histogram[hops] ?? 0) + sources;
      }
    }
  }
  return { pairs, histogram: Array.from(histogram, (n) => n ?? 0), unreachable, apart };
}
