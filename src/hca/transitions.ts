/**
 * The queue pair's state machine as a table: which attributes a transition needs and which it may bring.
 * Source: `qp_state_table` of Linux drivers/infiniband/core/verbs.c, and `ibv_modify_qp(3)`.
 */
import {
  ATTR_ACCESS_FLAGS,
  ATTR_ALT_PATH,
  ATTR_AV,
  ATTR_CUR_STATE,
  ATTR_DEST_QPN,
  ATTR_EN_SQD_ASYNC_NOTIFY,
  ATTR_MAX_DEST_RD_ATOMIC,
  ATTR_MAX_QP_RD_ATOMIC,
  ATTR_MIN_RNR_TIMER,
  ATTR_PATH_MIG_STATE,
  ATTR_PATH_MTU,
  ATTR_PKEY_INDEX,
  ATTR_PORT,
  ATTR_QKEY,
  ATTR_RETRY_CNT,
  ATTR_RNR_RETRY,
  ATTR_RQ_PSN,
  ATTR_SQ_PSN,
  ATTR_STATE,
  ATTR_TIMEOUT,
  QPS_ERR,
  QPS_INIT,
  QPS_RESET,
  QPS_RTR,
  QPS_RTS,
  QPS_SQD,
  QPS_SQE,
  QPT_GSI,
  QPT_RC,
  QPT_UC,
  QPT_UD,
} from './constants.ts';

interface Masks {
  readonly required: number;
  readonly optional: number;
}

const NONE: Masks = { required: 0, optional: 0 };
const CONNECTED_INIT = ATTR_PKEY_INDEX | ATTR_PORT | ATTR_ACCESS_FLAGS;
const DATAGRAM_INIT = ATTR_PKEY_INDEX | ATTR_PORT | ATTR_QKEY;
const GSI_INIT = ATTR_PKEY_INDEX | ATTR_QKEY;
const UC_RTR = ATTR_AV | ATTR_PATH_MTU | ATTR_DEST_QPN | ATTR_RQ_PSN;
const RC_RTR = UC_RTR | ATTR_MAX_DEST_RD_ATOMIC | ATTR_MIN_RNR_TIMER;
const CONNECTED_RTR_MAY = ATTR_ALT_PATH | ATTR_ACCESS_FLAGS | ATTR_PKEY_INDEX;
const DATAGRAM_MAY = ATTR_PKEY_INDEX | ATTR_QKEY;
const RC_RTS = ATTR_TIMEOUT | ATTR_RETRY_CNT | ATTR_RNR_RETRY | ATTR_SQ_PSN | ATTR_MAX_QP_RD_ATOMIC;
const UC_RTS_MAY = ATTR_CUR_STATE | ATTR_ALT_PATH | ATTR_ACCESS_FLAGS | ATTR_PATH_MIG_STATE;
const RC_RTS_MAY = UC_RTS_MAY | ATTR_MIN_RNR_TIMER;
const UD_RTS_MAY = ATTR_CUR_STATE | ATTR_QKEY;
const UC_SQD_MAY = ATTR_AV | ATTR_ALT_PATH | ATTR_ACCESS_FLAGS | ATTR_PKEY_INDEX | ATTR_PATH_MIG_STATE;
const RC_SQD_MAY =
  UC_SQD_MAY |
  ATTR_PORT |
  ATTR_TIMEOUT |
  ATTR_RETRY_CNT |
  ATTR_RNR_RETRY |
  ATTR_MAX_QP_RD_ATOMIC |
  ATTR_MAX_DEST_RD_ATOMIC |
  ATTR_MIN_RNR_TIMER;

const need = (required: number): Masks => ({ required, optional: 0 });
const may = (optional: number): Masks => ({ required: 0, optional });

