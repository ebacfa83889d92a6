/**
 * The inside of a communication identifier: its state, its address, its queue pair's limits, and how events reach the program. The calls are in `cm-id.ts`.
 */
import type { Ps } from '../sim/index.ts';
import { isAnyHost } from './cm-address.ts';
import type { PendingEvent, RdmaEventChannel } from './cm-channel.ts';
import type { RdmaId } from './cm-id.ts';
import type { RdmaCm } from './cm-manager.ts';
import { type CmRoute, moveToError, moveToRts } from './cm-route.ts';
import { Session, type SessionAddresses, type SideParams } from './cm-session.ts';
import {
  type ConnEventParam,
  type ConnParam,
  type MulticastGroup,
  type PathRecord,
  type PortAddress,
  PortSpace,
  RDMA_MAX_INIT_DEPTH,
  RDMA_MAX_RESP_RES,
  type RdmaCmEvent,
  RdmaCmEventType,
  type SockAddr,
  type UdEventParam,
} from './cm-types.ts';
import type { CompletionChannel } from './completion-channel.ts';
import type { CompletionQueue } from './completion-queue.ts';
import type { Context } from './context.ts';
import { errnoCode, VerbsError } from './errors.ts';
import type { Gid } from './gid.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import type { AnyQueuePair, QueuePair } from './queue-pair.ts';
import type { SharedReceiveQueue } from './shared-receive-queue.ts';
import { VerbsObject } from './verbs-object.ts';

/** States of an id (`enum rdma_cm_state`). */
export type RdmaIdState =
  | 'IDLE'
  | 'ADDR_BOUND'
  | 'ADDR_QUERY'
  | 'ADDR_RESOLVED'
  | 'ROUTE_QUERY'
  | 'ROUTE_RESOLVED'
  | 'CONNECT'
  | 'DISCONNECT'
  | 'LISTEN';

export const EMPTY = new Uint8Array(0);
export const MS: Ps = 1_000_000_000;

/** Most bytes of private data: to connect, to accept, to refuse; by kind of id. */
const PRIVATE_BYTES = {
  connected: { connect: 56, accept: 196, reject: 148 },
  datagram: { connect: 180, accept: 136, reject: 136 },
};

/** A multicast group that an id has joined. */
export interface JoinedGroup {
  readonly key: string;
  readonly mgid: Gid;
  group: MulticastGroup | null;
  attached: QueuePair<'UD'> | null;
}

export abstract class RdmaIdCore extends VerbsObject {
  readonly ps: PortSpace;
  /** The program's own; `rdma_create_id`'s context. */
  context: unknown;
  /** The device, once the id is bound to one (`id->verbs`). */
  verbs: Context | null = null;
  portNum = 0;
  srcAddr: SockAddr | null = null;
  dstAddr: SockAddr | null = null;
  /** The path, once the route is resolved. */
  path: PathRecord | null = null;
  qp: AnyQueuePair | null = null;
  pd: ProtectionDomain | null = null;
  srq: SharedReceiveQueue | null = null;
  sendCq: CompletionQueue | null = null;
  recvCq: CompletionQueue | null = null;
  sendCqChannel: CompletionChannel | null = null;
  recvCqChannel: CompletionChannel | null = null;
  /** Of a synchronous id: the event that ended the last call. */
  event: RdmaCmEvent | null = null;
  /** @internal */
  reusesAddr = false;
  /** @internal Events of requests that the program has not fetched. */
  waitingRequests = 0;

  protected readonly cm: RdmaCm;
  protected current: RdmaIdState = 'IDLE';
  protected events: RdmaEventChannel;
  protected isSync: boolean;
  protected address: PortAddress | null = null;
  protected session: Session | null = null;
  protected ackTimeout: number | undefined;
  protected responderResources = 0;
  protected initiatorDepth = 0;
  protected unacknowledged = 0;
  protected ownCqs: CompletionQueue[] = [];
  protected groups: JoinedGroup[] = [];

  #eventChannel: RdmaEventChannel | null = null;

  protected constructor(cm: RdmaCm, channel: RdmaEventChannel | null, ps: PortSpace, context: unknown) {
    super('rdma_destroy_id', 'id');
    this.cm = cm;
    this.ps = ps;
    this.context = context;
    this.isSync = channel === null;
    this.events = channel ?? cm.createEventChannel();
    this.events.retain();
  }

  get state(): RdmaIdState {
    return this.current;
  }

  get channel(): RdmaEventChannel {
    return this.events;
  }

  get isListening(): boolean {
    return this.current === 'LISTEN';
  }

  /** True for ids of connected queue pairs (port space TCP). */
  get isConnected(): boolean {
    return this.ps === PortSpace.TCP;
  }

  /** True for an id without an event channel: its calls resolve with their outcome. */
  get isSynchronous(): boolean {
    return this.isSync;
  }

