/**
 * Beside the hot path of posting: memory windows, why a work request was refused, and the marks of a traced run.
 */
import type { BindRequest, QpContext, SendWorkRequest } from '../hca/index.ts';
import type { Adapter } from './adapter.ts';
import { Access, MwType, QpState, SendFlags } from './enums.ts';
import { qpStateStr, wrOpcodeStr } from './enum-strings.ts';
import { Errno, throwErrno, VerbsError } from './errors.ts';
import type { AnyQueuePair } from './queue-pair.ts';
import type { BindMwWr, RawSendRequest } from './work-request.ts';

const WINDOW_ACCESS = Access.REMOTE_READ | Access.REMOTE_WRITE | Access.REMOTE_ATOMIC;

/** Checks a bind as libibverbs does (`ibv_bind_mw`, and the provider for BIND_MW requests) and puts it as the adapter takes it. */
export function bindRequest(verb: string, bind: BindMwWr['bindMw'] | undefined): BindRequest {
  if (bind === undefined) throw new VerbsError(verb, 'EINVAL', 'a BIND_MW work request needs bindMw');
  const { mw, rkey, bindInfo } = bind;
  const { mr, addr, length, mwAccessFlags } = bindInfo;
  mw.requireOpen(verb);
  mr?.requireOpen(verb);
  if (verb !== 'ibv_bind_mw' && mw.type !== MwType.TYPE_2)
    throw new VerbsError(verb, 'EINVAL', 'a window of type 1 is bound by ibv_bind_mw');
  if (mr === null && (addr !== 0 || length !== 0)) throw new VerbsError(verb, 'EINVAL', 'a range without a region');
  if (mr !== null && mr.pd !== mw.pd)
    throw new VerbsError(verb, 'EPERM', 'window and region are of different protection domains');
  if ((mwAccessFlags & ~WINDOW_ACCESS) !== 0) throw new VerbsError(verb, 'EINVAL', 'a window gives remote access only');
  return { mw: mw.key, rkey, mr: mr?.key ?? null, addr, length, access: mwAccessFlags };
}

/** A BIND_MW request as the adapter takes it. */
export function withBindRequest(wr: RawSendRequest): SendWorkRequest {
  return { wrId: wr.wrId, opcode: wr.opcode, sendFlags: wr.sendFlags, bindMw: bindRequest('ibv_post_send', wr.bindMw) };
}

/** Throws for a work request that the adapter did not take, and says why. */
export function refuseSend(qp: AnyQueuePair, wr: RawSendRequest, errno: number, index: number | undefined): never {
  throwErrno('ibv_post_send', errno, reasonOf(qp, wr, errno), index);
  throw new VerbsError('ibv_post_send', 'EINVAL');
}

function reasonOf(qp: AnyQueuePair, wr: RawSendRequest, errno: number): string {
  const { cap, state, type } = qp;
  if (errno === Errno.ENOMEM) return `the send queue holds ${cap.maxSendWr} work requests, and none is free`;
  if (state < QpState.RTS) return `the queue pair is in state ${qpStateStr(state)}`;
  const sge = wr.sge ?? [];
  if (sge.length > cap.maxSendSge) return `${sge.length} scatter/gather elements, the queue pair has ${cap.maxSendSge}`;
  const bytes = sge.reduce((sum, piece) => sum + piece.length, 0);
  if (((wr.sendFlags ?? 0) & SendFlags.INLINE) !== 0 && bytes > cap.maxInlineData)
    return `${bytes} bytes inline, the queue pair has ${cap.maxInlineData}`;
  return `${wrOpcodeStr(wr.opcode)} with these flags is not for ${type} in this state`;
}

/** Marks the beginning and end of posting the last `count` work requests in a traced run. */
export function stampPost(hca: Adapter, qp: QpContext, count: number, beginPs: number, endPs: number): void {
  const last = hca.lastMessage(qp);
  for (let message = last - count + 1; message <= last; message++) {
    hca.trace?.stamp(message, 'post-begin', beginPs);
    hca.trace?.stamp(message, 'post-end', endPs);
  }
}
