/** One run from its options to its result. */
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { createFabric, type Fabric, PayloadPool } from '../fabric/index.ts';
import { ConfigError, DeadlockError, formatPs, InvariantError, type Ps, ProgramError } from '../sim/index.ts';
import type { Program } from '../verbs/index.ts';
import { withAllMistakes } from './all-mistakes.ts';
import { BreakdownBuilder } from './breakdown.ts';
import type { Coordinator } from './coordinator.ts';
import { flushSamples } from './domain-samples.ts';
import { HopLog } from './hop-log.ts';
import { LineOutput } from './line-output.ts';
import type { GroupReport } from './messages.ts';
import { type HostPlans, planHosts } from './host-plan.ts';
import type { GroupConfig, NodeRun } from './node-group.ts';
import { DEFAULT_PEER_NETWORK } from './peers.ts';
import { placeNodes, poolSize } from './placement.ts';
import type { Place } from './places.ts';
import { type ClusterPlan, planCluster } from './plan.ts';
import { roleOf } from './program-host.ts';
import { loadProgram, type ProgramSource, prepareProgram, provideLibrary } from './program-loader.ts';
import { chooseRanks } from './ranks.ts';
import { readPortCounters } from './port-counters.ts';
import { RunCapture } from './run-capture.ts';
import { Session } from './session.ts';
import { runSolo } from './solo.ts';
import { describeWaitCycle, haltedPs } from './standstill.ts';
import { openDoors, servedInline, type ToolDoors } from './tool-doors.ts';
import type { DomainReport, RunOptions, RunResult } from './types.ts';
import { VERSION } from './version.ts';

/** Ends of runs that never fall idle: see `CutOptions.horizonPs`. */
const HORIZON_PS = 1e9;
const DEFAULT_WATCHDOG_MS = 10_000;
/** Payload slots of a group: so many a node, within limits; address space only, until they are used. */
const SLOTS_PER_NODE = 256;
const MIN_SLOTS = 2048;
const MAX_SLOTS_IN_ALL = 2 ** 18;

/**
 * Runs a program on a topology.
 * Throws `ConfigError` (options or files are wrong; nothing was run), `ProgramError` (a program threw, never waits, or awaits something real),
 * `DeadlockError` (nothing can move, but programs or packets wait).
 */
export async function run(options: RunOptions): Promise<RunResult> {
  try {
    return await runPrepared(options, await prepareProgram(options.program, options.programArgs));
  } catch (error) {
    throw error instanceof ConfigError ? await withAllMistakes(error, options) : error;
  }
}

/** As `run`, with the program in hand: a replay has it in its record. */
export async function runPrepared(asked: RunOptions, source: ProgramSource): Promise<RunResult> {
  const options = servedInline(asked);
  const meter = { wall: performance.now(), cpu: process.cpuUsage() };
  const watchdogMs = options.watchdogMs ?? DEFAULT_WATCHDOG_MS;
  const groups = (options.placement ?? 'pool') === 'pool' ? poolSize(options.topology.nodes.length, options.workers) : 0;
  // Without a core for the fabric alone it shares the thread of the first group.
  if (groups === 0 || (groups > 1 && groups < availableParallelism())) return runHere({ options, source });
  const result = await runSolo(options, source, groups, watchdogMs);
  const workers = groups === 1 ? 1 : result.run.workers;
  return {
    ...result,
    options: recordedOptions(options),
    run: { ...result.run, ...elapsed(meter), placement: 'pool', workers },
  };
}

/** What `runHere` needs. */
export interface RunInput {
  readonly options: RunOptions;
  readonly source: ProgramSource;
  /** Cells of a watchdog in another thread. */
  readonly marker?: Int32Array;
  /** A pool whose first group lives in this thread. */
  readonly firstHere?: boolean;
}

