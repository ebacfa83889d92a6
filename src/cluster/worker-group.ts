/** A group of nodes in a worker thread of its own, seen from the coordinator's thread. */
import { Worker } from 'node:worker_threads';
import { RECORD_WORDS, type RecordBatch } from '../fabric/index.ts';
import { assert, InvariantError, type Ps, ProgramError } from '../sim/index.ts';
import type { GroupParty } from './coordinator.ts';
import type { GroupMessage, PeerMessage } from './messages.ts';
import type { GroupConfig } from './node-group.ts';
import { CTL_MARKER, CTL_READY, OP_REPORT, OP_RUN, OP_STREAM, ThreadChannel, type ThreadChannelShare } from './thread-channel.ts';
import { workerUrl } from './worker-url.ts';

/** How long `finish` sleeps before it lets the event loop turn. */
const FINISH_WAIT_MS = 100;

/** What a worker thread is started with. */
export interface WorkerInput {
  readonly config: GroupConfig;
  readonly channel: ThreadChannelShare;
}

export class WorkerGroup implements GroupParty {
  nextPs: Ps = 0;
  waitsForRoom = false;
  readonly #channel: ThreadChannel;
  readonly #worker: Worker;
  readonly #config: GroupConfig;
  readonly #watchdogMs: number;
  #messages: GroupMessage[] = [];
  #error: Error | null = null;
  #waitedMs = 0;
  #resumptions = -1;

  constructor(config: GroupConfig, watchdogMs: number) {
    this.#config = config;
    this.#watchdogMs = watchdogMs;
    this.#channel = ThreadChannel.create(config.nodes.length);
    const input: WorkerInput = { config, channel: this.#channel.share };
    this.#worker = new Worker(workerUrl('worker'), { workerData: input, name: `heddle-nodes-${config.group}` });
    this.#worker.on('error', (error) => {
      this.#error ??= error;
    });
    this.#worker.on('exit', (code) => {
      this.#error ??= new InvariantError(`the worker thread of nodes ${this.#nodeRange()} ended by itself, code ${code}`);
    });
  }

  get outbox(): RecordBatch {
    return this.#channel.recordsOut;
  }

  begin(limitPs: Ps, records: RecordBatch, messages: readonly PeerMessage[]): void {
    const inbox = this.#channel.recordsIn;
    for (let i = 0; i < records.count; i++) inbox.append(records, i * RECORD_WORDS);
    for (const message of messages) this.#channel.stream.push(message);
    this.#channel.times[0] = limitPs;
    // A large batch of messages goes ahead in pieces: the worker may run only when it has them all.
    while (!this.#channel.fitsOneCommand) {
      this.#channel.command(OP_STREAM);
      while (!this.#awaitAnswer());
    }
    this.#channel.command(OP_RUN);
  }

  finish(): boolean {
    if (!this.#awaitAnswer()) return false;
    let answer = this.#channel.readAnswer();
    this.nextPs = answer.nextPs;
    this.waitsForRoom = answer.waitsForRoom;
    const records = answer.records;
    for (;;) {
      if (answer.piece.length > 0) this.#messages.push(...this.#channel.stream.read(answer.piece, answer.last));
      if (!answer.more) break;
      this.#channel.command(OP_STREAM);
      while (!this.#awaitAnswer());
      answer = this.#channel.readAnswer();
    }
    this.#channel.recordsOut.count = records;
    return true;
  }

  takeMessages(): GroupMessage[] {
    const messages = this.#messages;
    this.#messages = [];
    return messages;
  }

  /** Asks for the group's report; the answer is among the messages of the next `finish`. */
  requestReport(): void {
    this.#channel.command(OP_REPORT);
  }

  /** Waits until the thread has loaded everything and built its nodes. */
  async ready(): Promise<void> {
    while (Atomics.load(this.#channel.control, CTL_READY) === 0) {
      if (this.#error !== null) throw this.#error;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Ends the thread at once. */
  async close(): Promise<void> {
    this.#worker.removeAllListeners('exit');
    await this.#worker.terminate();
  }

  #awaitAnswer(): boolean {
    if (this.#error !== null) throw this.#error;
    if (this.#channel.awaitDone(FINISH_WAIT_MS)) {
      this.#waitedMs = 0;
      return true;
    }
    this.#watch();
    return false;
  }

  /** The thread is still busy: if one and the same resumption of a program lasts too long, the program never waits. */
  #watch(): void {
    const entity = (Atomics.load(this.#channel.control, CTL_MARKER) as number) - 1;
    const resumptions = Atomics.load(this.#channel.control, CTL_MARKER + 1);
    if (entity < 0 || resumptions !== this.#resumptions) this.#waitedMs = 0;
    this.#resumptions = resumptions;
    this.#waitedMs += FINISH_WAIT_MS;
    if (this.#waitedMs < this.#watchdogMs) return;
    const node = this.#config.nodes.find((candidate) => candidate.entity === entity);
    assert(node !== undefined, 'the watchdog met an unknown node');
    throw new ProgramError(node.name, endlessLoopMessage(this.#watchdogMs));
  }

  #nodeRange(): string {
    const { nodes } = this.#config;
    return nodes.length === 1 ? (nodes[0]?.name ?? '') : `${nodes[0]?.name} … ${nodes.at(-1)?.name}`;
  }
}

/** What a user is told about a program that never waits. */
export function endlessLoopMessage(watchdogMs: number): string {
  return `the program ran for ${watchdogMs / 1000} s without waiting; an endless loop? (virtual time passes only in awaits; --watchdog changes the limit)`;
}
