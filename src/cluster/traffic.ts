/** Synthetic traffic on a topology: the fabric alone, without HCAs and programs. */
import {
  bucketPs,
  createFabric,
  type Fabric,
  type TrafficPattern as KernelPattern,
  type TrafficReport,
  type TrafficSpec,
} from '../fabric/index.ts';
import { ConfigError, DeadlockError, inMacrotask, RandomStream } from '../sim/index.ts';
import { partsOf } from './fabric-parts.ts';
import { type ClusterPlan, planCluster } from './plan.ts';
import { describeWaitCycle, haltedPs } from './standstill.ts';
import type { LinkUse, TrafficOptions, TrafficResult } from './types.ts';
import { VERSION } from './version.ts';

/** LRH, BTH, ICRC and VCRC around the payload of a middle packet. */
const WIRE_OVERHEAD = 26;
/** Virtual time between two looks at the event loop. */
const STEP_PS = 5_000_000;

/**
 * Runs the traffic and measures it. Every host port of every node that takes part is a source and a destination.
 * Throws `ConfigError` for options that do not fit the topology.
 */
export async function runTraffic(options: TrafficOptions): Promise<TrafficResult> {
  const started = { wall: performance.now(), cpu: process.cpuUsage() };
  const plan = planCluster(options, [options.topology.nodes.map((node) => node.index)]);
  const hosts = participants(options, plan);
  const spec = { ...plan.fabric, traffic: trafficSpec(options, plan, hosts) };
  const fabric = createFabric(spec);
  const endPs = options.warmupPs + options.durationPs;
  const before: PortUse[] = [];
  for (let at = 0; at < endPs; ) {
    const next = at < options.warmupPs ? Math.min(at + STEP_PS, options.warmupPs) : Math.min(at + STEP_PS, endPs);
    const delivered = fabric.stats().delivered;
    await inMacrotask(() => fabric.runUntil(next));
    at = next;
    if (fabric.stats().delivered === delivered) refuseStandstill(fabric);
    if (at === options.warmupPs) before.push(...portUse(fabric));
    const { packetHops, events } = fabric.stats();
    options.onProgress?.({ simulatedPs: at, packetHops, events });
  }
  fabric.assertConserved();
  const base = before.length > 0 ? before : portUse(fabric).map((port) => ({ ...port, busyPs: 0, waitPs: 0 }));
  return measured({ options, plan, fabric, hosts, links: linkUse(base, portUse(fabric), options.durationPs), started });
}

/** Sources go on for ever; a circle of waiting packets does not move again, unless their lifetimes run out. */
function refuseStandstill(fabric: Fabric): void {
  const cycle = fabric.wiring.uses.lifetimes ? null : fabric.waitCycle();
  if (cycle === null) return;
  const message = `nothing can move at ${haltedPs(cycle)} ps`;
  throw new DeadlockError([message, ...describeWaitCycle(fabric, cycle)].join('\n'));
}

function problem(file: string, message: string): ConfigError {
  return new ConfigError([{ file, path: '', message }]);
}

/** Handles of the host ports that take part. */
function participants(options: TrafficOptions, plan: ClusterPlan): number[] {
  for (const name of options.nodes ?? [])
    if (!plan.nodeNames.includes(name)) throw problem('--nodes', `there is no node ${name}`);
  const chosen = options.nodes === undefined ? null : new Set(options.nodes);
  const hosts: number[] = [];
  plan.subnet.ports.forEach((port, handle) => {
    if (port.port.link >= 0 && (chosen === null || chosen.has(plan.nodeNames[port.node] as string))) hosts.push(handle);
  });
  if (hosts.length < 2)
    throw problem(options.topologyFile, `${hosts.length} connected host port(s) take part; at least 2 are needed`);
  const mtu = Math.min(...hosts.map((handle) => options.topology.links[plan.subnet.ports[handle]?.port.link ?? -1]?.mtu ?? 4096));
  if (options.messageBytes > mtu)
    throw problem('--size', `found ${options.messageBytes}; a packet carries at most the MTU, ${mtu} bytes here`);
  return hosts;
}

