/**
 * What goes in and out of an adapter, as plain data: its configuration, work requests, completions, attributes, events.
 * Field names are libibverbs' in camel case, so that `src/verbs` passes its own objects through.
 */
import type { PayloadPool, RecordBatch } from '../fabric/index.ts';
import type { EventLoop, Ps } from '../sim/index.ts';
import type { NodeMemory } from './memory.ts';
import type { HcaProfile } from './profile.ts';

/** A 64-bit unsigned quantity; a number up to 2^53 − 1 is the fast form. */
export type U64 = number | bigint;

/** One port of an adapter. */
export interface HcaPortConfig {
  /** 1 … 254. */
  readonly portNumber: number;
  /** The fabric's handle of this host port: word `W_PORT` of its records. */
  readonly hostPort: number;
  readonly portGuid: bigint;
  readonly gidPrefix: bigint;
  /** Base LID, 1 … 0xBFFF. */
  readonly lid: number;
  /** The port answers to 2^lmc LIDs from `lid` on. */
  readonly lmc: number;
  /** Active MTU: 256 … 4096. */
  readonly mtuBytes: number;
  readonly pkeys: readonly number[];
  /** Data VLs in operation, 1 … 15. */
  readonly dataVls: number;
  /** VL by SL, 16 entries, as in the port's SL2VL table; 15 drops. Absent: SL modulo `dataVls`. */
  readonly slToVl?: readonly number[];
  /** Data rate of the link, for static rates: picoseconds a byte takes (a fraction for FDR). */
  readonly linkPsPerByte: number;
  /** As `ibv_query_port` and ibstat show them: code, and text such as `4X` and `QDR`. */
  readonly activeWidth: number;
  readonly activeSpeed: number;
  readonly widthName: string;
  readonly speedName: string;
  /** `enum ibv_port_state`: 4 = ACTIVE. */
  readonly state: number;
  readonly smLid: number;
  readonly smSl: number;
  readonly subnetTimeout: number;
}

/** An adapter: plain data that can be sent to another thread. */
export interface HcaConfig {
  readonly nodeName: string;
  /** Such as `mlx4_0`. */
  readonly deviceName: string;
  /** Which adapter of its node this is, 0 … 15: part of the order of events at equal times. */
  readonly index: number;
  readonly nodeGuid: bigint;
  readonly profile: HcaProfile;
  readonly ports: readonly HcaPortConfig[];
  readonly seed: number;
  /** SR-IOV virtual functions; absent or empty: none. */
  readonly functions?: readonly HcaFunctionConfig[];
}

/**
 * A virtual function: a device of its own, with GUIDs and so GIDs of its own, behind the ports and LIDs of the physical one (as ConnectX-3 does it: a shared port). Packets find
 * its queue pairs by number; queue pairs 0 and 1 are the physical function's.
 */
export interface HcaFunctionConfig {
  /** Such as `mlx4_0`: as its guest names it. */
  readonly deviceName: string;
  readonly nodeGuid: bigint;
  /** One for each port. */
  readonly portGuids: readonly bigint[];
}

/** One piece of local memory. */
export interface Sge {
  readonly addr: number;
  readonly length: number;
  readonly lkey: number;
}

/** Global route of an address vector (`struct ibv_global_route`). */
export interface GlobalRouteVector {
  /** 16 bytes. */
  readonly dgid: Uint8Array;
  readonly flowLabel: number;
  readonly sgidIndex: number;
  readonly hopLimit: number;
  readonly trafficClass: number;
}

/** Where packets go (`struct ibv_ah_attr`). */
export interface AddressVector {
  readonly dlid: number;
  readonly sl: number;
  readonly srcPathBits: number;
  /** `enum ibv_rate` code; 0 = no limit. */
  readonly staticRate: number;
  readonly portNum: number;
  readonly grh: GlobalRouteVector | null;
}

/** A send work request (`struct ibv_send_wr`). Fields that its opcode does not use are ignored. */
export interface SendWorkRequest {
  readonly wrId?: U64 | undefined;
  /** `WR_*`. */
  readonly opcode: number;
  /** `SEND_*`, or-ed. */
  readonly sendFlags?: number | undefined;
  readonly sge?: readonly Sge[] | undefined;
  readonly immData?: number | undefined;
  readonly invalidateRkey?: number | undefined;
  readonly remoteAddr?: U64 | undefined;
  readonly rkey?: number | undefined;
  readonly compareAdd?: U64 | undefined;
  readonly swap?: U64 | undefined;
  readonly ah?: AddressVector | undefined;
  readonly remoteQpn?: number | undefined;
  readonly remoteQkey?: number | undefined;
  readonly bindMw?: BindRequest | undefined;
}

/** What a BIND_MW work request, or the bind verb of a type 1 window, binds. */
export interface BindRequest {
  /** The window, as `allocMw` returned it. */
  readonly mw: MemoryKeyHandle;
  /** The window's new R_Key: same index, another low byte (type 2). */
  readonly rkey: number;
  /** The region; null or `length` 0 unbinds. */
  readonly mr: MemoryKeyHandle | null;
  readonly addr: number;
  readonly length: number;
  /** `ACCESS_REMOTE_*`, or-ed. */
  readonly access: number;
}

