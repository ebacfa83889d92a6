/** Both drivers on a machine of the test's own: what goes in comes out, and nothing is left behind. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EraName } from '../../src/hypervisor/index.ts';
import { RandomStream } from '../../src/sim/index.ts';
import { bytesOf, close, connect, FRONT, packet, PEER, tcp } from '../kit/net-pair.ts';

const ERAS_TESTED: readonly EraName[] = ['xen-3.0', 'xen-3.0.4', 'xen-4.17'];

describe.each(ERAS_TESTED)('a pair of network drivers of %s', (era) => {
  it('connects, carries packets both ways, in order, and gives all back', () => {
    const pair = connect(era);
    const before = pair.guest.held;
    expect(pair.front.isUp && pair.vif.isUp).toBe(true);
    expect(pair.vif.name).toBe('vif1.0');
    const sent = Array.from({ length: 100 }, (_, i) => packet(new Uint8Array(46 + 13 * i).fill(i)));
    pair.guest.cpus[0].exec(0, 'test', () => {
      for (const one of sent) expect(pair.front.transmit(one)).toBe(true);
    });
    pair.lab.run();
    expect(bytesOf(pair.atBack)).toEqual(bytesOf(sent));
    expect(pair.atBack[3]).toMatchObject({ source: FRONT, destination: PEER, protocol: 0x88b5, checksumVerified: false });
    for (let i = 0; i < 100; i += 20) {
      pair.dom0.cpus[0].exec(0, 'test', () => {
        for (const one of sent.slice(i, i + 20)) expect(pair.vif.transmit(one)).toBe(true);
      });
      pair.lab.run();
    }
    expect(bytesOf(pair.atGuest)).toEqual(bytesOf(sent));
    expect(pair.guest.held.ports).toBe(before.ports);
    close(pair);
  });

  it('is connected again after the front closed', () => {
    const pair = connect(era);
    pair.ends[1].setState(5);
    pair.lab.run();
    expect(pair.front.isUp).toBe(false);
    expect(pair.ends.map(({ state }) => state)).toEqual([6, 6]);
    expect(pair.guest.held).toMatchObject({ grants: 0, ports: 0, freePages: 3000, frames: 3000 });
    pair.ends[0].setState(1);
    pair.lab.run();
    expect(pair.ends.map(({ state }) => state)).toEqual([4, 4]);
    pair.guest.cpus[0].exec(0, 'test', () => pair.front.transmit(packet(new Uint8Array(60))));
    pair.lab.run();
    expect(pair.atBack).toHaveLength(1);
    close(pair);
  });
});

describe('packets of any size', () => {
  const size = fc.oneof(fc.integer({ min: 0, max: 1500 }), fc.integer({ min: 1, max: 65_521 }));
  it('arrive intact and in order where fragments are taken, flags and GSO included', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(size, fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 12 }),
        fc.constantFrom<EraName>('xen-3.0.4', 'xen-4.17'),
        fc.boolean(),
        (plan, era, up) => {
          const pair = connect(era, { config: { mtu: '65521' } });
          const random = new RandomStream(7, 'bytes');
          const sent = plan.map(([bytes, kind]) => {
            if (kind === 0) {
              const data = Uint8Array.from({ length: bytes }, () => random.below(256));
              return packet(data);
            }
            const data = tcp(Math.max(bytes, 40));
            return packet(data, {
              protocol: 0x800,
              checksumBlank: kind !== 1,
              checksumVerified: true,
              gso: kind === 3 ? { type: 'tcpv4', size: 1448 } : null,
            });
          });
          const [cpu, device, arrived] = up
            ? ([pair.guest.cpus[0], pair.front, pair.atBack] as const)
            : ([pair.dom0.cpus[0], pair.vif, pair.atGuest] as const);
          for (const one of sent) {
            cpu.exec(0, 'test', () => void expect(device.transmit(one)).toBe(true));
          }
          pair.lab.run();
          expect(arrived.map(({ gso, checksumBlank, checksumVerified }) => ({ gso, checksumBlank, checksumVerified }))).toEqual(
            sent.map(({ gso, checksumBlank, checksumVerified }) => ({ gso, checksumBlank, checksumVerified })),
          );
          expect(bytesOf(arrived)).toEqual(bytesOf(sent));
          close(pair);
        },
      ),
      { numRuns: 60 },
    );
  });
});