/** Runs with the fabric in the calling thread. */
export async function runHere({ options, source, marker, firstHere = false }: RunInput): Promise<RunResult> {
  const meter = { wall: performance.now(), cpu: process.cpuUsage() };
  if (source.kind === 'bundle') await provideLibrary();
  const program = await loadProgram(source);
  const ranks = chooseRanks(options.topology, program.meta.roles === 'client-server', options);
  const placement = options.placement ?? 'pool';
  const nodes = ranks.map((place) => place.node);
  const groups = placeNodes(
    options.topology.nodes.length,
    [...new Set(nodes)],
    placement,
    placement === 'pool' ? options.workers : undefined,
  );
  const plan = planCluster(options, groups);
  const pool = PayloadPool.create(groups.length, slotsPerGroup(groups));
  const hops = options.breakdown === true ? new HopLog() : null;
  const capture = RunCapture.of(options, plan.subnet.ports, nodes, pool);
  const fabric = createFabric(plan.fabric, {
    pool,
    ...(hops === null ? {} : { trace: (...hop) => hops.add(...hop) }),
    ...capture?.fabricOptions,
  });
  const hosts = planHosts(options, ranks, program.meta.network === true);
  const cut = plan.cut(nodes, groups, { untilPs: options.untilPs, horizonPs: hosts.isQuiet ? 0 : HORIZON_PS });
  const configs = groupConfigs({ options, plan, hosts, groups, ranks, source, toGroupPs: cut.toGroupPs });
  const session = await Session.start({
    configs,
    pool,
    firstHere: firstHere || placement === 'inline',
    watchdogMs: options.watchdogMs ?? DEFAULT_WATCHDOG_MS,
    marker,
  });
  let doors: ToolDoors | null = null;
  try {
    capture?.open(fabric);
    const names = ranks.map((place) => place.name);
    const output = new LineOutput((rank) => ({ node: names[rank] as string, role: roleOf(program, rank) }), options.onLine);
    doors = await openDoors(options, session.here);
    const look = (current: Coordinator) => {
      output.flush(current.lines, current.nowPs);
      flushSamples(current.domains, current.nowPs, options.onDomains);
      capture?.flush(fabric.nowPs);
      const { packetHops, events } = fabric.stats();
      options.onProgress?.({ simulatedPs: current.nowPs, packetHops, events });
      return current.finished.every((message) => message.error === undefined);
    };
    const coordinator =
      doors === null
        ? await session.drive(fabric, cut, look)
        : await session.driveServed(fabric, cut, options.serve?.holds ?? false, look);
    output.flush(coordinator.lines, Number.POSITIVE_INFINITY);
    const reports = await session.reports();
    if (coordinator.isDrained) assertConserved(fabric, pool);
    const values = collectValues({ coordinator, names, fabric, reports, options });
    return {
      program: source.name,
      options: recordedOptions(options),
      results: resultsOf(values, program),
      perNode: Object.fromEntries(names.map((name, rank) => [name, values[rank]])),
      lines: output.lines,
      breakdown: hops === null ? [] : breakdownOf(fabric, plan, hops, reports),
      ...(options.domains === true ? { domains: domainsOf(reports) } : {}),
      ...(options.counters === true ? { ports: readPortCounters(fabric, options.topology, plan.subnet.ports, nodes) } : {}),
      warnings: [...plan.warnings, ...cutShort(coordinator, names.length)],
      run: {
        ...totals({ coordinator, names, fabric, reports, options }, runHash(fabric, reports, values, output)),
        ...elapsed(meter),
        placement,
        workers: placement === 'inline' ? 0 : groups.length,
      },
    };
  } finally {
    await doors?.close();
    capture?.close();
    await session.close();
  }
}

/** What a run says that ended before its programs did: only `untilPs` ends it so without an error. */
function cutShort(coordinator: Coordinator, ranks: number): string[] {
  const open = ranks - coordinator.finished.length;
  if (open === 0) return [];
  return [`--until ended the run at ${formatPs(coordinator.nowPs)}; ${open} of ${ranks} programs had not finished`];
}

/** Until the last program returned; what adapters still did then (a retry timer that finds nothing to do) is not counted. */
function simulatedPs(coordinator: Coordinator, ranks: number): number {
  if (coordinator.finished.length < ranks) return coordinator.nowPs;
  return Math.max(0, ...coordinator.finished.map((message) => message.timePs));
}

function slotsPerGroup(groups: readonly (readonly number[])[]): number {
  const largest = Math.max(...groups.map((nodes) => nodes.length));
  return Math.max(MIN_SLOTS, Math.min(SLOTS_PER_NODE * largest, Math.floor(MAX_SLOTS_IN_ALL / groups.length)));
}

interface Parts {
  readonly options: RunOptions;
  readonly plan: ClusterPlan;
  readonly groups: readonly (readonly number[])[];
  readonly hosts: HostPlans;
  readonly ranks: readonly Place[];
  readonly source: ProgramSource;
  readonly toGroupPs: Ps;
}

function groupConfigs({ options, plan, hosts, groups, ranks, source, toGroupPs }: Parts): Omit<GroupConfig, 'pool'>[] {
  const runsOf = new Map<number, NodeRun[]>();
  for (const [rank, { node, guest, name }] of ranks.entries())
    runsOf.set(node, [...(runsOf.get(node) ?? []), { rank, guest, name }]);
  return groups.map((nodes, group) => ({
    group,
    nodes: nodes.map((node) => ({
      entity: node,
      name: plan.nodeNames[node] as string,
      hcas: plan.hcas[node] ?? [],
      runs: runsOf.get(node) ?? [],
      host: hosts.ofNode[node] ?? null,
    })),
    program: source,
    args: options.programArgs,
    seed: options.seed ?? 1,
    ranks: ranks.map((place) => place.name),
    addresses: hosts.addresses,
    network: DEFAULT_PEER_NETWORK,
    directory: plan.directory,
    breakdown: options.breakdown ?? false,
    sampleEveryPs: options.sampleEveryPs ?? 0,
    toGroupPs,
  }));
}

