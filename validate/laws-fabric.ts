/**
 * Laws that a fabric must obey: saturation of input FIFOs, waits in output queues, credits and long cables, VL weights, parking lot, hot spot, victim
 * flow, shift permutations, unloaded latency. Each is a function that builds its set-up, runs it for `scale` times the usual length and
 * compares; the tests call them with a short `scale`. `npm run validate -- laws-fabric`.
 */
import { star, threeLevelTree } from '../bench/kernel-topologies.ts';
import {
  createFabric,
  type Fabric,
  type FabricSpec,
  type LinkEnd,
  type LinkSpec,
  type SwitchSpec,
  type TrafficSpec,
} from '../src/fabric/index.ts';
import { compare, type ValidationRow, type ValidationTable } from './types.ts';

const BYTES = 2074;
const PS_PER_BYTE = 80;
const SLOT_PS = BYTES * PS_PER_BYTE;
const ONE_SIZE = [{ wireBytes: BYTES, weight: 1 }];

const range = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i);
const switchEnd = (index: number, port: number): LinkEnd => ({ kind: 'switch', index, port });
const hostEnd = (index: number): LinkEnd => ({ kind: 'host', index, port: 1 });

/** Runs traffic in chunks, since one call for all would be as good but could not be interrupted, and returns the fabric. */
function run(spec: FabricSpec, untilPs: number): Fabric {
  const fabric = createFabric(spec, { packetCapacity: 2 ** 16 });
  fabric.runUntil(untilPs);
  fabric.assertConserved();
  return fabric;
}

const sum = (list: Iterable<number>): number => {
  let total = 0;
  for (const x of list) total += x;
  return total;
};

/** N backlogged inputs with a FIFO each, destinations uniform over N outputs, all in step: throughput per output (Karol, Hluchyj, Morgan 1987, table I). */
export function fifoSaturation(n: number, scale = 1): number {
  const slots = Math.ceil((20_000 * scale * 16) / n);
  const warm = 500 * SLOT_PS;
  const fabric = run(
    star({
      hosts: 2 * n,
      seed: 11,
      bufferBlocks: 33 * 12,
      sw: { model: 'fifo', tie: 'random' },
      traffic: {
        pattern: { kind: 'uniform', sources: range(n), destinations: range(n, n) },
        mode: { kind: 'closed', outstanding: 3 },
        sizes: ONE_SIZE,
        measureFromPs: warm,
        perFlow: false,
      },
    }),
    warm + slots * SLOT_PS,
  );
  return sum(fabric.traffic().receivedBytes) / (slots * n * BYTES);
}

/** Mean wait in an output queue, in slots: N inputs, each slot a packet with probability `load`, destinations uniform over N outputs. */
export function outputQueueWait(n: number, load: number, scale = 1): number {
  const fabric = run(
    star({
      hosts: 2 * n,
      seed: 5,
      bufferBlocks: 60_000,
      traffic: {
        pattern: { kind: 'uniform', sources: range(n), destinations: range(n, n) },
        mode: { kind: 'open', load, spacing: 'slotted', queueLimit: 1e6 },
        sizes: ONE_SIZE,
        measureFromPs: 1000 * SLOT_PS,
        perFlow: false,
      },
    }),
    (1000 + 50_000 * scale) * SLOT_PS,
  );
  const unloaded = 100_000 + 100_000 + SLOT_PS;
  return (fabric.traffic().latencyMeanPs - unloaded) / SLOT_PS;
}

/** Share of a link's rate that a buffer of `bytes` allows when a credit takes `roundTripPs` from its use until it is back; 64-byte packets. */
export function creditLimited(psPerByte: number, bytes: number, roundTripPs: number, scale = 1): number {
  const serial = 64 * psPerByte;
  const latencyPs = 100_000;
  const propagationPs = (roundTripPs - latencyPs - serial) / 2;
  const measureFromPs = 20 * roundTripPs;
  const fabric = run(
    star({
      hosts: 2,
      psPerByte,
      propagationPs,
      latencyPs,
      sw: { bufferBlocks: bytes / 64 },
      host: () => ({ bufferBlocks: 60_000 }),
      traffic: {
        pattern: { kind: 'table', to: [1, -1] },
        mode: { kind: 'closed', outstanding: 8 },
        sizes: [{ wireBytes: 64, weight: 1 }],
        measureFromPs,
      },
    }),
    measureFromPs + Math.round(1000 * scale) * roundTripPs,
  );
  return fabric.traffic().acceptedLoad;
}

