/**
 * An opened device (`struct ibv_context`): queries, and the root of every other object. One context belongs to one thread of one program:
 * what its calls cost is spent on that thread's clock.
 */
import type { HcaPortConfig, HcaProfile, NodeMemory } from '../hca/index.ts';
import type { SimThread } from '../sim/index.ts';
import type { Adapter } from './adapter.ts';
import { type AsyncEvent, AsyncEvents, type Reportable } from './async-event.ts';
import { CompletionChannel } from './completion-channel.ts';
import { CompletionQueue, type CreateCqOptions } from './completion-queue.ts';
import { type DeviceAttr, describeDevice, describePort, type GidEntry, type PortAttr } from './device-attr.ts';
import { VerbsError } from './errors.ts';
import { type Gid, makeGid } from './gid.ts';
import type { MemoryRegion } from './memory.ts';
import { spinOnMemory } from './memory-poll.ts';
import { ProtectionDomain } from './protection-domain.ts';
import { VerbsObject } from './verbs-object.ts';
import type { Interrupts, VerbsThread } from './verbs-thread.ts';

/** Entries of a port's GID table: the port GID, and no more. */
const GID_TABLE_LENGTH = 1;

/** The SL that the path from a port, by GUID, to a LID needs, if it needs one. */
export type PathSl = (portGuid: bigint, dlid: number) => number | undefined;

export class Context extends VerbsObject {
  /** `mlx4_0`: `ibv_get_device_name`. */
  readonly deviceName: string;
  /** `ibv_get_device_guid`. */
  readonly deviceGuid: bigint;
  /** @internal */
  readonly hca: Adapter;
  /** @internal Whom calls cost time. */
  readonly thread: VerbsThread;
  /** @internal Who calls handlers; null for a program, which waits. */
  readonly interrupts: Interrupts | null;
  /** @internal */
  readonly profile: HcaProfile;
  /** @internal */
  readonly memory: NodeMemory;
  /** @internal Objects of each kind in existence, against the device's limits. */
  readonly counts = { pd: 0, cq: 0, qp: 0, srq: 0, mr: 0, ah: 0 };
  readonly #events: AsyncEvents;
  readonly #pathSl: PathSl;

  /** @internal Use `openContext` or `openKernelContext`. */
  constructor(hca: Adapter, thread: VerbsThread, pathSl: PathSl, interrupts: Interrupts | null = null) {
    super('ibv_close_device', 'device context');
    this.hca = hca;
    this.thread = thread;
    this.interrupts = interrupts;
    this.profile = hca.config.profile;
    this.deviceName = hca.config.deviceName;
    this.deviceGuid = hca.config.nodeGuid;
    this.memory = hca.memory;
    this.#events = new AsyncEvents(this);
    this.#pathSl = pathSl;
  }

  /** `ibv_query_device`. */
  queryDevice(): DeviceAttr {
    this.spendControl('ibv_query_device');
    this.hca.kernel?.queryDevice();
    return describeDevice(this.hca.config);
  }

  /** `ibv_query_port`; `portNum` counts from 1. Throws EINVAL for a port that the device does not have. */
  queryPort(portNum: number): PortAttr {
    this.spendControl('ibv_query_port');
    const port = this.port('ibv_query_port', portNum);
    this.hca.kernel?.queryPort(portNum);
    return describePort(port, this.hca.counters);
  }

  /** `ibv_query_gid`: throws EINVAL outside the table. */
  queryGid(portNum: number, index: number): Gid {
    return this.queryGidEx(portNum, index, 'ibv_query_gid').gid;
  }

  /** `ibv_query_gid_ex`. */
  queryGidEx(portNum: number, index: number, verb = 'ibv_query_gid_ex'): GidEntry {
    this.spendControl(verb);
    const port = this.port(verb, portNum);
    if (!(index >= 0 && index < GID_TABLE_LENGTH)) throw new VerbsError(verb, 'EINVAL', `the GID table has no entry ${index}`);
    this.hca.kernel?.queryGid(portNum, index);
    return { gid: makeGid(port.gidPrefix, port.portGuid), gidIndex: index, portNum, gidType: 0, ndevIfindex: 0 };
  }

  /** `ibv_query_gid_table`: every entry of every port. */
  queryGidTable(): GidEntry[] {
    this.spendControl('ibv_query_gid_table');
    for (const { portNumber } of this.hca.config.ports) this.hca.kernel?.queryGid(portNumber, 0);
    return this.hca.config.ports.map((port) => ({
      gid: makeGid(port.gidPrefix, port.portGuid),
      gidIndex: 0,
      portNum: port.portNumber,
      gidType: 0,
      ndevIfindex: 0,
    }));
  }

  /** `ibv_query_pkey`: throws EINVAL outside the table. */
  queryPkey(portNum: number, index: number): number {
    this.spendControl('ibv_query_pkey');
    const pkey = this.port('ibv_query_pkey', portNum).pkeys[index];
    if (pkey === undefined) throw new VerbsError('ibv_query_pkey', 'EINVAL', `the P_Key table has no entry ${index}`);
    this.hca.kernel?.queryPkey(portNum, index);
    return pkey;
  }

  /** `ibv_get_pkey_index`: the index of exactly this P_Key; throws ENOENT where the table does not hold it (C returns −1). */
  getPkeyIndex(portNum: number, pkey: number): number {
    this.spendControl('ibv_get_pkey_index');
    const index = this.port('ibv_get_pkey_index', portNum).pkeys.indexOf(pkey);
    if (index < 0) throw new VerbsError('ibv_get_pkey_index', 'ENOENT', `the P_Key table does not hold 0x${pkey.toString(16)}`);
    this.hca.kernel?.queryPkey(portNum, index);
    return index;
  }

