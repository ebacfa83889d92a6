/**
 * memory_op and update_va_mapping: pages given to and taken from the hypervisor, and what is behind a page frame number.
 *
 * Domains are paravirtual: the frame numbers in arguments are machine frame numbers. The one page table of the model says what is behind a page frame number, so
 * update_va_mapping takes the address pfn × 4096 and a page table entry.
 */
import {
  XEN_ADD_TO_PHYSMAP,
  XEN_MEMORY_RESERVATION,
  XEN_REMOVE_FROM_PHYSMAP,
  XENMAPSPACE_grant_table,
  XENMAPSPACE_shared_info,
  XENMEM_add_to_physmap,
  XENMEM_current_reservation,
  XENMEM_decrease_reservation,
  XENMEM_increase_reservation,
  XENMEM_maximum_gpfn,
  XENMEM_maximum_ram_page,
  XENMEM_maximum_reservation,
  XENMEM_populate_physmap,
  XENMEM_remove_from_physmap,
} from '../abi/guest.ts';
import { ERRNO } from '../abi/numbers.ts';
import type { Domain } from '../domain.ts';
import type { Frame } from '../machine-memory.ts';
import { PAGE_FOREIGN, PAGE_HOLE, PAGE_OWN } from '../memory.ts';
import { PAGE_SIZE } from '../memory-view.ts';
import type { Vcpu } from '../vcpu.ts';
import { anyDomain, type Hypercall, type HypercallHost, mayControl, setU64At, u64At } from './host.ts';

const R = XEN_MEMORY_RESERVATION.at;
/** The command is in the low bits; above it is the first extent to work on. */
const COMMAND_BITS = 6;
/** Extents larger than a page: only giving back works on them, up to this order. */
const MAX_ORDER = 9;
/** `idx` of a status frame in XENMAPSPACE_grant_table. */
const GRANT_STATUS_FRAME = 2 ** 31;
const PTE_PRESENT = 1;
const PTE_WRITABLE = 2;

/** Makes `pfn` a hole if it is not one: a page there goes back to the hypervisor. False if it is another domain's page or there is no such number. */
function vacate(domain: Domain, pfn: number): boolean {
  const { memory } = domain;
  if (pfn >= memory.pfnLimit) return false;
  const kind = memory.kindOf(pfn);
  if (kind === PAGE_HOLE) return true;
  if (kind === PAGE_FOREIGN) return false;
  const frame = memory.frameAt(pfn) as Frame;
  if (!memory.givePage(frame.mfn)) memory.clear(pfn);
  return true;
}

/** Puts a frame of the domain's own behind `pfn`, and behind no other number. */
function putBehind(domain: Domain, pfn: number, frame: Frame, isReadonly = false): void {
  if (frame.pfn >= 0) domain.memory.clear(frame.pfn);
  domain.memory.place(pfn, frame, PAGE_OWN, isReadonly);
}

/** One extent of one of the three reservation calls; false ends the call. */
type Extent = (domain: Domain, at: number) => boolean;

/** XENMEM_decrease_reservation: machine frames that the domain gives back. */
const decrease: (order: number) => Extent = (order) => (domain, at) => {
  if (!domain.memory.canRead(at, 8)) return false;
  const first = u64At(domain.memory, at);
  for (let i = 0; i < 2 ** order; i++) if (!domain.memory.givePage(first + i)) return false;
  return true;
};

/** XENMEM_increase_reservation: a page more, behind no number; its frame number is written back unless the list is null. */
const increase: Extent = (domain, at) => {
  const isWanted = at >= PAGE_SIZE;
  if (isWanted && !domain.memory.canWrite(at, 8)) return false;
  const frame = domain.memory.addPage();
  if (frame === null) return false;
  if (isWanted) setU64At(domain.memory, at, frame.mfn);
  return true;
};

/** XENMEM_populate_physmap: a page behind each number in the list, which gets the machine frame numbers. */
const populate: Extent = (domain, at) => {
  const { memory } = domain;
  if (!memory.canWrite(at, 8)) return false;
  const pfn = u64At(memory, at);
  if (pfn >= memory.pfnLimit || memory.kindOf(pfn) !== PAGE_HOLE) return false;
  const frame = memory.addPage();
  if (frame === null) return false;
  memory.place(pfn, frame, PAGE_OWN);
  setU64At(memory, at, frame.mfn);
  return true;
};

/** Runs one of them over a list. Returns how many extents are done, counted from the first of the list, as Xen does. */
function reservation(host: HypercallHost, domain: Domain, vcpu: Vcpu, command: number, start: number, at: number): number {
  if (!domain.memory.canRead(at, XEN_MEMORY_RESERVATION.size)) return -ERRNO.EFAULT;
  const list = u64At(domain.memory, at + R.extent_start);
  const count = u64At(domain.memory, at + R.nr_extents);
  const order = domain.memory.u32(at + R.extent_order);
  const target = anyDomain(host, domain, domain.memory.u16(at + R.domid));
  if (start >= count && count > 0) return -ERRNO.EINVAL;
  // Lists are the caller's; of other domains' reservations only the toolstack decides, by domctl.
  if (target !== domain || order > (command === XENMEM_decrease_reservation ? MAX_ORDER : 0)) return start;
  const extent =
    command === XENMEM_decrease_reservation ? decrease(order) : command === XENMEM_increase_reservation ? increase : populate;
  let done = start;
  while (done < count && extent(domain, list === 0 ? 0 : list + 8 * done)) done++;
  if (done > start) vcpu.spend((done - start) * 2 ** order * host.costs.memoryOpPs, 'memory op');
  return done;
}