/** Shares of one output among senders that are each on a VL of their own, under a VL arbitration table. */
export function vlShares(vlArb: NonNullable<SwitchSpec['vlArb']>, vls: number, scale = 1): number[] {
  const ports = vls + 1;
  const sl2vl = new Uint8Array((ports + 1) ** 2 * 16);
  for (let input = 1; input <= vls; input++)
    for (let output = 1; output <= ports; output++) sl2vl[(input * (ports + 1) + output) * 16] = input - 1;
  const fabric = run(
    star({
      hosts: ports,
      dataVls: vls,
      bufferBlocks: 33 * 8,
      sw: { vlArb, sl2vl },
      traffic: {
        pattern: { kind: 'incast', to: vls },
        mode: { kind: 'closed', outstanding: 4 },
        sizes: ONE_SIZE,
        measureFromPs: 50 * SLOT_PS,
      },
    }),
    (50 + Math.round(20_000 * scale)) * SLOT_PS,
  );
  const sent = [...fabric.traffic().sentBytes].slice(0, vls);
  return sent.map((bytes) => bytes / sum(sent));
}

/** A chain of switches with one host each (two at the far end); all send to the host at its head. Shares from the nearest sender to the farthest. */
export function parkingLot(senders: number, scale = 1): number[] {
  const hops = senders - 1; // switches; the last has two senders
  const links: LinkSpec[] = [];
  const cable = { psPerByte: PS_PER_BYTE, propagationPs: 50_000 };
  // port 1 towards the head, port 2 away from it, ports 3 and 4 hosts; host 0 is the sink at the head
  for (let s = 0; s < hops; s++) {
    if (s > 0) links.push({ a: switchEnd(s - 1, 2), b: switchEnd(s, 1), ...cable });
    links.push({ a: switchEnd(s, 3), b: hostEnd(s + 1), ...cable });
  }
  links.push({ a: switchEnd(0, 1), b: hostEnd(0), ...cable }, { a: switchEnd(hops - 1, 4), b: hostEnd(senders), ...cable });
  const fabric = run(
    {
      seed: 3,
      switches: range(hops).map((s) => ({
        name: `s${s}`,
        portCount: 4,
        model: 'voq' as const,
        latencyPs: 100_000,
        bufferBlocks: 128,
        dataVls: 1,
        lft: Uint8Array.from({ length: senders + 2 }, () => 1),
      })),
      hostPorts: range(senders + 1).map((h) => ({ name: `h${h}`, node: h, lid: h + 1, dataVls: 1, bufferBlocks: 128 })),
      links,
      traffic: {
        pattern: { kind: 'incast', to: 0 },
        mode: { kind: 'closed', outstanding: 4 },
        sizes: ONE_SIZE,
        measureFromPs: 1000 * SLOT_PS,
      },
    },
    (1000 + Math.round(40_000 * scale)) * SLOT_PS,
  );
  const sent = [...fabric.traffic().sentBytes].slice(1);
  return sent.map((bytes) => bytes / sum(sent));
}

/** Rate of the senders when each sends the fraction `h` of its packets to one host of N and the rest uniformly (Pfister and Norton 1985). */
export function hotSpotRate(n: number, h: number, scale = 1): number {
  const slots = Math.round(20_000 * scale);
  const fabric = run(
    star({
      hosts: n,
      bufferBlocks: 33 * 8,
      traffic: {
        pattern: { kind: 'hot-spot', to: n - 1, fraction: h },
        mode: { kind: 'closed', outstanding: 4 },
        sizes: ONE_SIZE,
        measureFromPs: 2000 * SLOT_PS,
        perFlow: false,
      },
    }),
    (2000 + slots) * SLOT_PS,
  );
  const sent = [...fabric.traffic().sentBytes].slice(0, n - 1);
  return sum(sent) / (n - 1) / (slots * BYTES);
}

