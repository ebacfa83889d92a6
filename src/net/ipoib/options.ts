/**
 * How an IPoIB device is set up: mode, ring sizes, offloads, and what its driver costs in CPU time. docs/model-ipoib.md has the table with reasons.
 */
import type { KernelCpu, Ps } from '../../sim/index.ts';
import type { Context } from '../../verbs/index.ts';
import type { SubnetAccess } from './subnet-access.ts';

/** CPU time of the driver; posting and polling come on top, from the adapter's profile. */
export interface IpoibCosts {
  /** A packet on its way out: header, look-up of the neighbour, mapping for the adapter. */
  readonly transmitPs: Ps;
  /** A packet that came in: unmapping, a new buffer, up to the stack. */
  readonly receivePs: Ps;
  /** A sent packet's buffer taken back. */
  readonly reapPs: Ps;
  /** An answer about a path or a group. */
  readonly answerPs: Ps;
  /** Each step of setting up or ending a connection. */
  readonly connectionPs: Ps;
}

/** Assumed: what is left of published IPoIB figures of 2007 to 2012 after the stack and the adapter (docs/model-ipoib.md). */
export const DEFAULT_IPOIB_COSTS: IpoibCosts = {
  transmitPs: 700_000,
  receivePs: 900_000,
  reapPs: 60_000,
  answerPs: 2_000_000,
  connectionPs: 10_000_000,
};

export type IpoibMode = 'datagram' | 'connected';

export interface IpoibOptions {
  /** `ib0`, `ib0.8001`. */
  readonly name: string;
  /** A kernel context (`openKernelContext`) on `cpu`. */
  readonly context: Context;
  readonly cpu: KernelCpu;
  readonly subnet: SubnetAccess;
  /** Default 1. */
  readonly portNum?: number;
  /** The partition, default 0xffff. A limited member names it the same way. */
  readonly pkey?: number;
  /** Default `datagram`. */
  readonly mode?: IpoibMode;
  /** Largest packet, if less than mode and fabric allow. */
  readonly mtu?: number;
  /** Packets that may be with the adapter, default 128 (Linux's `send_queue_size`). */
  readonly sendRing?: number;
  /** Receive buffers, default 256 (`recv_queue_size`). Connected mode has as many large ones on top. */
  readonly receiveRing?: number;
  /** Datagram mode: the adapter computes and checks transport checksums. Default: as the adapter can. */
  readonly checksumOffload?: boolean;
  /** Datagram mode: the adapter cuts large segments. Default: as the adapter can; needs `checksumOffload`. */
  readonly largeSend?: boolean;
  readonly costs?: Partial<IpoibCosts>;
}

/** Adapters whose datagram queue pairs cannot offload; ConnectX and later can. */
const WITHOUT_OFFLOADS = ['mthca'];

/** Whether an adapter's datagram queue pairs compute checksums and cut large segments, by the stem of its device names. */
export function canOffload(deviceStem: string): boolean {
  return !WITHOUT_OFFLOADS.includes(deviceStem);
}

/** What happened on a device. */
export interface IpoibCounters {
  txPackets: number;
  txBytes: number;
  /** Not sent: the device was down, a queue of an unresolved address full, a path not found, a packet too long. */
  txDropped: number;
  /** Failed sends. */
  txErrors: number;
  rxPackets: number;
  rxBytes: number;
  rxErrors: number;
  /** Packets to groups, sent and received. */
  multicast: number;
  /** Path records asked for. */
  pathQueries: number;
  connectionsMade: number;
  connectionsLost: number;
}

export function newCounters(): IpoibCounters {
  return {
    txPackets: 0,
    txBytes: 0,
    txDropped: 0,
    txErrors: 0,
    rxPackets: 0,
    rxBytes: 0,
    rxErrors: 0,
    multicast: 0,
    pathQueries: 0,
    connectionsMade: 0,
    connectionsLost: 0,
  };
}
