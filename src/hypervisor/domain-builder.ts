/**
 * Builds a domain as a domain builder and an early kernel leave it: pages for start info, xenstore, console and argument structures, the first grants, event channels
 * of the era's kind, and the kernel. Nothing of this costs time.
 */
import { type Ps, RandomStream } from '../sim/index.ts';
import { EVTCHN_FIFO_NR_CHANNELS } from './abi/event.ts';
import { GNTTAB_RESERVED_CONSOLE, GNTTAB_RESERVED_XENSTORE, GTF_permit_access } from './abi/grant.ts';
import { SIF_INITDOMAIN, SIF_PRIVILEGED, START_INFO, VCPU_INFO, XEN_LEGACY_MAX_VCPUS } from './abi/guest.ts';
import { DomainAccount } from './account.ts';
import { Domain, type StartPages } from './domain.ts';
import { DomainKernel } from './domain-kernel.ts';
import type { HypercallDoor } from './door.ts';
import type { Era } from './eras.ts';
import { EventChannels } from './event-channels.ts';
import { GrantTable } from './grant-table.ts';
import { type FifoPages, GuestEvents } from './guest-events.ts';
import { GuestGrants } from './guest-grants.ts';
import { HypercallXen } from './hypercall-xen.ts';
import type { Frame, MachineMemory } from './machine-memory.ts';
import { DomainMemory, PAGE_OWN } from './memory.ts';
import { PAGE_SIZE } from './memory-view.ts';
import { PageAllocator } from './page-allocator.ts';
import { VcpuInfos } from './vcpu-info.ts';
import type { Vcpu } from './vcpu.ts';
import type { Xenbus } from './xenbus.ts';

/** Less than this is no domain: its start pages would not fit. */
export const MIN_DOMAIN_PAGES = 32;
/** Frames of grant entries: 3.0 has a fixed order of 2, later versions grow to 64 as they are configured by default. */
const MAX_GRANT_FRAMES = { 'xen-3.0': 4, 'xen-3.0.4': 4, 'xen-4.17': 64 } as const;
/** Mappings of others' grants: 1024 maptrack frames of 256. */
const MAX_MAPPINGS = 262_144;
/** `max_event_channels` of xl.cfg, where there are FIFO channels; before, the 2-level limit is the only one. */
const DEFAULT_MAX_PORTS = 1024;
/** Distance of two vCPUs' FIFO control blocks. */
const CONTROL_STRIDE = 128;
const MAGIC = 'xen-3.0-x86_64';

export interface BuildOptions {
  readonly domid: number;
  readonly name: string;
  readonly memoryPages: number;
  readonly maxPages: number;
  readonly vcpus: number;
  readonly privileged: boolean;
  readonly commandLine: string;
  readonly maxGrantFrames?: number;
  readonly maxPorts?: number;
}

/** What the builder needs of the machine. */
export interface BuildContext {
  readonly machineName: string;
  readonly seed: number;
  readonly era: Era;
  readonly memory: MachineMemory;
  readonly door: HypercallDoor;
  lookup(domid: number): Domain | undefined;
  makeVcpu(domid: number, id: number): Vcpu;
  makeXenbus(domain: Domain): Xenbus;
  /** Its kernel faults. */
  crash(domain: Domain): void;
}

/** Page frame numbers above the domain's reservation. */
interface Windows {
  readonly sharedInfo: number;
  readonly grantTable: number;
  readonly grantStatus: number;
  readonly maps: number;
  readonly limit: number;
}

function windows(maxPages: number, grantFrames: number): Windows {
  const sharedInfo = maxPages;
  const grantTable = sharedInfo + 1;
  const grantStatus = grantTable + grantFrames;
  const maps = grantStatus + Math.ceil(grantFrames / 8) + 1;
  return { sharedInfo, grantTable, grantStatus, maps, limit: maps + MAX_MAPPINGS };
}

/** Throws `RangeError` where memory is short. */
export function buildDomain(context: BuildContext, options: BuildOptions): Domain {
  if (options.memoryPages < MIN_DOMAIN_PAGES) throw new RangeError(`a domain needs at least ${MIN_DOMAIN_PAGES} pages`);
  const { era, memory: machine } = context;
  const { domid } = options;
  const maxFrames = options.maxGrantFrames ?? MAX_GRANT_FRAMES[era.name];
  const places = windows(options.maxPages, maxFrames);
  const memory = new DomainMemory(machine, domid, options.memoryPages, options.maxPages, places.limit);
  const maxVersion = era.grantVersions.includes(2) ? 2 : 1;
  const grants = new GrantTable(machine, domid, { maxVersion, maxFrames, maxMappings: MAX_MAPPINGS });
  // Shared info and the first frame of grant entries come out of the hypervisor's own memory.
  if (!machine.reserve(1) || !grants.grow(1)) {
    memory.giveAll();
    throw new RangeError(`no memory for the hypervisor's pages of domain ${domid}`);
  }
  const sharedInfo = machine.take(domid, true);
  memory.place(places.sharedInfo, sharedInfo, PAGE_OWN);
  grants.onDropFrame = (frame) => {
    if (frame.pfn >= 0) memory.clear(frame.pfn);
  };
  const infos = new VcpuInfos(machine, sharedInfo, options.vcpus);
  const maxPorts = options.maxPorts ?? (options.privileged || !era.fifoEvents ? EVTCHN_FIFO_NR_CHANNELS : DEFAULT_MAX_PORTS);
  const events = new EventChannels({ domid, machine, infos, sharedInfo, maxPorts, lookup: context.lookup });
  const vcpus = Array.from({ length: options.vcpus }, (_, id) => context.makeVcpu(domid, id));
  infos.targets.push(...vcpus);
  const { name, privileged } = options;
  const account = new DomainAccount();
  const domain = new Domain({ domid, name, privileged, account, memory, grants, events, sharedInfo, vcpus });
  events.onPending = (port, atPs) => wakePollers(domain, port, atPs);
  bootKernel(context, domain, options, places);
  return domain;
}

