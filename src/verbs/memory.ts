/**
 * Memory regions and memory windows (`struct ibv_mr`, `ibv_mw`): buffers of the program that the adapter may read and write, by key.
 * Memory is real: an RDMA write from a peer changes the bytes of the registered buffer when it arrives.
 */
import type { MemoryKey } from '../hca/index.ts';
import type { Context } from './context.ts';
import { Access, type MwType } from './enums.ts';
import { handle, throwErrno, VerbsError } from './errors.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import { VerbsObject } from './verbs-object.ts';
import type { Sge } from './work-request.ts';

/** Memory without bytes: it has addresses, keys and rights, and traffic costs the same simulated time, but nothing is moved. Not in libibverbs. */
export interface PayloadFree {
  readonly payloadFreeBytes: number;
}

/** What can be registered: bytes, a whole buffer, a number of fresh bytes, or memory that holds nothing. */
export type Registrable = Uint8Array | ArrayBuffer | SharedArrayBuffer | number | PayloadFree;

const PAGE_BYTES = 4096;
const REMOTE_CHANGES = Access.REMOTE_WRITE | Access.REMOTE_ATOMIC;
const SUPPORTED =
  Access.LOCAL_WRITE |
  Access.REMOTE_WRITE |
  Access.REMOTE_READ |
  Access.REMOTE_ATOMIC |
  Access.MW_BIND |
  Access.ZERO_BASED |
  Access.HUGETLB;
const NOT_HERE = Access.ON_DEMAND | Access.FLUSH_GLOBAL | Access.FLUSH_PERSISTENT;
/** Bits 20 … 29 are optional: a device that does not know them ignores them (`IBV_ACCESS_OPTIONAL_RANGE`). */
const OPTIONAL = 0x3ff00000;

function checkAccess(verb: string, access: number): void {
  if ((access & NOT_HERE) !== 0)
    throw new VerbsError(verb, 'EOPNOTSUPP', 'on-demand paging and persistent flush are not modelled');
  if (!Number.isInteger(access) || (access & ~(SUPPORTED | OPTIONAL)) !== 0)
    throw new VerbsError(verb, 'EINVAL', `unknown access bits in 0x${access.toString(16)}`);
  if ((access & REMOTE_CHANGES) !== 0 && (access & Access.LOCAL_WRITE) === 0)
    throw new VerbsError(verb, 'EINVAL', 'remote write and remote atomic need local write');
}

function isPayloadFree(memory: Registrable): memory is PayloadFree {
  return typeof memory === 'object' && 'payloadFreeBytes' in memory;
}

function toBytes(context: Context, memory: Exclude<Registrable, PayloadFree>): Uint8Array {
  if (typeof memory === 'number') return context.alloc(memory);
  return memory instanceof Uint8Array ? memory : new Uint8Array(memory);
}

/** `struct ibv_mr`: made by `ProtectionDomain.regMr`. */
export class MemoryRegion extends VerbsObject {
  readonly pd: ProtectionDomain;
  /** The registered bytes, live; none for a payload-free region. */
  readonly bytes: Uint8Array;
  /** The address of the first byte, as work requests and peers name it. */
  readonly addr: number;
  readonly length: number;
  readonly access: number;
  readonly lkey: number;
  readonly rkey: number;
  /** @internal */
  readonly key: MemoryKey;

