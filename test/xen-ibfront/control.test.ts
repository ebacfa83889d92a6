import { describe, expect, it } from 'vitest';
import { Access, EventType, MwType, Opcode, QpState, SendFlags, type VerbsError } from '../../src/verbs/index.ts';
import { IbLab, type IbSelf } from '../kit/ib-lab.ts';

const ALL = Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ;
/** What an event's interrupt costs in the lab. */
const INTERRUPT = 1_000_000;

/** Time that `call` takes of a program in a guest, to its end. */
async function timed(self: IbSelf, call: () => unknown): Promise<number> {
  await self.thread.sync();
  const start = self.thread.nowPs;
  call();
  await self.thread.sync();
  return self.thread.nowPs - start;
}

describe('control verbs in a guest', () => {
  it('cost the ring, two events and the native call, each', async () => {
    const lab = new IbLab().connect();
    const { syscallPs, ibChannelPs, guestSwitchPs } = lab.costs;
    const { controlPs } = lab.wire.profile;
    const channel = 2 * ibChannelPs + 2 * INTERRUPT + guestSwitchPs;
    const one = syscallPs + channel + controlPs;
    const times: Record<string, number> = {};
    lab.program({ guest: 0 }, async (self) => {
      const { ctx } = self;
      times.query = await timed(self, () => ctx.queryPort(1));
      times.pd = await timed(self, () => ctx.allocPd());
      times.two = await timed(self, () => {
        ctx.allocPd();
        self.thread.spend(700_000);
        ctx.queryDevice();
      });
      const pd = ctx.allocPd();
      times.ah = await timed(self, () => pd.createAh({ dlid: 256 }));
      await self.thread.sync();
      times.destroy = await timed(self, () => ctx.allocPd().close());
    });
    await lab.run();
    expect(times).toEqual({ query: one, pd: one, ah: one, two: 2 * one + 700_000, destroy: 2 * one });
  });

  it('cost registration its pages at both ends, and the list of its frames', async () => {
    const lab = new IbLab().connect();
    const { syscallPs, ibChannelPs, guestSwitchPs, hypercallPs, grantMapPs, grantUnmapPs, tlbFlushPs } = lab.costs;
    const { registerPs, registerPagePs } = lab.wire.profile;
    const list = 2 * hypercallPs + grantMapPs + grantUnmapPs + tlbFlushPs;
    let took = 0;
    let frames = 0;
    lab.program({ guest: 0 }, async (self) => {
      const pd = self.ctx.allocPd();
      const bytes = self.ctx.alloc(600 * 4096);
      await self.thread.sync();
      const free = lab.guests[0]!.domain.freePfns.length;
      let mr: ReturnType<typeof pd.regMr> | undefined;
      took = await timed(self, () => {
        mr = pd.regMr(bytes, ALL);
      });
      frames = free - lab.guests[0]!.domain.freePfns.length;
      mr?.close();
      await self.thread.sync();
      // All but the two list pages, which are kept for the next time.
      expect(free - lab.guests[0]!.domain.freePfns.length).toBe(2);
    });
    await lab.run();
    const pages = 600 * registerPagePs;
    expect(took).toBe(syscallPs + pages + 2 * ibChannelPs + 2 * INTERRUPT + guestSwitchPs + 2 * list + registerPs + pages);
    expect(frames).toBe(602);
  });

  it('ring doorbells, arm and sleep after the calls before them, whose results are there at once', async () => {
    const lab = new IbLab({ hosts: 2 }).connect();
    const order: string[] = [];
    lab.wire.filter = (packet) => {
      order.push(`packet ${packet.opcode}`);
      return true;
    };
    lab.program({ guest: 0 }, async ({ ctx, thread, get, put }) => {
      const pd = ctx.allocPd();
      const cq = ctx.createCq({ cqe: 16 });
      const mr = pd.regMr(4096, ALL);
      const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq });
      put('guest', qp.endpoint({ psn: 9 }));
      await get('server');
      await thread.sleep(1_000_000_000);
      const target = lab.shared.server as { qpNum: number };
      qp.connect(lab.shared.server as Parameters<typeof qp.connect>[0], { psn: 9 });
      expect([qp.state, target.qpNum > 1]).toEqual([QpState.RTS, true]);
      const start = thread.nowPs;
      for (let i = 0; i < 3; i++)
        qp.postSend({ wrId: i, opcode: Opcode.SEND, sendFlags: SendFlags.SIGNALED, sge: [mr.sge(0, 8)] });
      thread.inTurn((atPs) => order.push(`posted ${atPs - start > 30_000_000}`));
      const done = [];
      while (done.length < 3) done.push(...(await cq.wait()));
      return done.map((wc) => [Number(wc.wrId), wc.status]);
    });
    lab.program({ host: 1 }, async ({ ctx, thread, put, get }) => {
      const pd = ctx.allocPd();
      const cq = ctx.createCq({ cqe: 16 });
      const mr = pd.regMr(4096, ALL);
      const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq });
      qp.modify({ qpState: QpState.INIT, pkeyIndex: 0, portNum: 1, qpAccessFlags: ALL });
      for (let i = 0; i < 3; i++) qp.postRecv({ wrId: i, sge: [mr.sge()] });
      put('server', qp.endpoint());
      qp.connect(await get<ReturnType<typeof qp.endpoint>>('guest'));
      await thread.sleep(1_000_000_000);
    });
    const [guest] = await lab.run();
    expect(guest).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
    ]);
    expect(order[0]).toBe('posted true');
  });

  it('refuse what the device refuses, with the errno, and know the limits of memory and quota', async () => {
    const quota = { pd: 3, mr: 4, cq: 2, srq: 1, qp: 1, ah: 1, channel: 1, uar: 1 };
    const lab = new IbLab({ quota, pages: 100 }).connect();
    const code = (call: () => unknown) => {
      try {
        call();
        return 'done';
      } catch (error) {
        return (error as VerbsError).code;
      }
    };
    lab.program({ guest: 0 }, async ({ ctx, thread }) => {
      const pd = ctx.allocPd();
      const cq = ctx.createCq({ cqe: 8 });
      const codes = [
        code(() => ctx.createCq({ cqe: 8 })),
        code(() => ctx.createCq({ cqe: 8 })),
        code(() => pd.regMr(200 * 4096, ALL)),
        code(() => pd.regMr(4096, Access.REMOTE_WRITE)),
        code(() => pd.allocMw(MwType.TYPE_1)),
      ];
      const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq });
      codes.push(code(() => pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq })));
      codes.push(code(() => qp.modify({ qpState: QpState.RTS } as never)));
      codes.push(code(() => pd.close()));
      await thread.sync();
      return codes;
    });
    const [codes] = await lab.run();
    expect(codes).toEqual(['done', 'ENOMEM', 'ENOMEM', 'EINVAL', 'done', 'ENOMEM', 'EINVAL', 'EBUSY']);
  });

  it('wake a sleeper by interrupt, event and upcall', async () => {
    const lab = new IbLab({ hosts: 2 }).connect();
    const wake: number[] = [];
    lab.program({ guest: 0 }, async ({ ctx, thread, put, get }) => {
      const pd = ctx.allocPd();
      const channel = ctx.createCompChannel();
      const cq = ctx.createCq({ cqe: 16, channel });
      const mr = pd.regMr(4096, ALL);
      const qp = pd.createQp({ type: 'UD', sendCq: cq, recvCq: cq });
      qp.activate({ qkey: 7 });
      qp.postRecv({ wrId: 1, sge: [mr.sge()] });
      cq.reqNotify();
      put('guest', qp.qpNum);
      const queue = await channel.getEvent();
      const [wc] = queue.poll();
      wake.push(thread.nowPs - (wc?.completionTs ?? 0) - ctx.profile.pollPs);
      queue.ackEvents(1);
      qp.close();
      cq.close();
      channel.close();
      await get('never, but for the end').catch(() => undefined);
    });
    lab.program({ host: 1 }, async ({ ctx, thread, get }) => {
      const pd = ctx.allocPd();
      const cq = ctx.createCq({ cqe: 16 });
      const mr = pd.regMr(4096, ALL);
      const qp = pd.createQp({ type: 'UD', sendCq: cq, recvCq: cq });
      qp.activate({ qkey: 7 });
      const remoteQpn = await get<number>('guest');
      await thread.sleep(50_000_000);
      const ah = pd.createAh({ dlid: lab.wire.lid(0) });
      qp.postSend({ wrId: 1, opcode: Opcode.SEND, sge: [mr.sge(0, 8)], ah, remoteQpn, remoteQkey: 7 });
      await thread.sleep(1_000_000_000);
      lab.shared['never, but for the end'] = true;
    });
    await lab.run();
    const { ibChannelPs, guestSwitchPs } = lab.costs;
    expect(wake).toEqual([2 * INTERRUPT + ibChannelPs + guestSwitchPs]);
    expect([...lab.backend.channels.values()][0]?.counters.completions).toBe(1);
  });

  it('raise asynchronous events in the guest that owns the object, and in no other', async () => {
    const lab = new IbLab({ hosts: 2, guests: 2 }).connect();
    const body =
      (isOwner: boolean) =>
      async ({ ctx, thread }: IbSelf) => {
        const pd = ctx.allocPd();
        const srq = pd.createSrq({ maxWr: 4, maxSge: 1 });
        const mr = pd.regMr(4096, ALL);
        srq.postRecv([
          { wrId: 1, sge: [mr.sge()] },
          { wrId: 2, sge: [mr.sge()] },
        ]);
        if (isOwner) srq.modify({ srqLimit: 2 });
        const cq = ctx.createCq({ cqe: 16 });
        const qp = pd.createQp({ type: 'UD', sendCq: cq, recvCq: cq, srq });
        qp.activate({ qkey: 7 });
        const ah = pd.createAh({ dlid: lab.wire.lid(0) });
        if (isOwner) qp.postSend({ wrId: 1, opcode: Opcode.SEND, sge: [mr.sge(0, 8)], ah, remoteQpn: qp.qpNum, remoteQkey: 7 });
        await thread.sleep(500_000_000);
        const event = ctx.tryGetAsyncEvent();
        if (event !== undefined) ctx.ackAsyncEvent(event);
        return event?.eventType ?? null;
      };
    lab.program({ guest: 0 }, body(true));
    lab.program({ guest: 1 }, body(false));
    expect(await lab.run()).toEqual([EventType.SRQ_LIMIT_REACHED, null]);
  });
});
