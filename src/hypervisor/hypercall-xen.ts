/**
 * Hypercalls, grants and events as a domain's kernel calls them: writes the real argument structures into a page of the domain's own, goes through the door, and reads the
 * results back. Lists longer than that page are several hypercalls.
 */
import { assert, type KernelCpu } from '../sim/index.ts';
import {
  EVTCHN_ALLOC_UNBOUND,
  EVTCHN_BIND_INTERDOMAIN,
  EVTCHN_BIND_VIRQ,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_bind_interdomain,
  EVTCHNOP_bind_vcpu,
  EVTCHNOP_bind_virq,
  EVTCHNOP_close,
  EVTCHNOP_expand_array,
  EVTCHNOP_send,
  EVTCHNOP_set_priority,
  EVTCHNOP_unmask,
} from './abi/event.ts';
import {
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_okay,
  GNTTAB_COPY,
  GNTTAB_MAP_GRANT_REF,
  GNTTAB_TRANSFER,
  GNTTAB_UNMAP_GRANT_REF,
  GNTTABOP_copy,
  GNTTABOP_map_grant_ref,
  GNTTABOP_set_version,
  GNTTABOP_transfer,
  GNTTABOP_unmap_grant_ref,
} from './abi/grant.ts';
import {
  DOMID_SELF,
  SCHEDOP_shutdown,
  XEN_MEMORY_RESERVATION,
  XENMEM_decrease_reservation,
  XENMEM_populate_physmap,
} from './abi/guest.ts';
import { HYPERCALL } from './abi/numbers.ts';
import type { Domain } from './domain.ts';
import type { HypercallDoor } from './door.ts';
import type { GuestEvents } from './guest-events.ts';
import type { GuestGrants } from './guest-grants.ts';
import type { GrantCopy, GrantCopySide, GrantMap, GrantMapping, GrantTransfer, GuestXen } from './guest-xen.ts';
import type { DomainMemory } from './memory.ts';
import { PAGE_SIZE } from './memory-view.ts';
import type { PageAllocator } from './page-allocator.ts';
import { PageView } from './page-view.ts';
import type { Vcpu } from './vcpu.ts';

const MAP = GNTTAB_MAP_GRANT_REF.at;
const MAP_SIZE = GNTTAB_MAP_GRANT_REF.size;
const UNMAP = GNTTAB_UNMAP_GRANT_REF.at;
const UNMAP_SIZE = GNTTAB_UNMAP_GRANT_REF.size;
const TRANSFER = GNTTAB_TRANSFER.at;
const TRANSFER_SIZE = GNTTAB_TRANSFER.size;
const COPY_SIZE = GNTTAB_COPY.size;
const COPY_SOURCE = GNTTAB_COPY.at['source.u.ref'];
const COPY_SOURCE_DOMID = GNTTAB_COPY.at['source.domid'];
const COPY_SOURCE_OFFSET = GNTTAB_COPY.at['source.offset'];
const COPY_DEST = GNTTAB_COPY.at['dest.u.ref'];
const COPY_DEST_DOMID = GNTTAB_COPY.at['dest.domid'];
const COPY_DEST_OFFSET = GNTTAB_COPY.at['dest.offset'];
const COPY_LEN = GNTTAB_COPY.at.len;
const COPY_FLAGS = GNTTAB_COPY.at.flags;
const COPY_STATUS = GNTTAB_COPY.at.status;
const RESERVATION = XEN_MEMORY_RESERVATION.at;
/** PTE bits: present, writable. */
const PTE_FLAGS = 3;

export interface HypercallXenParts {
  readonly domain: Domain;
  readonly door: HypercallDoor;
  readonly grants: GuestGrants;
  readonly events: GuestEvents;
  /** Page for argument structures. */
  readonly argumentPfn: number;
  /** Numbers at which grants are mapped. */
  readonly mapPfns: PageAllocator;
  /** Makes a page of event words, for FIFO channels that need one more. */
  readonly addEventPage: () => number;
}

export class HypercallXen implements GuestXen {
  readonly #domain: Domain;
  readonly #memory: DomainMemory;
  readonly #door: HypercallDoor;
  readonly #grants: GuestGrants;
  readonly #events: GuestEvents;
  readonly #at: number;
  readonly #mapPfns: PageAllocator;
  readonly #addEventPage: () => number;
  /** Where each handle's page is mapped. */
  readonly #pfnOfHandle: number[] = [];

  constructor(parts: HypercallXenParts) {
    this.#domain = parts.domain;
    this.#memory = parts.domain.memory;
    this.#door = parts.door;
    this.#grants = parts.grants;
    this.#events = parts.events;
    this.#at = parts.argumentPfn * PAGE_SIZE;
    this.#mapPfns = parts.mapPfns;
    this.#addEventPage = parts.addEventPage;
  }

