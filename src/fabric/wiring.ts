/**
 * From a `FabricSpec` to flat typed arrays: numbers the ports, finds out which features are in use, computes the lookahead.
 *
 * Ports are numbered in one range: switch 0's ports, switch 1's …, then one per host port. A *logical process* is a switch, or up to
 * 32 × `maskWords` host ports on one switch: whatever one does reaches another only `lookaheadPs` later, so inside a window of that length each
 * runs by itself.
 */
import { assert } from '../sim/index.ts';
import {
  type BufferBlocks,
  blocksOf,
  type FabricSpec,
  type HostPortSpec,
  type LinkEnd,
  type PartitionSpec,
  type SwitchSpec,
} from './spec.ts';
import { type ArbTable, fail, layTables } from './wiring-tables.ts';

/** All headers that a packet may have beside its MTU of payload, LRH through ICRC (IBA 7.7.8: PktLen goes up to MTU + 124), and the VCRC. */
const LARGEST_OVERHEAD = 126;
const NO_MTU = 2 ** 30;

export interface Wiring {
  readonly spec: FabricSpec;
  readonly switchCount: number;
  readonly hostCount: number;
  /** Ports of switches: handles below this. */
  readonly switchPorts: number;
  readonly ports: number;
  /** First port of each switch, and one more: the end. */
  readonly portBase: Int32Array;
  /** Switch of a port, −1 for a host port. */
  readonly switchOf: Int32Array;
  /** The other end of the cable, −1 = none. */
  readonly peer: Int32Array;
  /** Link of a port, −1 = none. */
  readonly linkOf: Int32Array;
  readonly psPerByte: Float64Array;
  readonly propagationPs: Float64Array;
  /** Start of a transmission from this port until its head is routed at the far end (far end a switch). */
  readonly hopPs: Float64Array;
  /** Buffer room free at this (receiving) port until the sender may use it. */
  readonly creditPs: Float64Array;
  readonly sinkPsPerByte: Float64Array;
  readonly sinkLatencyPs: Float64Array;
  /** Data VLs of the fabric (the most of any port). */
  readonly vls: number;
  /** Queues per port: data VLs, and VL15 where there are management packets. */
  readonly queues: number;
  /** Buffer room behind (receiving port × queues + VL) in blocks. */
  readonly roomBlocks: Int32Array;
  readonly vl15Blocks: Int32Array;
  readonly maskWords: number;
  readonly lids: number;
  /** Output port by switch × lids + LID. */
  readonly lft: Uint8Array;
  readonly mft: readonly (ReadonlyMap<number, readonly number[]> | null)[];
  /** SL → VL: index sl2vlBase[switch or switchCount + host] + in × strideIn + out × strideOut + SL. */
  readonly sl2vl: Uint8Array;
  readonly sl2vlBase: Int32Array;
  readonly sl2vlStrideIn: Int32Array;
  readonly sl2vlStrideOut: Int32Array;
  readonly arbTables: readonly ArbTable[];
  /** Table of a port. */
  readonly arbOf: Int32Array;
  readonly isFifo: Uint8Array;
  readonly randomTie: Uint8Array;
  /** Head-of-queue life of an output port, life time of a switch: ps, Infinity = none. By port. */
  readonly hoqPs: Float64Array;
  readonly lifePs: Float64Array;
  readonly stallCount: Int32Array;
  readonly partitions: readonly (PartitionSpec | null)[];
  readonly bitErrorRate: Float64Array;
  /** The longest packet that a switch sends over the port's link. */
  readonly maxBytes: Int32Array;
  readonly processes: number;
  readonly processOf: Int32Array;
  /** Bit of a port in its process's masks. */
  readonly bitOf: Int32Array;
  /** Port by process × 32 × maskWords + bit. */
  readonly processPort: Int32Array;
  readonly groupOf: Int32Array;
  readonly groups: number;
  readonly lookaheadPs: number;
  readonly longestEventPs: number;
  readonly uses: WiringUses;
}

/** Features in use: each that is not costs the hot loop nothing. */
export interface WiringUses {
  readonly oneRate: boolean;
  readonly oneHop: boolean;
  readonly oneCredit: boolean;
  readonly slowSink: boolean;
  readonly fasterOutput: boolean;
  readonly sl2vl: boolean;
  readonly arbTables: boolean;
  readonly fifo: boolean;
  readonly lifetimes: boolean;
  readonly partitions: boolean;
  readonly mtus: boolean;
  readonly multicast: boolean;
  readonly bitErrors: boolean;
  readonly faults: boolean;
}

