/** Random small fabrics and traffic for properties, and how to run them on either kernel. */
import fc from 'fast-check';
import {
  createFabric,
  type Fabric,
  type FabricOptions,
  type FabricSpec,
  type HostPortSpec,
  type LinkEnd,
  type LinkSpec,
  RECORD_TX_FREED,
  RECORD_WORDS,
  recordFlags,
  recordWireBytes,
  type SwitchSpec,
  type VlArbSpec,
  W_LENGTH,
  W_LIDS,
  W_NUMBER,
  W_PORT,
} from '../../src/fabric/index.ts';
import { RandomStream } from '../../src/sim/index.ts';
import type { Delivery, Injection } from './reference.ts';

export interface Case {
  readonly spec: FabricSpec;
  readonly injections: readonly Injection[];
}

/** What of a random fabric may be unusual. */
export interface Shape {
  readonly seed: number;
  readonly switches: number;
  readonly hosts: number;
  readonly packets: number;
  readonly vls: number;
  readonly model: 'voq' | 'fifo' | 'mixed';
  readonly rates: boolean;
  readonly sl2vl: boolean;
  readonly arb: boolean;
  readonly lives: boolean;
  readonly sinks: boolean;
  readonly multicast: boolean;
  readonly tight: boolean;
}

export const shapes: fc.Arbitrary<Shape> = fc.record({
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  switches: fc.integer({ min: 1, max: 4 }),
  hosts: fc.integer({ min: 2, max: 6 }),
  packets: fc.integer({ min: 1, max: 60 }),
  vls: fc.integer({ min: 1, max: 3 }),
  model: fc.constantFrom('voq', 'voq', 'fifo', 'mixed'),
  rates: fc.boolean(),
  sl2vl: fc.boolean(),
  arb: fc.boolean(),
  lives: fc.boolean(),
  sinks: fc.boolean(),
  multicast: fc.boolean(),
  tight: fc.boolean(),
});

const SIZES = [30, 64, 90, 282, 1050, 2074];

/** The fabric and traffic of a shape: everything follows from its seed. */
export function build(shape: Shape): Case {
  const r = new RandomStream(shape.seed, 'random fabric');
  const pick = <T>(list: readonly T[]): T => list[r.below(list.length)];
  const dataVls = shape.vls;
  const ends: LinkEnd[][] = Array.from({ length: shape.switches }, () => []); // by switch: what each port is cabled to
  const links: LinkSpec[] = [];
  const join = (a: LinkEnd, b: LinkEnd): void => {
    links.push({
      a,
      b,
      psPerByte: shape.rates ? pick([80, 40, 100, 220 / 3]) : 80,
      propagationPs: pick([10_000, 50_000, 50_000, 70_000]),
    });
  };
  const port = (s: number, far: LinkEnd): LinkEnd => ({ kind: 'switch', index: s, port: ends[s].push(far) });
  const trunk = (s: number, t: number): void => {
    const a = port(s, { kind: 'switch', index: t, port: 0 });
    join(a, port(t, { kind: 'switch', index: s, port: 0 }));
  };
  for (let s = 1; s < shape.switches; s++) trunk(s, r.below(s));
  for (let i = 0; shape.switches > 1 && i < r.below(4); i++) {
    const s = r.below(shape.switches);
    trunk(s, (s + 1 + r.below(shape.switches - 1)) % shape.switches);
  }
  for (let h = 0; h < shape.hosts; h++) {
    const end: LinkEnd = { kind: 'host', index: h, port: 1 };
    join(port(r.below(shape.switches), end), end);
  }
  const buffer = (): number => (shape.tight ? 33 + r.below(8) : 33 + r.below(100));
  const map = (): Uint8Array => Uint8Array.from({ length: 16 }, () => (r.below(12) === 0 ? 15 : r.below(dataVls)));
  const arb = (): VlArbSpec => ({
    high: Array.from({ length: r.below(3) }, () => ({ vl: r.below(dataVls), weight: r.below(60) })),
    low: Array.from({ length: dataVls }, (_, vl) => ({ vl, weight: 1 + r.below(60) })),
    highLimit: pick([0, 1, 2, 255]),
  });
  const switches: SwitchSpec[] = ends.map((list, s) => ({
    name: `s${s}`,
    portCount: list.length,
    model: shape.model === 'mixed' ? pick(['voq', 'fifo'] as const) : shape.model,
    latencyPs: pick([100_000, 100_000, 130_000]),
    creditReturnPs: pick([0, 30_000]),
    bufferBlocks: Array.from({ length: dataVls }, buffer),
    dataVls,
    lft: routes(ends, s, shape.hosts, r),
    tie: pick(['round-robin', 'random'] as const),
    ...(shape.sl2vl ? { sl2vl: r.below(2) === 0 ? map() : fullMap(list.length, map) } : {}),
    ...(shape.arb ? { vlArb: arb() } : {}),
    ...(shape.lives ? { hoqLife: pick([0, 1, 20]), lifeTime: pick([1, 2, 20]) } : {}),
    ...(shape.multicast ? { mft: [[0xc001, list.map((_, i) => i + 1).filter(() => r.below(3) > 0)] as const] } : {}),
  }));
  // multicast needs a tree: only where there is one switch
  const multicast = shape.multicast && shape.switches === 1;
  const hostPorts: HostPortSpec[] = Array.from({ length: shape.hosts }, (_, h) => ({
    name: `h${h}`,
    node: h,
    group: h % 2,
    lid: h + 1,
    dataVls,
    bufferBlocks: Array.from({ length: dataVls }, buffer),
    creditReturnPs: pick([0, 20_000]),
    ...(shape.sinks ? { sinkPsPerByte: pick([0, 60, 110]), sinkLatencyPs: pick([0, 40_000]) } : {}),
    ...(shape.arb ? { vlArb: arb() } : {}),
  }));
  const injections = Array.from({ length: shape.packets }, (_, number) => {
    const host = r.below(shape.hosts);
    const dlid = multicast && r.below(4) === 0 ? 0xc001 : r.below(20) === 0 ? shape.hosts + 1 : 1 + r.below(shape.hosts);
    return { timePs: r.below(40) * 10_000, host, dlid, wireBytes: pick(SIZES), sl: r.below(dataVls), number };
  });
  return { spec: { seed: shape.seed, switches, hostPorts, links, maxWireBytes: 2074, minWireBytes: 30 }, injections };
}

