/**
 * `modifyQp`: checks a transition's mask against the table and every value against its range, and only then changes anything.
 */
import type { Ps } from '../sim/index.ts';
import { mtuBytes, timeoutPs } from '../wire/index.ts';
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
  EINVAL,
  ENOSYS,
  QPS_ERR,
  QPS_INIT,
  QPS_RESET,
  QPS_RTR,
  QPS_RTS,
  QPS_SQD,
  QPT_RC,
} from './constants.ts';
import type { Engine } from './engine.ts';
import { checkDrained, enterError } from './finish.ts';
import { type QpContext, ResponderResources } from './queue-pair.ts';
import { transitionAllowed } from './transitions.ts';
import type { AddressVector, QpAttributes } from './types.ts';

/** Changes a queue pair as `ibv_modify_qp` does; 0, EINVAL, or ENOSYS for path migration. On failure nothing has changed. */
export function modifyQueuePair(engine: Engine, qp: QpContext, attr: QpAttributes, mask: number, atPs: Ps): number {
  const from = qp.state;
  if ((mask & ATTR_CUR_STATE) !== 0 && attr.curQpState !== from) return EINVAL;
  const to = (mask & ATTR_STATE) !== 0 ? attr.qpState : from;
  if (to === undefined || !transitionAllowed(qp.type, from, to, mask)) return EINVAL;
  const problem = checkValues(engine, qp, attr, mask);
  if (problem !== 0) return problem;
  if (to === QPS_RESET) {
    resetQueuePair(engine, qp);
    return 0;
  }
  setValues(qp, attr, mask);
  qp.timeoutPs = timeoutPs(qp.timeout) * engine.profile.ackTimeoutFactor;
  enter(engine, qp, from, to, atPs);
  return 0;
}

/** Back to RESET: events, completions and packets of before are void. */
export function resetQueuePair(engine: Engine, qp: QpContext): void {
  engine.forget(qp);
  qp.reset();
  engine.cache.load(qp);
}

type Check = (engine: Engine, qp: QpContext, attr: QpAttributes) => boolean;

const within = (value: number | undefined, low: number, high: number): boolean =>
  value !== undefined && Number.isInteger(value) && value >= low && value <= high;

const PSN_MAX = 0xffffff;

/** The range of each attribute. */
const RANGES: readonly (readonly [mask: number, check: Check])[] = [
  [ATTR_PORT, (engine, _qp, attr) => within(attr.portNum, 1, engine.ports.length)],
  [ATTR_PKEY_INDEX, (engine, qp, attr) => within(attr.pkeyIndex, 0, portFor(engine, qp, attr).pkeys.length - 1)],
  [ATTR_QKEY, (_engine, _qp, attr) => within(attr.qkey, -(2 ** 31), 2 ** 32 - 1)],
  [ATTR_ACCESS_FLAGS, (_engine, _qp, attr) => within(attr.qpAccessFlags, 0, 2 ** 21 - 1)],
  [ATTR_AV, (engine, qp, attr) => attr.av !== undefined && addressVectorValid(engine, qp, attr)],
  [
    ATTR_PATH_MTU,
    (engine, qp, attr) =>
      within(attr.pathMtu, 1, 5) && (mtuBytes(attr.pathMtu as number) as number) <= portFor(engine, qp, attr).config.mtuBytes,
  ],
  [ATTR_TIMEOUT, (_engine, _qp, attr) => within(attr.timeout, 0, 31)],
  [ATTR_RETRY_CNT, (_engine, _qp, attr) => within(attr.retryCnt, 0, 7)],
  [ATTR_RNR_RETRY, (_engine, _qp, attr) => within(attr.rnrRetry, 0, 7)],
  [ATTR_RQ_PSN, (_engine, _qp, attr) => within(attr.rqPsn, 0, PSN_MAX)],
  [ATTR_SQ_PSN, (_engine, _qp, attr) => within(attr.sqPsn, 0, PSN_MAX)],
  [ATTR_DEST_QPN, (_engine, _qp, attr) => within(attr.destQpNum, 0, PSN_MAX)],
  [ATTR_MIN_RNR_TIMER, (_engine, _qp, attr) => within(attr.minRnrTimer, 0, 31)],
  [ATTR_MAX_QP_RD_ATOMIC, (engine, _qp, attr) => within(attr.maxRdAtomic, 0, engine.profile.maxQpInitRdAtomic)],
  [ATTR_MAX_DEST_RD_ATOMIC, (engine, _qp, attr) => within(attr.maxDestRdAtomic, 0, engine.profile.maxQpRdAtomic)],
];

