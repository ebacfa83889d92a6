/** A whole simulated Xen host for tests: machine, dom0, xenstored, toolstack, and small drivers that shake hands as network drivers do. */
import {
  checkGuestConfig,
  createXenbus,
  type Domain,
  ERAS,
  type EraName,
  type Guest,
  type GuestConfigInput,
  type GuestKernel,
  obeyShutdown,
  RingTransport,
  type SchedulerName,
  Toolstack,
  type ToolstackOptions,
  type Xenbus,
  XENBUS_STATE,
  type XenbusState,
  XenMachine,
  XenstoreDaemon,
} from '../../src/hypervisor/index.ts';
import { EventLoop, type Ps } from '../../src/sim/index.ts';

export interface XenLabOptions extends Partial<Pick<ToolstackOptions, 'onEnd' | 'onHotplug' | 'hostIndex' | 'costs'>> {
  readonly era?: EraName;
  readonly scheduler?: SchedulerName;
  readonly pcpus?: number;
  readonly seed?: number;
}

export const MS: Ps = 1e9;
export const S: Ps = 1e12;

export class XenLab {
  readonly loop = new EventLoop();
  readonly machine: XenMachine;
  readonly dom0: Domain;
  readonly daemon: XenstoreDaemon;
  readonly toolstack: Toolstack;
  /** What backends and frontends saw, in order. */
  readonly log: string[] = [];
  #clockPs: Ps = 0;

  constructor(options: XenLabOptions = {}) {
    const { era = 'xen-4.17', scheduler, pcpus = 2, seed = 1 } = options;
    this.machine = new XenMachine({
      loop: this.loop,
      entity: 0,
      name: 'host',
      era: ERAS[era],
      pcpus,
      memoryPages: 1 << 19,
      ...(scheduler !== undefined && { scheduler: { name: scheduler } }),
      seed,
      xenbusFor: (domain) => this.#xenbus(domain),
    });
    this.dom0 = this.machine.createDomain({ name: 'Domain-0', memoryPages: 1 << 16, vcpus: 2, privileged: true });
    this.daemon = new XenstoreDaemon({ kernel: this.dom0.kernel, domainExists: (domid) => this.machine.domains.has(domid) });
    this.toolstack = new Toolstack({ machine: this.machine, daemon: this.daemon, kernel: this.dom0.kernel, seed, ...options });
    this.wait((done) => this.toolstack.start(done));
  }

  #xenbus(domain: Domain): Xenbus {
    const { kernel, domid, start } = domain;
    if (domid === 0) return createXenbus(kernel, this.daemon.connectLocal());
    return createXenbus(kernel, new RingTransport(kernel, start.storePfn, start.storePort));
  }

  /** Runs the simulation for `ps`, whether or not anything happens. */
  run(ps: Ps): void {
    this.#clockPs = Math.max(this.#clockPs, this.loop.nowPs) + ps;
    this.loop.runUntil(this.#clockPs);
  }

  /** Begins an operation and runs until it is done, at most 100 s; what it was done with. */
  wait<T>(begin: (done: (result: T) => void) => void): T {
    const results: T[] = [];
    begin((result) => results.push(result));
    this.loop.limitPs = this.loop.nowPs + 100 * S;
    while (results.length === 0 && this.loop.step());
    if (results.length !== 1) throw new Error(`the operation ended ${results.length} times`);
    return results[0]!;
  }

  /** Makes a guest and waits for it. */
  create(input: GuestConfigInput, boot: (guest: Guest) => void = (guest) => this.boot(guest)): Guest {
    const { config, issues } = checkGuestConfig(input, 'test');
    if (config === null) throw new Error(JSON.stringify(issues));
    let guest!: Guest;
    const error = this.wait<string | null>((done) => {
      guest = this.toolstack.create(config, { boot }, done);
    });
    if (error !== null) throw new Error(error);
    return guest;
  }

  /** A guest's kernel: network frontends, and obedience to `xl shutdown`. */
  boot(guest: Guest): void {
    const { kernel } = guest.domain!;
    obeyShutdown(kernel);
    this.drive(kernel, 'front');
  }

  /** A driver of one side that does the handshake of a network device and writes down what it sees. */
  drive(kernel: GuestKernel, side: 'front' | 'back', type = 'vif'): void {
    const { initWait, connected, closing, closed } = XENBUS_STATE;
    const bus = kernel.xenbus;
    const register = side === 'front' ? bus.registerFrontend.bind(bus) : bus.registerBackend.bind(bus);
    register(type, (device) => {
      const name = `${kernel.domid} ${side} ${type} ${device.id}`;
      this.log.push(`${name}: found`);
      if (side === 'back') device.publish({ 'feature-sg': 1 }, initWait);
      return {
        otherEndChanged: (state: XenbusState) => {
          if (side === 'front' && state === initWait) {
            this.log.push(`${name}: connects`);
            device.publish({ 'event-channel': 7, 'tx-ring-ref': 8, 'rx-ring-ref': 9 }, connected);
          }
          if (side === 'back' && state === connected)
            this.#afterHotplug(bus, device.path, type, () => device.setState(connected));
          if (state === closing || state === closed) {
            this.log.push(`${name}: other end ${state === closing ? 'closing' : 'closed'}`);
            device.setState(closed);
          }
        },
        removed: () => this.log.push(`${name}: gone`),
      };
    });
  }

  /** As netback does: connected only when the hotplug script has been through, since libxl waits to see InitWait. */
  #afterHotplug(bus: Xenbus, path: string, type: string, connect: () => void): void {
    if (type !== 'vif') {
      connect();
      return;
    }
    const status = `${path}/hotplug-status`;
    const unwatch = bus.store.watch(status, () =>
      bus.store.read(status, (reply) => {
        if (!reply.ok || reply.value !== 'connected') return;
        unwatch();
        connect();
      }),
    );
  }

  /** A node's value; undefined if there is none. */
  read(path: string): string | undefined {
    return this.wait<string | undefined>((done) =>
      this.toolstack.store.read(path, (reply) => done(reply.ok ? reply.value : undefined)),
    );
  }

  perms(path: string): string {
    return this.wait<string>((done) =>
      this.toolstack.store.getPerms(path, (reply) => done(reply.ok ? reply.value.join(',') : reply.error)),
    );
  }

  list(path: string): readonly string[] {
    return this.wait<readonly string[]>((done) =>
      this.toolstack.store.directory(path, (reply) => done(reply.ok ? reply.value : [])),
    );
  }
}
