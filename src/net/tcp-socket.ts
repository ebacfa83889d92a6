/** TCP sockets of programs: blocking calls on a connection or a listener. */
import { formatIpv4 } from './bytes.ts';
import { type Caller, WaitList } from './socket-caller.ts';
import {
  type ConnectOptions,
  type Endpoint,
  type Errno,
  type ListenOptions,
  SocketError,
  type TcpInfo,
  type TcpListener,
  type TcpSocket,
  type Wait,
} from './socket-types.ts';
import type { Tcb, TcpUser } from './tcb.ts';
import { abort, destroy, release, shutdown } from './tcp-close.ts';
import { output, sendAck } from './tcp-output.ts';
import { deservesUpdate, noteRead } from './tcp-window.ts';
import type { TcpListenPort } from './tcp.ts';

const DEFAULT_READ = 65_536;
/** A long send goes to the connection in parts of this size, so that the first leave while the last are copied. */
const COPY_BYTES = 65_536;
const DEFAULT_BACKLOG = 128;

/** What a program has open; all of it is closed when the program ends. */
export interface OpenSocket {
  /** In kernel context: closes without a word to the program. */
  release(): void;
}

export class Connection implements TcpSocket, TcpUser, OpenSocket {
  readonly #caller: Caller;
  readonly #tcb: Tcb;
  readonly #onClosed: (socket: OpenSocket) => void;
  readonly #readable: WaitList;
  readonly #writable: WaitList;
  #isClosed = false;

  /** In kernel context. */
  constructor(caller: Caller, tcb: Tcb, onClosed: (socket: OpenSocket) => void) {
    this.#caller = caller;
    this.#tcb = tcb;
    this.#onClosed = onClosed;
    this.#readable = new WaitList(caller);
    this.#writable = new WaitList(caller);
    tcb.user = this;
  }

