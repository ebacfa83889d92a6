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
import type { Ps } from '../../sim/index.ts';
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
const COPY_SOURCE = GNTTAB_COPY.at['source.u.ref'];
const COPY_SOURCE_DOMID = GNTTAB_COPY.at['source.domid'];
const COPY_SOURCE_OFFSET = GNTTAB_COPY.at['source.offset'];
const COPY_DEST = GNTTAB_COPY.at['dest.u.ref'];
const COPY_DEST_DOMID = GNTTAB_COPY.at['dest.domid'];
const COPY_DEST_OFFSET = GNTTAB_COPY.at['dest.offset'];
const COPY_LEN = GNTTAB_COPY.at.len;
const COPY_FLAGS = GNTTAB_COPY.at.flags;
const COPY_STATUS = GNTTAB_COPY.at.status;

/** One argument structure at `at`, which can be read and written; what it does may take that page away. */
type Operation = (domain: Domain, at: number) => void;

/** A command on a list: size of an argument, what is counted and charged, each and for the whole list. */
interface Row {
  readonly size: number;
  readonly kind: GrantKind | null;
  readonly run: Operation;
  readonly costPs: Ps;
  readonly batchPs: Ps;
}

/** What CPU time is charged to. */
const CAUSES: Readonly<Record<GrantKind, string>> = {
  map: 'grant map',
  unmap: 'grant unmap',
  copy: 'grant copy',
  transfer: 'grant transfer',
};

export function grantTableOp(host: HypercallHost): Hypercall {
  const calls = new GrantCalls(host);
  return (domain, vcpu, command, at, count) => calls.call(domain, vcpu, command, at, count % 2 ** 32);
}

class GrantCalls {
  readonly #host: HypercallHost;
  readonly #lists: ReadonlyMap<number, Row>;
  /** Commands that take one argument, free of charge. */
  readonly #singles: ReadonlyMap<number, Row>;

