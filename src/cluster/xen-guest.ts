/** A guest as a place for programs: its drivers, its protocol stack, and when it is up. */
import type { Guest } from '../hypervisor/index.ts';
import type { NetStack } from '../net/index.ts';
import { assert, type Ps, type SimThread } from '../sim/index.ts';
import { type Context, type UarSpace, VerbsError } from '../verbs/index.ts';
import { type IbfrontDevice, registerIbfront } from '../xen-ibfront/index.ts';
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
}

export class XenGuest implements System {
  readonly plan: GuestPlan;
  readonly #options: XenGuestOptions;
  readonly #waiting: ((atPs: Ps) => void)[] = [];
  readonly #threads: SimThread[] = [];
  readonly #adapters = new Map<number, IbfrontDevice>();
  /** Devices that must be there before programs start. */
  #missing: number;
  #isUp = false;
  #guest: Guest | null = null;
  stack: NetStack | null = null;

  constructor(options: XenGuestOptions) {
    this.#options = options;
    this.plan = options.plan;
    this.#missing = options.plan.vifs.length + options.plan.ib.length;
  }

  get devices(): readonly string[] {
    return this.plan.ib.map((_, i) => guestDevice(i));
  }

  openDevice(name: string, thread: SimThread): Context {
    const { directory } = this.#options.config;
    const adapter = this.#adapters.get(this.devices.indexOf(name));
    const context = adapter?.openContext(thread, (portGuid, dlid) => slToLid(directory, portGuid, dlid)) ?? null;
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
    registerIbfront(domain.kernel, {
      uars: this.#options.uars,
      nodeName: this.#options.name,
      onDevice: (device) => {
        const isNew = !this.#adapters.has(device.handle);
        this.#adapters.set(device.handle, device);
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
