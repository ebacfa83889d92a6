/**
 * Hosts for tests of the adapter: adapters on one event loop joined by a tiny wire with a fixed latency, one link a port. Each packet takes its serialisation time on its
 * sender's link; a test may drop packets, look at them, or damage them. No switch, no credits.
 */
import {
  PayloadPool,
  RECORD_TX_FREED,
  RecordBatch,
  RECORD_WORDS,
  recordWireBytes,
  W_BTH,
  W_LENGTH,
  W_LIDS,
  W_PORT,
  W_PSN,
  W_SLOT,
} from '../../src/fabric/index.ts';
import {
  ATTR_ACCESS_FLAGS,
  ATTR_AV,
  ATTR_DEST_QPN,
  ATTR_MAX_DEST_RD_ATOMIC,
  ATTR_MAX_QP_RD_ATOMIC,
  ATTR_MIN_RNR_TIMER,
  ATTR_PATH_MTU,
  ATTR_PKEY_INDEX,
  ATTR_PORT,
  ATTR_QKEY,
  ATTR_RETRY_CNT,
  ATTR_RNR_RETRY,
  ATTR_RQ_PSN,
  ATTR_SQ_PSN,
  ATTR_STATE,
  ATTR_TIMEOUT,
  type AddressVector,
  type AsyncEvent,
  type CqContext,
  Hca,
  type HcaPortConfig,
  type HcaProfile,
  type HcaTrace,
  type MemoryKey,
  NodeMemory,
  QPS_INIT,
  QPS_RTR,
  QPS_RTS,
  QPT_RC,
  QPT_UC,
  QPT_UD,
  type QpContext,
  resolveProfile,
  type SendWorkRequest,
  type SrqContext,
  type WorkCompletion,
} from '../../src/hca/index.ts';
import { EventLoop } from '../../src/sim/index.ts';
import { functionConfigs } from './functions.ts';
import { done, ok } from './results.ts';

export { done, ok };

/** A packet on the wire, as a test's filter sees it. */
export interface Passing {
  readonly opcode: number;
  readonly psn: number;
  readonly from: number;
  readonly words: Int32Array;
  readonly at: number;
  readonly timePs: number;
}

export interface WireOptions {
  /** Default: a loop of its own. */
  readonly loop?: EventLoop;
  readonly profile?: string;
  readonly overrides?: Record<string, number>;
  readonly latencyPs?: number;
  readonly psPerByte?: number;
  readonly mtuBytes?: number;
  readonly hosts?: number;
  readonly pkeys?: readonly (readonly number[])[];
  readonly ports?: number;
  readonly lmc?: number;
  readonly trace?: HcaTrace;
  /** Virtual functions of each adapter. */
  readonly functions?: number;
  /** False drops the packet. */
  readonly filter?: (packet: Passing) => boolean;
}

export interface Host {
  readonly hca: Hca;
  readonly memory: NodeMemory;
  readonly outbox: RecordBatch;
  readonly pd: number;
  readonly events: AsyncEvent[];
}

export const ALL_ACCESS = 1 | 2 | 4 | 8 | 16;

/** The wire and its hosts. Port p of host h has host port h × ports + p and LID (that + 1) × 128. */
export class TestWire {
  readonly loop: EventLoop;
  readonly pool: PayloadPool;
  readonly hosts: Host[] = [];
  readonly profile: HcaProfile;
  readonly latencyPs: number;
  readonly psPerByte: number;
  readonly mtuBytes: number;
  readonly ports: number;
  filter: (packet: Passing) => boolean;
  /** Every packet that went onto the wire, dropped ones included, if recording. */
  log: { opcode: number; psn: number; from: number; timePs: number; bytes: number }[] | null = null;
  delivered = 0;
  dropped = 0;
  readonly #linkFree: Float64Array;
  readonly #batch = new RecordBatch(4);