  constructor(host: HypercallHost) {
    this.#host = host;
    const { grantMapPs, grantUnmapPs, grantTransferPs, grantCopyPs, tlbFlushPs } = host.costs;
    const row = (size: number, kind: GrantKind | null, run: Operation, costPs = 0, batchPs = 0): Row => ({
      size,
      kind,
      run,
      costPs,
      batchPs,
    });
    const { size: unmapSize } = GNTTAB_UNMAP_GRANT_REF;
    const { size: replaceSize } = GNTTAB_UNMAP_AND_REPLACE;
    this.#lists = new Map([
      [GNTTABOP_map_grant_ref, row(GNTTAB_MAP_GRANT_REF.size, 'map', (domain, at) => this.#map(domain, at), grantMapPs)],
      [GNTTABOP_unmap_grant_ref, row(unmapSize, 'unmap', (domain, at) => this.#unmap(domain, at), grantUnmapPs, tlbFlushPs)],
      [
        GNTTABOP_unmap_and_replace,
        row(replaceSize, 'unmap', (domain, at) => this.#replace(domain, at), grantUnmapPs, tlbFlushPs),
      ],
      [GNTTABOP_transfer, row(GNTTAB_TRANSFER.size, 'transfer', (domain, at) => this.#transfer(domain, at), grantTransferPs)],
      [GNTTABOP_swap_grant_ref, row(GNTTAB_SWAP_GRANT_REF.size, null, (domain, at) => this.#swap(domain, at))],
    ]);
    this.#singles = new Map([
      [GNTTABOP_setup_table, row(GNTTAB_SETUP_TABLE.size, null, (domain, at) => this.#setupTable(domain, at))],
      [GNTTABOP_query_size, row(GNTTAB_QUERY_SIZE.size, null, (domain, at) => this.#querySize(domain, at))],
      [GNTTABOP_get_status_frames, row(GNTTAB_GET_STATUS_FRAMES.size, null, (domain, at) => this.#statusFrames(domain, at))],
    ]);
    this.#copies = row(GNTTAB_COPY.size, 'copy', (domain, at) => this.#copy(domain, at), grantCopyPs);
  }
  readonly #copies: Row;

  call(domain: Domain, vcpu: Vcpu, command: number, at: number, count: number): number {
    if (count >= 2 ** 31) return -ERRNO.EINVAL;
    if (command === GNTTABOP_copy) return this.#copyAll(domain, vcpu, at, count, this.#copies);
    const list = this.#lists.get(command);
    if (list !== undefined) return this.#each(domain, vcpu, at, count, list);
    const single = this.#singles.get(command);
    if (single !== undefined) return count === 1 ? this.#each(domain, vcpu, at, 1, single) : -ERRNO.EINVAL;
    if (command === GNTTABOP_set_version) return count === 1 ? this.#setVersion(domain, at) : -ERRNO.EINVAL;
    if (command === GNTTABOP_get_version) return count === 1 ? this.#getVersion(domain, at) : -ERRNO.EINVAL;
    return -ERRNO.ENOSYS;
  }

  /** The status of one operation, written where the page is still there. */
  #answer(domain: Domain, at: number, status: number): void {
    if (status !== GNTST_okay) domain.account.grantFailures++;
    if (domain.memory.canWrite(at, 2)) domain.memory.setU16(at, status);
  }

  #map(domain: Domain, at: number): void {
    const { memory } = domain;
    const address = u64At(memory, at + MAP.host_addr);
    const flags = memory.u32(at + MAP.flags);
    const status = this.#host.grantOps.map(domain, address, flags, memory.u32(at + MAP.ref), memory.u16(at + MAP.dom));
    if (status === GNTST_okay) {
      memory.setU32(at + MAP.handle, this.#host.grantOps.handle);
      setU64At(memory, at + MAP.dev_bus_addr, this.#host.grantOps.mfn * PAGE_SIZE);
    }
    this.#answer(domain, at + MAP.status, status);
  }

  #unmap(domain: Domain, at: number): void {
    const { memory } = domain;
    const bus = u64At(memory, at + UNMAP.dev_bus_addr);
    const status = this.#host.grantOps.unmap(domain, u64At(memory, at + UNMAP.host_addr), bus, memory.u32(at + UNMAP.handle));
    this.#answer(domain, at + UNMAP.status, status);
  }

  #replace(domain: Domain, at: number): void {
    const { memory } = domain;
    const newAddress = u64At(memory, at + REPLACE.new_addr);
    const status = this.#host.grantOps.unmap(
      domain,
      u64At(memory, at + REPLACE.host_addr),
      0,
      memory.u32(at + REPLACE.handle),
      newAddress,
    );
    this.#answer(domain, at + REPLACE.status, status);
  }

  #transfer(domain: Domain, at: number): void {
    const { memory } = domain;
    const mfn = u64At(memory, at + TRANSFER.mfn);
    this.#answer(
      domain,
      at + TRANSFER.status,
      this.#host.grantOps.transfer(domain, mfn, memory.u16(at + TRANSFER.domid), memory.u32(at + TRANSFER.ref)),
    );
  }

  #copy(domain: Domain, at: number): void {
    const { memory } = domain;
    const flags = memory.u16(at + COPY_FLAGS);
    const sourceIsRef = (flags & GNTCOPY_source_gref) !== 0;
    const destIsRef = (flags & GNTCOPY_dest_gref) !== 0;
    const status = this.#host.grantOps.copy(
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
    domain.account.bytesCopied += this.#host.grantOps.bytes;
    this.#answer(domain, at + COPY_STATUS, status);
  }

  #swap(domain: Domain, at: number): void {
    const { memory, grants } = domain;
    const a = memory.u32(at + SWAP.ref_a);
    const b = memory.u32(at + SWAP.ref_b);
    let status: number = GNTST_okay;
    if (a >= grants.entryCount || b >= grants.entryCount) status = GNTST_bad_gntref;
    else if (grants.pinCount(a) !== 0 || grants.pinCount(b) !== 0) status = GNTST_eagain;
    else grants.swap(a, b);
    this.#answer(domain, at + SWAP.status, status);
  }

  /** Does `count` operations of a kind; a bad address ends that with -EFAULT. */
  #each(domain: Domain, vcpu: Vcpu, at: number, count: number, { size, kind, run, costPs, batchPs }: Row): number {
    let done = 0;
    while (done < count && domain.memory.canWrite(at + done * size, size)) {
      run(domain, at + done * size);
      done++;
    }
    if (kind !== null) {
      domain.account.grants[kind] += done;
      if (done > 0) vcpu.spend(done * costPs + batchPs, CAUSES[kind]);
    }
    return done === count ? 0 : -ERRNO.EFAULT;
  }

  #copyAll(domain: Domain, vcpu: Vcpu, at: number, count: number, row: Row): number {
    if (this.#host.era.name === 'xen-3.0') return -ERRNO.ENOSYS;
    const before = domain.account.bytesCopied;
    const result = this.#each(domain, vcpu, at, count, row);
    const bytes = domain.account.bytesCopied - before;
    if (bytes > 0) vcpu.spend(Math.round(bytes * this.#host.costs.copyPsPerByte), CAUSES.copy);
    return result;
  }

  /** Writes frame numbers into a guest's array: GNTST_bad_virt_addr where it cannot be written. */
  #writeFrames(domain: Domain, list: number, frames: readonly Frame[], count: number): number {
    for (let i = 0; i < Math.min(count, frames.length); i++) {
      if (!domain.memory.canWrite(list + 8 * i, 8)) return GNTST_bad_virt_addr;
      setU64At(domain.memory, list + 8 * i, (frames[i] as Frame).mfn);
    }
    return GNTST_okay;
  }

  /** The domain whose table is asked for, or the status that says why not. */
  #tableOf(domain: Domain, domid: number): Domain | number {
    const target = anyDomain(this.#host, domain, domid);
    if (target === undefined) return GNTST_bad_domain;
    return mayControl(domain, target) ? target : GNTST_permission_denied;
  }

  #setupTable(domain: Domain, at: number): void {
    const { memory } = domain;
    const count = memory.u32(at + SETUP.nr_frames);
    const list = u64At(memory, at + SETUP.frame_list);
    const target = this.#tableOf(domain, memory.u16(at + SETUP.dom));
    let status: number;
    if (typeof target === 'number') status = target;
    else if (!target.grants.grow(count)) status = GNTST_general_error;
    else status = this.#writeFrames(domain, list, target.grants.frames, count);
    this.#answer(domain, at + SETUP.status, status);
  }

  #querySize(domain: Domain, at: number): void {
    const { memory } = domain;
    const target = this.#tableOf(domain, memory.u16(at + QUERY.dom));
    if (typeof target !== 'number') {
      memory.setU32(at + QUERY.nr_frames, target.grants.frames.length);
      memory.setU32(at + QUERY.max_nr_frames, target.grants.limits.maxFrames);
    }
    this.#answer(domain, at + QUERY.status, typeof target === 'number' ? target : GNTST_okay);
  }

  #statusFrames(domain: Domain, at: number): void {
    const { memory } = domain;
    const count = memory.u32(at + STATUS_FRAMES.nr_frames);
    const list = u64At(memory, at + STATUS_FRAMES.frame_list);
    const target = this.#tableOf(domain, memory.u16(at + STATUS_FRAMES.dom));
    let status: number;
    if (typeof target === 'number') status = target;
    else if (count > target.grants.statusFrames.length) status = GNTST_general_error;
    else status = this.#writeFrames(domain, list, target.grants.statusFrames, count);
    this.#answer(domain, at + STATUS_FRAMES.status, status);
  }

  #setVersion(domain: Domain, at: number): number {
    const { memory, grants } = domain;
    if (!memory.canWrite(at, GNTTAB_SET_VERSION.size)) return -ERRNO.EFAULT;
    const result = grants.setVersion(memory.u32(at));
    if (memory.canWrite(at, GNTTAB_SET_VERSION.size)) memory.setU32(at, grants.version);
    return result;
  }

  #getVersion(domain: Domain, at: number): number {
    const { memory } = domain;
    if (!memory.canWrite(at, GNTTAB_GET_VERSION.size)) return -ERRNO.EFAULT;
    const target = anyDomain(this.#host, domain, memory.u16(at + GNTTAB_GET_VERSION.at.dom));
    if (target === undefined) return -ERRNO.ESRCH;
    if (!mayControl(domain, target)) return -ERRNO.EPERM;
    memory.setU32(at + GNTTAB_GET_VERSION.at.version, target.grants.version);
    return 0;
  }
}
