import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_OWNER_QUOTA, Errno, failed, OwnedObjects, UarSpace } from '../../src/verbs/index.ts';
import { TestWire } from '../hca/wire.ts';

const objectsOf = (quota = DEFAULT_OWNER_QUOTA) => {
  const wire = new TestWire();
  return { hca: wire.hosts[0]!.hca, objects: new OwnedObjects(wire.hosts[0]!.hca, quota) };
};
const CAPS = { maxSendWr: 4, maxRecvWr: 4, maxSendSge: 1, maxRecvSge: 1, maxInlineData: 0 };

describe('objects of another domain', () => {
  it('are counted, and held by what is made of them', () => {
    const { objects } = objectsOf();
    const pd = objects.allocPd().answer.pd as number;
    const cq = objects.createCq(8, 0).answer.cq as number;
    const qpn = objects.createQp({ pd, type: 2, sigAll: 0, sendCq: cq, recvCq: cq, srq: 0, ...CAPS }).answer.qpn as number;
    const region = { pd, access: 1 | 16, addr: 4096n, length: 100n, iova: 4096n };
    const lkey = objects.regMr(region, 1, null).answer.lkey as number;
    expect(objects.counts).toMatchObject({ pd: 1, cq: 1, qp: 1, mr: 1, all: 4 });
    expect([objects.deallocPd(pd), objects.destroyCq(cq)]).toEqual([failed(Errno.EBUSY), failed(Errno.EBUSY)]);
    const ends = [objects.destroyQp(qpn), objects.deregMr(lkey), objects.destroyCq(cq), objects.deallocPd(pd)];
    expect(ends.map(({ errno }) => errno)).toEqual([0, 0, 0, 0]);
    expect(objects.counts.all).toBe(0);
    expect(objects.deregMr(lkey).errno).toBe(Errno.EINVAL);
  });

  it('give the outcome that was foreseen once, and to the same bytes only', () => {
    const { objects } = objectsOf();
    const bytes = Uint8Array.of(1, 2, 3);
    const first = objects.foresee(7, bytes, () => objects.allocPd());
    const again = () => objects.allocPd();
    expect(objects.settle(7, Uint8Array.of(1, 2, 4), again)).not.toBe(first);
    expect(objects.settle(7, bytes, again)).toBe(first);
    expect(objects.settle(7, bytes, again)).not.toBe(first);
    expect(objects.counts.pd).toBe(3);
  });

  it('end with their owner, whatever was made in whatever order, and nothing is made afterwards', () => {
    const step = fc.tuple(fc.nat(11), fc.nat(20), fc.nat(20));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const { hca, objects } = objectsOf({ ...DEFAULT_OWNER_QUOTA, qp: 5, cq: 6 });
        const before = hca.allocPd();
        for (const [what, a, b] of steps) {
          const region = { pd: a, access: b, addr: 0n, length: 10n, iova: 0n };
          [
            () => objects.allocPd(),
            () => objects.createCq(a + 1, b < 10 ? 0 : b - 10),
            () => objects.createQp({ pd: a, type: (b % 3) + 2, sigAll: 0, sendCq: b, recvCq: b, srq: 0, ...CAPS }),
            () => objects.regMr(region, 1, null),
            () => objects.allocMw(a, (b % 2) + 1),
            () => objects.createSrq(a, 4, 1),
            () => objects.createChannel(),
            () => objects.destroyCq(a),
            () => objects.destroyQp(a),
            () => objects.deallocPd(a),
            () => objects.createAh(a, { dlid: b, sl: 0, srcPathBits: 0, staticRate: 0, portNum: 1, grh: null }),
            () => objects.modifyQp(a, { qpState: 1, portNum: 1, pkeyIndex: 0, qkey: 3 }, 1 | 16 | 32 | 64, 0),
          ][what]!();
        }
        expect(objects.counts.qp).toBeLessThanOrEqual(5);
        expect(objects.counts.cq).toBeLessThanOrEqual(6);
        objects.freeAll();
        expect(objects.counts.all).toBe(0);
        expect([objects.allocPd().errno, objects.createCq(4, 0).errno]).toEqual([Errno.ENOMEM, Errno.ENOMEM]);
        expect(objects.foresee(1, new Uint8Array(1), () => failed(0)).errno).toBe(Errno.ENODEV);
        expect(before).toBeGreaterThan(0);
      }),
      { numRuns: 150 },
    );
  });

  it('are found behind a doorbell page while it is open', () => {
    const { objects } = objectsOf();
    const uars = new UarSpace();
    const page = uars.open(objects);
    expect([uars.at(page), uars.at(page + 1), uars.size]).toEqual([objects, undefined, 1]);
    uars.close(page);
    expect([uars.at(page), uars.size]).toEqual([undefined, 0]);
  });
});