/** vCPUs in SCHEDOP_poll wake for their ports, masked or not. */
function wakePollers({ pollers, vcpus }: Domain, port: number, atPs: Ps): void {
  if (pollers.size === 0) return;
  for (const [vcpu, ports] of pollers) {
    if (!ports.includes(port)) continue;
    pollers.delete(vcpu);
    vcpus[vcpu]?.kick(atPs);
  }
}

function bootKernel(context: BuildContext, domain: Domain, options: BuildOptions, places: Windows): void {
  const { memory, grants, vcpus } = domain;
  const pages = new PageAllocator(1, options.memoryPages);
  const startInfoPfn = pages.take(1);
  const storePfn = pages.take(1);
  const consolePfn = pages.take(1);
  const argumentPfn = pages.take(1);
  const frame = (pfn: number): Frame => memory.frameAt(pfn) as Frame;
  registerVcpuInfos(domain, pages, frame);
  const guestGrants = new GuestGrants(memory, grants, places.grantTable, places.grantStatus);
  const fifo = context.era.fifoEvents ? startFifo(domain, pages, frame) : null;
  const guestEvents = new GuestEvents(domain, places.sharedInfo, fifo, () => context.crash(domain));
  domain.start = {
    startInfoPfn,
    sharedInfoPfn: places.sharedInfo,
    storePfn,
    storePort: domain.events.allocUnbound(0),
    consolePfn,
    consolePort: domain.events.allocUnbound(0),
  };
  if (domain.domid !== 0) {
    guestGrants.write(GNTTAB_RESERVED_CONSOLE, 0, frame(consolePfn).mfn, GTF_permit_access);
    guestGrants.write(GNTTAB_RESERVED_XENSTORE, 0, frame(storePfn).mfn, GTF_permit_access);
  }
  const addEventPage = (): number => {
    const pfn = pages.take(1);
    memory.fill(pfn * PAGE_SIZE, PAGE_SIZE, 0);
    fifo?.arrayPfns.push(pfn);
    return pfn;
  };
  const mapPfns = new PageAllocator(places.maps, places.limit);
  const { door } = context;
  const xen = new HypercallXen({ domain, door, grants: guestGrants, events: guestEvents, argumentPfn, mapPfns, addEventPage });
  const random = new RandomStream(context.seed, `${context.machineName}/${domain.name}`);
  domain.kernel = new DomainKernel({ domain, era: context.era, xen, random, pages, makeXenbus: context.makeXenbus });
  for (const vcpu of vcpus) {
    vcpu.onUpcall = () => guestEvents.upcall(vcpu);
    vcpu.onRunning = () => domain.writeRunstate(vcpu);
  }
  writeStartInfo(domain, domain.start, options, frame);
}

/** vCPUs beyond those that shared info has room for get their infos in a page of the kernel's. */
function registerVcpuInfos(domain: Domain, pages: PageAllocator, frame: (pfn: number) => Frame): void {
  const perPage = PAGE_SIZE / VCPU_INFO.size;
  let pfn = 0;
  for (let vcpu = XEN_LEGACY_MAX_VCPUS; vcpu < domain.vcpus.length; vcpu++) {
    const i = (vcpu - XEN_LEGACY_MAX_VCPUS) % perPage;
    if (i === 0) pfn = pages.take(1);
    domain.events.infos.register(vcpu, frame(pfn), i * VCPU_INFO.size, 0, false);
  }
}

function startFifo(domain: Domain, pages: PageAllocator, frame: (pfn: number) => Frame): FifoPages {
  const { events, vcpus } = domain;
  const perPage = PAGE_SIZE / CONTROL_STRIDE;
  const controlPfn = pages.take(Math.ceil(vcpus.length / perPage));
  for (const { id } of vcpus)
    events.initControl(frame(controlPfn + Math.floor(id / perPage)).mfn, (id % perPage) * CONTROL_STRIDE, id);
  const arrayPfn = pages.take(1);
  events.expandArray(frame(arrayPfn).mfn, 0);
  return { controlPfn, controlStride: CONTROL_STRIDE, arrayPfns: [arrayPfn] };
}

function writeStartInfo(domain: Domain, start: StartPages, options: BuildOptions, frame: (pfn: number) => Frame): void {
  const { memory } = domain;
  const at = start.startInfoPfn * PAGE_SIZE;
  const S = START_INFO.at;
  const encoder = new TextEncoder();
  memory.write(at + S.magic, encoder.encode(MAGIC));
  memory.setU64(at + S.nr_pages, BigInt(options.memoryPages));
  memory.setU64(at + S.shared_info, BigInt(domain.sharedInfo.mfn * PAGE_SIZE));
  memory.setU32(at + S.flags, (domain.privileged ? SIF_PRIVILEGED : 0) | (domain.domid === 0 ? SIF_INITDOMAIN : 0));
  memory.setU64(at + S.store_mfn, BigInt(frame(start.storePfn).mfn));
  memory.setU32(at + S.store_evtchn, start.storePort);
  memory.setU64(at + S['console.domU.mfn'], BigInt(frame(start.consolePfn).mfn));
  memory.setU32(at + S['console.domU.evtchn'], start.consolePort);
  const [, size] = START_INFO.fields.cmd_line;
  memory.write(at + S.cmd_line, encoder.encode(options.commandLine).subarray(0, size - 1));
}
