/** grant_table_op: reads an array of arguments from the caller's memory, does each operation, writes each status back, and charges for them. */
import {
  GNTCOPY_dest_gref,
  GNTCOPY_source_gref,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_bad_virt_addr,
  GNTST_eagain,
  GNTST_general_error,
  GNTST_okay,
  GNTST_permission_denied,
  GNTTAB_COPY,
  GNTTAB_GET_STATUS_FRAMES,
  GNTTAB_GET_VERSION,
  GNTTAB_MAP_GRANT_REF,
  GNTTAB_QUERY_SIZE,
  GNTTAB_SET_VERSION,
  GNTTAB_SETUP_TABLE,
  GNTTAB_SWAP_GRANT_REF,
  GNTTAB_TRANSFER,
  GNTTAB_UNMAP_AND_REPLACE,
  GNTTAB_UNMAP_GRANT_REF,
  GNTTABOP_copy,
  GNTTABOP_get_status_frames,
  GNTTABOP_get_version,
  GNTTABOP_map_grant_ref,
  GNTTABOP_query_size,
  GNTTABOP_set_version,
  GNTTABOP_setup_table,
  GNTTABOP_swap_grant_ref,
  GNTTABOP_transfer,
  GNTTABOP_unmap_and_replace,
  GNTTABOP_unmap_grant_ref,
} from '../abi/grant.ts';
import { ERRNO } from '../abi/numbers.ts';
import type { GrantKind } from '../account.ts';
import type { Domain } from '../domain.ts';
import type { Frame } from '../machine-memory.ts';
import { PAGE_SIZE } from '../memory-view.ts';
import type { Vcpu } from '../vcpu.ts';
import { anyDomain, type Hypercall, type HypercallHost, mayControl, setU64At, u64At } from './host.ts';

const MAP = GNTTAB_MAP_GRANT_REF.at;
const UNMAP = GNTTAB_UNMAP_GRANT_REF.at;
const REPLACE = GNTTAB_UNMAP_AND_REPLACE.at;
const TRANSFER = GNTTAB_TRANSFER.at;
const SETUP = GNTTAB_SETUP_TABLE.at;
const QUERY = GNTTAB_QUERY_SIZE.at;
const STATUS_FRAMES = GNTTAB_GET_STATUS_FRAMES.at;
const SWAP = GNTTAB_SWAP_GRANT_REF.at;
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

/** One argument structure at `at`, which can be read and written; what it changes may take that page away. Returns a status or, for the whole call, an errno below -1000. */
type Operation = (domain: Domain, at: number) => void;

