import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BvtPolicy } from '../../src/hypervisor/sched/bvt.ts';
import { MS, mean, Rig, SECOND, US } from './sched-kit.ts';

describe('BVT', () => {
  it('keeps CPU-bound domains within the virtual time of one run of each other', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 2, maxLength: 8 }),
        fc.integer({ min: 1, max: 10 }),
        (advances, allowMs) => {
          const rig = new Rig({ policy: 'bvt', params: { contextAllowPs: allowMs * MS } });
          const hogs = advances.map((mcuAdvance, i) => rig.hog(1 + i, { mcuAdvance }));
          // A run is an allowance, and the lead over the next in ns; each begun 100 us counts.
          const bound = Math.max(...advances) * (allowMs * 10 + 2);
          const runs = 1 / (allowMs * 10);
          for (let atPs = 100 * MS; atPs <= SECOND; atPs += 37 * MS) {
            rig.run(atPs);
            const charged = hogs.map(({ unit }) => (unit.data as { avt: number }).avt);
            expect(Math.max(...charged) - Math.min(...charged)).toBeLessThanOrEqual(bound);
            // What is charged is what was run, and at the most one unit more for each run.
            const ran = hogs.map((hog, i) => (hog.runstate.timesPs[0] / (100 * US)) * advances[i]!);
            const most = Math.max(...ran) * runs + bound;
            expect(Math.max(...ran) - Math.min(...ran)).toBeLessThanOrEqual(bound + most);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('gives nothing for time slept: a sleeper that wakes shares evenly from then on', () => {
    const rig = new Rig({ policy: 'bvt' });
    const hog = rig.hog(1);
    const sleeper = rig.vcpu(2);
    rig.run(2 * SECOND);
    sleeper.hog(true);
    rig.run(4 * SECOND);
    // Half of two seconds, and the rest of the hog's run of 50 ms alone, which was not charged yet.
    expect(sleeper.runstate.timesPs[0]).toBeGreaterThan(0.975 * SECOND);
    expect(sleeper.runstate.timesPs[0]).toBeLessThan(1.03 * SECOND);
    expect(hog.runstate.timesPs[0] + sleeper.runstate.timesPs[0]).toBe(rig.loop.nowPs);
  });

  it('lets a sleeper that wakes go first, and a hog wait for its turn', () => {
    const rig = new Rig({ policy: 'bvt' });
    const { waitsMs } = rig.pinged(1, 50 * MS, 100 * US);
    for (let domid = 2; domid < 12; domid++) rig.hog(domid);
    rig.run(20 * SECOND);
    expect(mean(waitsMs)).toBeLessThan(0.1);
  });

  it('warps a domain back, for ever if its warp limit is longer than a run', () => {
    const rig = new Rig({ policy: 'bvt' });
    expect(new BvtPolicy(rig.host).name).toBe(rig.host.policyName);
    rig.hog(1, { warpBack: true, warpValue: 100_000, warpLimitPs: 200 * MS, unwarpLimitPs: 300 * MS });
    const other = rig.hog(2);
    rig.run(0.9 * SECOND);
    expect(other.runstate.timesPs[0]).toBe(0);
    // 100,000 of virtual time are a second.
    rig.run(3 * SECOND);
    expect(other.runstate.timesPs[0]).toBeGreaterThan(0.9 * SECOND);
  });

  it('ends the warp of a run that is longer than the warp limit, until the unwarp limit is over', () => {
    const rig = new Rig({ policy: 'bvt' });
    const warped = rig.hog(1, { warpBack: true, warpValue: 100_000, warpLimitPs: 3 * MS, unwarpLimitPs: 300 * MS });
    const other = rig.hog(2);
    rig.run(300 * MS);
    expect(rig.share(other)).toBeCloseTo(0.5, 1);
    rig.run(10 * SECOND);
    // Each 300 ms one more run of 3 ms and what is left of its allowance.
    expect(rig.share(warped) + rig.share(other)).toBeCloseTo(1, 6);
    expect(rig.share(warped)).toBeLessThan(0.6);
  });
});