  /**
   * The SL that the subnet administrator's path record from port `portNum` to `dlid` asks for (IBA 15.2.5.16); undefined where the routing is free of
   * deadlock at any SL. A program that addresses by LID should use it; `QueuePair.connect` does. It costs nothing: a real program would have it from
   * whoever told it the LID.
   */
  pathSl(portNum: number, dlid: number): number | undefined {
    return this.#pathSl(this.port('ibv_query_port', portNum).portGuid, dlid);
  }

  /** `ibv_alloc_pd`. */
  allocPd(): ProtectionDomain {
    this.spendControl('ibv_alloc_pd');
    this.countUp('ibv_alloc_pd', 'pd', this.profile.maxPd);
    return new ProtectionDomain(this);
  }

  /** `ibv_create_cq`. Throws EINVAL for a size outside 1 … max_cqe or a channel of another device, ENOMEM at the device's limit. */
  createCq(options: CreateCqOptions): CompletionQueue {
    this.spendControl('ibv_create_cq');
    return new CompletionQueue(this, options);
  }

  /** `ibv_create_comp_channel`. */
  createCompChannel(): CompletionChannel {
    this.spendControl('ibv_create_comp_channel');
    return new CompletionChannel(this);
  }

  /** `ibv_get_async_event`: the next asynchronous event; waits for one. Each must be acknowledged before its object is destroyed. */
  getAsyncEvent(): Promise<AsyncEvent> {
    this.requireOpen('ibv_get_async_event');
    return this.#events.take();
  }

  /** `ibv_ack_async_event`. Throws EINVAL for an event that is acknowledged already. */
  ackAsyncEvent(event: AsyncEvent): void {
    this.#events.acknowledge(event);
  }

  /** An event that is there already, or undefined: a context whose descriptor is non-blocking. */
  tryGetAsyncEvent(): AsyncEvent | undefined {
    this.requireOpen('ibv_get_async_event');
    return this.#events.tryTake();
  }

  /** Asynchronous events that are waiting to be fetched. */
  get pendingAsyncEvents(): number {
    return this.#events.pending;
  }

  /**
   * Kernel contexts: `handler` is called for each asynchronous event, in an item after the event's interrupt, and nothing has to be acknowledged
   * (`ib_register_event_handler` and the `event_handler` of objects). Throws EINVAL for a program's context.
   */
  addAsyncHandler(handler: (event: AsyncEvent) => void): void {
    this.requireOpen('ib_register_event_handler');
    if (this.interrupts === null) throw new VerbsError('ib_register_event_handler', 'EINVAL', 'only kernel code has handlers');
    this.#events.handlers.add(handler);
  }

  /** Takes a handler away again. */
  removeAsyncHandler(handler: (event: AsyncEvent) => void): void {
    this.#events.handlers.delete(handler);
  }

  /** Zeroed memory of the node, at a simulated address of its own (`addressOf`), as `posix_memalign` gives: page-aligned. */
  alloc(bytes: number): Uint8Array {
    if (!Number.isInteger(bytes) || bytes < 1) throw new VerbsError('malloc', 'EINVAL', `cannot allocate ${bytes} bytes`);
    const memory = new Uint8Array(bytes);
    this.memory.addressOf(memory);
    return memory;
  }

  /** The simulated address of the first byte of `bytes`. */
  addressOf(bytes: Uint8Array): number {
    return this.memory.addressOf(bytes);
  }

  /** Forgets the context without destroying what lives in it, as the kernel does when a process ends: nothing of it reports any more. */
  abandon(): void {
    this.#events.stop();
    this.hca.abandon(this.thread.nowPs);
  }

  /** @internal The port `portNum`, or EINVAL. */
  port(verb: string, portNum: number): HcaPortConfig {
    const port = this.hca.config.ports.find((candidate) => candidate.portNumber === portNum);
    if (port === undefined) throw new VerbsError(verb, 'EINVAL', `${this.deviceName} has no port ${portNum}`);
    return port;
  }

  /** @internal Waits for a write into a region, as spinning on memory does. */
  async watch(mr: MemoryRegion, offset: number, length: number, predicate?: (bytes: Uint8Array) => boolean): Promise<void> {
    await spinOnMemory(this, mr, offset, length, predicate);
  }

  /** @internal */
  register(element: object, object: Reportable): void {
    this.#events.register(element, object);
  }

  /** @internal */
  unregister(verb: string, element: object): void {
    this.#events.unregister(verb, element);
  }

  /** @internal What every control call does first. */
  spendControl(verb: string): void {
    this.requireOpen(verb);
    this.thread.spend(this.profile.controlPs);
  }

  /** @internal Counts a new object against the device's limit. */
  countUp(verb: string, kind: keyof Context['counts'], limit: number): void {
    if (this.counts[kind] >= limit) throw new VerbsError(verb, 'ENOMEM', `${this.deviceName} has no more than ${limit}`);
    this.counts[kind]++;
  }

  protected override destroyNow(): void {
    this.#events.stop();
  }
}

/** `ibv_open_device`: a context of `hca` for the program that runs on `thread`. `pathSl` answers for the subnet administrator; without it any SL will do. */
export function openContext(hca: Adapter, thread: SimThread, pathSl: PathSl = () => undefined): Context {
  return new Context(hca, thread, pathSl);
}
