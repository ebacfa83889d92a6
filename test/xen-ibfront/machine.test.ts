/**
 * VMM-bypass verbs on a whole Xen host: machine, scheduler, xenstore, toolstack, domain 0 with the adapter, guests with programs on vCPUs.
 */
import { describe, expect, it } from 'vitest';
import { inMacrotask, SimThread } from '../../src/sim/index.ts';
import { Access, type Context, Opcode, openContext, SendFlags, UarSpace } from '../../src/verbs/index.ts';
import { type Ibback, registerIbback } from '../../src/xen-ibback/index.ts';
import { type IbfrontDevice, registerIbfront } from '../../src/xen-ibfront/index.ts';
import { TestWire } from '../hca/wire.ts';
import { MS, XenLab, type XenLabOptions } from '../kit/xen-machine.ts';

const ALL = Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ;
type Body = (ctx: Context, thread: SimThread, shared: Record<string, unknown>) => Promise<unknown>;

class IbHost {
  readonly lab: XenLab;
  readonly wire: TestWire;
  readonly uars = new UarSpace();
  readonly backend: Ibback;
  readonly devices: IbfrontDevice[] = [];
  readonly threads: SimThread[] = [];
  readonly shared: Record<string, unknown> = {};

  constructor(options: XenLabOptions = {}) {
    this.lab = new XenLab(options);
    this.wire = new TestWire({ loop: this.lab.loop, hosts: 2 });
    this.backend = registerIbback(this.lab.dom0.kernel, {
      adapterFor: () => this.wire.hosts[0]?.hca,
      uars: this.uars,
      ownsFrame: (domid, frame) => frame < (this.lab.machine.domains.get(domid)?.memory.totalPages ?? 0),
    });
  }

  /** Boots a guest with a verbs device; its index. */
  guest(cpus: string): number {
    const index = this.devices.length;
    const guest = this.lab.create(
      { name: `guest${index}`, memoryMb: 16, vcpus: 1, cpus, ib: [{ mode: 'bypass', hca: 0, port: 1, pkey: 0xffff }] },
      (made) => {
        registerIbfront(made.domain!.kernel, {
          uars: this.uars,
          nodeName: `guest${index}`,
          onDevice: (device) => {
            this.devices[index] = device;
          },
        });
      },
    );
    this.lab.run(50 * MS);
    if (this.devices[index] === undefined) throw new Error(`no device in ${guest.name}`);
    return index;
  }

  program(guest: number, body: Body): SimThread {
    const { loop, machine } = this.lab;
    const thread = new SimThread(loop, 0, `guest${guest}`);
    [...machine.domains.values()].find(({ name }) => name === `guest${guest}`)!.vcpus[0]!.attachThread(thread);
    thread.start(loop.nowPs, () => body(this.devices[guest]!.openContext(thread)!, thread, this.shared));
    this.threads.push(thread);
    return thread;
  }

  bare(body: Body): SimThread {
    const thread = new SimThread(this.lab.loop, 1, 'n1');
    thread.start(this.lab.loop.nowPs, () => body(openContext(this.wire.hosts[1]!.hca, thread), thread, this.shared));
    this.threads.push(thread);
    return thread;
  }

  async run(ps: number): Promise<unknown[]> {
    await inMacrotask(() => this.wire.run(this.lab.loop.nowPs + ps));
    for (const { outcome } of this.threads) if (outcome?.error !== undefined) throw outcome.error;
    return this.threads.map((thread) => (thread.outcome === null ? thread.waitingFor() : thread.outcome.value));
  }

  /** CPU time that domain 0 has used, by cause. */
  dom0Used(): Record<string, number> {
    const used: Record<string, number> = {};
    for (const { usedPs } of this.lab.dom0.vcpus) for (const [cause, ps] of usedPs) used[cause] = (used[cause] ?? 0) + ps;
    return used;
  }
}

/** Ping-pong of 8-byte SENDs; the client gives the times of its rounds. */
function pingPong(me: string, peer: string, isClient: boolean, onStart: () => void = () => undefined): Body {
  return async (ctx, thread, shared) => {
    const pd = ctx.allocPd();
    const mr = pd.regMr(4096, ALL);
    const cq = ctx.createCq({ cqe: 64 });
    const qp = pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq, cap: { maxInlineData: 16, maxRecvWr: 64 } });
    thread.inTurn(() => {
      shared[me] = qp.endpoint();
    });
    while (shared[peer] === undefined) await thread.sleep(1_000_000);
    qp.connect(shared[peer] as ReturnType<typeof qp.endpoint>);
    for (let i = 0; i < 20; i++) qp.postRecv({ wrId: 1, sge: [mr.sge(0, 8)] });
    await thread.sync();
    shared[`${me} ready`] = true;
    while (shared[`${peer} ready`] === undefined) await thread.sleep(1_000_000);
    await thread.sleep(200_000_000);
    onStart();
    const flags = SendFlags.INLINE | SendFlags.SIGNALED;
    const times: number[] = [];
    const send = () => qp.postSend({ wrId: 2, opcode: Opcode.SEND, sendFlags: flags, sge: [mr.sge(0, 8)] });
    for (let round = 0; round < 20; round++) {
      const start = thread.nowPs;
      if (isClient) send();
      for (let seen = 0; seen < 2; seen++) {
        const [wc] = await cq.wait(1);
        if (wc?.wrId === 1 && !isClient) send();
      }
      times.push(thread.nowPs - start);
    }
    return times;
  };
}