function roomOf(blocks: BufferBlocks, vl: number, dataVls: number): number {
  if (vl >= dataVls) return 0;
  return typeof blocks === 'number' ? blocks : (blocks[vl] ?? 0);
}

function portOf(base: Int32Array, switchPorts: number, end: LinkEnd, spec: FabricSpec, path: string): number {
  if (end.kind === 'host') {
    if (!(end.index >= 0 && end.index < spec.hostPorts.length)) fail(path, `no host port ${end.index}`);
    return switchPorts + end.index;
  }
  const sw = spec.switches[end.index];
  if (sw === undefined) fail(path, `no switch ${end.index}`);
  if (!(end.port >= 1 && end.port <= sw.portCount)) fail(path, `switch ${sw.name} has no port ${end.port}`);
  return base[end.index] + end.port - 1;
}

/** Checks `spec` and lays it out flat; `hasVl15`: ports have a queue for management packets. Throws `ConfigError` where it cannot work. */
export function makeWiring(spec: FabricSpec, hasVl15 = true): Wiring {
  const { switches, hostPorts } = spec;
  const switchCount = switches.length;
  const hostCount = hostPorts.length;
  const portBase = new Int32Array(switchCount + 1);
  switches.forEach((s, i) => {
    portBase[i + 1] = portBase[i] + s.portCount;
  });
  const switchPorts = portBase[switchCount];
  const ports = switchPorts + hostCount;
  const switchOf = new Int32Array(ports).fill(-1);
  for (let s = 0; s < switchCount; s++) switchOf.fill(s, portBase[s], portBase[s + 1]);
  const vls = Math.max(1, ...switches.map((s) => s.dataVls), ...hostPorts.map((h) => h.dataVls));
  if (vls > 15) fail('dataVls', `${vls} data VLs, at most 15`);
  const queues = hasVl15 ? vls + 1 : vls;
  const maxPorts = Math.max(1, ...switches.map((s) => s.portCount));
  if (maxPorts > 254) fail('portCount', `${maxPorts} ports, at most 254`);

  const cables = layCables(spec, portBase, switchPorts, ports);
  const rooms = layRooms(spec, portBase, switchPorts, ports, queues, vls);
  const tables = layTables(spec, portBase, switchPorts, ports, vls);
  const processes = layProcesses(spec, portBase, switchPorts, ports, cables.peer, switchOf, maxPorts);
  const minWireBytes = spec.minWireBytes ?? (spec.traffic ? Math.min(...spec.traffic.sizes.map((s) => s.wireBytes)) : 26);
  const times = layTimes(spec, switchPorts, ports, cables, switchOf, minWireBytes);
  const groupOf = Int32Array.from(hostPorts, (h) => h.group ?? 0);

  const uses: WiringUses = {
    oneRate: new Set(cables.psPerByte.filter((_, p) => cables.peer[p] >= 0)).size <= 1,
    oneHop: new Set(times.hopPs.filter((_, p) => cables.peer[p] >= 0 && cables.peer[p] < switchPorts)).size <= 1,
    oneCredit: new Set(times.creditPs.filter((_, p) => cables.peer[p] >= 0)).size <= 1,
    slowSink:
      hostPorts.some((h) => (h.sinkPsPerByte ?? 0) > 0 || (h.sinkLatencyPs ?? 0) > 0) ||
      (spec.faults ?? []).some((f) => f.kind === 'slow-receiver'),
    fasterOutput: hasFasterOutput(switches, portBase, cables.psPerByte, cables.peer),
    sl2vl: [...switches, ...hostPorts].some((x: SwitchSpec | HostPortSpec) => x.sl2vl !== undefined),
    arbTables: tables.arbTables.length > 1,
    fifo: switches.some((s) => s.model === 'fifo'),
    lifetimes: tables.hoqPs.some((x) => x < Number.POSITIVE_INFINITY) || tables.lifePs.some((x) => x < Number.POSITIVE_INFINITY),
    partitions: tables.partitions.some((x) => x !== null),
    mtus: new Set(cables.maxBytes.filter((_, p) => cables.peer[p] >= 0)).size > 1,
    multicast: tables.mft.some((x) => x !== null),
    bitErrors: cables.bitErrorRate.some((x) => x > 0) || (spec.faults ?? []).some((f) => f.kind === 'bit-error-rate'),
    faults: (spec.faults ?? []).length > 0,
  };
  return {
    spec,
    switchCount,
    hostCount,
    switchPorts,
    ports,
    portBase,
    switchOf,
    ...cables,
    ...rooms,
    ...tables,
    ...processes,
    ...times,
    vls,
    queues,
    groupOf,
    groups: hostCount === 0 ? 0 : Math.max(...groupOf) + 1,
    uses,
  };
}