/** Shortest paths, ties by chance: cycles of dependency may arise, and then both kernels must stand still alike. */
function routes(ends: readonly (readonly LinkEnd[])[], from: number, hosts: number, r: RandomStream): Uint8Array {
  const lft = new Uint8Array(hosts + 1).fill(255);
  for (let h = 0; h < hosts; h++) {
    const home = ends.findIndex((list) => list.some((e) => e.kind === 'host' && e.index === h));
    const distance = new Array<number>(ends.length).fill(Number.POSITIVE_INFINITY);
    distance[home] = 0;
    for (const queue = [home]; queue.length > 0; ) {
      const s = queue.shift() as number;
      for (const e of ends[s])
        if (e.kind === 'switch' && distance[e.index] === Number.POSITIVE_INFINITY) {
          distance[e.index] = distance[s] + 1;
          queue.push(e.index);
        }
    }
    const good = ends[from]
      .map((e, i) => ({ e, number: i + 1 }))
      .filter(({ e }) => (e.kind === 'host' ? e.index === h : distance[e.index] < distance[from]));
    lft[h + 1] = good[r.below(good.length)].number;
  }
  return lft;
}

function fullMap(ports: number, map: () => Uint8Array): Uint8Array {
  const all = new Uint8Array((ports + 1) ** 2 * 16);
  for (let i = 0; i < (ports + 1) ** 2; i++) all.set(map(), i * 16);
  return all;
}

/** Feeds the product kernel and runs it with calls cut at `cuts`, then in one go to `limitPs`. */
export function runProduct(c: Case, limitPs: number, cuts: readonly number[] = [], options: FabricOptions = {}) {
  const fabric = createFabric(c.spec, { packetCapacity: 5000, ...options });
  const words = new Int32Array(RECORD_WORDS);
  const times = new Float64Array(words.buffer);
  const deliveries: Delivery[] = [];
  const freed: number[] = [];
  const drain = (): void => {
    for (const batch of fabric.out) {
      for (let i = 0; i < batch.count; i++) {
        const at = i * 16;
        const number = batch.words[at + W_NUMBER];
        if ((recordFlags(batch.words, at) & RECORD_TX_FREED) !== 0) freed.push(number);
        else
          deliveries.push({
            timePs: batch.times[i * 8],
            source: c.injections[number].host,
            host: batch.words[at + W_PORT],
            number,
            wireBytes: recordWireBytes(batch.words, at),
          });
      }
      batch.count = 0;
    }
  };
  const inject = (from: number, to: number): void => {
    for (const i of c.injections) {
      if (i.timePs < from || i.timePs >= to) continue;
      words.fill(0);
      times[0] = i.timePs;
      words[W_PORT] = i.host;
      words[W_LIDS] = i.dlid;
      words[W_LENGTH] = i.wireBytes | (i.sl << 16);
      words[W_NUMBER] = i.number;
      fabric.inject(words, times, 0);
    }
  };
  let done = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    inject(done, cut);
    fabric.runUntil(cut);
    done = Math.max(done, cut);
    drain();
    fabric.assertConserved();
  }
  inject(done, Number.POSITIVE_INFINITY);
  fabric.runUntil(limitPs);
  drain();
  return { fabric, deliveries: deliveries.sort(byTime), freed: freed.sort((a, b) => a - b) };
}

export function byTime(a: Delivery, b: Delivery): number {
  return a.timePs - b.timePs || a.host - b.host || a.source - b.source || a.number - b.number;
}

export function sentBy(fabric: Fabric, c: Case): number[] {
  return c.spec.switches.flatMap((s, index) =>
    Array.from({ length: s.portCount }, (_, p) => fabric.counters({ kind: 'switch', index, port: p + 1 }).xmitPackets),
  );
}
