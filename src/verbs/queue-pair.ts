/**
 * Queue pairs (`struct ibv_qp`), typed by transport: what a transport cannot do does not compile, and is refused with EINVAL where types are bypassed.
 * Posting is the hot path: one look at a table, then the work request goes to the adapter as the program wrote it.
 */
import { type QpContext, QPT_RC, QPT_UC, QPT_UD, type SendWorkRequest } from '../hca/index.ts';
import { toAhAttr } from './address-handle.ts';
import type { CompletionQueue } from './completion-queue.ts';
import type { Context } from './context.ts';
import { type MigState, type Mtu, MwType, Opcode, QpState, SendFlags } from './enums.ts';
import { handle, throwErrno, VerbsError } from './errors.ts';
import { type Gid, isMulticastGid } from './gid.ts';
import { incRkey, type MemoryWindow } from './memory.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import { maskOf, type QpAttr, type QpAttrState, type QpCap, type QpTransition } from './qp-attr.ts';
import { checkQpAttr, toHcaAttributes } from './qp-check.ts';
import { type ConnectOptions, connectQp, describeEndpoint, type QpEndpoint } from './qp-connect.ts';
import type { SharedReceiveQueue } from './shared-receive-queue.ts';
import { VerbsObject } from './verbs-object.ts';
import { bindRequest, refuseSend, stampPost, withBindRequest } from './wr-check.ts';
import type { MwBindInfo, RawSendRequest, RecvRequest, SendRequest, Transport, U64 } from './work-request.ts';

/** `struct ibv_qp_init_attr`. */
export interface CreateQpOptions<T extends Transport = Transport> {
  readonly type: T;
  readonly sendCq: CompletionQueue;
  readonly recvCq: CompletionQueue;
  /** RC and UD. */
  readonly srq?: T extends 'UC' ? never : SharedReceiveQueue;
  /** Default: 16 work requests each way with one element each, no inline data; no receive queue with an SRQ. */
  readonly cap?: Partial<QpCap>;
  /** Every send work request makes a completion. Default false. */
  readonly sqSigAll?: boolean;
  /** Kept as `qpContext`. */
  readonly qpContext?: unknown;
}

const HCA_TYPE: Readonly<Record<Transport, number>> = { RC: QPT_RC, UC: QPT_UC, UD: QPT_UD };

/** A queue pair of a transport that is looked up at run time; `qp.type` tells which. */
export type AnyQueuePair = QueuePair<'RC'> | QueuePair<'UC'> | QueuePair<'UD'>;

export class QueuePair<T extends Transport = Transport> extends VerbsObject {
  readonly type: T;
  readonly context: Context;
  readonly pd: ProtectionDomain;
  readonly sendCq: CompletionQueue;
  readonly recvCq: CompletionQueue;
  readonly srq: SharedReceiveQueue | null;
  readonly qpNum: number;
  readonly cap: QpCap;
  readonly sqSigAll: boolean;
  qpContext: unknown;
  /** @internal */
  readonly qp: QpContext;
  /** Multicast groups to which the queue pair is attached. */
  #groups = 0;

  /** @internal Use `ProtectionDomain.createQp`. */
  constructor(pd: ProtectionDomain, options: CreateQpOptions<T>) {
    super('ibv_destroy_qp', 'queue pair');
    const { context } = pd;
    const { type, sendCq, recvCq, sqSigAll = false } = options;
    const srq = (options.srq as SharedReceiveQueue | undefined) ?? null;
    checkParts(context, type, sendCq, recvCq, srq);
    this.cap = checkCap(context, options.cap ?? {}, srq !== null);
    context.countUp('ibv_create_qp', 'qp', context.profile.maxQp);
    this.type = type;
    this.context = context;
    this.pd = pd;
    this.sendCq = sendCq;
    this.recvCq = recvCq;
    this.srq = srq;
    this.sqSigAll = sqSigAll;
    this.qpContext = options.qpContext;
    const shared = srq?.srq ?? null;
    const { cap } = this;
    const parts = { type: HCA_TYPE[type], pd: pd.handle, sendCq: sendCq.cq, recvCq: recvCq.cq, srq: shared, cap, sqSigAll };
    this.qp = handle('ibv_create_qp', context.hca.createQp(parts));
    this.qpNum = this.qp.qpn;
    context.register(this.qp, { kind: 'qp', qp: this as unknown as AnyQueuePair });
    for (const part of [pd, sendCq, recvCq, srq]) part?.retain();
  }

