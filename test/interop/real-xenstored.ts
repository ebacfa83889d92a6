/**
 * Runs Xen's own xenstored without a hypervisor, with clients on its socket (dom0's rights) and on rings (guests).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MemoryView } from '../../src/hypervisor/index.ts';
import { RingEnd } from '../../src/hypervisor/xenstore/ring.ts';
import { encodeMessage, MessageParser, type StoreMessage } from '../../src/hypervisor/xenstore/wire.ts';
import { compile, xenTool } from './xen-tools.ts';

/** The event by which the hypervisor says that some domain died: VIRQ_DOM_EXC as the shim numbers it. */
const DOMAIN_DIED = 103;

export class RealXenstored {
  readonly folder = mkdtempSync(join(tmpdir(), 'heddle-xsd-'));
  readonly socketPath = join(this.folder, 'socket');
  #child: ChildProcess | null = null;
  #kick = -1;
  /** What the daemon said, should it end before its time. */
  #log = '';

  async start(): Promise<void> {
    const shim = join(this.folder, 'shim.so');
    const source = fileURLToPath(new URL('xen/xenstored-shim.c', import.meta.url));
    compile(['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror', '-o', shim, source, '-ldl']);
    const env = { ...process.env, LD_PRELOAD: shim, XENSTORED_RUNDIR: this.folder, HEDDLE_RINGS: this.folder };
    const args = ['-N', '--internal-db=on', '--timeout', 'watch-event=0', '--pid-file', join(this.folder, 'pid')];
    const child = spawn(xenTool('xenstored'), args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (this.#log += bytes));
    for (let waited = 0; !(existsSync(this.socketPath) && existsSync(join(this.folder, 'kick'))); waited++) {
      if (waited > 500 || child.exitCode !== null) throw new Error(`xenstored did not start: ${this.#log}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.#kick = openSync(join(this.folder, 'kick'), 'r+');
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child !== null && child.exitCode === null) {
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.folder, { recursive: true });
  }

  /** Throws if the daemon ended. */
  check(): void {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) throw new Error(`xenstored ended: ${this.#log}`);
  }

  async connect(): Promise<RealClient> {
    const socket = createConnection(this.socketPath);
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new SocketClient(this, socket);
  }

  /** A page for a domain, which exists from now on. */
  addDomain(domid: number): void {
    writeFileSync(this.#ring(domid), new Uint8Array(4096));
  }

  /** The client of a domain that is introduced. */
  ringClient(domid: number): RealClient {
    return new RingClient(this, new FileView(openSync(this.#ring(domid), 'r+')), () => this.#event(1000 + domid));
  }

  /** The hypervisor says that the domain is gone. */
  killDomain(domid: number): void {
    renameSync(this.#ring(domid), join(this.folder, 'gone'));
    this.#event(DOMAIN_DIED);
  }

  #ring(domid: number): string {
    return join(this.folder, `ring-${domid}`);
  }

  #event(port: number): void {
    writeSync(this.#kick, new Uint8Array(Uint32Array.of(port).buffer));
  }
}

/** A client that asks one thing at a time. */
export abstract class RealClient {
  readonly #daemon: RealXenstored;
  #messages: StoreMessage[] = [];

  constructor(daemon: RealXenstored) {
    this.#daemon = daemon;
  }

  /** Sends a request and returns all that came up to its reply, the reply last. */
  async ask(message: StoreMessage): Promise<StoreMessage[]> {
    this.send(encodeMessage(message));
    for (let turns = 0; ; turns++) {
      this.#messages.push(...this.poll());
      if (this.#messages.some((received) => received.requestId === message.requestId)) break;
      this.#daemon.check();
      if (turns > 2_000_000) throw new Error('xenstored does not answer');
      await new Promise((resolve) => setImmediate(resolve));
    }
    const messages = this.#messages;
    this.#messages = [];
    return messages;
  }

  protected abstract send(bytes: Uint8Array): void;
  /** What has come since. */
  protected abstract poll(): StoreMessage[];
}

class SocketClient extends RealClient {
  readonly #socket: Socket;
  readonly #parser = new MessageParser();
  #received: StoreMessage[] = [];

  constructor(daemon: RealXenstored, socket: Socket) {
    super(daemon);
    this.#socket = socket;
    socket.on('data', (bytes) => this.#received.push(...this.#parser.push(bytes)));
    socket.on('error', () => undefined);
  }

  protected send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  protected poll(): StoreMessage[] {
    return this.#received.splice(0);
  }
}

class RingClient extends RealClient {
  readonly #ring: RingEnd;
  readonly #notify: () => void;
  readonly #parser = new MessageParser();
  #unsent: Uint8Array | null = null;

  constructor(daemon: RealXenstored, page: MemoryView, notify: () => void) {
    super(daemon);
    this.#ring = new RingEnd(page, 'guest');
    this.#notify = notify;
  }

  protected send(bytes: Uint8Array): void {
    this.#unsent = bytes;
    this.#write();
  }

  protected poll(): StoreMessage[] {
    this.#write();
    if (!this.#ring.isReadable) return [];
    const bytes = this.#ring.read(1024);
    if (bytes === null) throw new Error('impossible indices');
    this.#notify();
    return this.#parser.push(bytes);
  }

  #write(): void {
    if (this.#unsent === null) return;
    const length = this.#ring.write(this.#unsent);
    if (length === null) throw new Error('impossible indices');
    this.#unsent = length === this.#unsent.length ? null : this.#unsent.subarray(length);
    if (length > 0) this.#notify();
  }
}

/** A page in a file that another process has mapped. */
class FileView implements MemoryView {
  readonly length = 4096;
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  u8 = (at: number) => this.#get(at, 1).getUint8(0);
  u16 = (at: number) => this.#get(at, 2).getUint16(0, true);
  u32 = (at: number) => this.#get(at, 4).getUint32(0, true);
  u64 = (at: number) => this.#get(at, 8).getBigUint64(0, true);
  setU8 = (at: number, value: number) => this.write(at, Uint8Array.of(value));
  setU16 = (at: number, value: number) => this.write(at, new Uint8Array(Uint16Array.of(value).buffer));
  setU32 = (at: number, value: number) => this.write(at, new Uint8Array(Uint32Array.of(value).buffer));
  setU64 = (at: number, value: bigint) => this.write(at, new Uint8Array(BigUint64Array.of(value).buffer));
  read = (at: number, target: Uint8Array) => void readSync(this.#fd, target, 0, target.length, at);
  write = (at: number, source: Uint8Array) => void writeSync(this.#fd, source, 0, source.length, at);
  fill = (at: number, length: number, value: number) => this.write(at, new Uint8Array(length).fill(value));

  #get(at: number, length: number): DataView {
    const bytes = new Uint8Array(length);
    this.read(at, bytes);
    return new DataView(bytes.buffer);
  }
}
