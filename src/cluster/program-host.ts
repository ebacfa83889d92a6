/** One node's program: its thread, everything its `ProgramContext` offers, and what becomes of its lines and its result. */
import type { Hca } from '../hca/index.ts';
import { type EventLoop, nsToPs, ps, RandomStream, SimThread } from '../sim/index.ts';
import {
  type Context,
  createRdmaCm,
  openContext,
  type Program,
  type ProgramContext,
  type Role,
  VerbsError,
} from '../verbs/index.ts';
import { directoryOf, slToLid } from './directory.ts';
import type { GroupMessage } from './messages.ts';
import type { GroupConfig, NodeConfig } from './node-group.ts';
import { PeerChannel } from './peers.ts';
import { programStack } from './program-stack.ts';
import type { TraceLog } from './trace-log.ts';
import { setProgramRandom } from './virtual-clock.ts';

export interface ProgramHostOptions {
  readonly loop: EventLoop;
  readonly node: NodeConfig;
  readonly hcas: readonly Hca[];
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
  #lines = 0;

  constructor(options: ProgramHostOptions) {
    const { loop, node, config, emit } = options;
    this.name = node.name;
    this.#options = options;
    this.#thread = new SimThread(loop, node.entity, node.name);
    this.#random = new RandomStream(config.seed, `program ${node.name}`);
    setProgramRandom(this.#thread, this.#random);
    this.peers = new PeerChannel(loop, node.entity, node.rank, config.ranks, config.network, emit);
    this.peers.attach(this.#thread);
    this.#thread.onFinished = () => this.#finish();
    this.#thread.start(0, async () => options.program.run(this.#context()));
  }

  /** What the program waits for, if it does. */
  waitingFor(): readonly string[] {
    return this.#thread.waitingFor();
  }

  #open(name: string): Context {
    const known = this.#contexts.get(name);
    if (known !== undefined) return known;
    const hca = this.#options.hcas.find((candidate) => candidate.config.deviceName === name);
    if (hca === undefined) throw new VerbsError('ibv_open_device', 'ENODEV');
    const { directory } = this.#options.config;
    const context = openContext(hca, this.#thread, (portGuid, dlid) => slToLid(directory, portGuid, dlid));
    this.#contexts.set(name, context);
    return context;
  }

  #context(): ProgramContext {
    const { node, hcas, config, program } = this.#options;
    const thread = this.#thread;
    const devices = hcas.map((hca) => hca.config.deviceName);
    const open = (name: string) => this.#open(name);
    const ctx = open(devices[0] as string);
    return {
      ctx,
      open,
      devices,
      cm: createRdmaCm(thread, devices.map(open), directoryOf(config.directory)),
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
      rank: node.rank,
      size: config.ranks.length,
      role: roleOf(program, node.rank),
      node: { name: node.name },
      peers: this.peers as ProgramContext['peers'],
      log: (line) => this.#log(line),
      trace: this.#options.trace?.marksOf(node.name, thread) ?? { begin: () => undefined, end: () => undefined },
    };
  }

  #log(text: string): void {
    for (const line of String(text).split('\n'))
      this.#options.emit({
        kind: 'line',
        timePs: this.#thread.nowPs,
        rank: this.#options.node.rank,
        sequence: this.#lines++,
        text: line,
      });
  }

  #finish(): void {
    const { outcome, nowPs } = this.#thread;
    const { emit, node, config } = this.#options;
    for (const context of this.#contexts.values()) context.abandon();
    if (outcome === null || outcome.error === undefined)
      emit({ kind: 'finished', timePs: nowPs, rank: node.rank, value: outcome?.value ?? null });
    else emit({ kind: 'finished', timePs: nowPs, rank: node.rank, error: programStack(outcome.error, config.program) });
  }
}

/** Which part a rank plays in `program`. */
export function roleOf(program: Program, rank: number): Role {
  if (program.meta.roles !== 'client-server') return 'peer';
  return rank === 0 ? 'server' : 'client';
}
