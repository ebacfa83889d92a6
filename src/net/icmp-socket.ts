/** ICMP echo sockets of programs: what `ping` uses. */
import { formatIpv4 } from './bytes.ts';
import type { EchoListener, EchoMessage } from './icmp.ts';
import { ICMP_ECHO_REPLY, ICMP_HEADER_BYTES, ICMP_UNREACHABLE } from './icmp-message.ts';
import { IPV4_HEADER_BYTES, IPV4_MAX_BYTES } from './ipv4.ts';
import { type Caller, WaitList } from './socket-caller.ts';
import { type EchoReply, type IcmpSocket, SocketError, type Wait } from './socket-types.ts';
import { DEFAULT_TTL } from './stack-defaults.ts';
import type { OpenSocket } from './tcp-socket.ts';

const MAX_PAYLOAD = IPV4_MAX_BYTES - IPV4_HEADER_BYTES - ICMP_HEADER_BYTES;
/** Answers that nobody reads. */
const MAX_QUEUED = 1024;

export class EchoSocket implements IcmpSocket, EchoListener, OpenSocket {
  identifier = 0;
  readonly #caller: Caller;
  readonly #resolve: (host: string) => number;
  readonly #onClosed: (socket: OpenSocket) => void;
  readonly #readable: WaitList;
  readonly #queue: EchoMessage[] = [];
  #isClosed = false;

  constructor(caller: Caller, resolve: (host: string) => number, onClosed: (socket: OpenSocket) => void) {
    this.#caller = caller;
    this.#resolve = resolve;
    this.#onClosed = onClosed;
    this.#readable = new WaitList(caller);
  }

  onEcho(message: EchoMessage): void {
    if (this.#queue.length >= MAX_QUEUED) return;
    this.#queue.push(message);
    this.#readable.wake();
  }

  async send(
    host: string,
    sequence: number,
    data: Uint8Array,
    options: { readonly ttl?: number; readonly dontFragment?: boolean } = {},
  ): Promise<void> {
    await this.#enter('send');
    const to = this.#resolve(host);
    if (data.length > MAX_PAYLOAD) throw new SocketError('send', 'EMSGSIZE', `${data.length} bytes`);
    this.#caller.copy(data.length + ICMP_HEADER_BYTES);
    const { icmp } = this.#caller.stack;
    const errno = await this.#caller.kernel('send', () =>
      icmp.sendEcho(to, this.identifier, sequence & 0xffff, data, options.ttl ?? DEFAULT_TTL, options.dontFragment ?? false),
    );
    if (errno !== null) throw new SocketError('send', errno, host);
  }

  async recv(wait: Wait = {}): Promise<EchoReply> {
    await this.#enter('recv');
    const deadlinePs = this.#caller.deadline(wait.timeoutNs);
    for (;;) {
      if (this.#isClosed) throw new SocketError('recv', 'EBADF', 'closed');
      const message = this.#queue.shift();
      if (message !== undefined) return this.#take(message);
      if (!(await this.#readable.wait('an answer to an echo request', deadlinePs)))
        throw new SocketError('recv', 'EAGAIN', 'timed out');
    }
  }

  #take(message: EchoMessage): EchoReply {
    const { type, from, code, sequence, ttl, bytes, data, mtu, timePs } = message;
    this.#caller.copy(bytes);
    const kind = type === ICMP_ECHO_REPLY ? 'reply' : type === ICMP_UNREACHABLE ? 'unreachable' : 'time-exceeded';
    return { kind, from: formatIpv4(from), code, sequence, ttl, bytes, data, mtu, timeNs: timePs / 1000 };
  }

  async close(): Promise<void> {
    await this.#enter('close');
    await this.#caller.kernel('close', () => this.release());
  }

  release(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClosed(this);
    this.#caller.stack.icmp.close(this.identifier);
    this.#readable.wake();
  }

  async #enter(call: string): Promise<void> {
    if (this.#isClosed) throw new SocketError(call, 'EBADF', 'closed');
    await this.#caller.enter();
  }
}
