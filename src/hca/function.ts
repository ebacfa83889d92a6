/**
 * A virtual function of an adapter (SR-IOV): the same engine, ports, LIDs and queue pair numbers, under a name and GUIDs of its own. It is called like an adapter.
 *
 * What its posts and its writes to memory take on top is in the profile (`vfTransmitPs`, `vfReceivePs`). It shares the physical function's tables, so objects of one
 * function are numbered among those of all; who holds a context of one finds nothing of another, since objects are handed around as such and keys work in their own domain only.
 */
import type { EventLoop, Ps } from '../sim/index.ts';
import { makeGid } from '../wire/index.ts';
import type { CqContext } from './completion-queue.ts';
import { EINVAL, QPT_GSI } from './constants.ts';
import type { Hca } from './hca.ts';
import type { MemoryKey, NodeMemory, RegisterOptions } from './memory.ts';
import type { HcaProfile } from './profile.ts';
import type { QpContext, QpOptions } from './queue-pair.ts';
import type { SrqContext } from './shared-receive-queue.ts';
import type {
  AsyncEvent,
  HcaConfig,
  HcaCounters,
  HcaFunctionConfig,
  HcaTrace,
  RecvWorkRequest,
  SendWorkRequest,
} from './types.ts';

/** An interrupt of the function at `atPs`: `deliver` is called, with the time, when its handler has run. */
export type FunctionInterrupt = (atPs: Ps, deliver: (atPs: Ps) => void) => void;

export class HcaFunction {
  /** The adapter whose function it is. */
  readonly physical: Hca;
  /** 0 …, among the virtual functions. */
  readonly number: number;
  #config: HcaConfig;
  onAsyncEvent: ((event: AsyncEvent) => void) | null = null;
  readonly #gids: readonly Uint8Array[];
  readonly #qps = new Set<QpContext>();
  readonly #cqs = new Set<CqContext>();
  readonly #srqs = new Set<SrqContext>();
  readonly #keys = new Set<MemoryKey>();
  #pds = 0;
  #onInterrupt: FunctionInterrupt | null = null;

  /** @internal The adapter makes its functions. */
  constructor(physical: Hca, number: number, { deviceName, nodeGuid, portGuids }: HcaFunctionConfig) {
    const { functions: _all, ...config } = physical.config;
    const ports = config.ports.map((port, i) => ({ ...port, portGuid: portGuids[i] as bigint }));
    this.physical = physical;
    this.number = number;
    this.#config = { ...config, deviceName, nodeGuid, ports };
    this.#gids = ports.map((port) => makeGid(port.gidPrefix, port.portGuid));
  }

  get config(): HcaConfig {
    return this.#config;
  }
  get profile(): HcaProfile {
    return this.#config.profile;
  }
  get memory(): NodeMemory {
    return this.physical.memory;
  }
  get counters(): HcaCounters {
    return this.physical.counters;
  }
  get entity(): number {
    return this.physical.entity;
  }
  get loop(): EventLoop {
    return this.physical.loop;
  }
  get trace(): HcaTrace | null {
    return this.physical.trace;
  }

  /** Queue pairs in existence. */
  get queuePairs(): number {
    return this.#qps.size;
  }

  /** Objects in existence. */
  get objects(): number {
    return this.#qps.size + this.#cqs.size + this.#srqs.size + this.#keys.size + this.#pds;
  }

  /** Hands the function to a guest: its interrupts go through `onInterrupt`, and from an interrupt's handler to the thread it takes `wakePs`. Before anybody opens it. */
  passThrough(wakePs: Ps, onInterrupt: FunctionInterrupt): void {
    this.#config = { ...this.#config, profile: { ...this.#config.profile, interruptPs: wakePs } };
    this.#onInterrupt = onInterrupt;
  }

