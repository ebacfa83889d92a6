/**
 * rdma_cm of one program (`rdma_cm` in the kernel and librdmacm's globals): its devices and their connection managers, the address book, ports and listeners.
 */
import type { Ps, SimThread } from '../sim/index.ts';
import { CM_IP_HEADER, CM_REJ_INVALID_SERVICE_ID, CM_SIDR_UNSUPPORTED, type CmReqRepr, ipServiceId } from '../wire/index.ts';
import type { Adapter } from './adapter.ts';
import { type AddressBook, addressBook, isAnyHost } from './cm-address.ts';
import type { CmAgent, CmListener } from './cm-agent.ts';
import { cmAgentOf } from './cm-agents.ts';
import { RdmaEventChannel } from './cm-channel.ts';
import type { CmConnection } from './cm-connection.ts';
import { RdmaId } from './cm-id.ts';
import type { CmLookupRequest } from './cm-sidr.ts';
import { type PortAddress, PortSpace, type RdmaDirectory, type SockAddr } from './cm-types.ts';
import type { Context } from './context.ts';
import { VerbsError } from './errors.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import type { CreateQpOptions } from './queue-pair.ts';
import { Timers } from './timers.ts';

/** Ports that are given to ids which do not ask for one: Linux's `ip_local_port_range`. */
const FIRST_EPHEMERAL = 32768;
const LAST_EPHEMERAL = 60999;
const DEFAULT_LOOKUP_PS = 10_000_000;
const EMPTY = new Uint8Array(0);

/** `struct rdma_addrinfo`. */
export interface RdmaAddrInfo {
  readonly portSpace: PortSpace;
  readonly passive: boolean;
  readonly srcAddr: SockAddr | null;
  readonly dstAddr: SockAddr | null;
}

/** The queue pair of an endpoint: what `createQp` of an id takes. */
export type IdQpOptions = Partial<Omit<CreateQpOptions, 'type'>>;

export class RdmaCm {
  /** @internal */
  readonly thread: SimThread;
  /** @internal */
  readonly book: AddressBook;
  /** @internal */
  readonly directory: RdmaDirectory;
  /** @internal */
  readonly timers: Timers;
  /** @internal What entering the kernel costs. */
  readonly callPs: Ps;
  readonly #contexts: readonly Context[];
  readonly #services = new Map<bigint, Service>();
  readonly #ports = new Map<string, RdmaId[]>();
  #domains = new Map<Context, ProtectionDomain>();
  #nextEphemeral = FIRST_EPHEMERAL;

  /** @internal Use `createRdmaCm`. */
  constructor(thread: SimThread, contexts: readonly Context[], directory: RdmaDirectory) {
    this.thread = thread;
    this.#contexts = contexts;
    this.directory = directory;
    this.timers = new Timers(thread.loop, contexts[0].hca.entity);
    this.callPs = contexts[0].profile.controlPs;
    this.book = addressBook(directory);
  }

  /** `rdma_create_event_channel`. The first channel or id of a program brings up the connection managers of the node's devices. */
  createEventChannel(): RdmaEventChannel {
    this.#start();
    const { interruptPs, controlPs } = this.#contexts[0].profile;
    return new RdmaEventChannel(this.thread, interruptPs, controlPs);
  }

  /** `rdma_create_id`. Without a channel the id is synchronous: each call resolves when its event has come. */
  createId(channel: RdmaEventChannel | null, portSpace: PortSpace = PortSpace.TCP, context?: unknown): RdmaId {
    channel?.requireOpen('rdma_create_id');
    if (portSpace === PortSpace.IB) throw new VerbsError('rdma_create_id', 'ENOSYS', 'AF_IB addresses are not modelled');
    return new RdmaId(this, channel, portSpace, context);
  }

  /**
   * `rdma_create_ep`: a synchronous id, bound (passive) or with address and route resolved, and with a queue pair if `qp` is given.
   */
  async createEp(
    info: RdmaAddrInfo,
    options: { readonly pd?: ProtectionDomain; readonly qp?: IdQpOptions } = {},
  ): Promise<RdmaId> {
    const id = this.createId(null, info.portSpace);
    if (info.passive) {
      await id.bindAddr(info.srcAddr ?? { host: '', port: 0 });
      id.setRequestDefaults(options.pd ?? null, options.qp ?? null);
      return id;
    }
    if (info.dstAddr === null) throw new VerbsError('rdma_create_ep', 'EINVAL', 'an active endpoint needs a destination');
    await id.resolveAddr(info.srcAddr, info.dstAddr, 2000);
    await id.resolveRoute(2000);
    if (options.qp !== undefined) id.createQp(options.pd ?? null, options.qp);
    return id;
  }

  /** `rdma_getaddrinfo`: throws EADDRNOTAVAIL for a name that nobody has (C: EAI_NONAME), EINVAL for a service that is no port number. */
  getAddrInfo(
    node: string | null,
    service: string | number,
    hints: { readonly passive?: boolean; readonly portSpace?: PortSpace } = {},
  ): RdmaAddrInfo {
    const port = Number(service);
    if (!(Number.isInteger(port) && port >= 0 && port <= 0xffff))
      throw new VerbsError('rdma_getaddrinfo', 'EINVAL', `${service} is no port number`);
    const { passive = false, portSpace = PortSpace.TCP } = hints;
    if (passive) return { portSpace, passive, srcAddr: { host: node ?? '', port }, dstAddr: null };
    if (node === null || this.book.find(node) === undefined)
      throw new VerbsError('rdma_getaddrinfo', 'EADDRNOTAVAIL', `no node or address ${node}`);
    return { portSpace, passive, srcAddr: null, dstAddr: { host: node, port } };
  }

  /** `rdma_get_devices`. */
  getDevices(): readonly Context[] {
    return this.#contexts;
  }

