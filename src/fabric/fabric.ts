/**
 * The fabric as the rest of heddle sees it: made from a `FabricSpec`, fed with packet records, run up to a time, asked for counters.
 */
import { assert, ConfigError, InvariantError, RandomStream } from '../sim/index.ts';
import { CounterReader, type PortReport } from './counters.ts';
import { HISTOGRAM_BUCKETS, quantilePs } from './histogram.ts';
import { assertConserved, assertDrained, findWaitCycle, portName, type WaitStep } from './inspect.ts';
import { makeKernel } from './kernel.ts';
import {
  type CaptureHook,
  COUNT,
  DROP_REASONS,
  type DropReason,
  ERROR_KINDS,
  type KernelEnv,
  type KernelState,
  SCALAR,
  type TraceHook,
} from './kernel-env.ts';
import type { PayloadPool } from './payload-pool.ts';
import { RecordBatch } from './record-batch.ts';
import type { FabricSpec } from './spec.ts';
import { NO_TRAFFIC, planTraffic } from './traffic.ts';
import { makeWiring, type Wiring } from './wiring.ts';

/** A port by name of its owner: `port` is 1 … portCount for a switch and ignored for a host port. */
export type PortRef =
  | { readonly kind: 'switch'; readonly index: number; readonly port: number }
  | { readonly kind: 'host'; readonly index: number };

export interface FabricOptions {
  /** Whose slots the kernel releases when it drops a packet, and retains when it copies one. Needed where records carry payload. */
  readonly pool?: PayloadPool;
  /** Whether hosts exchange records. Default: true unless the spec has traffic. */
  readonly records?: boolean;
  /** Packets (and events) inside at once, at most. Default 2^20; memory is used only as far as it is touched. */
  readonly packetCapacity?: number;
  /** Called for each packet-hop when its transmission starts. */
  readonly trace?: TraceHook;
  /** Called for each packet that passes one of the ports. Needs `records`. */
  readonly capture?: { readonly ports: readonly PortRef[]; readonly packet: CaptureHook['packet'] };
}

export interface FabricStats {
  readonly nowPs: number;
  readonly events: number;
  /** One packet sent over one link, host links included. */
  readonly packetHops: number;
  readonly injected: number;
  /** Further copies of multicast packets. */
  readonly copied: number;
  readonly delivered: number;
  readonly deliveredBytes: number;
  readonly dropped: number;
  readonly droppedBy: Readonly<Record<DropReason, number>>;
  /** Packets made or injected and not yet delivered or dropped. */
  readonly inside: number;
  /** Records in use, now and at most. */
  readonly recordsUsed: number;
  readonly recordsMost: number;
  /** Credits that did not fit into a sender's ring and became events. */
  readonly creditEvents: number;
  /** 16 hexadecimal digits over all deliveries, whatever their order: time, source, destination, number, bytes. */
  readonly hash: string;
}

/** What synthetic traffic measured, from `measureFromPs` on. */
export interface TrafficReport {
  readonly packets: number;
  /** Packets that found their host's queue full. */
  readonly refused: number;
  readonly latencyMeanPs: number;
  readonly latencyMinPs: number;
  readonly latencyMaxPs: number;
  readonly quantilePs: (q: number) => number;
  readonly histogram: Float64Array;
  /** Accepted bytes by source and by destination. */
  readonly sentBytes: Float64Array;
  readonly receivedBytes: Float64Array;
  /** Accepted bytes by source × hosts + destination; null if not kept. */
  readonly flowBytes: Float64Array | null;
  /** Accepted bytes per second over what the sending hosts' links carry. */
  readonly acceptedLoad: number;
  /** Jain's index over the sending hosts' accepted bytes: 1 = all alike, 1/n = one has all. */
  readonly fairness: number;
}

/** Above this many hosts a fabric gets a copy of the kernel's code of its own. */
const OWN_CODE_HOSTS = 32;

/**
 * V8 turns the arrays and flags that the kernel's closure captures into constants as long as its function was called once. Evaluating the text
 * again makes a second fabric as fast as the first; small ones share one copy, which spares them warming up.
 */
function kernelCode(hosts: number): typeof makeKernel {
  if (hosts <= OWN_CODE_HOSTS) return makeKernel;
  // some loaders wrap function expressions in a naming helper that the text alone does not bring along
  return new Function('__name', `return (${makeKernel.toString()})`)((f: unknown) => f) as typeof makeKernel;
}

