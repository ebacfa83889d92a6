/**
 * heddle's public face. A simulated program imports the verbs API and `program` from here; a script that runs simulations imports `loadTopologyFile`, `run` and `runTraffic`.
 * The rooms behind the second part are loaded when they are first called, so that a program does not pay for them.
 */
import type { RunOptions, RunResult, TrafficOptions, TrafficResult } from './cluster/index.ts';
import type { Topology } from './topology/index.ts';

export type {
  Breakdown,
  OutputLine,
  Placement,
  RunOptions,
  RunResult,
  RunSummary,
  TrafficOptions,
  TrafficResult,
} from './cluster/index.ts';
export {
  type ConnectOptions,
  type Datagram,
  type EchoReply,
  type Endpoint,
  type IcmpSocket,
  type InterfaceInfo,
  type ListenOptions,
  type Net,
  SocketError,
  type TcpInfo,
  type TcpListener,
  type TcpOptions,
  type TcpSocket,
  type UdpOptions,
  type UdpSocket,
  type Wait,
} from './net/index.ts';
export { ConfigError, DeadlockError, formatPs, InvariantError, type Issue, ProgramError } from './sim/index.ts';
export type { Topology } from './topology/index.ts';
export * from './verbs/index.ts';

/** Loads a topology file, or makes what a generator specification such as `fat-tree:k=4,levels=3` says. Rejects with `ConfigError`. */
export async function loadTopologyFile(source: string): Promise<Topology> {
  return (await import('./cluster/index.ts')).loadTopologyFile(source);
}

/** Runs a program on a topology. Rejects with `ConfigError`, `ProgramError` or `DeadlockError`. */
export async function run(options: RunOptions): Promise<RunResult> {
  return (await import('./cluster/index.ts')).run(options);
}

/** Runs synthetic traffic on a topology, without programs. Rejects with `ConfigError`. */
export async function runTraffic(options: TrafficOptions): Promise<TrafficResult> {
  return (await import('./cluster/index.ts')).runTraffic(options);
}
