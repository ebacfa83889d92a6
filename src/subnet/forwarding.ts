/**
 * Linear forwarding tables and what every routing engine fills them from: for one destination switch, the ports of every
 * switch that lead to it (`NextHops`). `balanceLfts` then picks one port for each LID, as OpenSM's unicast manager does.
 *
 * The rules were read in OpenSM 3.3's osm_ucast_mgr.c and osm_switch.c (osm_switch_recommend_path), so that the same
 * graph with the same LIDs and GUIDs gets the same tables:
 * - Destinations are taken switch by switch, the switches with most adapters first (ties in the order of OpenSM's GUID
 *   map), each switch's adapters in port order; LIDs of switches come last.
 * - A port is a candidate if it lies on a shortest path; the candidate with the fewest LIDs of adapters on it wins, the
 *   lowest port number on a tie. LIDs of switches are not counted.
 * - With LMC > 0 the first LIDs of all ports are placed, then all second LIDs and so on. The search starts behind the
 *   port of the LID before, and prefers a neighbour in a system, then a node, that no other LID of that port uses yet.
 */
import type { SubnetIndex } from './graph.ts';
import { compareGuidsAsOpenSm, type LidPlan } from './lids.ts';

/** "No port": packets for that LID are dropped. */
export const NO_PORT = 0xff;

/** The forwarding tables of all switches, in one block: switch `s`, LID `l` is at `s * stride + l`. */
export interface ForwardingTables {
  /** Entries for each switch: `maxLid + 1`. */
  readonly stride: number;
  /** Port numbers; 0 = the switch itself, `NO_PORT` = none. */
  readonly ports: Uint8Array;
}

/** The ports that lead from every switch to one destination switch. */
export interface NextHops {
  /** Where a switch's candidates begin in `ports`: its slot base, so that all of its ports would fit. */
  readonly start: Int32Array;
  /** Number of candidates of each switch; 0 at the destination and where there is no way. */
  readonly count: Int32Array;
  /** Port numbers, ascending. */
  readonly ports: Uint8Array;
  /** Hops to the destination switch; 0xffff = no way. */
  readonly hops: Uint16Array;
}

/** Fills `out` for one destination switch. What it leaves alone is stale: it must write every switch's count and hops. */
export type NextHopFinder = (destination: number, out: NextHops) => void;

/** The distance that means "no way". */
export const UNREACHED = 0xffff;

export function newNextHops(index: SubnetIndex): NextHops {
  return {
    start: index.portBase.slice(0, index.switchCount),
    count: new Int32Array(index.switchCount),
    ports: new Uint8Array(index.peerSwitch.length),
    hops: new Uint16Array(index.switchCount),
  };
}

export function newTables(index: SubnetIndex, lids: LidPlan): ForwardingTables {
  const stride = lids.maxLid + 1;
  return { stride, ports: new Uint8Array(index.switchCount * stride).fill(NO_PORT) };
}

/** Switches in the order in which OpenSM takes destinations: by number of adapters, then by GUID map order. */
export function destinationOrder(index: SubnetIndex): number[] {
  const adapters = new Int32Array(index.switchCount);
  for (const s of index.adapterSwitch) if (s >= 0) adapters[s]!++;
  const { switches } = index.graph;
  return switches
    .map((_, s) => s)
    .sort((a, b) => adapters[b]! - adapters[a]! || compareGuidsAsOpenSm(switches[a]!.guid, switches[b]!.guid));
}

/** Turns next hops into forwarding tables, with every port's share of LIDs as even as the local rule can make it. */
export function balanceLfts(index: SubnetIndex, lids: LidPlan, find: NextHopFinder): ForwardingTables {
  const tables = newTables(index, lids);
  const next = newNextHops(index);
  const load = new Int32Array(index.peerSwitch.length);
  const spreader = lids.lmc > 0 ? new LmcSpreader(index) : undefined;
  const order = destinationOrder(index);
  for (let offset = 0; offset < 1 << lids.lmc; offset++) {
    for (const d of order) {
      let found = false;
      for (let slot = index.portBase[d]!; slot < index.portBase[d + 1]!; slot++) {
        const adapter = index.peerAdapter[slot]!;
        if (adapter < 0) continue;
        if (!found) find(d, next);
        found = true;
        const lid = lids.adapterLids[adapter]! + offset;
        if (spreader === undefined) placeLid(tables, next, load, lid);
        else spreader.place(tables, next, load, adapter, lid, offset);
        tables.ports[d * tables.stride + lid] = slot - index.portBase[d]!;
        load[slot]!++;
      }
    }
    if (offset === 0) placeSwitchLids(index, lids, find, tables, next, load, spreader);
  }
  return tables;
}

/** One adapter LID at every switch but its own: the least loaded candidate, the lowest port first. */
function placeLid(tables: ForwardingTables, next: NextHops, load: Int32Array, lid: number): void {
  const { stride, ports } = tables;
  const { start, count, ports: candidates } = next;
  for (let s = 0; s < start.length; s++) {
    const n = count[s]!;
    if (n === 0) continue;
    const base = start[s]!;
    let best = candidates[base]!;
    let least = load[base + best]!;
    for (let i = base + 1; i < base + n; i++) {
      const port = candidates[i]!;
      const used = load[base + port]!;
      if (used < least) {
        least = used;
        best = port;
      }
    }
    ports[s * stride + lid] = best;
    load[base + best] = least + 1;
  }
}