  // The domain's own grant table.

  grantAccess(domid: number, pfn: number, readonly: boolean): number {
    return this.#grants.grantAccess(domid, this.#mfn(pfn), readonly);
  }

  endAccess(ref: number): boolean {
    return this.#grants.endAccess(ref);
  }

  grantTransfer(domid: number): number {
    return this.#grants.grantTransfer(domid);
  }

  endTransfer(ref: number): number | null {
    return this.#grants.endTransfer(ref);
  }

  /** GNTTABOP_set_version: 0 or a negative errno. Whatever was granted is not any more. */
  setGrantVersion(cpu: KernelCpu, version: 1 | 2): number {
    this.#memory.setU32(this.#at, version);
    const result = this.#call(cpu, HYPERCALL.grant_table_op, GNTTABOP_set_version, this.#at, 1);
    if (result === 0) this.#grants.forget();
    return result;
  }

  // Hypercalls on grants.

  mapGrants(cpu: KernelCpu, maps: readonly GrantMap[]): GrantMapping[] {
    const results: GrantMapping[] = [];
    this.#batches(maps.length, MAP_SIZE, (first, count) => {
      const pfns: number[] = [];
      for (let i = 0; i < count; i++) pfns.push(this.#writeMap(this.#at + i * MAP_SIZE, maps[first + i] as GrantMap));
      this.#call(cpu, HYPERCALL.grant_table_op, GNTTABOP_map_grant_ref, this.#at, count);
      for (let i = 0; i < count; i++) results.push(this.#mapping(this.#at + i * MAP_SIZE, pfns[i] as number));
    });
    return results;
  }