  /** @internal The IPv4 address to which a listener is bound; null for any. */
  get boundIp(): string | null {
    return this.address?.ip ?? null;
  }

  /** `rdma_get_src_port`; 0 while the id is not bound. */
  get srcPort(): number {
    return this.srcAddr?.port ?? 0;
  }

  /** `rdma_get_dst_port`; 0 while there is no destination. */
  get dstPort(): number {
    return this.dstAddr?.port ?? 0;
  }

  /** @internal */
  eventFetched(): void {
    this.unacknowledged++;
  }

  /** @internal */
  eventAcknowledged(): void {
    this.unacknowledged--;
  }

  /** @internal An event of this id that the kernel reports. */
  emit(type: RdmaCmEventType, status: number, conn: ConnEventParam | null, ud: UdEventParam | null, arg?: unknown): void {
    if (this.isClosed) return;
    this.post({ event: type, id: this.self, listenId: null, status, conn, ud, arg }, this.cm.thread.loop.nowPs);
  }

  protected get self(): RdmaId {
    return this as unknown as RdmaId;
  }

  /** Enters the kernel: pays for it, lets everything before happen, and checks the state (any, if none is named). */
  protected async enter(verb: string, ...states: RdmaIdState[]): Promise<void> {
    this.requireOpen(verb);
    const { thread } = this.cm;
    thread.spend(this.cm.callPs);
    if (!thread.isSynced) await thread.sync();
    if (states.length > 0 && !states.includes(this.current))
      throw new VerbsError(verb, 'EINVAL', `the id is in state ${this.current}`);
  }

  /** Runs something in the kernel later, if the id is then still in `state` (null: any). */
  protected later(delayPs: Ps, state: RdmaIdState | null, run: () => void): void {
    this.cm.timers.at(this.cm.thread.nowPs + delayPs, () => {
      if (!this.isClosed && (state === null || this.current === state)) run();
    });
  }

  protected post(event: RdmaCmEvent, atPs: Ps): void {
    this.events.mailbox.push(atPs, { event, fetch: (fetched) => this.fetched(fetched) });
  }

  /** The next event of a synchronous id; the one before is acknowledged. */
  protected async nextEvent(): Promise<RdmaCmEvent> {
    this.acknowledgeOwn();
    const event = await this.events.getEvent();
    this.keepEvent(event, this.events);
    return event;
  }

  /** A synchronous id keeps the event that ended its last call, until the next call or its end. */
  protected keepEvent(event: RdmaCmEvent | null, channel: RdmaEventChannel): void {
    this.event = event;
    this.#eventChannel = channel;
  }

  protected acknowledgeOwn(): void {
    if (this.event !== null) this.#eventChannel?.ackEvent(this.event);
    this.event = null;
  }

  /** Ends a call of a synchronous id: waits for its event and throws what went wrong (`ucma_complete`). */
  protected async complete(verb: string): Promise<void> {
    if (!this.isSync) return;
    const { event, status } = await this.nextEvent();
    if (status === 0) return;
    if (event === RdmaCmEventType.REJECTED) throw new VerbsError(verb, 'ECONNREFUSED', `the peer rejected with reason ${status}`);
    throw new VerbsError(verb, errnoCode(Math.abs(status)) ?? 'EPROTO', `status ${status}`);
  }

  /** What librdmacm does with an event when the program fetches it: moves queue pairs, attaches groups. */
  protected fetched(event: RdmaCmEvent): RdmaCmEvent {
    switch (event.event) {
      case RdmaCmEventType.CONNECT_REQUEST:
        this.waitingRequests--;
        return event;
      case RdmaCmEventType.CONNECT_RESPONSE:
        return this.#respond(event);
      case RdmaCmEventType.REJECTED:
        if (this.qp !== null) moveToError(this.qp);
        return event;
      case RdmaCmEventType.MULTICAST_JOIN:
        this.#attach(event);
        return event;
      default:
        return event;
    }
  }

