import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SedfPolicy } from '../../src/hypervisor/sched/sedf.ts';
import { MS, mean, Rig, SECOND, US } from './sched-kit.ts';

describe('SEDF', () => {
  it('meets every deadline of every set of reservations that an EDF scheduler can meet', () => {
    const reservation = fc.record({
      periodMs: fc.integer({ min: 1, max: 40 }),
      part: fc.double({ min: 0.02, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(reservation, { minLength: 1, maxLength: 7 }), fc.boolean(), (wanted, extraTime) => {
        const sum = wanted.reduce((total, { part }) => total + part, 0);
        const rig = new Rig({ policy: 'sedf' });
        const hogs = wanted.map(({ periodMs, part }, i) => {
          const slicePs = Math.max(5 * US, Math.floor((part / Math.max(1, sum)) * periodMs * 1000) * US);
          return { vcpu: rig.hog(1 + i, { periodPs: periodMs * MS, slicePs, extraTime }), periodPs: periodMs * MS, slicePs };
        });
        fc.pre(hogs.reduce((total, { slicePs, periodPs }) => total + slicePs / periodPs, 0) <= 1);
        // The first deadline is a slice after the first wake: full periods begin there.
        for (let atPs = 0; atPs < 200 * MS; atPs += MS) {
          rig.run(atPs);
          for (const { vcpu, periodPs, slicePs } of hogs) {
            const periods = Math.floor((atPs - slicePs) / periodPs);
            if (periods > 0) expect(vcpu.runstate.timesPs[0]).toBeGreaterThanOrEqual(periods * slicePs - 1);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('without extra time nobody gets more than his slice', () => {
    const rig = new Rig({ policy: 'sedf' });
    const hog = rig.hog(1, { periodPs: 10 * MS, slicePs: 2 * MS, extraTime: false });
    rig.run(10 * SECOND);
    expect(rig.share(hog)).toBeCloseTo(0.2, 3);
  });

  it('shares extra time evenly among best-effort domains, and by slices among those that have some', () => {
    const rig = new Rig({ policy: 'sedf' });
    const best = [1, 2, 3].map((domid) => rig.hog(domid));
    rig.run(10 * SECOND);
    for (const hog of best) expect(rig.share(hog)).toBeCloseTo(1 / 3, 2);
    const reserved = new Rig({ policy: 'sedf' });
    const small = reserved.hog(1, { periodPs: 100 * MS, slicePs: 10 * MS });
    const large = reserved.hog(2, { periodPs: 100 * MS, slicePs: 30 * MS });
    reserved.run(30 * SECOND);
    expect(reserved.share(small)).toBeCloseTo(0.25, 1);
    expect(reserved.share(large)).toBeCloseTo(0.75, 1);
  });

  it('gives a weight that counts for extra time only', () => {
    const rig = new Rig({ policy: 'sedf' });
    const light = rig.hog(1, { sedfWeight: 1, periodPs: 0 });
    const heavy = rig.hog(2, { sedfWeight: 3, periodPs: 0 });
    rig.run(10 * SECOND);
    expect(rig.share(heavy) / rig.share(light)).toBeCloseTo(3, 1);
  });

  it('guarantees domain 0 three quarters against any number of hogs', () => {
    const rig = new Rig({ policy: 'sedf' });
    const dom0 = rig.hog(0);
    for (let domid = 1; domid <= 6; domid++) rig.hog(domid);
    rig.run(10 * SECOND);
    expect(rig.share(dom0)).toBeGreaterThan(0.75);
  });

  it('lets who blocked in his period wait for extra time, not for the next but one period', () => {
    const rig = new Rig({ policy: 'sedf' });
    const { waitsMs } = rig.pinged(1, 10 * MS, 200 * US, { periodPs: 20 * MS, slicePs: 5 * MS });
    rig.hog(2);
    rig.hog(3);
    rig.run(20 * SECOND);
    // Extra time is dealt in quanta of 0.5 ms, and the penalty queue comes first.
    expect(mean(waitsMs)).toBeLessThan(1);
  });

  it('refuses a slice longer than its period, and none at all without extra time', () => {
    const rig = new Rig({ policy: 'sedf' });
    expect(rig.host.policyName).toBe(new SedfPolicy(rig.host).name);
    expect(() => rig.host.setParams(1, { periodPs: 10 * MS, slicePs: 11 * MS })).toThrow(RangeError);
    expect(() => rig.host.setParams(1, { periodPs: 10 * MS, slicePs: 0, extraTime: false })).toThrow(RangeError);
    expect(() => rig.host.setParams(1, { periodPs: 11_000 * MS, slicePs: MS })).toThrow(RangeError);
  });
});
