/**
 * What a connection's queue pairs are set to: the path and limits that REQ and REP have agreed on, as attributes
 * (Linux `cm_init_qp_init_attr`, `cm_init_qp_rtr_attr`, `cm_init_qp_rts_attr`).
 */
import type { CmRepRepr, CmReqRepr } from '../wire/index.ts';
import type { AhAttr } from './address-handle.ts';
import { type PathRecord, RDMA_UDP_QKEY } from './cm-types.ts';
import { Access, type Mtu, QpState, type Rate } from './enums.ts';
import { gidPrefix } from './gid.ts';
import type { QpAttr } from './qp-attr.ts';
import type { AnyQueuePair, QueuePair } from './queue-pair.ts';

/** The agreement, from this side. */
export interface CmRoute {
  readonly portNum: number;
  readonly pkeyIndex: number;
  readonly ahAttr: AhAttr;
  readonly pathMtu: Mtu;
  /** Local ACK timeout code. */
  readonly timeout: number;
  readonly retryCount: number;
  rnrRetryCount: number;
  responderResources: number;
  initiatorDepth: number;
  remoteQpn: number;
  /** First PSN of the peer, and of this side. */
  remotePsn: number;
  localPsn: number;
}

/** `cm_ack_timeout`: a code whose time covers twice the packet life time and the adapter's delay, without adding powers of two exactly. */
export function ackTimeoutCode(caAckDelay: number, packetLifeTime: number): number {
  let code = packetLifeTime + 1;
  if (code >= caAckDelay) code += caAckDelay >= code - 1 ? 1 : 0;
  else code = caAckDelay + (code >= caAckDelay - 1 ? 1 : 0);
  return Math.min(31, code);
}

/** Address attributes of a path; with a GRH when the other end is in another subnet. */
export function pathAddress(path: PathRecord, portNum: number, lid: number): AhAttr {
  const address = { dlid: path.dlid, sl: path.sl, srcPathBits: path.slid - lid, staticRate: path.rate, portNum };
  if (gidPrefix(path.sgid) === gidPrefix(path.dgid)) return address;
  const { flowLabel = 0, hopLimit = 64, trafficClass = 0 } = path;
  return { ...address, grh: { dgid: path.dgid, sgidIndex: 0, flowLabel, hopLimit, trafficClass } };
}

/** The way back along the path of a REQ. */
export function requestAddress(req: CmReqRepr, portNum: number, lid: number): AhAttr {
  const { primary } = req;
  const address = {
    dlid: primary.localLid,
    sl: primary.sl,
    srcPathBits: primary.remoteLid - lid,
    staticRate: primary.packetRate as Rate,
    portNum,
  };
  if (primary.subnetLocal) return address;
  const { flowLabel, hopLimit, trafficClass } = primary;
  return { ...address, grh: { dgid: primary.localGid, sgidIndex: 0, flowLabel, hopLimit, trafficClass } };
}

/** The path part of a REQ. */
export function requestPath(path: PathRecord, ackTimeout: number): CmReqRepr['primary'] {
  return {
    localLid: path.slid,
    remoteLid: path.dlid,
    localGid: path.sgid,
    remoteGid: path.dgid,
    flowLabel: path.flowLabel ?? 0,
    packetRate: path.rate,
    trafficClass: path.trafficClass ?? 0,
    hopLimit: path.hopLimit ?? 0,
    sl: path.sl,
    subnetLocal: gidPrefix(path.sgid) === gidPrefix(path.dgid),
    ackTimeout,
  };
}

/** An absent alternate path: all zero. */
export function noPath(): CmReqRepr['primary'] {
  const gid = new Uint8Array(16);
  const zeros = { flowLabel: 0, packetRate: 0, trafficClass: 0, hopLimit: 0, sl: 0, subnetLocal: false, ackTimeout: 0 };
  return { localLid: 0, remoteLid: 0, localGid: gid, remoteGid: gid, ...zeros };
}

/** What a REP changes in the agreement of the side that asked. */
export function applyReply(route: CmRoute, rep: CmRepRepr): void {
  route.remoteQpn = rep.localQpn;
  route.remotePsn = rep.startingPsn;
  route.initiatorDepth = Math.min(route.initiatorDepth, rep.responderResources);
  route.responderResources = rep.initiatorDepth;
  route.rnrRetryCount = rep.rnrRetryCount;
}

/** What a fresh queue pair of an id is set to, so that receives can be posted. */
export function moveToInit(qp: QueuePair<'RC'>, portNum: number, pkeyIndex: number, responderResources: number): void {
  const remote = responderResources > 0 ? Access.REMOTE_READ | Access.REMOTE_ATOMIC : 0;
  qp.modify({ qpState: QpState.INIT, portNum, pkeyIndex, qpAccessFlags: Access.LOCAL_WRITE | Access.REMOTE_WRITE | remote });
}

/** INIT again with the final rights, then RTR and RTS. */
export function moveToRts(qp: QueuePair<'RC'>, route: CmRoute): void {
  moveToInit(qp, route.portNum, route.pkeyIndex, route.responderResources);
  qp.modify({
    qpState: QpState.RTR,
    ahAttr: route.ahAttr,
    pathMtu: route.pathMtu,
    destQpNum: route.remoteQpn,
    rqPsn: route.remotePsn,
    maxDestRdAtomic: route.responderResources,
    minRnrTimer: 0,
  });
  qp.modify({
    qpState: QpState.RTS,
    sqPsn: route.localPsn,
    timeout: route.timeout,
    retryCnt: route.retryCount,
    rnrRetry: route.rnrRetryCount,
    maxRdAtomic: route.initiatorDepth,
  });
}

/** Everything that a connected queue pair is set to, for a program that makes the transitions itself. */
export function routeAttributes(route: CmRoute): QpAttr {
  const remote = route.responderResources > 0 ? Access.REMOTE_READ | Access.REMOTE_ATOMIC : 0;
  return {
    pkeyIndex: route.pkeyIndex,
    portNum: route.portNum,
    qpAccessFlags: Access.LOCAL_WRITE | Access.REMOTE_WRITE | remote,
    ahAttr: route.ahAttr,
    pathMtu: route.pathMtu,
    destQpNum: route.remoteQpn,
    rqPsn: route.remotePsn,
    maxDestRdAtomic: route.responderResources,
    minRnrTimer: 0,
    sqPsn: route.localPsn,
    timeout: route.timeout,
    retryCnt: route.retryCount,
    rnrRetry: route.rnrRetryCount,
    maxRdAtomic: route.initiatorDepth,
  };
}

/** A datagram queue pair is ready at once. */
export function makeDatagramReady(qp: QueuePair<'UD'>, portNum: number, pkeyIndex: number): void {
  qp.activate({ qkey: RDMA_UDP_QKEY, portNum, pkeyIndex });
}

/** To ERR, unless it is there or never left RESET. */
export function moveToError(qp: AnyQueuePair): void {
  if (qp.isClosed || qp.state === QpState.RESET || qp.state === QpState.ERR) return;
  if (qp.type === 'RC') qp.modify({ qpState: QpState.ERR });
  else if (qp.type === 'UC') qp.modify({ qpState: QpState.ERR });
  else qp.modify({ qpState: QpState.ERR });
}