/** A region or window as seen from outside: its key. */
export interface MemoryKeyHandle {
  readonly lkey: number;
  readonly rkey: number;
}

/** A receive work request (`struct ibv_recv_wr`). */
export interface RecvWorkRequest {
  readonly wrId?: U64 | undefined;
  readonly sge?: readonly Sge[] | undefined;
}

/** A completion (`struct ibv_wc`). Of one in error only `wrId`, `status`, `qpNum` and `vendorErr` mean something. */
export interface WorkCompletion {
  wrId: U64;
  status: number;
  opcode: number;
  vendorErr: number;
  byteLen: number;
  immData: number;
  invalidatedRkey: number;
  qpNum: number;
  srcQp: number;
  wcFlags: number;
  pkeyIndex: number;
  slid: number;
  sl: number;
  dlidPathBits: number;
  /** When the CQE became visible in the node's memory. */
  completionTs: Ps;
}

/** `struct ibv_qp_cap`. */
export interface QpCapabilities {
  readonly maxSendWr: number;
  readonly maxRecvWr: number;
  readonly maxSendSge: number;
  readonly maxRecvSge: number;
  readonly maxInlineData: number;
}

/** `struct ibv_qp_attr`, what `modifyQp` can set. */
export interface QpAttributes {
  readonly qpState?: number | undefined;
  readonly curQpState?: number | undefined;
  /** Code 1 … 5. */
  readonly pathMtu?: number | undefined;
  readonly pathMigState?: number | undefined;
  readonly qkey?: number | undefined;
  readonly rqPsn?: number | undefined;
  readonly sqPsn?: number | undefined;
  readonly destQpNum?: number | undefined;
  readonly qpAccessFlags?: number | undefined;
  readonly av?: AddressVector | undefined;
  readonly pkeyIndex?: number | undefined;
  readonly enSqdAsyncNotify?: boolean | undefined;
  readonly maxRdAtomic?: number | undefined;
  readonly maxDestRdAtomic?: number | undefined;
  readonly minRnrTimer?: number | undefined;
  readonly portNum?: number | undefined;
  readonly timeout?: number | undefined;
  readonly retryCnt?: number | undefined;
  readonly rnrRetry?: number | undefined;
}

/** An asynchronous event (`struct ibv_async_event`). */
export interface AsyncEvent {
  /** `EVENT_*`. */
  readonly type: number;
  /** When it is visible to the node. */
  readonly atPs: Ps;
  /** What it is about: a queue pair, completion queue or shared receive queue of this adapter. */
  readonly element: object | null;
  readonly portNum: number;
}

/**
 * Receives the times of a message's stages, as the adapter goes through them. In order, for the last packet of a message:
 * sender `doorbell-arrived`, `entry-fetched`, `transmit-started`, `payload-read`, `tx-queue-entered` (then the wire);
 * receiver `receive-pipeline`, `headers-checked`, `payload-written`, `completion-written` (of a receive);
 * a READ's responder `response-started`, `response-read`, `response-tx-queue-entered`; its requester `payload-written`; and `completion-written` of the sender's own completion,
 * where there is one. Each is the end of what it names.
 */
export interface HcaTrace {
  /** `message` is unique on its node: `messageId(qpn, counter)`. */
  stamp(message: number, stage: string, timePs: Ps): void;
  /** Packet `number` (word `W_NUMBER`) of the node carries the last bytes of `message`. */
  packet(message: number, hostPort: number, number: number): void;
  /** A stage of a packet on the receiving side, where the sender's message is not known: `slid` and `number` name the packet. */
  arrived(slid: number, number: number, stage: string, timePs: Ps): void;
  /** The last packet of the answer to the READ request (`slid`, `number`) is packet `answerNumber` from `answerSlid`, sent on `hostPort`. */
  answered(slid: number, number: number, answerSlid: number, hostPort: number, answerNumber: number): void;
}

/** Counters of an adapter, for reports and tests. */
export interface HcaCounters {
  packetsSent: number;
  packetsReceived: number;
  bytesSent: number;
  bytesReceived: number;
  acksSent: number;
  naksSent: number;
  rnrNaksSent: number;
  retries: number;
  timeouts: number;
  duplicates: number;
  outOfSequence: number;
  badCrcDropped: number;
  pkeyViolations: number;
  qkeyViolations: number;
  dropped: number;
  contextMisses: number;
}

/** What an adapter is built of. */
export interface EngineParts {
  readonly loop: EventLoop;
  /** Number of the node among all nodes. */
  readonly entity: number;
  readonly config: HcaConfig;
  readonly memory: NodeMemory;
  /** Where outgoing records go. */
  readonly outbox: RecordBatch;
  readonly pool: PayloadPool;
  /** The arena of `pool` that this node's thread owns. */
  readonly arena: number;
  readonly trace?: HcaTrace | undefined;
}
