/**
 * The C names, so that a program or a textbook example ports line by line: `ibv.post_send(qp, wr)` is `ibv_post_send`, `rdma.connect(id, param)` is `rdma_connect`.
 *
 * Calls that return `int` in C return the errno (0: done) instead of throwing; calls that return a pointer return the object or throw `VerbsError`; what is not
 * modelled throws `VerbsError` ENOSYS with the reason. Posts return `{ rc, badWr }`. A call that waits returns a promise.
 */
import type { AddressHandle, AhAttr } from './address-handle.ts';
import type { AsyncEvent } from './async-event.ts';
import type { RdmaEventChannel } from './cm-channel.ts';
import type { RdmaId } from './cm-id.ts';
import type { IdQpOptions, RdmaCm } from './cm-manager.ts';
import { type ConnParam, type PortSpace, type RdmaCmEvent, rdmaEventStr, type SockAddr } from './cm-types.ts';
import * as helpers from './cm-verbs.ts';
import type { CompletionChannel } from './completion-channel.ts';
import type { CompletionQueue, CqModeration } from './completion-queue.ts';
import type { Context } from './context.ts';
import { eventTypeStr, nodeTypeStr, portStateStr, wcStatusStr, wrOpcodeStr } from './enum-strings.ts';
import type { EventType, MwType } from './enums.ts';
import { VerbsError } from './errors.ts';
import type { Gid } from './gid.ts';
import { incRkey, type MemoryRegion, type MemoryWindow, type Registrable } from './memory.ts';
import { initAhFromWc, type ProtectionDomain } from './protection-domain.ts';
import type { QpAttr } from './qp-attr.ts';
import type { AnyQueuePair, CreateQpOptions, QueuePair } from './queue-pair.ts';
import { mbpsToRate, multToRate, rateToMbps, rateToMult } from './rates.ts';
import type { CreateSrqOptions, SharedReceiveQueue } from './shared-receive-queue.ts';
import { UNSUPPORTED_RDMA, UNSUPPORTED_VERBS, unsupportedCalls } from './unsupported.ts';
import type { MwBindInfo, RawSendRequest, RecvRequest, Transport, U64, WorkCompletion } from './work-request.ts';

/** 0, or the errno of a `VerbsError`; anything else goes on. */
function rc(call: () => void): number {
  try {
    call();
    return 0;
  } catch (error) {
    if (error instanceof VerbsError && error.code !== 'ENOSYS') return error.errno;
    throw error;
  }
}

async function rcLater(call: () => Promise<unknown>): Promise<number> {
  try {
    await call();
    return 0;
  } catch (error) {
    if (error instanceof VerbsError && error.code !== 'ENOSYS') return error.errno;
    throw error;
  }
}

/** Posts a list and tells which request was refused. */
function posted<W>(list: W | readonly W[], post: (list: readonly W[]) => void): { rc: number; badWr: W | null } {
  const all = Array.isArray(list) ? (list as readonly W[]) : [list as W];
  try {
    post(all);
    return { rc: 0, badWr: null };
  } catch (error) {
    if (error instanceof VerbsError && error.code !== 'ENOSYS')
      return { rc: error.errno, badWr: all[error.badIndex ?? 0] ?? null };
    throw error;
  }
}

type AnyQp = AnyQueuePair;