function trafficSpec(options: TrafficOptions, plan: ClusterPlan, hosts: readonly number[]): TrafficSpec {
  const mode: TrafficSpec['mode'] =
    options.load !== undefined
      ? { kind: 'open', load: options.load, queueLimit: 64 }
      : { kind: 'closed', outstanding: options.closedLoop ?? 1 };
  return {
    pattern: kernelPattern(options, plan, hosts),
    mode,
    sizes: [{ wireBytes: WIRE_OVERHEAD + Math.ceil(options.messageBytes / 4) * 4, weight: 1 }],
    measureFromPs: options.warmupPs,
    ...pathSls(plan),
  };
}

/** Each packet at the SL of its path, where the routing engine wants any but 0. */
function pathSls({ subnet }: ClusterPlan): Pick<TrafficSpec, 'pathSls'> {
  const { levels } = subnet.routing;
  if (levels === undefined) return {};
  const place = Array.from(subnet.index.adapterSwitch.subarray(0, subnet.ports.length), (s) => Math.max(0, s));
  return { pathSls: { sls: levels.pathSls, place, places: subnet.index.switchCount } };
}

/** The kernel's own pattern where all hosts take part, else a table, for the patterns that a table can say. */
function kernelPattern(options: TrafficOptions, plan: ClusterPlan, hosts: readonly number[]): KernelPattern {
  const all = plan.subnet.ports.length;
  const target = targetPort(options, plan, hosts);
  const parts = partsOf(plan.subnet.index, hosts);
  if (hosts.length === all && parts.length === 1) {
    switch (options.pattern) {
      case 'shift':
        return { kind: 'shift', by: (options.shift ?? 1) % all };
      case 'incast':
        return { kind: 'incast', to: target };
      case 'hot-spot':
        return { kind: 'hot-spot', to: target, fraction: options.hotShare ?? 0.1 };
      default:
        return { kind: options.pattern };
    }
  }
  if (options.pattern === 'uniform') return { kind: 'uniform-within', parts };
  if (options.pattern === 'incast') {
    const near = parts.find((part) => part.includes(target)) as number[];
    return { kind: 'incast', to: target, sources: near.filter((host) => host !== target) };
  }
  const to = new Array<number>(all).fill(-1);
  for (const part of parts) {
    const destinations = tableOf(options, part);
    part.forEach((host, i) => {
      to[host] = destinations[i] as number;
    });
  }
  return { kind: 'table', to };
}

/** Destinations of the chosen hosts, in their order. */
function tableOf(options: TrafficOptions, hosts: readonly number[]): readonly number[] {
  const n = hosts.length;
  const shifted = (by: number) => hosts.map((_, i) => hosts[(i + by) % n] as number);
  if (options.pattern === 'shift') return shifted(options.shift ?? 1);
  const order = new RandomStream(options.seed ?? 1, 'traffic').shuffle([...hosts]);
  const place = new Map(order.map((host, i) => [host, i]));
  if (options.pattern === 'permutation') return hosts.map((host) => order[((place.get(host) as number) + 1) % n] as number);
  if (options.pattern === 'bisection') {
    const half = Math.floor(n / 2);
    return hosts.map((host) => {
      const at = place.get(host) as number;
      return at >= 2 * half ? -1 : (order[at < half ? at + half : at - half] as number);
    });
  }
  throw problem(
    '--nodes',
    `the pattern ${options.pattern} runs where all ports of all nodes are connected with each other; uniform, permutation, shift, bisection and incast take a choice of them`,
  );
}

function targetPort(options: TrafficOptions, plan: ClusterPlan, hosts: readonly number[]): number {
  if (options.target === undefined) return hosts[0] as number;
  const handle = hosts.find((port) => plan.nodeNames[plan.subnet.ports[port]?.node ?? -1] === options.target);
  if (handle === undefined) throw problem('--target', `${options.target} is none of the nodes that take part`);
  return handle;
}

