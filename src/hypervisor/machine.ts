/**
 * A machine that runs Xen: pCPUs, memory and domains, and their life from creation to death.
 */
import { type EventHandler, type EventLoop, InvariantError, type Ps } from '../sim/index.ts';
import { VIRQ_CON_RING, VIRQ_DOM_EXC, VIRQ_TIMER } from './abi/event.ts';
import { DOMID_FIRST_RESERVED, SHUTDOWN_crash, SHUTDOWN_watchdog } from './abi/guest.ts';
import { HypervisorConsole } from './console.ts';
import { HypercallDoor } from './door.ts';
import type { Domain } from './domain.ts';
import { buildDomain } from './domain-builder.ts';
import type { Era, SchedulerName, XenCosts } from './eras.ts';
import { GrantOps } from './grant-ops.ts';
import type { HypercallHost } from './hypercalls/host.ts';
import { MachineMemory } from './machine-memory.ts';
import { HostScheduler } from './sched/host-scheduler.ts';
import { defaultParams, type MachineParams } from './sched/params.ts';
import { Vcpu } from './vcpu.ts';
import type { Xenbus } from './xenbus.ts';

export interface XenMachineOptions {
  readonly loop: EventLoop;
  readonly entity: number;
  readonly name: string;
  readonly era: Era;
  /** Default: the era's. */
  readonly costs?: XenCosts;
  readonly pcpus: number;
  /** Machine memory in pages of 4 KiB. */
  readonly memoryPages: number;
  /** Default: the era's scheduler with its default parameters. */
  readonly scheduler?: { readonly name: SchedulerName; readonly params?: Partial<MachineParams> };
  readonly seed: number;
  /** For breakdowns: `KernelCpu.mark` of any domain. */
  readonly onMark?: (domid: number, stage: string, atPs: Ps) => void;
  /** Makes a domain's xenbus; called once for each domain, on its first use. */
  readonly xenbusFor?: (domain: Domain) => Xenbus;
}

export interface DomainOptions {
  readonly name: string;
  /** Default: the one after the last that was made, as Xen counts. */
  readonly domid?: number;
  /** Pages at start, 32 or more. */
  readonly memoryPages: number;
  /** Limit of its pages; default `memoryPages`. */
  readonly maxPages?: number;
  readonly vcpus: number;
  /** Default 256. */
  readonly weight?: number;
  /** Per cent of one pCPU; default 0, which is no limit. */
  readonly cap?: number;
  /** pCPUs that each vCPU may use; default all. One list for all vCPUs. */
  readonly affinity?: readonly number[];
  readonly privileged?: boolean;
  /** Default false: it runs at once. */
  readonly paused?: boolean;
  readonly commandLine?: string;
  /** Limits of grant table frames and of ports; defaults by era. */
  readonly maxGrantFrames?: number;
  readonly maxPorts?: number;
}

/** Domids are below this. */
const DOMID_LIMIT = 2 ** 15;

const KIND_EVENT = 0;
const KIND_TIMER = 1;
const KIND_WATCHDOG = 2;
const KIND_SHUTDOWN = 3;

/** A timer of a vCPU or a watchdog of a domain, by its handle. */
interface Timer {
  readonly domain: Domain;
  readonly vcpuId: number;
  readonly periodPs: Ps;
  readonly key: string;
}

export class XenMachine implements HypercallHost, EventHandler {
  readonly name: string;
  readonly era: Era;
  readonly costs: XenCosts;
  readonly pcpus: number;
  readonly seed: number;
  readonly scheduler: HostScheduler;
  readonly memory: MachineMemory;
  readonly grantOps: GrantOps;
  /** Hypercalls by number; the toolstack installs its own here. */
  readonly door: HypercallDoor;
  readonly console = new HypervisorConsole();
  /** A domain shut itself down (`reason`: SHUTDOWN_*), or crashed. Called from an event of its own, after whatever did that. */
  onShutdown: ((domain: Domain, reason: number) => void) | null = null;
  /** A domain is destroyed: first thing, while its memory is still there. */
  onDestroy: ((domain: Domain) => void) | null = null;

