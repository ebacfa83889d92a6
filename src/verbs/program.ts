/**
 * What a simulated program is: a default-exported `program(async ({ ctx, sim, … }) => …)`, and everything that it is given.
 * These are the types; the objects behind them are made by whoever runs the program.
 *
 * A program is an async function. It runs until it awaits one of the things here, and only virtual time passes while it waits;
 * code between two awaits costs nothing except what it asks for (`cpu.work`) and the price of each verb.
 */
import type { RdmaCm } from './cm-manager.ts';
import type { Context } from './context.ts';

/** What may go over the out-of-band channel, or come back as a program's result (without bigint and bytes then). */
export type Message =
  | null
  | boolean
  | number
  | string
  | bigint
  | Uint8Array
  | readonly Message[]
  | { readonly [key: string]: Message | undefined };

/** Virtual time and chance. */
export interface Sim {
  /** The thread's clock in ps since the start of the simulation. */
  now(): number;
  /** Sleeps for `ns` nanoseconds (fractions down to 0.001). */
  sleep(ns: number): Promise<void>;
  sleepPs(ps: number): Promise<void>;
  /** Uniform in [0, 1), from a stream of this program's own, derived from the seed. */
  random(): number;
  readonly seed: number;
}

/** The processor under the program. */
export interface Cpu {
  /** Computes for `ns` nanoseconds. */
  work(ns: number): Promise<void>;
}

/** The out-of-band channel, as perftest's TCP connection: a peer is a rank or a name. Messages of a pair arrive in order. */
export interface Peers {
  /** Names of all participants, by rank. */
  readonly names: readonly string[];
  /** `value` is anything that is made of `Message`s; the types are the program's own business, as on any wire. */
  send<T = Message>(to: number | string, value: T): void;
  recv<T = Message>(from: number | string): Promise<T>;
  /** Sends, then receives. */
  exchange<T = Message>(with_: number | string, value: T): Promise<T>;
  /** Resolves when every participant has called it. */
  barrier(): Promise<void>;
}

/** Marks for the breakdown of a latency into stages; they do nothing when no breakdown is asked for. */
export interface TraceMarks {
  /**
   * An iteration with messages of `bytes` bytes begins; `id` counts them. What is reported as latency is the time to `end`, divided by `divisor`. `path`: `verbs` (default) where the
   * message goes from adapter to adapter, `kernel` where it goes through sockets; of the second kind one may be under way at a time.
   */
  begin(id: number, what: { readonly bytes: number; readonly divisor: 1 | 2; readonly path?: 'verbs' | 'kernel' }): void;
  end(id: number): void;
}

export type Role = 'client' | 'server' | 'peer';

/** What a program is given. */
export interface ProgramContext {
  /** The first device of the node, opened. */
  readonly ctx: Context;
  /** Opens another device of the node by name (`ibv_open_device`); throws `VerbsError` ENODEV when there is none. */
  open(name: string): Context;
  /** Names of the node's devices (`ibv_get_device_list`). */
  readonly devices: readonly string[];
  /** Connections by address: librdmacm. */
  readonly cm: RdmaCm;
  readonly sim: Sim;
  readonly cpu: Cpu;
  /** The program's own options, as given on the command line. */
  readonly args: readonly string[];
  /** 0 … size − 1. */
  readonly rank: number;
  /** Participants. */
  readonly size: number;
  readonly role: Role;
  readonly node: { readonly name: string };
  readonly peers: Peers;
  /** Writes a line to the program's standard output. */
  log(line: string): void;
  readonly trace: TraceMarks;
}

export type ProgramFunction = (context: ProgramContext) => Promise<unknown> | unknown;

export interface ProgramMeta {
  readonly name?: string;
  /** One line for `heddle list`. */
  readonly summary?: string;
  /** `client-server`: rank 0 is the server, rank 1 the client. `peers` (default): any number, all alike. */
  readonly roles?: 'client-server' | 'peers';
  /** The program uses IP (`net`): every node that runs it has an `ib0`, whether the topology file says so or not. */
  readonly network?: boolean;
}

/** A program with its description. */
export interface Program {
  readonly kind: 'heddle-program';
  readonly run: ProgramFunction;
  readonly meta: Readonly<Required<Pick<ProgramMeta, 'roles'>>> & ProgramMeta;
}

/** Makes a program of `run`. What `run` returns is the program's result: anything that JSON can hold. */
export function program(run: ProgramFunction, meta: ProgramMeta = {}): Program {
  return { kind: 'heddle-program', run, meta: { roles: 'peers', ...meta } };
}

/** True for what `program` returns, also when it comes from another copy of this module. */
export function isProgram(value: unknown): value is Program {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'heddle-program';
}