  /** @internal Use `ProtectionDomain.regMr`. */
  constructor(pd: ProtectionDomain, memory: Registrable, access: number, iova: number | undefined) {
    super('ibv_dereg_mr', 'memory region');
    const { context } = pd;
    checkAccess('ibv_reg_mr', access);
    if (memory === 0) throw new VerbsError('ibv_reg_mr', 'EINVAL', 'a region has at least one byte');
    const bytes = isPayloadFree(memory) ? null : toBytes(context, memory);
    this.bytes = bytes ?? new Uint8Array(0);
    this.length = isPayloadFree(memory) ? memory.payloadFreeBytes : this.bytes.length;
    if (!(this.length > 0)) throw new VerbsError('ibv_reg_mr', 'EINVAL', 'a region has at least one byte');
    const own = bytes === null ? context.memory.reserve(this.length) : context.addressOf(bytes);
    this.addr = iova ?? ((access & Access.ZERO_BASED) === 0 ? own : 0);
    if (!Number.isSafeInteger(this.addr) || this.addr < 0)
      throw new VerbsError('ibv_reg_mr', 'EINVAL', `${this.addr} is no address`);
    context.countUp('ibv_reg_mr', 'mr', context.profile.maxMr);
    const pages = Math.floor((own + this.length - 1) / PAGE_BYTES) - Math.floor(own / PAGE_BYTES) + 1;
    context.thread.spend(context.profile.registerPs + pages * context.profile.registerPagePs);
    this.pd = pd;
    this.access = access;
    this.key = handle(
      'ibv_reg_mr',
      context.hca.registerMemory({ pd: pd.handle, addr: own, length: this.length, access, bytes, iova: this.addr }),
    );
    this.lkey = this.key.lkey;
    this.rkey = this.key.rkey;
    pd.retain();
  }

  /** A scatter/gather element for `length` bytes from `offset` (default: the rest of the region). Bounds are the adapter's to check. */
  sge(offset = 0, length = this.length - offset): Sge {
    return { addr: this.addr + offset, length, lkey: this.lkey };
  }

  /** The live bytes from `offset` on as a `DataView`, for numbers. */
  view(offset = 0, length = this.length - offset): DataView {
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + offset, length);
  }

  /**
   * Spins on memory: resumes when `predicate` holds of the bytes, as `while (!predicate(buf));` does on hardware – when the adapter's write has become
   * visible, plus the cost of noticing. Without a predicate it waits for any write into the range. A predicate that holds already ends the wait at once.
   */
  waitForChange(offset = 0, length = this.length - offset, predicate?: (bytes: Uint8Array) => boolean): Promise<void> {
    this.requireOpen('poll memory');
    if (this.bytes.length === 0)
      throw new VerbsError('poll memory', 'EOPNOTSUPP', 'a payload-free region holds nothing to look at');
    if (!(offset >= 0 && length >= 1 && offset + length <= this.length))
      throw new VerbsError('poll memory', 'EFAULT', `bytes ${offset} … ${offset + length - 1} are not in the region`);
    return this.pd.context.watch(this, offset, length, predicate);
  }

  protected override destroyNow(): void {
    const { context } = this.pd;
    context.thread.spend(context.profile.controlPs);
    throwErrno('ibv_dereg_mr', context.hca.deregisterMemory(this.key), 'a memory window is bound to the region');
    context.counts.mr--;
    this.pd.release();
  }
}

/** `struct ibv_mw`: made by `ProtectionDomain.allocMw`. It gives access only after it is bound to a region. */
export class MemoryWindow extends VerbsObject {
  readonly pd: ProtectionDomain;
  readonly type: MwType;
  /** @internal */
  readonly key: MemoryKey;
  #rkey: number;

  /** @internal Use `ProtectionDomain.allocMw`. */
  constructor(pd: ProtectionDomain, type: MwType) {
    super('ibv_dealloc_mw', 'memory window');
    const { context } = pd;
    context.countUp('ibv_alloc_mw', 'mr', context.profile.maxMr);
    this.pd = pd;
    this.type = type;
    this.key = handle('ibv_alloc_mw', context.hca.allocMw(pd.handle, type));
    this.#rkey = this.key.rkey;
    pd.retain();
  }

  /** The key of the newest bind that was posted (type 1), or the one of `allocMw` (type 2, whose binds name their own: `incRkey(mw.rkey)`). */
  get rkey(): number {
    return this.#rkey;
  }

  /** @internal */
  setRkey(rkey: number): void {
    this.#rkey = rkey;
  }

  protected override destroyNow(): void {
    const { context } = this.pd;
    context.thread.spend(context.profile.controlPs);
    context.hca.deallocMw(this.key);
    context.counts.mr--;
    this.pd.release();
  }
}

/** `ibv_inc_rkey`: the same key with its low byte, the consumer's part, one higher. */
export function incRkey(rkey: number): number {
  return ((rkey & 0xffffff00) | ((rkey + 1) & 0xff)) >>> 0;
}