  readonly #options: XenMachineOptions;
  readonly #loop: EventLoop;
  readonly #handler: number;
  readonly #domains = new Map<number, Domain>();
  #nextDomid = 0;
  readonly #timers = new Map<number, Timer>();
  readonly #timerOf = new Map<string, number>();
  #nextTimer = 1;

  constructor(options: XenMachineOptions) {
    this.#options = options;
    this.name = options.name;
    this.costs = options.costs ?? options.era.costs;
    // Drivers price their work by their kernel's era.
    this.era = { ...options.era, costs: this.costs };
    this.pcpus = options.pcpus;
    this.seed = options.seed;
    this.#loop = options.loop;
    this.#handler = options.loop.register(options.entity, this);
    const { name: policy, params = {} } = options.scheduler ?? { name: options.era.scheduler };
    const { loop, entity, pcpus } = options;
    const withBoost = { boost: options.era.boost, ...params };
    this.scheduler = new HostScheduler({ loop, entity, pcpus, policy, params: withBoost, costs: this.costs });
    this.memory = new MachineMemory(options.memoryPages);
    this.memory.onLateFree = (owner) => this.#pageCameBack(owner);
    this.grantOps = new GrantOps(this.memory, (domid) => this.#domains.get(domid));
    this.door = new HypercallDoor(this);
  }

  // Domains.

  /** Machine memory in pages, and what of it is in no reservation. */
  get totalPages(): number {
    return this.memory.totalPages;
  }
  get freePages(): number {
    return this.memory.freePages;
  }

  /** Domains that are not dead, by domid. */
  get domains(): ReadonlyMap<number, Domain> {
    return this.#domains;
  }

  lookup(domid: number): Domain | undefined {
    return this.#domains.get(domid);
  }

  /** Throws `RangeError` where memory or domids are used up, or for parameters out of range. */
  createDomain(options: DomainOptions): Domain {
    const domid = this.#domid(options.domid);
    const { weight, cap, privileged = domid === 0, commandLine = '', maxPages = options.memoryPages } = options;
    // A domain that had the number before has left its parameters.
    const shares = { ...(weight !== undefined && { weight }), ...(cap !== undefined && { cap }) };
    this.scheduler.setParams(domid, { ...defaultParams(domid), ...shares });
    const context = {
      machineName: this.name,
      seed: this.seed,
      era: this.era,
      memory: this.memory,
      door: this.door,
      lookup: (id: number) => this.#domains.get(id),
      makeVcpu: (id: number, vcpu: number) => this.#makeVcpu(id, vcpu),
      makeXenbus: (of: Domain) => this.#makeXenbus(of),
      crash: (of: Domain) => this.shutdown(of, SHUTDOWN_crash),
    };
    const domain = buildDomain(context, { ...options, domid, privileged, commandLine, maxPages });
    this.#domains.set(domid, domain);
    this.#nextDomid = Math.max(this.#nextDomid, domid + 1);
    if (options.paused === true) this.#pause(domain);
    this.#pin(domain, options.affinity);
    return domain;
  }

  #pin({ domid, vcpus }: Domain, affinity: readonly number[] | undefined): void {
    if (affinity === undefined) return;
    try {
      for (const { id } of vcpus) this.scheduler.setAffinity(domid, id, affinity);
    } catch (error) {
      this.destroyDomain(domid);
      throw error;
    }
  }

