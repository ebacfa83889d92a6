/** Verbs of kernel code: what they cost the CPU, and handlers in place of waits. */
import { describe, expect, it } from 'vitest';
import { BareKernelCpu, InvariantError } from '../../src/sim/index.ts';
import {
  Access,
  type Context,
  EventType,
  Opcode,
  openKernelContext,
  type QueuePair,
  SendFlags,
  VerbsError,
  WcStatus,
} from '../../src/verbs/index.ts';
import { TestWire } from '../hca/wire.ts';
import { runAlone } from './world.ts';

const INTERRUPT_PS = 3_000_000;

interface Side {
  readonly cpu: BareKernelCpu;
  readonly ctx: Context;
}

function kernels(wire: TestWire): Side[] {
  return wire.hosts.map(({ hca }, i) => {
    const cpu = new BareKernelCpu(wire.loop, i, { interruptPs: INTERRUPT_PS, timerPs: 0 });
    return { cpu, ctx: openKernelContext(hca, cpu) };
  });
}

/** A UD queue pair with one queue for both ways and a handler that collects. */
function datagrams({ ctx, cpu }: Side, seen: { wrId: number; atPs: number }[], budget = 100): QueuePair<'UD'> {
  const pd = ctx.allocPd();
  const cq = ctx.createCq({ cqe: 64 });
  const mr = pd.regMr(4096, Access.LOCAL_WRITE);
  const qp = pd.createQp({ type: 'UD', sendCq: cq, recvCq: cq });
  qp.activate({ qkey: 7 });
  for (let i = 0; i < 8; i++) qp.postRecv({ wrId: i, sge: [mr.sge(256 * i, 256)] });
  const poll = () => {
    const taken = cq.poll(budget);
    for (const wc of taken) {
      expect(wc.status).toBe(WcStatus.SUCCESS);
      seen.push({ wrId: Number(wc.wrId), atPs: cpu.nowPs });
    }
    if (taken.length < budget) cq.reqNotify();
    else cpu.exec(0, 'poll', poll);
  };
  cq.setHandler(poll);
  cq.reqNotify();
  return qp;
}

describe('verbs of kernel code', () => {
  it('cost the CPU, under their own cause', () => {
    const wire = new TestWire();
    const [{ cpu, ctx }] = kernels(wire);
    const { controlPs, registerPs, registerPagePs } = wire.profile;
    let took = -1;
    cpu.exec(1000, 'boot', () => {
      const before = cpu.nowPs;
      const pd = ctx.allocPd();
      pd.regMr(8192, Access.LOCAL_WRITE);
      took = cpu.nowPs - before;
    });
    wire.run();
    expect(took).toBe(controlPs + registerPs + 2 * registerPagePs);
    expect(cpu.usedPs.get('verbs')).toBe(took);
    expect(cpu.usedPs.get('boot')).toBe(1000);
  });

  it('an armed queue interrupts once, and the handler sees everything that came', () => {
    const wire = new TestWire();
    const [a, b] = kernels(wire);
    const sent: { wrId: number; atPs: number }[] = [];
    const got: { wrId: number; atPs: number }[] = [];
    let from: QueuePair<'UD'>;
    let to: QueuePair<'UD'>;
    a.cpu.exec(0, 'boot', () => {
      from = datagrams(a, sent);
    });
    b.cpu.exec(0, 'boot', () => {
      to = datagrams(b, got);
    });
    a.cpu.setTimer(10 ** 9, () => {
      const ah = from.pd.createAh({ dlid: wire.lid(1) });
      const data = from.pd.regMr(64, 0);
      for (let i = 0; i < 8; i++)
        from.postSend({
          wrId: 100 + i,
          opcode: Opcode.SEND,
          sendFlags: SendFlags.SIGNALED,
          sge: [data.sge()],
          ah,
          remoteQpn: to.qpNum,
          remoteQkey: 7,
        });
    });
    wire.run();
    expect(got.map((each) => each.wrId)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(sent.map((each) => each.wrId)).toEqual([100, 101, 102, 103, 104, 105, 106, 107]);
    // Eight datagrams in a burst are fewer interrupts than datagrams: the handler takes what it finds.
    const interrupts = (b.cpu.usedPs.get('verbs') as number) / INTERRUPT_PS;
    expect(interrupts).toBeLessThan(20 + 8);
    const first = got[0] as { atPs: number };
    expect(first.atPs).toBeGreaterThan(10 ** 9 + INTERRUPT_PS);
  });

  it('loses no completion that comes while a slow handler runs', () => {
    for (let gapPs = 0; gapPs < 8_000_000; gapPs += 333_000) {
      const wire = new TestWire();
      const [a, b] = kernels(wire);
      const got: { wrId: number; atPs: number }[] = [];
      let from: QueuePair<'UD'>;
      let to: QueuePair<'UD'>;
      a.cpu.exec(0, 'boot', () => {
        from = datagrams(a, []);
      });
      b.cpu.exec(0, 'boot', () => {
        to = datagrams(b, got, 1);
        // What is queued behind the handler makes it late.
        for (let i = 1; i < 6; i++) b.cpu.setTimer(10 ** 9 + i * 2_000_000, () => b.cpu.spend(1_500_000, 'other'));
      });
      for (let i = 0; i < 6; i++)
        a.cpu.setTimer(10 ** 9 + i * gapPs, () => {
          const ah = from.pd.createAh({ dlid: wire.lid(1) });
          from.postSend({ wrId: 100 + i, opcode: Opcode.SEND, ah, remoteQpn: to.qpNum, remoteQkey: 7 });
        });
      wire.run();
      expect(got.map((each) => each.wrId)).toEqual([0, 1, 2, 3, 4, 5]);
    }
  });

  it('a handler hears of asynchronous events of the port and of its own objects', () => {
    const wire = new TestWire();
    const [{ cpu, ctx }] = kernels(wire);
    const types: number[] = [];
    cpu.exec(0, 'boot', () => {
      ctx.addAsyncHandler((event) => types.push(event.eventType));
      const pd = ctx.allocPd();
      const srq = pd.createSrq({ maxWr: 4, maxSge: 1 });
      const mr = pd.regMr(4096, Access.LOCAL_WRITE);
      const cq = ctx.createCq({ cqe: 16 });
      const receiver = pd.createQp({ type: 'UD', sendCq: cq, recvCq: cq, srq });
      receiver.activate({ qkey: 7 });
      srq.postRecv([{ sge: [mr.sge(0, 128)] }, { sge: [mr.sge(128, 128)] }]);
      srq.modify({ srqLimit: 2 });
      const ah = pd.createAh({ dlid: wire.lid(0) });
      receiver.postSend({ opcode: Opcode.SEND, ah, remoteQpn: receiver.qpNum, remoteQkey: 7 });
    });
    wire.run();
    expect(types).toEqual([EventType.SRQ_LIMIT_REACHED]);
    expect(ctx.pendingAsyncEvents).toBe(0);
  });

  it('waits are refused in kernel code, handlers in programs', async () => {
    const wire = new TestWire();
    const [{ cpu, ctx }] = kernels(wire);
    let tried = false;
    cpu.exec(0, 'boot', () => {
      const cq = ctx.createCq({ cqe: 4 });
      expect(() => cq.wait()).toThrow(InvariantError);
      tried = true;
    });
    wire.run();
    expect(tried).toBe(true);
    await runAlone(async ({ ctx: program }) => {
      expect(() => program.createCq({ cqe: 4 }).setHandler(() => undefined)).toThrow(VerbsError);
      expect(() => program.addAsyncHandler(() => undefined)).toThrow(VerbsError);
    });
  });
});
