/**
 * Numbers of the adapter's interface: the values of libibverbs (`infiniband/verbs.h`), short names for hot code.
 * `src/verbs` publishes the same values under libibverbs' names.
 */

/** Send work request opcodes (`enum ibv_wr_opcode`). */
export const WR_WRITE = 0;
export const WR_WRITE_IMM = 1;
export const WR_SEND = 2;
export const WR_SEND_IMM = 3;
export const WR_READ = 4;
export const WR_COMPARE_SWAP = 5;
export const WR_FETCH_ADD = 6;
export const WR_LOCAL_INV = 7;
export const WR_BIND_MW = 8;
export const WR_SEND_INV = 9;

/** Send flags (`enum ibv_send_flags`). */
export const SEND_FENCE = 1;
export const SEND_SIGNALED = 2;
export const SEND_SOLICITED = 4;
export const SEND_INLINE = 8;

/** Access rights (`enum ibv_access_flags`). */
export const ACCESS_LOCAL_WRITE = 1;
export const ACCESS_REMOTE_WRITE = 2;
export const ACCESS_REMOTE_READ = 4;
export const ACCESS_REMOTE_ATOMIC = 8;
export const ACCESS_MW_BIND = 16;
export const ACCESS_ZERO_BASED = 32;

/** Completion status (`enum ibv_wc_status`). */
export const WC_SUCCESS = 0;
export const WC_LOC_LEN_ERR = 1;
export const WC_LOC_QP_OP_ERR = 2;
export const WC_LOC_PROT_ERR = 4;
export const WC_WR_FLUSH_ERR = 5;
export const WC_MW_BIND_ERR = 6;
export const WC_BAD_RESP_ERR = 7;
export const WC_LOC_ACCESS_ERR = 8;
export const WC_REM_INV_REQ_ERR = 9;
export const WC_REM_ACCESS_ERR = 10;
export const WC_REM_OP_ERR = 11;
export const WC_RETRY_EXC_ERR = 12;
export const WC_RNR_RETRY_EXC_ERR = 13;

/** Completion opcodes (`enum ibv_wc_opcode`). */
export const WC_SEND = 0;
export const WC_WRITE = 1;
export const WC_READ = 2;
export const WC_COMPARE_SWAP = 3;
export const WC_FETCH_ADD = 4;
export const WC_BIND_MW = 5;
export const WC_LOCAL_INV = 6;
export const WC_RECV = 128;
export const WC_RECV_WRITE_IMM = 129;

/** Completion opcode by send work request opcode. */
export const WC_OPCODE_OF_WR = new Uint8Array([
  WC_WRITE,
  WC_WRITE,
  WC_SEND,
  WC_SEND,
  WC_READ,
  WC_COMPARE_SWAP,
  WC_FETCH_ADD,
  WC_LOCAL_INV,
  WC_BIND_MW,
  WC_SEND,
]);

/** Completion flags (`enum ibv_wc_flags`). */
export const WC_GRH = 1;
export const WC_WITH_IMM = 2;
export const WC_WITH_INV = 8;

/** Queue pair states (`enum ibv_qp_state`). */
export const QPS_RESET = 0;
export const QPS_INIT = 1;
export const QPS_RTR = 2;
export const QPS_RTS = 3;
export const QPS_SQD = 4;
export const QPS_SQE = 5;
export const QPS_ERR = 6;

/** Queue pair types (`enum ibv_qp_type`, and the kernel's 1 for QP1). */
export const QPT_GSI = 1;
export const QPT_RC = 2;
export const QPT_UC = 3;
export const QPT_UD = 4;

/** Bits of a `modifyQp` mask (`enum ibv_qp_attr_mask`). */
export const ATTR_STATE = 1 << 0;
export const ATTR_CUR_STATE = 1 << 1;
export const ATTR_EN_SQD_ASYNC_NOTIFY = 1 << 2;
export const ATTR_ACCESS_FLAGS = 1 << 3;
export const ATTR_PKEY_INDEX = 1 << 4;
export const ATTR_PORT = 1 << 5;
export const ATTR_QKEY = 1 << 6;
export const ATTR_AV = 1 << 7;
export const ATTR_PATH_MTU = 1 << 8;
export const ATTR_TIMEOUT = 1 << 9;
export const ATTR_RETRY_CNT = 1 << 10;
export const ATTR_RNR_RETRY = 1 << 11;
export const ATTR_RQ_PSN = 1 << 12;
export const ATTR_MAX_QP_RD_ATOMIC = 1 << 13;
export const ATTR_ALT_PATH = 1 << 14;
export const ATTR_MIN_RNR_TIMER = 1 << 15;
export const ATTR_SQ_PSN = 1 << 16;
export const ATTR_MAX_DEST_RD_ATOMIC = 1 << 17;
export const ATTR_PATH_MIG_STATE = 1 << 18;
export const ATTR_CAP = 1 << 19;
export const ATTR_DEST_QPN = 1 << 20;
export const ATTR_RATE_LIMIT = 1 << 25;

/** Asynchronous events (`enum ibv_event_type`). */
export const EVENT_CQ_ERR = 0;
export const EVENT_QP_FATAL = 1;
export const EVENT_QP_REQ_ERR = 2;
export const EVENT_QP_ACCESS_ERR = 3;
export const EVENT_COMM_EST = 4;
export const EVENT_SQ_DRAINED = 5;
export const EVENT_SRQ_ERR = 14;
export const EVENT_SRQ_LIMIT_REACHED = 15;
export const EVENT_QP_LAST_WQE_REACHED = 16;

/** Memory window types (`enum ibv_mw_type`). Type 2 windows are 2B: bound to one queue pair. */
export const MW_TYPE_1 = 1;
export const MW_TYPE_2 = 2;

/** Linux error numbers that calls return; 0 is success. */
export const EPERM = 1;
export const ENOENT = 2;
export const ENOMEM = 12;
export const EBUSY = 16;
export const EINVAL = 22;
export const ENOSYS = 38;
export const EOPNOTSUPP = 95;

/** Queue pair numbers with a meaning. */
export const QPN_GSI = 1;
export const QPN_MULTICAST = 0xffffff;
/** The Q_Key of every QP1; a Q_Key with the top bit set in a work request stands for the queue pair's own. */
export const QKEY_GSI = 0x80010000;

/** Largest message of a connected transport, in bytes. */
export const MAX_MESSAGE_BYTES = 2 ** 31;
/** Bytes of a GRH: a datagram's receive buffer begins with so many. */
export const GRH_BYTES = 40;