  get local(): Endpoint {
    return { address: formatIpv4(this.#tcb.localAddress), port: this.#tcb.localPort };
  }

  get remote(): Endpoint {
    return { address: formatIpv4(this.#tcb.remoteAddress), port: this.#tcb.remotePort };
  }

  onConnected(): void {
    this.#writable.wake();
  }

  onReadable(): void {
    this.#readable.wake();
  }

  /** Not for every byte of room: a third of the buffer (as Linux), or when something is wrong. */
  onWritable(): void {
    if (this.#writable.isEmpty) return;
    this.#growSendBuffer();
    const { sendRoom, sendLimit, state } = this.#tcb;
    if (sendRoom * 3 >= sendLimit || state === 'CLOSED') this.#writable.wake();
  }

  /** Waits for the handshake. */
  async connected(wait: Wait): Promise<void> {
    const tcb = this.#tcb;
    const deadlinePs = this.#caller.deadline(wait.timeoutNs);
    while (!tcb.isSynchronized) {
      if (tcb.state === 'CLOSED') this.#fail('connect', 'ECONNABORTED');
      if (await this.#writable.wait(`connection to ${this.remote.address}:${this.remote.port}`, deadlinePs)) continue;
      await this.#caller.kernel('connect', () => destroy(tcb, null));
      this.#fail('connect', 'ETIMEDOUT');
    }
  }

  async send(data: Uint8Array, wait: Wait = {}): Promise<void> {
    await this.#enter('send');
    const deadlinePs = this.#caller.deadline(wait.timeoutNs);
    for (let at = 0; at < data.length; ) {
      this.#checkWritable();
      this.#growSendBuffer();
      const count = Math.min(this.#tcb.sendRoom, data.length - at, COPY_BYTES);
      if (count > 0) {
        const from = at;
        at += count;
        this.#caller.copy(count);
        await this.#caller.kernel('send', () => this.#append(data, from, from + count));
      } else if (!(await this.#writable.wait('room to send', deadlinePs))) throw new SocketError('send', 'EAGAIN', 'timed out');
    }
  }

  #append(data: Uint8Array, from: number, to: number): void {
    const tcb = this.#tcb;
    if (tcb.state !== 'ESTABLISHED' && tcb.state !== 'CLOSE_WAIT') return;
    tcb.sendBuffer.append(data, from, to);
    output(tcb);
  }

  #checkWritable(): void {
    const { state, finQueued } = this.#tcb;
    if (this.#isClosed) throw new SocketError('send', 'EBADF', 'closed');
    if (this.#tcb.error !== null) this.#fail('send', 'EPIPE');
    if (finQueued || (state !== 'ESTABLISHED' && state !== 'CLOSE_WAIT')) throw new SocketError('send', 'EPIPE');
  }

  /** Twice the congestion window, as Linux's tcp_sndbuf_expand: what is under way and what follows it. */
  #growSendBuffer(): void {
    const tcb = this.#tcb;
    if (tcb.sendLimitFixed) return;
    tcb.sendLimit = Math.min(Math.max(tcb.sendLimit, 2 * Math.floor(tcb.congestion.cwnd)), tcb.host.params.sendBufferMax);
  }

  async recv(maxBytes: number = DEFAULT_READ, wait: Wait = {}): Promise<Uint8Array> {
    await this.#enter('recv');
    return this.#read(maxBytes, this.#caller.deadline(wait.timeoutNs));
  }

  async recvExactly(bytes: number, wait: Wait = {}): Promise<Uint8Array> {
    await this.#enter('recv');
    const deadlinePs = this.#caller.deadline(wait.timeoutNs);
    const first = await this.#read(bytes, deadlinePs);
    if (first.length === bytes || first.length === 0) return first;
    const whole = new Uint8Array(bytes);
    whole.set(first);
    let at = first.length;
    while (at < bytes) {
      const part = await this.#read(bytes - at, deadlinePs);
      if (part.length === 0) return whole.subarray(0, at);
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  async #read(maxBytes: number, deadlinePs: number): Promise<Uint8Array> {
    const tcb = this.#tcb;
    if (!(maxBytes >= 1)) throw new SocketError('recv', 'EINVAL', `${maxBytes} bytes`);
    while (tcb.receiveBuffer.available === 0) {
      if (this.#isClosed) throw new SocketError('recv', 'EBADF', 'closed');
      if (tcb.error !== null) this.#fail('recv', tcb.error);
      if (tcb.finReceived || tcb.state === 'CLOSED') return new Uint8Array(0);
      if (!(await this.#readable.wait('data from the connection', deadlinePs)))
        throw new SocketError('recv', 'EAGAIN', 'timed out');
    }
    const data = tcb.receiveBuffer.read(maxBytes);
    this.#caller.copy(data.length);
    noteRead(tcb, data.length);
    if (deservesUpdate(tcb) && tcb.isSynchronized && !tcb.finReceived)
      this.#caller.stack.cpu.exec(0, 'tcp', () => {
        if (tcb.state !== 'CLOSED' && deservesUpdate(tcb)) sendAck(tcb);
      });
    return data;
  }

  async shutdown(): Promise<void> {
    await this.#enter('shutdown');
    if (this.#tcb.state === 'CLOSED') throw new SocketError('shutdown', 'ENOTCONN');
    await this.#caller.kernel('shutdown', () => shutdown(this.#tcb));
  }

  async close(): Promise<void> {
    await this.#enter('close');
    await this.#caller.kernel('close', () => this.release());
  }

  async abort(): Promise<void> {
    await this.#enter('close');
    await this.#caller.kernel('close', () => {
      this.#isClosed = true;
      this.#onClosed(this);
      abort(this.#tcb, null);
    });
  }

  release(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClosed(this);
    release(this.#tcb);
    this.#readable.wake();
    this.#writable.wake();
  }

  setNoDelay(on: boolean): void {
    this.#tcb.noDelay = on;
    if (on && !this.#isClosed)
      this.#caller.stack.cpu.exec(0, 'tcp', () => {
        if (this.#tcb.state !== 'CLOSED') output(this.#tcb);
      });
  }

  info(): TcpInfo {
    const { state, mss, congestion, rtt, retransmits, timeouts, sndWnd } = this.#tcb;
    return {
      state,
      mss,
      cwndBytes: Math.floor(congestion.cwnd),
      ssthreshBytes: congestion.ssthresh,
      rttNs: rtt.srttPs / 1000,
      rtoNs: rtt.rtoPs / 1000,
      retransmits,
      timeouts,
      sendWindow: sndWnd,
    };
  }

  async #enter(call: string): Promise<void> {
    if (this.#isClosed) throw new SocketError(call, 'EBADF', 'closed');
    await this.#caller.enter();
  }

  /** Throws the connection's error, which is told once, or `otherwise`. */
  #fail(call: string, otherwise: Errno): never {
    const errno = this.#tcb.error ?? otherwise;
    this.#tcb.error = null;
    throw new SocketError(call, errno, `${this.remote.address}:${this.remote.port}`);
  }
}

export class Listener implements TcpListener, TcpListenPort, OpenSocket {
  readonly address: number;
  readonly port: number;
  readonly backlog: number;
  readonly options: ListenOptions;
  readonly ready: Tcb[] = [];
  opening = 0;
  readonly #caller: Caller;
  readonly #acceptable: WaitList;
  readonly #sockets: Set<OpenSocket>;
  #isClosed = false;

  constructor(caller: Caller, address: number, port: number, options: ListenOptions, sockets: Set<OpenSocket>) {
    this.#caller = caller;
    this.address = address;
    this.port = port;
    this.options = options;
    this.backlog = Math.max(1, options.backlog ?? DEFAULT_BACKLOG);
    this.#acceptable = new WaitList(caller);
    this.#sockets = sockets;
    sockets.add(this);
  }

  get local(): Endpoint {
    return { address: formatIpv4(this.address), port: this.port };
  }

  onReady(): void {
    this.#acceptable.wake();
  }

  async accept(wait: Wait = {}): Promise<TcpSocket> {
    await this.#caller.enter();
    const deadlinePs = this.#caller.deadline(wait.timeoutNs);
    for (;;) {
      if (this.#isClosed) throw new SocketError('accept', 'EBADF', 'closed');
      const tcb = this.ready.shift();
      if (tcb !== undefined) return this.#open(tcb);
      if (!(await this.#acceptable.wait(`a connection on port ${this.port}`, deadlinePs)))
        throw new SocketError('accept', 'EAGAIN', 'timed out');
    }
  }

  #open(tcb: Tcb): TcpSocket {
    const connection = new Connection(this.#caller, tcb, (socket) => this.#sockets.delete(socket));
    this.#sockets.add(connection);
    return connection;
  }

  async close(): Promise<void> {
    await this.#caller.enter();
    await this.#caller.kernel('close', () => this.release());
  }

  release(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sockets.delete(this);
    this.#caller.stack.tcp.unlisten(this);
    for (const tcb of this.ready.splice(0)) abort(tcb, null);
    this.#acceptable.wake();
  }
}

/** Connects: a connection that is established, or a `SocketError`. */
export async function connectTcp(
  caller: Caller,
  remoteAddress: number,
  localAddress: number | null,
  options: ConnectOptions,
  sockets: Set<OpenSocket>,
): Promise<TcpSocket> {
  const { stack } = caller;
  await caller.enter();
  const made = await caller.kernel('connect', (): Connection | Errno => {
    const source = localAddress ?? stack.sourceFor(remoteAddress);
    if (source === null) return 'ENETUNREACH';
    if (!stack.isLocal(source)) return 'EADDRNOTAVAIL';
    const localPort = options.localPort ?? stack.tcp.pickPort(source, remoteAddress, options.port);
    if (localPort === null) return 'EADDRNOTAVAIL';
    const ends = { localAddress: source, localPort, remoteAddress, remotePort: options.port };
    let connection: Connection | null = null;
    const tcb = stack.tcp.connect(ends, options, (created) => {
      connection = new Connection(caller, created, (socket) => sockets.delete(socket));
    });
    return typeof tcb === 'string' ? tcb : (connection as unknown as Connection);
  });
  if (typeof made === 'string') throw new SocketError('connect', made, `${options.host}:${options.port}`);
  sockets.add(made);
  try {
    await made.connected(options);
  } catch (error) {
    sockets.delete(made);
    throw error;
  }
  return made;
}
