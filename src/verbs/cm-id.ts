/**
 * Communication identifiers (`struct rdma_cm_id`): what a socket is to TCP, an id is to RDMA. Calls are promises, for they enter the kernel:
 * each lets everything happen that lies before it in time. With an event channel they resolve when the request is under way and the outcome comes as an event;
 * a synchronous id (no channel) resolves with the outcome, or throws it.
 */
import type { Ps } from '../sim/index.ts';
import { CM_REJ_CONSUMER, CM_SIDR_OK, CM_SIDR_REJECT, type CmReqRepr } from '../wire/index.ts';
import { ipv4MulticastGid } from './cm-address.ts';
import type { RdmaEventChannel } from './cm-channel.ts';
import type { CmConnection } from './cm-connection.ts';
import { EMPTY, type JoinedGroup } from './cm-id-core.ts';
import { RdmaIdRoute } from './cm-id-route.ts';
import type { IdQpOptions, RdmaCm } from './cm-manager.ts';
import { type CmRoute, makeDatagramReady, moveToError, moveToInit, moveToRts, routeAttributes } from './cm-route.ts';
import { lookupParam, requestParam, requestSource } from './cm-session.ts';
import type { CmLookupRequest } from './cm-sidr.ts';
import {
  type ConnParam,
  DEFAULT_BACKLOG,
  type MulticastGroup,
  type PortAddress,
  type PortSpace,
  RDMA_UDP_QKEY,
  type RdmaCmEvent,
  RdmaCmEventType,
  type SockAddr,
} from './cm-types.ts';
import { EventType } from './enums.ts';
import { Errno, errnoCode, VerbsError } from './errors.ts';
import { type Gid, gidKey } from './gid.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import type { QpAttr } from './qp-attr.ts';
import type { AnyQueuePair } from './queue-pair.ts';

export class RdmaId extends RdmaIdRoute {
  #backlog = 0;
  #requestPd: ProtectionDomain | null = null;
  #requestQp: IdQpOptions | null = null;

  /** @internal Use `RdmaCm.createId`. */
  constructor(cm: RdmaCm, channel: RdmaEventChannel | null, ps: PortSpace, context: unknown) {
    super(cm, channel, ps, context);
  }

  /**
   * `rdma_create_qp`: makes the queue pair of the id, RC or UD by its port space, ready for receives (RC: INIT) or for all (UD: RTS).
   * Without a protection domain the device's default one is taken; without completion queues they are made, with channels, and kept in the id.
   * Throws EINVAL when the id has one already, is bound to no device, or the domain is of another device.
   */
  createQp(pd: ProtectionDomain | null = null, options: IdQpOptions = {}): AnyQueuePair {
    const verb = 'rdma_create_qp';
    this.requireOpen(verb);
    const { verbs } = this;
    if (verbs === null) throw new VerbsError(verb, 'EINVAL', 'the id is bound to no device');
    if (this.qp !== null) throw new VerbsError(verb, 'EINVAL', 'the id has a queue pair');
    if (pd !== null && pd.context !== verbs) throw new VerbsError(verb, 'EINVAL', 'the protection domain is of another device');
    const domain = pd ?? this.pd ?? this.cm.defaultPd(verbs);
    const { cap, sqSigAll = false, qpContext, srq = this.srq ?? undefined } = options;
    const sendCq = options.sendCq ?? this.sendCq ?? this.makeCq(verbs, 'send', cap?.maxSendWr ?? 16);
    const recvCq = options.recvCq ?? this.recvCq ?? this.makeCq(verbs, 'recv', cap?.maxRecvWr ?? 16);
    const common = {
      sendCq,
      recvCq,
      sqSigAll,
      qpContext,
      ...(cap === undefined ? {} : { cap }),
      ...(srq === undefined ? {} : { srq }),
    };
    this.pd = domain;
    if (this.isConnected) {
      const qp = domain.createQp({ type: 'RC', ...common });
      moveToInit(qp, this.portNum, 0, 0);
      this.qp = qp;
    } else {
      const qp = domain.createQp({ type: 'UD', ...common });
      makeDatagramReady(qp, this.portNum, 0);
      this.qp = qp;
    }
    return this.qp;
  }

