import fc from 'fast-check';
import { expect, test } from 'vitest';
import { build, byTime, runProduct, sentBy, shapes } from './random-fabric.ts';
import { ReferenceFabric } from './reference.ts';

const LIMIT_PS = 400_000_000;

test('random small fabrics: the same deliveries, to the picosecond, as the plain reference kernel', () => {
  fc.assert(
    fc.property(shapes, (shape) => {
      const c = build(shape);
      const reference = new ReferenceFabric(c.spec);
      reference.inject(c.injections);
      reference.run(LIMIT_PS);
      const ours = runProduct(c, LIMIT_PS);
      const stats = ours.fabric.stats();
      expect(ours.deliveries).toEqual([...reference.deliveries].sort(byTime));
      expect({ hops: stats.packetHops, dropped: stats.dropped }).toEqual({ hops: reference.hops, dropped: reference.dropped });
      const sent = c.spec.switches.flatMap((s, i) =>
        Array.from({ length: s.portCount }, (_, p) => reference.sent('switch', i, p + 1)),
      );
      expect(sentBy(ours.fabric, c)).toEqual(sent);
      ours.fabric.assertConserved();
      if (stats.inside === 0) ours.fabric.assertDrained();
    }),
    { numRuns: 150 },
  );
});

test('how calls of runUntil are cut changes nothing', () => {
  fc.assert(
    fc.property(shapes, fc.array(fc.integer({ min: 0, max: 3_000_000 }), { maxLength: 30 }), (shape, cuts) => {
      const c = build(shape);
      const whole = runProduct(c, LIMIT_PS);
      const cut = runProduct(c, LIMIT_PS, cuts);
      expect(cut.deliveries).toEqual(whole.deliveries);
      expect(cut.freed).toEqual(whole.freed);
      expect(cut.fabric.stats().hash).toBe(whole.fabric.stats().hash);
    }),
    { numRuns: 150 },
  );
});
