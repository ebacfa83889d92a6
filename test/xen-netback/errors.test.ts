/** What Linux's netback does to guests that break the rules: some sins cost the packet, others the interface. */
import { describe, expect, it } from 'vitest';
import { TX_CSUM_BLANK, TX_EXTRA_INFO, TX_MORE_DATA } from '../../src/hypervisor/index.ts';
import { RawFront, type RawSlot } from '../kit/raw-front.ts';
import { tcp } from '../kit/net-pair.ts';

const ERROR = -1;

describe('netback answers with an error and goes on', () => {
  const cases: readonly [name: string, slots: RawSlot[], statuses: number[]][] = [
    ['a runt', [{ id: 5, size: 13 }], [ERROR]],
    ['an empty packet', [{ id: 5, size: 0 }], [ERROR]],
    ['a grant that is none', [{ id: 5, gref: 4000 }], [ERROR]],
    ['the reserved grant 0', [{ id: 5, gref: 0 }], [ERROR]],
    [
      'a second slot whose grant is none',
      [
        { id: 5, size: 400, flags: TX_MORE_DATA },
        { id: 6, gref: 4000, size: 200 },
      ],
      [0, ERROR],
    ],
    [
      'fragments larger than the packet',
      [
        { id: 5, size: 100, flags: TX_MORE_DATA },
        { id: 6, size: 200 },
      ],
      [ERROR, ERROR],
    ],
    [
      'a first share smaller than the Ethernet header',
      [
        { id: 5, size: 100, flags: TX_MORE_DATA },
        { id: 6, size: 90 },
      ],
      [ERROR, ERROR],
    ],
    [
      '19 fragments',
      Array.from({ length: 20 }, (_, i) => ({ id: i, size: i === 0 ? 2000 : 100, flags: i < 19 ? TX_MORE_DATA : 0 })),
      Array.from({ length: 20 }, () => ERROR),
    ],
  ];
  it.each(cases)('%s', (_name, slots, statuses) => {
    for (const era of ['xen-3.0.4', 'xen-4.17'] as const) {
      const front = new RawFront(era);
      for (const slot of slots) front.slot(slot);
      front.slot({ id: 99 });
      front.push();
      const got = front.responses().sort(([a], [b]) => a - b);
      expect(got).toEqual([...slots.map(({ id }, i) => [id, statuses[i]]), [99, 0]]);
      expect(front.vif.fatal).toBeNull();
      expect(front.arrived).toHaveLength(1);
      expect(front.vif.counters.txErrors).toBe(1);
      expect(front.dom0.held.mappings).toBe(2);
    }
  });

  it('18 fragments are taken', () => {
    const front = new RawFront();
    for (let i = 0; i < 19; i++) front.slot({ id: i, size: i === 0 ? 2000 : 100, flags: i < 18 ? TX_MORE_DATA : 0 });
    front.push();
    expect(front.responses().map(([, status]) => status)).toEqual(Array.from({ length: 19 }, () => 0));
    expect(front.arrived[0].data).toHaveLength(2000 - 14);
  });

  it('a blank checksum where there is no transport: dropped, yet answered as sent', () => {
    const front = new RawFront();
    front.data.set([0x08, 0x00], 12);
    front.slot({ id: 1, flags: TX_CSUM_BLANK, size: 100 });
    front.push();
    expect(front.responses()).toEqual([[1, 0]]);
    expect(front.arrived).toHaveLength(0);
    expect(front.vif.counters.txErrors).toBe(1);
  });
});