  /** `rdma_destroy_qp`, with the completion queues that `createQp` made. */
  destroyQp(): void {
    this.requireOpen('rdma_destroy_qp');
    this.qp?.close();
    this.qp = null;
    for (const cq of this.ownCqs) {
      cq.close();
      cq.channel?.close();
      if (this.sendCq === cq) [this.sendCq, this.sendCqChannel] = [null, null];
      if (this.recvCq === cq) [this.recvCq, this.recvCqChannel] = [null, null];
    }
    this.ownCqs = [];
  }

  /**
   * `rdma_connect`: TCP: asks for a connection; outcome ESTABLISHED (CONNECT_RESPONSE without a queue pair), REJECTED, UNREACHABLE. UDP: looks the service up.
   * Throws EINVAL before the route is resolved, for too much private data, or for limits beyond the device's.
   */
  async connect(param: ConnParam = {}): Promise<void> {
    const verb = 'rdma_connect';
    await this.enter(verb, 'ROUTE_RESOLVED');
    const { verbs, path } = this;
    if (verbs === null || path === null) throw new VerbsError(verb, 'EINVAL', 'no route');
    this.checkPrivateData(verb, param.privateData, 'connect');
    this.settleLimits(verb, param, verbs);
    const { lid, pkeys } = verbs.port(verb, this.portNum);
    const session = this.newSession(verbs);
    const pkeyIndex = Math.max(pkeys.indexOf(path.pkey), 0);
    const addresses = this.addresses(this.destination as PortAddress);
    const atPs = this.cm.thread.nowPs;
    if (this.isConnected) {
      const side = this.side(verb, param);
      session.connect(path, this.portNum, lid, pkeyIndex, addresses, side, this.ackTimeout, atPs);
    } else session.lookUp(path, this.portNum, lid, pkeyIndex, addresses, param.privateData ?? EMPTY, atPs);
    this.current = 'CONNECT';
    await this.complete(verb);
  }

  /** `rdma_listen`: requests come as CONNECT_REQUEST events. At most `backlog` (0: 1024) wait unfetched; more are rejected. */
  async listen(backlog = 0): Promise<void> {
    await this.enter('rdma_listen', 'IDLE', 'ADDR_BOUND');
    if (this.current === 'IDLE') this.bind('rdma_listen', { host: '', port: 0 });
    this.cm.listen(this, this.ps, this.srcPort);
    this.#backlog = backlog > 0 && backlog < DEFAULT_BACKLOG ? backlog : DEFAULT_BACKLOG;
    this.current = 'LISTEN';
  }

