/**
 * What the two ends of a link agree on (operational VLs, MTU), and the SL2VL and VL arbitration tables of every port.
 * Defaults are OpenSM's: SL2VL `0,1, … 14,7`, high table `0:4`, low table `0:0,1:4, … 14:4`, high limit 0; a port with fewer VLs gets
 * every VL number cut to its bits, as OpenSM's osm_qos.c does.
 */
import type { PathLevels } from './dor.ts';
import { type LinkEnd, type SubnetIndex, subnetError } from './graph.ts';

/** What each link of the graph runs with. */
export interface LinkSettings {
  /** Data VLs: 1, 2, 4, 8 or 15. */
  readonly dataVls: Uint8Array;
  /** 256 … 4096. */
  readonly mtuBytes: Uint16Array;
}

/** A row of a VL arbitration table: weight in units of 64 bytes, 0 skips. */
export interface VlWeight {
  readonly vl: number;
  readonly weight: number;
}

/** Tables of a port (IBA vol. 1, 7.6.6 and 7.6.9). */
export interface QosTables {
  /** VL for each of the 16 SLs; 15 drops. */
  readonly slToVl: readonly number[];
  readonly high: readonly VlWeight[];
  readonly low: readonly VlWeight[];
  /** In units of 4096 bytes; 0 = one packet, 255 = no limit. */
  readonly highLimit: number;
}

/** OpenSM's defaults for a port with 15 data VLs. */
export const OPENSM_QOS: QosTables = {
  slToVl: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 7],
  high: [{ vl: 0, weight: 4 }],
  low: Array.from({ length: 15 }, (_, vl) => ({ vl, weight: vl === 0 ? 0 : 4 })),
  highLimit: 0,
};

/** The tables of every port. */
export interface QosPlan {
  /** VL by switch output slot and SL, at `slot * 16 + sl`. The same for every input port. */
  readonly switchVls: Uint8Array;
  /** VL by adapter port and SL, at `adapter * 16 + sl`. */
  readonly adapterVls: Uint8Array;
  /** Arbitration tables by number of data VLs; only those that some link runs with. */
  readonly arbitration: ReadonlyMap<number, QosTables>;
}

const DEFAULT_DATA_VLS = 8;
const DEFAULT_MTU_BYTES = 4096;

/** The lesser of what both ends can do, and of `maxDataVls` (OpenSM's max_op_vls; default 15). */
export function negotiateLinks(index: SubnetIndex, maxDataVls = 15): LinkSettings {
  if (![1, 2, 4, 8, 15].includes(maxDataVls)) throw subnetError('maxDataVls', `${maxDataVls} is none of 1, 2, 4, 8, 15`);
  const { links, switches, adapters } = index.graph;
  const node = (end: LinkEnd) => (end.kind === 'switch' ? switches[end.index]! : adapters[end.index]!);
  const vls = (end: LinkEnd) => node(end).dataVls ?? DEFAULT_DATA_VLS;
  const mtu = (end: LinkEnd) => node(end).mtuBytes ?? DEFAULT_MTU_BYTES;
  return {
    dataVls: Uint8Array.from(links, ({ a, b }) => Math.min(vls(a), vls(b), maxDataVls)),
    mtuBytes: Uint16Array.from(links, ({ a, b }) => Math.min(mtu(a), mtu(b))),
  };
}

/** Cuts tables to a port with `dataVls` VLs: VL numbers keep their low bits; 15 in SL2VL still drops. */
export function fitQos(tables: QosTables, dataVls: number): QosTables {
  const mask = dataVls === 15 ? 15 : dataVls - 1;
  const cut = (rows: readonly VlWeight[]) => rows.map(({ vl, weight }) => ({ vl: vl & mask, weight }));
  return {
    slToVl: tables.slToVl.map((vl) => (vl === 15 ? 15 : vl & mask)),
    high: cut(tables.high),
    low: cut(tables.low),
    highLimit: tables.highLimit,
  };
}

/**
 * The tables of every port of the subnet. Where a routing engine needs VLs of its own, its map holds on links between switches.
 * @throws ConfigError when a table is out of range, or a link has fewer VLs than the routing engine needs.
 */
export function planQos(index: SubnetIndex, links: LinkSettings, levels?: PathLevels, tables: QosTables = OPENSM_QOS): QosPlan {
  checkTables(tables);
  const arbitration = new Map<number, QosTables>();
  for (const dataVls of links.dataVls) if (!arbitration.has(dataVls)) arbitration.set(dataVls, fitQos(tables, dataVls));
  const switchVls = new Uint8Array(index.slotLink.length * 16);
  index.slotLink.forEach((link, slot) => {
    if (link < 0) return;
    const dataVls = links.dataVls[link]!;
    if (levels === undefined || index.peerSwitch[slot]! < 0) {
      switchVls.set(arbitration.get(dataVls)!.slToVl, slot * 16);
      return;
    }
    if (dataVls < levels.vlCount)
      throw subnetError(`links[${link}]`, `runs with ${dataVls} data VLs; the routing needs ${levels.vlCount} on every link`);
    switchVls.set(levels.vls.subarray(slot * 16, slot * 16 + 16), slot * 16);
  });
  const adapterVls = new Uint8Array(index.adapterCount * 16);
  index.adapterLink.forEach((link, adapter) => {
    if (link >= 0) adapterVls.set(arbitration.get(links.dataVls[link]!)!.slToVl, adapter * 16);
  });
  return { switchVls, adapterVls, arbitration };
}

function checkTables(tables: QosTables): void {
  const vlFits = (vl: number, most: number) => Number.isInteger(vl) && vl >= 0 && vl <= most;
  if (tables.slToVl.length !== 16 || !tables.slToVl.every((vl) => vlFits(vl, 15)))
    throw subnetError('qos.slToVl', 'must be 16 VLs of 0 … 15');
  for (const name of ['high', 'low'] as const) {
    const bad = tables[name].find(({ vl, weight }) => !vlFits(vl, 14) || !vlFits(weight, 255));
    if (bad !== undefined) throw subnetError(`qos.${name}`, `${bad.vl}:${bad.weight} is not VL 0 … 14 with weight 0 … 255`);
    if (tables[name].length > 64) throw subnetError(`qos.${name}`, `has ${tables[name].length} rows, more than 64`);
  }
  if (!vlFits(tables.highLimit, 255)) throw subnetError('qos.highLimit', `${tables.highLimit} is not in 0 … 255`);
}
