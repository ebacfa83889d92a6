/**
 * Hypercalls, grants and events as a domain's kernel code calls them: typed, in kernel context, priced.
 *
 * Every call writes the real argument structure into the domain's own memory, enters the hypervisor through its numbered door, and reads the result back, as
 * Linux's wrappers do; nothing takes a short cut. What a call costs is spent on the calling CPU. Statuses are Xen's numbers: hypercalls
 * return 0 or more, or a negative errno; grant operations give a GNTST_* status each.
 */
import type { KernelCpu } from '../sim/index.ts';
import type { MemoryView } from './memory-view.ts';

/** One `GNTTABOP_copy`: each side is a grant reference of `domid` or a frame (pfn) of the caller's own (`domid` DOMID_SELF). */
export interface GrantCopySide {
  readonly domid: number;
  readonly ref?: number;
  readonly pfn?: number;
  /** Offset within the page; the copy must not cross its end. */
  readonly offset: number;
}
export interface GrantCopy {
  readonly source: GrantCopySide;
  readonly destination: GrantCopySide;
  readonly length: number;
}

export interface GrantMap {
  readonly domid: number;
  readonly ref: number;
  readonly readonly: boolean;
}

/** A mapped grant; `view` is null unless `status` is 0. */
export interface GrantMapping {
  /** GNTST_*. */
  readonly status: number;
  /** For unmapping. */
  readonly handle: number;
  /** The other domain's page; a write through a read-only mapping throws: it would fault. */
  readonly view: MemoryView | null;
}

export interface GrantTransfer {
  /** The page to give away (pfn of the caller). */
  readonly pfn: number;
  readonly domid: number;
  readonly ref: number;
}

export interface GuestXen {
  // The domain's own grant table: memory writes, no hypercall.
  /** Grants a page to `domid`; throws `RangeError` when the table is full. */
  grantAccess(domid: number, pfn: number, readonly: boolean): number;
  /** Revokes: false while the other side has it mapped or is copying. The reference is free afterwards. */
  endAccess(ref: number): boolean;
  /** Offers a slot for a page to come by transfer. */
  grantTransfer(domid: number): number;
  /** Takes back an offer: the machine frame that came, or null if none did. */
  endTransfer(ref: number): number | null;

  // Hypercalls on grants.
  mapGrants(cpu: KernelCpu, maps: readonly GrantMap[]): GrantMapping[];
  /** GNTST_* of each. */
  unmapGrants(cpu: KernelCpu, handles: readonly number[]): number[];
  /** GNTST_* of each. */
  copyGrants(cpu: KernelCpu, copies: readonly GrantCopy[]): number[];
  /** GNTST_* of each; the pages are gone where it is 0. */
  transferGrants(cpu: KernelCpu, transfers: readonly GrantTransfer[]): number[];

  // Events. Ports, or a negative errno.
  allocUnbound(cpu: KernelCpu, remoteDomid: number): number;
  bindInterdomain(cpu: KernelCpu, remoteDomid: number, remotePort: number): number;
  /** `virq`: VIRQ_*. */
  bindVirq(cpu: KernelCpu, virq: number, vcpu?: number): number;
  closePort(cpu: KernelCpu, port: number): number;
  /** EVTCHNOP_send: the other end's bit is set at the CPU's time after the call. */
  notify(cpu: KernelCpu, port: number): number;
  /** Which vCPU gets a port's events (EVTCHNOP_bind_vcpu). */
  bindVcpu(cpu: KernelCpu, port: number, vcpu: number): number;
  /** EVTCHNOP_set_priority; -ENOSYS without FIFO channels. */
  setPriority(cpu: KernelCpu, port: number, priority: number): number;
  /** `handler` runs as an item of the port's vCPU for each upcall that finds the port pending: events are bits, so once for any number of sends. Null takes it away. */
  setHandler(port: number, handler: (() => void) | null): void;
  mask(port: number): void;
  /** Unmasks; an event that came meanwhile is delivered. */
  unmask(cpu: KernelCpu, port: number): void;

  // The rest of the door.
  /** XENMEM_decrease_reservation of one page each: the pfns have no frame afterwards. */
  releasePages(cpu: KernelCpu, pfns: readonly number[]): number;
  /** XENMEM_populate_physmap: new frames under pfns that have none. How many got one, from the first on. */
  populatePages(cpu: KernelCpu, pfns: readonly number[]): number;
  /** Puts a machine frame that the domain owns (it came by transfer) under a pfn. */
  mapOwnFrame(cpu: KernelCpu, pfn: number, mfn: number): number;
  /** SCHEDOP_shutdown. `reason`: SHUTDOWN_*. */
  shutdown(cpu: KernelCpu, reason: number): number;
  /** Any hypercall by number, arguments as in registers (addresses are guest-physical addresses of the domain's memory). */
  hypercall(cpu: KernelCpu, number: number, args: readonly bigint[]): bigint;
}