  /** `rdma_get_request`: the id of the next request on a synchronous listener, with a queue pair if `createEp` was given its attributes. */
  async getRequest(): Promise<RdmaId> {
    const verb = 'rdma_get_request';
    await this.enter(verb, 'LISTEN');
    if (!this.isSync) throw new VerbsError(verb, 'EINVAL', 'the listener has an event channel; requests come there');
    const event = await this.nextEvent();
    if (event.status !== 0) throw new VerbsError(verb, errnoCode(-event.status) ?? 'EINVAL');
    if (event.event !== RdmaCmEventType.CONNECT_REQUEST) throw new VerbsError(verb, 'EINVAL', 'not a request');
    const { id } = event;
    this.event = null;
    id.keepEvent(event, this.events);
    if (this.#requestQp !== null) id.createQp(this.#requestPd, this.#requestQp);
    return id;
  }

  /** `rdma_accept`: TCP: moves the queue pair to RTS and answers; outcome ESTABLISHED. UDP: tells queue pair and Q_Key; no event follows. */
  async accept(param: ConnParam = {}): Promise<void> {
    const verb = 'rdma_accept';
    await this.enter(verb, 'CONNECT');
    const { verbs } = this;
    const session = this.session;
    if (verbs === null || session === null) throw new VerbsError(verb, 'EINVAL', 'no request');
    this.checkPrivateData(verb, param.privateData, 'accept');
    const { request } = session;
    if (request !== null) {
      if (request.isAnswered) throw new VerbsError(verb, 'EINVAL', 'the request is answered');
      request.reply(
        CM_SIDR_OK,
        this.qpNumber(verb, param),
        param.qkey ?? RDMA_UDP_QKEY,
        param.privateData ?? EMPTY,
        this.cm.thread.nowPs,
      );
      return;
    }
    const most = { responder: this.responderResources, initiator: this.initiatorDepth };
    this.settleLimits(verb, param, verbs, most);
    const route = session.route as CmRoute;
    route.responderResources = this.responderResources;
    route.initiatorDepth = this.initiatorDepth;
    const side = this.side(verb, { rnrRetryCount: route.rnrRetryCount, ...param });
    if (this.qp?.type === 'RC') moveToRts(this.qp, route);
    if (!session.accept(side, this.cm.thread.nowPs)) throw new VerbsError(verb, 'EINVAL', 'the request is gone');
    await this.complete(verb);
  }

  /** `rdma_reject`: refuses a request; the peer gets REJECTED with reason 28 and the data. */
  async reject(privateData: Uint8Array = EMPTY): Promise<void> {
    await this.enter('rdma_reject', 'CONNECT');
    this.checkPrivateData('rdma_reject', privateData, 'reject');
    if (!(this.session?.reject(privateData, this.cm.thread.nowPs) ?? false))
      throw new VerbsError('rdma_reject', 'EINVAL', 'nothing to reject');
    this.current = 'DISCONNECT';
  }

  /** `rdma_establish`: for ids without a queue pair: the last step of the asking side after CONNECT_RESPONSE. */
  async establish(): Promise<void> {
    await this.enter('rdma_establish', 'CONNECT');
    if (this.qp !== null)
      throw new VerbsError('rdma_establish', 'EINVAL', 'the id has a queue pair: it is established by the event');
    if (!(this.session?.connection?.sendRtu(EMPTY, this.cm.thread.nowPs) ?? false))
      throw new VerbsError('rdma_establish', 'EINVAL', 'no reply has come');
  }

  /** `rdma_notify` of COMM_EST: data came before the peer's last message. Throws EISCONN when the connection stands already, EINVAL for other events. */
  async notify(event: EventType): Promise<void> {
    await this.enter('rdma_notify', 'CONNECT');
    if (event !== EventType.COMM_EST)
      throw new VerbsError('rdma_notify', 'EINVAL', 'only COMM_EST is for the connection manager');
    const outcome = this.session?.connection?.notifyEstablished() ?? 'EINVAL';
    if (outcome !== 'ok') throw new VerbsError('rdma_notify', outcome);
  }

  /** `rdma_disconnect`: moves the queue pair to ERR and asks to disconnect, or answers the peer's wish. Outcome DISCONNECTED on both sides. */
  async disconnect(): Promise<void> {
    const verb = 'rdma_disconnect';
    await this.enter(verb, 'CONNECT', 'DISCONNECT');
    if (this.session === null) throw new VerbsError(verb, 'EINVAL', 'never connected');
    if (this.qp !== null) moveToError(this.qp);
    const { disconnected } = this.session;
    const began = this.session.disconnect(this.cm.thread.nowPs);
    this.current = 'DISCONNECT';
    if (began && !disconnected) await this.complete(verb);
  }

  /**
   * `rdma_join_multicast`: an IPv4 group address, or a multicast GID. Outcome MULTICAST_JOIN, which tells how to send to the group and attaches the
   * id's queue pair, or MULTICAST_ERROR. `context` comes back in the event.
   */
  async joinMulticast(group: SockAddr | Gid, context?: unknown): Promise<void> {
    const verb = 'rdma_join_multicast';
    await this.enter(verb);
    const { verbs } = this;
    if (verbs === null || this.isConnected) throw new VerbsError(verb, 'EINVAL', 'needs a datagram id that is bound to a device');
    const port = verbs.port(verb, this.portNum);
    const mgid = group instanceof Uint8Array ? group : ipv4MulticastGid(group.host, port.pkeys[0]);
    const joined: JoinedGroup = { key: gidKey(mgid), mgid, group: null, attached: null };
    this.groups.push(joined);
    const { thread, directory } = this.cm;
    const answer = (found: MulticastGroup | null, atPs: Ps) =>
      this.later(atPs - thread.nowPs, null, () => this.#joined(joined, found, context));
    if (directory.paths.join === undefined) answer(null, thread.nowPs);
    else directory.paths.join(mgid, verbs.queryGid(this.portNum, 0), thread.nowPs, answer);
    await this.complete(verb);
  }

  /** `rdma_leave_multicast`. Throws EADDRNOTAVAIL for a group that was not joined. */
  async leaveMulticast(group: SockAddr | Gid): Promise<void> {
    const verb = 'rdma_leave_multicast';
    await this.enter(verb);
    const { verbs } = this;
    if (verbs === null) throw new VerbsError(verb, 'EINVAL', 'the id is bound to no device');
    const mgid = group instanceof Uint8Array ? group : ipv4MulticastGid(group.host, verbs.port(verb, this.portNum).pkeys[0]);
    const joined = this.groups.find((candidate) => candidate.key === gidKey(mgid));
    if (joined === undefined) throw new VerbsError(verb, 'EADDRNOTAVAIL', 'the group was not joined');
    this.#leave(joined);
  }

  /** `rdma_migrate_id`: to another channel, or to synchronous mode with null; pending events go along. Throws EBUSY while events are not acknowledged. */
  migrate(channel: RdmaEventChannel | null): void {
    this.requireOpen('rdma_migrate_id');
    if (this.unacknowledged > 0)
      throw new VerbsError('rdma_migrate_id', 'EBUSY', `${this.unacknowledged} events are not acknowledged`);
    const old = this.events;
    const next = channel ?? this.cm.createEventChannel();
    for (const pending of old.mailbox.remove((candidate) => this.concerns(candidate)))
      next.mailbox.push(this.cm.thread.nowPs, pending);
    next.retain();
    old.release();
    if (this.isSync) old.close();
    this.events = next;
    this.isSync = channel === null;
  }

  /** `rdma_set_option`: `reuseAddr` before binding, `ackTimeout` (code 0 … 31) before connecting. */
  setOption(option: 'reuseAddr' | 'ackTimeout', value: number): void {
    this.requireOpen('rdma_set_option');
    if (option === 'reuseAddr') {
      if (this.current !== 'IDLE') throw new VerbsError('rdma_set_option', 'EINVAL', 'the id is bound');
      this.reusesAddr = value !== 0;
      return;
    }
    if (!(Number.isInteger(value) && value >= 0 && value <= 31))
      throw new VerbsError('rdma_set_option', 'EINVAL', 'a timeout code is 0 … 31');
    this.ackTimeout = value;
  }

  /** `rdma_init_qp_attr`: the attributes with which a queue pair that the program manages itself goes to INIT, RTR and RTS. EINVAL before there is an agreement. */
  initQpAttr(): QpAttr {
    this.requireOpen('rdma_init_qp_attr');
    const route = this.session?.route ?? null;
    if (route === null) throw new VerbsError('rdma_init_qp_attr', 'EINVAL', 'nothing is agreed with a peer');
    return routeAttributes(route);
  }

  /** `rdma_write_cm_event`: puts a USER (or INTERNAL) event of the program's own into the channel. */
  writeEvent(type: RdmaCmEventType, status: number, arg: unknown): void {
    this.requireOpen('rdma_write_cm_event');
    if (type !== RdmaCmEventType.USER && type !== RdmaCmEventType.INTERNAL)
      throw new VerbsError('rdma_write_cm_event', 'EINVAL', 'only USER and INTERNAL events can be written');
    this.post({ event: type, id: this, listenId: null, status, conn: null, ud: null, arg }, this.cm.thread.nowPs);
  }

  /** @internal For `createEp`: what the ids of requests get. */
  setRequestDefaults(pd: ProtectionDomain | null, qp: IdQpOptions | null): void {
    this.#requestPd = pd;
    this.#requestQp = qp;
  }

  /** @internal A peer asks this listener for a connection. */
  requestArrived(connection: CmConnection, req: CmReqRepr): void {
    if (this.waitingRequests >= this.#backlog) {
      connection.sendRej(CM_REJ_CONSUMER, EMPTY, EMPTY, connection.agent.nowPs);
      return;
    }
    const id = this.#requestId(connection.agent.hca, connection.peer.portNum, requestSource(req.privateData));
    const { lid } = (id.verbs as NonNullable<typeof id.verbs>).port('rdma_listen', id.portNum);
    id.newSession(id.verbs as NonNullable<typeof id.verbs>).adopt(connection, req, lid);
    id.responderResources = req.initiatorDepth;
    id.initiatorDepth = req.responderResources;
    this.#announce(id, { conn: requestParam(req), ud: null });
  }

  /** @internal A peer looks this datagram service up. */
  lookupArrived(request: CmLookupRequest): void {
    if (this.waitingRequests >= this.#backlog) {
      request.reply(CM_SIDR_REJECT, 0, 0, EMPTY, request.nowPs);
      return;
    }
    const id = this.#requestId(request.hca, request.peer.portNum, requestSource(request.req.privateData));
    id.newSession(id.verbs as NonNullable<typeof id.verbs>).request = request;
    this.#announce(id, { conn: null, ud: lookupParam(request) });
  }

  /** The id of a request: bound to the device and port on which it came. */
  #requestId(hca: CmLookupRequest['hca'], portNum: number, source: SockAddr): RdmaId {
    const id = new RdmaId(this.cm, this.isSync ? null : this.events, this.ps, this.context);
    const { context, address } = this.cm.arrivedAt(hca, portNum);
    id.verbs = context;
    id.portNum = portNum;
    id.address = address ?? null;
    id.srcAddr = { host: address?.ip ?? '0.0.0.0', port: this.srcPort };
    id.dstAddr = source;
    id.current = 'CONNECT';
    return id;
  }

  #announce(id: RdmaId, param: Pick<RdmaCmEvent, 'conn' | 'ud'>): void {
    this.waitingRequests++;
    const event = { event: RdmaCmEventType.CONNECT_REQUEST, id, listenId: this, status: 0, arg: undefined, ...param };
    this.post(event, this.cm.thread.loop.nowPs);
  }

