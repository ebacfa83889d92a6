/**
 * How an id finds its way: binding to an address, resolving the peer's address and the path to it. The calls that need no peer yet.
 */
import { isAnyHost, isMulticastHost } from './cm-address.ts';
import { MS, RdmaIdCore } from './cm-id-core.ts';
import { type PathRecord, type PortAddress, RdmaCmEventType, type SockAddr } from './cm-types.ts';
import { Errno, VerbsError } from './errors.ts';

export abstract class RdmaIdRoute extends RdmaIdCore {
  protected destination: PortAddress | null = null;

  /** `rdma_bind_addr`. Throws EADDRNOTAVAIL for an address of another node, EADDRINUSE for a port that is taken, EINVAL in another state than IDLE. */
  async bindAddr(addr: SockAddr): Promise<void> {
    await this.enter('rdma_bind_addr', 'IDLE');
    this.bind('rdma_bind_addr', addr);
  }

  /**
   * `rdma_resolve_addr`: maps the destination to a port and binds the id to a device. Outcome ADDR_RESOLVED, or ADDR_ERROR with −ETIMEDOUT when nobody
   * answers to the address within `timeoutMs`.
   */
  async resolveAddr(src: SockAddr | null, dst: SockAddr, timeoutMs: number): Promise<void> {
    await this.enter('rdma_resolve_addr', 'IDLE', 'ADDR_BOUND');
    if (isAnyHost(dst.host)) throw new VerbsError('rdma_resolve_addr', 'EINVAL', 'no destination');
    if (this.current === 'IDLE') this.bind('rdma_resolve_addr', src ?? { host: '', port: 0 });
    this.dstAddr = dst;
    this.current = 'ADDR_QUERY';
    const destination = isMulticastHost(dst.host) ? null : this.cm.book.find(dst.host);
    const delay = destination === undefined ? timeoutMs * MS : this.cm.lookupPs;
    this.later(delay, 'ADDR_QUERY', () => this.#addressResolved(destination));
    await this.complete('rdma_resolve_addr');
  }

  /** `rdma_resolve_route`: asks for the path. Outcome ROUTE_RESOLVED, or ROUTE_ERROR with −EINVAL (no path) or −ETIMEDOUT. */
  async resolveRoute(timeoutMs: number): Promise<void> {
    await this.enter('rdma_resolve_route', 'ADDR_RESOLVED');
    const { verbs } = this;
    const [from, to] = [this.address, this.destination];
    if (verbs === null || from === null || to === null)
      throw new VerbsError('rdma_resolve_route', 'EINVAL', 'a multicast address has no route');
    this.current = 'ROUTE_QUERY';
    const pkey = verbs.port('rdma_resolve_route', this.portNum).pkeys[0];
    const query = { sgid: from.gid, dgid: to.gid, pkey, serviceId: 0n };
    const { thread } = this.cm;
    this.later(timeoutMs * MS, 'ROUTE_QUERY', () => this.#routeResolved(null, -Errno.ETIMEDOUT));
    this.cm.directory.paths.resolve(query, thread.nowPs, (path, atPs) =>
      this.later(atPs - thread.nowPs, 'ROUTE_QUERY', () => this.#routeResolved(path, -Errno.EINVAL)),
    );
    await this.complete('rdma_resolve_route');
  }

  #addressResolved(destination: PortAddress | null | undefined): void {
    if (destination === undefined) {
      this.current = 'ADDR_BOUND';
      this.emit(RdmaCmEventType.ADDR_ERROR, -Errno.ETIMEDOUT, null, null);
      return;
    }
    if (this.verbs === null) this.bindDevice('rdma_resolve_addr', this.#sourceFor(destination));
    this.destination = destination;
    this.current = 'ADDR_RESOLVED';
    this.emit(RdmaCmEventType.ADDR_RESOLVED, 0, null, null);
  }

  /** The local port to use: the one with the destination's place among its node's ports (the same rail), else the first. */
  #sourceFor(destination: PortAddress | null): PortAddress {
    const own = this.cm.localPorts();
    const rail = destination === null ? 0 : this.cm.book.ofNode(destination.node).indexOf(destination);
    const local = own[rail] ?? own[0];
    if (local === undefined) throw new VerbsError('rdma_resolve_addr', 'ENODEV', 'this node has no address');
    return local;
  }

  #routeResolved(path: PathRecord | null, status: number): void {
    this.path = path;
    this.current = path === null ? 'ADDR_RESOLVED' : 'ROUTE_RESOLVED';
    if (path === null) this.emit(RdmaCmEventType.ROUTE_ERROR, status, null, null);
    else this.emit(RdmaCmEventType.ROUTE_RESOLVED, 0, null, null);
  }
}