describe('verbs of a guest on a whole host', () => {
  it('move data in the native time with a pCPU of its own, and domain 0 does not know', async () => {
    const native = new TestWire({ hosts: 2 });
    const threads = ['a', 'b'].map((me, i) => {
      const thread = new SimThread(native.loop, i, me);
      const shared = natives;
      thread.start(0, () =>
        pingPong(me, i === 0 ? 'b' : 'a', i === 0)(openContext(native.hosts[i]!.hca, thread), thread, shared),
      );
      return thread;
    });
    await inMacrotask(() => native.run(10 ** 12));
    const expected = threads[0]!.outcome!.value as number[];

    const host = new IbHost({ pcpus: 3 });
    const guest = host.guest('2');
    const accounts: Record<string, number>[] = [];
    const interest = ({ ibback = 0, verbs = 0, hca = 0, hypercall = 0 }: Record<string, number>) => ({
      ibback,
      verbs,
      hca,
      hypercall,
    });
    host.program(
      guest,
      pingPong('a', 'b', true, () => accounts.push(interest(host.dom0Used()))),
    );
    host.bare(pingPong('b', 'a', false));
    const [times] = await host.run(50 * MS);
    accounts.push(interest(host.dom0Used()));
    expect(times).toHaveLength(20);
    expect((times as number[]).slice(1)).toEqual(expected.slice(1));
    expect(accounts[0]!.ibback).toBeGreaterThan(0);
    expect(accounts[1]).toEqual(accounts[0]);
  });

  it('cost a control verb both ends, two hypercalls with events, two upcalls and the native call', async () => {
    const host = new IbHost({ pcpus: 4 });
    const guest = host.guest('3');
    const times: number[] = [];
    host.program(guest, async (ctx, thread) => {
      // The device is opened.
      await thread.sync();
      for (let i = 0; i < 5; i++) {
        const start = thread.nowPs;
        ctx.allocPd();
        await thread.sync();
        times.push(thread.nowPs - start);
        await thread.sleep(MS);
      }
    });
    await host.run(20 * MS);
    const { costs } = host.lab.machine;
    const once = costs.ibChannelPs + costs.hypercallPs + costs.eventSendPs + costs.upcallPs;
    const least = costs.syscallPs + 2 * once + host.wire.profile.controlPs + costs.guestSwitchPs;
    // On top: IPIs and switches from idle, each at most once a direction, and going to sleep.
    const most = least + 2 * (costs.ipiPs + costs.contextSwitchPs + costs.coldCachePs + costs.hypercallPs);
    for (const took of times) {
      expect(took).toBeGreaterThanOrEqual(least);
      expect(took).toBeLessThanOrEqual(most);
    }
  });

  it('leave nothing when the guest is destroyed', async () => {
    const host = new IbHost({ pcpus: 3 });
    const guest = host.guest('2');
    host.program(guest, async (ctx, thread) => {
      for (;;) {
        const pd = ctx.allocPd();
        const cq = ctx.createCq({ cqe: 16, channel: ctx.createCompChannel() });
        pd.createQp({ type: 'RC', sendCq: cq, recvCq: cq });
        pd.regMr(4096, ALL);
        await thread.sleep(10_000);
      }
    });
    await host.run(5 * MS);
    const { objects } = [...host.backend.channels.values()][0]!;
    expect(objects.counts.all).toBeGreaterThan(10);
    await inMacrotask(() => host.lab.wait<string | null>((done) => host.lab.toolstack.destroy('guest0', done)));
    await host.run(200 * MS);
    expect(objects.counts.all).toBe(0);
    expect([host.backend.channels.size, host.backend.mappedPages, host.backend.boundPorts, host.uars.size]).toEqual([0, 0, 0, 0]);
    expect([...host.lab.machine.domains.keys()]).toEqual([0]);
  });
});

const natives: Record<string, unknown> = {};
