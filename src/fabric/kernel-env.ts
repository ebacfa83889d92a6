/**
 * The two faces of the hot kernel (`kernel.ts`): what it is given, and what it shows to the code around it (counters, checks, wait cycles).
 * The field numbers at the end name words of its typed arrays for that code; the kernel has its own copies, which V8 folds into constants.
 */
import type { RandomStream } from '../sim/index.ts';
import type { TrafficPlan } from './traffic.ts';
import type { RecordBatch } from './record-batch.ts';
import type { Wiring } from './wiring.ts';

/** One packet over one link. `portHandle` is the sending port. */
export type TraceHook = (
  sourceHost: number,
  packetNumber: number,
  portHandle: number,
  vl: number,
  arrivedPs: number,
  startPs: number,
  endPs: number,
) => void;

/** A packet passed a captured port; `words[at …]` is its record; `timePs`: its last byte passed. */
export interface CaptureHook {
  readonly ports: Uint8Array;
  packet(portHandle: number, transmitted: boolean, timePs: number, words: Int32Array, at: number, vl: number): void;
}

export interface KernelEnv {
  readonly wiring: Wiring;
  readonly packetCapacity: number;
  readonly minWireBytes: number;
  readonly maxWireBytes: number;
  /** Whether hosts exchange records; false for synthetic traffic alone. */
  readonly records: boolean;
  readonly out: readonly RecordBatch[];
  readonly traffic: TrafficPlan | null;
  readonly noTraffic: TrafficPlan;
  readonly histogram: Float64Array;
  readonly perFlow: boolean;
  readonly errorKinds: number;
  readonly trace: TraceHook | null;
  readonly capture: CaptureHook | null;
  /** Throws an `InvariantError`. */
  fail(message: string): never;
  releasePayload(slot: number): void;
  retainPayload(slot: number, count: number): void;
  /** Random streams of a link direction (bit errors) and of a switch (ties). */
  errorStream(port: number): RandomStream;
  tieStream(switchIndex: number): RandomStream;
}

export interface KernelState {
  runUntil(limitPs: number): void;
  nextPs(): number;
  inject(words: Int32Array, times: Float64Array, wordIndex: number): void;
  eachPending(visit: (id: number) => void): void;
  /** Whether an input has packets in a queue. */
  hasRequest(queue: number, input: number): boolean;
  readonly F: Float64Array;
  readonly E: Int32Array;
  readonly P: Float64Array;
  readonly PI: Int32Array;
  readonly Q: Int32Array;
  readonly QF: Float64Array;
  readonly QH: Int16Array;
  readonly tails: Int32Array;
  readonly fifoTails: Int32Array;
  readonly cold: Int32Array;
  /** Per packet: source host in word 2 and packet number in word 3 of 4. */
  readonly origin: Int32Array;
  readonly errors: Int32Array;
  readonly lostPackets: Float64Array;
  readonly lostBytes: Float64Array;
  readonly multicastSent: Float64Array;
  readonly multicastLost: Float64Array;
  readonly dropped: Float64Array;
  readonly groupLeft: Int32Array;
  readonly sourceBytes: Float64Array;
  readonly sinkBytes: Float64Array;
  readonly flowBytes: Float64Array;
  readonly X: Float64Array;
  readonly Y: Int32Array;
}

/** Words of event records (8 per record in `E`). */
export const EV = { next: 2, key: 3, route: 4, size: 5, bytes: 6, group: 7 } as const;
/** Words of port records: 8 float64 in `P`, 16 int32 in `PI`. */
export const PORT = { next: 0, free: 1, blockedSince: 2, waitPs: 3, bytes: 4, packets: 5, backlog: 12 } as const;
/** Words of queue records: 16 int32 in `Q`; ring times at 4 … 7 of 8 in `QF`, ring blocks at 12 … 15 of 32 in `QH`. */
export const QUEUE = { request: 0, credits: 1, turn: 2, tails: 3, ring: 4, sole: 5 } as const;
/** Scalars. */
export const SCALAR = {
  now: 0,
  events: 4,
  hops: 5,
  injected: 6,
  delivered: 7,
  copied: 8,
  bytesDelivered: 9,
  latencySum: 10,
  latencyMin: 11,
  latencyMax: 12,
  measured: 13,
  refused: 14,
  ringOverflows: 15,
  dropped: 16,
} as const;
export const COUNT = { used: 5, most: 6, hash0: 10, hash1: 11 } as const;
/** Kinds of port errors: `errors[port × ERROR_KINDS + kind]`. */
export const ERROR_KINDS = 7;
export const ERROR = {
  receive: 0,
  relay: 1,
  discard: 2,
  xmitConstraint: 3,
  receiveConstraint: 4,
  vl15: 5,
  linkDowned: 6,
} as const;
/** Why packets are dropped; the index is the kernel's reason. */
export const DROP_REASONS = [
  'route',
  'vl',
  'damaged',
  'link',
  'head-of-queue',
  'lifetime',
  'partition',
  'vl15',
  'management',
  'mtu',
] as const;
export type DropReason = (typeof DROP_REASONS)[number];
