/** UDP sockets of programs. */
import { formatIpv4, isMulticast } from './bytes.ts';
import { type Caller, WaitList } from './socket-caller.ts';
import {
  type Datagram,
  type Endpoint,
  type Errno,
  SocketError,
  type UdpOptions,
  type UdpSocket,
  type Wait,
} from './socket-types.ts';
import { DEFAULT_TTL } from './stack-defaults.ts';
import type { OpenSocket } from './tcp-socket.ts';
import { UDP_MAX_PAYLOAD, type UdpDatagram, type UdpEndpoint } from './udp.ts';

/** Linux's rmem_default and wmem_default. */
const DEFAULT_BUFFER = 212_992;
/** What a queued datagram takes beside its bytes. */
const OVERHEAD_BYTES = 256;

export interface UdpSetup {
  readonly localAddress: number;
  readonly localPort: number;
  readonly options: UdpOptions;
  readonly resolve: (host: string) => number;
  readonly onClosed: (socket: OpenSocket) => void;
}

export class Udp implements UdpSocket, UdpEndpoint, OpenSocket {
  readonly localAddress: number;
  readonly localPort: number;
  remote: { readonly address: number; readonly port: number } | null = null;
  readonly groups = new Set<number>();
  queuedBytes = 0;
  dropped = 0;
  readonly #caller: Caller;
  readonly #setup: UdpSetup;
  readonly #readable: WaitList;
  readonly #writable: WaitList;
  readonly #queue: UdpDatagram[] = [];
  /** Group and interface of each membership. */
  readonly #memberships: { readonly group: number; readonly interfaceName: string }[] = [];
  #heldBytes = 0;
  #error: Errno | null = null;
  #isClosed = false;

  constructor(caller: Caller, setup: UdpSetup) {
    this.#caller = caller;
    this.#setup = setup;
    this.localAddress = setup.localAddress;
    this.localPort = setup.localPort;
    this.#readable = new WaitList(caller);
    this.#writable = new WaitList(caller);
  }

  get local(): Endpoint {
    return { address: formatIpv4(this.localAddress), port: this.localPort };
  }

  onDatagram(datagram: UdpDatagram): void {
    const held = datagram.data.length + OVERHEAD_BYTES;
    if (this.#heldBytes + held > (this.#setup.options.receiveBuffer ?? DEFAULT_BUFFER)) {
      this.dropped++;
      return;
    }
    this.#heldBytes += held;
    this.#queue.push(datagram);
    this.#readable.wake();
  }

  onError(errno: Errno): void {
    this.#error = errno;
    this.#readable.wake();
    this.#writable.wake();
  }

  onDequeued(): void {
    this.#writable.wake();
  }

