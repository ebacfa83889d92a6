/**
 * What one domain does with another's grants: map and unmap pages, copy between them, give pages away. Each function does one operation, for arguments that the door has
 * read from guest memory, and returns a GNTST_* status. After xen/common/grant_table.c, in whose order things are checked.
 */
import {
  GNTMAP_device_map,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_bad_copy_arg,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_bad_handle,
  GNTST_bad_page,
  GNTST_bad_virt_addr,
  GNTST_general_error,
  GNTST_no_device_space,
  GNTST_okay,
  GNTST_permission_denied,
  GTF_accept_transfer,
  GTF_sub_page,
  GTF_transfer_committed,
  GTF_transfer_completed,
  GTF_transitive,
  GTF_type_mask,
} from './abi/grant.ts';
import { DOMID_SELF } from './abi/guest.ts';
import { type GrantTable, PIN_DEVICE_READ, PIN_DEVICE_WRITE, PIN_HOST_READ, PIN_HOST_WRITE } from './grant-table.ts';
import type { Frame, MachineMemory } from './machine-memory.ts';
import { type DomainMemory, PAGE_FOREIGN, PAGE_HOLE, PAGE_OWN } from './memory.ts';
import { PAGE_SIZE } from './memory-view.ts';

/** What grant operations need of a domain. */
export interface GrantParty {
  readonly domid: number;
  readonly grants: GrantTable;
  readonly memory: DomainMemory;
  readonly isDying: boolean;
}
export type PartyLookup = (domid: number) => GrantParty | undefined;

/** The guest address that is a page frame number of its memory, or -1. */
function pfnOf(address: number, memory: DomainMemory): number {
  const pfn = Math.floor(address / PAGE_SIZE);
  return pfn < memory.pfnLimit ? pfn : -1;
}

function mapPins(flags: number): number {
  const isReadonly = (flags & GNTMAP_readonly) !== 0;
  const device = (flags & GNTMAP_device_map) === 0 ? 0 : isReadonly ? PIN_DEVICE_READ : PIN_DEVICE_WRITE;
  const host = (flags & GNTMAP_host_map) === 0 ? 0 : isReadonly ? PIN_HOST_READ : PIN_HOST_WRITE;
  return device + host;
}

export class GrantOps {
  readonly #machine: MachineMemory;
  readonly #lookup: PartyLookup;

  /** Set by `map`: handle and machine frame of the mapping. */
  handle = 0;
  mfn = 0;
  /** Set by `copy`: bytes moved. */
  bytes = 0;

  /** `lookup` finds a domain by its number, dying ones included. */
  constructor(machine: MachineMemory, lookup: PartyLookup) {
    this.#machine = machine;
    this.#lookup = lookup;
  }

  // Mapping.

  /** GNTTABOP_map_grant_ref. `address` is the guest-physical address of a page where nothing is. On success `handle` and `mfn` are set. */
  map(local: GrantParty, address: number, flags: number, ref: number, domid: number): number {
    if ((flags & (GNTMAP_device_map | GNTMAP_host_map)) === 0) return GNTST_bad_gntref;
    const remote = this.#lookup(domid);
    if (remote === undefined) return GNTST_bad_domain;
    const handle = local.grants.maptrack.take();
    if (handle < 0) return GNTST_no_device_space;
    const status = this.#map(local, remote.grants, address, flags, ref);
    if (status !== GNTST_okay) {
      local.grants.maptrack.put(handle);
      return status;
    }
    local.grants.maptrack.set(handle, flags & 0xff, domid, ref);
    this.handle = handle;
    return GNTST_okay;
  }

