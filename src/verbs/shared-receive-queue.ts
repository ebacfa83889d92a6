/**
 * Shared receive queues (`struct ibv_srq`): one pool of receive buffers for many queue pairs, with a limit that raises an event once.
 */
import type { SrqContext } from '../hca/index.ts';
import type { Context } from './context.ts';
import { SrqAttrMask } from './enums.ts';
import { handle, throwErrno, VerbsError } from './errors.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import { VerbsObject } from './verbs-object.ts';
import type { RecvRequest } from './work-request.ts';

/** `struct ibv_srq_init_attr`. */
export interface CreateSrqOptions {
  readonly maxWr: number;
  readonly maxSge: number;
  /** Ignored by `ibv_create_srq`, as in C; arm the limit with `modify`. */
  readonly srqLimit?: number;
  /** Kept as `srqContext`. */
  readonly srqContext?: unknown;
}

/** `struct ibv_srq_attr`. */
export interface SrqAttr {
  readonly maxWr: number;
  readonly maxSge: number;
  /** 0: not armed. */
  readonly srqLimit: number;
}

export class SharedReceiveQueue extends VerbsObject {
  readonly context: Context;
  readonly pd: ProtectionDomain;
  srqContext: unknown;
  /** @internal */
  readonly srq: SrqContext;

  /** @internal Use `ProtectionDomain.createSrq`. */
  constructor(pd: ProtectionDomain, options: CreateSrqOptions) {
    super('ibv_destroy_srq', 'shared receive queue');
    const { context } = pd;
    const { maxWr, maxSge } = options;
    const { maxSrqWr, maxSge: deviceSge } = context.profile;
    checkRange('max_wr', maxWr, maxSrqWr);
    checkRange('max_sge', maxSge, deviceSge);
    context.countUp('ibv_create_srq', 'srq', context.profile.maxSrq);
    this.context = context;
    this.pd = pd;
    this.srqContext = options.srqContext;
    this.srq = handle('ibv_create_srq', context.hca.createSrq(pd.handle, maxWr, maxSge));
    context.register(this.srq, { kind: 'srq', srq: this });
    pd.retain();
  }

  /** `ibv_get_srq_num`. */
  get srqNum(): number {
    return this.srq.number;
  }

  /**
   * `ibv_modify_srq`: with `SrqAttrMask.LIMIT` arms the limit (0 disarms it): the event SRQ_LIMIT_REACHED comes once when fewer entries than that are left.
   * Throws EINVAL for a limit above the size; ENOSYS for MAX_WR: these devices do not resize (DeviceCap.SRQ_RESIZE is not set).
   */
  modify(attr: { readonly maxWr?: number; readonly srqLimit?: number }, mask?: number): void {
    const { context, srq } = this;
    context.spendControl('ibv_modify_srq');
    this.requireOpen('ibv_modify_srq');
    const bits =
      mask ?? (attr.maxWr === undefined ? 0 : SrqAttrMask.MAX_WR) | (attr.srqLimit === undefined ? 0 : SrqAttrMask.LIMIT);
    if ((bits & SrqAttrMask.MAX_WR) !== 0)
      throw new VerbsError('ibv_modify_srq', 'ENOSYS', 'the device can not resize shared receive queues');
    if ((bits & SrqAttrMask.LIMIT) === 0) return;
    const limit = attr.srqLimit ?? 0;
    if (!(Number.isInteger(limit) && limit >= 0 && limit <= srq.queue.capacity))
      throw new VerbsError('ibv_modify_srq', 'EINVAL', `a limit is 0 … ${srq.queue.capacity}, not ${limit}`);
    throwErrno('ibv_modify_srq', context.hca.modifySrq(srq, limit));
  }

  /** `ibv_query_srq`. */
  query(): SrqAttr {
    this.context.spendControl('ibv_query_srq');
    this.requireOpen('ibv_query_srq');
    this.context.hca.kernel?.querySrq(this.srq);
    const { queue, limit } = this.srq;
    return { maxWr: queue.capacity, maxSge: queue.maxSge, srqLimit: limit };
  }

  /** `ibv_post_srq_recv`. Throws EINVAL for too many elements, ENOMEM when the queue is full; of a list, those before the bad one are posted. */
  postRecv(wr: RecvRequest | readonly RecvRequest[]): void {
    this.requireOpen('ibv_post_srq_recv');
    const { thread, profile, hca } = this.context;
    const list = Array.isArray(wr) ? (wr as readonly RecvRequest[]) : [wr as RecvRequest];
    for (let i = 0; i < list.length; i++) {
      thread.spend(profile.recvPostPs);
      throwErrno('ibv_post_srq_recv', hca.postSrqRecv(this.srq, list[i] as RecvRequest, thread.nowPs), undefined, i);
    }
  }

  protected override destroyNow(): void {
    const { context } = this;
    context.unregister('ibv_destroy_srq', this.srq);
    context.thread.spend(context.profile.controlPs);
    throwErrno('ibv_destroy_srq', context.hca.destroySrq(this.srq));
    context.counts.srq--;
    this.pd.release();
  }
}

function checkRange(name: string, value: number, limit: number): void {
  if (!(Number.isInteger(value) && value >= 1 && value <= limit))
    throw new VerbsError('ibv_create_srq', 'EINVAL', `${name} is 1 … ${limit} on this device, not ${value}`);
}