function placeSwitchLids(
  index: SubnetIndex,
  lids: LidPlan,
  find: NextHopFinder,
  tables: ForwardingTables,
  next: NextHops,
  load: Int32Array,
  spreader: LmcSpreader | undefined,
): void {
  for (let d = 0; d < index.switchCount; d++) {
    find(d, next);
    const lid = lids.switchLids[d]!;
    for (let s = 0; s < index.switchCount; s++) {
      if (next.count[s] === 0) continue;
      const base = next.start[s]!;
      const port = spreader === undefined ? leastLoaded(next, load, s) : spreader.choose(next, load, s, undefined, 1);
      tables.ports[s * tables.stride + lid] = port;
      assertPort(index, base, port);
    }
    tables.ports[d * tables.stride + lid] = 0;
  }
}

function leastLoaded(next: NextHops, load: Int32Array, s: number): number {
  const base = next.start[s]!;
  let best = next.ports[base]!;
  for (let i = base + 1; i < base + next.count[s]!; i++) {
    if (load[base + next.ports[i]!]! < load[base + best]!) best = next.ports[i]!;
  }
  return best;
}

function assertPort(index: SubnetIndex, base: number, port: number): void {
  if (index.peerSwitch[base + port] === -1) throw new RangeError(`next hop over slot ${base + port}, which leads to no switch`);
}

/** A neighbour that LIDs of one adapter port already go through, seen from one switch. */
interface UsedNeighbour {
  readonly node: number;
  lids: number;
}

/** The choice for LMC > 0: LIDs of one port should pass different systems, or at least different nodes. */
class LmcSpreader {
  readonly #index: SubnetIndex;
  readonly #systems: bigint[];
  /** By switch × adapter port: the neighbours used so far. */
  readonly #used: (UsedNeighbour[] | undefined)[];

  constructor(index: SubnetIndex) {
    this.#index = index;
    this.#systems = index.graph.switches.map((node) => node.systemGuid ?? node.guid);
    this.#used = new Array(index.switchCount * index.adapterCount);
  }

  place(tables: ForwardingTables, next: NextHops, load: Int32Array, adapter: number, lid: number, offset: number): void {
    for (let s = 0; s < this.#index.switchCount; s++) {
      if (next.count[s] === 0) continue;
      const key = s * this.#index.adapterCount + adapter;
      this.#used[key] ??= [];
      const used = this.#used[key];
      const startFrom = offset === 0 ? 1 : tables.ports[s * tables.stride + lid - 1]! + 1;
      const port = this.choose(next, load, s, used, startFrom);
      const slot = next.start[s]! + port;
      tables.ports[s * tables.stride + lid] = port;
      load[slot]!++;
      const node = this.#index.peerSwitch[slot]!;
      const entry = used.find((neighbour) => neighbour.node === node);
      if (entry === undefined) used.push({ node, lids: 1 });
      else entry.lids++;
    }
  }

  /** The port for one LID at switch `s`; `used` is absent for LIDs of switches, whose neighbours nobody tracks. */
  choose(next: NextHops, load: Int32Array, s: number, used: readonly UsedNeighbour[] | undefined, startFrom: number): number {
    const base = next.start[s]!;
    const best = { port: 0, load: Infinity };
    const otherSystem = { port: 0, load: Infinity };
    const otherNode = { port: 0, load: Infinity };
    let leastLids = Infinity;
    for (const port of rotated(next, s, startFrom)) {
      const portLoad = load[base + port]!;
      const node = this.#index.peerSwitch[base + port]!;
      let seen = used?.find((neighbour) => this.#systems[neighbour.node] === this.#systems[node]);
      const fresh = seen === undefined ? otherSystem : otherNode;
      if (seen !== undefined) seen = used?.find((neighbour) => neighbour.node === node);
      if (seen === undefined && portLoad < fresh.load) {
        fresh.port = port;
        fresh.load = portLoad;
        leastLids = 0;
      }
      if (portLoad < best.load) {
        best.port = port;
        best.load = portLoad;
        if (seen !== undefined && seen.lids < leastLids) leastLids = seen.lids;
      } else if (seen !== undefined && portLoad === best.load && seen.lids < leastLids) {
        leastLids = seen.lids;
        best.port = port;
      }
    }
    return otherSystem.port || otherNode.port || best.port;
  }
}

/** The candidates of a switch, from the first port number at or behind `from`, then around. */
function* rotated(next: NextHops, s: number, from: number): Generator<number> {
  const first = next.start[s]!;
  const end = first + next.count[s]!;
  for (let i = first; i < end; i++) if (next.ports[i]! >= from) yield next.ports[i]!;
  for (let i = first; i < end; i++) if (next.ports[i]! < from) yield next.ports[i]!;
}
