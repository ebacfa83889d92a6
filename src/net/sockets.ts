/** `net` of a program: makes sockets on the stack of the kernel that the program runs on, and closes them when it ends. */
import type { SimThread } from '../sim/index.ts';
import { formatIpv4, formatLinkAddress, parseIpv4 } from './bytes.ts';
import { EchoSocket } from './icmp-socket.ts';
import { Caller } from './socket-caller.ts';
import {
  type ConnectOptions,
  type Errno,
  type IcmpSocket,
  type InterfaceInfo,
  type ListenOptions,
  type Net,
  SocketError,
  type TcpListener,
  type TcpSocket,
  type UdpOptions,
  type UdpSocket,
} from './socket-types.ts';
import type { NetStack } from './stack.ts';
import { LOOPBACK_MTU } from './stack-defaults.ts';
import { connectTcp, Listener, type OpenSocket } from './tcp-socket.ts';
import { Udp } from './udp-socket.ts';

/** IPv4 addresses by the names of nodes and guests: the `hosts` file of all kernels. */
export type HostTable = Readonly<Record<string, number>>;

/** `net` with what the program's host needs of it. */
export interface ProgramNet extends Net {
  /** The program is over: the kernel closes what it left open. */
  closeAll(): void;
}

/** Sockets for `thread` on `stack`; on a node without one (null) there is nothing to reach, and calls throw ENETDOWN. */
export function createSockets(stack: NetStack | null, thread: SimThread, hosts: HostTable): ProgramNet {
  return new Sockets(stack, thread, hosts);
}

class Sockets implements ProgramNet {
  readonly tcp: Net['tcp'];
  readonly #caller: Caller | null;
  readonly #hosts: HostTable;
  readonly #open = new Set<OpenSocket>();

  constructor(stack: NetStack | null, thread: SimThread, hosts: HostTable) {
    this.#caller = stack === null ? null : new Caller(stack, thread);
    this.#hosts = hosts;
    this.tcp = { connect: (options) => this.#connect(options), listen: (options) => this.#listen(options ?? {}) };
  }

  resolve(name: string): string {
    const known = Object.hasOwn(this.#hosts, name) ? this.#hosts[name] : parseIpv4(name);
    if (known == null) throw new SocketError('resolve', 'ENOTFOUND', name);
    return formatIpv4(known);
  }

  interfaces(): readonly InterfaceInfo[] {
    const stack = this.#caller?.stack;
    if (stack === undefined) return [];
    return [
      LOOPBACK,
      ...stack.interfaces.flatMap((on) => on.addresses.map((own) => describe(on, own.address, own.prefixLength))),
    ];
  }

  async udp(options: UdpOptions = {}): Promise<UdpSocket> {
    const caller = this.#need('socket');
    const localAddress = this.#localAddress('bind', options.address);
    await caller.enter();
    const { stack } = caller;
    const made = await caller.kernel('bind', (): Udp | Errno => {
      const localPort = options.port === undefined || options.port === 0 ? stack.udp.ports.pick() : options.port;
      if (localPort === null) return 'EADDRINUSE';
      const resolve = (host: string) => this.#resolveNumber(host);
      const socket = new Udp(caller, { localAddress, localPort, options, resolve, onClosed: (gone) => this.#open.delete(gone) });
      return stack.udp.open(socket) ?? socket;
    });
    if (typeof made === 'string') throw new SocketError('bind', made, `port ${options.port}`);
    this.#open.add(made);
    return made;
  }

  async icmp(): Promise<IcmpSocket> {
    const caller = this.#need('socket');
    await caller.enter();
    const socket = new EchoSocket(
      caller,
      (host) => this.#resolveNumber(host),
      (gone) => this.#open.delete(gone),
    );
    const identifier = await caller.kernel('socket', () => caller.stack.icmp.open(socket));
    if (identifier === null) throw new SocketError('socket', 'ENOBUFS');
    socket.identifier = identifier;
    this.#open.add(socket);
    return socket;
  }

  async #connect(options: ConnectOptions): Promise<TcpSocket> {
    const caller = this.#need('connect');
    checkPort('connect', options.port, 1);
    const local = options.localAddress === undefined ? null : this.#localAddress('connect', options.localAddress);
    return connectTcp(caller, this.#resolveNumber(options.host), local, options, this.#open);
  }

  async #listen(options: ListenOptions): Promise<TcpListener> {
    const caller = this.#need('listen');
    const { stack } = caller;
    checkPort('listen', options.port ?? 0, 0);
    const address = this.#localAddress('listen', options.address);
    await caller.enter();
    const made = await caller.kernel('listen', (): Listener | Errno => {
      const port = options.port === undefined || options.port === 0 ? stack.tcp.ports.pick() : options.port;
      if (port === null) return 'EADDRINUSE';
      const listener = new Listener(caller, address, port, options, this.#open);
      const errno = stack.tcp.listen(listener);
      if (errno === null) return listener;
      this.#open.delete(listener);
      return errno;
    });
    if (typeof made === 'string') throw new SocketError('listen', made, `port ${options.port}`);
    return made;
  }

  closeAll(): void {
    if (this.#caller === null || this.#open.size === 0) return;
    this.#caller.stack.cpu.exec(0, 'syscall', () => {
      for (const socket of [...this.#open]) socket.release();
    });
  }

  #need(call: string): Caller {
    if (this.#caller === null) throw new SocketError(call, 'ENETDOWN', 'this node has no network interface');
    return this.#caller;
  }

  #resolveNumber(host: string): number {
    return parseIpv4(this.resolve(host)) as number;
  }

  /** An address to bind to: 0 (all), or one of the host's. */
  #localAddress(call: string, address: string | undefined): number {
    if (address === undefined) return 0;
    const ip = this.#resolveNumber(address);
    if (ip !== 0 && this.#caller?.stack.isLocal(ip) !== true) throw new SocketError(call, 'EADDRNOTAVAIL', address);
    return ip;
  }
}

function checkPort(call: string, port: number, lowest: number): void {
  if (!Number.isInteger(port) || port < lowest || port > 65_535) throw new SocketError(call, 'EINVAL', `port ${port}`);
}

const LOOPBACK: InterfaceInfo = {
  name: 'lo',
  linkType: 'loopback',
  linkAddress: '00:00:00:00:00:00',
  address: '127.0.0.1',
  prefixLength: 8,
  mtu: LOOPBACK_MTU,
  isUp: true,
  rxPackets: 0,
  txPackets: 0,
  rxBytes: 0,
  txBytes: 0,
  rxDropped: 0,
  txDropped: 0,
};

function describe(on: NetStack['interfaces'][number], address: number, prefixLength: number): InterfaceInfo {
  const { device, rxPackets, txPackets, rxBytes, txBytes, rxDropped, txDropped } = on;
  return {
    name: device.name,
    linkType: device.linkType,
    linkAddress: formatLinkAddress(device.address),
    address: formatIpv4(address),
    prefixLength,
    mtu: device.mtu,
    isUp: device.isUp,
    rxPackets,
    txPackets,
    rxBytes,
    txBytes,
    rxDropped,
    txDropped,
  };
}
