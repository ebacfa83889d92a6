/**
 * Calls that libibverbs or the kernel refuse for their arguments, each with its errno: verbs-level conformance. The calls see an opened device, a protection domain,
 * a completion queue of 16 and an RC queue pair in RESET with room for 2 work requests of 2 elements each way and 32 bytes inline.
 */
import {
  Access,
  type CompletionQueue,
  type Context,
  type ErrnoCode,
  maskOf,
  MwType,
  Opcode,
  type ProtectionDomain,
  type QpAttr,
  QpAttrMask,
  QpState,
  type QueuePair,
  SrqAttrMask,
} from '../../src/verbs/index.ts';

export interface Parts {
  readonly ctx: Context;
  readonly pd: ProtectionDomain;
  readonly cq: CompletionQueue;
  readonly qp: QueuePair<'RC'>;
}

/** Attributes with which the transitions succeed. */
export const RTR: QpAttr = {
  qpState: QpState.RTR,
  ahAttr: { dlid: 256 },
  pathMtu: 4,
  destQpNum: 77,
  rqPsn: 1,
  maxDestRdAtomic: 4,
  minRnrTimer: 12,
};
export const INIT: QpAttr = { qpState: QpState.INIT, pkeyIndex: 0, portNum: 1, qpAccessFlags: 0 };
export const RTS: QpAttr = { qpState: QpState.RTS, timeout: 14, retryCnt: 7, rnrRetry: 7, sqPsn: 1, maxRdAtomic: 4 };

