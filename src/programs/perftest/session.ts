/**
 * Everything around a test: the device, memory, queues and queue pairs, the exchange of addresses with the other side, and what is printed on the way.
 * Sizes, attributes and their values are those of perftest's ctx_init, set_up_connection and ctx_connect.
 */
import {
  Access,
  type AhAttr,
  type Context,
  type CompletionChannel,
  type CompletionQueue,
  type MemoryRegion,
  type AddressHandle,
  bytesToMtu,
  maskOf,
  type Mtu,
  mtuToBytes,
  PortState,
  type ProgramContext,
  type ProtectionDomain,
  type QpAttr,
  type QpCap,
  QpState,
  type QueuePair,
  type SharedReceiveQueue,
} from '../../verbs/index.ts';
import { throwIssues } from '../options.ts';
import { type CmConnection, connectByCm, type QpParts } from './cm.ts';
import { Completions } from './completions.ts';
import { DEFAULT_QKEY, isRoundTrip, type Parameters } from './parameters.ts';
import { addressLines, type Destination, RESULT_LINE, type TestFacts, testInfo, titleLine } from './report.ts';

/** Memory used in turn by small messages: a page. */
export const CYCLE_BYTES = 4096;
export const CACHE_LINE = 64;
/** Room for the GRH in front of a datagram. */
export const GRH_BYTES = 40;

/** perftest's inline limits of latency tests. */
const INLINE_WRITE = 220;
const INLINE_SEND = 236;
const INLINE_SEND_UD = 188;
const MIN_RNR_TIMER = 12;

/** One queue pair of a test, with its memory and its other end. */
export interface TestQp {
  readonly qp: QueuePair;
  readonly mr: MemoryRegion;
  /** Where its messages are sent from, and where the other side's arrive, as offsets in `mr`. */
  readonly sendOffset: number;
  readonly recvOffset: number;
  readonly local: Destination;
  remote: Destination;
  ah: AddressHandle | null;
}

export interface Session {
  readonly p: Parameters;
  readonly tool: string;
  readonly program: ProgramContext;
  readonly facts: TestFacts;
  readonly qps: readonly TestQp[];
  readonly srq: SharedReceiveQueue | null;
  readonly sends: Completions;
  readonly receives: Completions;
  /** Of the queue pairs that rdma_cm connected. */
  readonly connections: readonly CmConnection[];
  /** Waits for the other side. */
  sync(): Promise<void>;
  /** Exchanges a value with it. */
  exchange<T>(value: T): Promise<T>;
}

/** Opens the device and connects, printing what perftest prints until the column titles. */
export async function openSession(tool: string, program: ProgramContext, p: Parameters): Promise<Session> {
  const exchange = <T>(value: T) => program.peers.exchange<T>(1 - program.rank, value);
  const ctx = openDevice(tool, program, p);
  const facts = await agreeOnFacts(tool, ctx, p, exchange);
  const resources = createResources(ctx, p);
  const parts = { ...resources, cap: capOf(p, facts, resources.srq !== null) };
  const connections = p.rdmaCm ? await connectByCm(program, p, parts, facts.outReads, () => exchange(null)) : [];
  const qps = createQps(program, ctx, p, facts, resources, (i) => connections[i]?.qp ?? newQp(p, parts));
  const session: Session = {
    p,
    tool,
    program,
    facts,
    qps,
    connections,
    srq: resources.srq,
    sends: new Completions(resources.sendCq, resources.sendChannel),
    receives: new Completions(resources.recvCq, resources.recvChannel),
    exchange,
    sync: async () => void (await exchange(null)),
  };
  if (p.output === 'full') for (const line of testInfo(p, facts)) program.log(line);
  const remotes = await exchange(qps.map((qp) => qp.local));
  qps.forEach((qp, i) => {
    qp.remote = remotes[i] as Destination;
    if (!p.rdmaCm) connect(session, resources.pd, qp, i);
  });
  if (p.output === 'full' && qps[0] !== undefined) warnOfSl(session, qps[0]);
  await session.sync();
  printAddresses(session);
  if (p.useEvent) {
    session.sends.arm();
    session.receives.arm();
  }
  return session;
}

/** The column titles, with the line above them. */
export function printTitles(session: Session): void {
  if (session.p.output !== 'full') return;
  session.program.log(RESULT_LINE);
  session.program.log(titleLine(session.p));
}

