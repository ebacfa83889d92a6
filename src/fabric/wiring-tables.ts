/**
 * The tables of a `FabricSpec` laid out flat: LFT, MFT, SL to VL, VL arbitration, life times, partitions. Part of `wiring.ts`.
 */
import { ConfigError } from '../sim/index.ts';
import { type FabricSpec, LFT_DROP, LIFE_UNLIMITED, type PartitionSpec, type VlArbSpec } from './spec.ts';

/** Blocks of one turn of a VL in the default arbitration: 4096 bytes. */
export const DEFAULT_VL_WEIGHT = 64;
const FIRST_MULTICAST_LID = 0xc000;

/** A VL arbitration table as the kernel reads it. */
export interface ArbTable {
  readonly highVl: Uint8Array;
  readonly highWeight: Int32Array;
  readonly lowVl: Uint8Array;
  readonly lowWeight: Int32Array;
  /** Bytes; Infinity = no limit; 0 = one packet. */
  readonly highLimitBytes: number;
}

/** A mistake in the spec. */
export function fail(path: string, message: string): never {
  throw new ConfigError([{ file: 'fabric', path, message }]);
}

function lifePs(code: number | undefined): number {
  return code === undefined || code >= LIFE_UNLIMITED ? Number.POSITIVE_INFINITY : 4_096_000 * 2 ** code;
}

function perPort<T extends object>(
  value: T | Readonly<Record<number, T>> | undefined,
  port: number,
  isOne: (v: object) => boolean,
): T | undefined {
  if (value === undefined) return undefined;
  return isOne(value) ? (value as T) : (value as Readonly<Record<number, T>>)[port];
}

function arbTable(arb: VlArbSpec, vls: number, path: string): ArbTable {
  for (const e of [...arb.high, ...arb.low])
    if (!(e.vl >= 0 && e.vl < 15 && Number.isInteger(e.weight) && e.weight >= 0 && e.weight <= 255))
      fail(path, `bad entry ${e.vl}:${e.weight}`);
  const keep = (list: VlArbSpec['high']) => list.filter((e) => e.weight > 0 && e.vl < vls);
  const high = keep(arb.high);
  const low = keep(arb.low);
  return {
    highVl: Uint8Array.from(high, (e) => e.vl),
    highWeight: Int32Array.from(high, (e) => e.weight),
    lowVl: Uint8Array.from(low, (e) => e.vl),
    lowWeight: Int32Array.from(low, (e) => e.weight),
    highLimitBytes: arb.highLimit === 255 ? Number.POSITIVE_INFINITY : arb.highLimit * 4096,
  };
}

const isVlArb = (v: object): boolean => 'low' in v;

/** Every table that a port or a switch looks into. */
export function layTables(spec: FabricSpec, portBase: Int32Array, switchPorts: number, ports: number, vls: number) {
  const { switches, hostPorts } = spec;
  const lids = Math.max(1, ...switches.map((s) => s.lft.length), ...hostPorts.map((h) => h.lid + (1 << (h.lmc ?? 0))));
  if (lids > FIRST_MULTICAST_LID) fail('lft', `${lids} unicast LIDs, at most ${FIRST_MULTICAST_LID}`);
  const lft = new Uint8Array(switches.length * lids).fill(LFT_DROP);
  const arbTables: ArbTable[] = [
    arbTable(
      { high: [], low: Array.from({ length: vls }, (_, vl) => ({ vl, weight: DEFAULT_VL_WEIGHT })), highLimit: 255 },
      vls,
      'vlArb',
    ),
  ];
  const arbSeen = new Map<VlArbSpec, number>();
  const arbFor = (arb: VlArbSpec | undefined, path: string): number => {
    if (arb === undefined) return 0;
    let index = arbSeen.get(arb);
    if (index === undefined) {
      index = arbTables.push(arbTable(arb, vls, path)) - 1;
      arbSeen.set(arb, index);
    }
    return index;
  };
  const arbOf = new Int32Array(ports);
  const hoqPs = new Float64Array(ports).fill(Number.POSITIVE_INFINITY);
  const life = new Float64Array(ports).fill(Number.POSITIVE_INFINITY);
  const stallCount = new Int32Array(ports);
  const isFifo = new Uint8Array(switches.length);
  const randomTie = new Uint8Array(switches.length);
  const partitions: (PartitionSpec | null)[] = new Array(ports).fill(null);
  const mft: (ReadonlyMap<number, readonly number[]> | null)[] = [];
  switches.forEach((s, i) => {
    const path = `switches[${i}]`;
    lft.set(s.lft, i * lids);
    isFifo[i] = s.model === 'fifo' ? 1 : 0;
    randomTie[i] = s.tie === 'random' ? 1 : 0;
    mft.push(s.mft === undefined ? null : new Map(s.mft));
    for (let port = 1; port <= s.portCount; port++) {
      const p = portBase[i] + port - 1;
      arbOf[p] = arbFor(perPort(s.vlArb, port, isVlArb), `${path}.vlArb`);
      hoqPs[p] = lifePs(typeof s.hoqLife === 'object' ? s.hoqLife[port] : s.hoqLife);
      life[p] = lifePs(s.lifeTime);
      stallCount[p] = s.vlStallCount ?? 0;
      partitions[p] = s.partitions?.[port] ?? null;
    }
  });
  hostPorts.forEach((h, i) => {
    arbOf[switchPorts + i] = arbFor(h.vlArb, `hostPorts[${i}].vlArb`);
  });
  return { lids, lft, mft, ...laySlToVl(spec), arbTables, arbOf, isFifo, randomTie, hoqPs, lifePs: life, stallCount, partitions };
}

/** All SL → VL tables one after the other; equal tables (the same object) are kept once. */
function laySlToVl(spec: FabricSpec) {
  const { switches, hostPorts } = spec;
  const sl2vlBase = new Int32Array(switches.length + hostPorts.length);
  const sl2vlStrideIn = new Int32Array(switches.length);
  const sl2vlStrideOut = new Int32Array(switches.length);
  const identity = Uint8Array.from({ length: 16 }, (_, i) => i);
  const begin = new Map<Uint8Array, number>([[identity, 0]]);
  let end = 16;
  const place = (map: Uint8Array | undefined): number => {
    const known = begin.get(map ?? identity);
    if (known !== undefined) return known;
    const at = end;
    begin.set(map as Uint8Array, at);
    end += (map as Uint8Array).length;
    return at;
  };
  switches.forEach((s, i) => {
    sl2vlBase[i] = place(s.sl2vl);
    if (s.sl2vl === undefined || s.sl2vl.length === 16) return;
    const row = (s.portCount + 1) * 16;
    if (s.sl2vl.length !== (s.portCount + 1) * row) fail(`switches[${i}].sl2vl`, `${s.sl2vl.length} entries`);
    sl2vlStrideIn[i] = row;
    sl2vlStrideOut[i] = 16;
  });
  hostPorts.forEach((h, i) => {
    if (h.sl2vl !== undefined && h.sl2vl.length !== 16) fail(`hostPorts[${i}].sl2vl`, `${h.sl2vl.length} entries`);
    sl2vlBase[switches.length + i] = place(h.sl2vl);
  });
  const sl2vl = new Uint8Array(end);
  for (const [map, at] of begin) sl2vl.set(map, at);
  return { sl2vl, sl2vlBase, sl2vlStrideIn, sl2vlStrideOut };
}
