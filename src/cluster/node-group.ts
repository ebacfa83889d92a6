/**
 * The nodes of one thread: their HCAs, the threads of their programs, and the event loop on which all of it runs.
 *
 * A group is built from plain data, so that it can be built in any thread, and is driven by `run`: take packet records and out-of-band messages, handle every event before a limit,
 * leave packet records in the outbox and messages in a list. It knows nothing of the fabric, of other groups, or of where it runs.
 */
import { PayloadPool, type PayloadPoolShare, RECORD_WORDS, type RecordBatch, W_PORT } from '../fabric/index.ts';
import { Hca, type HcaConfig, NodeMemory } from '../hca/index.ts';
import { assert, EventLoop, type Ps } from '../sim/index.ts';
import type { Program } from '../verbs/index.ts';
import type { Directory } from './directory.ts';
import type { HostPlan } from './host-plan.ts';
import type { GroupMessage, GroupReport, PeerMessage } from './messages.ts';
import type { PeerNetwork } from './peers.ts';
import { ProgramHost } from './program-host.ts';
import { createMachine, type Machine } from './machine.ts';
import { loadProgram, type ProgramSource, provideLibrary } from './program-loader.ts';
import { TraceLog } from './trace-log.ts';

/** Events that a group handles at most before it comes back. */
const MOST_EVENTS = 20_000;
const TIMES_PER_RECORD = RECORD_WORDS / 2;

/** A node and what it has to run. */
export interface NodeConfig {
  /** The node's number in the whole cluster. */
  readonly entity: number;
  readonly name: string;
  readonly hcas: readonly HcaConfig[];
  /** The programs that run here: on the node itself, or in guests. */
  readonly runs: readonly NodeRun[];
  /** What the node has beyond adapters: IP, a hypervisor. */
  readonly host: HostPlan | null;
}

/** A program on a node. */
export interface NodeRun {
  readonly rank: number;
  /** Null: on the node itself; on a Xen host, in its driver domain. */
  readonly guest: string | null;
  /** The place's name: `cpu1`, `cpu1/web1`. */
  readonly name: string;
}

/** Everything a group is built from; plain data. */
export interface GroupConfig {
  readonly group: number;
  readonly nodes: readonly NodeConfig[];
  readonly pool: PayloadPoolShare;
  readonly program: ProgramSource;
  readonly args: readonly string[];
  readonly seed: number;
  /** Names of the places that run the program, by rank. */
  readonly ranks: readonly string[];
  /** IPv4 addresses by the names of places. */
  readonly addresses: Readonly<Record<string, number>>;
  readonly network: PeerNetwork;
  /** What address resolution and path queries answer from; see `directory.ts`. */
  readonly directory: Directory;
  readonly breakdown: boolean;
  /** Domains are reported at each multiple of this; 0: at the end alone. */
  readonly sampleEveryPs: Ps;
  /** The least time from the moment that a record has for the fabric until anything can come back because of it. */
  readonly toGroupPs: Ps;
}

export class NodeGroup {
  readonly loop = new EventLoop();
  readonly outbox: RecordBatch;
  readonly #hcas: Hca[] = [];
  readonly #hcaOfPort: Hca[] = [];
  readonly #hosts: ProgramHost[] = [];
  readonly #hostOfRank: ProgramHost[] = [];
  readonly #machines: { readonly node: number; readonly machine: Machine }[] = [];
  readonly #nodeNames: string[];
  readonly #trace: TraceLog | null;
  readonly #toGroupPs: Ps;
  #messages: GroupMessage[] = [];

