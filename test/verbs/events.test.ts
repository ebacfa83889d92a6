import { describe, expect, it } from 'vitest';
import {
  Access,
  type CompletionQueue,
  EventType,
  type MemoryRegion,
  Opcode,
  type QpEndpoint,
  QpState,
  type QueuePair,
  SendFlags,
  type SharedReceiveQueue,
  waitAny,
  WcStatus,
} from '../../src/verbs/index.ts';
import { type Body, runWorld, type Self } from './world.ts';

interface Pair {
  cq: CompletionQueue;
  qp: QueuePair<'RC'>;
  mr: MemoryRegion;
}

/** An RC queue pair with `cq`, connected to the one of the other host. */
async function connected(self: Self, cq: CompletionQueue, srq?: SharedReceiveQueue): Promise<Pair> {
  const { ctx, index } = self;
  const pd = srq?.pd ?? ctx.allocPd();
  const cap = { maxSendWr: 32, maxRecvWr: srq ? 0 : 32 };
  const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq, cap, ...(srq ? { srq } : {}) });
  const mr = pd.regMr(4096, Access.LOCAL_WRITE | Access.REMOTE_WRITE);
  self.put(`endpoint ${index}`, qp.endpoint());
  qp.connect(await self.get<QpEndpoint>(`endpoint ${1 - index}`), { rnrRetry: 3, timeout: 8, retryCnt: 1 });
  return { cq, qp, mr };
}

/** Sends `count` messages, `gapUs` apart, once the receiver is ready; those in `solicited` with the flag. */
const sender =
  (count: number, gapUs: number, solicited: readonly number[] = []): Body =>
  async (self) => {
    const { qp, cq, mr } = await connected(self, self.ctx.createCq({ cqe: 64 }));
    await self.get('ready');
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      const flags = solicited.includes(i) ? SendFlags.SOLICITED : 0;
      qp.postSend({ wrId: i, opcode: Opcode.SEND, sendFlags: SendFlags.SIGNALED | flags, sge: [mr.sge(0, 8)] });
      times.push(self.thread.nowPs);
      if (gapUs > 0) await self.sleepUs(gapUs);
    }
    for (let left = count; left > 0; ) left -= (await cq.wait()).length;
    return times;
  };

