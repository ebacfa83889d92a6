/**
 * A host that runs Xen: the hypervisor with dom0 (xenstored, toolstack, backends, its own network) and the guests of the topology, as one machine of the cluster.
 */
import {
  createXenbus,
  PAGE_OWN,
  PAGE_UNTOUCHED,
  type Domain,
  type EraName,
  ERAS,
  type Guest,
  type HostView,
  machineHost,
  RingTransport,
  type SchedulerName,
  Toolstack,
  type StreamEnd,
  type StreamSink,
  type XenbusDevice,
  XenMachine,
  XenstoreDaemon,
} from '../hypervisor/index.ts';
import type { NetStack } from '../net/index.ts';
import { assert, InvariantError, type Ps, type SimThread } from '../sim/index.ts';
import { UarSpace } from '../verbs/index.ts';
import { registerIbback } from '../xen-ibback/index.ts';
import { registerNetback } from '../xen-netback/index.ts';
import { nativeDevices } from './bare-machine.ts';
import { GuestPorts } from './guest-ports.ts';
import { formatIpv4, type XenPlan } from './host-plan.ts';
import { hostNetwork } from './host-network.ts';
import { reportDomain } from './domain-report.ts';
import type { Machine, MachineParts, System } from './machine.ts';
import type { DomainReport } from './types.ts';
import { XenGuest } from './xen-guest.ts';
import { pcpusOf, schedulerParams } from './xen-settings.ts';

const PAGES_PER_MIB = 256;
/** MAC addresses that the toolstack gives out are apart for this many hosts; those of the plan are apart for all. */
const HOSTS_APART = 2048;

/** Guests name their pages by pfn, whatever frame is behind it. */
function isOwnPage(domain: Domain | undefined, pfn: number): boolean {
  const kind = domain?.memory.kindOf(pfn);
  return kind === PAGE_OWN || kind === PAGE_UNTOUCHED;
}

export class XenHost implements Machine {
  readonly machine: XenMachine;
  readonly toolstack: Toolstack;
  readonly #parts: MachineParts;
  readonly #dom0: Domain;
  readonly #daemon: XenstoreDaemon;
  readonly #uars = new UarSpace();
  readonly #guests = new Map<string, XenGuest>();
  readonly #dom0Programs: ((atPs: Ps) => void)[] = [];
  #stack: NetStack | null = null;
  #ports: GuestPorts | null = null;

  constructor(parts: MachineParts, plan: XenPlan) {
    const { loop, node, config, trace } = parts;
    this.#parts = parts;
    const era = ERAS[plan.version as EraName];
    const onMark = (domid: number, stage: string, atPs: Ps) => trace?.marksOfPath(this.#placeOf(domid))(stage, atPs);
    this.machine = new XenMachine({
      loop,
      entity: node.entity,
      name: node.name,
      era,
      costs: { ...era.costs, ...plan.costs },
      pcpus: plan.cpus,
      memoryPages: plan.memoryMiB * PAGES_PER_MIB,
      scheduler: { name: (plan.scheduler?.name ?? era.scheduler) as SchedulerName, params: schedulerParams(plan) },
      seed: config.seed,
      ...(trace === null ? {} : { onMark }),
      xenbusFor: (domain) => this.#xenbusOf(domain),
    });
    const { memoryMiB, vcpus, weight, cap, cpus } = plan.dom0;
    this.#dom0 = this.machine.createDomain({
      name: 'Domain-0',
      domid: 0,
      privileged: true,
      memoryPages: memoryMiB * PAGES_PER_MIB,
      vcpus,
      ...(weight === undefined ? {} : { weight }),
      ...(cap === undefined ? {} : { cap }),
      ...(cpus === undefined ? {} : { affinity: pcpusOf(cpus, plan.cpus) }),
    });
    const { kernel } = this.#dom0;
    this.#daemon = new XenstoreDaemon({ kernel, domainExists: (domid) => this.machine.domains.has(domid) });
    this.toolstack = new Toolstack({
      machine: this.machine,
      daemon: this.#daemon,
      kernel,
      seed: config.seed,
      hostIndex: node.entity % HOSTS_APART,
    });
    for (const guest of plan.guests)
      this.#guests.set(
        guest.name,
        new XenGuest({ plan: guest, config, name: `${node.name}/${guest.name}`, uars: this.#uars, hcas: parts.hcas }),
      );
  }

  #xenbusOf(domain: Domain) {
    const { kernel, start } = domain;
    if (domain === this.#dom0) return createXenbus(kernel, this.#daemon.connectLocal());
    return createXenbus(kernel, new RingTransport(kernel, start.storePfn, start.storePort));
  }

