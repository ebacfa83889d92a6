import { describe, expect, it } from 'vitest';
import { Credit2Policy } from '../../src/hypervisor/sched/credit2.ts';
import { CREDIT_INIT, CREDIT_MIN } from '../../src/hypervisor/sched/credit2-state.ts';
import { MS, mean, Rig, SECOND, US } from './sched-kit.ts';

describe('credit2', () => {
  it('burns a credit a ns at the highest weight of the run queue, and in inverse proportion below', () => {
    const rig = new Rig({ policy: 'credit2' });
    const policy = new Credit2Policy(rig.host);
    const heavy = rig.vcpu(1, { weight: 512 });
    const light = rig.vcpu(2, { weight: 128 });
    rig.at(0, () => heavy.exec(2 * MS, 'work', () => undefined));
    rig.at(3 * MS, () => light.exec(MS, 'work', () => undefined));
    rig.run(10 * MS);
    expect(CREDIT_INIT - policy.creditOf(heavy.unit)).toBe(2e6);
    expect(CREDIT_INIT - policy.creditOf(light.unit)).toBe(4e6);
  });

  it('keeps credits between debt and what may be carried over, and those of equals close to each other', () => {
    const rig = new Rig({ policy: 'credit2', pcpus: 2 });
    const policy = new Credit2Policy(rig.host);
    const hogs = [1, 2, 3, 4, 5].map((domid) => rig.hog(domid));
    for (let ms = 50; ms < 3000; ms += 7) {
      rig.run(ms * MS);
      const credits = hogs.map(({ unit }) => policy.creditOf(unit));
      expect(Math.max(...credits)).toBeLessThanOrEqual(CREDIT_INIT + 500_000);
      expect(Math.min(...credits)).toBeGreaterThanOrEqual(CREDIT_MIN);
      // Slices of 1 ms (the rate limit), two pCPUs: nobody is more than three slices ahead, the one under way included.
      expect(Math.max(...credits) - Math.min(...credits)).toBeLessThanOrEqual(3_100_000);
    }
  });

  it('lets a sleeper go first, for it has more credit, but not before who runs has run the rate limit', () => {
    const waits = [0, MS].map((ratelimitPs) => {
      const rig = new Rig({ policy: 'credit2', params: { ratelimitPs } });
      const { waitsMs } = rig.pinged(1, 10 * MS, 100 * US);
      for (let domid = 2; domid < 6; domid++) rig.hog(domid);
      rig.run(20 * SECOND);
      return waitsMs;
    });
    expect(mean(waits[0]!)).toBeLessThan(0.05);
    // Hogs change places every ms: the wait is what is left of it.
    expect(mean(waits[1]!)).toBeGreaterThan(0.3);
    expect(mean(waits[1]!)).toBeLessThan(0.7);
  });

  it('has no timer for a cap that nobody uses, and gives the whole budget to who comes late', () => {
    const rig = new Rig({ policy: 'credit2' });
    const vcpu = rig.vcpu(1, { cap: 20 });
    rig.run(SECOND);
    expect(rig.loop.handled).toBe(0);
    const ranMs: number[] = [];
    rig.at(1003 * MS, () => vcpu.hog(true));
    for (let i = 0; i < 4; i++) rig.at((1010 + 10 * i) * MS - 1, () => ranMs.push(vcpu.runstate.timesPs[0] / MS));
    rig.run(1100 * MS);
    // 2 ms of each 10, periods on the grid on which the cap was set.
    for (const [i, ms] of ranMs.entries()) expect(ms).toBeCloseTo(2 * (i + 1), 6);
  });

  it('the budget of a domain is shared by its vCPUs', () => {
    const rig = new Rig({ policy: 'credit2', pcpus: 4 });
    const hogs = [0, 1, 2].map((id) => rig.hog(1, { cap: 60 }, id));
    rig.run(10 * SECOND);
    expect(hogs.reduce((sum, hog) => sum + rig.share(hog), 0)).toBeCloseTo(0.6, 2);
    for (const hog of hogs) expect(rig.share(hog)).toBeGreaterThan(0.1);
  });
});
