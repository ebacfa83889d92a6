/**
 * The sockets API as programs see it: UDP, TCP and ICMP echo on the node's protocol stack, in virtual time.
 * Calls block the program's thread as the system calls of a blocking socket do; times are in nanoseconds, as everywhere in programs.
 */

/** An error of a socket call, named as in errno.h; names of hosts that are not known are `ENOTFOUND`. */
export type Errno =
  | 'EACCES'
  | 'EADDRINUSE'
  | 'EADDRNOTAVAIL'
  | 'EAGAIN'
  | 'EALREADY'
  | 'EBADF'
  | 'ECONNABORTED'
  | 'ECONNREFUSED'
  | 'ECONNRESET'
  | 'EDESTADDRREQ'
  | 'EHOSTUNREACH'
  | 'EINVAL'
  | 'EISCONN'
  | 'EMSGSIZE'
  | 'ENETDOWN'
  | 'ENETUNREACH'
  | 'ENOBUFS'
  | 'ENOPROTOOPT'
  | 'ENOTCONN'
  | 'ENOTFOUND'
  | 'EPIPE'
  | 'EPROTO'
  | 'ETIMEDOUT';

export class SocketError extends Error {
  override readonly name = 'SocketError';
  /** `ECONNREFUSED` … */
  readonly code: Errno;
  /** The call that failed: `connect`, `send` … */
  readonly call: string;
  constructor(call: string, code: Errno, detail = '') {
    super(`${call}: ${code}${detail === '' ? '' : ` (${detail})`}`);
    this.code = code;
    this.call = call;
  }
}

/** Where a socket is, or its peer: dotted IPv4 address and port. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** A limit on how long a call may block. Absent: for ever. When it passes, the call throws `SocketError` EAGAIN. */
export interface Wait {
  readonly timeoutNs?: number;
}

export type CongestionName = 'reno' | 'cubic';

export interface TcpOptions {
  /** TCP_NODELAY: no Nagle. */
  readonly noDelay?: boolean;
  /** SO_SNDBUF in bytes; absent: 16 KiB that grow with the congestion window to 4 MiB. */
  readonly sendBuffer?: number;
  /** SO_RCVBUF in bytes: the largest window; absent: 85 KiB that grow with the rate of the reader to 6 MiB. */
  readonly receiveBuffer?: number;
  /** TCP_CONGESTION; absent: the stack's default. */
  readonly congestion?: CongestionName;
  /** SO_KEEPALIVE: probes after this much silence. */
  readonly keepAliveNs?: number;
  /** TCP_MAXSEG: the largest segment to announce and send. */
  readonly maxSegment?: number;
}

export interface ConnectOptions extends TcpOptions, Wait {
  /** A name of the host table, or a dotted address. */
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string;
  readonly localPort?: number;
}

export interface ListenOptions extends TcpOptions {
  /** 0 or absent: one that is free. */
  readonly port?: number;
  /** Absent: all addresses. */
  readonly address?: string;
  /** Connections that wait to be accepted; absent: 128. */
  readonly backlog?: number;
}

/** What `tcp_info` tells of a connection. */
export interface TcpInfo {
  readonly state: string;
  readonly mss: number;
  readonly cwndBytes: number;
  readonly ssthreshBytes: number;
  readonly rttNs: number;
  readonly rtoNs: number;
  /** Segments sent again. */
  readonly retransmits: number;
  readonly timeouts: number;
  readonly sendWindow: number;
}

export interface TcpSocket {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /**
   * Sends all of `data`; resolves when the kernel has taken it. Throws EPIPE after `shutdown` or after the peer reset the connection, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, and
   * EAGAIN when the time is up (part of the data may be on its way then).
   */
  send(data: Uint8Array, wait?: Wait): Promise<void>;
  /** What has arrived, at least a byte and at most `maxBytes` (default 64 KiB); empty at the end of the stream. */
  recv(maxBytes?: number, wait?: Wait): Promise<Uint8Array>;
  /** Exactly `bytes` bytes; fewer only at the end of the stream. */
  recvExactly(bytes: number, wait?: Wait): Promise<Uint8Array>;
  /** No more will be sent: the peer reads the end of the stream. */
  shutdown(): Promise<void>;
  /** Closes in the background, as close(2): what was sent is delivered; data that nobody read resets the connection. */
  close(): Promise<void>;
  /** Resets the connection. */
  abort(): Promise<void>;
  setNoDelay(on: boolean): void;
  info(): TcpInfo;
}

