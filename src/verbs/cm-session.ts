/**
 * One connection or datagram lookup of an id, between the kernel's connection manager and the program: builds the messages, keeps the agreement
 * for the queue pair, and turns what comes back into events.
 */
import type { Ps } from '../sim/index.ts';
import {
  CM_IP_HEADER,
  CM_IP_HEADER_BYTES,
  CM_REJ_CONSUMER,
  CM_SIDR_OK,
  CM_SIDR_REJECT,
  CM_TRANSPORT_RC,
  type CmRejRepr,
  type CmRepRepr,
  type CmReqRepr,
  type CmSidrRepRepr,
  ipServiceId,
  ipv4InHeader,
  parseIpv4,
} from '../wire/index.ts';
import type { AhAttr } from './address-handle.ts';
import type { CmAgent } from './cm-agent.ts';
import type { CmConnection } from './cm-connection.ts';
import type { CmOwner, CmPeer } from './cm-states.ts';
import { ackTimeoutCode, applyReply, type CmRoute, noPath, pathAddress, requestAddress, requestPath } from './cm-route.ts';
import type { CmLookup, CmLookupRequest, LookupOwner } from './cm-sidr.ts';
import {
  type ConnEventParam,
  type PathRecord,
  type PortSpace,
  RdmaCmEventType,
  type SockAddr,
  type UdEventParam,
} from './cm-types.ts';
import { LOCAL_CA_ACK_DELAY } from './device-attr.ts';
import { Errno } from './errors.ts';
import type { Mtu } from './enums.ts';

/** `CMA_CM_RESPONSE_TIMEOUT` and `CMA_MAX_CM_RETRIES` of the kernel: 4.3 s, fifteen times. */
export const CM_RESPONSE_TIMEOUT = 20;
export const MAX_CM_RETRIES = 15;
const EMPTY = new Uint8Array(0);

/** What a session tells its id. */
export interface SessionEvents {
  emit(type: RdmaCmEventType, status: number, conn: ConnEventParam | null, ud: UdEventParam | null): void;
}

/** The two ends of a connection as addresses. */
export interface SessionAddresses {
  readonly portSpace: PortSpace;
  readonly srcIp: string;
  readonly srcPort: number;
  readonly dstIp: string;
  readonly dstPort: number;
}

/** Limits and numbers of one side, settled. */
export interface SideParams {
  readonly qpNum: number;
  readonly srq: boolean;
  readonly responderResources: number;
  readonly initiatorDepth: number;
  readonly flowControl: boolean;
  readonly retryCount: number;
  readonly rnrRetryCount: number;
  readonly privateData: Uint8Array;
}

export class Session implements CmOwner, LookupOwner {
  readonly agent: CmAgent;
  route: CmRoute | null = null;
  connection: CmConnection | null = null;
  /** The question of a datagram service, on the answering side. */
  request: CmLookupRequest | null = null;
  /** DISCONNECTED has been reported. */
  disconnected = false;
  readonly #events: SessionEvents;
  #lookup: CmLookup | null = null;
  #lookupAddress: AhAttr | null = null;

  constructor(agent: CmAgent, events: SessionEvents) {
    this.agent = agent;
    this.#events = events;
  }

  /** Asks for a connection along `path`. */
  connect(
    path: PathRecord,
    portNum: number,
    lid: number,
    pkeyIndex: number,
    addresses: SessionAddresses,
    side: SideParams,
    ackTimeout: number | undefined,
    atPs: Ps,
  ): boolean {
    const localPsn = this.agent.random.uint32() & 0xffffff;
    const timeout = ackTimeout ?? ackTimeoutCode(LOCAL_CA_ACK_DELAY, path.packetLifeTime);
    const { responderResources, initiatorDepth, rnrRetryCount, retryCount } = side;
    const ahAttr = pathAddress(path, portNum, lid);
    this.route = {
      portNum,
      pkeyIndex,
      ahAttr,
      pathMtu: path.mtu,
      timeout,
      retryCount,
      rnrRetryCount,
      responderResources,
      initiatorDepth,
      remoteQpn: 0,
      remotePsn: 0,
      localPsn,
    };
    this.connection = this.agent.createConnection(peerOf(ahAttr, pkeyIndex), this);
    this.connection.timewaitTimeout = timeout;
    const req: CmReqRepr = {
      localCommId: this.connection.localCommId,
      serviceId: ipServiceId(addresses.portSpace, addresses.dstPort),
      localCaGuid: this.agent.caGuid,
      localQKey: 0,
      localQpn: side.qpNum,
      responderResources,
      localEecn: 0,
      initiatorDepth,
      remoteEecn: 0,
      remoteResponseTimeout: CM_RESPONSE_TIMEOUT,
      transport: CM_TRANSPORT_RC,
      endToEndFlowControl: side.flowControl,
      startingPsn: localPsn,
      localResponseTimeout: CM_RESPONSE_TIMEOUT,
      retryCount,
      pKey: path.pkey,
      pathMtu: path.mtu,
      rdcExists: false,
      rnrRetryCount,
      maxCmRetries: MAX_CM_RETRIES,
      srq: side.srq,
      extendedTransport: 0,
      primary: requestPath(path, timeout),
      alternate: noPath(),
      privateData: withIpHeader(addresses, side.privateData),
    };
    return this.connection.sendReq(req, path.packetLifeTime, atPs);
  }