  #domid(wanted: number | undefined): number {
    let domid = wanted ?? this.#nextDomid;
    if (wanted === undefined) while (this.#domains.has(domid % DOMID_FIRST_RESERVED)) domid++;
    domid %= DOMID_FIRST_RESERVED;
    if (this.#domains.has(domid)) throw new RangeError(`domain ${domid} is there already`);
    return domid;
  }

  #makeVcpu(domid: number, id: number): Vcpu {
    const { loop, entity, onMark } = this.#options;
    const mark = onMark === undefined ? null : (stage: string, atPs: Ps) => onMark(domid, stage, atPs);
    const vcpu = new Vcpu({ loop, entity, host: this.scheduler, domid, id, costs: this.costs, onMark: mark });
    this.scheduler.addVcpu(vcpu);
    return vcpu;
  }

  #makeXenbus(domain: Domain): Xenbus {
    const make = this.#options.xenbusFor;
    if (make === undefined) throw new InvariantError(`machine ${this.name} has no xenstore`);
    return make(domain);
  }

  #known(domid: number): Domain {
    const domain = this.#domains.get(domid);
    if (domain === undefined) throw new RangeError(`no domain ${domid}`);
    return domain;
  }

  /** Each pause takes one unpause. Throws `RangeError` for a domain that there is none of, like all calls that name one. */
  pauseDomain(domid: number): void {
    this.#pause(this.#known(domid));
  }

  #pause(domain: Domain): void {
    domain.pauseCount++;
    for (const vcpu of domain.vcpus) vcpu.pause();
  }

  unpauseDomain(domid: number): void {
    const domain = this.#known(domid);
    if (domain.pauseCount === 0) return;
    domain.pauseCount--;
    for (const vcpu of domain.vcpus) vcpu.unpause();
  }

  /** Stops it as SCHEDOP_shutdown does: nothing of it runs any more, everything is kept. `onShutdown` follows. */
  shutdownDomain(domid: number, reason: number): void {
    this.shutdown(this.#known(domid), reason);
  }

  shutdown(domain: Domain, reason: number): void {
    if (domain.shutdownReason !== null || domain.isDying) return;
    domain.shutdownReason = domain.shutdownCode ?? reason;
    for (const vcpu of domain.vcpus) vcpu.pause();
    this.#loop.schedule(this.#loop.nowPs, this.#handler, KIND_SHUTDOWN, domain.domid);
  }

  /**
   * Ends a domain: its programs and kernel never run again, drivers' `onDeath` is called, ports are closed (their other ends become unbound), its mappings of others' pages
   * go, its pages are free. Pages of it that others have mapped are kept until they are unmapped; until then it is `dying`.
   */
  destroyDomain(domid: number): void {
    const domain = this.#known(domid);
    if (domain.isDying) return;
    domain.isDying = true;
    for (const vcpu of domain.vcpus) vcpu.stop();
    this.onDestroy?.(domain);
    domain.kernel.die();
    for (const [handle, timer] of this.#timers) if (timer.domain === domain) this.#dropTimer(handle);
    domain.events.reset();
    domain.events.infos.release();
    this.grantOps.releaseAll(domain);
    domain.memory.giveAll();
    this.#finishIfEmpty(domain);
    this.raiseVirq(0, VIRQ_DOM_EXC);
  }

  /** A page of a domain, which it had given back, was unmapped by the last who had it. */
  #pageCameBack(owner: number): void {
    const domain = this.#domains.get(owner);
    if (domain === undefined) return;
    domain.memory.totalPages--;
    if (domain.isDying) this.#finishIfEmpty(domain);
  }

  #finishIfEmpty(domain: Domain): void {
    if (domain.memory.totalPages > 0 || domain.isDead) return;
    domain.isDead = true;
    for (const frame of this.memory.ownedBy(domain.domid)) this.memory.drop(frame);
    this.#domains.delete(domain.domid);
  }

  // HypercallHost.

  get nowPs(): Ps {
    return this.#loop.nowPs;
  }

  /** A virtual interrupt of a domain, now; nothing if there is no such domain or it does not listen. */
  raiseVirq(domid: number, virq: number, vcpu = 0): void {
    const domain = this.#domains.get(domid);
    if (domain !== undefined && !domain.isDying) domain.events.raiseVirq(virq, vcpu, this.#loop.nowPs);
  }

  sendEvent(domid: number, port: number, atPs: Ps): void {
    if (atPs <= this.#loop.nowPs) this.#domains.get(domid)?.events.deliver(port, atPs);
    else {
      // The pCPU that sends goes along: another one learns of it by an interrupt.
      const from = this.scheduler.executing + 1;
      this.#loop.schedule(atPs, this.#handler, KIND_EVENT, from * DOMID_LIMIT + domid, port);
    }
  }

  #eventArrives(fromAndDomid: number, port: number): void {
    const { scheduler } = this;
    const outer = scheduler.executing;
    scheduler.executing = Math.floor(fromAndDomid / DOMID_LIMIT) - 1;
    this.#domains.get(fromAndDomid % DOMID_LIMIT)?.events.deliver(port, this.#loop.nowPs);
    scheduler.executing = outer;
  }

  setVcpuTimer(domain: Domain, vcpuId: number, kind: 'single' | 'periodic', atPs: Ps | null, periodPs: Ps): void {
    this.#setTimer({ domain, vcpuId, periodPs, key: `${domain.domid}.${vcpuId}.${kind}` }, KIND_TIMER, atPs);
  }

  setWatchdog(domain: Domain, index: number, atPs: Ps | null): void {
    const timer = { domain, vcpuId: index, periodPs: 0, key: `${domain.domid}.watchdog.${index}` };
    domain.watchdogs[index] = this.#setTimer(timer, KIND_WATCHDOG, atPs);
  }

  /** Replaces the timer with that key; null ends it. Returns its handle, 0 if there is none now. */
  #setTimer(timer: Timer, kind: number, atPs: Ps | null): number {
    const old = this.#timerOf.get(timer.key);
    if (old !== undefined) this.#dropTimer(old);
    // Beyond this no sum of times is exact; nothing that far away ever happens.
    if (atPs === null || atPs > Number.MAX_SAFE_INTEGER) return 0;
    const handle = this.#nextTimer++;
    this.#timers.set(handle, timer);
    this.#timerOf.set(timer.key, handle);
    this.#loop.schedule(Math.max(atPs, this.#loop.nowPs), this.#handler, kind, handle);
    return handle;
  }

  #dropTimer(handle: number): void {
    const timer = this.#timers.get(handle) as Timer;
    this.#timers.delete(handle);
    this.#timerOf.delete(timer.key);
  }

  print(bytes: Uint8Array): void {
    this.console.write(bytes);
    this.raiseVirq(0, VIRQ_CON_RING);
  }

  /** @internal */
  onEvent(kind: number, a: number, b: number): void {
    if (kind === KIND_EVENT) this.#eventArrives(a, b);
    else if (kind === KIND_SHUTDOWN) this.#announceShutdown(a);
    else this.#timerExpired(kind, a);
  }

  #announceShutdown(domid: number): void {
    const domain = this.#domains.get(domid);
    if (domain === undefined || domain.isDying || domain.shutdownReason === null) return;
    this.raiseVirq(0, VIRQ_DOM_EXC);
    this.onShutdown?.(domain, domain.shutdownReason);
  }

  #timerExpired(kind: number, handle: number): void {
    const timer = this.#timers.get(handle);
    if (timer === undefined) return;
    this.#dropTimer(handle);
    const { domain, vcpuId, periodPs } = timer;
    if (kind === KIND_WATCHDOG) {
      domain.watchdogs[vcpuId] = 0;
      this.shutdown(domain, SHUTDOWN_watchdog);
      return;
    }
    domain.events.raiseVirq(VIRQ_TIMER, vcpuId, this.#loop.nowPs);
    if (periodPs > 0) this.#setTimer(timer, KIND_TIMER, this.#loop.nowPs + periodPs);
  }
}
