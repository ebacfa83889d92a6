/**
 * `ibv_rc_pingpong`, `ibv_uc_pingpong`, `ibv_ud_pingpong`: messages to and fro, in the words and with the options of rdma-core's examples.
 */
import {
  Access,
  type AddressHandle,
  bytesToMtu,
  type CompletionChannel,
  type CompletionQueue,
  formatGid,
  type Gid,
  maskOf,
  type MemoryRegion,
  type Mtu,
  mtuToBytes,
  Opcode,
  type Program,
  type ProgramContext,
  type ProtectionDomain,
  program,
  type QpAttr,
  QpState,
  type QueuePair,
  SendFlags,
  type SendRequest,
  type Transport,
  WcStatus,
  type WorkCompletion,
  wcStatusStr,
} from '../verbs/index.ts';
import { sprintf } from './format.ts';
import { hasOption, helpText, type OptionSpec, readOptions, textOption, throwIssues, wholeOption } from './options.ts';

const RECV_WRID = 1;
const SEND_WRID = 2;
const QKEY = 0x11111111;
const GRH_BYTES = 40;

const SHARED_OPTIONS: readonly OptionSpec[] = [
  {
    long: 'port',
    short: 'p',
    value: 'port',
    text: 'listen on/connect to port',
    verdict: 'warned',
    why: 'the out-of-band channel has no ports',
  },
  { long: 'ib-dev', short: 'd', value: 'dev', text: 'use IB device <dev> (default first device found)' },
  { long: 'ib-port', short: 'i', value: 'port', text: 'use port <port> of IB device (default 1)' },
  { long: 'size', short: 's', value: 'size', text: 'size of message to exchange (default 4096; UD 1024)' },
  { long: 'rx-depth', short: 'r', value: 'dep', text: 'number of receives to post at a time (default 500)' },
  { long: 'iters', short: 'n', value: 'iters', text: 'number of exchanges (default 1000)' },
  { long: 'sl', short: 'l', value: 'sl', text: 'service level value' },
  { long: 'events', short: 'e', text: 'sleep on CQ events (default poll)' },
  { long: 'gid-idx', short: 'g', value: 'gid index', text: 'local port gid index' },
  { long: 'chk', short: 'c', text: 'validate received buffer' },
  { long: 'help', short: 'h', text: 'show this help' },
];
const MTU_OPTION: OptionSpec = { long: 'mtu', short: 'm', value: 'size', text: 'path MTU (default 1024)' };
const NOT_MODELLED = { text: '', verdict: 'refused', why: 'not modelled' } as const;
const REFUSED: readonly OptionSpec[] = [
  { long: 'odp', short: 'o', ...NOT_MODELLED },
  { long: 'iodp', short: 'O', ...NOT_MODELLED },
  { long: 'prefetch', short: 'P', ...NOT_MODELLED },
  { long: 'ts', short: 't', ...NOT_MODELLED, why: 'every completion has its time here: wc.completionTs' },
  { long: 'dm', short: 'j', ...NOT_MODELLED },
  { long: 'new_send', short: 'N', ...NOT_MODELLED, why: 'there is one way to post' },
  { long: 'allow-cc-unprotected', short: 'U', ...NOT_MODELLED },
];

interface Options {
  /** Null: the first. */
  readonly device: string | null;
  readonly port: number;
  readonly size: number;
  readonly mtu: Mtu;
  readonly rxDepth: number;
  readonly iters: number;
  /** Null: that of the path record. */
  readonly sl: number | null;
  readonly useEvent: boolean;
  readonly gidIndex: number;
  readonly check: boolean;
}

/** What both sides tell each other. */
interface Destination {
  readonly lid: number;
  readonly qpn: number;
  readonly psn: number;
  readonly gid: Gid;
}

/** Result of a ping-pong program. */
export interface PingpongResult {
  readonly bytes: number;
  readonly iters: number;
  readonly seconds: number;
  readonly mbitPerSecond: number;
  readonly usecPerIter: number;
}