function breakdownOf(
  fabric: Fabric,
  { subnet }: ClusterPlan,
  hops: HopLog,
  reports: readonly GroupReport[],
): RunResult['breakdown'] {
  const stamps = reports.flatMap((report) => report.stamps);
  return new BreakdownBuilder(fabric, subnet, hops, stamps).build();
}

/** All domains, in the order of nodes. */
function domainsOf(reports: readonly GroupReport[]): DomainReport[] {
  const hosts = reports.flatMap((report) => report.domains);
  return hosts.sort((a, b) => a.node - b.node).flatMap((host) => host.domains);
}

/** The run in numbers, the same wherever it ran. */
function totals({ coordinator, names, fabric, reports, options }: Outcome, hash: string) {
  const { delivered: packets, packetHops, events } = fabric.stats();
  return {
    hash,
    seed: options.seed ?? 1,
    version: VERSION,
    simulatedPs: simulatedPs(coordinator, names.length),
    packets,
    packetHops,
    events: events + reports.reduce((sum, report) => sum + report.events, 0),
  };
}

interface Outcome {
  readonly coordinator: Coordinator;
  readonly names: readonly string[];
  readonly fabric: Fabric;
  readonly reports: readonly GroupReport[];
  readonly options: RunOptions;
}

/** What each rank returned; throws when one threw, or when some never finished. */
function collectValues({ coordinator, names, fabric, reports, options }: Outcome): unknown[] {
  const { finished } = coordinator;
  const failures = finished
    .filter((message) => message.error !== undefined)
    .sort((a, b) => a.timePs - b.timePs || a.rank - b.rank);
  const first = failures[0];
  if (first !== undefined) throw new ProgramError(names[first.rank] as string, first.error as string);
  if (coordinator.isDeadlocked) throw new DeadlockError(standstill(names, fabric, reports, coordinator));
  const values: unknown[] = names.map(() => undefined);
  for (const message of finished) values[message.rank] = message.value;
  if (finished.length < names.length && options.untilPs === undefined)
    throw new DeadlockError(standstill(names, fabric, reports, coordinator));
  return values;
}

/** Why nothing moves: the cycle of waiting packets, if there is one, and what each program waits for. */
function standstill(names: readonly string[], fabric: Fabric, reports: readonly GroupReport[], coordinator: Coordinator): string {
  const waiting = reports
    .flatMap((report) => report.nodes)
    .filter((node) => node.waitingFor.length > 0)
    .map((node) => `  ${node.name} waits for ${node.waitingFor.join(', ')}`);
  const shown = waiting.slice(0, 20);
  if (waiting.length > shown.length) shown.push(`  … and ${waiting.length - shown.length} more`);
  const done = coordinator.finished.length;
  const cycle = fabric.waitCycle();
  const atPs = cycle === null ? coordinator.nowPs : haltedPs(cycle);
  return [
    `nothing can move at ${atPs} ps, but ${names.length - done} of ${names.length} programs have not finished`,
    ...describeWaitCycle(fabric, cycle),
    ...shown,
  ].join('\n');
}

/** A program that returns `{ results: […] }` gives its results there; else the client's value, or every rank's. */
function resultsOf(values: readonly unknown[], program: Program): unknown {
  const main = program.meta.roles === 'client-server' ? values[1] : values[0];
  if (typeof main === 'object' && main !== null && Array.isArray((main as { results?: unknown }).results))
    return (main as { results: unknown[] }).results;
  if (program.meta.roles !== 'client-server') return values;
  return main === undefined ? [] : [main];
}

function runHash(fabric: Fabric, reports: readonly GroupReport[], values: readonly unknown[], output: LineOutput): string {
  const hash = createHash('sha256');
  hash.update(fabric.stats().hash);
  const nodes = reports.flatMap((report) => report.nodes).sort((a, b) => (a.name < b.name ? -1 : 1));
  hash.update(JSON.stringify(nodes.map((node) => [node.name, node.hash])));
  hash.update(JSON.stringify(values));
  hash.update(JSON.stringify(output.lines));
  return hash.digest('hex').slice(0, 16);
}

function elapsed(meter: { wall: number; cpu: NodeJS.CpuUsage }): { wallMs: number; cpuMs: number } {
  const cpu = process.cpuUsage(meter.cpu);
  return { wallMs: Math.round(performance.now() - meter.wall), cpuMs: Math.round((cpu.user + cpu.system) / 1e3) };
}

/** The options as they stand in `--json` and in a run record: without the topology's text and the callbacks. */
function recordedOptions(options: RunOptions): Record<string, unknown> {
  const { topology: _topology, onLine: _onLine, onProgress: _onProgress, onDomains: _onDomains, ...rest } = options;
  return rest;
}

/** A run may never lose or invent anything. */
export function assertConserved(fabric: Fabric, pool: PayloadPool): void {
  fabric.assertConserved();
  const left = pool.inUse();
  if (left !== 0) throw new InvariantError(`${left} payload slots are still in use at the end of the run`);
}
