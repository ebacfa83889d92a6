import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Vcpu } from '../../src/hypervisor/vcpu.ts';
import { BareKernelCpu, EventLoop, inMacrotask, type KernelCpu, type Ps } from '../../src/sim/index.ts';
import { MS, Rig, US } from './sched-kit.ts';

const COSTS = {
  contextSwitchPs: 1.2 * US,
  coldCachePs: 3 * US,
  ipiPs: US,
  upcallPs: US / 2,
  hypercallPs: 0.3 * US,
  physicalIrqPs: US,
};

interface Work {
  readonly atUs: number;
  readonly costUs: number;
  readonly spendUs: number;
  readonly children: readonly number[];
}

/** Does the work on any kernel CPU and says what happened when. */
function trace(cpu: KernelCpu, at: (ps: Ps, action: () => void) => void, works: readonly Work[]): string[] {
  const log: string[] = [];
  for (const [i, { atUs, costUs, spendUs, children }] of works.entries()) {
    at(atUs * US, () =>
      cpu.exec(costUs * US, `c${i % 3}`, () => {
        log.push(`${i} ${cpu.nowPs}`);
        cpu.spend(spendUs * US, 'spent');
        log.push(`${i} spent ${cpu.nowPs}`);
        for (const [n, childUs] of children.entries()) cpu.exec(childUs * US, 'child', () => log.push(`${i}.${n} ${cpu.nowPs}`));
      }),
    );
  }
  return log;
}

describe('kernel items', () => {
  const work: fc.Arbitrary<Work> = fc.record({
    atUs: fc.integer({ min: 1, max: 300 }),
    costUs: fc.nat(20),
    spendUs: fc.nat(10),
    children: fc.array(fc.nat(9), { maxLength: 3 }),
  });

  it('run on a vCPU alone on a machine that costs nothing exactly as on a bare host', () => {
    fc.assert(
      fc.property(fc.uniqueArray(work, { maxLength: 25, selector: ({ atUs }) => atUs }), (works) => {
        const rig = new Rig();
        const vcpu = rig.vcpu(1);
        const guest = trace(vcpu, (ps, action) => rig.at(ps, action), works);
        rig.run(MS);
        const loop = new EventLoop();
        const bare = new BareKernelCpu(loop, 0, { interruptPs: 0, timerPs: 0 });
        const actions: (() => void)[] = [];
        const handler = loop.register(0, { onEvent: (kind) => actions[kind]?.() });
        const host = trace(
          bare,
          (ps, action) => {
            loop.schedule(ps, handler, actions.push(action) - 1);
          },
          works,
        );
        loop.runUntil(MS);
        expect(guest).toEqual(host);
        expect([...vcpu.usedPs].sort()).toEqual([...bare.usedPs].filter(([, ps]) => ps > 0).sort());
      }),
      { numRuns: 100 },
    );
  });

  it('make progress only while the vCPU has a pCPU, and lose nothing to preemption', () => {
    const rig = new Rig({ params: { ratelimitPs: 0 } });
    const slow = rig.vcpu(1);
    let donePs = 0;
    // 100 ms of kernel work against a hog of the same weight take 200.
    rig.hog(2);
    slow.exec(100 * MS, 'long', () => {
      donePs = rig.loop.nowPs;
    });
    rig.run(400 * MS);
    expect(donePs).toBeGreaterThan(170 * MS);
    expect(donePs).toBeLessThan(230 * MS);
    expect(slow.usedPs.get('long')).toBe(100 * MS);
  });
});