/** k senders to one host, one of them behind an inter-switch link that a victim flow to an idle host shares: the victim's share of a link. */
export function victimRate(k: number, model: 'voq' | 'fifo', scale = 1): number {
  // switch 0: hosts 0 (sender) and 1 (victim) at ports 1, 2; port 3 = the link. switch 1: port 1 = the link, then k − 1 senders, hot host, victim's host
  const cable = { psPerByte: PS_PER_BYTE, propagationPs: 50_000 };
  const near = range(k + 1, 2);
  const hot = k + 1;
  const idle = k + 2;
  const common = { model, latencyPs: 100_000, bufferBlocks: 33 * 6, dataVls: 1 };
  const slots = Math.round(20_000 * scale);
  const fabric = run(
    {
      seed: 9,
      switches: [
        {
          name: 'far',
          portCount: 3,
          ...common,
          lft: Uint8Array.from({ length: k + 4 }, (_, lid) => (lid === 1 ? 1 : lid === 2 ? 2 : 3)),
        },
        {
          name: 'near',
          portCount: k + 2,
          ...common,
          lft: Uint8Array.from({ length: k + 4 }, (_, lid) => (lid <= 2 ? 1 : lid - 1)),
        },
      ],
      hostPorts: range(k + 3).map((h) => ({ name: `h${h}`, node: h, lid: h + 1, dataVls: 1, bufferBlocks: 128 })),
      links: [
        { a: switchEnd(0, 1), b: hostEnd(0), ...cable },
        { a: switchEnd(0, 2), b: hostEnd(1), ...cable },
        { a: switchEnd(0, 3), b: switchEnd(1, 1), ...cable },
        ...near.map((h) => ({ a: switchEnd(1, h), b: hostEnd(h), ...cable })),
      ],
      traffic: {
        pattern: { kind: 'table', to: [hot, idle, ...range(k - 1).map(() => hot), -1, -1] },
        mode: { kind: 'closed', outstanding: 4 },
        sizes: ONE_SIZE,
        measureFromPs: 500 * SLOT_PS,
      },
    },
    (500 + slots) * SLOT_PS,
  );
  return fabric.traffic().sentBytes[1] / (slots * BYTES);
}

/** The least accepted load over the given shift permutations on a k-ary three-level tree with d-mod-k routing, every host always sending. */
export function worstShift(k: number, shifts: readonly number[], scale = 1): number {
  let worst = Number.POSITIVE_INFINITY;
  for (const by of shifts) {
    const traffic: TrafficSpec = {
      pattern: { kind: 'shift', by },
      mode: { kind: 'closed', outstanding: 4 },
      sizes: ONE_SIZE,
      measureFromPs: 5_000_000,
    };
    const fabric = run(threeLevelTree({ k, dataVls: 1, traffic }), 5_000_000 + 300 * SLOT_PS * Math.max(scale, 0.1));
    worst = Math.min(worst, fabric.traffic().acceptedLoad);
  }
  return worst;
}

/** Latency of one packet over a path of cables with the given rates through idle switches: ours in ps. */
export function unloadedLatencyPs(rates: readonly number[], wireBytes: number, propagationPs: number, latencyPs: number): number {
  const hops = rates.length - 1;
  const fabric = createFabric({
    seed: 1,
    switches: range(hops).map((s) => ({
      name: `s${s}`,
      portCount: 2,
      model: 'voq' as const,
      latencyPs,
      bufferBlocks: 128,
      dataVls: 1,
      lft: Uint8Array.from([255, 1, 2]),
    })),
    hostPorts: [0, 1].map((h) => ({ name: `h${h}`, node: h, lid: h + 1, dataVls: 1, bufferBlocks: 128 })),
    links: rates.map((psPerByte, i) => ({
      a: i === 0 ? hostEnd(0) : switchEnd(i - 1, 2),
      b: i === hops ? hostEnd(1) : switchEnd(i, 1),
      psPerByte,
      propagationPs,
    })),
    traffic: {
      pattern: { kind: 'table', to: [1, -1] },
      mode: { kind: 'closed', outstanding: 1 },
      sizes: [{ wireBytes, weight: 1 }],
      stopPs: 1,
    },
  });
  fabric.runUntil(1e9);
  fabric.assertDrained();
  return fabric.traffic().latencyMeanPs;
}

/** The law: cables, switches, before each faster link the difference of the serialisations (a packet must not overtake its tail), and the last link. */
export function unloadedLawPs(rates: readonly number[], wireBytes: number, propagationPs: number, latencyPs: number): number {
  const serial = rates.map((r) => Math.ceil(wireBytes * r));
  const waits = serial.slice(1).map((s, i) => Math.max(0, serial[i] - s));
  return propagationPs * rates.length + latencyPs * (rates.length - 1) + sum(waits) + serial[serial.length - 1];
}

const KAROL: readonly (readonly [number, number])[] = [
  [2, 0.75],
  [3, 0.6825],
  [4, 0.6553],
  [8, 0.6184],
  [16, 0.601],
];

function saturationTable(): ValidationTable {
  return {
    title: 'Saturation of input FIFOs',
    source: 'Karol, Hluchyj, Morgan 1987, table I: throughput per output, all inputs backlogged',
    rows: KAROL.map(([n, published]) => compare(`N = ${n}`, published, fifoSaturation(n), 1)),
  };
}

