/**
 * Connection management for other domains: their connection managers have no queue pair 1, so the one of the domain that owns the adapter sends their datagrams, and hands
 * those that arrive to whom they are for. As mlx4's `cm.c` does for virtual functions: answers by the number of the connection, requests by the service that is asked for.
 * Numbers are not rewritten; one that another domain uses already cannot be used.
 */
import type { HcaFunction } from '../hca/index.ts';
import type { Ps } from '../sim/index.ts';
import { CM_REQ, CM_SIDR_REP, CM_SIDR_REQ, type CmMessage, parseCmMad } from '../wire/index.ts';
import type { MadPort } from './adapter.ts';
import type { CmAgent, MadProxy } from './cm-agent.ts';
import { gidsEqual, makeGid } from './gid.ts';
import type { MadHandler, MadSource, MadTarget } from './gsi.ts';

/** A domain's connection manager. */
export interface CmProxyClient {
  /** GIDs that are the domain's alone, by port (a virtual function's); absent where it shares those of the adapter. Requests to such a GID are its own. */
  readonly gids?: readonly Uint8Array[];
  receive(bytes: Uint8Array, from: MadSource, atPs: Ps): void;
}

/** Connections and lookups that a domain may have under way at a time. */
const MOST_NUMBERS = 65_536;
const MOST_SERVICES = 1024;

export class CmProxy {
  readonly #agent: CmAgent;
  readonly #numbers = new Map<number, CmProxyClient>();
  readonly #services = new Map<bigint, CmProxyClient[]>();
  /** Numbers and services of each client. */
  readonly #held = new Map<CmProxyClient, number>();

  constructor(agent: CmAgent) {
    this.#agent = agent;
    agent.foreign = (bytes, from, atPs) => this.#arrived(bytes, from, atPs);
  }

  /** Numbers and services in use. */
  get size(): number {
    return this.#numbers.size + this.#services.size;
  }

  /** Sends a client's datagram. False for what is none, or under a number of another's; it is not sent then. */
  send(client: CmProxyClient, portNum: number, bytes: Uint8Array, to: MadTarget, atPs: Ps): boolean {
    const mad = parseCmMad(bytes);
    if (typeof mad === 'string') return false;
    const number = ownNumber(mad.message);
    if (number !== null && !this.#claim(client, number)) return false;
    this.#agent.forward(portNum, bytes, to, atPs);
    return true;
  }

  /** Requests for a service, to the client's GIDs, are the client's from now on; false where it is taken. */
  listen(client: CmProxyClient, serviceId: bigint): boolean {
    const listeners = this.#services.get(serviceId) ?? [];
    const isTaken = listeners.some((other) => other === client || (other.gids ?? null) === (client.gids ?? null));
    if (isTaken || this.#count(client) >= MOST_SERVICES + MOST_NUMBERS) return false;
    this.#services.set(serviceId, [...listeners, client]);
    this.#held.set(client, this.#count(client) + 1);
    return true;
  }

  unlisten(client: CmProxyClient, serviceId: bigint): boolean {
    if (!this.#quit(client, serviceId)) return false;
    this.#held.set(client, this.#count(client) - 1);
    return true;
  }

  /** The client is gone. */
  detach(client: CmProxyClient): void {
    for (const [number, holder] of this.#numbers) if (holder === client) this.#numbers.delete(number);
    for (const service of [...this.#services.keys()]) this.#quit(client, service);
    this.#held.delete(client);
  }

  #quit(client: CmProxyClient, serviceId: bigint): boolean {
    const listeners = this.#services.get(serviceId) ?? [];
    const left = listeners.filter((other) => other !== client);
    if (left.length === 0) this.#services.delete(serviceId);
    else this.#services.set(serviceId, left);
    return left.length < listeners.length;
  }

  #count(client: CmProxyClient): number {
    return this.#held.get(client) ?? 0;
  }

  /** Who has the GID, or else who shares the adapter's. */
  #listener(serviceId: bigint, gid: Uint8Array): CmProxyClient | undefined {
    const listeners = this.#services.get(serviceId) ?? [];
    const owner = listeners.find(({ gids }) => gids?.some((own) => gidsEqual(own, gid)));
    return owner ?? listeners.find(({ gids }) => gids === undefined);
  }

  #claim(client: CmProxyClient, number: number): boolean {
    const holder = this.#numbers.get(number);
    if (holder !== undefined) return holder === client;
    if (this.#count(client) >= MOST_NUMBERS) return false;
    this.#numbers.set(number, client);
    this.#held.set(client, this.#count(client) + 1);
    return true;
  }

  #arrived(bytes: Uint8Array, from: MadSource, atPs: Ps): boolean {
    const mad = parseCmMad(bytes);
    if (typeof mad === 'string') return false;
    const client = this.#clientOf(mad.message);
    client?.receive(bytes, from, atPs);
    return client !== undefined;
  }

  #clientOf(message: CmMessage): CmProxyClient | undefined {
    const { attribute, fields } = message;
    if (attribute === CM_REQ) return this.#listener(fields.serviceId, fields.primary.remoteGid);
    // A lookup does not say to which GID it is.
    if (attribute === CM_SIDR_REQ) return this.#services.get(fields.serviceId)?.[0];
    if (attribute === CM_SIDR_REP) return this.#numbers.get(fields.requestId);
    return 'remoteCommId' in fields ? this.#numbers.get(fields.remoteCommId) : undefined;
  }
}

/** The number under which the sender of a message wants to hear more; null for an answer to a lookup. */
function ownNumber(message: CmMessage): number | null {
  if (message.attribute === CM_SIDR_REQ) return message.fields.requestId;
  return 'localCommId' in message.fields ? message.fields.localCommId : null;
}

/** Queue pair 1 of a virtual function: the physical function's, by proxy (mlx4's proxy and tunnel queue pairs). */
export class FunctionMads implements CmProxyClient, MadProxy {
  readonly gids: readonly Uint8Array[];
  readonly #proxy: CmProxy;
  readonly #handlers = new Map<string, MadHandler>();

  constructor(virtual: HcaFunction, proxy: CmProxy) {
    this.#proxy = proxy;
    this.gids = virtual.config.ports.map((port) => makeGid(port.gidPrefix, port.portGuid));
  }

  /** The port's way out and in. */
  port(portNum: number): MadPort {
    return {
      portNum,
      onMad: (mgmtClass, handler) => void this.#handlers.set(`${portNum} ${mgmtClass}`, handler),
      send: (bytes, to, atPs) => void this.#proxy.send(this, portNum, bytes, to, atPs),
    };
  }

  serviceChanged(serviceId: bigint, isListening: boolean): void {
    if (isListening) this.#proxy.listen(this, serviceId);
    else this.#proxy.unlisten(this, serviceId);
  }

  receive(bytes: Uint8Array, from: MadSource, atPs: Ps): void {
    this.#handlers.get(`${from.portNum} ${bytes[1]}`)?.(bytes, from, atPs);
  }
}
