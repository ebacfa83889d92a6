/** Both drivers on a whole simulated Xen host: real grant tables, event channels, hypercalls, xenstore, toolstack, schedulers. */
import { describe, expect, it } from 'vitest';
import type { Domain, EraName, VifConfig } from '../../src/hypervisor/index.ts';
import type { LinkPacket } from '../../src/net/index.ts';
import { registerNetback, type Vif } from '../../src/xen-netback/index.ts';
import { type NetfrontDevice, type NetfrontOptions, registerNetfront } from '../../src/xen-netfront/index.ts';
import { bytesOf, packet, tcp } from '../kit/net-pair.ts';
import { MS, S, XenLab } from '../kit/xen-machine.ts';

const ERAS_TESTED: readonly EraName[] = ['xen-3.0', 'xen-3.0.4', 'xen-4.17'];

class Host {
  readonly lab: XenLab;
  readonly vifs = new Map<string, Vif>();
  readonly gone: string[] = [];
  readonly fronts = new Map<string, NetfrontDevice>();
  readonly atGuest: LinkPacket[] = [];
  readonly atBack: LinkPacket[] = [];

  constructor(era: EraName) {
    this.lab = new XenLab({ era });
    registerNetback(this.lab.dom0.kernel, {
      onVif: (vif) => {
        this.vifs.set(vif.name, vif);
        vif.onReceive = (received) => this.atBack.push(received);
      },
      onVifGone: (vif) => this.gone.push(vif.name),
    });
  }

  create(name: string, vif: VifConfig = {}, vcpus = 1, options: Partial<NetfrontOptions> = {}): Domain {
    const guest = this.lab.create({ name, vcpus, memoryMb: 32, vifs: [vif] }, ({ domain }) => {
      registerNetfront(domain!.kernel, {
        ...options,
        onDevice: (device) => {
          this.fronts.set(name, device);
          device.onReceive = (received) => this.atGuest.push(received);
        },
      });
    });
    this.lab.run(100 * MS);
    return guest.domain!;
  }

  send(from: Domain, device: { transmit(data: LinkPacket): boolean }, packets: readonly LinkPacket[]): void {
    for (const one of packets) from.kernel.cpu.exec(0, 'test', () => void device.transmit(one));
    this.lab.run(200 * MS);
  }
}

describe.each(ERAS_TESTED)('on a machine of %s', (era) => {
  it('guests connect, talk both ways, and vanish without a trace when killed', () => {
    const host = new Host(era);
    const { dom0, machine, loop } = host.lab;
    const before = { pages: machine.freePages, dom0: dom0.kernel.freePageCount };
    const guest = host.create('a');
    const vif = host.vifs.get(`vif${guest.domid}.0`)!;
    const front = host.fronts.get('a')!;
    expect(front.isUp && vif.isUp).toBe(true);
    const sent = Array.from({ length: 200 }, (_, i) => packet(new Uint8Array(46 + 7 * i).fill(i)));
    host.send(guest, front, sent);
    expect(bytesOf(host.atBack)).toEqual(bytesOf(sent));
    // No more than the queue of an old backend holds.
    for (let i = 0; i < sent.length; i += 25) host.send(dom0, vif, sent.slice(i, i + 25));
    expect(bytesOf(host.atGuest)).toEqual(bytesOf(sent));
    if (front.features.gso) {
      const large = packet(tcp(60_000), {
        protocol: 0x800,
        gso: { type: 'tcpv4', size: 1448 },
        checksumBlank: true,
        checksumVerified: true,
      });
      host.send(guest, front, [large]);
      host.send(dom0, vif, [large]);
      expect(host.atBack.at(-1)).toMatchObject({ gso: { type: 'tcpv4', size: 1448 }, checksumBlank: true });
      expect(bytesOf([host.atBack.at(-1)!, host.atGuest.at(-1)!])).toEqual(bytesOf([large, large]));
    }
    host.lab.wait<string | null>((done) => host.lab.toolstack.destroy('a', done));
    host.lab.run(S);
    expect(host.gone).toEqual([vif.name]);
    expect(machine.domains.has(guest.domid)).toBe(false);
    expect({ pages: machine.freePages, dom0: dom0.kernel.freePageCount }).toEqual(before);
    expect(loop.nowPs).toBeGreaterThan(0);
  });
});

describe('multi-queue', () => {
  it('spreads flows over the queues, each on a vCPU of its own, and keeps each flow in order', () => {
    const host = new Host('xen-4.17');
    const guest = host.create('a', {}, 4, { hashSteering: true });
    const vif = host.vifs.get(`vif${guest.domid}.0`)!;
    const front = host.fronts.get('a')!;
    expect([front.queueCount, vif.queueCount]).toEqual([4, 4]);
    const sent = Array.from({ length: 160 }, (_, i) => {
      const data = tcp(100, 1000 + (i % 16));
      data[99] = i;
      return packet(data, { protocol: 0x800, checksumBlank: true, checksumVerified: true });
    });
    host.send(guest, front, sent);
    host.send(host.lab.dom0, vif, sent);
    for (const arrived of [host.atBack, host.atGuest]) {
      expect(arrived).toHaveLength(160);
      for (let flow = 0; flow < 16; flow++) {
        const order = arrived.filter(({ data }) => data[21] === ((1000 + flow) & 255)).map(({ data }) => data[99]);
        expect(order).toEqual(Array.from({ length: 10 }, (_, i) => flow + 16 * i));
      }
    }
  });
});