  constructor(options: WireOptions = {}) {
    const { profile, issues } = resolveProfile(options.profile ?? 'connectx2-qdr', options.overrides);
    if (profile === undefined) throw new Error(issues.map((issue) => issue.message).join());
    const count = options.hosts ?? 2;
    this.loop = options.loop ?? new EventLoop();
    this.profile = profile;
    this.latencyPs = options.latencyPs ?? 120_000;
    this.psPerByte = options.psPerByte ?? 250;
    this.mtuBytes = options.mtuBytes ?? 2048;
    this.ports = options.ports ?? 1;
    this.filter = options.filter ?? (() => true);
    this.pool = PayloadPool.create(count, 4096);
    this.#linkFree = new Float64Array(count * this.ports);
    for (let i = 0; i < count; i++) this.hosts.push(this.#host(i, profile, options));
  }

  #host(index: number, profile: HcaProfile, options: WireOptions): Host {
    const memory = new NodeMemory();
    const outbox = new RecordBatch(16);
    const lmc = options.lmc ?? 0;
    const ports: HcaPortConfig[] = Array.from({ length: this.ports }, (_, p) => ({
      portNumber: p + 1,
      hostPort: index * this.ports + p,
      portGuid: BigInt(0x10000 + index * 16 + p),
      gidPrefix: 0xfe80_0000_0000_0000n,
      lid: this.lid(index, p),
      lmc,
      mtuBytes: this.mtuBytes,
      pkeys: options.pkeys?.[index] ?? [0xffff],
      dataVls: 4,
      linkPsPerByte: this.psPerByte,
      activeWidth: 2,
      activeSpeed: 4,
      widthName: '4X',
      speedName: 'QDR',
      state: 4,
      smLid: 1,
      smSl: 0,
      subnetTimeout: 18,
    }));
    const identity = { nodeName: `n${index}`, deviceName: 'mlx4_0', index: 0, nodeGuid: BigInt(index + 1) };
    const hca = new Hca({
      loop: this.loop,
      entity: index,
      memory,
      outbox,
      pool: this.pool,
      arena: index,
      config: { ...identity, profile, ports, seed: 1, functions: functionConfigs(index, this.ports, options.functions ?? 0) },
      ...(options.trace === undefined ? {} : { trace: options.trace }),
    });
    const events: AsyncEvent[] = [];
    hca.onAsyncEvent = (event) => events.push(event);
    return { hca, memory, outbox, pd: hca.allocPd(), events };
  }

  lid(host: number, port = 0): number {
    return (host * this.ports + port + 1) * 128;
  }

  /** Runs until nothing is left to do, or to `limitPs`. */
  run(limitPs = Number.POSITIVE_INFINITY): void {
    const window = Math.min(this.profile.txPipelinePs, this.profile.rxPipelinePs);
    for (;;) {
      const next = this.loop.nextPs();
      if (next >= limitPs || next === Number.POSITIVE_INFINITY) break;
      this.loop.runUntil(Math.min(next + window, limitPs));
      this.#carry();
    }
  }