function layCables(spec: FabricSpec, portBase: Int32Array, switchPorts: number, ports: number) {
  const peer = new Int32Array(ports).fill(-1);
  const linkOf = new Int32Array(ports).fill(-1);
  const psPerByte = new Float64Array(ports);
  const propagationPs = new Float64Array(ports);
  const bitErrorRate = new Float64Array(ports);
  const maxBytes = new Int32Array(ports).fill(NO_MTU);
  spec.links.forEach((link, i) => {
    const a = portOf(portBase, switchPorts, link.a, spec, `links[${i}].a`);
    const b = portOf(portBase, switchPorts, link.b, spec, `links[${i}].b`);
    if (a === b || peer[a] >= 0 || peer[b] >= 0) fail(`links[${i}]`, 'a port has two cables');
    if (!(link.psPerByte > 0) || !Number.isSafeInteger(link.propagationPs) || link.propagationPs < 0)
      fail(`links[${i}]`, 'bad rate or propagation');
    for (const [p, q] of [[a, b] as const, [b, a] as const]) {
      peer[p] = q;
      linkOf[p] = i;
      psPerByte[p] = link.psPerByte;
      propagationPs[p] = link.propagationPs;
      bitErrorRate[p] = link.bitErrorRate ?? 0;
      if (link.mtuBytes !== undefined) maxBytes[p] = link.mtuBytes + LARGEST_OVERHEAD;
    }
  });
  return { peer, linkOf, psPerByte, propagationPs, bitErrorRate, maxBytes };
}

function layRooms(spec: FabricSpec, portBase: Int32Array, switchPorts: number, ports: number, queues: number, vls: number) {
  const roomBlocks = new Int32Array(ports * queues);
  const vl15Blocks = new Int32Array(ports);
  const need = blocksOf(
    spec.maxWireBytes ?? (spec.traffic ? Math.max(...spec.traffic.sizes.map((s) => s.wireBytes)) : 4096 + 128),
  );
  const lay = (port: number, blocks: BufferBlocks, dataVls: number, path: string): void => {
    for (let vl = 0; vl < vls; vl++) {
      const room = roomOf(blocks, vl, dataVls);
      if (vl < dataVls && (!Number.isInteger(room) || (room < need && room !== 0) || room > 0xffff))
        fail(path, `${room} blocks for VL ${vl}; the largest packet needs ${need}, at most 65535`);
      roomBlocks[port * queues + vl] = room;
    }
  };
  spec.switches.forEach((s, i) => {
    for (let port = 1; port <= s.portCount; port++) {
      lay(portBase[i] + port - 1, s.portBufferBlocks?.[port] ?? s.bufferBlocks, s.dataVls, `switches[${i}].bufferBlocks`);
      vl15Blocks[portBase[i] + port - 1] = s.vl15Blocks ?? 64;
    }
  });
  spec.hostPorts.forEach((h, i) => {
    lay(switchPorts + i, h.bufferBlocks, h.dataVls, `hostPorts[${i}].bufferBlocks`);
  });
  return { roomBlocks, vl15Blocks };
}