/** libibverbs. */
export const ibv = {
  ...unsupportedCalls('ibv_', UNSUPPORTED_VERBS),
  get_device_name: (ctx: Context) => ctx.deviceName,
  get_device_guid: (ctx: Context) => ctx.deviceGuid,
  close_device: (ctx: Context) => rc(() => ctx.close()),
  query_device: (ctx: Context) => ctx.queryDevice(),
  query_port: (ctx: Context, portNum: number) => ctx.queryPort(portNum),
  query_gid: (ctx: Context, portNum: number, index: number) => ctx.queryGid(portNum, index),
  query_gid_ex: (ctx: Context, portNum: number, index: number) => ctx.queryGidEx(portNum, index),
  query_gid_table: (ctx: Context) => ctx.queryGidTable(),
  query_pkey: (ctx: Context, portNum: number, index: number) => ctx.queryPkey(portNum, index),
  get_pkey_index: (ctx: Context, portNum: number, pkey: number) => ctx.getPkeyIndex(portNum, pkey),
  get_async_event: (ctx: Context) => ctx.getAsyncEvent(),
  ack_async_event: (ctx: Context, event: AsyncEvent) => ctx.ackAsyncEvent(event),
  alloc_pd: (ctx: Context) => ctx.allocPd(),
  dealloc_pd: (pd: ProtectionDomain) => rc(() => pd.close()),
  reg_mr: (pd: ProtectionDomain, memory: Registrable, access: number) => pd.regMr(memory, access),
  reg_mr_iova: (pd: ProtectionDomain, memory: Registrable, iova: number, access: number) => pd.regMr(memory, access, { iova }),
  reg_mr_iova2: (pd: ProtectionDomain, memory: Registrable, iova: number, access: number) => pd.regMr(memory, access, { iova }),
  dereg_mr: (mr: MemoryRegion) => rc(() => mr.close()),
  alloc_mw: (pd: ProtectionDomain, type: MwType) => pd.allocMw(type),
  dealloc_mw: (mw: MemoryWindow) => rc(() => mw.close()),
  bind_mw: (qp: AnyQp, mw: MemoryWindow, bind: { wrId?: U64; sendFlags?: number; bindInfo: MwBindInfo }) =>
    rc(() => void qp.bindMw(mw, bind)),
  inc_rkey: incRkey,
  create_comp_channel: (ctx: Context) => ctx.createCompChannel(),
  destroy_comp_channel: (channel: CompletionChannel) => rc(() => channel.close()),
  create_cq: (ctx: Context, cqe: number, cqContext: unknown, channel: CompletionChannel | null, compVector: number) =>
    ctx.createCq({ cqe, cqContext, compVector, ...(channel === null ? {} : { channel }) }),
  modify_cq: (cq: CompletionQueue, moderation: CqModeration) => rc(() => cq.modify(moderation)),
  resize_cq: (cq: CompletionQueue, cqe: number) => rc(() => cq.resize(cqe)),
  destroy_cq: (cq: CompletionQueue) => rc(() => cq.close()),
  poll_cq: (cq: CompletionQueue, max: number) => cq.poll(max),
  req_notify_cq: (cq: CompletionQueue, solicitedOnly: number | boolean) => rc(() => cq.reqNotify(Boolean(solicitedOnly))),
  get_cq_event: (channel: CompletionChannel) => channel.getEvent(),
  ack_cq_events: (cq: CompletionQueue, count: number) => cq.ackEvents(count),
  create_srq: (pd: ProtectionDomain, options: CreateSrqOptions) => pd.createSrq(options),
  modify_srq: (srq: SharedReceiveQueue, attr: { maxWr?: number; srqLimit?: number }, mask: number) =>
    rc(() => srq.modify(attr, mask)),
  query_srq: (srq: SharedReceiveQueue) => srq.query(),
  destroy_srq: (srq: SharedReceiveQueue) => rc(() => srq.close()),
  post_srq_recv: (srq: SharedReceiveQueue, wr: RecvRequest | readonly RecvRequest[]) => posted(wr, (list) => srq.postRecv(list)),
  get_srq_num: (srq: SharedReceiveQueue) => srq.srqNum,
  create_qp: <T extends Transport>(pd: ProtectionDomain, options: CreateQpOptions<T>) => pd.createQp(options),
  modify_qp: (qp: AnyQp, attr: QpAttr, mask: number) => rc(() => (qp as QueuePair<'RC'>).modify(attr, mask)),
  query_qp: (qp: AnyQp) => qp.query(),
  destroy_qp: (qp: AnyQp) => rc(() => qp.close()),
  post_send: (qp: AnyQp, wr: RawSendRequest | readonly RawSendRequest[]) =>
    posted(wr, (list) => (qp as unknown as { postSend(list: readonly RawSendRequest[]): void }).postSend(list)),
  post_recv: (qp: AnyQp, wr: RecvRequest | readonly RecvRequest[]) => posted(wr, (list) => qp.postRecv(list)),
  create_ah: (pd: ProtectionDomain, attr: AhAttr) => pd.createAh(attr),
  create_ah_from_wc: (pd: ProtectionDomain, wc: WorkCompletion, grh: Uint8Array | undefined, portNum: number) =>
    pd.createAhFromWc(portNum, wc, grh),
  init_ah_from_wc: (ctx: Context, portNum: number, wc: WorkCompletion, grh?: Uint8Array) => initAhFromWc(ctx, portNum, wc, grh),
  destroy_ah: (ah: AddressHandle) => rc(() => ah.close()),
  attach_mcast: (qp: AnyQp, gid: Gid, lid: number) => rc(() => (qp as QueuePair<'UD'>).attachMcast(gid, lid)),
  detach_mcast: (qp: AnyQp, gid: Gid, lid: number) => rc(() => (qp as QueuePair<'UD'>).detachMcast(gid, lid)),
  is_qpt_supported: (_caps: number, type: string) => (['RC', 'UC', 'UD'].includes(type) ? 0 : 95),
  rate_to_mult: rateToMult,
  mult_to_rate: multToRate,
  rate_to_mbps: rateToMbps,
  mbps_to_rate: mbpsToRate,
  wc_status_str: wcStatusStr,
  wr_opcode_str: wrOpcodeStr,
  event_type_str: eventTypeStr,
  node_type_str: nodeTypeStr,
  port_state_str: portStateStr,
};

