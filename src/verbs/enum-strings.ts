/**
 * The `*_str` functions of libibverbs: the texts that its tools print for a value (`libibverbs/enum_strs.c`), and "unknown" for any other value.
 */

/** Texts by value; a value without an entry is "unknown". */
function lookUp(texts: readonly (string | undefined)[], value: number): string {
  return texts[value] ?? 'unknown';
}

const WC_STATUS = [
  'success',
  'local length error',
  'local QP operation error',
  'local EE context operation error',
  'local protection error',
  'Work Request Flushed Error',
  'memory management operation error',
  'bad response error',
  'local access error',
  'remote invalid request error',
  'remote access error',
  'remote operation error',
  'transport retry counter exceeded',
  'RNR retry counter exceeded',
  'local RDD violation error',
  'remote invalid RD request',
  'aborted error',
  'invalid EE context number',
  'invalid EE context state',
  'fatal error',
  'response timeout error',
  'general error',
  'TM error',
  'TM software rendezvous',
];

/** `ibv_wc_status_str`: "transport retry counter exceeded" for 12. */
export function wcStatusStr(status: number): string {
  return lookUp(WC_STATUS, status);
}

const EVENT_TYPE = [
  'CQ error',
  'local work queue catastrophic error',
  'invalid request local work queue error',
  'local access violation work queue error',
  'communication established',
  'send queue drained',
  'path migrated',
  'path migration request error',
  'local catastrophic error',
  'port active',
  'port error',
  'LID change',
  'P_Key change',
  'SM change',
  'SRQ catastrophic error',
  'SRQ limit reached',
  'last WQE reached',
  'client reregistration',
  'GID table change',
  'WQ fatal',
  'Device link speed change',
];

/** `ibv_event_type_str`: "SRQ limit reached" for 15. */
export function eventTypeStr(event: number): string {
  return lookUp(EVENT_TYPE, event);
}

const NODE_TYPE = [
  undefined,
  'InfiniBand channel adapter',
  'InfiniBand switch',
  'InfiniBand router',
  'iWARP NIC',
  'usNIC',
  'usNIC UDP',
  'unspecified',
];

/** `ibv_node_type_str`: "InfiniBand channel adapter" for 1. */
export function nodeTypeStr(nodeType: number): string {
  return lookUp(NODE_TYPE, nodeType);
}

const PORT_STATE = ['no state change (NOP)', 'down', 'init', 'armed', 'active', 'active defer'];

/** `ibv_port_state_str`: "active" for 4. */
export function portStateStr(state: number): string {
  return lookUp(PORT_STATE, state);
}

const WR_OPCODE = [
  'rdma-write',
  'rdma-write-with-imm',
  'send',
  'send-with-imm',
  'rdma-read',
  'atomic-cmp-and-swp',
  'atomic-fetch-and-add',
  'local-inv',
  'bind-mw',
  'send-with-inv',
  'tso',
  'driver1',
  undefined,
  undefined,
  'flush',
  'atomic-write',
];

/** `ibv_wr_opcode_str`: "rdma-read" for 4. */
export function wrOpcodeStr(opcode: number): string {
  return lookUp(WR_OPCODE, opcode);
}

const QP_STATE = ['RESET', 'INIT', 'RTR', 'RTS', 'SQD', 'SQE', 'ERR'];

/** The name of a queue pair state as `rdma resource show qp` prints it: "RTS" for 3. Not in libibverbs. */
export function qpStateStr(state: number): string {
  return lookUp(QP_STATE, state);
}