function readPingpongOptions(tool: string, type: Transport, context: ProgramContext): Options | null {
  const table = [...SHARED_OPTIONS, ...(type === 'UD' ? [] : [MTU_OPTION]), ...REFUSED];
  const found = readOptions(tool, table, context.args);
  const whole = (long: string, fallback: number, low: number, high: number) =>
    wholeOption(found, tool, long, fallback, low, high);
  const mtuBytes = whole('mtu', 1024, 256, 4096);
  const mtu = bytesToMtu(mtuBytes);
  if (mtu === undefined)
    found.issues.push({ file: tool, path: '-m', message: `found ${mtuBytes}, accepted 256, 512, 1024, 2048, 4096` });
  const device = textOption(found, 'ib-dev');
  const options = {
    device,
    port: whole('ib-port', 1, 1, 255),
    size: whole('size', type === 'UD' ? 1024 : 4096, 1, 2 ** 31 - 1),
    mtu: mtu ?? 3,
    rxDepth: whole('rx-depth', 500, 1, 16_384),
    iters: whole('iters', 1000, 1, 2 ** 32 - 1),
    sl: textOption(found, 'sl') === null ? null : whole('sl', 0, 0, 15),
    useEvent: hasOption(found, 'events'),
    gidIndex: whole('gid-idx', -1, 0, 255),
    check: hasOption(found, 'chk'),
  };
  if (device !== null && !context.devices.includes(device))
    found.issues.push({
      file: tool,
      path: '-d',
      message: `IB device ${device} not found; accepted ${context.devices.join(', ')}`,
    });
  throwIssues(found.issues);
  const lines = hasOption(found, 'help') ? helpText(tool, table) : found.warnings;
  for (const line of lines) context.log(line);
  return hasOption(found, 'help') ? null : options;
}

/** One side of a ping-pong. */
class Pingpong {
  readonly #context: ProgramContext;
  readonly #options: Options;
  readonly #type: Transport;
  readonly #pd: ProtectionDomain;
  readonly #channel: CompletionChannel | null;
  readonly #cq: CompletionQueue;
  readonly #mr: MemoryRegion;
  readonly #qp: QueuePair;
  readonly #psn: number;
  readonly #sendFlags: number;
  /** In front of the data: room for the GRH of a datagram. */
  readonly #headRoom: number;
  #ah: AddressHandle | null = null;
  #remote: Destination | null = null;
  /** Receives posted and not used. */
  #outstanding = 0;
  #pending = 0;
  #sent = 0;
  #received = 0;