function openDevice(tool: string, program: ProgramContext, p: Parameters): Context {
  const problem = (path: string, message: string) => throwIssues([{ file: tool, path, message }]);
  if (program.size !== 2) problem('', `runs on two nodes, a server and a client; found ${program.size}`);
  if (p.device !== null && !program.devices.includes(p.device))
    problem('-d', `found ${p.device}, accepted ${program.devices.join(', ')}`);
  const ctx = p.device === null ? program.ctx : program.open(p.device);
  const attr = ctx.queryDevice();
  if (p.port > attr.physPortCnt) problem('-i', `${ctx.deviceName} has ${attr.physPortCnt} port(s); found ${p.port}`);
  const port = ctx.queryPort(p.port);
  if (port.state !== PortState.ACTIVE) problem('-i', `port ${p.port} of ${ctx.deviceName} is not active (state ${port.state})`);
  if (p.pkeyIndex >= port.pkeyTblLen) problem('--pkey_index', `found ${p.pkeyIndex}, accepted 0 to ${port.pkeyTblLen - 1}`);
  if (p.gidIndex >= port.gidTblLen) problem('-x', `found ${p.gidIndex}, accepted 0 to ${port.gidTblLen - 1}`);
  if (p.inlineSize > attr.maxInlineData)
    problem('-I', `found ${p.inlineSize}, accepted 0 to ${attr.maxInlineData}, what ${ctx.deviceName} can`);
  return ctx;
}

/** MTU (the smaller of both sides'), inline limit, outstanding reads; a datagram is cut to the MTU. */
async function agreeOnFacts(
  tool: string,
  ctx: Context,
  p: Parameters,
  exchange: <T>(value: T) => Promise<T>,
): Promise<TestFacts> {
  const attr = ctx.queryDevice();
  const active = mtuToBytes(ctx.queryPort(p.port).activeMtu);
  if (p.mtuBytes > active)
    throwIssues([
      {
        file: tool,
        path: '-m',
        message: `Requested mtu is higher than active mtu; found ${p.mtuBytes}, accepted up to ${active}`,
      },
    ]);
  const own = p.mtuBytes === 0 ? active : p.mtuBytes;
  const mtuBytes = Math.min(own, await exchange(own));
  if (p.connection === 'UD' && p.size > mtuBytes) {
    if (p.sizeGiven && !p.all)
      throwIssues([
        {
          file: tool,
          path: '-s',
          message: `Max message size in UD cannot be greater than MTU; found ${p.size}, accepted up to ${mtuBytes}`,
        },
      ]);
    p.size = mtuBytes;
  }
  if (p.outReads > attr.maxQpRdAtom)
    throwIssues([
      {
        file: tool,
        path: '-o',
        message: `Number of outstanding reads is above max; found ${p.outReads}, accepted up to ${attr.maxQpRdAtom}`,
      },
    ]);
  const outReads = isRoundTrip(p.verb) ? (p.outReads === 0 ? attr.maxQpRdAtom : p.outReads) : 1;
  return { deviceName: ctx.deviceName, mtuBytes, inlineSize: Math.min(inlineLimit(p), attr.maxInlineData), outReads };
}

function inlineLimit(p: Parameters): number {
  if (p.inlineSize >= 0) return p.inlineSize;
  if (p.test === 'BW' || isRoundTrip(p.verb)) return 0;
  if (p.verb === 'WRITE' || p.verb === 'WRITE_IMM') return INLINE_WRITE;
  return p.connection === 'UD' ? INLINE_SEND_UD : INLINE_SEND;
}

interface Resources {
  readonly pd: ProtectionDomain;
  readonly sendChannel: CompletionChannel | null;
  readonly recvChannel: CompletionChannel | null;
  readonly sendCq: CompletionQueue;
  readonly recvCq: CompletionQueue;
  readonly srq: SharedReceiveQueue | null;
  /** One for all queue pairs, or one each. */
  readonly regions: readonly MemoryRegion[];
  /** Bytes of one queue pair's send or receive half. */
  readonly stride: number;
}

function createResources(ctx: Context, p: Parameters): Resources {
  const pd = ctx.allocPd();
  const sendChannel = p.useEvent ? ctx.createCompChannel() : null;
  const recvChannel = p.useEvent ? ctx.createCompChannel() : null;
  const compVector = p.completionVector ?? 0;
  const sendCq = ctx.createCq({ cqe: p.txDepth * p.qps, compVector, ...(sendChannel === null ? {} : { channel: sendChannel }) });
  const recvCq = ctx.createCq({ cqe: p.rxDepth * p.qps, compVector, ...(recvChannel === null ? {} : { channel: recvChannel }) });
  const needsSrq = p.useSrq && (p.test === 'LAT' || p.machine === 'SERVER' || p.duplex);
  const srq = needsSrq ? pd.createSrq({ maxWr: p.rxDepth, maxSge: 1 }) : null;
  const stride = Math.ceil(Math.max(p.size, CYCLE_BYTES) / CACHE_LINE) * CACHE_LINE;
  const bytes = stride * 2 * (p.mrPerQp ? 1 : p.qps) + (p.connection === 'UD' ? CACHE_LINE : 0);
  const access = Access.LOCAL_WRITE | remoteAccess(p);
  const regions = Array.from({ length: p.mrPerQp ? p.qps : 1 }, () => pd.regMr(bytes, access));
  return { pd, sendChannel, recvChannel, sendCq, recvCq, srq, regions, stride };
}