describe('completion channels', () => {
  it('wake a sleeper once per arming, at the time of the interrupt', async () => {
    await runWorld([
      sender(3, 100),
      async (self) => {
        const { ctx } = self;
        const channel = ctx.createCompChannel();
        const cq = ctx.createCq({ cqe: 16, channel });
        const { qp, mr } = await connected(self, cq);
        for (let i = 0; i < 3; i++) qp.postRecv({ wrId: i, sge: [mr.sge(i * 8, 8)] });
        cq.reqNotify();
        self.put('ready', true);
        expect(await channel.getEvent()).toBe(cq);
        expect(cq.poll().map((wc) => wc.wrId)).toEqual([0]);
        const [visible] = [self.thread.nowPs];
        expect(() => cq.close()).toThrow(expect.objectContaining({ code: 'EBUSY' }));
        // Not armed: the second message raises nothing.
        await self.sleepUs(150);
        expect(channel.tryGetEvent()).toBeUndefined();
        cq.reqNotify();
        await channel.getEvent();
        const wcs = cq.poll();
        expect(wcs.map((wc) => wc.wrId)).toEqual([1, 2]);
        expect(self.thread.nowPs).toBeGreaterThan(visible);
        // The event came for the third, and took the interrupt's time.
        expect(self.thread.nowPs - wcs[1].completionTs).toBeGreaterThanOrEqual(ctx.profile.interruptPs);
        cq.ackEvents(2);
        expect(() => cq.ackEvents(1)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
      },
    ]);
  });

  it('wake for solicited messages only, if asked so', async () => {
    await runWorld([
      sender(3, 50, [2]),
      async (self) => {
        const channel = self.ctx.createCompChannel();
        const cq = self.ctx.createCq({ cqe: 16, channel });
        const { qp, mr } = await connected(self, cq);
        for (let i = 0; i < 3; i++) qp.postRecv({ wrId: i, sge: [mr.sge(0, 8)] });
        cq.reqNotify(true);
        self.put('ready', true);
        await channel.getEvent();
        expect(cq.poll().map((wc) => wc.wrId)).toEqual([0, 1, 2]);
      },
    ]);
  });

  it.each([
    ['after the count', { count: 4, period: 0 }, 4],
    ['after the period, when the count is not reached', { count: 20, period: 30 }, 1],
  ])('moderate events: %s', async (_what, moderation, atLeast) => {
    await runWorld([
      sender(4, 10),
      async (self) => {
        const channel = self.ctx.createCompChannel();
        const cq = self.ctx.createCq({ cqe: 16, channel });
        cq.modify(moderation);
        const { qp, mr } = await connected(self, cq);
        for (let i = 0; i < 4; i++) qp.postRecv({ wrId: i, sge: [mr.sge(0, 8)] });
        cq.reqNotify();
        self.put('ready', true);
        await channel.getEvent();
        const wcs = cq.poll();
        expect(wcs.length).toBeGreaterThanOrEqual(atLeast);
        if (moderation.period > 0)
          expect(self.thread.nowPs - wcs[0].completionTs).toBeGreaterThanOrEqual(moderation.period * 1_000_000);
      },
    ]);
  });
});

describe('waiting', () => {
  it('for several queues takes whichever is first, or the end of the time', async () => {
    await runWorld([
      sender(1, 0),
      async (self) => {
        const [idle, busy] = [self.ctx.createCq({ cqe: 4 }), self.ctx.createCq({ cqe: 4 })];
        const { qp, mr } = await connected(self, busy);
        qp.postRecv({ sge: [mr.sge(0, 8)] });
        const until = self.thread.nowPs + 5_000_000;
        expect(await waitAny([idle, busy], until)).toEqual([]);
        expect(self.thread.nowPs).toBe(until);
        self.put('ready', true);
        expect(await waitAny([idle, busy])).toEqual([busy]);
        expect(self.thread.nowPs).toBe(busy.poll()[0].completionTs);
        expect(await waitAny([idle, busy], self.thread.nowPs + 7)).toEqual([]);
      },
    ]);
  });

  it('for a completion resumes at its visible time, and the poll costs', async () => {
    await runWorld([
      sender(1, 0),
      async (self) => {
        const { qp, cq, mr } = await connected(self, self.ctx.createCq({ cqe: 4 }));
        qp.postRecv({ sge: [mr.sge(0, 8)] });
        expect(cq.poll()).toEqual([]);
        self.put('ready', true);
        for await (const wc of cq.completions()) {
          expect(self.thread.nowPs).toBe(wc.completionTs + self.ctx.profile.pollPs);
          break;
        }
      },
    ]);
  });
});

describe('asynchronous events', () => {
  it('SRQ limit: once, when fewer are left, and again when armed again', async () => {
    await runWorld([
      sender(6, 20),
      async (self) => {
        const { ctx } = self;
        const srq = ctx.allocPd().createSrq({ maxWr: 8, maxSge: 1, srqLimit: 3 });
        expect(srq.query()).toEqual({ maxWr: 8, maxSge: 1, srqLimit: 0 });
        const cq = ctx.createCq({ cqe: 16 });
        const { qp, mr } = await connected(self, cq, srq);
        expect(() => qp.postRecv({})).toThrow(expect.objectContaining({ code: 'EINVAL' }));
        srq.postRecv(Array.from({ length: 8 }, (_, i) => ({ wrId: i, sge: [mr.sge(i * 8, 8)] })));
        expect(() => srq.postRecv({})).toThrow(expect.objectContaining({ code: 'ENOMEM' }));
        srq.modify({ srqLimit: 6 });
        self.put('ready', true);
        const event = await ctx.getAsyncEvent();
        expect(event).toMatchObject({ eventType: EventType.SRQ_LIMIT_REACHED, srq });
        expect(cq.poll().length).toBe(3);
        expect(srq.query().srqLimit).toBe(0);
        ctx.ackAsyncEvent(event);
        await self.sleepUs(200);
        expect(ctx.pendingAsyncEvents).toBe(0);
        expect(cq.poll().length).toBe(3);
      },
    ]);
  });

  it('come in the order in which they happen, and keep their object', async () => {
    await runWorld([
      async (self) => {
        const { qp, cq, mr } = await connected(self, self.ctx.createCq({ cqe: 8 }));
        await self.get('ready');
        // Twice into memory that the peer does not allow: it answers with an access NAK, and its queue pair fails.
        qp.postSend({ opcode: Opcode.RDMA_WRITE, sge: [mr.sge(0, 8)], remoteAddr: 64, rkey: 0x1234500 });
        qp.postSend({ wrId: 2, opcode: Opcode.SEND, sge: [mr.sge(0, 8)] });
        const wcs = await cq.wait();
        expect(wcs[0].status).toBe(WcStatus.REM_ACCESS_ERR);
        while (wcs.length < 2) wcs.push(...(await cq.wait()));
        expect(wcs[1]).toMatchObject({ wrId: 2, status: WcStatus.WR_FLUSH_ERR, qpNum: qp.qpNum });
        expect(qp.state).toBe(QpState.ERR);
      },
      async (self) => {
        const { ctx } = self;
        const { qp, cq } = await connected(self, ctx.createCq({ cqe: 8 }));
        self.put('ready', true);
        const event = await ctx.getAsyncEvent();
        expect(event).toMatchObject({ eventType: EventType.QP_ACCESS_ERR, qp });
        expect(() => qp.close()).toThrow(expect.objectContaining({ code: 'EBUSY' }));
        ctx.ackAsyncEvent(event);
        expect(() => ctx.ackAsyncEvent(event)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
        expect(qp.state).toBe(QpState.ERR);
        qp.postRecv({ wrId: 9 });
        expect((await cq.wait())[0]).toMatchObject({ wrId: 9, status: WcStatus.WR_FLUSH_ERR });
        qp.modify({ qpState: QpState.RESET });
        qp.close();
      },
    ]);
  });

  it('a queue that overflows is reported, with its queue pairs in error', async () => {
    await runWorld([
      async (self) => {
        const { qp, mr } = await connected(self, self.ctx.createCq({ cqe: 64 }));
        await self.get('ready');
        for (let i = 0; i < 4; i++) qp.postSend({ opcode: Opcode.SEND, sge: [mr.sge(0, 8)] });
        await self.sleepUs(50);
      },
      async (self) => {
        const { ctx } = self;
        const cq = ctx.createCq({ cqe: 2 });
        const { qp, mr } = await connected(self, cq);
        for (let i = 0; i < 4; i++) qp.postRecv({ wrId: i, sge: [mr.sge(0, 8)] });
        self.put('ready', true);
        const event = await ctx.getAsyncEvent();
        expect(event).toMatchObject({ eventType: EventType.CQ_ERR, cq });
        expect(qp.state).toBe(QpState.ERR);
      },
    ]);
  });
});

describe('UC and UD', () => {
  it('UD: datagrams arrive behind 40 bytes, say who sent them, and are answered through the completion', async () => {
    const make = (self: Self) => {
      const pd = self.ctx.allocPd();
      const cq = self.ctx.createCq({ cqe: 8 });
      const qp = pd.createQp({ type: 'UD', sendCq: cq, recvCq: cq });
      qp.activate({ qkey: 0x11111111 });
      return { pd, cq, qp, mr: pd.regMr(256, Access.LOCAL_WRITE) };
    };
    await runWorld([
      async (self) => {
        const { pd, cq, qp, mr } = make(self);
        const { lid, qpNum } = await self.get<QpEndpoint>('server');
        qp.postRecv({ sge: [mr.sge(100, 60)] });
        const ah = pd.createAh({ dlid: lid, sl: 2 });
        mr.bytes[0] = 77;
        qp.postSend({
          opcode: Opcode.SEND_WITH_IMM,
          immData: 5,
          sendFlags: SendFlags.SIGNALED,
          sge: [mr.sge(0, 1)],
          ah,
          remoteQpn: qpNum,
          remoteQkey: 0x11111111,
        });
        expect((await cq.wait(1))[0].status).toBe(WcStatus.SUCCESS);
        expect((await cq.wait(1))[0]).toMatchObject({ byteLen: 41, srcQp: qpNum });
        expect(mr.bytes[140]).toBe(78);
      },
      async (self) => {
        const { pd, cq, qp, mr } = make(self);
        qp.postRecv({ sge: [mr.sge(0, 60)] });
        self.put('server', qp.endpoint());
        const [wc] = await cq.wait();
        expect(wc).toMatchObject({ byteLen: 41, immData: 5, sl: 2, slid: 128 });
        mr.bytes[80] = mr.bytes[40] + 1;
        const ah = pd.createAhFromWc(1, wc, mr.bytes.subarray(0, 40));
        qp.postSend({ opcode: Opcode.SEND, sge: [mr.sge(80, 1)], ah, remoteQpn: wc.srcQp, remoteQkey: 0x11111111 });
        await self.sleepUs(20);
      },
    ]);
  });

  it('UC: writes arrive without acknowledge', async () => {
    const make = async (self: Self) => {
      const pd = self.ctx.allocPd();
      const cq = self.ctx.createCq({ cqe: 8 });
      const qp = pd.createQp({ type: 'UC', sendCq: cq, recvCq: cq });
      const mr = pd.regMr(64, Access.LOCAL_WRITE | Access.REMOTE_WRITE);
      self.put(`e${self.index}`, { ...qp.endpoint(), addr: mr.addr, rkey: mr.rkey });
      const peer = await self.get<QpEndpoint & { addr: number; rkey: number }>(`e${1 - self.index}`);
      qp.connect(peer);
      return { cq, qp, mr, peer };
    };
    await runWorld([
      async (self) => {
        const { cq, qp, mr, peer } = await make(self);
        await self.sleepUs(50);
        mr.bytes[0] = 3;
        qp.postSend({
          opcode: Opcode.RDMA_WRITE_WITH_IMM,
          immData: 8,
          sendFlags: SendFlags.SIGNALED,
          sge: [mr.sge(0, 1)],
          remoteAddr: peer.addr + 7,
          rkey: peer.rkey,
        });
        expect((await cq.wait())[0].status).toBe(WcStatus.SUCCESS);
      },
      async (self) => {
        const { cq, qp, mr } = await make(self);
        qp.postRecv({});
        expect((await cq.wait())[0]).toMatchObject({ immData: 8, byteLen: 1 });
        expect(mr.bytes[7]).toBe(3);
      },
    ]);
  });
});
