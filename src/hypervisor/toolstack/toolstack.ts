/**
 * The toolstack of a host: makes guests, changes them while they run, and does what their configuration says when they end. It works in dom0, as xl and libxl do:
 * what it asks of xenstore and of the hypervisor takes dom0's CPU time.
 *
 * Operations begin when they are called, from anywhere, and end with a call of `done`: null, or why they failed.
 */
import { assert, type Ps } from '../../sim/index.ts';
import type { Domain } from '../domain.ts';
import type { GuestKernel } from '../guest-kernel.ts';
import type { XenMachine } from '../machine.ts';
import type { HostScheduler } from '../sched/host-scheduler.ts';
import type { DomainParams, MachineParams } from '../sched/params.ts';
import type { StoreClient, StoreReply } from '../xenbus.ts';
import type { XenstoreDaemon } from '../xenstore/daemon.ts';
import { type Device, type DeviceConfig, type DeviceKind, classOf, DEVICE_CLASSES, devicePaths } from './device-classes.ts';
import { attachDevice, detachDevice, type DeviceHost, type Done } from './device-life.ts';
import { domain0Entries, domainGoneEntries, homeOf, renameEntries } from './domain-entries.ts';
import { Guest } from './guest.ts';
import { buildGuest } from './guest-build.ts';
import type { GuestConfig, VifConfig } from './guest-config.ts';
import { endingOf } from './guest-end.ts';
import { Identities } from './identities.ts';
import { SHUTDOWN_REASONS, type ShutdownRequest } from './guest-control.ts';
import { type CreateOptions, DEFAULT_TOOLSTACK_COSTS, type ToolstackCosts, type ToolstackOptions } from './toolstack-options.ts';
import { applyChanges, entries, removeEach } from './store-plan.ts';
import { awaitNode } from './store-wait.ts';

const CAUSE = 'toolstack';
/** How long libxl waits for a guest to acknowledge a request. */
const ACKNOWLEDGE_PS: Ps = 60e12;

export class Toolstack {
  readonly machine: XenMachine;
  readonly scheduler: HostScheduler;
  readonly kernel: GuestKernel;
  readonly daemon: XenstoreDaemon;
  readonly costs: ToolstackCosts;
  readonly domain0Uuid: string;
  readonly #options: ToolstackOptions;
  readonly #identities: Identities;
  readonly #guests: Guest[] = [];

  constructor(options: ToolstackOptions) {
    this.#options = options;
    this.machine = options.machine;
    this.scheduler = options.machine.scheduler;
    this.kernel = options.kernel;
    this.daemon = options.daemon;
    this.costs = { ...DEFAULT_TOOLSTACK_COSTS, ...options.costs };
    this.domain0Uuid = '00000000-0000-0000-0000-000000000000';
    this.#identities = new Identities(options.seed, options.machine.name, options.hostIndex ?? 0);
    options.machine.onShutdown = (domain, reason) => this.#stopped(domain, reason);
    options.machine.onDestroy = (domain) => this.#destroyed(domain);
  }

  get store(): StoreClient {
    return this.kernel.xenbus.store;
  }

  /** All guests that are not gone, in the order of their making. */
  get guests(): readonly Guest[] {
    return this.#guests;
  }

  /** By name or domid; undefined if there is none. */
  find(which: string | number): Guest | undefined {
    return this.#guests.find((guest) => (typeof which === 'number' ? guest.domid === which : guest.name === which));
  }

  /** Domain-0's entries: to be called once, before the first guest. */
  start(done: Done = () => {}): void {
    const { memory, vcpus } = this.#domainOf(0);
    this.#command(0, () => applyChanges(this.store, domain0Entries(this.domain0Uuid, memory.totalPages * 4, vcpus.length), done));
  }

  /** Makes a guest: domain, store entries, devices, and at last `boot` and the first unpause. The guest is in the list at once. */
  create(config: GuestConfig, options: CreateOptions = {}, done: Done = () => {}): Guest {
    return this.#create(config, options, 0, done);
  }