  private constructor(config: GroupConfig, outbox: RecordBatch, program: Program) {
    this.outbox = outbox;
    this.#toGroupPs = config.toGroupPs;
    this.#nodeNames = config.nodes.map((node) => node.name);
    this.#trace = config.breakdown ? new TraceLog() : null;
    const pool = new PayloadPool(config.pool);
    const emit = (message: GroupMessage) => {
      this.#messages.push(message);
      if (message.kind === 'peer') this.#lowerLimit(message.arrivalPs);
    };
    for (const node of config.nodes) {
      const memory = new NodeMemory();
      const hcas = node.hcas.map((hca) => this.#addHca(hca, node, { memory, pool, arena: config.group }));
      if (node.runs.length === 0 && node.host === null) continue;
      const machine = createMachine({ loop: this.loop, node, hcas, config, trace: this.#trace, emit });
      this.#machines.push({ node: node.entity, machine });
      for (const run of node.runs) {
        const host = new ProgramHost({
          loop: this.loop,
          node,
          run,
          system: machine.systemOf(run.guest),
          config,
          program,
          emit,
          trace: this.#trace,
        });
        this.#hosts.push(host);
        this.#hostOfRank[run.rank] = host;
      }
      machine.start();
    }
  }

  /** Builds the group and loads the program. `outbox` is where its packets go. */
  static async create(config: GroupConfig, outbox: RecordBatch): Promise<NodeGroup> {
    if (config.program.kind === 'bundle') await provideLibrary();
    return new NodeGroup(config, outbox, await loadProgram(config.program));
  }

  #addHca(config: HcaConfig, node: NodeConfig, parts: { memory: NodeMemory; pool: PayloadPool; arena: number }): Hca {
    const trace = this.#trace?.sinkOf(node.name);
    const hca = new Hca({
      loop: this.loop,
      entity: node.entity,
      config,
      outbox: this.outbox,
      ...parts,
      ...(trace === undefined ? {} : { trace }),
    });
    this.#hcas.push(hca);
    for (const port of config.ports) this.#hcaOfPort[port.hostPort] = hca;
    return hca;
  }

  /** The machine of a node of this group, if it has one. */
  machineOf(node: number): Machine | undefined {
    return this.#machines.find((one) => one.node === node)?.machine;
  }

  /** Time of the earliest event, or Infinity. */
  nextPs(): Ps {
    return this.loop.nextPs();
  }

  /** True while an HCA waits for room in a transmit buffer. */
  waitsForRoom(): boolean {
    for (const hca of this.#hcas) if (hca.waitsForRoom) return true;
    return false;
  }

  /** Takes what came from outside and handles every event before `limitPs`. */
  run(limitPs: Ps, records: RecordBatch, messages: readonly PeerMessage[]): void {
    const { words, count } = records;
    for (let i = 0, word = 0; i < count; i++, word += RECORD_WORDS) {
      const hca = this.#hcaOfPort[words[word + W_PORT] as number];
      assert(hca !== undefined, 'a packet came to a port that is not of this group');
      hca.deliver(records, word);
    }
    for (const message of messages) this.#hostOfRank[message.to]?.peers.expect(message);
    this.#runUntil(limitPs);
  }

  /**
   * Handles events before `limitPs`, which is as far as what others have done allows; what the group itself sends brings the limit nearer, since it may be answered.
   * Comes back after some thousand events even so, that its caller may look around.
   */
  #runUntil(limitPs: Ps): void {
    const { loop, outbox } = this;
    loop.limitPs = limitPs;
    let sent = 0;
    for (let i = 0; i < MOST_EVENTS && loop.step(); i++) {
      for (; sent < outbox.count; sent++) this.#lowerLimit((outbox.times[sent * TIMES_PER_RECORD] as number) + this.#toGroupPs);
    }
  }

  #lowerLimit(atPs: Ps): void {
    if (atPs < this.loop.limitPs) this.loop.limitPs = atPs;
  }

  /** Messages since the last call. */
  takeMessages(): GroupMessage[] {
    if (this.#messages.length === 0) return this.#messages;
    const messages = this.#messages;
    this.#messages = [];
    return messages;
  }

  /** What the group has to say at the end of the run. */
  report(): GroupReport {
    const hosts = new Map(this.#hosts.map((host) => [host.name, host]));
    const hashes = new Map<string, number[]>(this.#nodeNames.map((name) => [name, []]));
    for (const hca of this.#hcas) hashes.get(hca.config.nodeName)?.push(...hca.hash());
    return {
      kind: 'report',
      events: this.loop.handled - this.loop.catchUps,
      nodes: this.#nodeNames.map((name) => ({
        name,
        hash: hashes.get(name) ?? [],
        waitingFor: hosts.get(name)?.waitingFor() ?? [],
      })),
      stamps: this.#trace?.take() ?? [],
      domains: this.#machines.flatMap(({ node, machine }) => {
        const domains = machine.domains();
        return domains.length === 0 ? [] : [{ node, domains }];
      }),
    };
  }
}
