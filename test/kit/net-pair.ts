/** Both network drivers on a machine of the test's own, connected; packets for them, and the check that nothing is left behind. */
import { expect } from 'vitest';
import type { EraName } from '../../src/hypervisor/index.ts';
import type { LinkPacket } from '../../src/net/index.ts';
import { registerNetback, type Vif } from '../../src/xen-netback/index.ts';
import { type NetfrontDevice, type NetfrontOptions, registerNetfront } from '../../src/xen-netfront/index.ts';
import type { LabDevice } from './lab-device.ts';
import { type LabDomain, SplitLab } from './split-lab.ts';

export interface Pair {
  readonly lab: SplitLab;
  readonly dom0: LabDomain;
  readonly guest: LabDomain;
  readonly front: NetfrontDevice;
  readonly vif: Vif;
  readonly ends: readonly [LabDevice, LabDevice];
  /** What came out at the guest and at the driver domain. */
  readonly atGuest: LinkPacket[];
  readonly atBack: LinkPacket[];
}

export interface PairOptions extends Partial<NetfrontOptions> {
  readonly vcpus?: number;
  readonly config?: Record<string, string>;
}

/** Plugged together; nothing has run yet, so there is no `front` and no `vif` before. */
export function plug(era: EraName, options: PairOptions = {}): Pair {
  const lab = new SplitLab();
  const dom0 = lab.addDomain(0, era, { vcpus: options.vcpus ?? 1 });
  const guest = lab.addDomain(1, era, { vcpus: options.vcpus ?? 1, pages: 3000 });
  const vifs: Vif[] = [];
  const fronts: NetfrontDevice[] = [];
  const atBack: LinkPacket[] = [];
  const atGuest: LinkPacket[] = [];
  registerNetback(dom0.kernel, {
    onVif: (vif) => {
      vifs.push(vif);
      vif.onReceive = (packet) => atBack.push(packet);
    },
  });
  registerNetfront(guest.kernel, {
    ...options,
    onDevice: (device) => {
      fronts.push(device);
      device.onReceive = (packet) => atGuest.push(packet);
    },
  });
  const ends = lab.plug(guest, dom0, '0', options.config);
  return {
    lab,
    dom0,
    guest,
    ends,
    atGuest,
    atBack,
    get front() {
      return fronts[0];
    },
    get vif() {
      return vifs[0];
    },
  };
}

/** Plugged together and connected. */
export function connect(era: EraName, options: PairOptions = {}): Pair {
  const pair = plug(era, options);
  pair.lab.run();
  expect(pair.ends.map(({ errors }) => errors)).toEqual([[], []]);
  expect(pair.front.isUp && pair.vif.isUp).toBe(true);
  return pair;
}

export const FRONT = Uint8Array.of(0, 0x16, 0x3e, 0, 0, 1);
export const PEER = Uint8Array.of(0, 0x16, 0x3e, 0, 0, 2);

export function packet(data: Uint8Array, extra: Partial<LinkPacket> = {}): LinkPacket {
  return {
    destination: PEER,
    source: FRONT,
    protocol: 0x88b5,
    data,
    gso: null,
    checksumBlank: false,
    checksumVerified: false,
    ...extra,
  };
}

/** IPv4 and TCP headers, right in what drivers look at, and `bytes` in all. */
export function tcp(bytes: number, port = 1): Uint8Array {
  const data = new Uint8Array(bytes);
  for (let i = 40; i < bytes; i++) data[i] = (i * 7) & 255;
  data.set([0x45, 0, bytes >> 8, bytes & 255, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, port >> 8, port & 255]);
  data[32] = 0x50;
  return data;
}

export const bytesOf = (packets: readonly LinkPacket[]): string[] => packets.map(({ data }) => Buffer.from(data).toString('hex'));
/** Unplugs, and checks that neither side holds anything. */
export function close({ lab, dom0, guest, ends }: Pair): void {
  ends[1].setState(5);
  lab.run();
  ends[0].remove();
  ends[1].remove();
  lab.run();
  expect(guest.held).toEqual({ grants: 0, ports: 0, mappings: 0, freePages: 3000, frames: 3000 });
  expect(dom0.held).toEqual({ grants: 0, ports: 0, mappings: 0, freePages: 1200, frames: 1200 });
}