  #create(config: GuestConfig, options: CreateOptions, restarts: number, done: Done): Guest {
    const guest = new Guest(config, config.uuid ?? this.#identities.uuid(), options.boot ?? (() => {}), restarts);
    const rival = this.find(config.name);
    if (rival !== undefined) {
      guest.state = 'gone';
      this.#command(0, () => done(`there is a domain ${JSON.stringify(config.name)} already, number ${rival.domid}`));
      return guest;
    }
    this.#guests.push(guest);
    /** Goes on while all is well; what was made is taken away where it is not. */
    const next = (error: string | null, step: () => void) => {
      if (guest.state !== 'building') this.#clean(guest, () => done('the domain was destroyed while it was being made'));
      else if (error !== null) this.#destroy(guest, () => done(error));
      else step();
    };
    this.#command(0, () =>
      buildGuest(this, guest, (error) =>
        next(error, () =>
          this.#attachAll(guest, this.#listed(guest), (failed) => next(failed, () => this.#begin(guest, options, done))),
        ),
      ),
    );
    return guest;
  }

  #begin(guest: Guest, options: CreateOptions, done: Done): void {
    guest.boot(guest);
    guest.bornPs = this.kernel.cpu.nowPs;
    guest.state = 'live';
    if (options.paused !== true) this.machine.unpauseDomain(guest.domid);
    done(null);
  }

  pause(which: string | number, done: Done = () => {}): void {
    this.#with(which, done, (guest) => {
      if (guest.domain?.state === 'running') this.machine.pauseDomain(guest.domid);
      done(null);
    });
  }

  unpause(which: string | number, done: Done = () => {}): void {
    this.#with(which, done, (guest) => {
      if (guest.domain?.state === 'paused') this.machine.unpauseDomain(guest.domid);
      done(null);
    });
  }

  /** Asks the guest to stop; `done` when it has acknowledged, with an error if it does not within 60 s. What follows its stop is its configuration's. */
  shutdown(which: string | number, done: Done = () => {}, request: ShutdownRequest = 'poweroff'): void {
    this.#with(which, done, (guest) => {
      const path = `${homeOf(guest.domid)}/control/shutdown`;
      const isCleared = (reply: StoreReply<string>) => !reply.ok || reply.value === '';
      const complaint = `the guest does not acknowledge the ${request} request`;
      this.store.write(path, request, (reply) => {
        if (reply.ok) awaitNode(this.#deviceHost, path, isCleared, ACKNOWLEDGE_PS, complaint, done);
        else done(reply.error);
      });
    });
  }

  reboot(which: string | number, done: Done = () => {}): void {
    this.shutdown(which, done, 'reboot');
  }

  /** Stops the guest as a crash does. */
  crash(which: string | number, done: Done = () => {}): void {
    this.#with(which, done, (guest) => {
      this.machine.shutdownDomain(guest.domid, SHUTDOWN_REASONS.crash);
      done(null);
    });
  }

  /** Ends the guest at once, whatever it does, and takes everything of it away. */
  destroy(which: string | number, done: Done = () => {}): void {
    this.#with(which, done, (guest) => this.#destroy(guest, () => done(null)));
  }

  #destroy(guest: Guest, done: () => void): void {
    if (guest.domain?.state === 'running') this.machine.pauseDomain(guest.domid);
    guest.state = 'ending';
    this.#clean(guest, done);
  }

  /** Takes away what there is of a guest: devices, domain, entries. */
  #clean(guest: Guest, done: () => void): void {
    const [device] = guest.devices.values();
    if (device !== undefined) {
      guest.devices.delete(`${device.kind}/${device.id}`);
      detachDevice(this.#deviceHost, device, true, () => this.#clean(guest, done));
      return;
    }
    const finish = () => {
      guest.state = 'gone';
      this.#guests.splice(this.#guests.indexOf(guest), 1);
      done();
    };
    const { domain } = guest;
    if (domain === null) {
      finish();
      return;
    }
    removeEach(this.store, domainGoneEntries(domain.domid, guest.uuid), () => {
      if (!domain.isDying) this.machine.destroyDomain(domain.domid);
      finish();
    });
  }

  /** The hypervisor destroyed a domain: on our word, or on that of another tool, after which there is still to be tidied up. */
  #destroyed({ domid }: Domain): void {
    this.daemon.domainDied(domid);
    const guest = this.find(domid);
    if (guest === undefined || guest.state === 'ending') return;
    const { state } = guest;
    guest.state = 'ending';
    // One that is being made finds out at its next step.
    if (state !== 'building') this.#command(0, () => this.#clean(guest, () => {}));
  }

  /** A guest stopped by itself: xenstored is told, then its configuration decides. */
  #stopped(domain: Domain, reason: number): void {
    const { domid } = domain;
    this.daemon.domainShutdown(domid);
    const guest = this.find(domid);
    if (guest === undefined || guest.state === 'ending') return;
    guest.state = 'shutdown';
    this.#command(0, () => {
      const { action, isRestarted, isKept } = endingOf(guest.config, reason);
      this.#options.onEnd?.(guest, reason, action);
      const next = withIdentity(guest);
      const again = () => {
        if (isRestarted) this.#create(next, { boot: guest.boot }, guest.restarts + 1, () => {});
      };
      if (guest.state !== 'shutdown') return;
      if (!isKept) this.#destroy(guest, again);
      else if (isRestarted) this.#setAside(guest, again);
      else guest.state = 'preserved';
    });
  }

  /** Keeps a dead domain under another name and UUID, so that its successor can have its own. */
  #setAside(guest: Guest, done: () => void): void {
    const uuid = this.#identities.uuid();
    const name = this.#freeName(guest.name);
    const changes = renameEntries(guest.domid, name, guest.uuid, uuid);
    guest.name = name;
    guest.uuid = uuid;
    guest.state = 'preserved';
    applyChanges(this.store, changes, done);
  }

  #freeName(name: string): string {
    for (let count = 1; ; count++) if (this.find(`${name}-${count}`) === undefined) return `${name}-${count}`;
  }

  rename(which: string | number, name: string, done: Done = () => {}): void {
    this.#with(which, done, (guest) => {
      if (this.find(name) !== undefined) done(`there is a domain ${JSON.stringify(name)} already`);
      else {
        guest.name = name;
        applyChanges(this.store, renameEntries(guest.domid, name, guest.uuid), done);
      }
    });
  }

  /** Adds a device while the guest runs; `done` when its backend is there. */
  attach(which: string | number, kind: DeviceKind, config: DeviceConfig, done: Done = () => {}): void {
    this.#with(which, done, (guest) =>
      this.#attach(guest, kind, config, (error) => {
        // Its guest may have gone while the backend was awaited.
        const device = guest.state === 'gone' ? [...guest.devices.values()][0] : undefined;
        if (device === undefined) done(error);
        else detachDevice(this.#deviceHost, device, true, () => done('the domain was destroyed meanwhile'));
      }),
    );
  }

  /** Removes a device: by number, or an interface by its MAC. */
  detach(which: string | number, kind: DeviceKind, id: number | string, done: Done = () => {}): void {
    this.#with(which, done, (guest) => {
      const devices = [...guest.devices.values()].filter((device) => device.kind === kind);
      const device = devices.find((one) =>
        typeof id === 'number' ? one.id === id : (one.config as { mac?: string }).mac === id,
      );
      if (device === undefined) {
        done(`domain ${guest.domid} has no device ${kind} ${id}`);
        return;
      }
      detachDevice(this.#deviceHost, device, false, (error) => {
        if (error === null) guest.devices.delete(`${kind}/${device.id}`);
        done(error);
      });
    });
  }

  #listed(guest: Guest): [DeviceKind, DeviceConfig][] {
    const kinds = Object.keys(DEVICE_CLASSES) as DeviceKind[];
    return kinds.flatMap((kind) =>
      classOf(kind)
        .listed(guest.config)
        .map((config): [DeviceKind, DeviceConfig] => [kind, config]),
    );
  }

  #attachAll(guest: Guest, [first, ...rest]: [DeviceKind, DeviceConfig][], done: Done): void {
    if (first === undefined) done(null);
    else this.#attach(guest, ...first, (error) => (error === null ? this.#attachAll(guest, rest, done) : done(error)));
  }

  #attach(guest: Guest, kind: DeviceKind, given: DeviceConfig, done: Done): void {
    const { idOf, backendOf, complete } = classOf(kind);
    const backend = backendOf(given) ?? '0';
    const backendDomid =
      backend === '0' || backend === 'Domain-0' ? 0 : (this.find(/^\d+$/.test(backend) ? Number(backend) : backend)?.domid ?? -1);
    if (backendDomid < 0) {
      done(`there is no domain ${JSON.stringify(backend)} for the backend of a ${kind}`);
      return;
    }
    const id = idOf(given) ?? guest.freeId(kind);
    const { domid } = guest;
    const config = complete(given, () => this.#identities.mac());
    const device: Device = { kind, id, domid, backendDomid, config, paths: devicePaths(kind, domid, backendDomid, id) };
    attachDevice(this.#deviceHost, device, (error) => {
      if (error === null) guest.devices.set(`${kind}/${id}`, device);
      done(error);
    });
  }

  /** Scheduling parameters of a domain, Domain-0 included. Throws `RangeError` for values out of range. */
  setSchedule(domid: number, params: Partial<DomainParams>): void {
    this.scheduler.setParams(domid, params);
  }

  scheduleOf(domid: number): DomainParams {
    return this.scheduler.paramsOf(domid);
  }

  /** Parameters of the machine's scheduler: time slice, rate limit and the like. Throws `RangeError`. */
  setScheduler(params: Partial<MachineParams>): void {
    this.scheduler.setMachineParams(params);
  }

  /** Pins a vCPU. Throws `RangeError` for pCPUs that there are none of. */
  pin(domid: number, vcpu: number, hard: readonly number[], soft?: readonly number[]): void {
    this.scheduler.setAffinity(domid, vcpu, hard, soft);
  }

  /** Sets how many vCPUs the guest is to use; its kernel reads it in cpu/N/availability. */
  setVcpus(which: string | number, count: number, done: Done = () => {}): void {
    this.#with(which, done, (guest) => {
      const { maxVcpus } = guest.config;
      if (!(Number.isInteger(count) && count >= 1 && count <= maxVcpus)) {
        done(`found ${count} vCPUs, accepted are 1 to ${maxVcpus}`);
        return;
      }
      guest.onlineVcpus = count;
      const values = Array.from({ length: maxVcpus }, (_, cpu) => [
        `cpu/${cpu}/availability`,
        cpu < count ? 'online' : 'offline',
      ]);
      applyChanges(this.store, entries(homeOf(guest.domid), Object.fromEntries(values) as Record<string, string>), done);
    });
  }

  /** How long a guest has been there. */
  uptimePs(guest: Guest): Ps {
    return this.kernel.cpu.nowPs - guest.bornPs;
  }

  /** Runs `work` in dom0 after the price of a command, and `extraPs`. */
  #command(extraPs: Ps, work: () => void): void {
    const { cpu } = this.kernel;
    cpu.interrupt(CAUSE, () => cpu.exec(this.costs.commandPs + extraPs, CAUSE, work));
  }

  #with(which: string | number, done: Done, work: (guest: Guest) => void): void {
    this.#command(0, () => {
      const guest = this.find(which);
      if (guest === undefined) done(`there is no domain ${JSON.stringify(which)}`);
      else if (guest.domain === null || guest.state === 'ending')
        done(`domain ${JSON.stringify(guest.name)} is being made or destroyed`);
      else work(guest);
    });
  }

  get #deviceHost(): DeviceHost {
    const { store, kernel, costs } = this;
    return { store, cpu: kernel.cpu, scriptPs: costs.scriptPs, onHotplug: this.#options.onHotplug ?? null };
  }

  #domainOf(domid: number): Domain {
    const domain = this.machine.domains.get(domid);
    assert(domain !== undefined, `no domain ${domid}`);
    return domain;
  }
}

/** A guest's configuration with the UUID and the addresses that it was given, for its next life. */
function withIdentity(guest: Guest): GuestConfig {
  const vifs = guest.config.vifs.map((vif, index) => ({
    ...vif,
    ...(guest.device('vif', vif.devid ?? index)?.config as VifConfig | undefined),
  }));
  return { ...guest.config, uuid: guest.uuid, vifs };
}
