/**
 * One run under way: the fabric, the groups of nodes and the coordinator between them, driven in slices so that the process stays alive
 * (progress, signals, errors of threads) and ended cleanly whatever happens.
 */
import vm from 'node:vm';
import { type PayloadPool, RecordBatch } from '../fabric/index.ts';
import { inMacrotask, InvariantError, ProgramError, type Ps, setRunMarker } from '../sim/index.ts';
import { Coordinator, type CutOptions, type FabricParty, type GroupParty } from './coordinator.ts';
import { InlineGroup } from './inline-group.ts';
import type { GroupReport } from './messages.ts';
import { type GroupConfig, NodeGroup } from './node-group.ts';
import { reviveError } from './solo.ts';
import { installVirtualClocks } from './virtual-clock.ts';
import { endlessLoopMessage, WorkerGroup } from './worker-group.ts';

/** Wall time of one slice. */
const SLICE_MS = 20;
const PS_PER_MS = 1e9;
/** Real time between two looks whether a tool wants something. */
const PATIENCE_MS = 2;
/** Rounds between two looks at the clock; of a busy group each may take a tenth of a second. */
const ROUNDS_PER_LOOK = 4;

export interface SessionOptions {
  readonly configs: readonly Omit<GroupConfig, 'pool'>[];
  readonly pool: PayloadPool;
  /** The first group lives in this thread, beside the fabric; the others have one each. */
  readonly firstHere: boolean;
  readonly watchdogMs: number;
  /** For the group here: cells of a watchdog in another thread. Without it, V8's own watches. */
  readonly marker?: Int32Array | undefined;
}

export class Session {
  readonly #groups: (InlineGroup | WorkerGroup)[];
  readonly #inlineGroup: NodeGroup | null;
  readonly #configs: readonly Omit<GroupConfig, 'pool'>[];
  readonly #watchdogMs: number;
  readonly #undo: (() => void)[] = [];
  readonly #marker: Int32Array;
  readonly #watchedFromOutside: boolean;

  private constructor(options: SessionOptions, groups: (InlineGroup | WorkerGroup)[], inlineGroup: NodeGroup | null) {
    this.#groups = groups;
    this.#inlineGroup = inlineGroup;
    this.#configs = options.configs;
    this.#watchdogMs = options.watchdogMs;
    this.#marker = options.marker ?? new Int32Array(2);
    this.#watchedFromOutside = options.marker !== undefined;
  }

  /** Builds all groups, in this thread or in workers. */
  static async start(options: SessionOptions): Promise<Session> {
    const configs = options.configs.map((config) => ({ ...config, pool: options.pool.share }));
    const here = options.firstHere ? configs.slice(0, 1) : [];
    const workers = configs.slice(here.length).map((config) => new WorkerGroup(config, options.watchdogMs));
    try {
      const [group = null] = await Promise.all(here.map((config) => NodeGroup.create(config, new RecordBatch(1024))));
      await Promise.all(workers.map((worker) => worker.ready()));
      const session = new Session(options, [...(group === null ? [] : [new InlineGroup(group)]), ...workers], group);
      if (group !== null) session.#undo.push(installVirtualClocks());
      return session;
    } catch (error) {
      await Promise.all(workers.map((worker) => worker.close()));
      throw error;
    }
  }

  get groups(): readonly GroupParty[] {
    return this.#groups;
  }