/** `${from}>${to}` → masks by type; a missing row or type is a forbidden transition. Any state → RESET and any but RESET → ERR need nothing. */
const TABLE: Readonly<Record<string, Readonly<Record<number, Masks>>>> = {
  [`${QPS_RESET}>${QPS_INIT}`]: {
    [QPT_RC]: need(CONNECTED_INIT),
    [QPT_UC]: need(CONNECTED_INIT),
    [QPT_UD]: need(DATAGRAM_INIT),
    [QPT_GSI]: need(GSI_INIT),
  },
  [`${QPS_INIT}>${QPS_INIT}`]: {
    [QPT_RC]: may(CONNECTED_INIT),
    [QPT_UC]: may(CONNECTED_INIT),
    [QPT_UD]: may(DATAGRAM_INIT),
    [QPT_GSI]: may(GSI_INIT),
  },
  [`${QPS_INIT}>${QPS_RTR}`]: {
    [QPT_RC]: { required: RC_RTR, optional: CONNECTED_RTR_MAY },
    [QPT_UC]: { required: UC_RTR, optional: CONNECTED_RTR_MAY },
    [QPT_UD]: may(DATAGRAM_MAY),
    [QPT_GSI]: may(DATAGRAM_MAY),
  },
  [`${QPS_RTR}>${QPS_RTS}`]: {
    [QPT_RC]: { required: RC_RTS, optional: RC_RTS_MAY },
    [QPT_UC]: { required: ATTR_SQ_PSN, optional: UC_RTS_MAY },
    [QPT_UD]: { required: ATTR_SQ_PSN, optional: UD_RTS_MAY },
    [QPT_GSI]: { required: ATTR_SQ_PSN, optional: UD_RTS_MAY },
  },
  [`${QPS_RTS}>${QPS_RTS}`]: {
    [QPT_RC]: may(RC_RTS_MAY),
    [QPT_UC]: may(UC_RTS_MAY),
    [QPT_UD]: may(UD_RTS_MAY),
    [QPT_GSI]: may(UD_RTS_MAY),
  },
  [`${QPS_RTS}>${QPS_SQD}`]: {
    [QPT_RC]: may(ATTR_EN_SQD_ASYNC_NOTIFY),
    [QPT_UC]: may(ATTR_EN_SQD_ASYNC_NOTIFY),
    [QPT_UD]: may(ATTR_EN_SQD_ASYNC_NOTIFY),
    [QPT_GSI]: may(ATTR_EN_SQD_ASYNC_NOTIFY),
  },
  [`${QPS_SQD}>${QPS_SQD}`]: {
    [QPT_RC]: may(RC_SQD_MAY),
    [QPT_UC]: may(UC_SQD_MAY),
    [QPT_UD]: may(DATAGRAM_MAY),
    [QPT_GSI]: may(DATAGRAM_MAY),
  },
  [`${QPS_SQD}>${QPS_RTS}`]: {
    [QPT_RC]: may(RC_RTS_MAY),
    [QPT_UC]: may(UC_RTS_MAY),
    [QPT_UD]: may(UD_RTS_MAY),
    [QPT_GSI]: may(UD_RTS_MAY),
  },
  [`${QPS_SQE}>${QPS_RTS}`]: {
    [QPT_UC]: may(ATTR_CUR_STATE | ATTR_ACCESS_FLAGS),
    [QPT_UD]: may(ATTR_CUR_STATE | ATTR_QKEY),
    [QPT_GSI]: may(ATTR_CUR_STATE | ATTR_QKEY),
  },
};

/** What a transition of a queue pair of `type` needs and may bring; null if it is forbidden. */
export function transition(type: number, from: number, to: number): Masks | null {
  if (to === QPS_RESET) return NONE;
  if (to === QPS_ERR) return from === QPS_RESET ? null : NONE;
  return TABLE[`${from}>${to}`]?.[type] ?? null;
}

/** Whether `mask` suits the transition: all that is required, nothing beyond what is optional (`ib_modify_qp_is_ok`). */
export function transitionAllowed(type: number, from: number, to: number, mask: number): boolean {
  const masks = transition(type, from, to);
  if (masks === null) return false;
  if ((mask & masks.required) !== masks.required) return false;
  return (mask & ~(masks.required | masks.optional | ATTR_STATE)) === 0;
}