describe('upcalls', () => {
  it('come before items that wait, after the item under way, once for any number of kicks', () => {
    const rig = new Rig({ costs: { upcallPs: US } });
    const log: string[] = [];
    const vcpu = rig.vcpu(1, {}, 0, (stage, atPs) => log.push(`mark ${stage} ${atPs / US}`));
    vcpu.onUpcall = () => log.push(`upcall ${vcpu.nowPs / US}`);
    rig.at(10 * US, () => {
      vcpu.exec(5 * US, 'a', () => log.push(`a ${vcpu.nowPs / US}`));
      vcpu.exec(5 * US, 'b', () => log.push(`b ${vcpu.nowPs / US}`));
    });
    for (const us of [11, 12, 13]) rig.at(us * US, () => vcpu.kick(us * US));
    rig.run(MS);
    expect(log).toEqual(['mark wait for vCPU 10', 'mark context switch 10', 'a 15', 'mark upcall 16', 'upcall 16', 'b 21']);
  });

  it('wake a vCPU on another pCPU after the interrupt between them, the switch and cold caches; every ps has its stage', () => {
    const rig = new Rig({ pcpus: 2, costs: COSTS });
    const marks: [string, number][] = [];
    const sender = rig.vcpu(1);
    const receiver = rig.vcpu(2, {}, 0, (stage, atPs) => marks.push([stage, atPs / US]));
    rig.host.setAffinity(1, 0, [0]);
    rig.host.setAffinity(2, 0, [1]);
    rig.at(0, () => sender.exec(2 * US, 'send', () => receiver.kick(sender.nowPs)));
    rig.run(MS);
    // The sender's own start: switch and cold caches, 4.2; 2 of work; the interrupt 1; the receiver's start 4.2; the upcall 0.5.
    expect(marks).toEqual([
      ['wait for vCPU', 7.2],
      ['context switch', 11.4],
      ['upcall', 11.9],
    ]);
    expect(receiver.usedPs).toEqual(
      new Map([
        ['context switch', 1.2 * US],
        ['cold cache', 3 * US],
        ['upcall', 0.5 * US],
        ['block', 0.3 * US],
      ]),
    );
    expect(receiver.runstate.timesPs[0]).toBe(5 * US);
  });

  it('interrupt a hog that runs elsewhere after the interrupt between pCPUs, and at once if a device kicks', () => {
    const rig = new Rig({ pcpus: 2, costs: COSTS });
    const sender = rig.vcpu(1);
    const hog = rig.hog(2);
    rig.host.setAffinity(1, 0, [0]);
    rig.host.setAffinity(2, 0, [1]);
    const upcalls: number[] = [];
    hog.onUpcall = () => upcalls.push(hog.nowPs / US);
    rig.at(100 * US, () => hog.kick(100 * US));
    rig.at(200 * US, () => sender.exec(0, 'send', () => hog.kick(sender.nowPs + 3 * US)));
    rig.run(MS);
    expect(upcalls).toEqual([100.5, 204.2 + 3 + 1 + 0.5]);
  });

  it('wait while a domain is paused, however often, and none is lost', () => {
    const rig = new Rig({ costs: COSTS });
    const vcpu = rig.vcpu(1);
    let upcalls = 0;
    vcpu.onUpcall = () => {
      upcalls++;
    };
    vcpu.pause();
    vcpu.pause();
    rig.at(MS, () => vcpu.kick(MS));
    rig.at(2 * MS, () => vcpu.unpause());
    rig.at(3 * MS, () => {
      expect(upcalls).toBe(0);
      vcpu.unpause();
    });
    rig.run(4 * MS);
    expect(upcalls).toBe(1);
    // Blocked until the kick, offline until the last unpause; then the switch, the upcall and the block.
    expect(vcpu.runstate.timesPs).toEqual([5 * US, 0, MS, 2 * MS]);
  });
});

describe('timers and interrupts', () => {
  it('one timer interrupt serves all timers that are due; one taken back does nothing', () => {
    const rig = new Rig({ costs: COSTS });
    const vcpu = rig.vcpu(1);
    const log: number[] = [];
    vcpu.setTimer(100 * US, () => log.push(1));
    vcpu.setTimer(100 * US, () => log.push(2));
    vcpu.clearTimer(vcpu.setTimer(100 * US, () => log.push(3)));
    rig.run(MS);
    expect(log).toEqual([1, 2]);
    expect(vcpu.usedPs.get('timer')).toBe(COSTS.upcallPs);
  });

  it("a device's interrupt costs its part in the hypervisor and an upcall, and wakes the vCPU", () => {
    const rig = new Rig({ costs: COSTS });
    const vcpu = rig.vcpu(1);
    let atUs = 0;
    rig.at(10 * US, () =>
      vcpu.interrupt('nic', () => {
        atUs = vcpu.nowPs / US;
      }),
    );
    rig.run(MS);
    expect(atUs).toBe(10 + 1 + 4.2 + 0.5);
    expect(vcpu.usedPs.get('nic')).toBe(COSTS.upcallPs);
  });
});

describe('the end', () => {
  it.each(['within an item', 'while it waits', 'while it is blocked', 'while it runs'])(
    'of a domain, %s: nothing of it ever runs again',
    (when) => {
      const rig = new Rig({ costs: COSTS });
      const vcpu = rig.vcpu(1);
      const other = rig.hog(2);
      let late = 0;
      const after = (): void => {
        late++;
      };
      if (when === 'within an item') {
        vcpu.exec(US, 'last', () => {
          vcpu.stop();
          vcpu.exec(0, 'never', after);
          vcpu.spend(US, 'never');
        });
      } else {
        if (when !== 'while it is blocked') vcpu.hog(true);
        rig.at(when === 'while it waits' ? 5 * MS : 40 * MS, () => vcpu.stop());
      }
      vcpu.setTimer(50 * MS, after);
      rig.at(60 * MS, () => {
        vcpu.kick(60 * MS);
        vcpu.interrupt('nic', after);
        vcpu.exec(0, 'never', after);
      });
      vcpu.onUpcall = () => {
        if (rig.loop.nowPs > 45 * MS) late++;
      };
      rig.run(200 * MS);
      expect(late).toBe(0);
      expect(vcpu.isStopped).toBe(true);
      expect(rig.host.running).toEqual([other.unit]);
      const used = [...vcpu.usedPs.values()].reduce((sum, ps) => sum + ps, 0);
      expect(used).toBe(vcpu.runstate.timesPs[0]);
    },
  );

  it('of an idle machine comes without events', async () => {
    const rig = new Rig();
    expect(new Vcpu({ loop: rig.loop, entity: 0, host: rig.host, domid: 9, id: 0, costs: COSTS }).isStopped).toBe(false);
    await inMacrotask(() => rig.loop.runUntil(Number.POSITIVE_INFINITY));
    expect(rig.loop.handled).toBe(0);
  });
});
