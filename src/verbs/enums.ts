/**
 * The constants of libibverbs (`infiniband/verbs.h`), with its names less the `IBV_` prefixes and with its values.
 * Each is an `as const` object and a type of the same name: `Opcode.RDMA_WRITE` is 0, and a field of type `Opcode` holds one of the values.
 * Bit masks (`SendFlags`, `Access`, …) are plain numbers where they are combined.
 */
type ValueOf<T> = T[keyof T];

/** `enum ibv_wr_opcode`. */
export const Opcode = {
  RDMA_WRITE: 0,
  RDMA_WRITE_WITH_IMM: 1,
  SEND: 2,
  SEND_WITH_IMM: 3,
  RDMA_READ: 4,
  ATOMIC_CMP_AND_SWP: 5,
  ATOMIC_FETCH_AND_ADD: 6,
  LOCAL_INV: 7,
  BIND_MW: 8,
  SEND_WITH_INV: 9,
  TSO: 10,
  DRIVER1: 11,
  FLUSH: 14,
  ATOMIC_WRITE: 15,
} as const;
export type Opcode = ValueOf<typeof Opcode>;

/** `enum ibv_send_flags`. */
export const SendFlags = { FENCE: 1, SIGNALED: 2, SOLICITED: 4, INLINE: 8, IP_CSUM: 16 } as const;

/** `enum ibv_access_flags`. */
export const Access = {
  LOCAL_WRITE: 1,
  REMOTE_WRITE: 2,
  REMOTE_READ: 4,
  REMOTE_ATOMIC: 8,
  MW_BIND: 16,
  ZERO_BASED: 32,
  ON_DEMAND: 64,
  HUGETLB: 128,
  FLUSH_GLOBAL: 256,
  FLUSH_PERSISTENT: 512,
  RELAXED_ORDERING: 1 << 20,
} as const;

/** `enum ibv_wc_status`. */
export const WcStatus = {
  SUCCESS: 0,
  LOC_LEN_ERR: 1,
  LOC_QP_OP_ERR: 2,
  LOC_EEC_OP_ERR: 3,
  LOC_PROT_ERR: 4,
  WR_FLUSH_ERR: 5,
  MW_BIND_ERR: 6,
  BAD_RESP_ERR: 7,
  LOC_ACCESS_ERR: 8,
  REM_INV_REQ_ERR: 9,
  REM_ACCESS_ERR: 10,
  REM_OP_ERR: 11,
  RETRY_EXC_ERR: 12,
  RNR_RETRY_EXC_ERR: 13,
  LOC_RDD_VIOL_ERR: 14,
  REM_INV_RD_REQ_ERR: 15,
  REM_ABORT_ERR: 16,
  INV_EECN_ERR: 17,
  INV_EEC_STATE_ERR: 18,
  FATAL_ERR: 19,
  RESP_TIMEOUT_ERR: 20,
  GENERAL_ERR: 21,
  TM_ERR: 22,
  TM_RNDV_INCOMPLETE: 23,
} as const;
export type WcStatus = ValueOf<typeof WcStatus>;

/** `enum ibv_wc_opcode`. Receive completions have bit 7 set. */
export const WcOpcode = {
  SEND: 0,
  RDMA_WRITE: 1,
  RDMA_READ: 2,
  COMP_SWAP: 3,
  FETCH_ADD: 4,
  BIND_MW: 5,
  LOCAL_INV: 6,
  TSO: 7,
  FLUSH: 8,
  ATOMIC_WRITE: 9,
  RECV: 128,
  RECV_RDMA_WITH_IMM: 129,
} as const;
export type WcOpcode = ValueOf<typeof WcOpcode>;

/** `enum ibv_wc_flags`. */
export const WcFlags = { GRH: 1, WITH_IMM: 2, IP_CSUM_OK: 4, WITH_INV: 8 } as const;

/** `enum ibv_qp_state`. */
export const QpState = { RESET: 0, INIT: 1, RTR: 2, RTS: 3, SQD: 4, SQE: 5, ERR: 6, UNKNOWN: 7 } as const;
export type QpState = ValueOf<typeof QpState>;

/** `enum ibv_qp_type`. Queue pairs of types RC, UC and UD can be made here; `SMI` and `GSI` are the kernel's numbers for QP0 and QP1. */
export const QpType = { SMI: 0, GSI: 1, RC: 2, UC: 3, UD: 4, RAW_PACKET: 8, XRC_SEND: 9, XRC_RECV: 10, DRIVER: 0xff } as const;
export type QpType = ValueOf<typeof QpType>;

/** `enum ibv_qp_attr_mask`. */
export const QpAttrMask = {
  STATE: 1 << 0,
  CUR_STATE: 1 << 1,
  EN_SQD_ASYNC_NOTIFY: 1 << 2,
  ACCESS_FLAGS: 1 << 3,
  PKEY_INDEX: 1 << 4,
  PORT: 1 << 5,
  QKEY: 1 << 6,
  AV: 1 << 7,
  PATH_MTU: 1 << 8,
  TIMEOUT: 1 << 9,
  RETRY_CNT: 1 << 10,
  RNR_RETRY: 1 << 11,
  RQ_PSN: 1 << 12,
  MAX_QP_RD_ATOMIC: 1 << 13,
  ALT_PATH: 1 << 14,
  MIN_RNR_TIMER: 1 << 15,
  SQ_PSN: 1 << 16,
  MAX_DEST_RD_ATOMIC: 1 << 17,
  PATH_MIG_STATE: 1 << 18,
  CAP: 1 << 19,
  DEST_QPN: 1 << 20,
  RATE_LIMIT: 1 << 25,
} as const;