interface PortUse {
  readonly name: string;
  readonly busyPs: number;
  readonly waitPs: number;
}

/** Every connected port, sending direction. */
function portUse(fabric: Fabric): PortUse[] {
  const { peer, switchPorts, switchOf, portBase } = fabric.wiring;
  const uses: PortUse[] = [];
  for (let port = 0; port < peer.length; port++) {
    const other = peer[port] as number;
    if (other < 0) continue;
    const s = switchOf[port] as number;
    const report = fabric.counters(
      port < switchPorts
        ? { kind: 'switch', index: s, port: port - (portBase[s] as number) + 1 }
        : { kind: 'host', index: port - switchPorts },
    );
    uses.push({ name: `${fabric.portName(port)} -> ${fabric.portName(other)}`, busyPs: report.busyPs, waitPs: report.waitPs });
  }
  return uses;
}

function linkUse(before: readonly PortUse[], after: readonly PortUse[], durationPs: number): LinkUse[] {
  return after
    .map(({ name, busyPs, waitPs }, i) => ({
      name,
      // A packet counts with all of its time when it starts, so a full link can be over by one packet.
      use: Math.min(1, (busyPs - (before[i]?.busyPs ?? 0)) / durationPs),
      wait: (waitPs - (before[i]?.waitPs ?? 0)) / durationPs,
    }))
    .sort((a, b) => b.use - a.use || (a.name < b.name ? -1 : 1));
}

interface Measured {
  readonly options: TrafficOptions;
  readonly plan: ClusterPlan;
  readonly fabric: Fabric;
  readonly hosts: readonly number[];
  readonly links: readonly LinkUse[];
  readonly started: { wall: number; cpu: NodeJS.CpuUsage };
}

function measured({ options, plan, fabric, hosts, links, started }: Measured): TrafficResult {
  const report = fabric.traffic();
  const stats = fabric.stats();
  // A quantile is as coarse as the histogram's buckets; it is never outside of what was measured.
  const quantilePs = (q: number): number => Math.min(report.latencyMaxPs, Math.max(report.latencyMinPs, report.quantilePs(q)));
  const cpu = process.cpuUsage(started.cpu);
  const { topology: _topology, onProgress: _onProgress, ...recorded } = options;
  return {
    options: recorded,
    warnings: plan.warnings,
    pattern: options.pattern,
    hosts: hosts.length,
    offeredLoad: options.load ?? null,
    acceptedLoad: report.acceptedLoad,
    bytesPerSecond: (report.packets * options.messageBytes * 1e12) / options.durationPs,
    messages: report.packets,
    latencyPs: {
      min: report.latencyMinPs,
      mean: Math.round(report.latencyMeanPs),
      p50: quantilePs(0.5),
      p90: quantilePs(0.9),
      p99: quantilePs(0.99),
      p999: quantilePs(0.999),
      max: report.latencyMaxPs,
    },
    latencySamples: [...report.histogram].map((count, i) => [bucketPs(i), count] as const).filter(([, count]) => count > 0),
    fairness: fairnessOf(report, hosts),
    links,
    run: {
      hash: stats.hash,
      seed: options.seed ?? 1,
      version: VERSION,
      simulatedPs: stats.nowPs,
      packets: stats.delivered,
      packetHops: stats.packetHops,
      events: stats.events,
      wallMs: Math.round(performance.now() - started.wall),
      cpuMs: Math.round((cpu.user + cpu.system) / 1e3),
      placement: 'inline',
      workers: 0,
    },
  };
}

/** Among the sources that got anything through. */
function fairnessOf(report: TrafficReport, hosts: readonly number[]): TrafficResult['fairness'] {
  const sent = hosts.map((host) => report.sentBytes[host] as number).filter((bytes) => bytes > 0);
  const mean = sent.reduce((sum, bytes) => sum + bytes, 0) / Math.max(1, sent.length);
  return { jain: report.fairness, leastOfMean: Math.min(...sent) / mean, greatestOfMean: Math.max(...sent) / mean };
}