function portFor(engine: Engine, qp: QpContext, attr: QpAttributes) {
  return engine.ports[attr.portNum === undefined ? qp.port : attr.portNum - 1] ?? engine.ports[0];
}

function addressVectorValid(engine: Engine, qp: QpContext, attr: QpAttributes): boolean {
  const av = attr.av as AddressVector;
  const port = portFor(engine, qp, attr);
  return within(av.dlid, 1, 0xbfff) && within(av.sl, 0, 15) && within(av.srcPathBits, 0, 2 ** port.lmc - 1);
}

/** 0, or the errno of the first value that is out of range. Automatic path migration is not modelled. */
function checkValues(engine: Engine, qp: QpContext, attr: QpAttributes, mask: number): number {
  if ((mask & ATTR_ALT_PATH) !== 0) return ENOSYS;
  if ((mask & ATTR_PATH_MIG_STATE) !== 0 && attr.pathMigState !== 0) return ENOSYS;
  for (const [bit, check] of RANGES) if ((mask & bit) !== 0 && !check(engine, qp, attr)) return EINVAL;
  return 0;
}

function setValues(qp: QpContext, attr: QpAttributes, mask: number): void {
  const has = (bit: number) => (mask & bit) !== 0;
  if (has(ATTR_PORT)) qp.port = (attr.portNum as number) - 1;
  if (has(ATTR_PKEY_INDEX)) qp.pkeyIndex = attr.pkeyIndex as number;
  if (has(ATTR_QKEY)) qp.qkey = (attr.qkey as number) | 0;
  if (has(ATTR_ACCESS_FLAGS)) qp.accessFlags = attr.qpAccessFlags as number;
  if (has(ATTR_AV)) qp.av = attr.av as AddressVector;
  if (has(ATTR_PATH_MTU)) {
    qp.mtuCode = attr.pathMtu as number;
    qp.mtuBytes = mtuBytes(qp.mtuCode) as number;
  }
  if (has(ATTR_TIMEOUT)) qp.timeout = attr.timeout as number;
  if (has(ATTR_RETRY_CNT)) qp.retryCnt = attr.retryCnt as number;
  if (has(ATTR_RNR_RETRY)) qp.rnrRetry = attr.rnrRetry as number;
  if (has(ATTR_RQ_PSN)) qp.rqPsn = attr.rqPsn as number;
  if (has(ATTR_SQ_PSN)) qp.sqPsn = attr.sqPsn as number;
  if (has(ATTR_DEST_QPN)) qp.destQpn = attr.destQpNum as number;
  if (has(ATTR_MIN_RNR_TIMER)) qp.minRnrTimer = attr.minRnrTimer as number;
  if (has(ATTR_MAX_QP_RD_ATOMIC)) qp.maxRdAtomic = attr.maxRdAtomic as number;
  if (has(ATTR_MAX_DEST_RD_ATOMIC)) qp.maxDestRdAtomic = attr.maxDestRdAtomic as number;
  if (has(ATTR_EN_SQD_ASYNC_NOTIFY)) qp.sqDrainNotify = attr.enSqdAsyncNotify === true;
}

function enter(engine: Engine, qp: QpContext, from: number, to: number, atPs: Ps): void {
  engine.cache.load(qp);
  if (to === QPS_ERR) {
    enterError(engine, qp, atPs);
    return;
  }
  qp.state = to;
  if (from === QPS_INIT && to === QPS_RTR) {
    qp.expectedPsn = qp.rqPsn;
    qp.resources = new ResponderResources(qp.type === QPT_RC ? qp.maxDestRdAtomic : 0);
  } else if (from === QPS_RTR && to === QPS_RTS) {
    qp.nextPsn = qp.sqPsn;
    qp.unackedPsn = qp.sqPsn;
    qp.retriesLeft = qp.retryCnt;
    qp.rnrRetriesLeft = qp.rnrRetry;
    qp.unlimitedCredits = engine.profile.endToEndCredits === 0;
  } else if (to === QPS_RTS) engine.lookAt(qp, Math.max(atPs, engine.loop.nowPs));
  else if (to === QPS_SQD) checkDrained(engine, qp, atPs);
}