  /** The peer accepted: the queue pair goes to RTS and the peer is told (RTU). */
  #respond(event: RdmaCmEvent): RdmaCmEvent {
    const { qp, session } = this;
    if (qp === null || qp.type !== 'RC' || session === null) return event;
    moveToRts(qp, session.route as CmRoute);
    session.connection?.sendRtu(EMPTY, this.cm.thread.nowPs);
    return { ...event, event: RdmaCmEventType.ESTABLISHED };
  }

  #attach(event: RdmaCmEvent): void {
    const joined = this.groups.find((candidate) => candidate.group?.mlid === event.ud?.ahAttr.dlid);
    if (joined === undefined || joined.group === null || this.qp?.type !== 'UD') return;
    this.qp.attachMcast(joined.mgid, joined.group.mlid);
    joined.attached = this.qp;
  }

  /** Binds to a local address and port; to a device only if the address names one. */
  protected bind(verb: string, addr: SockAddr): void {
    if (!(Number.isInteger(addr.port) && addr.port >= 0 && addr.port <= 0xffff))
      throw new VerbsError(verb, 'EINVAL', `${addr.port} is no port`);
    const local = isAnyHost(addr.host) ? null : this.#local(addr.host);
    if (local === undefined)
      throw new VerbsError(verb, 'EADDRNOTAVAIL', `${addr.host} is no address of ${this.cm.thread.nodeName}`);
    const port = this.cm.takePort(this.self, this.ps, local?.ip ?? '', addr.port, this.reusesAddr);
    this.srcAddr = { host: local?.ip ?? '0.0.0.0', port };
    this.current = 'ADDR_BOUND';
    if (local !== null) this.bindDevice(verb, local);
  }

  #local(host: string): PortAddress | undefined {
    const ports = this.cm.localPorts();
    return ports.find((port) => port.ip === host) ?? ports.find((port) => port.node === host);
  }

  /** Ties the id to the device of one of this node's addresses. */
  protected bindDevice(verb: string, local: PortAddress): void {
    const context = this.cm.contextOf(local);
    if (context === undefined) throw new VerbsError(verb, 'ENODEV', `device ${local.device} is not there`);
    this.address = local;
    this.verbs = context;
    this.portNum = local.portNum;
    this.srcAddr = { host: local.ip, port: this.srcPort };
  }

  protected newSession(verbs: Context): Session {
    this.session = new Session(this.cm.agent(verbs), this);
    return this.session;
  }

  protected checkPrivateData(verb: string, data: Uint8Array | undefined, use: 'connect' | 'accept' | 'reject'): void {
    const most = PRIVATE_BYTES[this.isConnected ? 'connected' : 'datagram'][use];
    if (data !== undefined && data.length > most)
      throw new VerbsError(verb, 'EINVAL', `private data has at most ${most} bytes, not ${data.length}`);
  }

  /** Limits of RDMA reads and atomics: what was asked for, or as many as the device can (`most`: not more than the peer offers). */
  protected settleLimits(verb: string, param: ConnParam, verbs: Context, most = { responder: 255, initiator: 255 }): void {
    const { maxQpRdAtomic, maxQpInitRdAtomic } = verbs.profile;
    const { responderResources = RDMA_MAX_RESP_RES, initiatorDepth = RDMA_MAX_INIT_DEPTH } = param;
    const settle = (asked: number, device: number, peer: number) => {
      if (asked === 0xff) return Math.min(device, peer);
      if (!(Number.isInteger(asked) && asked >= 0 && asked <= device))
        throw new VerbsError(verb, 'EINVAL', `the device can not have ${asked} reads under way`);
      return asked;
    };
    this.responderResources = settle(responderResources, maxQpRdAtomic, most.responder);
    this.initiatorDepth = settle(initiatorDepth, maxQpInitRdAtomic, most.initiator);
  }

  protected side(verb: string, param: ConnParam): SideParams {
    const { retryCount = 7, rnrRetryCount = 7, flowControl = false, privateData = EMPTY } = param;
    for (const value of [retryCount, rnrRetryCount])
      if (!(Number.isInteger(value) && value >= 0 && value <= 7))
        throw new VerbsError(verb, 'EINVAL', `a retry count is 0 … 7, not ${value}`);
    const { responderResources, initiatorDepth } = this;
    const srq = this.qp === null ? (param.srq ?? false) : this.qp.srq !== null;
    return {
      qpNum: this.qpNumber(verb, param),
      srq,
      responderResources,
      initiatorDepth,
      flowControl,
      retryCount,
      rnrRetryCount,
      privateData,
    };
  }

  /** The queue pair's number: the id's own, or the one that the program manages itself. */
  protected qpNumber(verb: string, param: ConnParam): number {
    const qpNum = this.qp?.qpNum ?? param.qpNum;
    if (qpNum === undefined) throw new VerbsError(verb, 'EINVAL', 'the id has no queue pair, and no qpNum is given');
    return qpNum;
  }

  protected addresses(destination: PortAddress): SessionAddresses {
    return {
      portSpace: this.ps,
      srcIp: this.address?.ip ?? '',
      srcPort: this.srcPort,
      dstIp: destination.ip,
      dstPort: this.dstPort,
    };
  }

  /** A completion queue with a channel of its own, as `rdma_create_qp` makes it. */
  protected makeCq(verbs: Context, side: 'send' | 'recv', entries: number): CompletionQueue {
    const channel = verbs.createCompChannel();
    const cq = verbs.createCq({ cqe: Math.max(entries, 1), channel });
    if (side === 'send') [this.sendCq, this.sendCqChannel] = [cq, channel];
    else [this.recvCq, this.recvCqChannel] = [cq, channel];
    this.ownCqs.push(cq);
    return cq;
  }

  /** Whether a pending event is of this id, or of a request to it. */
  protected concerns(pending: PendingEvent): boolean {
    return pending.event.id === this.self || pending.event.listenId === this.self;
  }
}
