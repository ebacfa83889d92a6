/**
 * What each command of the device channel means to the adapter's driver. Every number in a command may be anything: whether it names an object of the guest's is for `OwnedObjects` to say.
 */
import type { VibRequest } from '../hypervisor/index.ts';
import type { Ps } from '../sim/index.ts';
import { type Adapter, Errno, failed, type OwnedObjects, type Outcome, QpAttrMask } from '../verbs/index.ts';

type ModifyQp = Extract<VibRequest, { readonly command: 'modifyQp' }>;
type WithAddress = Pick<
  ModifyQp,
  | 'dlid'
  | 'sl'
  | 'srcPathBits'
  | 'staticRate'
  | 'avPort'
  | 'isGlobal'
  | 'hopLimit'
  | 'flowLabel'
  | 'trafficClass'
  | 'sgidIndex'
  | 'dgid'
>;
/** What the channel itself does, not the adapter's driver. */
export type ChannelCommand = 'sendMad' | 'listen' | 'unlisten';
export type DriverRequest = Exclude<VibRequest, { readonly command: ChannelCommand }>;

/** Time that the native driver takes for a command. */
export function nativePs(request: VibRequest, { profile }: Adapter): Ps {
  if (request.command === 'regMr') return profile.registerPs + request.pages * profile.registerPagePs;
  return request.command === 'sendMad' ? profile.postPs : profile.controlPs;
}

/** Carries a command out at `atPs`. */
export function carryOut(objects: OwnedObjects, request: DriverRequest, atPs: Ps): Outcome {
  const r = request;
  switch (r.command) {
    case 'queryDevice':
    case 'queryPort':
    case 'queryGid':
    case 'queryPkey':
      return query(objects.hca, r);
    case 'allocUar':
      return objects.allocUar();
    case 'deallocUar':
      return objects.deallocUar(r.uar);
    case 'allocPd':
      return objects.allocPd();
    case 'deallocPd':
      return objects.deallocPd(r.pd);
    case 'regMr':
      return objects.regMr(r, r.pages, null);
    case 'deregMr':
      return objects.deregMr(r.lkey);
    case 'allocMw':
      return objects.allocMw(r.pd, r.type);
    case 'deallocMw':
      return objects.deallocMw(r.index);
    case 'createChannel':
      return objects.createChannel();
    case 'destroyChannel':
      return objects.destroyChannel(r.channel);
    case 'createCq':
      return objects.createCq(r.cqe, r.channel);
    case 'resizeCq':
      return objects.resizeCq(r.cq, r.cqe);
    case 'modifyCq':
      return objects.modifyCq(r.cq, r.count, r.periodUs);
    case 'destroyCq':
      return objects.destroyCq(r.cq);
    case 'createSrq':
      return objects.createSrq(r.pd, r.maxWr, r.maxSge);
    case 'modifySrq':
      return objects.modifySrq(r.srq, r.limit);
    case 'querySrq':
      return objects.querySrq(r.srq);
    case 'destroySrq':
      return objects.destroySrq(r.srq);
    case 'createQp':
      return objects.createQp(r);
    case 'modifyQp':
      return objects.modifyQp(r.qpn, attributes(r), r.mask, atPs);
    case 'queryQp':
      return objects.queryQp(r.qpn);
    case 'destroyQp':
      return objects.destroyQp(r.qpn);
    case 'createAh':
      return objects.createAh(r.pd, vector(r));
    case 'destroyAh':
      return objects.destroyAh(r.ah);
    case 'attachMcast':
      return objects.attachMcast(r.qpn, r.gid, r.lid);
    case 'detachMcast':
      return objects.detachMcast(r.qpn, r.gid, r.lid);
  }
}

type Query = Extract<VibRequest, { readonly command: 'queryDevice' | 'queryPort' | 'queryGid' | 'queryPkey' }>;

function query({ profile, config }: Adapter, r: Query): Outcome {
  const give = (answer: Outcome['answer']): Outcome => ({ errno: 0, answer, object: null });
  if (r.command === 'queryDevice') {
    const { maxQp, maxCq, maxMr, maxPd, maxSrq, maxAh, maxQpWr, maxCqe, maxSge } = profile;
    const sizes = { maxQp, maxCq, maxMr, maxPd, maxSrq, maxAh, maxQpWr, maxCqe, maxSge };
    return give({ nodeGuid: config.nodeGuid, ports: config.ports.length, ...sizes });
  }
  const port = config.ports.find((candidate) => candidate.portNumber === r.portNum);
  if (port === undefined) return failed(Errno.EINVAL);
  if (r.command === 'queryPort') {
    const { state, lmc, lid, smLid, mtuBytes, pkeys } = port;
    return give({ state, lmc, lid, smLid, mtu: mtuBytes, pkeys: pkeys.length });
  }
  if (r.command === 'queryPkey') {
    const pkey = port.pkeys[r.index];
    return pkey === undefined ? failed(Errno.EINVAL) : give({ pkey });
  }
  return r.index === 0 ? give({ gid: gidOf(port) }) : failed(Errno.EINVAL);
}

function gidOf({ gidPrefix, portGuid }: { readonly gidPrefix: bigint; readonly portGuid: bigint }): Uint8Array {
  const gid = new Uint8Array(16);
  const view = new DataView(gid.buffer);
  view.setBigUint64(0, gidPrefix);
  view.setBigUint64(8, portGuid);
  return gid;
}

function vector(r: WithAddress): NonNullable<Parameters<OwnedObjects['createAh']>[1]> {
  const { dlid, sl, srcPathBits, staticRate, avPort, dgid, flowLabel, sgidIndex, hopLimit, trafficClass } = r;
  const grh = r.isGlobal === 0 ? null : { dgid, flowLabel, sgidIndex, hopLimit, trafficClass };
  return { dlid, sl, srcPathBits, staticRate, portNum: avPort, grh };
}

/** The attributes that the mask names. */
function attributes(r: ModifyQp): Parameters<OwnedObjects['modifyQp']>[1] {
  const M = QpAttrMask;
  const named = <T>(bit: number, value: T): T | undefined => ((r.mask & bit) === 0 ? undefined : value);
  return {
    qpState: named(M.STATE, r.qpState),
    curQpState: named(M.CUR_STATE, r.curQpState),
    pathMtu: named(M.PATH_MTU, r.pathMtu),
    pathMigState: named(M.PATH_MIG_STATE, r.pathMigState),
    qkey: named(M.QKEY, r.qkey),
    rqPsn: named(M.RQ_PSN, r.rqPsn & 0xffffff),
    sqPsn: named(M.SQ_PSN, r.sqPsn & 0xffffff),
    destQpNum: named(M.DEST_QPN, r.destQpNum),
    qpAccessFlags: named(M.ACCESS_FLAGS, r.qpAccessFlags),
    av: named(M.AV, vector(r)),
    pkeyIndex: named(M.PKEY_INDEX, r.pkeyIndex),
    enSqdAsyncNotify: named(M.EN_SQD_ASYNC_NOTIFY, r.drainNotify !== 0),
    maxRdAtomic: named(M.MAX_QP_RD_ATOMIC, r.maxRdAtomic),
    maxDestRdAtomic: named(M.MAX_DEST_RD_ATOMIC, r.maxDestRdAtomic),
    minRnrTimer: named(M.MIN_RNR_TIMER, r.minRnrTimer),
    portNum: named(M.PORT, r.portNum),
    timeout: named(M.TIMEOUT, r.timeout),
    retryCnt: named(M.RETRY_CNT, r.retryCnt),
    rnrRetry: named(M.RNR_RETRY, r.rnrRetry),
  };
}
