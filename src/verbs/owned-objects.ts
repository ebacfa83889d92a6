/**
 * The objects on an adapter that belong to one owner, another domain: made, found and freed by number, counted against a quota. Whoever asks names objects by number only, and finds
 * none but the owner's own; nothing that is asked for throws. Calls return what was made, 0, or an errno.
 *
 * A program's control verbs cannot wait, so their outcome must be known before the owner's command has reached whoever carries it out. `foresee` carries a command out at once and
 * keeps the outcome under the command's id; `settle` hands it over to whoever receives the command, and carries out what nobody has foreseen.
 */
import {
  type AddressVector,
  CqContext,
  type Hca,
  type AsyncEvent as HcaEvent,
  type MemoryKey,
  QpContext,
  type QpAttributes,
  QPT_RC,
  QPT_UC,
  QPT_UD,
  SrqContext,
} from '../hca/index.ts';
import type { Ps } from '../sim/index.ts';
import type { Adapter } from './adapter.ts';
import { listenAsync } from './async-event.ts';
import { Errno } from './errors.ts';
import { isAddress, isSane } from './owner-checks.ts';
import {
  DEFAULT_OWNER_QUOTA,
  failed,
  made,
  type MrRequest,
  type Outcome,
  type OwnerEvents,
  type OwnerQuota,
  type QpRequest,
} from './owner-types.ts';

const TYPES: readonly number[] = [QPT_RC, QPT_UC, QPT_UD];
/** Access bits of regions: local and remote write, remote read, atomic, bind, zero based. */
const ACCESS_BITS = 0x3f;
const MOST_BYTES = 2n ** 52n;
const KINDS = ['pd', 'mr', 'cq', 'srq', 'qp', 'ah', 'channel', 'uar'] as const;
type Kind = (typeof KINDS)[number];

export class OwnedObjects {
  /** The adapter's own interface. */
  readonly hca: Adapter;
  readonly quota: OwnerQuota;
  /** Where events go. */
  events: OwnerEvents | null = null;
  /** The owner is gone: nothing is made any more. */
  isClosed = false;
  readonly #pds = new Set<number>();
  readonly #keys = new Map<number, MemoryKey>();
  readonly #cqs = new Map<number, { readonly cq: CqContext; readonly channel: number }>();
  readonly #srqs = new Map<number, SrqContext>();
  readonly #qps = new Map<number, QpContext>();
  readonly #ahs = new Map<number, number>();
  readonly #channels = new Set<number>();
  readonly #uars = new Set<number>();
  readonly #groups = new Map<QpContext, { readonly gid: Uint8Array; readonly lid: number }[]>();
  /** Children of each protection domain. */
  readonly #domainUsers = new Map<number, number>();
  readonly #foreseen = new Map<number, { readonly bytes: Uint8Array; readonly outcome: Outcome }>();
  readonly #stopListening: () => void;
  #nextNumber = 1;

  constructor(hca: Hca | Adapter, quota: OwnerQuota = DEFAULT_OWNER_QUOTA) {
    this.hca = hca as Adapter;
    this.quota = quota;
    this.#stopListening = listenAsync(this.hca, { raised: (event) => this.#raised(event) });
  }

