/**
 * What a run is asked for and what it gives back. Plain data throughout, so that it can be recorded, sent to a thread, or printed as JSON.
 */
import type { Ps } from '../sim/index.ts';
import type { Topology } from '../topology/index.ts';

/** Where the nodes' programs and HCAs run. The result never depends on it. */
export type Placement = 'inline' | 'pool' | 'dedicated';

/** A program to run: one that ships with heddle, or a file of the user's. */
export type ProgramReference =
  | { readonly kind: 'builtin'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string };

/** One `--capture` target: a node's port (`cpu1:1`) or a switch's port (`leaf1:3`). */
export interface CaptureTarget {
  readonly name: string;
  readonly port: number;
}

export interface RunOptions {
  readonly topology: Topology;
  /** As the user named it; only for messages and the run record. */
  readonly topologyFile: string;
  readonly program: ProgramReference;
  readonly programArgs: readonly string[];
  /** Nodes that run the program, by name, in rank order; default: all processor nodes, or server and client for a two-sided program. */
  readonly nodes?: readonly string[];
  readonly client?: string;
  readonly server?: string;
  /** Default 1. */
  readonly seed?: number;
  /** Default `pool`. */
  readonly placement?: Placement;
  /** Worker threads for `pool`; default: CPU cores − 1, at least 1, at most one a node. */
  readonly workers?: number;
  /** `--fault` texts, in the grammar of the topology file. */
  readonly faults?: readonly string[];
  /** Run although the channel-dependency check found a cycle. */
  readonly allowCycles?: boolean;
  /** Record where the time of each measured message goes. */
  readonly breakdown?: boolean;
  /** Report the port counters of the nodes that run the program, and of the switch ports that they are connected to. */
  readonly counters?: boolean;
  /** Report the account of every domain of every Xen host. */
  readonly domains?: boolean;
  /** Report it also at each multiple of this time, to `onDomains`. */
  readonly sampleEveryPs?: Ps;
  /** Called with the domains of all hosts at each sample, in order of time. */
  readonly onDomains?: (sample: DomainSample) => void;
  /** Write what passes these ports to `captureFile` (pcap). */
  readonly captures?: readonly CaptureTarget[];
  readonly captureFile?: string;
  /** A program that runs this long without waiting ends the run; wall milliseconds, default 10,000. */
  readonly watchdogMs?: number;
  /** Stop at this virtual time even if programs still run. */
  readonly untilPs?: Ps;
  /** Opens doors of a Xen host to real tools; the run is then in this thread (`inline`). */
  readonly serve?: ServeOptions;
  /** Called now and then with how far the run is (wall time between calls at least 100 ms). */
  readonly onProgress?: (progress: RunProgress) => void;
  /** Called with each line of output as soon as its place in the order is certain. */
  readonly onLine?: (line: OutputLine) => void;
}

/** Doors of a simulated Xen host for `xenstore-ls`, `xl`, `xentop` and their kind. At least one of the two. */
export interface ServeOptions {
  /** The host's name; default: the first node that runs Xen. */
  readonly node?: string;
  /** Where tools find xenstored's socket (`XENSTORED_PATH`). */
  readonly xenstore?: string;
  /** Where a preloaded library takes their hypercalls. */
  readonly hypercalls?: string;
  /** Go on when the programs have ended, at the pace of real time, until the process is ended. */
  readonly holds?: boolean;
}

export interface RunProgress {
  readonly simulatedPs: Ps;
  readonly packetHops: number;
  readonly events: number;
}

/** A line that a program printed. Lines come in the order (time, rank). */
export interface OutputLine {
  readonly timePs: Ps;
  readonly rank: number;
  readonly node: string;
  readonly role: string;
  readonly text: string;
}

/** What the whole run did; the `run` object of `--json`. */
export interface RunSummary {
  /** 16 hexadecimal digits over every delivery, completion and result; independent of placement, workers and machine. */
  readonly hash: string;
  readonly seed: number;
  readonly version: string;
  readonly simulatedPs: Ps;
  readonly packets: number;
  readonly packetHops: number;
  readonly events: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly placement: Placement;
  readonly workers: number;
}

/** One interval in the life of a measured message, in order; the lengths add up to the message's latency exactly. */
export interface BreakdownStage {
  readonly name: string;
  readonly where: string;
  readonly durationPs: Ps;
}

/** Where the time of the median message of one size went. */
export interface Breakdown {
  readonly messageBytes: number;
  /** What the program reports for this message, in ps (half of a round trip where the program halves it). */
  readonly reportedPs: Ps;
  /** 2 where the reported latency is half of what the stages add up to, else 1. */
  readonly divisor: number;
  readonly stages: readonly BreakdownStage[];
}