export class Fabric {
  readonly wiring: Wiring;
  /** For each group of host ports: what has arrived there and what transmit room has come free. Read, then set `count` to 0. */
  readonly out: readonly RecordBatch[];
  /** What happens in one process (a switch, the hosts on one) shows in another this much later at the earliest. */
  readonly lookaheadPs: number;
  readonly #kernel: KernelState;
  readonly #counters: CounterReader;
  readonly #histogram: Float64Array;
  readonly #records: boolean;
  readonly #perFlow: boolean;
  /** Events handled when `isDeadlocked` looked last, and what it found. */
  #lookedAtEvents = -1;
  #wasDeadlocked = false;

  /** Throws `ConfigError` for a spec that cannot work. */
  constructor(spec: FabricSpec, options: FabricOptions = {}) {
    this.#records = options.records ?? spec.traffic === undefined;
    const faults = [...(spec.faults ?? [])].sort((a, b) => a.atPs - b.atPs);
    const wiring = makeWiring({ ...spec, faults }, this.#records);
    this.wiring = wiring;
    this.lookaheadPs = wiring.lookaheadPs;
    this.#histogram = new Float64Array(HISTOGRAM_BUCKETS);
    this.#perFlow = spec.traffic !== undefined && (spec.traffic.perFlow ?? wiring.hostCount <= 512);
    this.out = Array.from({ length: wiring.groups }, () => new RecordBatch(256));
    this.#kernel = kernelCode(wiring.hostCount)(this.#environment(spec, options));
    this.#counters = new CounterReader(wiring, this.#kernel);
  }

  #environment(spec: FabricSpec, options: FabricOptions): KernelEnv {
    const wiring = this.wiring;
    const sizes = spec.traffic?.sizes.map((s) => s.wireBytes);
    const errorStreams = new Map<number, RandomStream>();
    const tieStreams = new Map<number, RandomStream>();
    const pool = options.pool;
    return {
      wiring,
      packetCapacity: options.packetCapacity ?? 2 ** 20,
      minWireBytes: spec.minWireBytes ?? (sizes ? Math.min(...sizes) : 26),
      maxWireBytes: spec.maxWireBytes ?? (sizes ? Math.max(...sizes) : 4096 + 128),
      records: this.#records,
      out: this.out,
      traffic: spec.traffic === undefined ? null : planTraffic(spec.traffic, wiring),
      noTraffic: NO_TRAFFIC,
      histogram: this.#histogram,
      perFlow: this.#perFlow,
      errorKinds: ERROR_KINDS,
      trace: options.trace ?? null,
      capture: this.#captureHook(options),
      fail: (message) => {
        throw new InvariantError(message);
      },
      releasePayload: (slot) => pool?.release(slot),
      retainPayload: (slot, count) => pool?.retain(slot, count),
      errorStream: (port) =>
        lazily(errorStreams, port, () => new RandomStream(spec.seed, `bit errors ${portName(wiring, port)}`)),
      tieStream: (s) => lazily(tieStreams, s, () => new RandomStream(spec.seed, `ties ${wiring.spec.switches[s].name}`)),
    };
  }

  #captureHook(options: FabricOptions): CaptureHook | null {
    if (options.capture === undefined) return null;
    if (!this.#records)
      throw new ConfigError([{ file: 'fabric', path: 'capture', message: 'synthetic traffic has no packets to capture' }]);
    const ports = new Uint8Array(this.wiring.ports);
    for (const ref of options.capture.ports) ports[this.port(ref)] = 1;
    return { ports, packet: options.capture.packet };
  }

  /** The port number that counters, traces and captures use. Throws `InvariantError` for a port that does not exist. */
  port(ref: PortRef): number {
    const { switchCount, hostCount, portBase, switchPorts } = this.wiring;
    if (ref.kind === 'host') {
      assert(ref.index >= 0 && ref.index < hostCount, () => `no host port ${ref.index}`);
      return switchPorts + ref.index;
    }
    assert(ref.index >= 0 && ref.index < switchCount, () => `no switch ${ref.index}`);
    const port = portBase[ref.index] + ref.port - 1;
    assert(port >= portBase[ref.index] && port < portBase[ref.index + 1], () => `switch ${ref.index} has no port ${ref.port}`);
    return port;
  }

  /** Name of a port number: `leaf3/17`, or the host port's name. */
  portName(port: number): string {
    return portName(this.wiring, port);
  }

  /** Time up to which the fabric has run: all before it is done. */
  get nowPs(): number {
    return this.#kernel.X[SCALAR.now];
  }

  /**
   * A record enters the transmit queue of its host port at its time (not before `nowPs`). VL 15 in its VL field makes it a management packet, any other
   * is replaced by the port's SL2VL. Records of one port with equal times enter in the order of the calls.
   */
  inject(words: Int32Array, times: Float64Array, wordIndex: number): void {
    this.#kernel.inject(words, times, wordIndex);
  }

