/**
 * What IPoIB's connected mode says to the connection manager (RFC 4755): the service, the private data of REQ and REP, and the terms of a connection.
 *
 * Connections carry data one way, as Linux's do: whoever wants to send asks for one, and two hosts that talk have two. So simultaneous requests do not
 * meet, and there is no tie to break.
 */
import { CM_TRANSPORT_RC, type CmRepRepr, type CmReqRepr } from '../../wire/index.ts';
import {
  ackTimeoutCode,
  type CmRoute,
  type Mtu,
  noPath,
  type PathRecord,
  pathAddress,
  requestAddress,
  requestPath,
} from '../../verbs/index.ts';
import { readU32, writeU32 } from '../bytes.ts';
import { CONNECTED_MTU, ENCAPSULATION_BYTES } from './link-address.ts';
import type { Link } from './link.ts';

/** Services of IPoIB are this and the number of the datagram queue pair: the base that Linux uses (`IPOIB_CM_IETF_ID`). */
const SERVICE_BASE = 0x1000_0000_0000_0000n;
/** Largest message that a receiver here takes: packet and header. */
export const RECEIVE_BYTES = CONNECTED_MTU + ENCAPSULATION_BYTES;
/** 4.096 us × 2^20 = 4.3 s, as `ipoib_cm_send_req` has it. */
const RESPONSE_TIMEOUT = 20;
const CM_RETRIES = 15;
const RESPONDER_RESOURCES = 4;

/** The service at which the interface whose datagram queue pair is `qpn` takes connections. */
export function serviceId(qpn: number): bigint {
  return SERVICE_BASE | BigInt(qpn);
}

/** Private data of both messages: the sender's datagram queue pair and the largest message it takes, 32 bits each. */
export interface ConnectionData {
  readonly qpn: number;
  readonly receiveBytes: number;
}

export function connectionData(qpn: number): Uint8Array {
  const bytes = new Uint8Array(8);
  writeU32(bytes, 0, qpn);
  writeU32(bytes, 4, RECEIVE_BYTES);
  return bytes;
}

export function readConnectionData(bytes: Uint8Array): ConnectionData {
  return { qpn: readU32(bytes, 0) & 0xffffff, receiveBytes: readU32(bytes, 4) };
}

/** What the queue pair of the asking side is set to, as far as it is known before the answer. */
export function askingRoute(link: Link, path: PathRecord, caAckDelay: number, psn: number): CmRoute {
  return {
    portNum: link.portNum,
    pkeyIndex: link.pkeyIndex,
    ahAttr: pathAddress(path, link.portNum, link.lid),
    pathMtu: path.mtu,
    timeout: ackTimeoutCode(caAckDelay, path.packetLifeTime),
    // RFC 4755, 7.1, warns of two layers that send again.
    retryCount: 0,
    rnrRetryCount: 0,
    responderResources: RESPONDER_RESOURCES,
    initiatorDepth: 0,
    remoteQpn: 0,
    remotePsn: 0,
    localPsn: psn,
  };
}

/** What the queue pair of the asked side is set to. */
export function askedRoute(link: Link, req: CmReqRepr, psn: number): CmRoute {
  return {
    portNum: link.portNum,
    pkeyIndex: link.pkeyIndex,
    ahAttr: requestAddress(req, link.portNum, link.lid),
    pathMtu: req.pathMtu as Mtu,
    timeout: req.primary.ackTimeout,
    retryCount: req.retryCount,
    rnrRetryCount: req.rnrRetryCount,
    responderResources: 0,
    initiatorDepth: 0,
    remoteQpn: req.localQpn,
    remotePsn: req.startingPsn,
    localPsn: psn,
  };
}

/** A request for a connection by queue pair `qpn` to the interface whose datagram queue pair is `remoteQpn`. */
export function connectRequest(
  link: Link,
  path: PathRecord,
  route: CmRoute,
  ids: { commId: number; caGuid: bigint; qpn: number; remoteQpn: number },
): CmReqRepr {
  return {
    localCommId: ids.commId,
    serviceId: serviceId(ids.remoteQpn),
    localCaGuid: ids.caGuid,
    localQKey: 0,
    localQpn: ids.qpn,
    responderResources: RESPONDER_RESOURCES,
    localEecn: 0,
    initiatorDepth: 0,
    remoteEecn: 0,
    remoteResponseTimeout: RESPONSE_TIMEOUT,
    transport: CM_TRANSPORT_RC,
    endToEndFlowControl: false,
    startingPsn: route.localPsn,
    localResponseTimeout: RESPONSE_TIMEOUT,
    retryCount: route.retryCount,
    pKey: link.pkey,
    pathMtu: path.mtu,
    rdcExists: false,
    rnrRetryCount: route.rnrRetryCount,
    maxCmRetries: CM_RETRIES,
    srq: true,
    extendedTransport: 0,
    primary: requestPath(path, route.timeout),
    alternate: noPath(),
    privateData: connectionData(link.qp.qpNum),
  };
}

/** The answer to a request, from queue pair `qpn`. */
export function connectReply(
  link: Link,
  route: CmRoute,
  ids: { commId: number; remoteCommId: number; caGuid: bigint; qpn: number; ackDelay: number },
): CmRepRepr {
  return {
    localCommId: ids.commId,
    remoteCommId: ids.remoteCommId,
    localQKey: 0,
    localQpn: ids.qpn,
    localEecn: 0,
    startingPsn: route.localPsn,
    responderResources: route.responderResources,
    initiatorDepth: route.initiatorDepth,
    targetAckDelay: ids.ackDelay,
    failoverAccepted: 0,
    endToEndFlowControl: false,
    rnrRetryCount: 0,
    srq: true,
    localCaGuid: ids.caGuid,
    privateData: connectionData(link.qp.qpNum),
  };
}