  #joined(joined: JoinedGroup, group: MulticastGroup | null, arg: unknown): void {
    if (!this.groups.includes(joined)) return;
    if (group === null) {
      this.groups = this.groups.filter((other) => other !== joined);
      this.emit(RdmaCmEventType.MULTICAST_ERROR, -Errno.EINVAL, null, null, arg);
      return;
    }
    joined.group = group;
    const ahAttr = { dlid: group.mlid, sl: group.sl, staticRate: group.rate, portNum: this.portNum, grh: { dgid: group.mgid } };
    const ud = { privateData: EMPTY, ahAttr, qpNum: 0xffffff, qkey: group.qkey };
    this.emit(RdmaCmEventType.MULTICAST_JOIN, 0, null, ud, arg);
  }

  #leave(joined: JoinedGroup): void {
    const { verbs } = this;
    this.groups = this.groups.filter((other) => other !== joined);
    if (joined.attached !== null && joined.group !== null && !joined.attached.isClosed)
      joined.attached.detachMcast(joined.mgid, joined.group.mlid);
    if (verbs !== null) this.cm.directory.paths.leave?.(joined.mgid, verbs.queryGid(this.portNum, 0), this.cm.thread.nowPs);
  }

  protected override destroyNow(): void {
    if (this.qp !== null) throw new VerbsError('rdma_destroy_id', 'EBUSY', 'the id has a queue pair');
    this.acknowledgeOwn();
    if (this.unacknowledged > 0)
      throw new VerbsError(
        'rdma_destroy_id',
        'EBUSY',
        `${this.unacknowledged} events are not acknowledged (C would wait for ever)`,
      );
    const { thread } = this.cm;
    thread.spend(this.cm.callPs);
    for (const joined of [...this.groups]) this.#leave(joined);
    if (this.isListening) this.cm.unlisten(this, this.ps, this.srcPort);
    if (this.srcAddr !== null) this.cm.leavePort(this, this.ps, this.srcPort);
    this.session?.abandon(thread.nowPs);
    for (const pending of this.events.mailbox.remove((candidate) => this.concerns(candidate)))
      if (pending.event.listenId === this) pending.event.id.close();
    this.events.release();
    if (this.isSync) this.events.close();
  }
}
