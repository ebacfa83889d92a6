/**
 * A naive kernel of the same model, as one would write it first: an object per packet, queue and port, a closure per event, a binary heap with a comparator, the textbook
 * four events a packet-hop. It runs the same tree with the same traffic, and the product kernel is held against it. Alone: `npx tsx bench/naive-kernel.ts`.
 */
import { pathToFileURL } from 'node:url';
import { blocksOf, createFabric, type FabricSpec, type LinkEnd } from '../src/fabric/index.ts';
import { RandomStream } from '../src/sim/index.ts';
import { cpuSeconds, median, uniform, WIRE_BYTES } from './kernel.ts';
import { threeLevelTree } from './kernel-topologies.ts';
import type { BenchRow } from './types.ts';

interface Event {
  time: number;
  sequence: number;
  run: () => void;
}

class EventQueue {
  now = 0;
  count = 0;
  readonly #heap: Event[] = [];
  #sequence = 0;

  at(time: number, run: () => void): void {
    const heap = this.#heap;
    heap.push({ time, sequence: this.#sequence++, run });
    let i = heap.length - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      if (this.#before(heap[up] as Event, heap[i] as Event)) break;
      [heap[up], heap[i]] = [heap[i] as Event, heap[up] as Event];
      i = up;
    }
  }

  #before(a: Event, b: Event): boolean {
    return a.time < b.time || (a.time === b.time && a.sequence < b.sequence);
  }

  #pop(): Event {
    const heap = this.#heap;
    const first = heap[0] as Event;
    const last = heap.pop() as Event;
    if (heap.length === 0) return first;
    heap[0] = last;
    let i = 0;
    for (;;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2])
        if (child < heap.length && this.#before(heap[child] as Event, heap[least] as Event)) least = child;
      if (least === i) return first;
      [heap[least], heap[i]] = [heap[i] as Event, heap[least] as Event];
      i = least;
    }
  }

  runUntil(limit: number): void {
    while (this.#heap.length > 0 && (this.#heap[0] as Event).time < limit) {
      const event = this.#pop();
      this.now = event.time;
      this.count++;
      event.run();
    }
  }
}

interface Packet {
  destination: number;
  vl: number;
  bytes: number;
  blocks: number;
  madePs: number;
}

interface Waiting {
  packet: Packet;
  /** The port that it came in by, null at its host. */
  input: Port | null;
}

class Port {
  peer: Port | null = null;
  busy = false;
  readonly credits: number[] = [];
  /** By VL, then by input. */
  readonly queues: Waiting[][][];
  readonly turn: number[] = [];
  vl = 0;
  left = 64;
  readonly owner: NaiveSwitch | null;
  readonly number: number;
  constructor(owner: NaiveSwitch | null, number: number, inputs: number, vls: number, room: number) {
    this.owner = owner;
    this.number = number;
    this.queues = Array.from({ length: vls }, () => Array.from({ length: inputs }, () => []));
    for (let vl = 0; vl < vls; vl++) {
      this.credits.push(room);
      this.turn.push(0);
    }
  }
}

interface NaiveSwitch {
  readonly ports: Port[];
  readonly lft: Uint8Array;
}

/** The naive kernel on a tree of `threeLevelTree`. */
export class NaiveKernel {
  readonly queue = new EventQueue();
  hops = 0;
  delivered = 0;
  readonly #spec: FabricSpec;
  readonly #hosts: Port[];
  readonly #propagationPs: number;
  readonly #latencyPs: number;
  readonly #psPerByte: number;

