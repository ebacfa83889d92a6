/**
 * A program that does what no program should: random calls with random arguments, right and wrong, in random states, over whatever the fabric loses. A call may be refused with a
 * `VerbsError` and work may complete with any status; anything else that is thrown is a mistake of the simulator. Its result is a digest of all that it saw, so
 * that two runs can be compared. Arguments: operations a rank.
 */
import {
  Access,
  type CompletionQueue,
  type MemoryRegion,
  type MemoryWindow,
  MwType,
  Opcode,
  type ProtectionDomain,
  program,
  QpState,
  type QpEndpoint,
  type QueuePair,
  type Sge,
  type SharedReceiveQueue,
  SrqAttrMask,
  VerbsError,
  waitAny,
} from 'heddle';

type Loose = Record<string, unknown>;
/** A queue pair without the compiler's help. */
interface Wild {
  readonly qp: QueuePair;
  readonly peer: number;
  theirs: QpEndpoint;
}
interface Remote {
  readonly endpoints: readonly QpEndpoint[];
  readonly memory: readonly { readonly addr: number; readonly length: number; readonly rkey: number }[];
}

const LENGTHS = [
  0,
  0,
  1,
  8,
  8,
  63,
  64,
  255,
  256,
  257,
  1000,
  2048,
  4096,
  4097,
  9000,
  20_000,
  70_000,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
];
const QKEYS = [0, 0x1234567, 0x80010000, 0xffffffff];
const GROUP = Uint8Array.from([0xff, 0x12, ...new Array(13).fill(0), 9]);
const PER_PEER = ['RC', 'RC', 'UC'] as const;