  /** Takes over a connection that a peer asked for. */
  adopt(connection: CmConnection, req: CmReqRepr, lid: number): void {
    connection.owner = this;
    this.connection = connection;
    const { portNum, pkeyIndex } = connection.peer;
    this.route = {
      portNum,
      pkeyIndex,
      ahAttr: requestAddress(req, portNum, lid),
      pathMtu: req.pathMtu as Mtu,
      timeout: req.primary.ackTimeout,
      retryCount: req.retryCount,
      rnrRetryCount: req.rnrRetryCount,
      responderResources: req.initiatorDepth,
      initiatorDepth: req.responderResources,
      remoteQpn: req.localQpn,
      remotePsn: req.startingPsn,
      localPsn: this.agent.random.uint32() & 0xffffff,
    };
  }

  /** Accepts what a peer asked for. */
  accept(side: SideParams, atPs: Ps): boolean {
    const { connection, route } = this;
    if (connection === null || route === null) return false;
    const rep: CmRepRepr = {
      localCommId: connection.localCommId,
      remoteCommId: connection.remoteCommId,
      localQKey: 0,
      localQpn: side.qpNum,
      localEecn: 0,
      startingPsn: route.localPsn,
      responderResources: side.responderResources,
      initiatorDepth: side.initiatorDepth,
      targetAckDelay: LOCAL_CA_ACK_DELAY,
      failoverAccepted: 1,
      endToEndFlowControl: side.flowControl,
      rnrRetryCount: side.rnrRetryCount,
      srq: side.srq,
      localCaGuid: this.agent.caGuid,
      privateData: side.privateData,
    };
    return connection.sendRep(rep, atPs);
  }

  /** Looks a datagram service up. */
  lookUp(
    path: PathRecord,
    portNum: number,
    lid: number,
    pkeyIndex: number,
    addresses: SessionAddresses,
    privateData: Uint8Array,
    atPs: Ps,
  ): void {
    this.#lookupAddress = pathAddress(path, portNum, lid);
    this.#lookup = this.agent.createLookup(peerOf(this.#lookupAddress, pkeyIndex), this);
    const serviceId = ipServiceId(addresses.portSpace, addresses.dstPort);
    const fields = { pKey: path.pkey, serviceId, privateData: withIpHeader(addresses, privateData) };
    this.#lookup.send(fields, CM_RESPONSE_TIMEOUT, MAX_CM_RETRIES, atPs);
  }

  /** Refuses a peer's request of either kind; false when there is none to refuse. */
  reject(privateData: Uint8Array, atPs: Ps): boolean {
    if (this.request !== null) {
      if (this.request.isAnswered) return false;
      this.request.reply(CM_SIDR_REJECT, 0, 0, privateData, atPs);
      return true;
    }
    return this.connection?.sendRej(CM_REJ_CONSUMER, privateData, EMPTY, atPs) ?? false;
  }

  /** Asks to disconnect, or answers the peer's wish; false when neither is the case. */
  disconnect(atPs: Ps): boolean {
    const { connection } = this;
    return connection !== null && (connection.sendDreq(atPs) || connection.sendDrep(atPs));
  }

  /** The id goes away. */
  abandon(atPs: Ps): void {
    this.#lookup?.abandon();
    if (this.request !== null && !this.request.isAnswered) this.request.reply(CM_SIDR_REJECT, 0, 0, EMPTY, atPs);
    this.connection?.abandon(atPs);
  }

  onRep(rep: CmRepRepr): void {
    applyReply(this.route as CmRoute, rep);
    this.#events.emit(RdmaCmEventType.CONNECT_RESPONSE, 0, replyParam(rep), null);
  }

  onEstablished(privateData: Uint8Array): void {
    const { route } = this;
    const param = route === null ? null : establishedParam(route, privateData);
    this.#events.emit(RdmaCmEventType.ESTABLISHED, 0, param, null);
  }

