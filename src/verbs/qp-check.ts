/**
 * What the kernel and the driver check of queue pair attributes before the device is asked (`_ib_modify_qp`, drivers' `modify_qp`): ranges and tables.
 */
import type { QpAttributes } from '../hca/index.ts';
import { checkAddress, toAddressVector } from './address-handle.ts';
import type { Context } from './context.ts';
import { bytesToMtu, MigState, QpAttrMask } from './enums.ts';
import { VerbsError } from './errors.ts';
import type { QpAttr } from './qp-attr.ts';

const VERB = 'ibv_modify_qp';

/** Attributes that must lie in a range: mask bit, field, least, greatest. */
const RANGES: readonly (readonly [number, keyof QpAttr, number, number])[] = [
  [QpAttrMask.STATE, 'qpState', 0, 6],
  [QpAttrMask.CUR_STATE, 'curQpState', 0, 6],
  [QpAttrMask.PATH_MTU, 'pathMtu', 1, 5],
  [QpAttrMask.QKEY, 'qkey', 0, 0xffffffff],
  [QpAttrMask.RQ_PSN, 'rqPsn', 0, 0xffffffff],
  [QpAttrMask.SQ_PSN, 'sqPsn', 0, 0xffffffff],
  [QpAttrMask.DEST_QPN, 'destQpNum', 0, 0xffffff],
  [QpAttrMask.TIMEOUT, 'timeout', 0, 31],
  [QpAttrMask.RETRY_CNT, 'retryCnt', 0, 7],
  [QpAttrMask.RNR_RETRY, 'rnrRetry', 0, 7],
  [QpAttrMask.MIN_RNR_TIMER, 'minRnrTimer', 0, 31],
];

/** Throws EINVAL for a value that the mask names and that is missing or out of range, ENOSYS for alternate paths. */
export function checkQpAttr(context: Context, attr: QpAttr, mask: number): void {
  for (const [bit, field, least, greatest] of RANGES) if ((mask & bit) !== 0) inRange(attr, field, least, greatest);
  const { profile } = context;
  if ((mask & QpAttrMask.MAX_QP_RD_ATOMIC) !== 0) inRange(attr, 'maxRdAtomic', 0, profile.maxQpInitRdAtomic);
  if ((mask & QpAttrMask.MAX_DEST_RD_ATOMIC) !== 0) inRange(attr, 'maxDestRdAtomic', 0, profile.maxQpRdAtomic);
  if ((mask & (QpAttrMask.ALT_PATH | QpAttrMask.PATH_MIG_STATE)) !== 0) checkMigration(attr, mask);
  const port = (mask & QpAttrMask.PORT) === 0 ? undefined : context.port(VERB, attr.portNum as number);
  if ((mask & QpAttrMask.PKEY_INDEX) !== 0) inRange(attr, 'pkeyIndex', 0, (port?.pkeys.length ?? 2 ** 16) - 1);
  if ((mask & QpAttrMask.AV) === 0) return;
  if (attr.ahAttr === undefined) throw new VerbsError(VERB, 'EINVAL', 'ahAttr is missing');
  checkAddress(VERB, context, attr.ahAttr);
  const path = context.port(VERB, attr.ahAttr.portNum ?? 1);
  if ((mask & QpAttrMask.PATH_MTU) !== 0 && (attr.pathMtu as number) > (bytesToMtu(path.mtuBytes) ?? 5))
    throw new VerbsError(VERB, 'EINVAL', `the port's active MTU is ${path.mtuBytes} bytes`);
}

function inRange(attr: QpAttr, field: keyof QpAttr, least: number, greatest: number): void {
  const value = attr[field] as number | undefined;
  if (value === undefined) throw new VerbsError(VERB, 'EINVAL', `${field} is missing`);
  if (!(Number.isInteger(value) && value >= least && value <= greatest))
    throw new VerbsError(VERB, 'EINVAL', `${field} ${value} is outside ${least} … ${greatest}`);
}

function checkMigration(attr: QpAttr, mask: number): void {
  const migrates = (mask & QpAttrMask.PATH_MIG_STATE) !== 0 && attr.pathMigState !== MigState.MIGRATED;
  if (migrates || (mask & QpAttrMask.ALT_PATH) !== 0)
    throw new VerbsError(VERB, 'ENOSYS', 'automatic path migration is not modelled');
}

/** The attributes as the adapter takes them; PSNs keep their lower 24 bits, as in the kernel. */
export function toHcaAttributes(attr: QpAttr): QpAttributes {
  const { ahAttr, altAhAttr: _alternate, ...rest } = attr;
  return {
    ...rest,
    rqPsn: rest.rqPsn === undefined ? undefined : rest.rqPsn & 0xffffff,
    sqPsn: rest.sqPsn === undefined ? undefined : rest.sqPsn & 0xffffff,
    av: ahAttr === undefined ? undefined : toAddressVector(ahAttr),
  };
}
