/**
 * Attributes of queue pairs and what may be set on the way to each state, as types: the table of `ib_modify_qp_is_ok` (Linux
 * drivers/infiniband/core/verbs.c; the same in `ibv_modify_qp(3)`). Names are those of `struct ibv_qp_attr` in camel case.
 */
import type { AhAttr } from './address-handle.ts';
import type { MigState, Mtu, QpState } from './enums.ts';
import { QpAttrMask } from './enums.ts';
import type { Transport } from './work-request.ts';

/** `struct ibv_qp_cap`. */
export interface QpCap {
  readonly maxSendWr: number;
  readonly maxRecvWr: number;
  readonly maxSendSge: number;
  readonly maxRecvSge: number;
  readonly maxInlineData: number;
}

/** `struct ibv_qp_attr`, what can be set. */
export interface QpAttr {
  readonly qpState?: QpState;
  readonly curQpState?: QpState;
  readonly pathMtu?: Mtu;
  readonly pathMigState?: MigState;
  readonly qkey?: number;
  readonly rqPsn?: number;
  readonly sqPsn?: number;
  readonly destQpNum?: number;
  /** `Access`, or-ed: what remote operations this queue pair allows. */
  readonly qpAccessFlags?: number;
  readonly cap?: QpCap;
  readonly ahAttr?: AhAttr;
  readonly altAhAttr?: AhAttr;
  readonly pkeyIndex?: number;
  readonly altPkeyIndex?: number;
  readonly enSqdAsyncNotify?: boolean;
  /** RDMA reads and atomics outstanding as requester. */
  readonly maxRdAtomic?: number;
  /** The same as responder. */
  readonly maxDestRdAtomic?: number;
  /** Code 0 … 31 of the RNR timer table. */
  readonly minRnrTimer?: number;
  readonly portNum?: number;
  /** Local ACK timeout 4.096 µs × 2^timeout; 0 = never. */
  readonly timeout?: number;
  /** 0 … 7. */
  readonly retryCnt?: number;
  /** 0 … 6; 7 = for ever. */
  readonly rnrRetry?: number;
  readonly altPortNum?: number;
  readonly altTimeout?: number;
  readonly rateLimit?: number;
}

/** What `ibv_query_qp` fills in. */
export interface QpAttrState extends Required<Omit<QpAttr, 'altAhAttr' | 'rateLimit' | 'enSqdAsyncNotify' | 'ahAttr'>> {
  readonly ahAttr: AhAttr | undefined;
  readonly sqDraining: boolean;
}

/** Which mask bit stands for a field; `alt*` fields share one. */
const FIELD_MASK: Readonly<Record<keyof QpAttr, number>> = {
  qpState: QpAttrMask.STATE,
  curQpState: QpAttrMask.CUR_STATE,
  pathMtu: QpAttrMask.PATH_MTU,
  pathMigState: QpAttrMask.PATH_MIG_STATE,
  qkey: QpAttrMask.QKEY,
  rqPsn: QpAttrMask.RQ_PSN,
  sqPsn: QpAttrMask.SQ_PSN,
  destQpNum: QpAttrMask.DEST_QPN,
  qpAccessFlags: QpAttrMask.ACCESS_FLAGS,
  cap: QpAttrMask.CAP,
  ahAttr: QpAttrMask.AV,
  altAhAttr: QpAttrMask.ALT_PATH,
  pkeyIndex: QpAttrMask.PKEY_INDEX,
  altPkeyIndex: QpAttrMask.ALT_PATH,
  enSqdAsyncNotify: QpAttrMask.EN_SQD_ASYNC_NOTIFY,
  maxRdAtomic: QpAttrMask.MAX_QP_RD_ATOMIC,
  maxDestRdAtomic: QpAttrMask.MAX_DEST_RD_ATOMIC,
  minRnrTimer: QpAttrMask.MIN_RNR_TIMER,
  portNum: QpAttrMask.PORT,
  timeout: QpAttrMask.TIMEOUT,
  retryCnt: QpAttrMask.RETRY_CNT,
  rnrRetry: QpAttrMask.RNR_RETRY,
  altPortNum: QpAttrMask.ALT_PATH,
  altTimeout: QpAttrMask.ALT_PATH,
  rateLimit: QpAttrMask.RATE_LIMIT,
};