  constructor(spec: FabricSpec, load: number, queueLimit: number) {
    this.#spec = spec;
    const first = spec.switches[0] as FabricSpec['switches'][number];
    const room = first.bufferBlocks as number;
    const vls = first.dataVls;
    this.#propagationPs = (spec.links[0] as FabricSpec['links'][number]).propagationPs;
    this.#latencyPs = first.latencyPs;
    this.#psPerByte = (spec.links[0] as FabricSpec['links'][number]).psPerByte;
    const switches = spec.switches.map((s) => {
      const made: NaiveSwitch = { ports: [], lft: s.lft };
      for (let p = 1; p <= s.portCount; p++) made.ports.push(new Port(made, p, s.portCount, vls, room));
      return made;
    });
    this.#hosts = spec.hostPorts.map(() => new Port(null, 1, 1, vls, room));
    const end = (e: LinkEnd): Port =>
      (e.kind === 'host' ? this.#hosts[e.index] : (switches[e.index] as NaiveSwitch).ports[e.port - 1]) as Port;
    for (const link of spec.links) {
      end(link.a).peer = end(link.b);
      end(link.b).peer = end(link.a);
    }
    const gap = (WIRE_BYTES * this.#psPerByte) / load;
    this.#hosts.forEach((port, host) => {
      const random = new RandomStream(spec.seed, `naive host ${host}`);
      const make = (): void => {
        if (port.queues.reduce((n, q) => n + (q[0] as Waiting[]).length, 0) < queueLimit) {
          const drawn = random.below(this.#hosts.length - 1);
          const packet = {
            destination: drawn >= host ? drawn + 1 : drawn,
            vl: random.below(vls),
            bytes: WIRE_BYTES,
            blocks: blocksOf(WIRE_BYTES),
            madePs: this.queue.now,
          };
          ((port.queues[packet.vl] as Waiting[][])[0] as Waiting[]).push({ packet, input: null });
          this.#decide(port);
        }
        this.queue.at(this.queue.now + 1 + Math.floor(gap * random.exponential()), make);
      };
      this.queue.at(Math.floor(gap * random.float()), make);
    });
  }

  #decide(port: Port): void {
    if (port.busy) return;
    let vl = port.vl;
    let left = port.left;
    for (let n = 0; n <= port.queues.length; n++) {
      const queues = port.queues[vl] as Waiting[][];
      for (let i = 0; left > 0 && i < queues.length; i++) {
        const input = ((port.turn[vl] as number) + i) % queues.length;
        const waiting = queues[input]?.[0];
        if (waiting === undefined || waiting.packet.blocks > (port.credits[vl] as number)) continue;
        queues[input]?.shift();
        port.turn[vl] = (input + 1) % queues.length;
        port.vl = vl;
        port.left = left - waiting.packet.blocks;
        this.#send(port, vl, waiting);
        return;
      }
      vl = (vl + 1) % port.queues.length;
      left = 64;
    }
  }

  #send(port: Port, vl: number, { packet, input }: Waiting): void {
    const to = port.peer as Port;
    const { queue } = this;
    (port.credits as number[])[vl] = (port.credits[vl] as number) - packet.blocks;
    port.busy = true;
    this.hops++;
    const end = queue.now + packet.bytes * this.#psPerByte;
    queue.at(end, () => {
      port.busy = false;
      if (input !== null) this.#giveCredit(input, vl, packet.blocks);
      this.#decide(port);
    });
    if (to.owner === null)
      queue.at(end + this.#propagationPs, () => {
        this.delivered++;
        this.#giveCredit(to, vl, packet.blocks);
      });
    else
      queue.at(queue.now + this.#propagationPs, () => {
        queue.at(queue.now + this.#latencyPs, () => this.#route(to, packet));
      });
  }

  #giveCredit(input: Port, vl: number, blocks: number): void {
    const sender = input.peer as Port;
    this.queue.at(this.queue.now + this.#propagationPs, () => {
      (sender.credits as number[])[vl] = (sender.credits[vl] as number) + blocks;
      this.#decide(sender);
    });
  }

  #route(input: Port, packet: Packet): void {
    const owner = input.owner as NaiveSwitch;
    const lid = this.#spec.hostPorts[packet.destination]?.lid as number;
    const output = owner.ports[(owner.lft[lid] as number) - 1] as Port;
    ((output.queues[packet.vl] as Waiting[][])[input.number - 1] as Waiting[]).push({ packet, input });
    this.#decide(output);
  }
}

/** Both kernels in turns over the same simulated time. */
export async function measure(): Promise<readonly BenchRow[]> {
  const tree = threeLevelTree({ k: 16, dataVls: 2, traffic: uniform(0.9) });
  const product = createFabric(tree);
  const naive = new NaiveKernel(tree, 0.9, 4);
  const warm = 6_000_000;
  product.runUntil(warm);
  naive.queue.runUntil(warm);
  const ratios: number[] = [];
  const rates: number[] = [];
  let cpu = 0;
  const before = { hops: naive.hops, events: naive.queue.count };
  for (let i = 1; i <= 5; i++) {
    let hops = product.stats().packetHops;
    let start = process.cpuUsage();
    product.runUntil(warm + i * 30_000_000);
    const ours = (product.stats().packetHops - hops) / cpuSeconds(start);
    hops = naive.hops;
    start = process.cpuUsage();
    naive.queue.runUntil(warm + i * 2_000_000);
    const seconds = cpuSeconds(start);
    cpu += seconds;
    rates.push((naive.hops - hops) / seconds);
    ratios.push(ours / (rates[rates.length - 1] as number));
  }
  const ratio = median(ratios);
  return [
    {
      name: 'naive-kernel/k16-uniform-90',
      packetHopsPerCpuSecond: median(rates),
      eventsPerPacketHop: (naive.queue.count - before.events) / (naive.hops - before.hops),
      cpuSeconds: cpu,
      peakMiB: null,
      figures: { productOverNaive: ratio },
      target: 'product kernel at least 12 times as fast',
      ok: ratio >= 12,
    },
  ];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(JSON.stringify(await measure(), null, 2));