  /** The earliest time at which something can happen inside; Infinity if nothing will. */
  nextPs(): number {
    return this.#kernel.nextPs();
  }

  /** Runs everything before `limitPs`. How calls are cut does not change any result. */
  runUntil(limitPs: number): void {
    this.#kernel.runUntil(limitPs);
  }

  /** Counters of a port at `nowPs`. A switch port has received a packet when it was routed, a host port when its last byte is in. */
  counters(port: PortRef): PortReport {
    return this.#counters.read(this.port(port));
  }

  stats(): FabricStats {
    const { X, Y, dropped } = this.#kernel;
    const droppedBy = Object.fromEntries(DROP_REASONS.map((reason, i) => [reason, dropped[i]])) as Record<DropReason, number>;
    return {
      nowPs: X[SCALAR.now],
      events: X[SCALAR.events],
      packetHops: X[SCALAR.hops],
      injected: X[SCALAR.injected],
      copied: X[SCALAR.copied],
      delivered: X[SCALAR.delivered],
      deliveredBytes: X[SCALAR.bytesDelivered],
      dropped: X[SCALAR.dropped],
      droppedBy,
      inside: X[SCALAR.injected] + X[SCALAR.copied] - X[SCALAR.delivered] - X[SCALAR.dropped],
      recordsUsed: Y[COUNT.used],
      recordsMost: Y[COUNT.most],
      creditEvents: X[SCALAR.ringOverflows],
      hash: hex(Y[COUNT.hash0]) + hex(Y[COUNT.hash1]),
    };
  }

  /** What was measured of deliveries since `measureFromPs` (0 without traffic). */
  traffic(): TrafficReport {
    const { X, sourceBytes, sinkBytes, flowBytes } = this.#kernel;
    const n = X[SCALAR.measured];
    const spec = this.wiring.spec.traffic;
    const spanPs = X[SCALAR.now] - (spec?.measureFromPs ?? 0);
    const silent = spec === undefined ? null : planTraffic(spec, this.wiring).sends;
    let sum = 0;
    let squares = 0;
    let senders = 0;
    let capacity = 0;
    for (let h = 0; h < sourceBytes.length; h++) {
      if (silent !== null && silent[h] === 0) continue;
      senders++;
      sum += sourceBytes[h];
      squares += sourceBytes[h] * sourceBytes[h];
      capacity += 1 / this.wiring.psPerByte[this.wiring.switchPorts + h];
    }
    return {
      packets: n,
      refused: X[SCALAR.refused],
      latencyMeanPs: n === 0 ? Number.NaN : X[SCALAR.latencySum] / n,
      latencyMinPs: X[SCALAR.latencyMin],
      latencyMaxPs: X[SCALAR.latencyMax],
      quantilePs: (q) => quantilePs(this.#histogram, q),
      histogram: this.#histogram,
      sentBytes: sourceBytes,
      receivedBytes: sinkBytes,
      flowBytes: this.#perFlow ? flowBytes : null,
      acceptedLoad: spanPs > 0 ? sum / spanPs / capacity : 0,
      fairness: squares === 0 ? Number.NaN : (sum * sum) / (senders * squares),
    };
  }

  /** When nothing moves any more though packets are inside: the circle in which they wait, step by step; null if there is none. */
  waitCycle(): WaitStep[] | null {
    return findWaitCycle(this.wiring, this.#kernel);
  }

  /**
   * Whether packets wait for each other in a circle while nothing is left to happen inside: they never move again, whatever hosts still send.
   * Looks only when something has happened since the last answer; cheap to ask often.
   */
  isDeadlocked(): boolean {
    const { X } = this.#kernel;
    const inside = X[SCALAR.injected] + X[SCALAR.copied] - X[SCALAR.delivered] - X[SCALAR.dropped];
    if (inside === 0 || this.nextPs() !== Number.POSITIVE_INFINITY) return false;
    if (this.#lookedAtEvents !== X[SCALAR.events]) {
      this.#lookedAtEvents = X[SCALAR.events];
      this.#wasDeadlocked = this.waitCycle() !== null;
    }
    return this.#wasDeadlocked;
  }

  /** Throws `InvariantError` unless packets and credits add up. */
  assertConserved(): void {
    assertConserved(this.wiring, this.#kernel);
  }

  /** Throws `InvariantError` unless the fabric is empty and everything was delivered or dropped. */
  assertDrained(): void {
    assertDrained(this.wiring, this.#kernel);
  }
}

/** Makes a fabric at time 0. */
export function createFabric(spec: FabricSpec, options: FabricOptions = {}): Fabric {
  return new Fabric(spec, options);
}

function lazily<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