function size(host: HypercallHost, domain: Domain, command: number, at: number): number {
  if (!domain.memory.canRead(at, 2)) return -ERRNO.EFAULT;
  const target = anyDomain(host, domain, domain.memory.u16(at));
  if (target === undefined) return -ERRNO.ESRCH;
  if (!mayControl(domain, target)) return -ERRNO.EPERM;
  if (command === XENMEM_current_reservation) return target.memory.totalPages;
  return command === XENMEM_maximum_reservation ? target.memory.maxPages : target.memory.pfnLimit - 1;
}

/** The frame that XENMEM_add_to_physmap names, or an errno. */
function sharedFrame(domain: Domain, space: number, index: number): Frame | number {
  if (space === XENMAPSPACE_shared_info) return index === 0 ? domain.sharedInfo : -ERRNO.EINVAL;
  if (space !== XENMAPSPACE_grant_table) return -ERRNO.ENOSYS;
  const { grants } = domain;
  if (index >= GRANT_STATUS_FRAME) return grants.statusFrames[index - GRANT_STATUS_FRAME] ?? -ERRNO.EINVAL;
  if (index >= grants.limits.maxFrames || !grants.grow(index + 1)) return -ERRNO.EINVAL;
  return grants.frames[index] as Frame;
}

function addToPhysmap(host: HypercallHost, domain: Domain, at: number): number {
  const { memory } = domain;
  if (!memory.canRead(at, XEN_ADD_TO_PHYSMAP.size)) return -ERRNO.EFAULT;
  const A = XEN_ADD_TO_PHYSMAP.at;
  const target = anyDomain(host, domain, memory.u16(at + A.domid));
  if (target === undefined) return -ERRNO.ESRCH;
  if (!mayControl(domain, target)) return -ERRNO.EPERM;
  const pfn = u64At(memory, at + A.gpfn);
  const frame = sharedFrame(target, memory.u32(at + A.space), u64At(memory, at + A.idx));
  if (typeof frame === 'number') return frame;
  if (frame.pfn === pfn) return 0;
  if (!vacate(target, pfn)) return -ERRNO.EINVAL;
  putBehind(target, pfn, frame);
  return 0;
}

function removeFromPhysmap(host: HypercallHost, domain: Domain, at: number): number {
  const { memory } = domain;
  if (!memory.canRead(at, XEN_REMOVE_FROM_PHYSMAP.size)) return -ERRNO.EFAULT;
  const target = anyDomain(host, domain, memory.u16(at));
  if (target === undefined) return -ERRNO.ESRCH;
  if (!mayControl(domain, target)) return -ERRNO.EPERM;
  const pfn = u64At(memory, at + XEN_REMOVE_FROM_PHYSMAP.at.gpfn);
  const kind = target.memory.kindOf(pfn);
  if (kind === PAGE_HOLE || kind === PAGE_FOREIGN) return -ERRNO.ENOENT;
  target.memory.frameAt(pfn);
  target.memory.clear(pfn);
  return 0;
}

export function memoryOp(host: HypercallHost): Hypercall {
  return (domain, vcpu, rawCommand, at) => {
    const command = rawCommand % 2 ** COMMAND_BITS;
    switch (command) {
      case XENMEM_increase_reservation:
      case XENMEM_decrease_reservation:
      case XENMEM_populate_physmap:
        return reservation(host, domain, vcpu, command, Math.floor(rawCommand / 2 ** COMMAND_BITS), at);
      case XENMEM_maximum_ram_page:
        return host.memory.totalPages;
      case XENMEM_current_reservation:
      case XENMEM_maximum_reservation:
      case XENMEM_maximum_gpfn:
        return size(host, domain, command, at);
      case XENMEM_add_to_physmap:
        return addToPhysmap(host, domain, at);
      case XENMEM_remove_from_physmap:
        return removeFromPhysmap(host, domain, at);
      default:
        return -ERRNO.ENOSYS;
    }
  };
}

/** update_va_mapping: what is behind the page at an address becomes what a page table entry says, or nothing. A page that was there stays the domain's. */
export function updateVaMapping(): Hypercall {
  return (domain, _vcpu, address, entry) => {
    const { memory } = domain;
    const pfn = Math.floor(address / PAGE_SIZE);
    if (pfn >= memory.pfnLimit || memory.kindOf(pfn) === PAGE_FOREIGN) return -ERRNO.EINVAL;
    const isPresent = entry % 2 === PTE_PRESENT;
    const frame = isPresent ? host(domain, Math.floor(entry / PAGE_SIZE)) : null;
    if (isPresent && frame === null) return -ERRNO.EINVAL;
    // A page that nothing has touched gets its frame first: it stays in the reservation.
    if (memory.frameAt(pfn) !== null) memory.clear(pfn);
    if (frame !== null) putBehind(domain, pfn, frame, (entry & PTE_WRITABLE) === 0);
    return 0;
  };

  function host(domain: Domain, mfn: number): Frame | null {
    const frame = domain.memory.machine.frame(mfn);
    return frame !== null && frame.owner === domain.domid ? frame : null;
  }
}
