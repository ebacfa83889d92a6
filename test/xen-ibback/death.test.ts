/** A guest, or the driver domain, that dies at any moment of a program's control verbs: nothing of the guest's stays on the adapter or in the driver domain. */
import { describe, expect, it } from 'vitest';
import { Access, EventType, MwType, Opcode, QpState, type VerbsError } from '../../src/verbs/index.ts';
import { IbLab, type IbSelf } from '../kit/ib-lab.ts';

/** Uses everything, destroys half of it, and goes on for ever. */
async function busy({ ctx, thread }: IbSelf): Promise<void> {
  for (;;) {
    const pd = ctx.allocPd();
    const channel = ctx.createCompChannel();
    const cq = ctx.createCq({ cqe: 64, channel });
    const srq = pd.createSrq({ maxWr: 8, maxSge: 1 });
    const mr = pd.regMr(3 * 4096, Access.LOCAL_WRITE | Access.MW_BIND);
    pd.allocMw(MwType.TYPE_1);
    const qp = pd.createQp({ type: 'UD', sendCq: cq, recvCq: cq, srq });
    qp.activate({ qkey: 3 });
    qp.attachMcast(Uint8Array.from({ length: 16 }, () => 0xff) as never, 0xc001);
    srq.postRecv({ wrId: 1, sge: [mr.sge()] });
    const ah = pd.createAh({ dlid: 128 });
    cq.reqNotify();
    qp.postSend({ wrId: 2, opcode: Opcode.SEND, sendFlags: 2, sge: [mr.sge(0, 8)], ah, remoteQpn: qp.qpNum, remoteQkey: 3 });
    await channel.getEvent();
    ah.close();
    const other = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq });
    other.modify({ qpState: QpState.INIT, pkeyIndex: 0, portNum: 1, qpAccessFlags: 0 });
    other.close();
    await thread.sleep(1_000_000);
  }
}

/** Kills before the n-th kernel item of a run; how many items there were by then. */
async function killAt(n: number): Promise<number> {
  const lab = new IbLab({ pages: 300 });
  const before = lab.dom0.held;
  const guest = lab.guests[0]!;
  const qps = [2, 3, 4, 5];
  // The device connects while it is being shot at, and the program starts as soon as it is there.
  const stop = lab.lab.strikeAt(n, () => guest.domain.kill());
  lab.connect();
  if (guest.device !== null && !guest.domain.isDead) lab.program({ guest: 0 }, busy);
  await lab.run(lab.lab.loop.nowPs + 2_000_000_000);
  const items = stop();
  if (!guest.domain.isDead) return items;
  expect(lab.backend.channels.size).toBe(0);
  expect(lab.uars.size).toBe(0);
  expect({ n, ...lab.dom0.held }).toEqual({ n, ...before });
  for (const qpn of qps) expect(typeof lab.wire.hosts[0]!.hca.findQp(qpn)).toBe('number');
  return items;
}

describe('a guest that dies', () => {
  it('leaves nothing on the adapter and in the driver domain, whenever it is', async () => {
    let deaths = 0;
    for (let n = 0; n < 260; n += 3) {
      await killAt(n);
      deaths++;
    }
    expect(deaths).toBe(87);
  });

  it('lets the others go on', async () => {
    const lab = new IbLab({ guests: 2, hosts: 2 }).connect();
    lab.program({ guest: 0 }, busy);
    lab.program({ guest: 1 }, async ({ ctx, thread }) => {
      await thread.sleep(100_000_000);
      lab.guests[0]!.domain.kill();
      await thread.sleep(100_000_000);
      const pd = ctx.allocPd();
      const mr = pd.regMr(4096, Access.LOCAL_WRITE);
      await thread.sync();
      return mr.lkey;
    });
    const results = await lab.run(5_000_000_000);
    expect(results[1]).toBeGreaterThan(0);
    expect(lab.backend.channels.size).toBe(1);
  });
});

describe('a device that goes away under a program', () => {
  it('raises DEVICE_FATAL, ends calls that are under way, and refuses new ones; the guest gets everything back', async () => {
    const lab = new IbLab({ pages: 200 });
    const guest = lab.guests[0]!;
    const before = guest.domain.held;
    lab.connect();
    const thread = lab.program({ guest: 0 }, async ({ ctx, thread: self }) => {
      const pd = ctx.allocPd();
      pd.regMr(4096, Access.LOCAL_WRITE);
      ctx.createCq({ cqe: 4 });
      await self.sync();
      guest.ends[1].publish({}, 6);
      await self.sleep(3_000_000);
      const cq = ctx.createCq({ cqe: 4 });
      await self.sync();
      const event = await ctx.getAsyncEvent();
      let code = '';
      try {
        pd.regMr(4096, Access.LOCAL_WRITE);
      } catch (error) {
        code = (error as VerbsError).code;
      }
      return [event.eventType, code, cq.cqe > 0];
    });
    await lab.run(30_000_000_000_000);
    expect(thread.outcome?.value).toEqual([EventType.DEVICE_FATAL, 'ENODEV', true]);
    // The queue's two frames belong to the program, which does not destroy it.
    const { grants, ports } = guest.domain.held;
    expect({ grants, ports }).toEqual({ grants: before.grants, ports: before.ports });
  });
});
