/**
 * Types of the door's calls beside `run`: synthetic traffic, the check of a topology, replay, and the lists of what there is.
 * Plain data throughout, as in `types.ts`.
 */
import type { TrafficReport } from '../report/index.ts';
import type { Ps } from '../sim/index.ts';
import type { Topology } from '../topology/index.ts';
import type { RunProgress, RunSummary } from './types.ts';

/**
 * Who sends to whom, among the hosts that take part, numbered 0 … N−1 in their order.
 * - `uniform`      each message to a host drawn at random, never oneself
 * - `permutation`  each host sends to one other host all the time, drawn once by the seed
 * - `shift`        host i sends to host (i + shift) mod N
 * - `bisection`    host i of one half sends to host i + N/2 of the other, and back
 * - `incast`       all hosts send to one, the target
 * - `hot-spot`     uniform, but a share of all messages goes to one host, the target
 * - `all-to-all`   each host sends to all others in turn, beginning with its next neighbour
 */
export type TrafficPattern = 'uniform' | 'permutation' | 'shift' | 'bisection' | 'incast' | 'hot-spot' | 'all-to-all';

/** Synthetic traffic: sources in the kernel, no program, no payload bytes. */
export interface TrafficOptions {
  readonly topology: Topology;
  /** As the user named it; only for messages. */
  readonly topologyFile: string;
  readonly pattern: TrafficPattern;
  /** Open loop: offered load of each source as a share of its link's data rate, above 0 and at most 1. Exactly one of `load` and `closedLoop` is given. */
  readonly load?: number;
  /** Closed loop: messages that each source keeps under way, at least 1. */
  readonly closedLoop?: number;
  /** Payload of a message; more than an MTU makes several packets. */
  readonly messageBytes: number;
  /** Length of the measured part. */
  readonly durationPs: Ps;
  /** Runs before the measured part, uncounted. */
  readonly warmupPs: Ps;
  /** For `shift`: 1 … N−1, default 1. */
  readonly shift?: number;
  /** For `incast` and `hot-spot`: a node's name, default the first. */
  readonly target?: string;
  /** For `hot-spot`: above 0 and at most 1, default 0.1. */
  readonly hotShare?: number;
  /** Nodes that take part, by name; default all. */
  readonly nodes?: readonly string[];
  /** Default 1. */
  readonly seed?: number;
  readonly faults?: readonly string[];
  readonly allowCycles?: boolean;
  readonly onProgress?: (progress: RunProgress) => void;
}

export interface TrafficResult extends TrafficReport {
  /** The options as they were used, defaults filled in, without topology and functions. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
  readonly run: RunSummary;
}

/** What `checkTopology` found where nothing forbids a run; what does is thrown as `ConfigError`. */
export interface TopologyCheck {
  /** What was checked and holds, a line each: reachability, deadlock freedom, LIDs used. */
  readonly findings: readonly string[];
  readonly warnings: readonly string[];
}

/** What running a recorded run again gave. */
export interface ReplayResult {
  readonly matches: boolean;
  /** The recorded hash. */
  readonly expected: string;
  /** The hash of this run. */
  readonly found: string;
  /** As recorded, for the printed line: `topologies/two-hosts.yaml ib_write_lat -a`. */
  readonly command: string;
  /** Differences that may explain another hash, as in `recorded by heddle 0.1.0, this is 0.2.0`. */
  readonly remarks: readonly string[];
  readonly run: RunSummary;
}

/** A line of `heddle list`. */
export interface ListEntry {
  readonly name: string;
  readonly summary: string;
}