  /** @internal Time of an address lookup. */
  get lookupPs(): Ps {
    return this.directory.addressLookupPs ?? DEFAULT_LOOKUP_PS;
  }

  /** @internal */
  agent(context: Context): CmAgent {
    return cmAgentOf(context.hca);
  }

  /** @internal The default protection domain of a device. */
  defaultPd(context: Context): ProtectionDomain {
    let pd = this.#domains.get(context);
    if (pd === undefined) {
      pd = context.allocPd();
      this.#domains.set(context, pd);
    }
    return pd;
  }

  /** @internal This node's ports that have an address. */
  localPorts(): readonly PortAddress[] {
    return this.book.ofNode(this.thread.nodeName);
  }

  /** @internal The device of a local address. */
  contextOf(address: PortAddress): Context | undefined {
    return this.#contexts.find((context) => context.deviceName === address.device);
  }

  /** @internal Takes `port` (0: any free one) for an id bound to `host`. Throws EADDRINUSE. */
  takePort(id: RdmaId, portSpace: PortSpace, host: string, port: number, reuse: boolean): number {
    const chosen = port === 0 ? this.#freePort(portSpace) : port;
    const key = `${portSpace} ${chosen}`;
    const holders = this.#ports.get(key) ?? [];
    for (const holder of holders) {
      const other = holder.srcAddr?.host ?? '';
      const overlaps = isAnyHost(other) || isAnyHost(host) || other === host;
      if (overlaps && !(reuse && holder.reusesAddr && !holder.isListening))
        throw new VerbsError('rdma_bind_addr', 'EADDRINUSE', `port ${chosen} is taken`);
    }
    this.#ports.set(key, [...holders, id]);
    return chosen;
  }

  /** @internal */
  leavePort(id: RdmaId, portSpace: PortSpace, port: number): void {
    const key = `${portSpace} ${port}`;
    const left = (this.#ports.get(key) ?? []).filter((holder) => holder !== id);
    if (left.length === 0) this.#ports.delete(key);
    else this.#ports.set(key, left);
  }

  /** @internal Begins to hear requests for the id's port. */
  listen(id: RdmaId, portSpace: PortSpace, port: number): void {
    const serviceId = ipServiceId(portSpace, port);
    let service = this.#services.get(serviceId);
    if (service === undefined) {
      service = new Service(this);
      this.#services.set(serviceId, service);
      for (const context of this.#contexts)
        if (!this.agent(context).listen(serviceId, service))
          throw new VerbsError('rdma_listen', 'EADDRINUSE', `another program listens on port ${port}`);
    }
    service.ids.push(id);
  }

  /** @internal */
  unlisten(id: RdmaId, portSpace: PortSpace, port: number): void {
    const serviceId = ipServiceId(portSpace, port);
    const service = this.#services.get(serviceId);
    if (service === undefined) return;
    service.ids = service.ids.filter((other) => other !== id);
    if (service.ids.length > 0) return;
    this.#services.delete(serviceId);
    for (const context of this.#contexts) this.agent(context).unlisten(serviceId);
  }

  /** @internal The context and address of the port on which something came in. */
  arrivedAt(hca: Adapter, portNum: number): { readonly context: Context; readonly address: PortAddress | undefined } {
    const context = this.#contexts.find((candidate) => candidate.hca === hca) as Context;
    const address = this.localPorts().find((port) => port.device === context.deviceName && port.portNum === portNum);
    return { context, address };
  }

  #freePort(portSpace: PortSpace): number {
    for (let tried = 0; tried <= LAST_EPHEMERAL - FIRST_EPHEMERAL; tried++) {
      const port = this.#nextEphemeral;
      this.#nextEphemeral = port === LAST_EPHEMERAL ? FIRST_EPHEMERAL : port + 1;
      if (!this.#ports.has(`${portSpace} ${port}`)) return port;
    }
    throw new VerbsError('rdma_bind_addr', 'EADDRNOTAVAIL', 'every port is taken');
  }

  #start(): void {
    for (const context of this.#contexts) this.agent(context);
  }
}

/** The listeners of one port, told apart by the address that a request names. */
class Service implements CmListener {
  ids: RdmaId[] = [];
  readonly #cm: RdmaCm;

  constructor(cm: RdmaCm) {
    this.#cm = cm;
  }

  onRequest(connection: CmConnection, req: CmReqRepr): void {
    const listener = this.#find(req.privateData, connection.agent.hca, connection.peer.portNum);
    if (listener === undefined) connection.sendRej(CM_REJ_INVALID_SERVICE_ID, EMPTY, EMPTY, connection.agent.nowPs);
    else listener.requestArrived(connection, req);
  }

  onLookup(request: CmLookupRequest): void {
    const listener = this.#find(request.req.privateData, request.hca, request.peer.portNum);
    if (listener === undefined) request.reply(CM_SIDR_UNSUPPORTED, 0, 0, EMPTY, request.nowPs);
    else listener.lookupArrived(request);
  }

  #find(privateData: Uint8Array, hca: Adapter, portNum: number): RdmaId | undefined {
    const header = CM_IP_HEADER.parse(privateData);
    const asked = header.destinationAddress.subarray(12).join('.');
    const { address } = this.#cm.arrivedAt(hca, portNum);
    return this.ids.find((id) => {
      const bound = id.boundIp;
      return bound === null || bound === asked || (bound === address?.ip && isAnyHost(asked));
    });
  }
}

/** rdma_cm for the program on `thread`, over its devices, with what `directory` knows of the cluster. */
export function createRdmaCm(thread: SimThread, contexts: readonly Context[], directory: RdmaDirectory): RdmaCm {
  return new RdmaCm(thread, contexts, directory);
}