  onRejected(rej: CmRejRepr): void {
    this.#events.emit(RdmaCmEventType.REJECTED, rej.reason, emptyParam(rej.privateData), null);
  }

  onUnreachable(): void {
    this.#events.emit(RdmaCmEventType.UNREACHABLE, -Errno.ETIMEDOUT, null, null);
  }

  onDisconnected(timedOut: boolean): void {
    if (this.disconnected) return;
    this.disconnected = true;
    this.#events.emit(RdmaCmEventType.DISCONNECTED, timedOut ? -Errno.ETIMEDOUT : 0, null, null);
  }

  onTimewaitExit(): void {
    this.#events.emit(RdmaCmEventType.TIMEWAIT_EXIT, 0, null, null);
  }

  onLookupReply(rep: CmSidrRepRepr): void {
    if (rep.status !== CM_SIDR_OK) {
      this.#events.emit(RdmaCmEventType.UNREACHABLE, rep.status, null, null);
      return;
    }
    const ud = { privateData: rep.privateData, ahAttr: this.#lookupAddress as AhAttr, qpNum: rep.qpn, qkey: rep.qKey };
    this.#events.emit(RdmaCmEventType.ESTABLISHED, 0, null, ud);
  }

  onLookupTimeout(): void {
    this.#events.emit(RdmaCmEventType.UNREACHABLE, -Errno.ETIMEDOUT, null, null);
  }
}

/** Who asks: the addresses in front of the private data. */
export function requestSource(privateData: Uint8Array): SockAddr {
  const header = CM_IP_HEADER.parse(privateData);
  return { host: header.sourceAddress.subarray(12).join('.'), port: header.sourcePort };
}

/** What a datagram lookup carries. */
export function lookupParam(request: CmLookupRequest): UdEventParam {
  const { portNum, dlid, sl, srcPathBits } = request.peer;
  const privateData = request.req.privateData.slice(CM_IP_HEADER_BYTES);
  return { privateData, ahAttr: { dlid, sl, srcPathBits, portNum }, qpNum: 0, qkey: 0 };
}

/** Parameters that a REQ carries, as the asked side sees them. */
export function requestParam(req: CmReqRepr): ConnEventParam {
  return {
    privateData: req.privateData.slice(CM_IP_HEADER_BYTES),
    responderResources: req.initiatorDepth,
    initiatorDepth: req.responderResources,
    flowControl: req.endToEndFlowControl,
    retryCount: req.retryCount,
    rnrRetryCount: req.rnrRetryCount,
    srq: req.srq,
    qpNum: req.localQpn,
  };
}

function replyParam(rep: CmRepRepr): ConnEventParam {
  return {
    privateData: rep.privateData,
    responderResources: rep.initiatorDepth,
    initiatorDepth: rep.responderResources,
    flowControl: rep.endToEndFlowControl,
    retryCount: 0,
    rnrRetryCount: rep.rnrRetryCount,
    srq: rep.srq,
    qpNum: rep.localQpn,
  };
}

function establishedParam(route: CmRoute, privateData: Uint8Array): ConnEventParam {
  const { responderResources, initiatorDepth, rnrRetryCount, remoteQpn } = route;
  return {
    privateData,
    responderResources,
    initiatorDepth,
    flowControl: false,
    retryCount: 0,
    rnrRetryCount,
    srq: false,
    qpNum: remoteQpn,
  };
}

function emptyParam(privateData: Uint8Array): ConnEventParam {
  const zeros = {
    responderResources: 0,
    initiatorDepth: 0,
    flowControl: false,
    retryCount: 0,
    rnrRetryCount: 0,
    srq: false,
    qpNum: 0,
  };
  return { privateData, ...zeros };
}

function peerOf(address: AhAttr, pkeyIndex: number): CmPeer {
  const { portNum = 1, dlid, sl = 0, srcPathBits = 0 } = address;
  return { portNum, dlid, sl, srcPathBits, pkeyIndex };
}

/** Private data with the addresses in front (IBA annex A11). */
function withIpHeader(addresses: SessionAddresses, privateData: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(CM_IP_HEADER_BYTES + privateData.length);
  const address = (ip: string) => ipv4InHeader(parseIpv4(ip) ?? new Uint8Array(4));
  CM_IP_HEADER.emit(
    {
      majorVersion: 0,
      minorVersion: 0,
      ipVersion: 4,
      sourcePort: addresses.srcPort,
      sourceAddress: address(addresses.srcIp),
      destinationAddress: address(addresses.dstIp),
    },
    bytes,
  );
  bytes.set(privateData, CM_IP_HEADER_BYTES);
  return bytes;
}