  #carry(): void {
    const packets: { batch: RecordBatch; at: number; timePs: number }[] = [];
    for (const { outbox } of this.hosts) {
      for (let i = 0; i < outbox.count; i++) packets.push({ batch: outbox, at: i * RECORD_WORDS, timePs: outbox.times[i * 8] });
    }
    packets.sort((a, b) => a.timePs - b.timePs);
    for (const { batch, at, timePs } of packets) this.#transmit(batch, at, timePs);
    for (const { outbox } of this.hosts) outbox.clear();
  }

  #transmit(batch: RecordBatch, at: number, timePs: number): void {
    const { words } = batch;
    const from = words[at + W_PORT];
    const bytes = recordWireBytes(words, at);
    const done = Math.max(timePs, this.#linkFree[from]) + Math.ceil(bytes * this.psPerByte);
    this.#linkFree[from] = done;
    const freed = this.#record();
    this.#batch.times[0] = done;
    for (let i = 2; i < RECORD_WORDS; i++) freed[i] = words[at + i];
    freed[W_LENGTH] = (words[at + W_LENGTH] & 0xffffff) | (RECORD_TX_FREED << 24);
    this.#hostOf(from).hca.deliver(this.#batch, 0);
    const opcode = words[at + W_BTH] & 0xff;
    const psn = words[at + W_PSN];
    this.log?.push({ opcode, psn, from, timePs, bytes });
    const dlid = words[at + W_LIDS] & 0xffff;
    const slot = words[at + W_SLOT] - 1;
    if (!this.filter({ opcode, psn, from, words, at, timePs })) {
      this.dropped++;
      if (slot >= 0) this.pool.release(slot);
      return;
    }
    const targets = dlid >= 0xc000 ? this.#allBut(from) : [(dlid >> 7) - 1];
    if (slot >= 0 && targets.length > 1) this.pool.retain(slot, targets.length - 1);
    for (const target of targets) {
      const record = this.#record();
      for (let i = 2; i < RECORD_WORDS; i++) record[i] = words[at + i];
      this.#batch.times[0] = done + this.latencyPs;
      record[W_PORT] = target;
      this.delivered++;
      this.#hostOf(target).hca.deliver(this.#batch, 0);
    }
  }

  #record(): Int32Array {
    this.#batch.clear();
    this.#batch.reserve();
    return this.#batch.words;
  }

  #hostOf(port: number): Host {
    return this.hosts[Math.floor(port / this.ports)];
  }

  #allBut(port: number): number[] {
    return [...this.#linkFree.keys()].filter((other) => other !== port);
  }
}

/** A buffer with its region. */
export function buffer(
  host: Host,
  bytes: number,
  access = ALL_ACCESS,
): {
  mr: MemoryKey;
  bytes: Uint8Array;
  addr: number;
  sge: (offset?: number, length?: number) => { addr: number; length: number; lkey: number };
} {
  const view = new Uint8Array(bytes);
  const addr = host.memory.addressOf(view);
  const mr = host.hca.registerMemory({ pd: host.pd, addr, length: bytes, access, bytes: view }) as MemoryKey;
  return {
    mr,
    bytes: view,
    addr,
    sge: (offset = 0, length = bytes - offset) => ({ addr: addr + offset, length, lkey: mr.lkey }),
  };
}

export interface QpSettings {
  readonly type?: number;
  readonly mtu?: number;
  readonly depth?: number;
  readonly cqe?: number;
  readonly timeout?: number;
  readonly retryCnt?: number;
  readonly rnrRetry?: number;
  readonly minRnrTimer?: number;
  readonly sqPsn?: number;
  readonly rdAtomic?: number;
  readonly destRdAtomic?: number;
  readonly access?: number;
  readonly sigAll?: boolean;
  readonly srq?: SrqContext | null;
  readonly qkey?: number;
  readonly pkeyIndex?: number;
  readonly maxSge?: number;
  readonly sl?: number;
  readonly staticRate?: number;
  readonly port?: number;
  readonly inline?: number;
}

export interface TestQp {
  readonly qp: QpContext;
  readonly cq: CqContext;
  readonly host: Host;
}

/** A queue pair in INIT with a completion queue of its own. */
export function makeQp(host: Host, settings: QpSettings = {}): TestQp {
  const depth = settings.depth ?? 64;
  const cq = ok(host.hca.createCq(settings.cqe ?? depth * 4));
  const type = settings.type ?? QPT_RC;
  const maxSge = settings.maxSge ?? 4;
  const qp = ok(
    host.hca.createQp({
      type,
      pd: host.pd,
      sendCq: cq,
      recvCq: cq,
      srq: settings.srq ?? null,
      sqSigAll: settings.sigAll ?? false,
      cap: { maxSendWr: depth, maxRecvWr: depth, maxSendSge: maxSge, maxRecvSge: maxSge, maxInlineData: settings.inline ?? 256 },
    }),
  );
  const common = { qpState: QPS_INIT, pkeyIndex: settings.pkeyIndex ?? 0, portNum: settings.port ?? 1 };
  const mask = ATTR_STATE | ATTR_PKEY_INDEX | ATTR_PORT;
  if (type === QPT_UD) done(host.hca.modifyQp(qp, { ...common, qkey: settings.qkey ?? 0x11111111 }, mask | ATTR_QKEY, 0));
  else done(host.hca.modifyQp(qp, { ...common, qpAccessFlags: settings.access ?? ALL_ACCESS }, mask | ATTR_ACCESS_FLAGS, 0));
  return { qp, cq, host };
}

