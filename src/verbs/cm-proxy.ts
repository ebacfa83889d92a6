/**
 * Connection management for other domains: their connection managers have no queue pair 1, so the one of the domain that owns the adapter sends their datagrams, and hands
 * those that arrive to whom they are for. As mlx4's `cm.c` does for virtual functions: answers by the number of the connection, requests by the service that is asked for.
 * Numbers are not rewritten; one that another domain uses already cannot be used.
 */
import type { Ps } from '../sim/index.ts';
import { CM_REQ, CM_SIDR_REP, CM_SIDR_REQ, type CmMessage, parseCmMad } from '../wire/index.ts';
import type { Adapter } from './adapter.ts';
import { type CmAgent, cmAgentOf } from './cm-agent.ts';
import type { MadSource, MadTarget } from './gsi.ts';

/** A domain's connection manager. */
export interface CmProxyClient {
  receive(bytes: Uint8Array, from: MadSource, atPs: Ps): void;
}

/** Connections and lookups that a domain may have under way at a time. */
const MOST_NUMBERS = 65_536;
const MOST_SERVICES = 1024;

const proxies = new WeakMap<CmAgent, CmProxy>();

/** The proxy of an adapter; brought up with its connection manager. */
export function cmProxyOf(hca: Adapter): CmProxy {
  const agent = cmAgentOf(hca);
  let proxy = proxies.get(agent);
  if (proxy === undefined) {
    proxy = new CmProxy(agent);
    proxies.set(agent, proxy);
  }
  return proxy;
}

export class CmProxy {
  readonly #agent: CmAgent;
  readonly #numbers = new Map<number, CmProxyClient>();
  readonly #services = new Map<bigint, CmProxyClient>();
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

  /** Requests for a service are the client's from now on; false where it is taken. */
  listen(client: CmProxyClient, serviceId: bigint): boolean {
    if (this.#services.has(serviceId) || this.#count(client) >= MOST_SERVICES + MOST_NUMBERS) return false;
    this.#services.set(serviceId, client);
    this.#held.set(client, this.#count(client) + 1);
    return true;
  }

  unlisten(client: CmProxyClient, serviceId: bigint): boolean {
    if (this.#services.get(serviceId) !== client) return false;
    this.#services.delete(serviceId);
    this.#held.set(client, this.#count(client) - 1);
    return true;
  }

  /** The client is gone. */
  detach(client: CmProxyClient): void {
    for (const [number, holder] of this.#numbers) if (holder === client) this.#numbers.delete(number);
    for (const [service, holder] of this.#services) if (holder === client) this.#services.delete(service);
    this.#held.delete(client);
  }

  #count(client: CmProxyClient): number {
    return this.#held.get(client) ?? 0;
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
    if (attribute === CM_REQ || attribute === CM_SIDR_REQ) return this.#services.get(fields.serviceId);
    if (attribute === CM_SIDR_REP) return this.#numbers.get(fields.requestId);
    return 'remoteCommId' in fields ? this.#numbers.get(fields.remoteCommId) : undefined;
  }
}

/** The number under which the sender of a message wants to hear more; null for an answer to a lookup. */
function ownNumber(message: CmMessage): number | null {
  if (message.attribute === CM_SIDR_REQ) return message.fields.requestId;
  return 'localCommId' in message.fields ? message.fields.localCommId : null;
}
