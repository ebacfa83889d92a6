/** A guest as a place for programs: its drivers, its protocol stack, and when it is up. */
import type { Hca, HcaFunction } from '../hca/index.ts';
import { type Guest, obeyShutdown } from '../hypervisor/index.ts';
import type { NetStack } from '../net/index.ts';
import { assert, type Ps, type SimThread } from '../sim/index.ts';
import { type Context, openContext, type UarSpace, VerbsError } from '../verbs/index.ts';
import { type IbfrontDevice, passThrough, registerIbfront } from '../xen-ibfront/index.ts';
import { registerNetfront } from '../xen-netfront/index.ts';
import { slToLid } from './directory.ts';
import { type GuestPlan, PREFIX_LENGTH } from './host-plan.ts';
import { createStack } from './host-network.ts';
import type { System } from './machine.ts';
import type { GroupConfig } from './node-group.ts';
import { guestDevice } from './places.ts';

export interface XenGuestOptions {
  readonly plan: GuestPlan;
  readonly config: GroupConfig;
  /** `cpu1/web1`. */
  readonly name: string;
  readonly uars: UarSpace;
  /** The node's adapters, for their virtual functions. */
  readonly hcas: readonly Hca[];
}

export class XenGuest implements System {
  readonly plan: GuestPlan;
  readonly #options: XenGuestOptions;
  readonly #waiting: ((atPs: Ps) => void)[] = [];
  readonly #threads: SimThread[] = [];
  /** By place in the guest's list of devices. */
  readonly #adapters = new Map<number, IbfrontDevice>();
  readonly #functions = new Map<number, HcaFunction>();
  /** Devices that must be there before programs start. */
  #missing: number;
  #isUp = false;
  #guest: Guest | null = null;
  stack: NetStack | null = null;

  constructor(options: XenGuestOptions) {
    this.#options = options;
    this.plan = options.plan;
    this.#missing = options.plan.vifs.length + options.plan.ib.filter(({ mode }) => mode === 'bypass').length;
    for (const [device, { mode, hca }] of options.plan.ib.entries()) {
      if (mode !== 'vf') continue;
      const virtual = options.hcas[hca]?.functions[options.plan.functions[device] as number];
      assert(virtual !== undefined, `${options.name} has no virtual function for ${guestDevice(device)}`);
      this.#functions.set(device, virtual);
    }
  }

  get devices(): readonly string[] {
    return this.plan.ib.map((_, i) => guestDevice(i));
  }

  openDevice(name: string, thread: SimThread): Context {
    const { directory } = this.#options.config;
    const device = this.devices.indexOf(name);
    const pathSl = (portGuid: bigint, dlid: number) => slToLid(directory, portGuid, dlid);
    const virtual = this.#functions.get(device);
    const context =
      virtual === undefined
        ? (this.#adapters.get(device)?.openContext(thread, pathSl) ?? null)
        : openContext(virtual, thread, pathSl);
    if (context === null) throw new VerbsError('ibv_open_device', 'ENODEV', `${name} is gone`);
    return context;
  }

  adopt(thread: SimThread): void {
    this.#threads.push(thread);
  }

  whenUp(ready: (atPs: Ps) => void): void {
    this.#waiting.push(ready);
  }

  /** Boots the guest's kernel: drivers first. Called again when the guest is rebooted; its programs have ended then and are not started again. */
  boot(guest: Guest): void {
    const { domain } = guest;
    assert(domain !== null, `${guest.name} boots without a domain`);
    this.#guest = guest;
    const { kernel } = domain;
    const cpu = kernel.cpu;
    domain.vcpus.forEach((vcpu, i) => {
      const thread = this.#threads[i];
      if (thread !== undefined && !this.#isUp) vcpu.attachThread(thread);
    });
    cpu.exec(0, 'boot', () => {
      obeyShutdown(kernel);
      this.#startNetwork(guest);
      this.#startVerbs(guest);
      if (this.#missing === 0) this.#up();
    });
    this.#startLoad();
  }

  #startNetwork({ domain }: Guest): void {
    const { vifs } = this.plan;
    if (domain === null || vifs.length === 0) return;
    const { config, name } = this.#options;
    const stack = createStack(domain.kernel.cpu, config.seed, name);
    this.stack = stack;
    registerNetfront(domain.kernel, {
      onDevice: (device) => {
        stack.addDevice(device, { address: vifs[device.handle]?.ip ?? 0, prefixLength: PREFIX_LENGTH });
        device.onCarrier = (isUp) => {
          if (!isUp) return;
          device.onCarrier = null;
          this.#arrived();
        };
      },
      onGone: (device) => stack.removeDevice(device.name),
    });
  }

  #startVerbs({ domain }: Guest): void {
    if (domain === null || this.plan.ib.length === 0) return;
    for (const virtual of this.#functions.values()) passThrough(virtual, domain.kernel);
    // The toolstack numbers the devices of a class; those of other modes are none of its own.
    const bypass = this.plan.ib.flatMap(({ mode }, device) => (mode === 'bypass' ? [device] : []));
    if (bypass.length === 0) return;
    registerIbfront(domain.kernel, {
      uars: this.#options.uars,
      nodeName: this.#options.name,
      onDevice: (device) => {
        const place = bypass[device.handle] as number;
        const isNew = !this.#adapters.has(place);
        this.#adapters.set(place, device);
        if (isNew) this.#arrived();
      },
      onGone: () => undefined,
    });
  }

  #arrived(): void {
    this.#missing--;
    if (this.#missing === 0) this.#up();
  }

  #up(): void {
    if (this.#isUp) return;
    this.#isUp = true;
    const atPs = this.#guest?.domain?.kernel.cpu.nowPs ?? 0;
    for (const ready of this.#waiting.splice(0)) ready(atPs);
  }

  /** What the guest computes of its own. */
  #startLoad(): void {
    const { load } = this.plan;
    const vcpus = this.#guest?.domain?.vcpus ?? [];
    if (load === 'idle') return;
    for (const vcpu of vcpus) {
      if (load === 'busy') {
        vcpu.hog(true);
        continue;
      }
      const again = (atPs: Ps): void => {
        vcpu.setTimer(atPs, () => vcpu.exec(load.busyPs, 'load', () => again(atPs + load.everyPs)));
      };
      again(load.everyPs);
    }
  }
}
