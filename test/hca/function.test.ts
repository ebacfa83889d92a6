import { describe, expect, it } from 'vitest';
import { EVENT_SRQ_LIMIT_REACHED, type HcaFunction, QPT_GSI, unloadedLatencyPs } from '../../src/hca/index.ts';
import { inMacrotask, SimThread } from '../../src/sim/index.ts';
import {
  Access,
  type Adapter,
  type Context,
  createRdmaCm,
  Opcode,
  openContext,
  PortSpace,
  SendFlags,
} from '../../src/verbs/index.ts';
import { TestWire, type WireOptions } from './wire.ts';
import { directoryOf } from '../verbs/world.ts';

const ALL = Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ;
const FDR = { num: 440, den: 3 };
const options: WireOptions = { profile: 'connectx3-fdr', functions: 2, psPerByte: FDR.num / FDR.den, latencyPs: 220_000 };

type Body = (ctx: Context, thread: SimThread) => Promise<unknown>;

/** Runs programs over adapters or functions of the wire's hosts; gives what they return. */
async function run(wire: TestWire, programs: readonly (readonly [Adapter, Body])[]): Promise<unknown[]> {
  const threads = programs.map(([adapter, body], i) => {
    const thread = new SimThread(wire.loop, 10 + i, `p${i}`);
    thread.start(0, () => body(openContext(adapter, thread), thread));
    return thread;
  });
  await inMacrotask(() => wire.run(10 ** 13));
  for (const { outcome } of threads) if (outcome?.error !== undefined) throw outcome.error;
  return threads.map(({ outcome, ...thread }) => outcome?.value ?? thread);
}

const functionOf = (wire: TestWire, host: number, number = 0) => wire.hosts[host]!.hca.functions[number] as HcaFunction;

/** Half the round trip of 8-byte inline SENDs and the time of an 8-byte READ, between two adapters or functions. */
async function latencies(wire: TestWire, a: Adapter, b: Adapter): Promise<{ send: number; read: number; bandwidth: number }> {
  const shared: Record<string, unknown> = {};
  const body =
    (me: string, peer: string, isClient: boolean): Body =>
    async (ctx, thread) => {
      const pd = ctx.allocPd();
      const mr = pd.regMr(1 << 20, ALL);
      const cq = ctx.createCq({ cqe: 256 });
      const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq, cap: { maxInlineData: 16, maxSendWr: 64, maxRecvWr: 64 } });
      shared[me] = { ...qp.endpoint(), rkey: mr.rkey, addr: mr.addr };
      await thread.sleep(1_000_000_000);
      const other = shared[peer] as ReturnType<typeof qp.endpoint> & { rkey: number; addr: number };
      qp.connect(other);
      for (let i = 0; i < 11; i++) qp.postRecv({ wrId: 1, sge: [mr.sge(0, 8)] });
      await thread.sleep(1_000_000_000);
      const send = () =>
        qp.postSend({ wrId: 2, opcode: Opcode.SEND, sendFlags: SendFlags.INLINE | SendFlags.SIGNALED, sge: [mr.sge(0, 8)] });
      let start = thread.nowPs;
      if (isClient) send();
      for (let round = 0, seen = 0; round < 10; round = Math.floor(seen)) {
        for (const wc of await cq.wait(1)) {
          if (wc.wrId !== 1) continue;
          seen++;
          if (round === 1) start = thread.nowPs;
          if (!isClient || seen < 10) send();
        }
      }
      const sendPs = (thread.nowPs - start) / 2 / 8;
      await thread.sleep(100_000_000);
      cq.poll();
      if (!isClient) return sendPs;
      const at = { remoteAddr: other.addr, rkey: other.rkey };
      const began = thread.nowPs;
      qp.postSend({ wrId: 3, opcode: Opcode.RDMA_READ, sendFlags: SendFlags.SIGNALED, sge: [mr.sge(0, 8)], ...at });
      await cq.wait(1);
      const read = thread.nowPs - began;
      const first = thread.nowPs;
      for (let i = 0; i < 16; i++)
        qp.postSend({ wrId: 4, opcode: Opcode.RDMA_WRITE, sendFlags: SendFlags.SIGNALED, sge: [mr.sge(0, 1 << 20)], ...at });
      for (let seen = 0; seen < 16; ) seen += (await cq.wait()).length;
      return { send: sendPs, read, bandwidth: (16 * 2 ** 20) / (thread.nowPs - first) };
    };
  const [client] = await run(wire, [
    [a, body('a', 'b', true)],
    [b, body('b', 'a', false)],
  ]);
  return client as { send: number; read: number; bandwidth: number };
}