export interface RunResult {
  readonly program: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** What the program of rank 0's peer, the client (or rank 0 where all are peers), returned. */
  readonly results: unknown;
  /** What each node's program returned, by node name. */
  readonly perNode: Readonly<Record<string, unknown>>;
  readonly lines: readonly OutputLine[];
  readonly breakdown: readonly Breakdown[];
  /** Where `RunOptions.counters` asked for them. */
  readonly ports?: readonly PortCounterReport[];
  /** Where `RunOptions.domains` asked for them, at the end of the run. */
  readonly domains?: readonly DomainReport[];
  readonly warnings: readonly string[];
  readonly run: RunSummary;
}

/** A domain's account: CPU time, and what it asked of the hypervisor. */
export interface DomainReport {
  /** `cpu1` is Domain-0 there, `cpu1/web1` a guest. */
  readonly place: string;
  readonly domid: number;
  readonly name: string;
  readonly state: string;
  readonly vcpus: number;
  readonly memoryKib: number;
  /** Of all vCPUs together, by runstate. */
  readonly runningPs: Ps;
  readonly runnablePs: Ps;
  readonly blockedPs: Ps;
  readonly offlinePs: Ps;
  /** CPU time by what it was used for, the most first. */
  readonly usedPs: Readonly<Record<string, Ps>>;
  /** By name of the hypercall. */
  readonly hypercalls: Readonly<Record<string, number>>;
  readonly eventsSent: number;
  readonly eventsReceived: number;
  readonly upcalls: number;
  /** Grant operations by kind. */
  readonly grants: Readonly<Record<string, number>>;
  readonly bytesCopied: number;
  /** Its network interfaces, as the guest sees them. */
  readonly vifs: {
    readonly count: number;
    readonly txBytes: number;
    readonly txPackets: number;
    readonly rxBytes: number;
    readonly rxPackets: number;
  };
}

/** The domains of all hosts at a moment. */
export interface DomainSample {
  readonly atPs: Ps;
  readonly domains: readonly DomainReport[];
}

/** PortCounters of one port at the end of a run (IBA 16.1.3.5), by attribute name; data in units of 4 bytes. */
export interface PortCounterReport {
  /** `cpu1:1`, `leaf1:3`. */
  readonly port: string;
  readonly counters: Readonly<Record<string, number>>;
}

/** One row of `heddle list`. */
export interface ListEntry {
  readonly name: string;
  readonly summary: string;
}

/** What a check of a topology found. Mistakes are thrown as `ConfigError`, they are not listed here. */
export interface TopologyCheck {
  /** What was checked and holds, a line each. */
  readonly findings: readonly string[];
  readonly warnings: readonly string[];
}

export type TrafficPattern = 'uniform' | 'permutation' | 'shift' | 'bisection' | 'incast' | 'hot-spot' | 'all-to-all';

/** Synthetic traffic without programs: packets of one size, made by the hosts' ports themselves. */
export interface TrafficOptions {
  readonly topology: Topology;
  readonly topologyFile: string;
  readonly pattern: TrafficPattern;
  /** Payload of a packet, 1 … the least MTU of the hosts' links. */
  readonly messageBytes: number;
  readonly durationPs: Ps;
  /** Simulated before the measurement and not counted. */
  readonly warmupPs: Ps;
  /** Open loop: share of each host link's data rate, 0 … 1. */
  readonly load?: number;
  /** Closed loop: packets that each host keeps under way. Exactly one of `load` and `closedLoop` is given. */
  readonly closedLoop?: number;
  /** For `shift`, default 1. */
  readonly shift?: number;
  /** For `incast` and `hot-spot`: a node's name, default the first. */
  readonly target?: string;
  /** For `hot-spot`, default 0.1. */
  readonly hotShare?: number;
  /** Nodes that take part; default all. */
  readonly nodes?: readonly string[];
  readonly seed?: number;
  readonly faults?: readonly string[];
  readonly allowCycles?: boolean;
  readonly onProgress?: (progress: RunProgress) => void;
}

/** How one direction of a link was used while it was measured. */
export interface LinkUse {
  readonly name: string;
  /** Share of the time that it carried bits. */
  readonly use: number;
  /** Share of the time that a packet was ready but had to wait (PortXmitWait). */
  readonly wait: number;
}

export interface TrafficResult {
  readonly options: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
  readonly run: RunSummary;
  readonly pattern: TrafficPattern;
  readonly hosts: number;
  /** Null in a closed loop. */
  readonly offeredLoad: number | null;
  readonly acceptedLoad: number;
  /** Payload, all hosts together. */
  readonly bytesPerSecond: number;
  readonly messages: number;
  readonly latencyPs: {
    readonly min: Ps;
    readonly mean: Ps;
    readonly p50: Ps;
    readonly p90: Ps;
    readonly p99: Ps;
    readonly p999: Ps;
    readonly max: Ps;
  };
  readonly latencySamples: readonly (readonly [valuePs: Ps, count: number])[];
  readonly fairness: { readonly jain: number; readonly leastOfMean: number; readonly greatestOfMean: number };
  /** The fullest first. */
  readonly links: readonly LinkUse[];
}