function waitTable(): ValidationTable {
  const row = (n: number, load: number, percent: number): ValidationRow =>
    compare(`N = ${n}, load ${load}`, ((n - 1) / n) * (load / (2 * (1 - load))), outputQueueWait(n, load), percent);
  return {
    title: 'Wait in output queues, slotted arrivals',
    source: '(N − 1)/N × load / (2 (1 − load))',
    unit: 'slots',
    rows: [row(2, 0.5, 2), row(4, 0.5, 2), row(4, 0.8, 3), row(16, 0.8, 3)],
  };
}

function creditTable(): ValidationTable {
  return {
    title: 'Credits and long cables',
    source: 'min(1, buffer / (rate × round trip of a credit))',
    rows: [
      compare('QDR, 8 KiB, 4 us', 8192 / (4e9 * 4e-6), creditLimited(250, 8192, 4_000_000), 1),
      compare('EDR, 16 KiB, 2 us', 16384 / (12.5e9 * 2e-6), creditLimited(80, 16384, 2_000_000), 1),
      compare('QDR, 400 kB, 100 us (10 km)', 1, creditLimited(250, 6272 * 64, 100_000_000, 0.1), 1),
    ],
  };
}

function arbitrationTable(): ValidationTable {
  const weights = [33, 66, 132];
  const shares = vlShares({ high: [], low: weights.map((weight, vl) => ({ vl, weight })), highLimit: 255 }, 3);
  // limit 1: high priority sends 4096 bytes or more, that is two packets, then low has one
  const limited = vlShares({ high: [{ vl: 0, weight: 255 }], low: [{ vl: 1, weight: 255 }], highLimit: 1 }, 2);
  return {
    title: 'VL arbitration',
    source: 'IBA volume 1, 7.6.9: weights in 64-byte units, high limit in 4096-byte units',
    rows: [
      ...weights.map((weight, vl) => compare(`weight ${weight} of 231`, weight / 231, shares[vl], 1)),
      compare('high priority, limit 1, against one low packet', 2 / 3, limited[0], 1),
      compare('low priority, limit 1', 1 / 3, limited[1], 1),
    ],
  };
}

function congestionTable(): ValidationTable {
  const lot = parkingLot(4);
  return {
    title: 'Congestion',
    source: 'parking lot: per-port round robin; hot spot: 1/(1 + h (N − 1)); victim: the rate of its co-flows',
    rows: [
      ...[1 / 2, 1 / 4, 1 / 8, 1 / 8].map((share, i) => compare(`parking lot, sender ${i + 1} of 4`, share, lot[i], 3)),
      compare('hot spot, N = 64, h = 1/16', 1 / (1 + 63 / 16), hotSpotRate(64, 1 / 16), 3),
      compare('victim behind 1 of 4 senders, fifo', 1 / 4, victimRate(4, 'fifo'), 3),
    ],
  };
}

function treeTable(): ValidationTable {
  return {
    title: 'Shift permutations under d-mod-k',
    source: 'fat tree with d-mod-k routing: every shift at full rate (Zahavi)',
    rows: [
      compare('worst of all 15 shifts, k = 4', 1, worstShift(4, range(15, 1)), 0.5),
      compare('worst of 8 shifts, k = 8', 1, worstShift(8, [1, 3, 4, 5, 16, 31, 64, 127]), 0.5),
    ],
  };
}

function latencyTable(): ValidationTable {
  const row = (name: string, rates: readonly number[], bytes: number): ValidationRow => {
    return compare(name, unloadedLawPs(rates, bytes, 30_000, 100_000), unloadedLatencyPs(rates, bytes, 30_000, 100_000), 0);
  };
  return {
    title: 'Unloaded latency',
    source: 'cables + switch latencies + waits for the own tail before faster links + serialisation on the last link, to the ps',
    unit: 'ps',
    rows: [
      row('EDR, one switch', [80, 80], 2074),
      row('EDR, five switches', [80, 80, 80, 80, 80, 80], 30),
      row('SDR into EDR', [1000, 80], 4122),
      row('EDR into SDR into HDR', [80, 1000, 40], 2074),
      row('FDR, three switches', [220 / 3, 220 / 3, 220 / 3, 220 / 3], 2074),
    ],
  };
}

export async function rows(): Promise<readonly ValidationTable[]> {
  return [latencyTable(), saturationTable(), waitTable(), creditTable(), arbitrationTable(), congestionTable(), treeTable()];
}
