/**
 * Path records: what a port must know to send to another. `PathResolver` is what its users see; `StaticPaths` answers from the
 * computed tables at once, a client of a subnet administrator will answer from the network after some simulated time.
 */
import { mtuCode, RATE_CODES } from '../wire/index.ts';
import { type ForwardingTables, NO_PORT } from './forwarding.ts';
import type { SubnetIndex } from './graph.ts';
import type { LidPlan } from './lids.ts';
import { commonPkey } from './partitions.ts';
import type { LinkSettings } from './qos.ts';

/** Which paths are asked for. */
export interface PathQuery {
  /** Port GUIDs (the lower half of the default GIDs). */
  readonly sourceGuid: bigint;
  readonly destinationGuid: bigint;
  /** Only paths in this partition; the membership bit does not matter. */
  readonly pkey?: number;
}

/** One path from a port to a port (IBA vol. 1, 15.2.5.16). */
export interface PathRecord {
  readonly sourceGuid: bigint;
  readonly destinationGuid: bigint;
  readonly slid: number;
  readonly dlid: number;
  readonly sl: number;
  readonly pkey: number;
  /** Least of all links on the path. */
  readonly mtuBytes: number;
  readonly mtuCode: number;
  /** Nominal, least of all links on the path. */
  readonly rateGbps: number;
  /** The greatest assigned rate code that is not above `rateGbps`. */
  readonly rateCode: number;
  /** 4.096 us × 2^code. 0 for a path from a port to itself. */
  readonly packetLifeCode: number;
  /** Switches on the path. */
  readonly hops: number;
}

/** Whoever can answer path queries. No path is no error: the answer is empty. */
export interface PathResolver {
  resolve(query: PathQuery): readonly PathRecord[] | Promise<readonly PathRecord[]>;
}

/** OpenSM's subnet_timeout, which its path records carry as packet life time: 4.096 us × 2^18 = 1.07 s. */
export const DEFAULT_PACKET_LIFE_CODE = 0x12;

const DEFAULT_RATE_GBPS = 40;

/** What `StaticPaths` reads. */
export interface PathTables {
  readonly index: SubnetIndex;
  readonly lids: LidPlan;
  readonly tables: ForwardingTables;
  readonly links: LinkSettings;
  readonly pkeys: readonly Uint16Array[];
  /** SL from switch `a` to switch `b` at `a * switchCount + b`; 0 everywhere when absent. */
  readonly pathSls?: Uint8Array;
  readonly packetLifeCode?: number;
}

/** Answers from tables. With LMC > 0 there is one record for each LID of the destination. */
export class StaticPaths implements PathResolver {
  readonly #source: PathTables;
  readonly #byGuid: Map<bigint, number>;

  constructor(source: PathTables) {
    this.#source = source;
    this.#byGuid = new Map(source.index.graph.adapters.map((port, adapter) => [port.guid, adapter]));
  }

  resolve(query: PathQuery): readonly PathRecord[] {
    const from = this.#byGuid.get(query.sourceGuid);
    const to = this.#byGuid.get(query.destinationGuid);
    if (from === undefined || to === undefined) return [];
    const { pkeys, lids } = this.#source;
    const wanted = (table: Uint16Array) =>
      query.pkey === undefined ? table : table.filter((p) => ((p ^ query.pkey!) & 0x7fff) === 0);
    const pkey = commonPkey(wanted(pkeys[from]!), pkeys[to]!);
    if (pkey === undefined) return [];
    const records: PathRecord[] = [];
    for (let offset = 0; offset < 1 << lids.lmc; offset++) {
      const record = this.#record(from, to, offset, pkey);
      if (record !== undefined) records.push(record);
    }
    return records;
  }

  #record(from: number, to: number, offset: number, pkey: number): PathRecord | undefined {
    const { index, lids, pathSls, links, packetLifeCode } = this.#source;
    const dlid = lids.adapterLids[to]! + offset;
    const path = this.#links(from, to, dlid);
    if (path === undefined) return undefined;
    const mtuBytes = path.reduce((least, link) => Math.min(least, links.mtuBytes[link]!), 4096);
    const own = from === to ? [index.adapterLink[from]!].filter((link) => link >= 0) : path;
    const rateGbps = own.reduce(
      (least, link) => Math.min(least, index.graph.links[link]!.rateGbps ?? DEFAULT_RATE_GBPS),
      Infinity,
    );
    const a = index.adapterSwitch[from]!;
    const b = index.adapterSwitch[to]!;
    return {
      sourceGuid: index.graph.adapters[from]!.guid,
      destinationGuid: index.graph.adapters[to]!.guid,
      slid: lids.adapterLids[from]! + offset,
      dlid,
      sl: pathSls === undefined || a < 0 || b < 0 ? 0 : pathSls[a * index.switchCount + b]!,
      pkey,
      mtuBytes,
      mtuCode: mtuCode(mtuBytes)!,
      rateGbps: Number.isFinite(rateGbps) ? rateGbps : DEFAULT_RATE_GBPS,
      rateCode: rateCodeNotAbove(Number.isFinite(rateGbps) ? rateGbps : DEFAULT_RATE_GBPS),
      packetLifeCode: from === to ? 0 : (packetLifeCode ?? DEFAULT_PACKET_LIFE_CODE),
      hops: Math.max(0, path.length - 1),
    };
  }

  /** The links of the path in order; empty from a port to itself; undefined if there is none. */
  #links(from: number, to: number, dlid: number): number[] | undefined {
    const { index, tables } = this.#source;
    if (from === to) return [];
    if (index.adapterPeer[from] === to) return [index.adapterLink[from]!];
    const links = [index.adapterLink[from]!];
    for (let s = index.adapterSwitch[from]!; s >= 0 && links.length <= index.switchCount + 1; ) {
      const port = tables.ports[s * tables.stride + dlid]!;
      const slot = index.portBase[s]! + port;
      if (port === NO_PORT || port === 0 || slot >= index.portBase[s + 1]!) return undefined;
      links.push(index.slotLink[slot]!);
      if (index.peerAdapter[slot] === to) return links;
      s = index.peerSwitch[slot]!;
    }
    return undefined;
  }
}

/** The greatest assigned rate code whose nominal rate is at most `gbps`; the code of 2.5 Gb/s below that. */
export function rateCodeNotAbove(gbps: number): number {
  let best = 2;
  let most = 0;
  for (const [code, nominal] of RATE_CODES) {
    if (nominal <= gbps && nominal > most) {
      best = code;
      most = nominal;
    }
  }
  return best;
}