  constructor(context: ProgramContext, type: Transport, options: Options) {
    const ctx = options.device === null ? context.ctx : context.open(options.device);
    this.#context = context;
    this.#options = options;
    this.#type = type;
    this.#headRoom = type === 'UD' ? GRH_BYTES : 0;
    const active = mtuToBytes(ctx.queryPort(options.port).activeMtu);
    if (type === 'UD' && options.size > active)
      throwIssues([
        {
          file: 'ibv_ud_pingpong',
          path: '-s',
          message: `Requested size larger than port MTU (${active}); found ${options.size}`,
        },
      ]);
    this.#pd = ctx.allocPd();
    this.#channel = options.useEvent ? ctx.createCompChannel() : null;
    this.#mr = this.#pd.regMr(options.size + this.#headRoom, Access.LOCAL_WRITE);
    this.#mr.bytes.fill(0x7b);
    this.#cq = ctx.createCq({ cqe: options.rxDepth + 1, ...(this.#channel === null ? {} : { channel: this.#channel }) });
    const { maxInlineData } = ctx.queryDevice();
    const isInline = options.size <= maxInlineData;
    this.#sendFlags = SendFlags.SIGNALED | (isInline ? SendFlags.INLINE : 0);
    this.#qp = this.#pd.createQp({
      type,
      sendCq: this.#cq,
      recvCq: this.#cq,
      cap: { maxSendWr: 1, maxRecvWr: options.rxDepth, maxSendSge: 1, maxRecvSge: 1, maxInlineData: isInline ? options.size : 0 },
    });
    this.#psn = Math.floor(context.sim.random() * 2 ** 24);
    const init = { qpState: QpState.INIT, pkeyIndex: 0, portNum: options.port };
    this.#modify(type === 'UD' ? { ...init, qkey: QKEY } : { ...init, qpAccessFlags: 0 });
  }

  async run(): Promise<PingpongResult> {
    const { sim, log, role } = this.#context;
    const { iters, size, useEvent } = this.#options;
    this.#postReceives();
    if (useEvent) this.#cq.reqNotify();
    await this.#exchange();
    this.#pending = RECV_WRID;
    if (role === 'client') {
      this.#postSend();
      this.#pending |= SEND_WRID;
    }
    const startPs = sim.now();
    while (this.#received < iters || this.#sent < iters) for (const wc of await this.#completions()) this.#take(wc);
    const usec = (sim.now() - startPs) / 1e6;
    const bytes = size * iters * 2;
    log(sprintf('%d bytes in %.2f seconds = %.2f Mbit/sec', bytes, usec / 1e6, (bytes * 8) / usec));
    log(sprintf('%d iters in %.2f seconds = %.2f usec/iter', iters, usec / 1e6, usec / iters));
    this.#checkData();
    return { bytes, iters, seconds: usec / 1e6, mbitPerSecond: (bytes * 8) / usec, usecPerIter: usec / iters };
  }

  /** Tells the addresses, connects, and waits for the other side to have done so. */
  async #exchange(): Promise<void> {
    const { peers, rank, log } = this.#context;
    const { port, gidIndex } = this.#options;
    const { context: ctx } = this.#pd;
    const gid = gidIndex < 0 ? new Uint8Array(16) : ctx.queryGid(port, gidIndex);
    const own: Destination = { lid: ctx.queryPort(port).lid, qpn: this.#qp.qpNum, psn: this.#psn, gid };
    log(this.#addressLine('local address:  ', own));
    this.#remote = await peers.exchange(1 - rank, own);
    log(this.#addressLine('remote address: ', this.#remote));
    this.#connect(this.#remote);
    await peers.exchange(1 - rank, 'done');
  }

  #addressLine(what: string, end: Destination): string {
    const separator = this.#type === 'UD' ? ':' : ',';
    return sprintf(
      '  %sLID 0x%04x, QPN 0x%06x, PSN 0x%06x%s GID %s',
      what,
      end.lid,
      end.qpn,
      end.psn,
      separator,
      formatGid(end.gid),
    );
  }

  #connect(remote: Destination): void {
    const { port, sl, mtu, gidIndex } = this.#options;
    const grh = gidIndex < 0 ? {} : { grh: { dgid: remote.gid, sgidIndex: gidIndex, hopLimit: this.#type === 'UD' ? 64 : 1 } };
    const ahAttr = { dlid: remote.lid, sl: sl ?? this.#qp.context.pathSl(port, remote.lid) ?? 0, portNum: port, ...grh };
    const route = { qpState: QpState.RTR, ahAttr, pathMtu: mtu, destQpNum: remote.qpn, rqPsn: remote.psn };
    if (this.#type === 'RC') this.#modify({ ...route, maxDestRdAtomic: 1, minRnrTimer: 12 });
    else this.#modify(this.#type === 'UC' ? route : { qpState: QpState.RTR });
    const rts = { qpState: QpState.RTS, sqPsn: this.#psn };
    this.#modify(this.#type === 'RC' ? { ...rts, timeout: 14, retryCnt: 7, rnrRetry: 7, maxRdAtomic: 1 } : rts);
    if (this.#type === 'UD') this.#ah = this.#pd.createAh(ahAttr);
  }

  #modify(attr: QpAttr): void {
    this.#qp.modify(attr, maskOf(attr));
  }

  #postReceives(): void {
    const wr = { wrId: RECV_WRID, sge: [this.#mr.sge()] };
    for (; this.#outstanding < this.#options.rxDepth; this.#outstanding++) this.#qp.postRecv(wr);
  }

  #postSend(): void {
    const wr = { wrId: SEND_WRID, opcode: Opcode.SEND, sendFlags: this.#sendFlags, sge: [this.#mr.sge(this.#headRoom)] };
    const target = this.#ah === null ? {} : { ah: this.#ah, remoteQpn: this.#remote?.qpn, remoteQkey: QKEY };
    this.#qp.postSend({ ...wr, ...target } as SendRequest);
  }

  /** One or two completions, polled for, or after an event. */
  async #completions(): Promise<WorkCompletion[]> {
    if (this.#channel === null) return this.#cq.wait(2);
    for (;;) {
      const cq = await this.#channel.getEvent();
      cq.ackEvents(1);
      cq.reqNotify();
      const found: WorkCompletion[] = [];
      for (let batch = cq.poll(2); batch.length > 0; batch = cq.poll(2)) found.push(...batch);
      if (found.length > 0) return found;
    }
  }

  #take(wc: WorkCompletion): void {
    const id = Number(wc.wrId);
    if (wc.status !== WcStatus.SUCCESS) throw new Error(`Failed status ${wcStatusStr(wc.status)} (${wc.status}) for wr_id ${id}`);
    if (id === SEND_WRID) this.#sent++;
    else {
      this.#received++;
      if (--this.#outstanding <= 1) this.#postReceives();
    }
    this.#pending &= ~id;
    if (this.#sent >= this.#options.iters || this.#pending !== 0) return;
    this.#postSend();
    this.#pending = RECV_WRID | SEND_WRID;
  }

  #checkData(): void {
    if (this.#options.check && !this.#mr.bytes.subarray(this.#headRoom).every((byte) => byte === 0x7b))
      throw new Error('invalid data in the buffer');
  }
}

function pingpong(type: Transport): Program {
  const tool = `ibv_${type.toLowerCase()}_pingpong`;
  const run = (context: ProgramContext) => {
    const options = readPingpongOptions(tool, type, context);
    return options === null ? null : new Pingpong(context, type, options).run();
  };
  return program(run, { name: tool, summary: `ping-pong of SEND over ${type} (libibverbs)`, roles: 'client-server' });
}

export const rcPingpong = pingpong('RC');
export const ucPingpong = pingpong('UC');
export const udPingpong = pingpong('UD');