describe('netback disables the interface', () => {
  const cases: readonly [name: string, why: RegExp, write: (front: RawFront) => void][] = [
    ['a packet across a page', /crosses a page/, (front) => front.slot({ offset: 4090 })],
    [
      'a fragment across a page',
      /fragment crosses a page/,
      (front) => {
        front.slot({ size: 400, flags: TX_MORE_DATA });
        front.slot({ offset: 4000, size: 97 });
      },
    ],
    ['more_data at the end of the ring', /exceeds this limit/, (front) => front.slot({ flags: TX_MORE_DATA, size: 400 })],
    ['an extra that does not follow', /missing extra info/, (front) => front.slot({ flags: TX_EXTRA_INFO })],
    [
      'an extra of no type',
      /invalid extra type 0/,
      (front) => {
        front.slot({ flags: TX_EXTRA_INFO });
        front.extra(0, 0);
      },
    ],
    [
      'an extra of an unknown type',
      /invalid extra type 5/,
      (front) => {
        front.slot({ flags: TX_EXTRA_INFO });
        front.extra(5, 0);
      },
    ],
    [
      'GSO of size zero',
      /GSO size must not be zero/,
      (front) => {
        front.slot({ flags: TX_EXTRA_INFO, size: 200 });
        front.extra(1, 0, 0, 0, 1);
      },
    ],
    [
      'GSO of no type',
      /bad GSO type/,
      (front) => {
        front.slot({ flags: TX_EXTRA_INFO, size: 200 });
        front.extra(1, 0, 0x78, 5, 3);
      },
    ],
    [
      'more than 20 fragments',
      /malicious frontend/,
      (front) => {
        for (let i = 0; i < 22; i++) front.slot({ size: i === 0 ? 3000 : 100, flags: TX_MORE_DATA });
      },
    ],
    [
      'more requests than the ring holds',
      /impossible number of requests/,
      (front) => {
        front.tx.reqProdPvt = 257;
      },
    ],
    [
      'more buffers than the ring holds',
      /impossible number of receive requests/,
      (front) => {
        front.rx.reqProdPvt = 300;
        front.vif.transmit({
          destination: new Uint8Array(6),
          source: new Uint8Array(6),
          protocol: 0x88b5,
          data: new Uint8Array(50),
          gso: null,
          checksumBlank: false,
          checksumVerified: false,
        });
      },
    ],
  ];
  it.each(cases)('for %s', (_name, why, write) => {
    const front = new RawFront();
    write(front);
    front.push();
    expect(front.vif.fatal).toMatch(why);
    expect(front.vif.isUp).toBe(false);
    expect(front.dom0.held).toMatchObject({ mappings: 0, ports: 0, freePages: 1200 });
  });

  it('after having sent what was right before', () => {
    const front = new RawFront();
    front.slot({ id: 1 });
    front.slot({ id: 2, offset: 4090 });
    front.push();
    expect(front.arrived).toHaveLength(1);
    expect(front.responses()).toEqual([[1, 0]]);
    expect(front.vif.fatal).toMatch(/page/);
  });
});

describe('netback does not connect', () => {
  const cases: readonly [name: string, why: RegExp, keys: Record<string, string>][] = [
    ['a ring that is not granted', /mapping shared ring page 4000/, { 'tx-ring-ref': '4000' }],
    ['no ring', /ring-ref/, { 'rx-ring-ref': 'x' }],
    ['no event channel', /event-channel/, { 'event-channel': '-1' }],
    ['an event channel that is none', /binding event channel 77/, { 'event-channel': '77' }],
    ['too many queues', /exceeding the maximum of 4/, { 'multi-queue-num-queues': '5' }],
    ['queues without keys', /queue-0\/ring-ref/, { 'multi-queue-num-queues': '2' }],
    ['flipping, which is long gone', /page flipping is not supported/, { 'request-rx-copy': '0' }],
  ];
  it.each(cases)('to %s', (_name, why, keys) => {
    const front = new RawFront('xen-4.17', {}, keys);
    expect(front.ends[1].errors.join()).toMatch(why);
    expect(front.ends[1].state).toBe(5);
    expect(front.dom0.held).toEqual({ grants: 0, ports: 0, mappings: 0, freePages: 1200, frames: 1200 });
  });

  it('with a rate that is none', () => {
    const front = new RawFront('xen-4.17', { rate: '10Mb/s' });
    expect(front.ends[1].errors.join()).toMatch(/rate is "10Mb\/s"/);
  });
});

describe('a guest that asks for little', () => {
  it('gets segments with whole checksums, each in one slot', () => {
    const front = new RawFront('xen-4.17', {}, { 'feature-sg': '0', 'feature-gso-tcpv4': '0', 'feature-no-csum-offload': '1' });
    for (let i = 0; i < 64; i++) front.buffer(i);
    front.push();
    const packet = {
      destination: new Uint8Array(6),
      source: new Uint8Array(6),
      protocol: 0x800,
      data: tcp(4000),
      gso: { type: 'tcpv4' as const, size: 1448 },
      checksumBlank: true,
      checksumVerified: true,
    };
    front.dom0.cpus[0].exec(0, 'test', () => void expect(front.vif.transmit(packet)).toBe(true));
    front.lab.run();
    expect(front.received().map(({ id, flags, status }) => [id, flags, status])).toEqual([
      [0, 1, 1502],
      [1, 1, 1502],
      [2, 1, 1118],
    ]);
  });

  it('and one with bad buffers gets errors in their place', () => {
    const front = new RawFront();
    front.buffer(7, front.dataRef);
    front.buffer(8);
    front.push();
    const packet = {
      destination: new Uint8Array(6),
      source: new Uint8Array(6),
      protocol: 0x88b5,
      data: new Uint8Array(50),
      gso: null,
      checksumBlank: false,
      checksumVerified: true,
    };
    for (let i = 0; i < 2; i++) {
      front.dom0.cpus[0].exec(0, 'test', () => void expect(front.vif.transmit(packet)).toBe(true));
      front.lab.run();
    }
    expect(front.received()).toEqual([
      { id: 7, offset: 0, flags: 1, status: ERROR },
      { id: 8, offset: 0, flags: 1, status: 64 },
    ]);
  });
});
