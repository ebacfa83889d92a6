/** What netback offers beyond carrying packets: fewer events than packets, patience with limits, multicast lists, queues that fill. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EraName } from '../../src/hypervisor/index.ts';
import { registerNetback } from '../../src/xen-netback/index.ts';
import { close, connect, packet, tcp } from '../kit/net-pair.ts';
import { RawFront } from '../kit/raw-front.ts';

const SECOND = 1e12;

describe('notification hold-off', () => {
  it('costs one event a burst in each direction, and none for buffers while there are some', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<EraName>('xen-3.0', 'xen-3.0.4', 'xen-4.17'),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 }),
        (era, bursts) => {
          const pair = connect(era);
          const { lab, front, vif, guest, dom0 } = pair;
          for (const burst of bursts) {
            for (const [domain, device] of [
              [guest, front],
              [dom0, vif],
            ] as const) {
              domain.cpus[0]!.exec(0, 'test', () => {
                for (let i = 0; i < burst; i++) device.transmit(packet(new Uint8Array(100)));
              });
              lab.run();
            }
          }
          const packets = bursts.reduce((sum, burst) => sum + burst, 0);
          expect([pair.atBack.length, pair.atGuest.length]).toEqual([packets, packets]);
          expect(front.counters).toMatchObject({ packetsSent: packets, notifiesTx: bursts.length, notifiesRx: 1 });
          expect(vif.counters).toMatchObject({ txPackets: packets, notifiesTx: bursts.length, notifiesRx: bursts.length });
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('a guest that posts no buffers', () => {
  it('loses its packets after 10 s and its carrier after 60 s, and gets it back when it posts some', () => {
    const front = new RawFront();
    const { lab, vif, dom0 } = front;
    const send = (): void => dom0.cpus[0]!.exec(0, 'test', () => void vif.transmit(packet(new Uint8Array(100))));
    const start = lab.loop.nowPs;
    send();
    lab.run(start + 9.9 * SECOND);
    expect(vif.counters.rxDropped).toBe(0);
    lab.run(start + 10.1 * SECOND);
    expect([vif.counters.rxDropped, vif.isUp]).toEqual([1, true]);
    send();
    lab.run(start + 49 * SECOND);
    expect([vif.counters.rxDropped, vif.isUp]).toEqual([2, true]);
    send();
    dom0.cpus[0]!.setTimer(start + 55 * SECOND, send);
    lab.run(start + 70 * SECOND);
    expect([vif.counters.rxDropped, vif.isUp]).toEqual([4, false]);
    for (let i = 0; i < 4; i++) front.buffer(i);
    front.push();
    expect(vif.isUp).toBe(true);
    send();
    lab.run();
    expect(front.received()).toEqual([{ id: 0, offset: 0, flags: 0, status: 114 }]);
  });

  it('has a queue that fills, and says so when there is room', () => {
    const front = new RawFront();
    const { lab, vif, dom0 } = front;
    let rooms = 0;
    vif.onWritable = () => {
      rooms++;
    };
    let taken = 0;
    dom0.cpus[0]!.exec(0, 'test', () => {
      while (vif.transmit(packet(new Uint8Array(1500)))) taken++;
    });
    lab.run(lab.loop.nowPs + SECOND);
    // Half a ring of pages.
    expect(taken).toBe(Math.ceil((128 * 4096) / 1514));
    for (let i = 0; i < 200; i++) front.buffer(i);
    front.tx.pushRequests();
    front.rx.pushRequests();
    front.kick();
    lab.run(lab.loop.nowPs + SECOND);
    expect(rooms).toBe(1);
    expect(front.received()).toHaveLength(200);
  });

  it('of Xen 3.0 loses them at once when the queue is full', () => {
    const front = new RawFront('xen-3.0', {}, { 'request-rx-copy': '0' });
    front.dom0.cpus[0]!.exec(0, 'test', () => {
      for (let i = 0; i < 40; i++) expect(front.vif.transmit(packet(new Uint8Array(100)))).toBe(true);
    });
    front.lab.run(front.lab.loop.nowPs + 0.01 * SECOND);
    expect(front.vif.counters.rxDropped).toBe(8);
  });
});

describe('multicast control', () => {
  it('lets through what the guest joined, and broadcasts', () => {
    const pair = connect('xen-4.17', { multicastControl: true });
    const { lab, front, vif, guest, dom0 } = pair;
    const group = 0xe000_00fb;
    const send = (destination: Uint8Array): void => {
      dom0.cpus[0]!.exec(0, 'test', () => void vif.transmit(packet(new Uint8Array(60), { destination })));
      lab.run();
    };
    send(front.multicastAddress(group));
    expect(pair.atGuest).toHaveLength(0);
    guest.cpus[0]!.exec(0, 'test', () => front.setMulticast(group, true));
    lab.run();
    send(front.multicastAddress(group));
    send(front.multicastAddress(0xe000_0001));
    send(front.broadcastAddress);
    expect(pair.atGuest).toHaveLength(2);
    guest.cpus[0]!.exec(0, 'test', () => front.setMulticast(group, false));
    lab.run();
    send(front.multicastAddress(group));
    expect(pair.atGuest).toHaveLength(2);
    expect(pair.atBack).toHaveLength(0);
    close(pair);
  });
});

describe('the control ring', () => {
  it('steers each flow to the queue that the table says, and tells the hash', () => {
    const pair = connect('xen-4.17', { vcpus: 2, hashSteering: true });
    expect([pair.front.queueCount, pair.vif.queueCount]).toEqual([2, 2]);
    const { dom0, lab, vif } = pair;
    for (let port = 0; port < 40; port++) {
      dom0.cpus[0]!.exec(0, 'test', () => void vif.transmit(packet(tcp(100, port), { protocol: 0x800, checksumBlank: true })));
      lab.run();
    }
    expect(pair.atGuest).toHaveLength(40);
    // A hash extra goes with each packet, in a slot of its own.
    expect(pair.front.counters.slotsReceived).toBe(80);
    close(pair);
  });
});

describe('the carrier', () => {
  it('is what the backend says', () => {
    const { front, ends, lab } = connect('xen-4.17');
    const seen: boolean[] = [];
    front.onCarrier = (isUp) => seen.push(isUp);
    for (const value of ['0', '1']) {
      ends[1].set('carrier', value);
      lab.run();
    }
    expect(seen).toEqual([false, true]);
  });
});

describe('a driver domain that dies', () => {
  it('is replaced, and the guest has the same interface again', () => {
    const pair = connect('xen-4.17');
    const { lab, dom0, guest, front } = pair;
    dom0.kill();
    lab.run();
    expect(front.isUp).toBe(false);
    const second = lab.addDomain(5, 'xen-4.17');
    let arrived = 0;
    registerNetback(second.kernel, {
      onVif: (vif) => {
        vif.onReceive = () => {
          arrived++;
        };
      },
    });
    lab.plug(guest, second, '0');
    lab.run();
    expect(front.isUp).toBe(true);
    guest.cpus[0]!.exec(0, 'test', () => void front.transmit(packet(new Uint8Array(100))));
    lab.run();
    expect(arrived).toBe(1);
  });
});