/** librdmacm. */
export const rdma = {
  ...unsupportedCalls('rdma_', UNSUPPORTED_RDMA),
  create_event_channel: (cm: RdmaCm) => cm.createEventChannel(),
  destroy_event_channel: (channel: RdmaEventChannel) => rc(() => channel.close()),
  create_id: (cm: RdmaCm, channel: RdmaEventChannel | null, context: unknown, ps: PortSpace) => cm.createId(channel, ps, context),
  destroy_id: (id: RdmaId) => rc(() => id.close()),
  create_ep: (cm: RdmaCm, info: Parameters<RdmaCm['createEp']>[0], pd: ProtectionDomain | null, qp?: IdQpOptions) =>
    cm.createEp(info, { ...(pd === null ? {} : { pd }), ...(qp === undefined ? {} : { qp }) }),
  destroy_ep: (id: RdmaId) =>
    rc(() => {
      id.destroyQp();
      id.close();
    }),
  bind_addr: (id: RdmaId, addr: SockAddr) => rcLater(() => id.bindAddr(addr)),
  resolve_addr: (id: RdmaId, src: SockAddr | null, dst: SockAddr, timeoutMs: number) =>
    rcLater(() => id.resolveAddr(src, dst, timeoutMs)),
  resolve_route: (id: RdmaId, timeoutMs: number) => rcLater(() => id.resolveRoute(timeoutMs)),
  create_qp: (id: RdmaId, pd: ProtectionDomain | null, options: IdQpOptions) => rc(() => void id.createQp(pd, options)),
  destroy_qp: (id: RdmaId) => id.destroyQp(),
  connect: (id: RdmaId, param?: ConnParam) => rcLater(() => id.connect(param)),
  establish: (id: RdmaId) => rcLater(() => id.establish()),
  listen: (id: RdmaId, backlog: number) => rcLater(() => id.listen(backlog)),
  get_request: (id: RdmaId) => id.getRequest(),
  accept: (id: RdmaId, param?: ConnParam) => rcLater(() => id.accept(param)),
  reject: (id: RdmaId, privateData?: Uint8Array) => rcLater(() => id.reject(privateData)),
  notify: (id: RdmaId, event: EventType) => rcLater(() => id.notify(event)),
  disconnect: (id: RdmaId) => rcLater(() => id.disconnect()),
  join_multicast: (id: RdmaId, group: SockAddr | Gid, context?: unknown) => rcLater(() => id.joinMulticast(group, context)),
  leave_multicast: (id: RdmaId, group: SockAddr | Gid) => rcLater(() => id.leaveMulticast(group)),
  get_cm_event: (channel: RdmaEventChannel) => channel.getEvent(),
  ack_cm_event: (event: RdmaCmEvent) => rc(() => event.id.channel.ackEvent(event)),
  migrate_id: (id: RdmaId, channel: RdmaEventChannel | null) => rc(() => id.migrate(channel)),
  set_option: (id: RdmaId, option: 'reuseAddr' | 'ackTimeout', value: number) => rc(() => id.setOption(option, value)),
  getaddrinfo: (
    cm: RdmaCm,
    node: string | null,
    service: string | number,
    hints?: { passive?: boolean; portSpace?: PortSpace },
  ) => cm.getAddrInfo(node, service, hints),
  freeaddrinfo: () => undefined,
  get_devices: (cm: RdmaCm) => cm.getDevices(),
  free_devices: () => undefined,
  get_src_port: (id: RdmaId) => id.srcPort,
  get_dst_port: (id: RdmaId) => id.dstPort,
  get_local_addr: (id: RdmaId) => id.srcAddr,
  get_peer_addr: (id: RdmaId) => id.dstAddr,
  init_qp_attr: (id: RdmaId) => id.initQpAttr(),
  write_cm_event: (id: RdmaId, type: RdmaCmEvent['event'], status: number, arg: unknown) =>
    rc(() => id.writeEvent(type, status, arg)),
  event_str: rdmaEventStr,
  reg_msgs: helpers.rdmaRegMsgs,
  reg_read: helpers.rdmaRegRead,
  reg_write: helpers.rdmaRegWrite,
  dereg_mr: (mr: MemoryRegion) => rc(() => mr.close()),
  post_recv: helpers.rdmaPostRecv,
  post_send: helpers.rdmaPostSend,
  post_read: helpers.rdmaPostRead,
  post_write: helpers.rdmaPostWrite,
  post_ud_send: helpers.rdmaPostUdSend,
  get_send_comp: helpers.rdmaGetSendComp,
  get_recv_comp: helpers.rdmaGetRecvComp,
};