function remoteAccess(p: Parameters): number {
  if (p.connection === 'UD') return 0;
  if (p.verb === 'ATOMIC') return Access.REMOTE_ATOMIC;
  if (p.verb === 'READ') return Access.REMOTE_READ;
  return Access.REMOTE_WRITE;
}

function capOf(p: Parameters, facts: TestFacts, hasSrq: boolean): QpCap {
  return {
    maxSendWr: p.txDepth,
    maxRecvWr: hasSrq ? 0 : p.rxDepth,
    maxSendSge: 1,
    maxRecvSge: 1,
    maxInlineData: facts.inlineSize,
  };
}

/** A queue pair in INIT. */
function newQp(p: Parameters, { pd, sendCq, recvCq, srq, cap }: QpParts): QueuePair {
  const qp: QueuePair = pd.createQp({ type: p.connection, sendCq, recvCq, cap, ...(srq === null ? {} : { srq }) });
  const init = { qpState: QpState.INIT, pkeyIndex: p.pkeyIndex, portNum: p.port };
  modify(qp, p.connection === 'UD' ? { ...init, qkey: DEFAULT_QKEY } : { ...init, qpAccessFlags: remoteAccess(p) });
  return qp;
}

function createQps(
  program: ProgramContext,
  ctx: Context,
  p: Parameters,
  facts: TestFacts,
  r: Resources,
  qpOf: (index: number) => QueuePair,
): TestQp[] {
  const lid = ctx.queryPort(p.port).lid;
  const gid = ctx.queryGid(p.port, Math.max(0, p.gidIndex));
  return Array.from({ length: p.qps }, (_, i) => {
    const mr = r.regions[p.mrPerQp ? i : 0] as MemoryRegion;
    const qp = qpOf(i);
    const sendOffset = p.mrPerQp ? 0 : i * r.stride;
    const recvOffset = p.mrPerQp ? r.stride : (p.qps + i) * r.stride;
    const psn = Math.floor(program.sim.random() * 2 ** 24);
    const local = { lid, qpn: qp.qpNum, psn, outReads: facts.outReads, rkey: mr.rkey, address: mr.addr + recvOffset, gid };
    return { qp, mr, sendOffset, recvOffset, local, remote: local, ah: null };
  });
}

/** Exactly these attributes: which they must be depends on the transport, known only at run time. */
function modify(qp: QueuePair, attr: QpAttr): void {
  qp.modify(attr, maskOf(attr));
}

function addressOf(session: Session, qp: TestQp, index: number): AhAttr {
  const { p } = session;
  const dlid = p.dlid > 0 ? p.dlid : qp.remote.lid;
  const attr = { dlid, sl: p.sl ?? qp.qp.context.pathSl(p.port, dlid) ?? 0, portNum: p.port };
  if (p.gidIndex < 0) return attr;
  const flowLabel = p.flowLabels.length === 0 ? 0 : (p.flowLabels[index % p.flowLabels.length] as number);
  return {
    ...attr,
    grh: { dgid: qp.remote.gid, sgidIndex: p.gidIndex, hopLimit: 0xff, trafficClass: p.trafficClass, flowLabel },
  };
}

/** An SL that the routing did not mean for this path may close a cycle of waiting packets. */
function warnOfSl({ p, program }: Session, { qp, remote }: TestQp): void {
  const wanted = qp.context.pathSl(p.port, p.dlid > 0 ? p.dlid : remote.lid);
  if (p.sl === null || wanted === undefined || wanted === p.sl) return;
  program.log(` Warning: -S ${p.sl}, but the path record asks for SL ${wanted}: the routing is free of deadlock only with that`);
}

function connect(session: Session, pd: ProtectionDomain, end: TestQp, index: number): void {
  const { p, facts } = session;
  const { qp, remote, local } = end;
  const ahAttr = addressOf(session, end, index);
  const pathMtu = bytesToMtu(facts.mtuBytes) as Mtu;
  const connected = { qpState: QpState.RTR, ahAttr, pathMtu, destQpNum: remote.qpn, rqPsn: remote.psn };
  if (p.connection === 'RC') modify(qp, { ...connected, maxDestRdAtomic: local.outReads, minRnrTimer: MIN_RNR_TIMER });
  else if (p.connection === 'UC') modify(qp, connected);
  else modify(qp, { qpState: QpState.RTR });
  const sends = p.test === 'LAT' || p.machine === 'CLIENT' || p.duplex;
  if (p.connection === 'UD' && sends) end.ah = pd.createAh(ahAttr);
  const rts = { qpState: QpState.RTS, sqPsn: local.psn };
  if (p.connection !== 'RC') modify(qp, rts);
  else modify(qp, { ...rts, timeout: p.qpTimeout, retryCnt: p.retryCount, rnrRetry: 7, maxRdAtomic: remote.outReads });
}

function printAddresses(session: Session): void {
  const { p, program, qps } = session;
  if (p.output !== 'full') return;
  for (const side of ['local', 'remote'] as const)
    for (const qp of qps) for (const line of addressLines(p, side, qp[side])) program.log(line);
}