  /** Objects in existence, by kind, and all of them. */
  get counts(): Readonly<Record<Kind | 'all', number>> {
    const sets = [this.#pds, this.#keys, this.#cqs, this.#srqs, this.#qps, this.#ahs, this.#channels, this.#uars];
    const counts = Object.fromEntries(KINDS.map((kind, i) => [kind, (sets[i] as { size: number }).size]));
    return { ...counts, all: sets.reduce((sum, { size }) => sum + size, 0) } as Record<Kind | 'all', number>;
  }

  /** Queue pairs, for what concerns all of them. */
  qps(): IterableIterator<QpContext> {
    return this.#qps.values();
  }

  findQp(qpn: number): QpContext | undefined {
    return this.#qps.get(qpn);
  }
  findCq(cq: number): CqContext | undefined {
    return this.#cqs.get(cq)?.cq;
  }
  findSrq(srq: number): SrqContext | undefined {
    return this.#srqs.get(srq);
  }

  // ---- what was computed ahead

  /** Carries a command out before it is received; `settle` of the same bytes under the same id gives the outcome again, once. */
  foresee(id: number, bytes: Uint8Array, carryOut: () => Outcome): Outcome {
    const outcome = this.isClosed ? failed(Errno.ENODEV) : carryOut();
    this.#foreseen.set(id, { bytes, outcome });
    return outcome;
  }

  /** The outcome of a command that was received. */
  settle(id: number, bytes: Uint8Array, carryOut: () => Outcome): Outcome {
    const known = this.#foreseen.get(id);
    if (known === undefined || !known.bytes.every((byte, i) => byte === bytes[i])) return carryOut();
    this.#foreseen.delete(id);
    return known.outcome;
  }

  // ---- protection domains, doorbell pages, channels, address handles

  allocUar(): Outcome {
    if (!this.#mayMake('uar', this.#uars.size)) return failed(Errno.ENOMEM);
    const uar = this.#nextNumber++;
    this.#uars.add(uar);
    return made({ uar });
  }

  deallocUar(uar: number): Outcome {
    return failed(this.#uars.delete(uar) ? 0 : Errno.EINVAL);
  }

  allocPd(): Outcome {
    if (!this.#mayMake('pd', this.#pds.size)) return failed(Errno.ENOMEM);
    const pd = this.hca.allocPd();
    if (pd === 0) return failed(Errno.ENOMEM);
    this.#pds.add(pd);
    return made({ pd });
  }

  deallocPd(pd: number): Outcome {
    if (!this.#pds.has(pd)) return failed(Errno.EINVAL);
    if ((this.#domainUsers.get(pd) ?? 0) > 0) return failed(Errno.EBUSY);
    this.#pds.delete(pd);
    this.#domainUsers.delete(pd);
    this.hca.deallocPd(pd);
    return failed(0);
  }

  createChannel(): Outcome {
    if (!this.#mayMake('channel', this.#channels.size)) return failed(Errno.ENOMEM);
    const channel = this.#nextNumber++;
    this.#channels.add(channel);
    return made({ channel });
  }

  destroyChannel(channel: number): Outcome {
    if (!this.#channels.has(channel)) return failed(Errno.EINVAL);
    for (const queue of this.#cqs.values()) if (queue.channel === channel) return failed(Errno.EBUSY);
    this.#channels.delete(channel);
    return failed(0);
  }

  createAh(pd: number, vector: AddressVector): Outcome {
    if (!this.#pds.has(pd) || !isAddress(this.hca, vector)) return failed(Errno.EINVAL);
    if (!this.#mayMake('ah', this.#ahs.size)) return failed(Errno.ENOMEM);
    const ah = this.#nextNumber++;
    this.#ahs.set(ah, pd);
    this.#useDomain(pd, 1);
    return made({ ah });
  }

  destroyAh(ah: number): Outcome {
    const pd = this.#ahs.get(ah);
    if (pd === undefined) return failed(Errno.EINVAL);
    this.#ahs.delete(ah);
    this.#useDomain(pd, -1);
    return failed(0);
  }

  // ---- memory

  /** `pages` is how many of the owner's frames stand behind the region. `bytes` are the memory itself, where it is a program's. */
  regMr(request: MrRequest, pages: number, bytes: Uint8Array | null): Outcome {
    const { pd, access, addr, length, iova } = request;
    if (!this.#pds.has(pd) || (access & ~ACCESS_BITS) !== 0) return failed(Errno.EINVAL);
    if (length < 1n || length > MOST_BYTES || addr > MOST_BYTES || iova > MOST_BYTES) return failed(Errno.EINVAL);
    const first = addr / 4096n;
    if (BigInt(pages) < (addr + length - 1n) / 4096n - first + 1n) return failed(Errno.EFAULT);
    if (!this.#mayMake('mr', this.#keys.size)) return failed(Errno.ENOMEM);
    // Memory that is no program's gets addresses that are nobody else's.
    const real = bytes === null ? this.hca.memory.reserve(Number(length)) : Number(addr);
    return this.#registered({ pd, addr: real, length: Number(length), access, bytes, iova: Number(iova) });
  }

  /** A region of memory without bytes that has addresses already. */
  regPlace(request: MrRequest): Outcome {
    const { pd, access, addr, length, iova } = request;
    if (!this.#pds.has(pd)) return failed(Errno.EINVAL);
    if (!this.#mayMake('mr', this.#keys.size)) return failed(Errno.ENOMEM);
    return this.#registered({ pd, addr: Number(addr), length: Number(length), access, bytes: null, iova: Number(iova) });
  }

  #registered(options: Parameters<Hca['registerMemory']>[0]): Outcome {
    const key = this.hca.registerMemory(options);
    if (typeof key === 'number') return failed(key);
    this.#keys.set(key.index, key);
    this.#useDomain(key.pd, 1);
    return made({ lkey: key.lkey >>> 0, rkey: key.rkey >>> 0 }, key);
  }

  deregMr(lkey: number): Outcome {
    const key = this.#keys.get(lkey >>> 8);
    if (key === undefined || key.windowType !== 0 || key.lkey >>> 0 !== lkey) return failed(Errno.EINVAL);
    const errno = this.hca.deregisterMemory(key);
    if (errno === 0) this.#forgetKey(key);
    return failed(errno);
  }

  allocMw(pd: number, type: number): Outcome {
    if (!this.#pds.has(pd) || (type !== 1 && type !== 2)) return failed(Errno.EINVAL);
    if (!this.#mayMake('mr', this.#keys.size)) return failed(Errno.ENOMEM);
    const key = this.hca.allocMw(pd, type);
    if (typeof key === 'number') return failed(key);
    this.#keys.set(key.index, key);
    this.#useDomain(pd, 1);
    return made({ rkey: key.rkey >>> 0 }, key);
  }

  deallocMw(index: number): Outcome {
    const key = this.#keys.get(index);
    if (key === undefined || key.windowType === 0) return failed(Errno.EINVAL);
    this.hca.deallocMw(key);
    this.#forgetKey(key);
    return failed(0);
  }

  #forgetKey(key: MemoryKey): void {
    this.#keys.delete(key.index);
    this.#useDomain(key.pd, -1);
  }

  // ---- completion queues, shared receive queues

  createCq(cqe: number, channel: number): Outcome {
    if (channel !== 0 && !this.#channels.has(channel)) return failed(Errno.EINVAL);
    if (!this.#mayMake('cq', this.#cqs.size)) return failed(Errno.ENOMEM);
    const cq = this.hca.createCq(cqe);
    if (typeof cq === 'number') return failed(cq);
    this.#cqs.set(cq.number, { cq, channel });
    if (channel !== 0) cq.onEvent = (atPs) => this.events?.completion(cq.number, atPs);
    return made({ cq: cq.number }, cq);
  }

  resizeCq(number: number, cqe: number): Outcome {
    const cq = this.findCq(number);
    return failed(cq === undefined ? Errno.EINVAL : this.hca.resizeCq(cq, cqe));
  }

  modifyCq(number: number, count: number, periodUs: number): Outcome {
    const cq = this.findCq(number);
    if (cq === undefined || count > 0xffff || periodUs > 0xffff) return failed(Errno.EINVAL);
    return failed(this.hca.modifyCq(cq, count, periodUs * 1_000_000));
  }

  destroyCq(number: number): Outcome {
    const cq = this.findCq(number);
    if (cq === undefined) return failed(Errno.EINVAL);
    const errno = this.hca.destroyCq(cq);
    if (errno !== 0) return failed(errno);
    silence(cq);
    this.#cqs.delete(number);
    return failed(0);
  }

  createSrq(pd: number, maxWr: number, maxSge: number): Outcome {
    if (!this.#pds.has(pd)) return failed(Errno.EINVAL);
    if (!this.#mayMake('srq', this.#srqs.size)) return failed(Errno.ENOMEM);
    const srq = this.hca.createSrq(pd, maxWr, maxSge);
    if (typeof srq === 'number') return failed(srq);
    this.#srqs.set(srq.number, srq);
    this.#useDomain(pd, 1);
    return made({ srq: srq.number }, srq);
  }

  modifySrq(number: number, limit: number): Outcome {
    const srq = this.#srqs.get(number);
    return failed(srq === undefined ? Errno.EINVAL : this.hca.modifySrq(srq, limit));
  }

  querySrq(number: number): Outcome {
    const srq = this.#srqs.get(number);
    if (srq === undefined) return failed(Errno.EINVAL);
    return made({ maxWr: srq.queue.capacity, maxSge: srq.queue.maxSge, limit: srq.limit });
  }

  destroySrq(number: number): Outcome {
    const srq = this.#srqs.get(number);
    if (srq === undefined) return failed(Errno.EINVAL);
    const errno = this.hca.destroySrq(srq);
    if (errno !== 0) return failed(errno);
    this.#srqs.delete(number);
    this.#useDomain(srq.pd, -1);
    return failed(0);
  }

  // ---- queue pairs

  createQp(request: QpRequest): Outcome {
    const { pd, type, maxSendWr, maxRecvWr, maxSendSge, maxRecvSge, maxInlineData } = request;
    const sendCq = this.findCq(request.sendCq);
    const recvCq = this.findCq(request.recvCq);
    const srq = request.srq === 0 ? null : this.#srqs.get(request.srq);
    if (!this.#pds.has(pd) || !TYPES.includes(type)) return failed(Errno.EINVAL);
    if (sendCq === undefined || recvCq === undefined || srq === undefined) return failed(Errno.EINVAL);
    if (srq !== null && type === QPT_UC) return failed(Errno.EINVAL);
    if (!this.#mayMake('qp', this.#qps.size)) return failed(Errno.ENOMEM);
    const cap = { maxSendWr, maxRecvWr, maxSendSge, maxRecvSge, maxInlineData };
    const qp = this.hca.createQp({ type, pd, sendCq, recvCq, srq, cap, sqSigAll: request.sigAll !== 0 });
    if (typeof qp === 'number') return failed(qp);
    this.#qps.set(qp.qpn, qp);
    this.#useDomain(pd, 1);
    return made({ qpn: qp.qpn }, qp);
  }

  /** `attr` has exactly the attributes of `mask`; values may be anything. */
  modifyQp(qpn: number, attr: QpAttributes, mask: number, atPs: Ps): Outcome {
    const qp = this.#qps.get(qpn);
    if (qp === undefined) return failed(Errno.EINVAL);
    return failed(isSane(this.hca, attr) ? this.hca.modifyQp(qp, attr, mask, atPs) : Errno.EINVAL);
  }

  queryQp(qpn: number): Outcome {
    const qp = this.#qps.get(qpn);
    return qp === undefined ? failed(Errno.EINVAL) : made({ state: qp.state, destQpn: qp.destQpn });
  }

  destroyQp(qpn: number): Outcome {
    const qp = this.#qps.get(qpn);
    if (qp === undefined) return failed(Errno.EINVAL);
    const errno = this.hca.destroyQp(qp);
    if (errno !== 0) return failed(errno);
    this.#qps.delete(qpn);
    this.#groups.delete(qp);
    this.#useDomain(qp.pd, -1);
    return failed(0);
  }

  attachMcast(qpn: number, gid: Uint8Array, lid: number): Outcome {
    const qp = this.#qps.get(qpn);
    if (qp === undefined) return failed(Errno.EINVAL);
    const errno = this.hca.attachMulticast(qp, gid, lid);
    if (errno === 0) this.#groups.set(qp, [...(this.#groups.get(qp) ?? []), { gid, lid }]);
    return failed(errno);
  }

  detachMcast(qpn: number, gid: Uint8Array, lid: number): Outcome {
    const qp = this.#qps.get(qpn);
    return failed(qp === undefined ? Errno.EINVAL : this.hca.detachMulticast(qp, gid, lid));
  }

  // ---- the end

  /** Takes away everything, in the order in which things depend on each other. What is on its way for them finds nothing. */
  freeAll(): void {
    this.isClosed = true;
    this.events = null;
    this.#stopListening();
    for (const [qp, groups] of this.#groups) for (const { gid, lid } of groups) this.hca.detachMulticast(qp, gid, lid);
    for (const qpn of [...this.#qps.keys()]) this.destroyQp(qpn);
    for (const number of [...this.#srqs.keys()]) this.destroySrq(number);
    for (const number of [...this.#cqs.keys()]) this.destroyCq(number);
    const keys = [...this.#keys.values()].sort((a, b) => b.windowType - a.windowType);
    for (const key of keys) {
      if (key.windowType === 0) this.deregMr(key.lkey >>> 0);
      else this.deallocMw(key.index);
    }
    for (const ah of [...this.#ahs.keys()]) this.destroyAh(ah);
    for (const pd of [...this.#pds]) this.deallocPd(pd);
    this.#channels.clear();
    this.#uars.clear();
    this.#foreseen.clear();
  }

  #mayMake(kind: Kind, count: number): boolean {
    return !this.isClosed && count < this.quota[kind];
  }

  #useDomain(pd: number, change: number): void {
    this.#domainUsers.set(pd, (this.#domainUsers.get(pd) ?? 0) + change);
  }

  #raised(event: HcaEvent): void {
    const { element } = event;
    const isMine =
      element === null ||
      (element instanceof QpContext && this.#qps.get(element.qpn) === element) ||
      (element instanceof CqContext && this.findCq(element.number) === element) ||
      (element instanceof SrqContext && this.#srqs.get(element.number) === element);
    if (isMine) this.events?.async(event);
  }
}

/** Nobody waits for the queue any more. */
function silence(cq: CqContext): void {
  cq.onEntry = null;
  cq.onEvent = null;
}
