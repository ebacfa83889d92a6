/**
 * Queue pair transitions as libibverbs documents them (`ibv_modify_qp(3)`, `ib_modify_qp_is_ok`), written as text so that it shares nothing with the implementation:
 * what each needs, and what it may bring besides. A row that is not here is a forbidden transition; to RESET, and to ERR from anywhere but RESET, needs nothing.
 */
export interface TransitionRow {
  readonly type: 'RC' | 'UC' | 'UD';
  readonly from: State;
  readonly to: State;
  readonly required: string;
  readonly optional: string;
}
export type State = 'RESET' | 'INIT' | 'RTR' | 'RTS' | 'SQD' | 'SQE' | 'ERR';

export const STATES: readonly State[] = ['RESET', 'INIT', 'RTR', 'RTS', 'SQD', 'SQE', 'ERR'];

/** Bits of `enum ibv_qp_attr_mask` in order from bit 0. */
export const MASK_BITS =
  'STATE CUR_STATE EN_SQD_ASYNC_NOTIFY ACCESS_FLAGS PKEY_INDEX PORT QKEY AV PATH_MTU TIMEOUT RETRY_CNT RNR_RETRY RQ_PSN MAX_QP_RD_ATOMIC ALT_PATH MIN_RNR_TIMER SQ_PSN MAX_DEST_RD_ATOMIC PATH_MIG_STATE CAP DEST_QPN'.split(
    ' ',
  );

/** The mask of names separated by blanks. */
export function maskOf(names: string): number {
  return names.split(' ').reduce((mask, name) => (name === '' ? mask : mask | (1 << MASK_BITS.indexOf(name))), 0);
}

const row = (type: TransitionRow['type'], from: State, to: State, required: string, optional = ''): TransitionRow => ({
  type,
  from,
  to,
  required,
  optional,
});

export const TRANSITIONS: readonly TransitionRow[] = [
  row('RC', 'RESET', 'INIT', 'PKEY_INDEX PORT ACCESS_FLAGS'),
  row('UC', 'RESET', 'INIT', 'PKEY_INDEX PORT ACCESS_FLAGS'),
  row('UD', 'RESET', 'INIT', 'PKEY_INDEX PORT QKEY'),
  row('RC', 'INIT', 'INIT', '', 'PKEY_INDEX PORT ACCESS_FLAGS'),
  row('UC', 'INIT', 'INIT', '', 'PKEY_INDEX PORT ACCESS_FLAGS'),
  row('UD', 'INIT', 'INIT', '', 'PKEY_INDEX PORT QKEY'),
  row('RC', 'INIT', 'RTR', 'AV PATH_MTU DEST_QPN RQ_PSN MAX_DEST_RD_ATOMIC MIN_RNR_TIMER', 'ALT_PATH ACCESS_FLAGS PKEY_INDEX'),
  row('UC', 'INIT', 'RTR', 'AV PATH_MTU DEST_QPN RQ_PSN', 'ALT_PATH ACCESS_FLAGS PKEY_INDEX'),
  row('UD', 'INIT', 'RTR', '', 'PKEY_INDEX QKEY'),
  row(
    'RC',
    'RTR',
    'RTS',
    'TIMEOUT RETRY_CNT RNR_RETRY SQ_PSN MAX_QP_RD_ATOMIC',
    'CUR_STATE ALT_PATH ACCESS_FLAGS MIN_RNR_TIMER PATH_MIG_STATE',
  ),
  row('UC', 'RTR', 'RTS', 'SQ_PSN', 'CUR_STATE ALT_PATH ACCESS_FLAGS PATH_MIG_STATE'),
  row('UD', 'RTR', 'RTS', 'SQ_PSN', 'CUR_STATE QKEY'),
  row('RC', 'RTS', 'RTS', '', 'CUR_STATE ALT_PATH ACCESS_FLAGS MIN_RNR_TIMER PATH_MIG_STATE'),
  row('UC', 'RTS', 'RTS', '', 'CUR_STATE ALT_PATH ACCESS_FLAGS PATH_MIG_STATE'),
  row('UD', 'RTS', 'RTS', '', 'CUR_STATE QKEY'),
  row('RC', 'RTS', 'SQD', '', 'EN_SQD_ASYNC_NOTIFY'),
  row('UC', 'RTS', 'SQD', '', 'EN_SQD_ASYNC_NOTIFY'),
  row('UD', 'RTS', 'SQD', '', 'EN_SQD_ASYNC_NOTIFY'),
  row(
    'RC',
    'SQD',
    'SQD',
    '',
    'PORT AV TIMEOUT RETRY_CNT RNR_RETRY MAX_QP_RD_ATOMIC MAX_DEST_RD_ATOMIC ALT_PATH ACCESS_FLAGS PKEY_INDEX MIN_RNR_TIMER PATH_MIG_STATE',
  ),
  row('UC', 'SQD', 'SQD', '', 'AV ALT_PATH ACCESS_FLAGS PKEY_INDEX PATH_MIG_STATE'),
  row('UD', 'SQD', 'SQD', '', 'PKEY_INDEX QKEY'),
  row('RC', 'SQD', 'RTS', '', 'CUR_STATE ALT_PATH ACCESS_FLAGS MIN_RNR_TIMER PATH_MIG_STATE'),
  row('UC', 'SQD', 'RTS', '', 'CUR_STATE ALT_PATH ACCESS_FLAGS PATH_MIG_STATE'),
  row('UD', 'SQD', 'RTS', '', 'CUR_STATE QKEY'),
  row('UC', 'SQE', 'RTS', '', 'CUR_STATE ACCESS_FLAGS'),
  row('UD', 'SQE', 'RTS', '', 'CUR_STATE QKEY'),
];