  /** The state as the adapter has it now; a failure moves it to ERR or SQE by itself. */
  get state(): QpState {
    return this.qp.state as QpState;
  }

  /**
   * `ibv_modify_qp`. Without a mask, `attr` is typed by the state to go to and exactly its fields are set; with one, the C call:
   * exactly the attributes of the mask (`QpAttrMask`), of whatever state.
   * Throws EINVAL when the transition is not allowed, an attribute is missing or too many, or a value is out of range; then nothing has changed.
   */
  modify(attr: QpTransition<T>): void;
  modify(attr: QpAttr, mask: number): void;
  modify(attr: QpAttr, mask = maskOf(attr)): void {
    const { context } = this;
    context.spendControl('ibv_modify_qp');
    this.requireOpen('ibv_modify_qp');
    checkQpAttr(context, attr, mask);
    throwErrno(
      'ibv_modify_qp',
      context.hca.modifyQp(this.qp, toHcaAttributes(attr), mask, context.thread.nowPs),
      'the transition, or this set of attributes on it, is not allowed',
    );
  }

  /** `ibv_query_qp`, all attributes at once. */
  query(): QpAttrState {
    this.context.spendControl('ibv_query_qp');
    this.requireOpen('ibv_query_qp');
    const { qp, cap } = this;
    this.context.hca.kernel?.queryQp(qp);
    const state = qp.state as QpState;
    return {
      qpState: state,
      curQpState: state,
      pathMtu: qp.mtuCode as Mtu,
      pathMigState: qp.pathMigState as MigState,
      qkey: qp.qkey >>> 0,
      rqPsn: qp.rqPsn,
      sqPsn: qp.sqPsn,
      destQpNum: qp.destQpn,
      qpAccessFlags: qp.accessFlags,
      cap,
      ahAttr: qp.av === null ? undefined : toAhAttr(qp.av),
      pkeyIndex: qp.pkeyIndex,
      altPkeyIndex: 0,
      maxRdAtomic: qp.maxRdAtomic,
      maxDestRdAtomic: qp.maxDestRdAtomic,
      minRnrTimer: qp.minRnrTimer,
      portNum: this.context.hca.config.ports[qp.port].portNumber,
      timeout: qp.timeout,
      retryCnt: qp.retryCnt,
      rnrRetry: qp.rnrRetry,
      altPortNum: 0,
      altTimeout: 0,
      sqDraining: state === QpState.SQD && qp.sq.acked < qp.sq.head,
    };
  }

  /**
   * `ibv_post_send`: one work request, or a list that is posted with one doorbell.
   * Throws EINVAL for an opcode that the transport has not, too many elements or a state before RTS; ENOMEM when the queue is full or inline data too long.
   * Of a list, `VerbsError.badIndex` tells which was refused; those before it are posted.
   */
  postSend(wr: SendRequest<T> | readonly SendRequest<T>[]): void {
    if (Array.isArray(wr)) this.#postList(wr as readonly RawSendRequest[]);
    else this.#post(wr as RawSendRequest);
  }

  /** `ibv_post_recv`: one receive work request or a list. Throws EINVAL in state RESET, with an SRQ, or for too many elements; ENOMEM when the queue is full. */
  postRecv(wr: RecvRequest | readonly RecvRequest[]): void {
    this.requireOpen('ibv_post_recv');
    if (this.srq !== null) throw new VerbsError('ibv_post_recv', 'EINVAL', 'the queue pair takes its receives from an SRQ');
    if (Array.isArray(wr)) for (let i = 0; i < wr.length; i++) this.#postRecv(wr[i] as RecvRequest, i);
    else this.#postRecv(wr as RecvRequest, undefined);
  }

