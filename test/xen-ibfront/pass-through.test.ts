import { describe, expect, it } from 'vitest';
import type { HcaFunction } from '../../src/hca/index.ts';
import { inMacrotask, SimThread } from '../../src/sim/index.ts';
import { Access, MwType, openContext, Opcode } from '../../src/verbs/index.ts';
import { passThrough } from '../../src/xen-ibfront/index.ts';
import { TestWire } from '../hca/wire.ts';
import { MS, XenLab } from '../kit/xen-machine.ts';

describe('a virtual function in a guest', () => {
  it('interrupts the vCPU, costs domain 0 nothing, and is reset when the guest is destroyed', async () => {
    const lab = new XenLab({ pcpus: 3 });
    const wire = new TestWire({ loop: lab.loop, hosts: 2, functions: 1 });
    const virtual = wire.hosts[0]!.hca.functions[0] as HcaFunction;
    const guest = lab.create({ name: 'guest', memoryMb: 16, vcpus: 1, cpus: '2' }, (made) => {
      passThrough(virtual, made.domain!.kernel);
    });
    lab.run(10 * MS);
    const used = () => lab.dom0.vcpus.reduce((sum, { usedPs }) => sum + [...usedPs.values()].reduce((a, b) => a + b, 0), 0);
    const thread = new SimThread(lab.loop, 0, 'guest');
    guest.domain!.vcpus[0]!.attachThread(thread);
    const slept: number[] = [];
    thread.start(lab.loop.nowPs, async () => {
      const ctx = openContext(virtual, thread);
      const pd = ctx.allocPd();
      const channel = ctx.createCompChannel();
      const cq = ctx.createCq({ cqe: 16, channel });
      const mr = pd.regMr(4096, Access.LOCAL_WRITE);
      pd.allocMw(MwType.TYPE_1);
      const srq = pd.createSrq({ maxWr: 2, maxSge: 1 });
      const qp = pd.createQp({ type: 'UD', sendCq: cq, recvCq: cq, srq });
      qp.activate({ qkey: 1 });
      qp.attachMcast(Uint8Array.from({ length: 16 }, () => 0xff) as never, 0xc001);
      for (let i = 0; i < 3; i++) {
        cq.reqNotify();
        const ah = pd.createAh({ dlid: wire.lid(1) });
        qp.postSend({ wrId: i, opcode: Opcode.SEND, sendFlags: 2, sge: [mr.sge(0, 8)], ah, remoteQpn: 9, remoteQkey: 1 });
        const queue = await channel.getEvent();
        const [wc] = queue.poll();
        slept.push(thread.nowPs - (wc?.completionTs ?? 0) - ctx.profile.pollPs);
        queue.ackEvents(1);
      }
      await thread.sleep(1000 * MS);
    });
    const before = used();
    await inMacrotask(() => wire.run(lab.loop.nowPs + 20 * MS));
    expect(used()).toBe(before);
    const { physicalIrqPs, upcallPs, guestSwitchPs } = lab.machine.costs;
    const least = physicalIrqPs + upcallPs + guestSwitchPs;
    expect(slept).toHaveLength(3);
    for (const took of slept) {
      expect(took).toBeGreaterThanOrEqual(least);
      expect(took).toBeLessThan(2 * least);
    }
    expect([virtual.objects, virtual.queuePairs]).toEqual([6, 1]);
    await inMacrotask(() => lab.wait<string | null>((done) => lab.toolstack.destroy('guest', done)));
    expect([virtual.objects, virtual.queuePairs]).toEqual([0, 0]);
  });
});
