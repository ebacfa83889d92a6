/** One program on a node or in a guest: its thread, everything its `ProgramContext` offers, and what becomes of its lines and its result. */
import { createSockets, type ProgramNet } from '../net/index.ts';
import { type EventLoop, nsToPs, ps, RandomStream, SimThread } from '../sim/index.ts';
import { type Context, createRdmaCm, type Program, type ProgramContext, type Role, VerbsError } from '../verbs/index.ts';
import { directoryOf } from './directory.ts';
import type { System } from './machine.ts';
import type { GroupMessage } from './messages.ts';
import type { GroupConfig, NodeConfig, NodeRun } from './node-group.ts';
import { PeerChannel } from './peers.ts';
import { programStack } from './program-stack.ts';
import type { TraceLog } from './trace-log.ts';
import { setProgramRandom } from './virtual-clock.ts';

export interface ProgramHostOptions {
  readonly loop: EventLoop;
  readonly node: NodeConfig;
  readonly run: NodeRun;
  /** Where it runs. */
  readonly system: System;
  readonly config: GroupConfig;
  readonly program: Program;
  readonly emit: (message: GroupMessage) => void;
  readonly trace: TraceLog | null;
}

export class ProgramHost {
  readonly name: string;
  readonly peers: PeerChannel;
  readonly #options: ProgramHostOptions;
  readonly #thread: SimThread;
  readonly #random: RandomStream;
  readonly #contexts = new Map<string, Context>();
  #net: ProgramNet | null = null;
  #lines = 0;

  constructor(options: ProgramHostOptions) {
    const { loop, node, run, system, config, emit } = options;
    this.name = run.name;
    this.#options = options;
    this.#thread = new SimThread(loop, node.entity, run.name);
    system.adopt(this.#thread);
    this.#random = new RandomStream(config.seed, `program ${run.name}`);
    setProgramRandom(this.#thread, this.#random);
    this.peers = new PeerChannel(
      loop,
      { entity: node.entity, rank: run.rank, ofNode: node.runs },
      config.ranks,
      config.network,
      emit,
    );
    this.peers.attach(this.#thread);
    this.#thread.onFinished = () => this.#finish();
    system.whenUp((atPs) => this.#thread.start(atPs, async () => options.program.run(this.#context())));
  }

  /** What the program waits for, if it does. */
  waitingFor(): readonly string[] {
    return this.#thread.waitingFor();
  }

  #open(name: string): Context {
    const known = this.#contexts.get(name);
    if (known !== undefined) return known;
    const { system } = this.#options;
    if (!system.devices.includes(name))
      throw new VerbsError(
        'ibv_open_device',
        'ENODEV',
        `${this.name} has ${system.devices.join(', ') || 'no InfiniBand device'}`,
      );
    const context = system.openDevice(name, this.#thread);
    this.#contexts.set(name, context);
    return context;
  }

  #context(): ProgramContext {
    const { run, system, config, program } = this.#options;
    const thread = this.#thread;
    const { devices } = system;
    const open = (name: string) => this.#open(name);
    const net = createSockets(system.stack, thread, config.addresses);
    this.#net = net;
    const plain: Omit<ProgramContext, 'ctx' | 'cm'> = {
      open,
      devices,
      net,
      sim: {
        now: () => thread.nowPs,
        sleep: (ns) => thread.sleep(nsToPs(ns)),
        sleepPs: (delayPs) => thread.sleep(ps(delayPs)),
        random: () => this.#random.float(),
        seed: config.seed,
      },
      cpu: {
        work: (ns) => {
          thread.spend(nsToPs(ns));
          return thread.sync();
        },
      },
      args: config.args,
      rank: run.rank,
      size: config.ranks.length,
      role: roleOf(program, run.rank),
      node: { name: run.name },
      peers: this.peers as ProgramContext['peers'],
      log: (line) => this.#log(line),
      trace: this.#options.trace?.marksOf(run.name, thread) ?? { begin: () => undefined, end: () => undefined },
    };
    return Object.assign(this.#verbs(), plain);
  }

  /** A system without an adapter is told so when the program asks for one. */
  #verbs(): Pick<ProgramContext, 'ctx' | 'cm'> {
    const { system, config } = this.#options;
    const thread = this.#thread;
    const open = (name: string) => this.#open(name);
    // Where there is a device it is open from the start, as ever: what that costs is part of the program's time.
    const ctx = system.devices[0] === undefined ? null : open(system.devices[0]);
    const cm = ctx === null ? null : createRdmaCm(thread, system.devices.map(open), directoryOf(config.directory));
    const name = this.name;
    return {
      get ctx() {
        if (ctx === null) throw new VerbsError('ibv_get_device_list', 'ENODEV', `${name} has no InfiniBand device`);
        return ctx;
      },
      get cm() {
        if (cm === null) throw new VerbsError('rdma_create_event_channel', 'ENODEV', `${name} has no InfiniBand device`);
        return cm;
      },
    };
  }

  #log(text: string): void {
    for (const line of String(text).split('\n'))
      this.#options.emit({
        kind: 'line',
        timePs: this.#thread.nowPs,
        rank: this.#options.run.rank,
        sequence: this.#lines++,
        text: line,
      });
  }

  #finish(): void {
    const { outcome, nowPs } = this.#thread;
    const { emit, run, config } = this.#options;
    for (const context of this.#contexts.values()) context.abandon();
    this.#net?.closeAll();
    if (outcome === null || outcome.error === undefined)
      emit({ kind: 'finished', timePs: nowPs, rank: run.rank, value: outcome?.value ?? null });
    else emit({ kind: 'finished', timePs: nowPs, rank: run.rank, error: programStack(outcome.error, config.program) });
  }
}

/** Which part a rank plays in `program`. */
export function roleOf(program: Program, rank: number): Role {
  if (program.meta.roles !== 'client-server') return 'peer';
  return rank === 0 ? 'server' : 'client';
}