export default program(async ({ ctx, peers, rank, size, sim, args }) => {
  const operations = Number(args[0] ?? 60);
  let digest = 0;
  /** Completions by status, calls refused by errno. */
  const statuses: Record<number, number> = {};
  const refusals: Record<string, number> = {};
  const note = (value: number) => {
    digest = (Math.imul(digest, 31) + (value % 1_000_003)) | 0;
  };
  /** How often an argument is wrong on purpose. */
  const wrong = [0, 0.01, 0.1][Math.floor(sim.random() * 3)] as number;
  const below = (n: number) => Math.floor(sim.random() * n);
  const chance = (p: number) => sim.random() < p;
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const bits32 = () => below(2 ** 32);
  const u64 = (): number | bigint =>
    chance(0.5) ? (BigInt(bits32()) << 32n) | BigInt(bits32()) : pick([0, 1, 2 ** 53 - 1, 2n ** 64n - 1n, 2n ** 53n, 2 ** 40]);
  /** What a refused call says is part of the result; anything but a refusal ends the run. */
  const attempt = (call: () => unknown): void => {
    try {
      call();
    } catch (error) {
      if (!(error instanceof VerbsError)) throw error;
      refusals[error.code] = (refusals[error.code] ?? 0) + 1;
      note(error.errno * 7 + error.verb.length);
    }
  };

  const pds: ProtectionDomain[] = [ctx.allocPd(), ctx.allocPd()];
  const channel = ctx.createCompChannel();
  const cqs: CompletionQueue[] = [
    ctx.createCq({ cqe: 1024, channel }),
    ctx.createCq({ cqe: 256, channel }),
    ctx.createCq({ cqe: 1 + below(8) }),
  ];
  const regions: MemoryRegion[] = [];
  const windows: MemoryWindow[] = [];
  const srqs: SharedReceiveQueue[] = [(pds[0] as ProtectionDomain).createSrq({ maxWr: 32, maxSge: 4 })];
  const all = Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC | Access.MW_BIND;
  const register = () =>
    attempt(() => {
      const access = chance(0.9 - wrong) ? all : below(256);
      const memory = chance(0.2) ? { payloadFreeBytes: pick([1, 4096, 100_000, 2 ** 20]) } : pick([1, 64, 4096, 100_000]);
      const iova = chance(0.2) ? { iova: pick([0, 4096, 2 ** 45, 2 ** 53 - 1 - 4096]) } : {};
      regions.push((chance(wrong) ? pick(pds) : (pds[0] as ProtectionDomain)).regMr(memory, access, iova));
    });
  regions.push((pds[0] as ProtectionDomain).regMr(100_000, all));
  for (let i = 0; i < 4; i++) register();
  for (const type of [MwType.TYPE_1, MwType.TYPE_2]) windows.push((pds[0] as ProtectionDomain).allocMw(type));

  const make = (type: 'RC' | 'UC' | 'UD'): QueuePair => {
    const srq = type !== 'UC' && chance(0.25) ? { srq: pick(srqs) } : {};
    const cap = {
      maxSendWr: pick([1, 16, 64]),
      maxRecvWr: pick([1, 16, 64]),
      maxSendSge: 4,
      maxRecvSge: 4,
      maxInlineData: pick([0, 64, 400]),
    };
    const parts = {
      sendCq: chance(wrong) ? pick(cqs) : cqs[0],
      recvCq: chance(wrong) ? pick(cqs) : cqs[1],
      cap,
      sqSigAll: chance(0.3),
    };
    const pd = chance(wrong) ? pds[1] : pds[0];
    return (pd as ProtectionDomain).createQp({ type, ...parts, ...srq } as never) as QueuePair;
  };

  const others = Array.from({ length: size }, (_, i) => i).filter((i) => i !== rank);
  const wild: Wild[] = [];
  const remotes = new Map<number, Remote>();
  const datagrams = make('UD') as QueuePair<'UD'>;
  datagrams.activate({ qkey: QKEYS[1] as number });
  const memory = () => regions.map(({ addr, length, rkey }) => ({ addr, length, rkey }));
  const own = new Map(others.map((peer) => [peer, PER_PEER.map((type) => make(type))]));
  const udEndpoint = datagrams.endpoint();
  for (const [peer, qps] of own)
    peers.send(peer, { endpoints: [...qps.map((qp) => qp.endpoint()), udEndpoint], memory: memory() });
  for (const [peer, qps] of own) {
    const theirs = await peers.recv<Remote>(peer);
    remotes.set(peer, theirs);
    for (const [i, qp] of qps.entries()) wild.push({ qp, peer, theirs: theirs.endpoints[i] as QpEndpoint });
  }
  const options = () => ({
    timeout: pick([chance(wrong) ? 0 : 10, 6, 8, 10]),
    retryCnt: chance(wrong) ? below(8) : 7,
    rnrRetry: below(8),
    minRnrTimer: pick([1, 2, 5]),
    mtu: (chance(wrong) ? pick([1, 2, 3, 4, 5]) : 3) as never,
    sl: chance(wrong) ? below(16) : below(4),
    ...(chance(0.2) ? { global: true } : {}),
    ...(chance(wrong) ? { access: below(16) } : {}),
    ...(chance(0.3) ? { maxRdAtomic: pick([0, 1, 4]), maxDestRdAtomic: pick([0, 1, 4]) } : {}),
  });
  const connect = ({ qp, theirs }: Wild) =>
    attempt(() => (qp as QueuePair<'RC'>).connect(theirs, qp.type === 'RC' ? options() : { mtu: 3 }));
  for (const each of wild) if (chance(0.9)) connect(each);
  await peers.barrier();

  const localSge = (): Sge => {
    const region = pick(regions);
    const good = !chance(wrong);
    const length = good ? Math.min(pick(LENGTHS), region.length, 20_000) : pick(LENGTHS);
    const offset = good ? below(Math.max(1, region.length - length)) : pick([-1, 0, 1, region.length, 2 ** 33]);
    return { addr: region.addr + offset, length, lkey: chance(wrong) ? bits32() : region.lkey };
  };
  const sgl = (): Sge[] => Array.from({ length: chance(wrong) ? below(60) : below(5) }, localSge);
  const target = (peer: number): Loose => {
    const { memory } = remotes.get(peer) as Remote;
    const { addr, length, rkey } = chance(0.2 + wrong) ? pick(memory) : (memory[0] as (typeof memory)[0]);
    if (chance(wrong)) return { remoteAddr: u64(), rkey: chance(0.5) ? rkey : bits32() };
    return {
      remoteAddr: addr + 8 * below(Math.max(1, Math.floor(length / 64))),
      rkey: chance(wrong) ? rkey ^ (1 << below(32)) : rkey,
    };
  };
  const flags = () => (chance(wrong) ? below(32) : pick([0, 2, 2, 2, 3, 6, 10, 8]));
  const handles: unknown[] = [];
  const datagramTarget = (): Loose => {
    const peer = pick(others);
    const { lid, qpNum, gid } = (remotes.get(peer) as Remote).endpoints.at(-1) as QpEndpoint;
    const where = chance(0.2)
      ? { dlid: 0xc000 + below(16), grh: { dgid: GROUP } }
      : { dlid: chance(wrong) ? below(70_000) : lid, sl: below(4), ...(chance(0.3) ? { grh: { dgid: gid } } : {}) };
    attempt(() => handles.push((pds[0] as ProtectionDomain).createAh(where)));
    const ah = handles.at(-1);
    return {
      ah,
      remoteQpn: 'grh' in where && (where.dlid as number) >= 0xc000 ? 0xffffff : chance(wrong) ? below(2 ** 24) : qpNum,
      remoteQkey: chance(wrong) ? pick(QKEYS) : QKEYS[1],
    };
  };
  let posted = 0;
  const request = (qp: QueuePair, peer: number): Loose => {
    const opcode = chance(wrong) ? below(16) : pick([0, 0, 0, 1, 2, 2, 3, 4, 4, 5, 5, 6, 6, 8]);
    const common: Loose = {
      wrId: chance(0.1) ? u64() : posted++,
      opcode,
      sendFlags: flags(),
      sge:
        opcode === Opcode.ATOMIC_CMP_AND_SWP || opcode === Opcode.ATOMIC_FETCH_AND_ADD
          ? [{ ...localSge(), length: chance(wrong) ? 7 : 8 }]
          : sgl(),
    };
    const mw = pick(windows);
    const part = chance(wrong) ? pick(regions) : (regions[0] as MemoryRegion);
    return {
      ...common,
      ...target(peer),
      immData: bits32(),
      invalidateRkey: chance(0.5) ? mw.rkey : bits32(),
      compareAdd: u64(),
      swap: u64(),
      bindMw: {
        mw,
        rkey: chance(wrong) ? bits32() : mw.rkey + 1,
        bindInfo: {
          mr: part,
          addr: chance(wrong) ? pick(regions).addr + below(64) : part.addr,
          length: chance(wrong) ? pick(LENGTHS) : below(part.length + 1),
          mwAccessFlags: chance(wrong) ? below(64) : pick([0, 2, 4, 8, 14]),
        },
      },
      ...(qp.type === 'UD' && handles.length + others.length > 0 ? datagramTarget() : {}),
    };
  };
  const anyQp = (): { qp: QueuePair; peer: number } =>
    chance(0.2) ? { qp: datagrams as QueuePair, peer: pick(others) } : pick(wild);
  const send = () => {
    const { qp, peer } = anyQp();
    const list = Array.from({ length: chance(0.2) ? 1 + below(6) : 1 }, () => request(qp, peer));
    attempt(() => qp.postSend((list.length === 1 ? list[0] : list) as never));
  };
  const receive = () => {
    const { qp } = anyQp();
    const whole = regions[0] as MemoryRegion;
    const wr = { wrId: posted++, sge: chance(wrong) ? sgl() : [whole.sge(0, whole.length)] };
    attempt(() => (qp.srq === null || chance(0.1) ? qp.postRecv(wr) : qp.srq.postRecv(wr)));
  };
  const change = () => {
    const each = pick(wild);
    const { qp } = each;
    const kind = below(7);
    if (kind === 0) attempt(() => qp.modify({ qpState: QpState.RESET } as never));
    else if (kind === 1) connect(each);
    else if (kind === 2) attempt(() => qp.modify({ qpState: QpState.SQD, enSqdAsyncNotify: chance(0.5) } as never));
    else if (kind === 3) attempt(() => qp.modify({ qpState: QpState.RTS, curQpState: qp.state } as never));
    else if (kind === 4)
      attempt(() =>
        qp.modify(
          {
            qpState: pick([0, 1, 2, 3, 4, 5, 6, 7, 9]),
            qkey: pick(QKEYS),
            sqPsn: below(2 ** 24),
            timeout: below(40),
            retryCnt: below(9),
            rnrRetry: below(9),
            maxRdAtomic: below(300),
            minRnrTimer: below(40),
          } as never,
          below(2 ** 22),
        ),
      );
    else if (kind === 5 && chance(0.3)) attempt(() => qp.modify({ qpState: QpState.ERR } as never));
    else {
      attempt(() => qp.modify({ qpState: QpState.RESET } as never));
      connect(each);
    }
  };
  const objects = () => {
    const kind = below(10);
    if (kind === 0) register();
    else if (kind === 1 && regions.length > 2 && chance(0.1 + wrong)) attempt(() => regions.at(-1)?.close());
    else if (kind === 2) attempt(() => windows.push(pick(pds).allocMw(pick([MwType.TYPE_1, MwType.TYPE_2]))));
    else if (kind === 3 && windows.length > 2) attempt(() => windows.pop()?.close());
    else if (kind === 4) attempt(() => pick(srqs).modify({ srqLimit: below(40) }, SrqAttrMask.LIMIT));
    else if (kind === 5) attempt(() => pick(cqs).resize(pick([1, 8, 300, 2000])));
    else if (kind === 6) attempt(() => pick(cqs).modify({ count: below(20), period: below(20) }));
    else if (kind === 7) attempt(() => datagrams.attachMcast(GROUP, 0xc000 + below(16)));
    else if (kind === 8)
      attempt(() => {
        const mw = pick(windows);
        const mr = pick(regions);
        pick(wild).qp.bindMw(mw, {
          sendFlags: flags(),
          bindInfo: { mr, addr: mr.addr, length: below(mr.length + 2), mwAccessFlags: pick([1, 2, 4, 8, 14]) },
        });
      });
    else
      attempt(() => {
        const old = pick(wild);
        const { type } = old.qp;
        old.qp.close();
        Object.assign(old, { qp: make(type as 'RC') });
        connect(old);
      });
  };
  const look = async () => {
    for (const cq of chance(0.5) ? await waitAny(cqs, sim.now() + 1000 * below(20_000)) : cqs)
      for (const wc of cq.poll(1 + below(20))) {
        statuses[wc.status] = (statuses[wc.status] ?? 0) + 1;
        note(wc.status * 8191 + Number(BigInt(wc.wrId) % 65_537n) + wc.byteLen + sim.now());
      }
    for (const cq of cqs) attempt(() => cq.reqNotify(chance(0.3)));
    for (let cq = channel.tryGetEvent(); cq !== undefined; cq = channel.tryGetEvent()) cq.ackEvents(1);
    for (let event = ctx.tryGetAsyncEvent(); event !== undefined; event = ctx.tryGetAsyncEvent()) {
      note(event.eventType);
      ctx.ackAsyncEvent(event);
    }
  };

  for (let i = 0; i < operations; i++) {
    const dice = below(20);
    if (dice < 8) send();
    else if (dice < 13) receive();
    else if (dice < 16) await look();
    else if (dice < 17) await sim.sleep(below(30_000));
    else if (dice < 18) {
      if (chance(0.1 + 5 * wrong)) change();
    } else if (chance(0.3 + 5 * wrong)) objects();
  }
  await sim.sleep(2_000_000);
  await look();
  for (const { bytes } of regions) for (let i = 0; i < bytes.length; i += 97) note(bytes[i] as number);
  return { digest, statuses, refusals };
});