/** The mask that names exactly the fields which `attr` holds. */
export function maskOf(attr: QpAttr): number {
  let mask = 0;
  for (const [field, bit] of Object.entries(FIELD_MASK)) if (attr[field as keyof QpAttr] !== undefined) mask |= bit;
  return mask;
}

type Need<K extends keyof QpAttr> = { readonly [P in K]-?: NonNullable<QpAttr[P]> };
type May<K extends keyof QpAttr> = { readonly [P in K]?: NonNullable<QpAttr[P]> };
type State<S extends keyof typeof QpState> = (typeof QpState)[S];
type Alternate = 'altAhAttr' | 'altPkeyIndex' | 'altPortNum' | 'altTimeout';

interface InitNeeds {
  RC: 'pkeyIndex' | 'portNum' | 'qpAccessFlags';
  UC: 'pkeyIndex' | 'portNum' | 'qpAccessFlags';
  UD: 'pkeyIndex' | 'portNum' | 'qkey';
}
interface RtrNeeds {
  RC: 'ahAttr' | 'pathMtu' | 'destQpNum' | 'rqPsn' | 'maxDestRdAtomic' | 'minRnrTimer';
  UC: 'ahAttr' | 'pathMtu' | 'destQpNum' | 'rqPsn';
  UD: never;
}
interface RtrMays {
  RC: Alternate | 'qpAccessFlags' | 'pkeyIndex';
  UC: Alternate | 'qpAccessFlags' | 'pkeyIndex';
  UD: 'pkeyIndex' | 'qkey';
}
interface RtsNeeds {
  RC: 'timeout' | 'retryCnt' | 'rnrRetry' | 'sqPsn' | 'maxRdAtomic';
  UC: 'sqPsn';
  UD: 'sqPsn';
}
interface RtsMays {
  RC: Alternate | 'qpAccessFlags' | 'minRnrTimer' | 'pathMigState';
  UC: Alternate | 'qpAccessFlags' | 'pathMigState';
  UD: 'qkey';
}
/** Nothing but the new state. */
interface BareState {
  readonly qpState: State<'RESET'> | State<'ERR'>;
}
type ToInit<T extends Transport> = { readonly qpState: State<'INIT'> } & Need<InitNeeds[T]>;
type ToRtr<T extends Transport> = { readonly qpState: State<'RTR'> } & Need<RtrNeeds[T]> & May<RtrMays[T]>;
/** From RTR; to come back from SQD or SQE, say so with `curQpState`. */
type ToRts<T extends Transport> = { readonly qpState: State<'RTS'>; readonly curQpState?: State<'RTR'> } & Need<RtsNeeds[T]> &
  May<RtsMays[T]>;
type BackToRts<T extends Transport> = {
  readonly qpState: State<'RTS'>;
  readonly curQpState: State<'RTS'> | State<'SQD'> | (T extends 'RC' ? never : State<'SQE'>);
} & May<RtsMays[T]>;
interface ToSqd {
  readonly qpState: State<'SQD'>;
  /** Raises SQ_DRAINED when what is under way is done. */
  readonly enSqdAsyncNotify?: boolean;
}

/**
 * What `QueuePair.modify` takes without a mask: the new state decides which attributes are needed and which may come with it.
 * Changes within one state (INIT→INIT, SQD→SQD) are made with an explicit mask.
 */
export type QpTransition<T extends Transport> = BareState | ToInit<T> | ToRtr<T> | ToRts<T> | BackToRts<T> | ToSqd;