function layProcesses(
  spec: FabricSpec,
  portBase: Int32Array,
  switchPorts: number,
  ports: number,
  peer: Int32Array,
  switchOf: Int32Array,
  maxPorts: number,
) {
  const maskWords = (maxPorts + 31) >> 5;
  const width = 32 * maskWords;
  const members: number[][] = spec.switches.map((s, i) => Array.from({ length: s.portCount }, (_, p) => portBase[i] + p));
  const open = new Map<number, number[]>(); // by switch: the group of its hosts that still has room
  for (let p = switchPorts; p < ports; p++) {
    const at = peer[p] >= 0 ? switchOf[peer[p]] : -1;
    let group = open.get(at);
    if (group === undefined || group.length === Math.min(width, 32) || at < 0) {
      group = [];
      members.push(group);
      open.set(at, group);
    }
    group.push(p);
  }
  const processOf = new Int32Array(ports);
  const bitOf = new Int32Array(ports);
  const processPort = new Int32Array(members.length * width).fill(-1);
  members.forEach((list, process) => {
    list.forEach((p, bit) => {
      processOf[p] = process;
      bitOf[p] = bit;
      processPort[process * width + bit] = p;
    });
  });
  return { maskWords, processes: members.length, processOf, bitOf, processPort };
}

function layTimes(
  spec: FabricSpec,
  switchPorts: number,
  ports: number,
  cables: { peer: Int32Array; psPerByte: Float64Array; propagationPs: Float64Array },
  switchOf: Int32Array,
  minWireBytes: number,
) {
  const { peer, psPerByte, propagationPs } = cables;
  const hopPs = new Float64Array(ports);
  const creditPs = new Float64Array(ports);
  const sinkPsPerByte = new Float64Array(ports);
  const sinkLatencyPs = new Float64Array(ports);
  const maxWireBytes = spec.maxWireBytes ?? (spec.traffic ? Math.max(...spec.traffic.sizes.map((s) => s.wireBytes)) : 4096 + 128);
  let lookaheadPs = Number.POSITIVE_INFINITY;
  let longestEventPs = 0;
  let least = Number.POSITIVE_INFINITY; // time of the smallest packet on the fastest link: what a credit takes at least
  for (let p = 0; p < ports; p++) if (peer[p] >= 0) least = Math.min(least, Math.ceil(minWireBytes * psPerByte[p]));
  for (let p = 0; p < ports; p++) {
    if (peer[p] < 0) continue;
    const to = peer[p];
    hopPs[p] = propagationPs[p] + (to < switchPorts ? spec.switches[switchOf[to]].latencyPs : 0);
    const own = p < switchPorts ? spec.switches[switchOf[p]] : spec.hostPorts[p - switchPorts];
    creditPs[p] = propagationPs[p] + (own.creditReturnPs ?? 0);
    const serial = Math.ceil(maxWireBytes * psPerByte[p]);
    longestEventPs = Math.max(longestEventPs, hopPs[p] + serial, creditPs[p] + serial);
    lookaheadPs = Math.min(lookaheadPs, to < switchPorts ? hopPs[p] : propagationPs[p] + Math.ceil(minWireBytes * psPerByte[p]));
    if (p < switchPorts) lookaheadPs = Math.min(lookaheadPs, creditPs[p] + least);
  }
  spec.hostPorts.forEach((h, i) => {
    sinkPsPerByte[switchPorts + i] = h.sinkPsPerByte ?? 0;
    sinkLatencyPs[switchPorts + i] = h.sinkLatencyPs ?? 0;
  });
  const mode = spec.traffic?.mode;
  if (mode?.kind === 'closed' && mode.responsePs !== undefined) lookaheadPs = Math.min(lookaheadPs, mode.responsePs);
  if (lookaheadPs === Number.POSITIVE_INFINITY) lookaheadPs = 1_000_000;
  if (!(lookaheadPs >= 1)) fail('links', 'a hop without propagation and latency: there must be some');
  assert(Number.isSafeInteger(lookaheadPs), () => `lookahead ${lookaheadPs} ps is not whole`);
  return { hopPs, creditPs, sinkPsPerByte, sinkLatencyPs, lookaheadPs, longestEventPs };
}

/** Whether some switch has an output faster than an input: then a packet may have to wait for its own tail. */
function hasFasterOutput(
  switches: readonly SwitchSpec[],
  portBase: Int32Array,
  psPerByte: Float64Array,
  peer: Int32Array,
): boolean {
  return switches.some((_, s) => {
    const rates = [];
    for (let p = portBase[s]; p < portBase[s + 1]; p++) if (peer[p] >= 0) rates.push(psPerByte[p]);
    return new Set(rates).size > 1;
  });
}