/** `enum ibv_mig_state`. */
export const MigState = { MIGRATED: 0, REARM: 1, ARMED: 2 } as const;
export type MigState = ValueOf<typeof MigState>;

/** `enum ibv_mtu`: 1 = 256 bytes … 5 = 4096 bytes. */
export const Mtu = { MTU_256: 1, MTU_512: 2, MTU_1024: 3, MTU_2048: 4, MTU_4096: 5 } as const;
export type Mtu = ValueOf<typeof Mtu>;

/** Bytes of an `ibv_mtu` code (1 … 5). */
export function mtuToBytes(mtu: Mtu): number {
  return 128 << mtu;
}

/** The `ibv_mtu` code of 256, 512, 1024, 2048 or 4096 bytes; undefined for any other number. */
export function bytesToMtu(bytes: number): Mtu | undefined {
  return ([1, 2, 3, 4, 5] as const).find((code) => mtuToBytes(code) === bytes);
}

/** `enum ibv_event_type`: asynchronous events. */
export const EventType = {
  CQ_ERR: 0,
  QP_FATAL: 1,
  QP_REQ_ERR: 2,
  QP_ACCESS_ERR: 3,
  COMM_EST: 4,
  SQ_DRAINED: 5,
  PATH_MIG: 6,
  PATH_MIG_ERR: 7,
  DEVICE_FATAL: 8,
  PORT_ACTIVE: 9,
  PORT_ERR: 10,
  LID_CHANGE: 11,
  PKEY_CHANGE: 12,
  SM_CHANGE: 13,
  SRQ_ERR: 14,
  SRQ_LIMIT_REACHED: 15,
  QP_LAST_WQE_REACHED: 16,
  CLIENT_REREGISTER: 17,
  GID_CHANGE: 18,
  WQ_FATAL: 19,
  DEVICE_SPEED_CHANGE: 20,
} as const;
export type EventType = ValueOf<typeof EventType>;

/** `enum ibv_port_state`. */
export const PortState = { NOP: 0, DOWN: 1, INIT: 2, ARMED: 3, ACTIVE: 4, ACTIVE_DEFER: 5 } as const;
export type PortState = ValueOf<typeof PortState>;

/** `enum ibv_node_type`. */
export const NodeType = { UNKNOWN: -1, CA: 1, SWITCH: 2, ROUTER: 3, RNIC: 4, USNIC: 5, USNIC_UDP: 6, UNSPECIFIED: 7 } as const;
export type NodeType = ValueOf<typeof NodeType>;

/** `enum ibv_atomic_cap`. */
export const AtomicCap = { NONE: 0, HCA: 1, GLOB: 2 } as const;
export type AtomicCap = ValueOf<typeof AtomicCap>;

/** `IBV_LINK_LAYER_*`. */
export const LinkLayer = { UNSPECIFIED: 0, INFINIBAND: 1, ETHERNET: 2 } as const;
export type LinkLayer = ValueOf<typeof LinkLayer>;

/** `enum ibv_mw_type`. */
export const MwType = { TYPE_1: 1, TYPE_2: 2 } as const;
export type MwType = ValueOf<typeof MwType>;

/** `enum ibv_srq_attr_mask`. */
export const SrqAttrMask = { MAX_WR: 1, LIMIT: 2 } as const;

/** `enum ibv_rereg_mr_flags`. */
export const ReregMr = { CHANGE_TRANSLATION: 1, CHANGE_PD: 2, CHANGE_ACCESS: 4 } as const;

/** `enum ibv_device_cap_flags`, those that a device here may report. */
export const DeviceCap = {
  RESIZE_MAX_WR: 1,
  BAD_PKEY_CNTR: 1 << 1,
  BAD_QKEY_CNTR: 1 << 2,
  AUTO_PATH_MIG: 1 << 4,
  CURR_QP_STATE_MOD: 1 << 7,
  SHUTDOWN_PORT: 1 << 8,
  PORT_ACTIVE_EVENT: 1 << 10,
  SYS_IMAGE_GUID: 1 << 11,
  RC_RNR_NAK_GEN: 1 << 12,
  SRQ_RESIZE: 1 << 13,
  N_NOTIFY_CQ: 1 << 14,
  MEM_WINDOW: 1 << 17,
  XRC: 1 << 20,
  MEM_MGT_EXTENSIONS: 1 << 21,
  MEM_WINDOW_TYPE_2A: 1 << 23,
  MEM_WINDOW_TYPE_2B: 1 << 24,
} as const;

/** `enum ibv_rate`, a static rate or path rate code. */
export const Rate = {
  MAX: 0,
  RATE_2_5_GBPS: 2,
  RATE_10_GBPS: 3,
  RATE_30_GBPS: 4,
  RATE_5_GBPS: 5,
  RATE_20_GBPS: 6,
  RATE_40_GBPS: 7,
  RATE_60_GBPS: 8,
  RATE_80_GBPS: 9,
  RATE_120_GBPS: 10,
  RATE_14_GBPS: 11,
  RATE_56_GBPS: 12,
  RATE_112_GBPS: 13,
  RATE_168_GBPS: 14,
  RATE_25_GBPS: 15,
  RATE_100_GBPS: 16,
  RATE_200_GBPS: 17,
  RATE_300_GBPS: 18,
  RATE_28_GBPS: 19,
  RATE_50_GBPS: 20,
  RATE_400_GBPS: 21,
  RATE_600_GBPS: 22,
  RATE_800_GBPS: 23,
  RATE_1200_GBPS: 24,
} as const;
export type Rate = ValueOf<typeof Rate>;