export function vector(dlid: number, settings: QpSettings = {}): AddressVector {
  return {
    dlid,
    sl: settings.sl ?? 0,
    srcPathBits: 0,
    staticRate: settings.staticRate ?? 0,
    portNum: settings.port ?? 1,
    grh: null,
  };
}

export function toRtr(wire: TestWire, a: TestQp, b: TestQp, settings: QpSettings = {}): void {
  const dlid = wire.lid(wire.hosts.indexOf(b.host), (settings.port ?? 1) - 1);
  if (a.qp.type === QPT_UD) {
    done(a.host.hca.modifyQp(a.qp, { qpState: QPS_RTR }, ATTR_STATE, 0));
    return;
  }
  const common = {
    qpState: QPS_RTR,
    av: vector(dlid, settings),
    pathMtu: settings.mtu ?? 4,
    destQpNum: b.qp.qpn,
    rqPsn: settings.sqPsn ?? 100,
  };
  const mask = ATTR_STATE | ATTR_AV | ATTR_PATH_MTU | ATTR_DEST_QPN | ATTR_RQ_PSN;
  if (a.qp.type === QPT_UC) done(a.host.hca.modifyQp(a.qp, common, mask, 0));
  else
    done(
      a.host.hca.modifyQp(
        a.qp,
        { ...common, maxDestRdAtomic: settings.destRdAtomic ?? 4, minRnrTimer: settings.minRnrTimer ?? 1 },
        mask | ATTR_MAX_DEST_RD_ATOMIC | ATTR_MIN_RNR_TIMER,
        0,
      ),
    );
}

export function toRts(a: TestQp, settings: QpSettings = {}): void {
  const common = { qpState: QPS_RTS, sqPsn: settings.sqPsn ?? 100 };
  if (a.qp.type !== QPT_RC) done(a.host.hca.modifyQp(a.qp, common, ATTR_STATE | ATTR_SQ_PSN, 0));
  else
    done(
      a.host.hca.modifyQp(
        a.qp,
        {
          ...common,
          timeout: settings.timeout ?? 8,
          retryCnt: settings.retryCnt ?? 7,
          rnrRetry: settings.rnrRetry ?? 7,
          maxRdAtomic: settings.rdAtomic ?? 4,
        },
        ATTR_STATE | ATTR_SQ_PSN | ATTR_TIMEOUT | ATTR_RETRY_CNT | ATTR_RNR_RETRY | ATTR_MAX_QP_RD_ATOMIC,
        0,
      ),
    );
}

/** Two connected queue pairs in RTS. */
export function connect(wire: TestWire, settings: QpSettings = {}, from = 0, to = 1): [TestQp, TestQp] {
  const a = makeQp(wire.hosts[from], settings);
  const b = makeQp(wire.hosts[to], settings);
  toRtr(wire, a, b, settings);
  toRtr(wire, b, a, settings);
  toRts(a, settings);
  toRts(b, settings);
  return [a, b];
}

/** Posts one send and rings at once. */
export function send(a: TestQp, wr: SendWorkRequest, atPs = 0): number {
  const errno = a.host.hca.postSend(a.qp, wr);
  if (errno === 0) a.host.hca.ringDoorbell(a.qp, 1, atPs);
  return errno;
}

/** All completions, visible or not yet. */
export const drain = (cq: CqContext): WorkCompletion[] => cq.poll(1_000_000, Number.POSITIVE_INFINITY);
