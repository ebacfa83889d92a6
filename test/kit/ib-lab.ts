/**
 * A host with Xen and an adapter, and bare hosts beside it on the adapter tests' wire: domain 0 drives the adapter of host 0, guests have verbs devices, programs run in guests
 * and on the bare hosts.
 */
import { type EraName, ERAS } from '../../src/hypervisor/index.ts';
import { inMacrotask, SimThread } from '../../src/sim/index.ts';
import { type Context, createRdmaCm, openContext, type OwnerQuota, type RdmaCm, UarSpace } from '../../src/verbs/index.ts';
import { type Ibback, registerIbback } from '../../src/xen-ibback/index.ts';
import { type IbfrontDevice, registerIbfront } from '../../src/xen-ibfront/index.ts';
import { TestWire, type WireOptions } from '../hca/wire.ts';
import { directoryOf } from '../verbs/world.ts';
import type { LabDevice } from './lab-device.ts';
import { type LabDomain, SplitLab } from './split-lab.ts';

export interface IbLabOptions extends WireOptions {
  readonly era?: EraName;
  readonly guests?: number;
  readonly pages?: number;
  readonly quota?: OwnerQuota;
}

export interface IbSelf {
  readonly ctx: Context;
  readonly cm: RdmaCm;
  readonly thread: SimThread;
  readonly shared: Record<string, unknown>;
  /** Waits, looking every microsecond, until another program has set the name. */
  get<T>(name: string): Promise<T>;
  put(name: string, value: unknown): void;
}

export type IbBody = (self: IbSelf) => Promise<unknown>;

export class IbGuest {
  readonly domain: LabDomain;
  readonly ends: readonly [LabDevice, LabDevice];
  device: IbfrontDevice | null = null;
  constructor(domain: LabDomain, ends: readonly [LabDevice, LabDevice]) {
    this.domain = domain;
    this.ends = ends;
  }
}

export class IbLab {
  readonly lab = new SplitLab();
  readonly wire: TestWire;
  readonly uars = new UarSpace();
  readonly dom0: LabDomain;
  readonly backend: Ibback;
  readonly guests: IbGuest[] = [];
  readonly threads: SimThread[] = [];
  readonly shared: Record<string, unknown> = {};
  readonly era: EraName;

  constructor(options: IbLabOptions = {}) {
    this.era = options.era ?? 'xen-3.0';
    this.wire = new TestWire({ ...options, loop: this.lab.loop });
    this.dom0 = this.lab.addDomain(0, this.era);
    this.backend = registerIbback(this.dom0.kernel, {
      adapterFor: () => this.wire.hosts[0]?.hca,
      uars: this.uars,
      ownsFrame: (domid, frame) => this.lab.domains.get(domid)?.frames[frame] !== undefined,
      ...(options.quota === undefined ? {} : { quota: options.quota }),
    });
    for (let i = 0; i < (options.guests ?? 1); i++) this.guests.push(this.#guest(i, options.pages ?? 1200));
  }

  get costs(): (typeof ERAS)[EraName]['costs'] {
    return ERAS[this.era].costs;
  }

  #guest(index: number, pages: number): IbGuest {
    const domain = this.lab.addDomain(index + 1, this.era, { pages });
    registerIbfront(domain.kernel, {
      uars: this.uars,
      nodeName: `guest${index}`,
      onDevice: (device) => {
        guest.device = device;
      },
      onGone: () => {
        guest.device = null;
      },
    });
    const guest = new IbGuest(domain, this.lab.plug(domain, this.dom0, `${index}`));
    return guest;
  }

  /** Lets the devices connect; nothing else runs yet. */
  connect(): this {
    this.wire.run(1_000_000_000);
    return this;
  }

  /** A program in a guest, or on a bare host (`host` 1 …), from `atPs` on. */
  program(where: { readonly guest: number } | { readonly host: number }, body: IbBody, atPs = 1_000_000_000): SimThread {
    const isGuest = 'guest' in where;
    const name = isGuest ? `guest${where.guest}` : `n${where.host}`;
    const thread = new SimThread(this.lab.loop, isGuest ? where.guest + 1 : 50 + where.host, name);
    this.threads.push(thread);
    thread.start(atPs, () => {
      const ctx = isGuest ? this.guests[where.guest]?.device?.openContext(thread) : openContext(this.#hca(where.host), thread);
      if (ctx === undefined || ctx === null) throw new Error('no device');
      return body(this.#self(ctx, thread));
    });
    return thread;
  }

  #hca(host: number): Parameters<typeof openContext>[0] {
    const found = this.wire.hosts[host];
    if (found === undefined) throw new Error(`no host ${host}`);
    return found.hca;
  }

  #self(ctx: Context, thread: SimThread): IbSelf {
    const { shared } = this;
    const directory = directoryOf(this.wire);
    const addresses = [...directory.addresses, ...this.guests.map((_, i) => ({ ...directory.addresses[0]!, node: `guest${i}` }))];
    return {
      ctx,
      thread,
      cm: createRdmaCm(thread, [ctx], { ...directory, addresses }),
      shared,
      get: async <T>(name: string) => {
        while (!(name in shared)) await thread.sleep(1_000_000);
        return shared[name] as T;
      },
      put: (name, value) =>
        thread.inTurn(() => {
          shared[name] = value;
        }),
    };
  }

  /** Runs to the end, or to `limitPs`; a program that threw fails the test. */
  async run(limitPs = 10 ** 13): Promise<unknown[]> {
    await inMacrotask(() => this.wire.run(limitPs));
    for (const { outcome } of this.threads) if (outcome?.error !== undefined) throw outcome.error;
    return this.threads.map((thread) => (thread.outcome === null ? thread.waitingFor() : thread.outcome.value));
  }
}
