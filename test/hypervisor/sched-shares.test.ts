import { describe, expect, it } from 'vitest';
import { MS, POLICIES, Rig, SECOND, US } from './sched-kit.ts';

const COSTS = { contextSwitchPs: US, coldCachePs: 3 * US, ipiPs: US };

describe('shares of CPU-bound domains', () => {
  it.each([
    ['credit', (weight: number) => ({ weight: 64 * weight })],
    ['credit2', (weight: number) => ({ weight: 64 * weight })],
    // A weight of 1 … 8 is a virtual time that advances by 840 / weight.
    ['bvt', (weight: number) => ({ mcuAdvance: 840 / weight })],
    ['sedf', (weight: number) => ({ sedfWeight: weight, extraTime: false })],
  ] as const)('%s: weights 1 to 8 on one pCPU', (policy, params) => {
    const rig = new Rig({ policy, costs: COSTS });
    const hogs = [1, 2, 3, 4, 5, 6, 7, 8].map((weight) => rig.hog(weight, params(weight)));
    // The credit scheduler gives in pieces of 30 ms: the lightest's share needs some time to be even.
    rig.run(120 * SECOND);
    // SEDF keeps 5 of each 100 ms back.
    const total = policy === 'sedf' ? 0.95 : 1;
    for (const [i, hog] of hogs.entries()) expect(rig.share(hog) / ((total * (i + 1)) / 36)).toBeCloseTo(1, 1);
    expect(hogs.reduce((sum, hog) => sum + rig.share(hog), 0)).toBeCloseTo(total, 2);
  });

  it.each(['credit', 'credit2'] as const)('%s: weights over four pCPUs, where nobody can use more than one', (policy) => {
    const rig = new Rig({ policy, pcpus: 4, costs: COSTS });
    const heavy = rig.hog(1, { weight: 2560 });
    const light = [2, 3, 4, 5, 6, 7].map((domid) => rig.hog(domid));
    rig.run(20 * SECOND);
    // Its weight would earn it 2.5 pCPUs; the six others share the other three.
    expect(rig.share(heavy)).toBeGreaterThan(0.93);
    for (const hog of light) expect(rig.share(hog)).toBeGreaterThan(0.42);
  });

  it.each(['credit', 'credit2'] as const)(
    '%s: a cap holds with nobody else there, and what it leaves goes to the others',
    (policy) => {
      const alone = new Rig({ policy });
      const lone = alone.hog(1, { cap: 25 });
      alone.run(20 * SECOND);
      expect(alone.share(lone)).toBeCloseTo(0.25, 2);

      const rig = new Rig({ policy });
      const capped = rig.hog(1, { cap: 25, weight: 512 });
      const other = rig.hog(2);
      rig.run(20 * SECOND);
      expect(rig.share(capped)).toBeCloseTo(0.25, 1);
      expect(rig.share(other) + rig.share(capped)).toBeCloseTo(1, 3);
    },
  );

  it.each(['credit', 'credit2'] as const)('%s: a cap of 150 for a domain of two vCPUs', (policy) => {
    const rig = new Rig({ policy, pcpus: 4 });
    const first = rig.hog(1, { cap: 150 });
    const second = rig.hog(1, { cap: 150 }, 1);
    rig.run(20 * SECOND);
    expect(rig.share(first) + rig.share(second)).toBeCloseTo(1.5, 1);
  });

  it.each(['credit', 'credit2'] as const)('%s: weight and cap changed at run time', (policy) => {
    const rig = new Rig({ policy });
    const a = rig.hog(1);
    const b = rig.hog(2);
    rig.run(10 * SECOND);
    const before = a.runstate.timesPs[0];
    rig.host.setParams(1, { weight: 768 });
    rig.run(30 * SECOND);
    expect((a.runstate.timesPs[0] - before) / (20 * SECOND)).toBeCloseTo(0.75, 1);
    const mid = b.runstate.timesPs[0];
    rig.host.setParams(2, { cap: 10 });
    rig.run(50 * SECOND);
    expect((b.runstate.timesPs[0] - mid) / (20 * SECOND)).toBeCloseTo(0.1, 1);
    const late = b.runstate.timesPs[0];
    rig.host.setParams(2, { cap: 0 });
    rig.run(70 * SECOND);
    expect((b.runstate.timesPs[0] - late) / (20 * SECOND)).toBeCloseTo(0.25, 1);
  });

  it.each(POLICIES)('%s: pins hold, and change while vCPUs run', (policy) => {
    const rig = new Rig({ policy, pcpus: 3, costs: COSTS });
    const hogs = [1, 2, 3].map((domid) => rig.hog(domid));
    for (const domid of [1, 2]) rig.host.setAffinity(domid, 0, [2]);
    rig.host.setAffinity(3, 0, [0]);
    rig.run(4 * SECOND);
    expect(rig.share(hogs[0]!) + rig.share(hogs[1]!)).toBeCloseTo(1, 1);
    expect(rig.share(hogs[2]!)).toBeCloseTo(1, 1);
    rig.host.setAffinity(2, 0, [1]);
    const before = hogs.map((hog) => hog.runstate.timesPs[0]);
    rig.run(8 * SECOND);
    for (const [i, hog] of hogs.entries()) expect((hog.runstate.timesPs[0] - before[i]!) / (4 * SECOND)).toBeCloseTo(1, 1);
  });

  it.each(['credit', 'credit2'] as const)('%s: soft affinity is where a vCPU runs if there is room', (policy) => {
    const rig = new Rig({ policy, pcpus: 2 });
    const a = rig.hog(1);
    rig.host.setAffinity(1, 0, [0, 1], [1]);
    rig.run(SECOND);
    expect(rig.host.running[1]).toBe(a.unit);
    // With its preferred pCPU taken by who may run nowhere else, it runs on the other.
    const b = rig.hog(2);
    rig.host.setAffinity(2, 0, [1]);
    rig.run(3 * SECOND);
    expect(rig.share(a)).toBeGreaterThan(0.95);
    expect(b.runstate.timesPs[0]).toBeGreaterThan(1.9 * SECOND);
  });

  it('more than one run queue of credit2 is balanced', () => {
    const rig = new Rig({ policy: 'credit2', pcpus: 4, params: { pcpusPerRunqueue: 2 } });
    const hogs = [1, 2, 3, 4, 5, 6, 7, 8].map((domid) => rig.hog(domid));
    // All on the first queue at first.
    for (const hog of hogs) rig.host.setAffinity(hog.domid, 0, [0, 1]);
    rig.run(2 * SECOND);
    for (const hog of hogs) rig.host.setAffinity(hog.domid, 0, [0, 1, 2, 3]);
    const before = hogs.map((hog) => hog.runstate.timesPs[0]);
    rig.run(32 * SECOND);
    for (const [i, hog] of hogs.entries()) expect((hog.runstate.timesPs[0] - before[i]!) / (30 * SECOND)).toBeCloseTo(0.5, 1);
  });

  it('a time slice and a rate limit change who switches how often', () => {
    const rig = new Rig({ params: { ratelimitPs: 0 } });
    rig.hog(1);
    rig.hog(2);
    rig.run(3 * SECOND);
    const slow = rig.host.switches[0]!;
    expect(slow).toBeGreaterThan(95);
    expect(slow).toBeLessThan(110);
    rig.host.setTslice(MS);
    rig.run(6 * SECOND);
    // An accounting may come before the slice that ends with it is charged: then a vCPU has two slices in a row.
    expect(rig.host.switches[0]! - slow).toBeGreaterThan(900);
    expect(() => rig.host.setTslice(10 * US)).toThrow(RangeError);
    expect(() => rig.host.setRatelimit(2 * MS)).toThrow(RangeError);
    expect(() => rig.host.setParams(1, { weight: 0 })).toThrow(RangeError);
    expect(() => rig.host.setAffinity(1, 0, [])).toThrow(RangeError);
    expect(() => rig.host.setAffinity(1, 0, [1])).toThrow(RangeError);
  });
});