  /**
   * `ibv_bind_mw`: posts the bind of a type 1 window and returns its new R_Key, which is also `mw.rkey` from now on. Access is there when the bind has completed.
   * Throws EINVAL for a window of type 2, a range without a region, or on UD; EPERM for a window and region of different domains.
   */
  bindMw(mw: MemoryWindow, bind: { readonly wrId?: U64; readonly sendFlags?: number; readonly bindInfo: MwBindInfo }): number {
    this.requireOpen('ibv_bind_mw');
    if (mw.type !== MwType.TYPE_1)
      throw new VerbsError('ibv_bind_mw', 'EINVAL', 'a window of type 2 is bound by a BIND_MW work request');
    const rkey = incRkey(mw.rkey);
    const bindMw = bindRequest('ibv_bind_mw', { mw, rkey, bindInfo: bind.bindInfo });
    const { thread, hca, profile } = this.context;
    const { wrId, sendFlags } = bind;
    throwErrno('ibv_bind_mw', hca.postSend(this.qp, { wrId, sendFlags, opcode: Opcode.BIND_MW, bindMw }));
    thread.spend(profile.postPs);
    hca.ringDoorbell(this.qp, 1, thread.nowPs);
    mw.setRkey(rkey);
    return rkey;
  }

  /** `ibv_attach_mcast`: datagrams to the group `gid` with multicast LID `lid` are delivered here too. UD only; EINVAL for what is no multicast address. */
  attachMcast(this: QueuePair<'UD'>, gid: Gid, lid: number): void {
    const { context } = this as QueuePair<Transport>;
    context.spendControl('ibv_attach_mcast');
    this.#checkGroup('ibv_attach_mcast', gid, lid);
    throwErrno('ibv_attach_mcast', context.hca.attachMulticast(this.qp, gid, lid));
    this.#groups++;
  }

  /** `ibv_detach_mcast`: EINVAL when the queue pair is not attached to this group. */
  detachMcast(this: QueuePair<'UD'>, gid: Gid, lid: number): void {
    const { context } = this as QueuePair<Transport>;
    context.spendControl('ibv_detach_mcast');
    this.#checkGroup('ibv_detach_mcast', gid, lid);
    throwErrno('ibv_detach_mcast', context.hca.detachMulticast(this.qp, gid, lid), 'not attached to this group');
    this.#groups--;
  }

  /** What a peer must know to connect to this queue pair: what perftest exchanges over its TCP socket. */
  endpoint(options: { readonly portNum?: number; readonly psn?: number } = {}): QpEndpoint {
    return describeEndpoint(this.context, this.qpNum, options.portNum ?? 1, options.psn);
  }

  /** INIT, RTR, RTS towards `peer`, with the defaults of the pingpong examples. Not in libibverbs: three calls of `modify` in one. */
  connect(this: QueuePair<'RC'> | QueuePair<'UC'>, peer: QpEndpoint, options: ConnectOptions = {}): void {
    connectQp(this, peer, options);
  }

  /** INIT, RTR, RTS of a datagram queue pair. Not in libibverbs. */
  activate(
    this: QueuePair<'UD'>,
    options: { readonly qkey: number; readonly portNum?: number; readonly pkeyIndex?: number; readonly sqPsn?: number },
  ): void {
    const { qkey, portNum = 1, pkeyIndex = 0, sqPsn = 0 } = options;
    this.modify({ qpState: QpState.INIT, qkey, portNum, pkeyIndex });
    this.modify({ qpState: QpState.RTR });
    this.modify({ qpState: QpState.RTS, sqPsn });
  }

  protected override destroyNow(): void {
    const { context } = this;
    if (this.#groups > 0) throw new VerbsError('ibv_destroy_qp', 'EBUSY', `still attached to ${this.#groups} multicast group(s)`);
    context.unregister('ibv_destroy_qp', this.qp);
    context.thread.spend(context.profile.controlPs);
    throwErrno('ibv_destroy_qp', context.hca.destroyQp(this.qp));
    context.counts.qp--;
    for (const part of [this.pd, this.sendCq, this.recvCq, this.srq]) part?.release();
  }

  #checkGroup(verb: string, gid: Gid, lid: number): void {
    this.requireOpen(verb);
    if (this.type !== 'UD') throw new VerbsError(verb, 'EINVAL', 'only UD queue pairs join multicast groups');
    if (gid.length !== 16 || !isMulticastGid(gid)) throw new VerbsError(verb, 'EINVAL', 'not a multicast GID');
    if (!(lid >= 0xc000 && lid <= 0xfffe)) throw new VerbsError(verb, 'EINVAL', `0x${lid.toString(16)} is not a multicast LID`);
  }