  #map(local: GrantParty, table: GrantTable, address: number, flags: number, ref: number): number {
    if (ref >= table.entryCount) return GNTST_bad_gntref;
    const isReadonly = (flags & GNTMAP_readonly) !== 0;
    let status = table.checkInUse(ref, local.domid, true);
    if (status !== GNTST_okay) return status;
    if (table.needsStatus(ref, isReadonly)) {
      status = table.setStatus(ref, isReadonly, true, local.domid);
      if (status !== GNTST_okay) return status;
      if (table.pinCount(ref) === 0) status = table.activatePage(ref, local.domid);
      if (status !== GNTST_okay) {
        table.undoStatus(ref, isReadonly);
        return status;
      }
    }
    const frame = table.activeFrame(ref);
    if ((flags & GNTMAP_host_map) !== 0) {
      const pfn = pfnOf(address, local.memory);
      if (pfn < 0 || local.memory.kindOf(pfn) !== PAGE_HOLE) {
        table.undoStatus(ref, isReadonly);
        return GNTST_general_error;
      }
      local.memory.place(pfn, frame, PAGE_FOREIGN, isReadonly);
      this.#machine.pin(frame);
    }
    if ((flags & GNTMAP_device_map) !== 0) this.#machine.pin(frame);
    table.addPin(ref, mapPins(flags));
    this.mfn = frame.mfn;
    return GNTST_okay;
  }

  /**
   * GNTTABOP_unmap_grant_ref, and with `newAddress` GNTTABOP_unmap_and_replace: what is behind that moves to `address`. Addresses of 0 leave that mapping alone, as in
   * Xen; a handle lives until its last mapping goes.
   */
  unmap(local: GrantParty, address: number, busAddress: number, handle: number, newAddress = 0): number {
    const { maptrack } = local.grants;
    const flags = maptrack.flags(handle);
    if (flags === 0) return GNTST_bad_handle;
    const remote = this.#lookup(maptrack.domid(handle));
    if (remote === undefined) return GNTST_bad_domain;
    const table = remote.grants;
    const ref = maptrack.ref(handle);
    const frame = table.activeFrame(ref);
    if (busAddress !== 0 && busAddress !== frame.mfn * PAGE_SIZE) return GNTST_general_error;
    let done = 0;
    if (address !== 0 && (flags & GNTMAP_host_map) !== 0) {
      const status = this.#unplace(local.memory, address, frame, newAddress);
      if (status !== GNTST_okay) return status;
      done |= GNTMAP_host_map;
    }
    if (busAddress !== 0) done |= flags & GNTMAP_device_map;
    this.#release(local, handle, done);
    return GNTST_okay;
  }

  #unplace(memory: DomainMemory, address: number, frame: Frame, newAddress: number): number {
    const pfn = pfnOf(address, memory);
    if (pfn < 0 || memory.kindOf(pfn) === PAGE_HOLE) return GNTST_bad_virt_addr;
    if (memory.kindOf(pfn) !== PAGE_FOREIGN || memory.frameAt(pfn) !== frame) return GNTST_general_error;
    if (newAddress === 0) {
      memory.clear(pfn);
      return GNTST_okay;
    }
    const from = pfnOf(newAddress, memory);
    const kind = from < 0 ? PAGE_HOLE : memory.kindOf(from);
    const moved = kind === PAGE_HOLE ? null : memory.frameAt(from);
    if (moved === null || kind === PAGE_FOREIGN || moved.isXen) return GNTST_general_error;
    memory.clear(from);
    memory.clear(pfn);
    memory.place(pfn, moved, PAGE_OWN);
    return GNTST_okay;
  }

  /** Takes the mappings `done` of a handle off the books. */
  #release(local: GrantParty, handle: number, done: number): void {
    if (done === 0) return;
    const { maptrack } = local.grants;
    const flags = maptrack.flags(handle);
    const table = (this.#lookup(maptrack.domid(handle)) as GrantParty).grants;
    const ref = maptrack.ref(handle);
    const frame = table.activeFrame(ref);
    const left = flags & ~done;
    if ((left & (GNTMAP_device_map | GNTMAP_host_map)) === 0) maptrack.put(handle);
    else maptrack.setFlags(handle, left);
    const isReadonly = (flags & GNTMAP_readonly) !== 0;
    table.removePin(ref, mapPins(done | (flags & GNTMAP_readonly)), isReadonly);
    if ((done & GNTMAP_host_map) !== 0) this.#machine.unpin(frame);
    if ((done & GNTMAP_device_map) !== 0) this.#machine.unpin(frame);
  }

  /** A domain dies: everything that it has mapped is unmapped. */
  releaseAll(local: GrantParty): void {
    for (const handle of local.grants.maptrack.handles())
      this.#release(local, handle, local.grants.maptrack.flags(handle) & (GNTMAP_device_map | GNTMAP_host_map));
  }

  // Copying.

  #frame: Frame | null = null;
  #start = 0;
  #length = 0;

  /** One side's page for a copy: GNTST_*, and the page and its granted part in `#frame`, `#start`, `#length`. */
  #acquire(party: GrantParty, ref: number, user: number, isReadonly: boolean, mayFollow: boolean): number {
    const table = party.grants;
    if (ref >= table.entryCount) return GNTST_bad_gntref;
    let status = table.checkInUse(ref, user, false);
    if (status !== GNTST_okay) return status;
    const flags = table.flags(ref);
    if (table.version === 2 && (flags & GTF_type_mask) === GTF_transitive)
      return this.#acquireTransitive(party, ref, user, isReadonly, mayFollow);
    if (table.needsStatus(ref, isReadonly)) {
      status = table.setStatus(ref, isReadonly, false, user);
      if (status !== GNTST_okay) return status;
      if (table.pinCount(ref) === 0) status = this.#activateForCopy(table, ref, user, flags);
      if (status !== GNTST_okay) {
        table.undoStatus(ref, isReadonly);
        return status;
      }
    }
    this.#hold(table, ref, isReadonly);
    return GNTST_okay;
  }

  #activateForCopy(table: GrantTable, ref: number, user: number, flags: number): number {
    if (table.version === 1 || (flags & GTF_sub_page) === 0) return table.activatePage(ref, user);
    const frame = table.frameOf(table.mfn(ref));
    if (frame === null) return GNTST_bad_page;
    table.activate(ref, user, frame, table.half(ref, 2), table.half(ref, 3), true);
    return GNTST_okay;
  }

  #hold(table: GrantTable, ref: number, isReadonly: boolean): void {
    table.addPin(ref, isReadonly ? PIN_HOST_READ : PIN_HOST_WRITE);
    this.#frame = table.activeFrame(ref);
    this.#start = table.activeStart(ref);
    this.#length = table.activeLength(ref);
  }

  /** A grant of a grant that the granting domain has itself. One step is followed, no more. */
  #acquireTransitive(party: GrantParty, ref: number, user: number, isReadonly: boolean, mayFollow: boolean): number {
    const table = party.grants;
    if (table.needsStatus(ref, isReadonly)) {
      const status = table.setStatus(ref, isReadonly, false, user);
      if (status !== GNTST_okay) return status;
    }
    const fail = (status: number): number => {
      table.undoStatus(ref, isReadonly);
      return status;
    };
    if (!mayFollow) return fail(GNTST_general_error);
    const behindDomid = table.half(ref, 2);
    const behindRef = table.transitiveRef(ref);
    const behind = this.#lookup(behindDomid);
    if (behindDomid === party.domid || behind === undefined) return fail(GNTST_general_error);
    const status = this.#acquire(behind, behindRef, party.domid, isReadonly, false);
    if (status !== GNTST_okay) return fail(status);
    if (table.pinCount(ref) === 0) {
      table.activate(ref, user, this.#frame as Frame, this.#start, this.#length, true);
      table.setBehind(ref, behindDomid, behindRef);
    }
    this.#hold(table, ref, isReadonly);
    return GNTST_okay;
  }

  #releaseCopy(party: GrantParty, ref: number, isReadonly: boolean): void {
    const table = party.grants;
    const behindDomid = table.behindDomid(ref);
    const behindRef = table.behindRef(ref);
    table.removePin(ref, isReadonly ? PIN_HOST_READ : PIN_HOST_WRITE, isReadonly);
    if (behindDomid >= 0) this.#releaseCopy(this.#lookup(behindDomid) as GrantParty, behindRef, isReadonly);
  }

  /** The party of one side of a copy, or its status in `#status`. */
  #side(local: GrantParty, domid: number, isRef: boolean): GrantParty | null {
    this.#status = GNTST_permission_denied;
    if (domid !== DOMID_SELF && !isRef) return null;
    this.#status = GNTST_bad_domain;
    return domid === DOMID_SELF ? local : (this.#lookup(domid) ?? null);
  }
  #status = 0;

  #claim(local: GrantParty, party: GrantParty, isRef: boolean, refOrMfn: number, isReadonly: boolean): number {
    if (isRef) return this.#acquire(party, refOrMfn, local.domid, isReadonly, true);
    this.#frame = party.grants.frameOf(refOrMfn);
    this.#start = 0;
    this.#length = PAGE_SIZE;
    return this.#frame === null ? GNTST_bad_page : GNTST_okay;
  }

  /** GNTTABOP_copy: each side a reference of `domid`, or a machine frame of the caller's own. Sets `bytes`. */
  copy(
    local: GrantParty,
    sourceIsRef: boolean,
    sourceDomid: number,
    source: number,
    sourceOffset: number,
    destinationIsRef: boolean,
    destinationDomid: number,
    destination: number,
    destinationOffset: number,
    length: number,
  ): number {
    this.bytes = 0;
    const from = this.#side(local, sourceDomid, sourceIsRef);
    if (from === null) return this.#status;
    const to = this.#side(local, destinationDomid, destinationIsRef);
    if (to === null) return this.#status;
    let status = this.#claim(local, from, sourceIsRef, source, true);
    if (status !== GNTST_okay) return status;
    const fromFrame = this.#frame as Frame;
    const fromStart = this.#start;
    const fromEnd = fromStart + this.#length;
    status = this.#claim(local, to, destinationIsRef, destination, false);
    if (status === GNTST_okay) {
      const toFrame = this.#frame as Frame;
      if (sourceOffset + length > PAGE_SIZE || destinationOffset + length > PAGE_SIZE) status = GNTST_bad_copy_arg;
      else if (sourceOffset < fromStart || sourceOffset + length > fromEnd) status = GNTST_general_error;
      else if (destinationOffset < this.#start || destinationOffset + length > this.#start + this.#length)
        status = GNTST_general_error;
      else moveBytes(fromFrame, sourceOffset, toFrame, destinationOffset, length);
      if (destinationIsRef) this.#releaseCopy(to, destination, false);
    }
    if (sourceIsRef) this.#releaseCopy(from, source, true);
    if (status === GNTST_okay) this.bytes = length;
    return status;
  }

  // Transfer.

  /** GNTTABOP_transfer. The page is lost to the caller with any status but GNTST_bad_page. */
  transfer(local: GrantParty, mfn: number, domid: number, ref: number): number {
    const frame = this.#machine.frame(mfn);
    if (frame === null || frame.owner !== local.domid || !frame.isAllocated || frame.pins > 0) return GNTST_bad_page;
    if (frame.pfn >= 0) local.memory.clear(frame.pfn);
    local.memory.totalPages--;
    const remote = this.#lookup(domid);
    const status = remote === undefined ? GNTST_bad_domain : this.#receive(remote, local.domid, ref, frame);
    if (status !== GNTST_okay) this.#machine.drop(frame);
    return status;
  }

  #receive(remote: GrantParty, from: number, ref: number, frame: Frame): number {
    const { grants, memory } = remote;
    if (remote.isDying || memory.totalPages >= memory.maxPages) return GNTST_general_error;
    if (ref >= grants.entryCount) return GNTST_general_error;
    if (grants.flags(ref) !== GTF_accept_transfer || grants.grantee(ref) !== from) return GNTST_general_error;
    memory.totalPages++;
    frame.owner = remote.domid;
    grants.setMfn(ref, frame.mfn);
    grants.setFlags(ref, grants.flags(ref) | GTF_transfer_committed | GTF_transfer_completed);
    return GNTST_okay;
  }
}

/** Copies within or between frames; overlapping ranges as memmove does. */
function moveBytes(from: Frame, fromOffset: number, to: Frame, toOffset: number, length: number): void {
  if (length === PAGE_SIZE) to.bytes.set(from.bytes);
  else if (from === to) to.bytes.copyWithin(toOffset, fromOffset, fromOffset + length);
  else if (length > 0) to.bytes.set(from.bytes.subarray(fromOffset, fromOffset + length), toOffset);
}
