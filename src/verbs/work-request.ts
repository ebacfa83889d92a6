/**
 * Work requests and work completions: what a program posts, and what it gets back. Names are those of `struct ibv_send_wr`, `ibv_recv_wr`, `ibv_sge`
 * and `ibv_wc` in camel case. A send request is typed by the transport of its queue pair, so that an RDMA read on UC, or a datagram without
 * an address handle, does not compile (table in `ibv_post_send(3)`; UC has no SEND with invalidate because IBA gives it no opcode).
 */
import type { AddressHandle } from './address-handle.ts';
import type { Opcode, WcOpcode, WcStatus } from './enums.ts';
import type { MemoryRegion, MemoryWindow } from './memory.ts';

/** A 64-bit unsigned quantity: a number up to 2^53 − 1 is the fast form, a bigint holds the rest. */
export type U64 = number | bigint;

/** The transports of queue pairs that programs can make. */
export type Transport = 'RC' | 'UC' | 'UD';

/** One piece of local memory: `length` bytes at `addr`, which region `lkey` covers. */
export interface Sge {
  readonly addr: number;
  readonly length: number;
  readonly lkey: number;
}

interface AnySend {
  /** Given back in the completion. */
  readonly wrId?: U64;
  /** `SendFlags`, or-ed. */
  readonly sendFlags?: number;
  /** Gathered in this order; absent means a message without data. */
  readonly sge?: readonly Sge[];
}

interface Remote {
  readonly remoteAddr: U64;
  readonly rkey: number;
}

/** Where a datagram goes. */
export interface DatagramTarget {
  readonly ah: AddressHandle;
  readonly remoteQpn: number;
  readonly remoteQkey: number;
}

export interface SendWr extends AnySend {
  readonly opcode: typeof Opcode.SEND;
}
export interface SendWithImmWr extends AnySend {
  readonly opcode: typeof Opcode.SEND_WITH_IMM;
  /** 32 bits, carried as a number (network byte order is the simulator's business). */
  readonly immData: number;
}
export interface SendWithInvWr extends AnySend {
  readonly opcode: typeof Opcode.SEND_WITH_INV;
  readonly invalidateRkey: number;
}
export interface RdmaWriteWr extends AnySend, Remote {
  readonly opcode: typeof Opcode.RDMA_WRITE;
}
export interface RdmaWriteWithImmWr extends AnySend, Remote {
  readonly opcode: typeof Opcode.RDMA_WRITE_WITH_IMM;
  readonly immData: number;
}
export interface RdmaReadWr extends AnySend, Remote {
  readonly opcode: typeof Opcode.RDMA_READ;
}
export interface CompareSwapWr extends AnySend, Remote {
  readonly opcode: typeof Opcode.ATOMIC_CMP_AND_SWP;
  readonly compareAdd: U64;
  readonly swap: U64;
}
export interface FetchAddWr extends AnySend, Remote {
  readonly opcode: typeof Opcode.ATOMIC_FETCH_AND_ADD;
  readonly compareAdd: U64;
}
export interface LocalInvWr extends AnySend {
  readonly opcode: typeof Opcode.LOCAL_INV;
  readonly invalidateRkey: number;
}

/** What a memory window is bound to: `struct ibv_mw_bind_info`. No `mr`, or a `length` of 0, unbinds. */
export interface MwBindInfo {
  readonly mr: MemoryRegion | null;
  readonly addr: number;
  readonly length: number;
  /** `Access.REMOTE_*`, or-ed. */
  readonly mwAccessFlags: number;
}
export interface BindMwWr extends AnySend {
  readonly opcode: typeof Opcode.BIND_MW;
  readonly bindMw: { readonly mw: MemoryWindow; readonly rkey: number; readonly bindInfo: MwBindInfo };
}

interface SendWrByTransport {
  RC:
    | SendWr
    | SendWithImmWr
    | SendWithInvWr
    | RdmaWriteWr
    | RdmaWriteWithImmWr
    | RdmaReadWr
    | CompareSwapWr
    | FetchAddWr
    | LocalInvWr
    | BindMwWr;
  UC: SendWr | SendWithImmWr | RdmaWriteWr | RdmaWriteWithImmWr | LocalInvWr | BindMwWr;
  UD: (SendWr & DatagramTarget) | (SendWithImmWr & DatagramTarget);
}

/** What may be posted to the send queue of a queue pair of transport `T`. */
export type SendRequest<T extends Transport = Transport> = SendWrByTransport[T];

/** The same without the compiler's help, for code that builds requests from tables: every field of any request. */
export interface RawSendRequest extends AnySend, Partial<Remote>, Partial<DatagramTarget> {
  readonly opcode: Opcode;
  readonly immData?: number;
  readonly invalidateRkey?: number;
  readonly compareAdd?: U64;
  readonly swap?: U64;
  readonly bindMw?: BindMwWr['bindMw'];
}

/** `struct ibv_recv_wr`. */
export interface RecvRequest {
  readonly wrId?: U64;
  /** Filled in this order. A datagram needs 40 bytes in front for the GRH. */
  readonly sge?: readonly Sge[];
}

/** `struct ibv_wc`. Of a completion in error only `wrId`, `status`, `qpNum` and `vendorErr` mean something. */
export interface WorkCompletion {
  wrId: U64;
  status: WcStatus;
  opcode: WcOpcode;
  vendorErr: number;
  /** Of a receive, without the 40 bytes of a GRH not counted away: as in libibverbs a datagram's count includes them. */
  byteLen: number;
  /** Valid with `WcFlags.WITH_IMM`. */
  immData: number;
  /** Valid with `WcFlags.WITH_INV`. */
  invalidatedRkey: number;
  qpNum: number;
  /** Datagrams only. */
  srcQp: number;
  /** `WcFlags`, or-ed. */
  wcFlags: number;
  pkeyIndex: number;
  slid: number;
  sl: number;
  dlidPathBits: number;
  /** When the completion became visible in the node's memory, in ps (libibverbs: completion timestamp of an extended CQ). */
  completionTs: number;
}
