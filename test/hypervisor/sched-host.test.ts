import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HostScheduler } from '../../src/hypervisor/sched/host-scheduler.ts';
import { defaultParams } from '../../src/hypervisor/sched/params.ts';
import { createPolicy } from '../../src/hypervisor/sched/policies.ts';
import { cycle, hasSoftAffinity } from '../../src/hypervisor/sched/policy.ts';
import { SchedTimer } from '../../src/hypervisor/sched/timer.ts';
import {
  RUNSTATE_BLOCKED,
  RUNSTATE_OFFLINE,
  RUNSTATE_RUNNABLE,
  RUNSTATE_RUNNING,
  SchedUnit,
} from '../../src/hypervisor/sched/unit.ts';
import { EventLoop } from '../../src/sim/index.ts';
import { FREE, MS, POLICIES, Rig, US } from './sched-kit.ts';

describe('a timer that is set again and again', () => {
  it('fires as if each setting had taken the one before it back', () => {
    const setting = fc.record({
      atUs: fc.integer({ min: 0, max: 100 }),
      afterUs: fc.option(fc.integer({ min: 0, max: 60 }), { nil: null }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(setting, { selector: ({ atUs }) => atUs, maxLength: 20 }), (settings) => {
        const loop = new EventLoop();
        const fired: number[] = [];
        const sorted = [...settings].sort((a, b) => a.atUs - b.atUs);
        const timer: SchedTimer = new SchedTimer(
          () => fired.push(loop.nowPs),
          (atPs) => loop.schedule(atPs, own, 0),
        );
        const own = loop.register(0, { onEvent: () => timer.onEvent(loop.nowPs) });
        const user = loop.register(0, {
          onEvent: (index) => {
            const { afterUs } = sorted[index]!;
            if (afterUs === null) timer.clear();
            else timer.set(loop.nowPs + afterUs * 1000 + 1);
          },
        });
        for (const [index, { atUs }] of sorted.entries()) loop.schedule(atUs * 1000, user, index);
        loop.runUntil(Number.POSITIVE_INFINITY);
        const expected = sorted.flatMap(({ atUs, afterUs }, i) => {
          if (afterUs === null) return [];
          const duePs = (atUs + afterUs) * 1000 + 1;
          return i + 1 < sorted.length && sorted[i + 1]!.atUs * 1000 < duePs ? [] : [duePs];
        });
        expect(fired).toEqual(expected);
      }),
    );
  });
});

describe('parameters', () => {
  it('start as Xen has them, domain 0 with three quarters of a pCPU under SEDF', () => {
    const { periodPs, slicePs, weight, cap } = defaultParams(0);
    expect([periodPs / MS, slicePs / MS, weight, cap]).toEqual([20, 15, 256, 0]);
    expect(defaultParams(1).slicePs).toBe(0);
  });

  it.each([
    { weight: 0 },
    { weight: 65_536 },
    { weight: 1.5 },
    { cap: -1 },
    { mcuAdvance: 0 },
    { periodPs: US },
    { periodPs: MS, slicePs: 2 * MS },
  ])('are refused out of range, and nothing changes: %j', (params) => {
    const rig = new Rig();
    rig.host.setParams(1, { weight: 77 });
    expect(() => rig.host.setParams(1, params)).toThrow(RangeError);
    expect(rig.host.paramsOf(1)).toEqual({ ...defaultParams(1), weight: 77 });
  });

  it.each([{ tslicePs: 1001 * MS }, { ratelimitPs: 50 * US }, { ratelimitPs: 31 * MS }, { contextAllowPs: US }])(
    'of the machine too: %j',
    (params) => {
      const { host } = new Rig();
      const before = host.params;
      expect(() => host.setMachineParams(params)).toThrow(RangeError);
      expect(host.params).toEqual(before);
    },
  );
});

describe('runstates', () => {
  it('take every ps once', () => {
    const unit = new SchedUnit(new Rig().host.domain(1), 0, 1, { started: () => 0, kept: () => 0, stopped: () => 0 }, 10);
    unit.enter(RUNSTATE_RUNNABLE, 15);
    unit.enter(RUNSTATE_RUNNABLE, 16);
    unit.enter(RUNSTATE_RUNNING, 20);
    unit.enter(RUNSTATE_OFFLINE, 50);
    expect(unit.runstate(53)).toEqual({ state: RUNSTATE_OFFLINE, entryPs: 50, timesPs: [30, 5, 5, 3] });
    unit.enter(RUNSTATE_BLOCKED, 60);
    expect(unit.runstate(60).timesPs).toEqual([30, 5, 5, 10]);
  });
});

describe('affinity', () => {
  it('is soft only where it tells some of the allowed pCPUs from others', () => {
    const unit = new SchedUnit(new Rig().host.domain(1), 0, 4, { started: () => 0, kept: () => 0, stopped: () => 0 }, 0);
    expect(hasSoftAffinity(unit)).toBe(false);
    unit.soft = Uint8Array.of(1, 0, 0, 0);
    expect(hasSoftAffinity(unit)).toBe(true);
    unit.hard = Uint8Array.of(1, 0, 0, 0);
    expect(hasSoftAffinity(unit)).toBe(false);
    unit.hard = Uint8Array.of(0, 1, 1, 0);
    expect(hasSoftAffinity(unit)).toBe(false);
    expect([0, 1, 2, 3].map((from) => cycle(from, unit.hard))).toEqual([1, 2, 1, 1]);
    expect(cycle(0, new Uint8Array(3))).toBe(-1);
  });
});

describe('the machine', () => {
  it.each(POLICIES)('%s: vCPUs that come are spread over pCPUs, and those that go leave nothing behind', (policy) => {
    const rig = new Rig({ policy, pcpus: 4 });
    expect(createPolicy(policy, rig.host).name).toBe(policy);
    const hogs = [1, 2, 3, 4].map((domid) => rig.hog(domid));
    rig.run(MS);
    expect(new Set(rig.host.running)).toEqual(new Set(hogs.map(({ unit }) => unit)));
    for (const hog of hogs) hog.stop();
    rig.run(200 * MS);
    expect(rig.host.running).toEqual([null, null, null, null]);
    const again = rig.hog(1);
    rig.run(300 * MS);
    expect(rig.host.running.filter((unit) => unit === again.unit)).toHaveLength(1);
    expect(() => rig.host.addVcpu(again)).toThrow();
  });

  it('charges a switch where another vCPU was last, and cold caches where another domain was', () => {
    const rig = new Rig({ costs: { ...FREE, contextSwitchPs: US, coldCachePs: 10 * US } });
    const [a, b] = [rig.vcpu(1), rig.vcpu(1, {}, 1)];
    const other = rig.vcpu(2);
    for (const [i, vcpu] of [a, a, b, other, a].entries()) rig.at((i + 1) * MS, () => vcpu.exec(US, 'work', () => undefined));
    rig.run(10 * MS);
    // First of all; again after itself; after a vCPU of the same domain; after another domain.
    expect(a.usedPs.get('context switch')).toBe(2 * US);
    expect(a.usedPs.get('cold cache')).toBe(20 * US);
    expect([b.usedPs.get('context switch'), b.usedPs.get('cold cache')]).toEqual([US, undefined]);
    expect([other.usedPs.get('context switch'), other.usedPs.get('cold cache')]).toEqual([US, 10 * US]);
    expect(rig.host.switches).toEqual([4]);
  });

  it('has at least one pCPU', () => {
    expect(() => new HostScheduler({ loop: new EventLoop(), entity: 0, pcpus: 0, policy: 'credit', costs: FREE })).toThrow();
  });
});