describe('virtual functions', () => {
  it('have GUIDs and GIDs of their own behind the same LID, numbers of queue pairs in common, and no queue pair 1', async () => {
    const wire = new TestWire(options);
    const [pf, one, two] = [wire.hosts[0]!.hca, functionOf(wire, 0), functionOf(wire, 0, 1)];
    const seen = await run(
      wire,
      [pf, one, two].map((adapter) => [
        adapter,
        async (ctx: Context) => {
          const pd = ctx.allocPd();
          const cq = ctx.createCq({ cqe: 4 });
          const { qpNum } = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq });
          return [ctx.deviceName, ctx.deviceGuid, ctx.queryPort(1).lid, ctx.queryGid(1, 0).join(), qpNum];
        },
      ]),
    );
    const columns = [0, 1, 2, 3, 4].map((i) => new Set((seen as unknown[][]).map((row) => row[i])).size);
    expect(columns).toEqual([3, 3, 1, 3, 3]);
    const cap = { maxSendWr: 1, maxRecvWr: 1, maxSendSge: 1, maxRecvSge: 1, maxInlineData: 0 };
    const cq = one.createCq(4) as never;
    expect(one.createQp({ type: QPT_GSI, pd: 1, sendCq: cq, recvCq: cq, srq: null, cap, sqSigAll: true })).toBe(22);
    expect([one.queuePairs, two.queuePairs]).toEqual([1, 1]);
  });

  it('are slower than the physical function by what posts and writes to memory take: 0.91 and 1.20 us', async () => {
    const native = new TestWire(options);
    const physical = await latencies(native, native.hosts[0]!.hca, native.hosts[1]!.hca);
    const wire = new TestWire(options);
    const virtual = await latencies(wire, functionOf(wire, 0), functionOf(wire, 1));
    const { vfTransmitPs, vfReceivePs } = native.profile;
    const path = { psPerByte: FDR, fixedPs: 220_000, mtuBytes: 2048, inlineBytes: 16 };
    expect(physical.send).toBe(unloadedLatencyPs(native.profile, path, 'send', 8));
    expect(virtual.send - physical.send).toBe(vfTransmitPs + vfReceivePs);
    expect(virtual.read - physical.read).toBe(vfTransmitPs + vfReceivePs);
    expect(physical.send / 1e6).toBeCloseTo(0.91, 2);
    expect(virtual.send / 1e6).toBeCloseTo(1.2, 2);
    expect(virtual.read / physical.read).toBeGreaterThan(1.1);
    expect(virtual.read / physical.read).toBeLessThan(1.18);
    expect(virtual.bandwidth / physical.bandwidth).toBeGreaterThan(0.92);
    expect(physical.bandwidth * 1000).toBeGreaterThan(5.8);
  });

  it('send under their own GID, and hear of their own objects only', async () => {
    const wire = new TestWire(options);
    const [one, two] = [functionOf(wire, 0), functionOf(wire, 1, 1)];
    const events: string[] = [];
    one.onAsyncEvent = (event) => events.push(`one ${event.type}`);
    let qpNum = 0;
    const [, grh] = await run(wire, [
      [
        one,
        async (ctx, thread) => {
          const pd = ctx.allocPd();
          const cq = ctx.createCq({ cqe: 4 });
          const mr = pd.regMr(64, ALL);
          const qp = pd.createQp({ type: 'UD', sendCq: cq, recvCq: cq });
          qp.activate({ qkey: 1 });
          await thread.sleep(1_000_000_000);
          const dgid = two.config.ports.map(() => Uint8Array.from({ length: 16 }, () => 1))[0]!;
          const ah = pd.createAh({ dlid: wire.lid(1), grh: { dgid: dgid as never, hopLimit: 1 } });
          qp.postSend({ wrId: 1, opcode: Opcode.SEND, sge: [mr.sge()], ah, remoteQpn: qpNum, remoteQkey: 1 });
        },
      ],
      [
        two,
        async (ctx, thread) => {
          const pd = ctx.allocPd();
          const cq = ctx.createCq({ cqe: 4 });
          const mr = pd.regMr(256, ALL);
          const srq = pd.createSrq({ maxWr: 4, maxSge: 1 });
          srq.postRecv({ wrId: 1, sge: [mr.sge()] });
          srq.modify({ srqLimit: 1 });
          const qp = pd.createQp({ type: 'UD', sendCq: cq, recvCq: cq, srq });
          qp.activate({ qkey: 1 });
          qpNum = qp.qpNum;
          await cq.wait();
          await thread.sleep(10_000_000);
          const event = ctx.tryGetAsyncEvent();
          return [mr.bytes.slice(8, 24).join(), event?.eventType];
        },
      ],
    ]);
    const gid = one.config.ports[0]!;
    expect(grh).toEqual([expect.stringMatching(/^254,128,/), EVENT_SRQ_LIMIT_REACHED]);
    expect((grh as string[])[0]!.split(',').slice(-3).map(Number)).toEqual([
      Number((gid.portGuid >> 16n) & 255n),
      Number((gid.portGuid >> 8n) & 255n),
      Number(gid.portGuid & 255n),
    ]);
    expect(events).toEqual([]);
  });

  it('connect by address through the physical function, each to its own listener of one service', async () => {
    const wire = new TestWire(options);
    const directory = directoryOf(wire);
    const gidOf = (f: HcaFunction) => {
      const gid = new Uint8Array(16);
      new DataView(gid.buffer).setBigUint64(0, f.config.ports[0]!.gidPrefix);
      new DataView(gid.buffer).setBigUint64(8, f.config.ports[0]!.portGuid);
      return gid;
    };
    const servers = [functionOf(wire, 1, 0), functionOf(wire, 1, 1)];
    const client = functionOf(wire, 0, 0);
    const lids = new Map([
      [gidOf(client).join(), wire.lid(0)],
      ...servers.map((server) => [gidOf(server).join(), wire.lid(1)] as const),
    ]);
    const addresses = [client, ...servers].map((f, i) => ({
      node: `p${i}`,
      device: f.config.deviceName,
      portNum: 1,
      ip: `10.0.1.${i + 1}`,
      gid: gidOf(f) as never,
    }));
    const paths = {
      ...directory.paths,
      resolve: (
        query: { sgid: Uint8Array; dgid: Uint8Array; pkey: number },
        atPs: number,
        done: (path: never, atPs: number) => void,
      ) =>
        done(
          {
            ...query,
            slid: lids.get(query.sgid.join()),
            dlid: lids.get(query.dgid.join()),
            ...{ sl: 0, mtu: 4, rate: 0, packetLifeTime: 1 },
          } as never,
          atPs + 1_000_000,
        ),
    };
    const book = { ...directory, addresses, paths: paths as never };
    const serve = (): Body => async (ctx, thread) => {
      const cm = createRdmaCm(thread, [ctx], book);
      const id = cm.createId(null, PortSpace.TCP);
      await id.bindAddr({ host: '', port: 7471 });
      id.listen(1);
      const request = await id.getRequest();
      request.createQp(null, {});
      await request.accept({});
      return ctx.deviceName;
    };
    const results = await run(wire, [
      [
        client,
        async (ctx, thread) => {
          const cm = createRdmaCm(thread, [ctx], book);
          await thread.sleep(1_000_000_000);
          for (const host of ['10.0.1.2', '10.0.1.3']) {
            const id = cm.createId(null, PortSpace.TCP);
            await id.resolveAddr(null, { host, port: 7471 }, 1000);
            await id.resolveRoute(1000);
            id.createQp(null, {});
            await id.connect({});
          }
          return 'connected';
        },
      ],
      [servers[0]!, serve()],
      [servers[1]!, serve()],
    ]);
    expect(results).toEqual(['connected', 'mlx4_1', 'mlx4_2']);
  });
});
