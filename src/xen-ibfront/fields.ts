/** Attributes of verbs as fields of commands. */
import type { VibFields } from '../hypervisor/index.ts';
import { type Adapter, type KernelCalls, QpAttrMask } from '../verbs/index.ts';
import type { FrameList } from './guest-frames.ts';

type Vector = Parameters<KernelCalls['createAh']>[1];

type QpOptions = Parameters<Adapter['createQp']>[0];

/** Bytes of a segment of a work queue entry, as the adapter reads them from the guest's memory (mlx4). */
export const SEGMENT_BYTES = 16;
const LEAST_ENTRY_BYTES = 64;

export function qpFields({
  pd,
  type,
  sendCq,
  recvCq,
  srq,
  cap,
  sqSigAll,
}: QpOptions): Omit<VibFields<'createQp'>, 'pages' | 'list'> {
  const { maxSendWr, maxRecvWr, maxSendSge, maxRecvSge, maxInlineData } = cap;
  return {
    pd,
    type,
    sigAll: sqSigAll ? 1 : 0,
    sendCq: sendCq.number,
    recvCq: recvCq.number,
    srq: srq?.number ?? 0,
    ...{ maxSendWr, maxRecvWr, maxSendSge, maxRecvSge, maxInlineData },
  };
}

/** Memory of both work queues: entries of two segments and the elements, or of inline data. */
export function qpBytes({ maxSendWr, maxRecvWr, maxSendSge, maxRecvSge, maxInlineData }: QpOptions['cap']): number {
  const entry = Math.max(LEAST_ENTRY_BYTES, (2 + maxSendSge) * SEGMENT_BYTES, 2 * SEGMENT_BYTES + maxInlineData);
  return maxSendWr * entry + maxRecvWr * Math.max(1, maxRecvSge) * SEGMENT_BYTES;
}

export function shownFields({ pages, list }: FrameList): { readonly pages: number; readonly list: number } {
  return { pages, list };
}

export function addressFields(vector: Vector): Omit<VibFields<'createAh'>, 'pd'> {
  const { dlid, sl, srcPathBits, staticRate, portNum, grh } = vector;
  return {
    ...{ dlid, sl, srcPathBits, staticRate, avPort: portNum },
    isGlobal: grh === null ? 0 : 1,
    hopLimit: grh?.hopLimit ?? 0,
    flowLabel: grh?.flowLabel ?? 0,
    trafficClass: grh?.trafficClass ?? 0,
    sgidIndex: grh?.sgidIndex ?? 0,
    dgid: grh?.dgid ?? new Uint8Array(16),
  };
}

const NOWHERE: Vector = { dlid: 0, sl: 0, srcPathBits: 0, staticRate: 0, portNum: 0, grh: null };

export function modifyFields(qpn: number, attr: Parameters<Adapter['modifyQp']>[1], mask: number): VibFields<'modifyQp'> {
  const { av = NOWHERE, enSqdAsyncNotify = false } = attr;
  return {
    qpn,
    mask,
    qpState: attr.qpState ?? 0,
    curQpState: attr.curQpState ?? 0,
    pathMtu: attr.pathMtu ?? 0,
    pathMigState: attr.pathMigState ?? 0,
    qkey: attr.qkey ?? 0,
    rqPsn: attr.rqPsn ?? 0,
    sqPsn: attr.sqPsn ?? 0,
    destQpNum: attr.destQpNum ?? 0,
    qpAccessFlags: attr.qpAccessFlags ?? 0,
    pkeyIndex: attr.pkeyIndex ?? 0,
    maxRdAtomic: attr.maxRdAtomic ?? 0,
    maxDestRdAtomic: attr.maxDestRdAtomic ?? 0,
    minRnrTimer: attr.minRnrTimer ?? 0,
    portNum: attr.portNum ?? 0,
    timeout: attr.timeout ?? 0,
    retryCnt: attr.retryCnt ?? 0,
    rnrRetry: attr.rnrRetry ?? 0,
    drainNotify: enSqdAsyncNotify ? 1 : 0,
    ...addressFields((mask & QpAttrMask.AV) === 0 ? NOWHERE : av),
  };
}