  /** Runs to the end of the simulation. `look` is called after each slice and may end the run by returning false. */
  async drive(fabric: FabricParty, cut: CutOptions, look: (coordinator: Coordinator) => boolean): Promise<Coordinator> {
    const coordinator = new Coordinator(fabric, this.#groups, cut);
    for (;;) {
      const done = await inMacrotask(() => this.#guarded(() => slice(coordinator)));
      if (coordinator.failure !== null) throw reviveError(coordinator.failure.error);
      const goOn = look(coordinator);
      if (done || !goOn) return coordinator;
    }
  }

  /** The nodes that live in this thread. */
  get here(): NodeGroup | null {
    return this.#inlineGroup;
  }

  /**
   * As `drive`, with real tools at the doors of a simulated host: everybody meets at each horizon, and there this process's own event loop gets its turn. Once all programs are
   * through, virtual time keeps step with real time, for ever, if `holds`.
   */
  async driveServed(
    fabric: FabricParty,
    cut: CutOptions,
    holds: boolean,
    look: (coordinator: Coordinator) => boolean,
  ): Promise<Coordinator> {
    const coordinator = new Coordinator(fabric, this.#groups, cut);
    coordinator.pausesAtHorizons = true;
    coordinator.keepsOn = holds;
    const loop = this.#inlineGroup?.loop;
    /** What tools do takes place at `atPs`, not at the last event. */
    const passTime = (atPs: Ps) => {
      if (loop !== undefined && loop.nowPs < atPs) loop.nowPs = atPs;
    };
    let start: { readonly ms: number; readonly ps: Ps } | null = null;
    for (;;) {
      const duePs = start === null ? Number.POSITIVE_INFINITY : start.ps + Math.floor((performance.now() - start.ms) * PS_PER_MS);
      if (coordinator.nextPs() > duePs) {
        passTime(duePs);
        await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
        continue;
      }
      const done = await inMacrotask(() => this.#guarded(() => toHorizon(coordinator)));
      if (coordinator.failure !== null) throw reviveError(coordinator.failure.error);
      if (!look(coordinator)) return coordinator;
      if (coordinator.isFinished && holds) start ??= { ms: performance.now(), ps: coordinator.nowPs };
      else if (done) return coordinator;
      passTime(coordinator.nowPs);
    }
  }

  /** What each group has to say when the run is over. */
  async reports(): Promise<GroupReport[]> {
    const reports: GroupReport[] = this.#inlineGroup === null ? [] : [this.#inlineGroup.report()];
    for (const group of this.#groups) {
      if (!(group instanceof WorkerGroup)) continue;
      group.requestReport();
      while (!group.finish()) await inMacrotask(() => undefined);
      for (const message of group.takeMessages()) if (message.kind === 'report') reports.push(message);
    }
    return reports;
  }

  /** Ends all threads at once and gives the clocks back. */
  async close(): Promise<void> {
    setRunMarker(null);
    for (const step of this.#undo.splice(0)) step();
    await Promise.all(this.#groups.map((group) => (group instanceof WorkerGroup ? group.close() : undefined)));
  }

  /** Here, a program that never waits holds this very thread: V8's own watchdog ends it. */
  #guarded(work: () => boolean): boolean {
    if (this.#inlineGroup === null) return work();
    setRunMarker(this.#marker);
    if (this.#watchedFromOutside) return work();
    const holder = globalThis as { heddleSlice?: () => boolean };
    holder.heddleSlice = work;
    try {
      return vm.runInThisContext('heddleSlice()', { timeout: this.#watchdogMs }) as boolean;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
      const entity = (this.#marker[0] as number) - 1;
      const node = this.#configs[0]?.nodes.find((candidate) => candidate.entity === entity);
      throw node === undefined
        ? new InvariantError(`one slice took more than ${this.#watchdogMs} ms outside any program`)
        : new ProgramError(node.name, endlessLoopMessage(this.#watchdogMs));
    } finally {
      delete holder.heddleSlice;
    }
  }
}

/** Rounds to the next horizon, or some milliseconds of them. True when the run is over. */
function toHorizon(coordinator: Coordinator): boolean {
  const until = performance.now() + SLICE_MS;
  do {
    const state = coordinator.round();
    if (state === 'idle') return true;
    if (state === 'busy') return false;
  } while (!coordinator.isAtHorizon && performance.now() < until);
  return false;
}

/** Some milliseconds of rounds. True when the run is over. */
function slice(coordinator: Coordinator): boolean {
  const until = performance.now() + SLICE_MS;
  do {
    for (let i = 0; i < ROUNDS_PER_LOOK; i++) {
      const state = coordinator.round();
      if (state === 'idle') return true;
      if (state === 'busy') return false;
    }
  } while (performance.now() < until);
  return false;
}