  #placeOf(domid: number): string {
    const { name } = this.#parts.node;
    const domain = this.machine.domains.get(domid);
    return domid === 0 || domain === undefined ? name : `${name}/${domain.name}`;
  }

  systemOf(guest: string | null): System {
    if (guest === null) return this.#dom0System();
    const found = this.#guests.get(guest);
    assert(found !== undefined, `no guest ${guest}`);
    return found;
  }

  /** dom0 for a program of its own: native devices, and the CPU that it shares with the backends. */
  #dom0System(): System {
    const { hcas, config } = this.#parts;
    const stack = () => this.#stack;
    return {
      ...nativeDevices(hcas, config),
      get stack() {
        return stack();
      },
      adopt: (thread: SimThread) => this.#dom0.vcpus.at(-1)?.attachThread(thread),
      whenUp: (ready) => void this.#dom0Programs.push(ready),
    };
  }

  start(): void {
    const { node, hcas, config } = this.#parts;
    if (config.sampleEveryPs > 0) this.#sampleFrom(config.sampleEveryPs);
    const { kernel } = this.#dom0;
    const ipoib = node.host?.ipoib ?? null;
    if (ipoib === null) kernel.cpu.exec(0, 'boot', () => this.#begin());
    else
      this.#stack = hostNetwork({ cpu: kernel.cpu, hcas, config, ipoib, name: node.name, routesForGuests: true }, ({ stack }) => {
        const ports = new GuestPorts(stack, formatIpv4(ipoib.address));
        this.#ports = ports;
        registerNetback(kernel, { onVif: (vif, keys) => ports.attach(vif, keys), onVifGone: (vif) => ports.detach(vif) });
        this.#begin();
      });
  }

  domains(): DomainReport[] {
    return [...this.machine.domains.values()]
      .sort((a, b) => a.domid - b.domid)
      .map((domain) => reportDomain(domain, this.#placeOf(domain.domid), this.#ports?.vifsOf(domain.domid) ?? []));
  }

  /** The host as real tools see it. */
  view(): HostView {
    return machineHost(this.toolstack, { vifsOf: (domid) => this.#ports?.vifsOf(domid) ?? [] });
  }

  /** A client of xenstored from outside of the simulation. */
  connectStore(sink: StreamSink): StreamEnd {
    return this.#daemon.connectStream(sink);
  }

  /** Emits the accounts at `atPs`, and so on at each multiple. */
  #sampleFrom(atPs: Ps): void {
    const { loop, node, config, emit } = this.#parts;
    const handler = loop.register(node.entity, {
      onEvent: () => {
        emit({ kind: 'domains', timePs: loop.nowPs, node: node.entity, domains: this.domains() });
        loop.schedule(loop.nowPs + config.sampleEveryPs, handler, 0);
      },
    });
    loop.schedule(atPs, handler, 0);
  }

  /** dom0 is up: backends, then guests, one after the other, as `xl create` in a boot script. */
  #begin(): void {
    const { hcas } = this.#parts;
    const { kernel } = this.#dom0;
    registerIbback(kernel, {
      adapterFor: (device) => hcas[this.#adapterOf(device) ?? -1],
      uars: this.#uars,
      ownsFrame: (domid, frame) => isOwnPage(this.machine.domains.get(domid), frame),
    });
    for (const ready of this.#dom0Programs.splice(0)) ready(kernel.cpu.nowPs);
    this.toolstack.start((error) => {
      this.#expectDone('Domain-0', error);
      this.#createGuests();
    });
  }

  /** Which adapter a bypass device stands for: as the guest's configuration says. */
  #adapterOf({ otherEndDomid, id }: XenbusDevice): number | undefined {
    const name = this.machine.domains.get(otherEndDomid)?.name ?? '';
    return this.#guests.get(name)?.plan.ib.filter(({ mode }) => mode === 'bypass')[Number(id)]?.hca;
  }

  #createGuests(): void {
    for (const { plan, guest } of [...this.#guests.values()].map((one) => ({ plan: one.plan, guest: one })))
      this.toolstack.create(plan.config, { boot: (made) => this.#boot(made, guest) }, (error) =>
        this.#expectDone(plan.name, error),
      );
  }

  #boot(made: Guest, guest: XenGuest): void {
    const { mcuAdvance, warpPs } = guest.plan;
    if (mcuAdvance !== undefined) this.machine.scheduler.setParams(made.domid, { mcuAdvance });
    if (warpPs !== undefined) this.machine.scheduler.setParams(made.domid, { warpBack: true, warpValue: warpPs / 1e8 });
    guest.boot(made);
  }

  /** The plan was checked: what fails now is a fault of the simulator, or the machine is too small for its guests. */
  #expectDone(name: string, error: string | null): void {
    if (error !== null) throw new InvariantError(`${this.#parts.node.name}: ${name} could not be started: ${error}`);
  }
}