export interface TcpListener {
  readonly local: Endpoint;
  /** The next connection. */
  accept(wait?: Wait): Promise<TcpSocket>;
  close(): Promise<void>;
}

export interface Datagram {
  readonly data: Uint8Array;
  readonly from: Endpoint;
}

export interface UdpOptions {
  readonly port?: number;
  readonly address?: string;
  /** SO_SNDBUF, SO_RCVBUF; absent: 212,992 bytes. */
  readonly sendBuffer?: number;
  readonly receiveBuffer?: number;
  /** SO_BROADCAST. */
  readonly broadcast?: boolean;
  /** IP_TTL (default 64), IP_MULTICAST_TTL (default 1). */
  readonly ttl?: number;
  readonly multicastTtl?: number;
  /** IP_MTU_DISCOVER: set the don't-fragment bit; datagrams above the path's MTU are EMSGSIZE. */
  readonly dontFragment?: boolean;
}

export interface UdpSocket {
  readonly local: Endpoint;
  /** Fixes the peer, for `send` without `to`, and so that errors of ICMP arrive (ECONNREFUSED). */
  connect(host: string, port: number): Promise<void>;
  send(data: Uint8Array, to?: { readonly host: string; readonly port: number }): Promise<void>;
  recv(wait?: Wait): Promise<Datagram>;
  /** Joins or leaves a multicast group, on the interface with that name or the one that the route to the group has. */
  join(group: string, interfaceName?: string): Promise<void>;
  leave(group: string, interfaceName?: string): Promise<void>;
  close(): Promise<void>;
  /** Datagrams that found the receive buffer full. */
  readonly dropped: number;
}

/** What an ICMP socket hears: an answer, or an error about a request. */
export interface EchoReply {
  readonly kind: 'reply' | 'unreachable' | 'time-exceeded';
  readonly from: string;
  /** ICMP code of an error. */
  readonly code: number;
  readonly sequence: number;
  readonly ttl: number;
  /** Bytes of the ICMP message, header included. */
  readonly bytes: number;
  readonly data: Uint8Array;
  /** Next hop's MTU of "fragmentation needed". */
  readonly mtu: number;
  /** When the kernel had received it, in ns since the start (SO_TIMESTAMP). */
  readonly timeNs: number;
}

export interface IcmpSocket {
  readonly identifier: number;
  /** Sends an echo request. */
  send(
    host: string,
    sequence: number,
    data: Uint8Array,
    options?: { readonly ttl?: number; readonly dontFragment?: boolean },
  ): Promise<void>;
  recv(wait?: Wait): Promise<EchoReply>;
  close(): Promise<void>;
}

export interface InterfaceInfo {
  readonly name: string;
  readonly linkType: 'ethernet' | 'ipoib' | 'loopback';
  readonly linkAddress: string;
  readonly address: string;
  readonly prefixLength: number;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly rxPackets: number;
  readonly txPackets: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly rxDropped: number;
  readonly txDropped: number;
}

/** What a program has of the network: `program(async ({ net }) => …)`. */
export interface Net {
  /** A UDP socket, bound. */
  udp(options?: UdpOptions): Promise<UdpSocket>;
  readonly tcp: {
    /** Throws ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, EADDRNOTAVAIL. */
    connect(options: ConnectOptions): Promise<TcpSocket>;
    /** Throws EADDRINUSE, EADDRNOTAVAIL. */
    listen(options?: ListenOptions): Promise<TcpListener>;
  };
  /** A socket for ICMP echo. */
  icmp(): Promise<IcmpSocket>;
  interfaces(): readonly InterfaceInfo[];
  /** Dotted address of a node or guest, or of a dotted address itself. Throws ENOTFOUND. */
  resolve(name: string): string;
}