  #writeMap(at: number, { domid, ref, readonly }: GrantMap): number {
    const pfn = this.#mapPfns.take(1);
    const memory = this.#memory;
    this.#setAddress(at + MAP.host_addr, pfn * PAGE_SIZE);
    memory.setU32(at + MAP.flags, readonly ? GNTMAP_host_map | GNTMAP_readonly : GNTMAP_host_map);
    memory.setU32(at + MAP.ref, ref);
    memory.setU16(at + MAP.dom, domid);
    return pfn;
  }

  #mapping(at: number, pfn: number): GrantMapping {
    const status = this.#status(at + MAP.status);
    if (status !== GNTST_okay) {
      this.#mapPfns.put(pfn, 1);
      return { status, handle: -1, view: null };
    }
    const handle = this.#memory.u32(at + MAP.handle);
    while (this.#pfnOfHandle.length <= handle) this.#pfnOfHandle.push(-1);
    this.#pfnOfHandle[handle] = pfn;
    return { status, handle, view: new PageView(this.#memory, pfn, 1) };
  }

  unmapGrants(cpu: KernelCpu, handles: readonly number[]): number[] {
    const results: number[] = [];
    this.#batches(handles.length, UNMAP_SIZE, (first, count) => {
      for (let i = 0; i < count; i++) {
        const at = this.#at + i * UNMAP_SIZE;
        const handle = handles[first + i] as number;
        this.#setAddress(at + UNMAP.host_addr, Math.max(0, this.#pfnOfHandle[handle] ?? 0) * PAGE_SIZE);
        this.#setAddress(at + UNMAP.dev_bus_addr, 0);
        this.#memory.setU32(at + UNMAP.handle, handle);
      }
      this.#call(cpu, HYPERCALL.grant_table_op, GNTTABOP_unmap_grant_ref, this.#at, count);
      for (let i = 0; i < count; i++) {
        const status = this.#status(this.#at + i * UNMAP_SIZE + UNMAP.status);
        if (status === GNTST_okay) this.#freeHandle(handles[first + i] as number);
        results.push(status);
      }
    });
    return results;
  }

  #freeHandle(handle: number): void {
    const pfn = this.#pfnOfHandle[handle] ?? -1;
    if (pfn < 0) return;
    this.#pfnOfHandle[handle] = -1;
    this.#mapPfns.put(pfn, 1);
  }

  copyGrants(cpu: KernelCpu, copies: readonly GrantCopy[]): number[] {
    const results: number[] = [];
    this.#batches(copies.length, COPY_SIZE, (first, count) => {
      for (let i = 0; i < count; i++) this.#writeCopy(this.#at + i * COPY_SIZE, copies[first + i] as GrantCopy);
      this.#call(cpu, HYPERCALL.grant_table_op, GNTTABOP_copy, this.#at, count);
      for (let i = 0; i < count; i++) results.push(this.#status(this.#at + i * COPY_SIZE + COPY_STATUS));
    });
    return results;
  }

  #writeCopy(at: number, { source, destination, length }: GrantCopy): void {
    const memory = this.#memory;
    this.#setAddress(at + COPY_SOURCE, this.#refOrFrame(source));
    memory.setU16(at + COPY_SOURCE_DOMID, source.domid);
    memory.setU16(at + COPY_SOURCE_OFFSET, source.offset);
    this.#setAddress(at + COPY_DEST, this.#refOrFrame(destination));
    memory.setU16(at + COPY_DEST_DOMID, destination.domid);
    memory.setU16(at + COPY_DEST_OFFSET, destination.offset);
    memory.setU16(at + COPY_LEN, length);
    memory.setU16(at + COPY_FLAGS, (source.ref === undefined ? 0 : 1) + (destination.ref === undefined ? 0 : 2));
    memory.setU16(at + COPY_STATUS, 0);
  }

  #refOrFrame(side: GrantCopySide): number {
    return side.ref ?? this.#mfn(side.pfn as number);
  }

  transferGrants(cpu: KernelCpu, transfers: readonly GrantTransfer[]): number[] {
    const results: number[] = [];
    this.#batches(transfers.length, TRANSFER_SIZE, (first, count) => {
      for (let i = 0; i < count; i++) {
        const at = this.#at + i * TRANSFER_SIZE;
        const { pfn, domid, ref } = transfers[first + i] as GrantTransfer;
        this.#setAddress(at + TRANSFER.mfn, this.#mfn(pfn));
        this.#memory.setU16(at + TRANSFER.domid, domid);
        this.#memory.setU32(at + TRANSFER.ref, ref);
      }
      this.#call(cpu, HYPERCALL.grant_table_op, GNTTABOP_transfer, this.#at, count);
      for (let i = 0; i < count; i++) results.push(this.#status(this.#at + i * TRANSFER_SIZE + TRANSFER.status));
    });
    return results;
  }

  // Events.

  allocUnbound(cpu: KernelCpu, remoteDomid: number): number {
    const A = EVTCHN_ALLOC_UNBOUND.at;
    this.#memory.setU16(this.#at + A.dom, DOMID_SELF);
    this.#memory.setU16(this.#at + A.remote_dom, remoteDomid);
    return this.#newPort(cpu, EVTCHNOP_alloc_unbound, A.port);
  }

  bindInterdomain(cpu: KernelCpu, remoteDomid: number, remotePort: number): number {
    const B = EVTCHN_BIND_INTERDOMAIN.at;
    this.#memory.setU16(this.#at + B.remote_dom, remoteDomid);
    this.#memory.setU32(this.#at + B.remote_port, remotePort);
    return this.#newPort(cpu, EVTCHNOP_bind_interdomain, B.local_port);
  }

  bindVirq(cpu: KernelCpu, virq: number, vcpu = 0): number {
    const B = EVTCHN_BIND_VIRQ.at;
    this.#memory.setU32(this.#at + B.virq, virq);
    this.#memory.setU32(this.#at + B.vcpu, vcpu);
    const port = this.#newPort(cpu, EVTCHNOP_bind_virq, B.port);
    if (port > 0) this.#events.setVcpu(port, vcpu);
    return port;
  }

  closePort(cpu: KernelCpu, port: number): number {
    this.#events.forget(port);
    return this.#portCall(cpu, EVTCHNOP_close, port);
  }

  notify(cpu: KernelCpu, port: number): number {
    return this.#portCall(cpu, EVTCHNOP_send, port);
  }

  bindVcpu(cpu: KernelCpu, port: number, vcpu: number): number {
    // Masked meanwhile, so that an event that is on its way to the old vCPU is not taken for lost there: unmasking sends it to the new one.
    const wasMasked = this.#events.isMasked(port);
    if (!wasMasked) this.#events.mask(port);
    this.#memory.setU32(this.#at + 4, vcpu);
    const result = this.#portCall(cpu, EVTCHNOP_bind_vcpu, port);
    if (result === 0) this.#events.setVcpu(port, vcpu);
    if (!wasMasked) this.unmask(cpu, port);
    return result;
  }

  setPriority(cpu: KernelCpu, port: number, priority: number): number {
    this.#memory.setU32(this.#at + 4, priority);
    return this.#portCall(cpu, EVTCHNOP_set_priority, port);
  }

  setHandler(port: number, handler: (() => void) | null): void {
    this.#events.setHandler(port, handler);
  }

  mask(port: number): void {
    this.#events.mask(port);
  }

  unmask(cpu: KernelCpu, port: number): void {
    if (this.#events.mustUnmaskByHypercall(port)) this.#portCall(cpu, EVTCHNOP_unmask, port);
  }

  // The rest of the door.

  releasePages(cpu: KernelCpu, pfns: readonly number[]): number {
    const mfns = pfns.map((pfn) => this.#mfn(pfn));
    return this.#reservation(cpu, XENMEM_decrease_reservation, mfns);
  }

  populatePages(cpu: KernelCpu, pfns: readonly number[]): number {
    return this.#reservation(cpu, XENMEM_populate_physmap, pfns);
  }

  /** One of the reservation calls for extents of a page each: how many were done, from the first on, or a negative errno if none. */
  #reservation(cpu: KernelCpu, command: number, extents: readonly number[]): number {
    const listAt = this.#at + XEN_MEMORY_RESERVATION.size;
    const room = Math.floor((PAGE_SIZE - XEN_MEMORY_RESERVATION.size) / 8);
    for (let first = 0; first < extents.length; first += room) {
      const count = Math.min(room, extents.length - first);
      for (let i = 0; i < count; i++) this.#setAddress(listAt + 8 * i, extents[first + i] as number);
      this.#setAddress(this.#at + RESERVATION.extent_start, listAt);
      this.#setAddress(this.#at + RESERVATION.nr_extents, count);
      this.#memory.setU32(this.#at + RESERVATION.extent_order, 0);
      this.#memory.setU32(this.#at + RESERVATION.mem_flags, 0);
      this.#memory.setU16(this.#at + RESERVATION.domid, DOMID_SELF);
      const done = this.#call(cpu, HYPERCALL.memory_op, command, this.#at);
      if (done < count) return first === 0 || done >= 0 ? first + done : first;
    }
    return extents.length;
  }

  mapOwnFrame(cpu: KernelCpu, pfn: number, mfn: number): number {
    return this.#call(cpu, HYPERCALL.update_va_mapping, pfn * PAGE_SIZE, mfn * PAGE_SIZE + PTE_FLAGS);
  }

  shutdown(cpu: KernelCpu, reason: number): number {
    this.#memory.setU32(this.#at, reason);
    return this.#call(cpu, HYPERCALL.sched_op, SCHEDOP_shutdown, this.#at);
  }

  hypercall(cpu: KernelCpu, number: number, args: readonly bigint[]): bigint {
    // The bits of a page table entry above its frame number would cost precision, and mean nothing here.
    const mask = number === HYPERCALL.update_va_mapping ? 0x000f_ffff_ffff_ffffn : 0xffff_ffff_ffff_ffffn;
    const argument = (i: number) => Number(BigInt.asUintN(64, args[i] ?? 0n) & mask);
    const vcpu = this.#vcpu(cpu);
    return BigInt(this.#door.call(this.#domain, vcpu, number, argument(0), argument(1), argument(2), argument(3), argument(4)));
  }

  #vcpu(cpu: KernelCpu): Vcpu {
    const vcpu = cpu as Vcpu;
    assert(this.#domain.vcpus[vcpu.id] === vcpu, "a hypercall on another domain's CPU");
    return vcpu;
  }

  #call(cpu: KernelCpu, number: number, a0: number, a1: number, a2 = 0): number {
    return this.#door.call(this.#domain, this.#vcpu(cpu), number, a0, a1, a2);
  }

  /** An event operation whose argument begins with the port. */
  #portCall(cpu: KernelCpu, command: number, port: number): number {
    this.#memory.setU32(this.#at, port);
    return this.#call(cpu, HYPERCALL.event_channel_op, command, this.#at);
  }

  /** An event operation that makes a port, whose number is at `portOffset` afterwards. */
  #newPort(cpu: KernelCpu, command: number, portOffset: number): number {
    const result = this.#call(cpu, HYPERCALL.event_channel_op, command, this.#at);
    if (result < 0) return result;
    const port = this.#memory.u32(this.#at + portOffset);
    this.#events.forget(port);
    while (port >= this.#events.capacity) this.#expandEvents(cpu);
    return port;
  }

  #expandEvents(cpu: KernelCpu): void {
    const pfn = this.#addEventPage();
    this.#setAddress(this.#at, this.#mfn(pfn));
    const result = this.#call(cpu, HYPERCALL.event_channel_op, EVTCHNOP_expand_array, this.#at);
    assert(result === 0, () => `the event array cannot grow: ${result}`);
  }

  /** Machine frame number behind `pfn`; 0, which is nobody's, behind a hole. */
  #mfn(pfn: number): number {
    return this.#memory.frameAt(pfn)?.mfn ?? 0;
  }

  #setAddress(at: number, value: number): void {
    this.#memory.setU32(at, value);
    this.#memory.setU32(at + 4, Math.floor(value / 2 ** 32));
  }

  /** A signed status of 16 bits. */
  #status(at: number): number {
    return (this.#memory.u16(at) << 16) >> 16;
  }

  #batches(total: number, size: number, run: (first: number, count: number) => void): void {
    const room = Math.floor(PAGE_SIZE / size);
    for (let first = 0; first < total; first += room) run(first, Math.min(room, total - first));
  }
}