  /** The queue's completion events go to `deliver`, by way of the guest if the function is passed through. */
  deliverEvents(cq: CqContext, deliver: (atPs: Ps) => void): void {
    cq.onEvent = (atPs) => (this.#onInterrupt === null ? deliver(atPs) : this.#onInterrupt(atPs, deliver));
  }

  /** Function-level reset, as when its guest has gone: everything that was made through it is taken away. */
  reset(): void {
    const { physical } = this;
    this.onAsyncEvent = null;
    for (const qp of [...this.#qps]) {
      for (const { gid, lid } of physical.groupsOf(qp)) physical.detachMulticast(qp, gid, lid);
      this.destroyQp(qp);
    }
    for (const srq of [...this.#srqs]) this.destroySrq(srq);
    for (const cq of [...this.#cqs]) {
      cq.onEntry = null;
      cq.onEvent = null;
      this.destroyCq(cq);
    }
    for (const key of [...this.#keys].sort((a, b) => b.windowType - a.windowType))
      if (key.windowType === 0) this.deregisterMemory(key);
      else this.deallocMw(key);
    while (this.#pds > 0) this.deallocPd();
  }

  /** The program that posted here has returned; other functions' go on. */
  abandon(atPs: Ps): void {
    this.physical.abandon(atPs, this.#qps);
  }

  allocPd(): number {
    const pd = this.physical.allocPd();
    if (pd !== 0) this.#pds++;
    return pd;
  }
  deallocPd(): void {
    this.#pds--;
    this.physical.deallocPd();
  }
  registerMemory(options: RegisterOptions): MemoryKey | number {
    return kept(this.#keys, this.physical.registerMemory(options));
  }
  deregisterMemory(region: MemoryKey): number {
    return gone(this.#keys, region, this.physical.deregisterMemory(region));
  }
  allocMw(pd: number, type: number): MemoryKey | number {
    return kept(this.#keys, this.physical.allocMw(pd, type));
  }
  deallocMw(window: MemoryKey): void {
    this.#keys.delete(window);
    this.physical.deallocMw(window);
  }
  findKey(key: number): MemoryKey | null {
    return this.physical.findKey(key);
  }
  createCq(cqe: number): CqContext | number {
    return kept(this.#cqs, this.physical.createCq(cqe));
  }
  destroyCq(cq: CqContext): number {
    return gone(this.#cqs, cq, this.physical.destroyCq(cq));
  }
  resizeCq(cq: CqContext, cqe: number): number {
    return this.physical.resizeCq(cq, cqe);
  }
  modifyCq(cq: CqContext, count: number, periodPs: Ps): number {
    return this.physical.modifyCq(cq, count, periodPs);
  }
  createSrq(pd: number, maxWr: number, maxSge: number): SrqContext | number {
    return kept(this.#srqs, this.physical.createSrq(pd, maxWr, maxSge));
  }
  modifySrq(srq: SrqContext, limit: number): number {
    return this.physical.modifySrq(srq, limit);
  }
  destroySrq(srq: SrqContext): number {
    return gone(this.#srqs, srq, this.physical.destroySrq(srq));
  }
  postSrqRecv(srq: SrqContext, wr: RecvWorkRequest, atPs: Ps): number {
    return this.physical.postSrqRecv(srq, wr, atPs);
  }

  /** EINVAL for queue pair 1, which only the physical function has. */
  createQp(options: QpOptions): QpContext | number {
    if (options.type === QPT_GSI) return EINVAL;
    const { vfTransmitPs, vfReceivePs } = this.profile;
    const virtual = { transmitPs: vfTransmitPs, receivePs: vfReceivePs, gids: this.#gids };
    return kept(this.#qps, this.physical.createQp({ ...options, virtual }));
  }

  destroyQp(qp: QpContext): number {
    return gone(this.#qps, qp, this.physical.destroyQp(qp));
  }
  modifyQp(qp: QpContext, attr: Parameters<Hca['modifyQp']>[1], mask: number, atPs: Ps): number {
    return this.physical.modifyQp(qp, attr, mask, atPs);
  }
  attachMulticast(qp: QpContext, gid: Uint8Array, lid: number): number {
    return this.physical.attachMulticast(qp, gid, lid);
  }
  detachMulticast(qp: QpContext, gid: Uint8Array, lid: number): number {
    return this.physical.detachMulticast(qp, gid, lid);
  }
  postSend(qp: QpContext, wr: SendWorkRequest): number {
    return this.physical.postSend(qp, wr);
  }
  ringDoorbell(qp: QpContext, count: number, atPs: Ps, head = qp.sq.head): void {
    this.physical.ringDoorbell(qp, count, atPs, head);
  }
  lastMessage(qp: QpContext): number {
    return this.physical.lastMessage(qp);
  }
  postRecv(qp: QpContext, wr: RecvWorkRequest, atPs: Ps): number {
    return this.physical.postRecv(qp, wr, atPs);
  }
  readyRecv(qp: QpContext, slot: number, atPs: Ps): void {
    this.physical.readyRecv(qp, slot, atPs);
  }
}

/** Notes an object that was made. */
function kept<T extends object>(objects: Set<T>, made: T | number): T | number {
  if (typeof made !== 'number') objects.add(made);
  return made;
}

/** Forgets one that was taken away without an error. */
function gone<T>(objects: Set<T>, object: T, errno: number): number {
  if (errno === 0) objects.delete(object);
  return errno;
}