  async connect(host: string, port: number): Promise<void> {
    await this.#enter('connect');
    this.remote = { address: this.#setup.resolve(host), port };
  }

  async send(data: Uint8Array, to?: { readonly host: string; readonly port: number }): Promise<void> {
    await this.#enter('send');
    const remote = to === undefined ? this.remote : { address: this.#setup.resolve(to.host), port: to.port };
    if (remote === null) throw new SocketError('send', 'EDESTADDRREQ');
    if (data.length > UDP_MAX_PAYLOAD) throw new SocketError('send', 'EMSGSIZE', `${data.length} bytes`);
    const { stack } = this.#caller;
    const { options } = this.#setup;
    if (stack.isBroadcast(remote.address) && options.broadcast !== true) throw new SocketError('send', 'EACCES', 'broadcast');
    this.#throwPending('send');
    while (this.queuedBytes > (options.sendBuffer ?? DEFAULT_BUFFER)) {
      await this.#writable.wait('room to send', Number.POSITIVE_INFINITY);
      this.#throwPending('send');
    }
    this.#caller.copy(data.length);
    const errno = await this.#caller.kernel('send', () => this.#transmit(data, remote));
    if (errno !== null) throw new SocketError('send', errno, `${formatIpv4(remote.address)}:${remote.port}`);
  }

  #transmit(data: Uint8Array, remote: { readonly address: number; readonly port: number }): Errno | null {
    const { stack } = this.#caller;
    const { options } = this.#setup;
    const source = this.localAddress === 0 ? stack.sourceFor(remote.address) : this.localAddress;
    if (source === null) return 'ENETUNREACH';
    return stack.udp.send(data, {
      source,
      sourcePort: this.localPort,
      destination: remote.address,
      destinationPort: remote.port,
      ttl: isMulticast(remote.address) ? (options.multicastTtl ?? 1) : (options.ttl ?? DEFAULT_TTL),
      dontFragment: options.dontFragment ?? false,
      owner: this,
    });
  }

  async recv(wait: Wait = {}): Promise<Datagram> {
    await this.#enter('recv');
    const deadlinePs = this.#caller.deadline(wait.timeoutNs);
    for (;;) {
      if (this.#isClosed) throw new SocketError('recv', 'EBADF', 'closed');
      const datagram = this.#queue.shift();
      if (datagram !== undefined) return this.#take(datagram);
      this.#throwPending('recv');
      if (!(await this.#readable.wait(`a datagram on port ${this.localPort}`, deadlinePs)))
        throw new SocketError('recv', 'EAGAIN', 'timed out');
    }
  }

  #take(datagram: UdpDatagram): Datagram {
    this.#heldBytes -= datagram.data.length + OVERHEAD_BYTES;
    this.#caller.copy(datagram.data.length);
    return { data: datagram.data.slice(), from: { address: formatIpv4(datagram.source), port: datagram.sourcePort } };
  }

  async join(group: string, interfaceName?: string): Promise<void> {
    const membership = await this.#membership('join', group, interfaceName);
    const { stack } = this.#caller;
    this.groups.add(membership.group);
    this.#memberships.push(membership);
    await this.#caller.kernel('join', () => stack.interfaceNamed(membership.interfaceName)?.setGroup(membership.group, true));
  }

  async leave(group: string, interfaceName?: string): Promise<void> {
    const membership = await this.#membership('leave', group, interfaceName);
    const at = this.#memberships.findIndex(
      (own) => own.group === membership.group && own.interfaceName === membership.interfaceName,
    );
    if (at < 0) throw new SocketError('leave', 'EADDRNOTAVAIL', group);
    this.#memberships.splice(at, 1);
    if (!this.#memberships.some((own) => own.group === membership.group)) this.groups.delete(membership.group);
    await this.#caller.kernel('leave', () => this.#leave(membership));
  }

  #leave({ group, interfaceName }: { readonly group: number; readonly interfaceName: string }): void {
    this.#caller.stack.interfaceNamed(interfaceName)?.setGroup(group, false);
  }

  async #membership(call: string, group: string, interfaceName: string | undefined) {
    await this.#enter(call);
    const address = this.#setup.resolve(group);
    if (!isMulticast(address)) throw new SocketError(call, 'EINVAL', group);
    const name = interfaceName ?? this.#caller.stack.routeTo(address)?.via.name;
    if (name === undefined || this.#caller.stack.interfaceNamed(name) === undefined)
      throw new SocketError(call, 'EADDRNOTAVAIL', `no interface for ${group}`);
    return { group: address, interfaceName: name };
  }

  async close(): Promise<void> {
    await this.#enter('close');
    await this.#caller.kernel('close', () => this.release());
  }

  release(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#setup.onClosed(this);
    this.#caller.stack.udp.close(this);
    for (const membership of this.#memberships.splice(0)) this.#leave(membership);
    this.#queue.length = 0;
    this.#readable.wake();
    this.#writable.wake();
  }

  async #enter(call: string): Promise<void> {
    if (this.#isClosed) throw new SocketError(call, 'EBADF', 'closed');
    await this.#caller.enter();
  }

  #throwPending(call: string): void {
    const errno = this.#error;
    if (errno === null) return;
    this.#error = null;
    throw new SocketError(call, errno);
  }
}