  #post(wr: RawSendRequest): void {
    this.requireOpen('ibv_post_send');
    const { thread, hca, profile } = this.context;
    const { qp } = this;
    const beginPs = thread.nowPs;
    const errno = hca.postSend(qp, wr.opcode === Opcode.BIND_MW ? withBindRequest(wr) : (wr as unknown as SendWorkRequest));
    if (errno !== 0) refuseSend(this as unknown as AnyQueuePair, wr, errno, undefined);
    thread.spend(profile.postPs + this.#inlinePs(wr));
    const atPs = thread.nowPs;
    if (hca.trace !== null) stampPost(hca, qp, 1, beginPs, atPs);
    hca.ringDoorbell(qp, 1, atPs);
  }

  #postList(list: readonly RawSendRequest[]): void {
    this.requireOpen('ibv_post_send');
    const { thread, hca, profile } = this.context;
    const { qp } = this;
    const beginPs = thread.nowPs;
    let posted = 0;
    let errno = 0;
    for (; posted < list.length; posted++) {
      const wr = list[posted];
      errno = hca.postSend(qp, wr.opcode === Opcode.BIND_MW ? withBindRequest(wr) : (wr as unknown as SendWorkRequest));
      if (errno !== 0) break;
      thread.spend((posted === 0 ? profile.postPs : profile.postNextPs) + this.#inlinePs(wr));
    }
    if (posted > 0) {
      if (hca.trace !== null) stampPost(hca, qp, posted, beginPs, thread.nowPs);
      hca.ringDoorbell(qp, posted, thread.nowPs);
    }
    if (errno !== 0) refuseSend(this as unknown as AnyQueuePair, list[posted], errno, posted);
  }

  /** CPU time of copying inline data into the work queue entry that was written last. */
  #inlinePs(wr: RawSendRequest): number {
    if (((wr.sendFlags ?? 0) & SendFlags.INLINE) === 0) return 0;
    const { sq } = this.qp;
    return Math.ceil(sq.bytes[(sq.head - 1) & sq.mask] * this.context.profile.postInlinePsPerByte);
  }

  #postRecv(wr: RecvRequest, index: number | undefined): void {
    const { thread, profile, hca } = this.context;
    thread.spend(profile.recvPostPs);
    const errno = hca.postRecv(this.qp, wr, thread.nowPs);
    if (errno !== 0) throwErrno('ibv_post_recv', errno, undefined, index);
  }
}

function checkParts(
  context: Context,
  type: Transport,
  sendCq: CompletionQueue,
  recvCq: CompletionQueue,
  srq: SharedReceiveQueue | null,
): void {
  if (HCA_TYPE[type] === undefined)
    throw new VerbsError('ibv_create_qp', 'EOPNOTSUPP', `queue pairs of type ${type} are not modelled`);
  for (const part of [sendCq, recvCq, srq]) {
    part?.requireOpen('ibv_create_qp');
    if (part !== null && part.context !== context) throw new VerbsError('ibv_create_qp', 'EINVAL', 'a queue of another device');
  }
  if (srq !== null && type === 'UC') throw new VerbsError('ibv_create_qp', 'EINVAL', 'UC takes no shared receive queue');
}

function checkCap(context: Context, asked: Partial<QpCap>, hasSrq: boolean): QpCap {
  const { maxQpWr, maxSge, maxInlineData: deviceInline } = context.profile;
  const { maxSendWr = 16, maxRecvWr = hasSrq ? 0 : 16, maxSendSge = 1, maxRecvSge = hasSrq ? 0 : 1, maxInlineData = 0 } = asked;
  const limits: readonly [string, number, number][] = [
    ['max_send_wr', maxSendWr, maxQpWr],
    ['max_recv_wr', maxRecvWr, maxQpWr],
    ['max_send_sge', maxSendSge, maxSge],
    ['max_recv_sge', maxRecvSge, maxSge],
    ['max_inline_data', maxInlineData, deviceInline],
  ];
  for (const [name, value, limit] of limits)
    if (!(Number.isInteger(value) && value >= 0 && value <= limit))
      throw new VerbsError('ibv_create_qp', 'EINVAL', `${name} is 0 … ${limit} on this device, not ${value}`);
  return { maxSendWr, maxRecvWr, maxSendSge, maxRecvSge, maxInlineData };
}
