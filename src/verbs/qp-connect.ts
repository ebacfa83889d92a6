/**
 * Connecting two queue pairs whose programs exchange what they must know by themselves, as perftest and the pingpong examples do over TCP.
 */
import type { Context } from './context.ts';
import { Access, bytesToMtu, type Mtu, QpState } from './enums.ts';
import { type Gid, makeGid } from './gid.ts';
import type { QueuePair } from './queue-pair.ts';

/** What a peer must know of a queue pair; can be sent over the out-of-band channel as it is. */
export interface QpEndpoint {
  readonly lid: number;
  readonly qpNum: number;
  /** First packet sequence number that this side will send. */
  readonly psn: number;
  readonly gid: Gid;
  /** The port's active MTU. */
  readonly mtu: Mtu;
}

export interface ConnectOptions {
  /** Default 1. */
  readonly portNum?: number;
  /** Default: the smaller of both ports' active MTUs. */
  readonly mtu?: Mtu;
  /** Default: that of the path record, else 0. */
  readonly sl?: number;
  readonly srcPathBits?: number;
  readonly pkeyIndex?: number;
  /** First PSN of this side, the one that its `endpoint` told; default as there. */
  readonly psn?: number;
  /** `Access` bits that the peer may use; default all remote rights. */
  readonly access?: number;
  /** Local ACK timeout code, default 14 (67 ms). */
  readonly timeout?: number;
  /** Default 7. */
  readonly retryCnt?: number;
  /** Default 7: for ever. */
  readonly rnrRetry?: number;
  /** RNR timer code, default 12 (0.64 ms). */
  readonly minRnrTimer?: number;
  /** RDMA reads and atomics that this side has under way; default: as many as both devices allow if they are alike. */
  readonly maxRdAtomic?: number;
  /** Those that it takes from the peer. */
  readonly maxDestRdAtomic?: number;
  /** Sends a GRH. */
  readonly global?: boolean;
}

/** A first PSN that differs between queue pairs and is the same in every run. */
function defaultPsn(qpNum: number): number {
  return Math.imul(qpNum, 0x9e3779b1) & 0xffffff;
}

/** See `QueuePair.endpoint`. */
export function describeEndpoint(context: Context, qpNum: number, portNum: number, psn = defaultPsn(qpNum)): QpEndpoint {
  const port = context.port('ibv_query_port', portNum);
  return {
    lid: port.lid,
    qpNum,
    psn,
    gid: makeGid(port.gidPrefix, port.portGuid),
    mtu: bytesToMtu(port.mtuBytes) as Mtu,
  };
}

/** See `QueuePair.connect`. */
export function connectQp(qp: QueuePair<'RC'> | QueuePair<'UC'>, peer: QpEndpoint, options: ConnectOptions): void {
  const { portNum = 1, pkeyIndex = 0, psn = defaultPsn(qp.qpNum), srcPathBits = 0 } = options;
  const { sl = qp.context.pathSl(portNum, peer.lid) ?? 0 } = options;
  const { maxQpRdAtomic, maxQpInitRdAtomic } = qp.context.profile;
  const port = qp.context.port('ibv_modify_qp', portNum);
  const rights = Access.LOCAL_WRITE | Access.REMOTE_WRITE;
  const all = qp.type === 'RC' ? rights | Access.REMOTE_READ | Access.REMOTE_ATOMIC : rights;
  const address = { dlid: peer.lid, sl, srcPathBits, portNum };
  const route = {
    ahAttr: options.global ? { ...address, grh: { dgid: peer.gid, sgidIndex: 0 } } : address,
    pathMtu: options.mtu ?? (Math.min(peer.mtu, bytesToMtu(port.mtuBytes) as Mtu) as Mtu),
    destQpNum: peer.qpNum,
    rqPsn: peer.psn,
  };
  const init = { qpState: QpState.INIT, pkeyIndex, portNum, qpAccessFlags: options.access ?? all };
  if (qp.type === 'UC') {
    qp.modify(init);
    qp.modify({ qpState: QpState.RTR, ...route });
    qp.modify({ qpState: QpState.RTS, sqPsn: psn });
    return;
  }
  const { timeout = 14, retryCnt = 7, rnrRetry = 7, minRnrTimer = 12 } = options;
  const { maxRdAtomic = Math.min(maxQpInitRdAtomic, maxQpRdAtomic), maxDestRdAtomic = maxQpRdAtomic } = options;
  qp.modify(init);
  qp.modify({ qpState: QpState.RTR, ...route, maxDestRdAtomic, minRnrTimer });
  qp.modify({ qpState: QpState.RTS, sqPsn: psn, timeout, retryCnt, rnrRetry, maxRdAtomic });
}