/** Each: what is tried, and the errno. The calls see a device, a domain, a queue of 16 and an RC queue pair in RESET. */
export const REFUSALS: readonly [string, ErrnoCode | 'ok', (parts: Parts) => unknown][] = [
  ['port 0', 'EINVAL', ({ ctx }) => ctx.queryPort(0)],
  ['port 2 of 1', 'EINVAL', ({ ctx }) => ctx.queryPort(2)],
  ['GID 1', 'EINVAL', ({ ctx }) => ctx.queryGid(1, 1)],
  ['P_Key 1', 'EINVAL', ({ ctx }) => ctx.queryPkey(1, 1)],
  ['P_Key not there', 'ENOENT', ({ ctx }) => ctx.getPkeyIndex(1, 0x8001)],
  ['CQ of 0', 'EINVAL', ({ ctx }) => ctx.createCq({ cqe: 0 })],
  ['CQ too large', 'EINVAL', ({ ctx }) => ctx.createCq({ cqe: ctx.queryDevice().maxCqe + 1 })],
  ['CQ on vector 1', 'EINVAL', ({ ctx }) => ctx.createCq({ cqe: 1, compVector: 1 })],
  ['resize to 0', 'EINVAL', ({ cq }) => cq.resize(0)],
  ['moderation beyond 16 bits', 'EINVAL', ({ cq }) => cq.modify({ count: 65536, period: 0 })],
  ['acknowledging what never came', 'EINVAL', ({ cq }) => cq.ackEvents(1)],
  ['region of nothing', 'EINVAL', ({ pd }) => pd.regMr(0, Access.LOCAL_WRITE)],
  ['remote write without local', 'EINVAL', ({ pd }) => pd.regMr(8, Access.REMOTE_WRITE)],
  ['remote atomic without local', 'EINVAL', ({ pd }) => pd.regMr(8, Access.REMOTE_ATOMIC)],
  ['remote read alone', 'ok', ({ pd }) => pd.regMr(8, Access.REMOTE_READ)],
  ['unknown access bit', 'EINVAL', ({ pd }) => pd.regMr(8, 1 << 15)],
  ['optional access bit', 'ok', ({ pd }) => pd.regMr(8, Access.RELAXED_ORDERING)],
  ['on-demand paging', 'EOPNOTSUPP', ({ pd }) => pd.regMr(8, Access.ON_DEMAND)],
  ['window type 3', 'EINVAL', ({ pd }) => pd.allocMw(3 as MwType)],
  ['SRQ of 0', 'EINVAL', ({ pd }) => pd.createSrq({ maxWr: 0, maxSge: 1 })],
  ['SRQ with too many elements', 'EINVAL', ({ pd, ctx }) => pd.createSrq({ maxWr: 1, maxSge: ctx.queryDevice().maxSrqSge + 1 })],
  ['SRQ limit above its size', 'EINVAL', ({ pd }) => pd.createSrq({ maxWr: 4, maxSge: 1 }).modify({ srqLimit: 5 })],
  ['SRQ resize', 'ENOSYS', ({ pd }) => pd.createSrq({ maxWr: 4, maxSge: 1 }).modify({ maxWr: 8 }, SrqAttrMask.MAX_WR)],
  [
    'QP with too deep a queue',
    'EINVAL',
    ({ pd, cq, ctx }) => pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq, cap: { maxSendWr: ctx.queryDevice().maxQpWr + 1 } }),
  ],
  [
    'QP with too much inline',
    'EINVAL',
    ({ pd, cq, ctx }) =>
      pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq, cap: { maxInlineData: ctx.queryDevice().maxInlineData + 1 } }),
  ],
  ['QP of an unknown type', 'EOPNOTSUPP', ({ pd, cq }) => pd.createQp({ type: 'XRC' as 'RC', sendCq: cq, recvCq: cq })],
  [
    'UC with an SRQ',
    'EINVAL',
    ({ pd, cq }) => pd.createQp({ type: 'UC', sendCq: cq, recvCq: cq, srq: pd.createSrq({ maxWr: 1, maxSge: 1 }) as never }),
  ],
  ['AH to LID 0', 'EINVAL', ({ pd }) => pd.createAh({ dlid: 0 })],
  ['AH with SL 16', 'EINVAL', ({ pd }) => pd.createAh({ dlid: 1, sl: 16 })],
  ['AH with path bits and LMC 0', 'EINVAL', ({ pd }) => pd.createAh({ dlid: 1, srcPathBits: 1 })],
  ['AH on port 9', 'EINVAL', ({ pd }) => pd.createAh({ dlid: 1, portNum: 9 })],
  ['AH with GID index 3', 'EINVAL', ({ pd }) => pd.createAh({ dlid: 1, grh: { dgid: new Uint8Array(16), sgidIndex: 3 } })],
  ['AH with rate 1', 'EINVAL', ({ pd }) => pd.createAh({ dlid: 1, staticRate: 1 as never })],
  ['AH to a multicast LID', 'ok', ({ pd }) => pd.createAh({ dlid: 0xc005 })],
  ['post to RESET', 'EINVAL', ({ qp }) => qp.postSend({ opcode: Opcode.SEND })],
  ['receive in RESET', 'EINVAL', ({ qp }) => qp.postRecv({})],
  [
    'multicast on RC',
    'EINVAL',
    ({ qp }) => (qp as unknown as QueuePair<'UD'>).attachMcast(Uint8Array.from([255, ...Array(15).fill(0)]), 0xc000),
  ],
  [
    'type 2 window by the verb',
    'EINVAL',
    ({ pd, qp }) => qp.bindMw(pd.allocMw(MwType.TYPE_2), { bindInfo: { mr: null, addr: 0, length: 0, mwAccessFlags: 0 } }),
  ],
  [
    'range without region',
    'EINVAL',
    ({ pd, qp }) => qp.bindMw(pd.allocMw(MwType.TYPE_1), { bindInfo: { mr: null, addr: 8, length: 8, mwAccessFlags: 0 } }),
  ],
  [
    'window and region of two domains',
    'EPERM',
    ({ pd, qp, ctx }) =>
      qp.bindMw(pd.allocMw(MwType.TYPE_1), {
        bindInfo: { mr: ctx.allocPd().regMr(8, Access.MW_BIND), addr: 0, length: 8, mwAccessFlags: 0 },
      }),
  ],
  ['INIT', 'ok', ({ qp }) => qp.modify(INIT, maskOf(INIT))],
  ['INIT without port', 'EINVAL', ({ qp }) => qp.modify(INIT, maskOf(INIT) & ~QpAttrMask.PORT)],
  ['INIT on port 2', 'EINVAL', ({ qp }) => qp.modify({ ...INIT, portNum: 2 }, maskOf(INIT))],
  ['INIT with P_Key index 7', 'EINVAL', ({ qp }) => qp.modify({ ...INIT, pkeyIndex: 7 }, maskOf(INIT))],
  ['mask names what is missing', 'EINVAL', ({ qp }) => qp.modify({ qpState: QpState.INIT }, maskOf(INIT))],
  ['RESET to RTR', 'EINVAL', ({ qp }) => qp.modify(RTR, maskOf(RTR))],
  ['RESET to ERR', 'EINVAL', ({ qp }) => qp.modify({ qpState: QpState.ERR })],
];

/** Attributes of RTR and RTS that are out of range, on an RC queue pair in INIT or RTR. */
export const BAD_RTR: readonly [string, Partial<QpAttr>, ErrnoCode][] = [
  ['MTU code 6', { pathMtu: 6 as never }, 'EINVAL'],
  ['MTU above the port', { pathMtu: 5 }, 'EINVAL'],
  ['LID 0', { ahAttr: { dlid: 0 } }, 'EINVAL'],
  ['RNR timer 32', { minRnrTimer: 32 }, 'EINVAL'],
  ['too many reads', { maxDestRdAtomic: 200 }, 'EINVAL'],
  ['QPN of 25 bits', { destQpNum: 2 ** 24 }, 'EINVAL'],
  ['an alternate path', { altAhAttr: { dlid: 6 } }, 'ENOSYS'],
  ['a timeout, which is for RTS', { timeout: 3 }, 'EINVAL'],
];
export const BAD_RTS: readonly [string, Partial<QpAttr>][] = [
  ['timeout 32', { timeout: 32 }],
  ['retry count 8', { retryCnt: 8 }],
  ['RNR retry 8', { rnrRetry: 8 }],
  ['too many reads', { maxRdAtomic: 200 }],
  ['a wrong current state', { curQpState: QpState.SQD }],
];