export function grantTableOp(host: HypercallHost): Hypercall {
  const { grantOps: ops, costs } = host;

  /** The status of one operation, written where the page is still there. */
  function answer(domain: Domain, at: number, status: number): void {
    if (status !== GNTST_okay) domain.account.grantFailures++;
    if (domain.memory.canWrite(at, 2)) domain.memory.setU16(at, status);
  }

  function map(domain: Domain, at: number): void {
    const { memory } = domain;
    const address = u64At(memory, at + MAP.host_addr);
    const flags = memory.u32(at + MAP.flags);
    const status = ops.map(domain, address, flags, memory.u32(at + MAP.ref), memory.u16(at + MAP.dom));
    if (status === GNTST_okay) {
      memory.setU32(at + MAP.handle, ops.handle);
      setU64At(memory, at + MAP.dev_bus_addr, ops.mfn * PAGE_SIZE);
    }
    answer(domain, at + MAP.status, status);
  }

  function unmap(domain: Domain, at: number): void {
    const { memory } = domain;
    const bus = u64At(memory, at + UNMAP.dev_bus_addr);
    const status = ops.unmap(domain, u64At(memory, at + UNMAP.host_addr), bus, memory.u32(at + UNMAP.handle));
    answer(domain, at + UNMAP.status, status);
  }

  function replace(domain: Domain, at: number): void {
    const { memory } = domain;
    const newAddress = u64At(memory, at + REPLACE.new_addr);
    const status = ops.unmap(domain, u64At(memory, at + REPLACE.host_addr), 0, memory.u32(at + REPLACE.handle), newAddress);
    answer(domain, at + REPLACE.status, status);
  }

  function transfer(domain: Domain, at: number): void {
    const { memory } = domain;
    const mfn = u64At(memory, at + TRANSFER.mfn);
    answer(
      domain,
      at + TRANSFER.status,
      ops.transfer(domain, mfn, memory.u16(at + TRANSFER.domid), memory.u32(at + TRANSFER.ref)),
    );
  }

  function copy(domain: Domain, at: number): void {
    const { memory } = domain;
    const flags = memory.u16(at + COPY_FLAGS);
    const sourceIsRef = (flags & GNTCOPY_source_gref) !== 0;
    const destIsRef = (flags & GNTCOPY_dest_gref) !== 0;
    const status = ops.copy(
      domain,
      sourceIsRef,
      memory.u16(at + COPY_SOURCE_DOMID),
      sourceIsRef ? memory.u32(at + COPY_SOURCE) : u64At(memory, at + COPY_SOURCE),
      memory.u16(at + COPY_SOURCE_OFFSET),
      destIsRef,
      memory.u16(at + COPY_DEST_DOMID),
      destIsRef ? memory.u32(at + COPY_DEST) : u64At(memory, at + COPY_DEST),
      memory.u16(at + COPY_DEST_OFFSET),
      memory.u16(at + COPY_LEN),
    );
    domain.account.bytesCopied += ops.bytes;
    answer(domain, at + COPY_STATUS, status);
  }

  function swap(domain: Domain, at: number): void {
    const { memory, grants } = domain;
    const a = memory.u32(at + SWAP.ref_a);
    const b = memory.u32(at + SWAP.ref_b);
    let status: number = GNTST_okay;
    if (a >= grants.entryCount || b >= grants.entryCount) status = GNTST_bad_gntref;
    else if (grants.pinCount(a) !== 0 || grants.pinCount(b) !== 0) status = GNTST_eagain;
    else grants.swap(a, b);
    answer(domain, at + SWAP.status, status);
  }

  /** Does `count` operations; a bad address ends that with -EFAULT. `costPs` is for each, `batchPs` for all together. */
  function each(
    domain: Domain,
    vcpu: Vcpu,
    at: number,
    count: number,
    size: number,
    kind: GrantKind | null,
    operation: Operation,
    costPs: number,
    batchPs: number,
  ): number {
    let done = 0;
    while (done < count && domain.memory.canWrite(at + done * size, size)) {
      operation(domain, at + done * size);
      done++;
    }
    if (kind !== null) {
      domain.account.grants[kind] += done;
      if (done > 0) vcpu.spend(done * costPs + batchPs, `grant ${kind}`);
    }
    return done === count ? 0 : -ERRNO.EFAULT;
  }

  function copyAll(domain: Domain, vcpu: Vcpu, at: number, count: number): number {
    const before = domain.account.bytesCopied;
    const result = each(domain, vcpu, at, count, COPY_SIZE, 'copy', copy, costs.grantCopyPs, 0);
    const bytes = domain.account.bytesCopied - before;
    if (bytes > 0) vcpu.spend(Math.round(bytes * costs.copyPsPerByte), 'grant copy');
    return result;
  }

  /** Writes frame numbers into a guest's array: GNTST_bad_virt_addr where it cannot be written. */
  function writeFrames(domain: Domain, list: number, frames: readonly Frame[], count: number): number {
    for (let i = 0; i < Math.min(count, frames.length); i++) {
      if (!domain.memory.canWrite(list + 8 * i, 8)) return GNTST_bad_virt_addr;
      setU64At(domain.memory, list + 8 * i, (frames[i] as Frame).mfn);
    }
    return GNTST_okay;
  }

  /** The domain whose table is asked for, or the status that says why not. */
  function tableOf(domain: Domain, domid: number): Domain | number {
    const target = anyDomain(host, domain, domid);
    if (target === undefined) return GNTST_bad_domain;
    return mayControl(domain, target) ? target : GNTST_permission_denied;
  }

  function setupTable(domain: Domain, at: number): void {
    const { memory } = domain;
    const count = memory.u32(at + SETUP.nr_frames);
    const list = u64At(memory, at + SETUP.frame_list);
    const target = tableOf(domain, memory.u16(at + SETUP.dom));
    let status: number;
    if (typeof target === 'number') status = target;
    else if (!target.grants.grow(count)) status = GNTST_general_error;
    else status = writeFrames(domain, list, target.grants.frames, count);
    answer(domain, at + SETUP.status, status);
  }

  function querySize(domain: Domain, at: number): void {
    const { memory } = domain;
    const target = tableOf(domain, memory.u16(at + QUERY.dom));
    if (typeof target !== 'number') {
      memory.setU32(at + QUERY.nr_frames, target.grants.frames.length);
      memory.setU32(at + QUERY.max_nr_frames, target.grants.limits.maxFrames);
    }
    answer(domain, at + QUERY.status, typeof target === 'number' ? target : GNTST_okay);
  }

  function statusFrames(domain: Domain, at: number): void {
    const { memory } = domain;
    const count = memory.u32(at + STATUS_FRAMES.nr_frames);
    const list = u64At(memory, at + STATUS_FRAMES.frame_list);
    const target = tableOf(domain, memory.u16(at + STATUS_FRAMES.dom));
    let status: number;
    if (typeof target === 'number') status = target;
    else if (count > target.grants.statusFrames.length) status = GNTST_general_error;
    else status = writeFrames(domain, list, target.grants.statusFrames, count);
    answer(domain, at + STATUS_FRAMES.status, status);
  }

  function setVersion(domain: Domain, at: number): number {
    const { memory, grants } = domain;
    if (!memory.canWrite(at, GNTTAB_SET_VERSION.size)) return -ERRNO.EFAULT;
    const result = grants.setVersion(memory.u32(at));
    if (memory.canWrite(at, GNTTAB_SET_VERSION.size)) memory.setU32(at, grants.version);
    return result;
  }

  function getVersion(domain: Domain, at: number): number {
    const { memory } = domain;
    if (!memory.canWrite(at, GNTTAB_GET_VERSION.size)) return -ERRNO.EFAULT;
    const target = anyDomain(host, domain, memory.u16(at + GNTTAB_GET_VERSION.at.dom));
    if (target === undefined) return -ERRNO.ESRCH;
    if (!mayControl(domain, target)) return -ERRNO.EPERM;
    memory.setU32(at + GNTTAB_GET_VERSION.at.version, target.grants.version);
    return 0;
  }

  /** Calls that take one argument. */
  function one(domain: Domain, vcpu: Vcpu, at: number, count: number, size: number, operation: Operation): number {
    return count === 1 ? each(domain, vcpu, at, 1, size, null, operation, 0, 0) : -ERRNO.EINVAL;
  }

  return (domain, vcpu, command, at, rawCount) => {
    const count = rawCount % 2 ** 32;
    if (count >= 2 ** 31) return -ERRNO.EINVAL;
    switch (command) {
      case GNTTABOP_map_grant_ref:
        return each(domain, vcpu, at, count, GNTTAB_MAP_GRANT_REF.size, 'map', map, costs.grantMapPs, 0);
      case GNTTABOP_unmap_grant_ref:
        return each(domain, vcpu, at, count, GNTTAB_UNMAP_GRANT_REF.size, 'unmap', unmap, costs.grantUnmapPs, costs.tlbFlushPs);
      case GNTTABOP_unmap_and_replace:
        return each(
          domain,
          vcpu,
          at,
          count,
          GNTTAB_UNMAP_AND_REPLACE.size,
          'unmap',
          replace,
          costs.grantUnmapPs,
          costs.tlbFlushPs,
        );
      case GNTTABOP_copy:
        return host.era.name === 'xen-3.0' ? -ERRNO.ENOSYS : copyAll(domain, vcpu, at, count);
      case GNTTABOP_transfer:
        return each(domain, vcpu, at, count, GNTTAB_TRANSFER.size, 'transfer', transfer, costs.grantTransferPs, 0);
      case GNTTABOP_setup_table:
        return one(domain, vcpu, at, count, GNTTAB_SETUP_TABLE.size, setupTable);
      case GNTTABOP_query_size:
        return one(domain, vcpu, at, count, GNTTAB_QUERY_SIZE.size, querySize);
      case GNTTABOP_get_status_frames:
        return one(domain, vcpu, at, count, GNTTAB_GET_STATUS_FRAMES.size, statusFrames);
      case GNTTABOP_set_version:
        return count === 1 ? setVersion(domain, at) : -ERRNO.EINVAL;
      case GNTTABOP_get_version:
        return count === 1 ? getVersion(domain, at) : -ERRNO.EINVAL;
      case GNTTABOP_swap_grant_ref:
        return each(domain, vcpu, at, count, GNTTAB_SWAP_GRANT_REF.size, null, swap, 0, 0);
      default:
        return -ERRNO.ENOSYS;
    }
  };
}
