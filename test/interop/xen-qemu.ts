/**
 * QEMU (Debian's qemu-system-xen) as dom0's backends for a guest of ours, joined by the public Xen ABI alone: a file that both map is the guest's memory, with a real grant
 * table in it; a socket carries events; xenstore is ours, on the socket where QEMU looks for xenstored's.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { XenstoreSocket } from '../../src/cluster/xenstore-socket.ts';
import {
  createXenbus,
  ERAS,
  type EraName,
  type GuestKernel,
  type GuestXen,
  type MemoryView,
  PAGE_SIZE,
  type StoreClient,
  type Xenbus,
  XenstoreDaemon,
} from '../../src/hypervisor/index.ts';
import { BareKernelCpu, EventLoop, RandomStream } from '../../src/sim/index.ts';
import { compile } from './xen-tools.ts';

const QEMU = '/usr/libexec/xen-qemu-system-i386';
const US = 1_000_000;
const GUEST = 1;
/** Pages of the guest; a grant table of version 1 is in page 0. */
const PAGES = 600;
const FLAG_ACCESS = 1;
const FLAG_READONLY = 4;
const FLAGS_IN_USE = 8 | 16;

/** Memory that is part of a file. */
export class FileView implements MemoryView {
  readonly length: number;
  readonly #file: number;
  readonly #start: number;
  readonly #small = Buffer.alloc(8);

  constructor(file: number, start: number, length: number) {
    this.#file = file;
    this.#start = start;
    this.length = length;
  }

  #get(at: number, bytes: number): Buffer {
    this.#check(at, bytes);
    readSync(this.#file, this.#small, 0, bytes, this.#start + at);
    return this.#small;
  }
  #put(at: number, bytes: number): void {
    this.#check(at, bytes);
    writeSync(this.#file, this.#small, 0, bytes, this.#start + at);
  }
  #check(at: number, bytes: number): void {
    if (!(at >= 0 && at + bytes <= this.length)) throw new RangeError(`${at} + ${bytes} of ${this.length}`);
  }
  u8 = (at: number): number => this.#get(at, 1).readUInt8();
  u16 = (at: number): number => this.#get(at, 2).readUInt16LE();
  u32 = (at: number): number => this.#get(at, 4).readUInt32LE();
  u64 = (at: number): bigint => this.#get(at, 8).readBigUInt64LE();
  setU8(at: number, value: number): void {
    this.#small.writeUInt8(value & 0xff);
    this.#put(at, 1);
  }
  setU16(at: number, value: number): void {
    this.#small.writeUInt16LE(value & 0xffff);
    this.#put(at, 2);
  }
  setU32(at: number, value: number): void {
    this.#small.writeUInt32LE(value >>> 0);
    this.#put(at, 4);
  }
  setU64(at: number, value: bigint): void {
    this.#small.writeBigUInt64LE(value);
    this.#put(at, 8);
  }
  read(at: number, target: Uint8Array): void {
    this.#check(at, target.length);
    readSync(this.#file, target, 0, target.length, this.#start + at);
  }
  write(at: number, source: Uint8Array): void {
    this.#check(at, source.length);
    writeSync(this.#file, source, 0, source.length, this.#start + at);
  }
  fill(at: number, length: number, value: number): void {
    this.write(at, new Uint8Array(length).fill(value));
  }
}

/** An event channel: the guest's port, and QEMU's end once it is bound. */
interface Channel {
  handler: (() => void) | null;
  socket: Socket | null;
  local: number;
}

export class QemuLab {
  readonly folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'heddle-qemu-'));
  readonly loop = new EventLoop();
  readonly cpu = new BareKernelCpu(this.loop, GUEST, { interruptPs: US, timerPs: US });
  readonly kernel: GuestKernel;
  /** dom0's view of xenstore. */
  readonly store: StoreClient;
  /** Grants and ports that the guest holds, and pages that it has left. */
  readonly grants = new Set<number>();
  readonly channels = new Map<number, Channel>();
  readonly freePages: number[] = [];
  /** Events from the guest and to it. */
  kicks = 0;
  events = 0;
  log = '';
  readonly #memory: number;
  readonly #table: FileView;
  readonly #daemon: XenstoreDaemon;
  #server: Server | null = null;
  #storeSocket: XenstoreSocket | null = null;
  #qemu: ChildProcess | null = null;
  #freeRefs: number[] = [];
  #nextPort = 70;
  #isPumping = false;

  constructor(era: EraName) {
    const path = join(this.folder, `dom${GUEST}.memory`);
    writeFileSync(path, '');
    truncateSync(path, PAGES * PAGE_SIZE);
    this.#memory = openSync(path, 'r+');
    this.#table = new FileView(this.#memory, 0, PAGE_SIZE);
    for (let pfn = PAGES - 1; pfn > 0; pfn--) this.freePages.push(pfn);
    for (let ref = 511; ref >= 8; ref--) this.#freeRefs.push(ref);
    const dom0 = new BareKernelCpu(this.loop, 0, { interruptPs: US, timerPs: US });
    const dom0Kernel = {
      domid: 0,
      cpu: dom0,
      era: ERAS[era],
      xen: {} as GuestXen,
      pages: () => this.pages(0),
      onDeath: () => {},
    };
    this.#daemon = new XenstoreDaemon({ kernel: dom0Kernel, domainExists: (domid) => domid <= GUEST });
    this.store = createXenbus({ domid: 0 }, this.#daemon.connectLocal()).store;
    const local = this.#daemon.connectLocal();
    // The guest's requests go without a ring here; the replies must run on its own CPU.
    const transport: Parameters<typeof createXenbus>[1] = {
      ...local,
      setReceiver: (receive) => local.setReceiver((message) => this.cpu.exec(0, 'xenbus', () => receive(message))),
    };
    const xenbus: Xenbus = createXenbus({ domid: GUEST }, transport);
    this.kernel = {
      domid: GUEST,
      name: 'guest',
      era: ERAS[era],
      cpu: this.cpu,
      cpus: [this.cpu],
      memory: new FileView(this.#memory, 0, PAGES * PAGE_SIZE),
      xen: this.#xen() as GuestXen,
      xenbus,
      random: new RandomStream(1, 'guest'),
      allocPages: () => {
        const pfn = this.freePages.pop();
        if (pfn === undefined) throw new RangeError('no page');
        return pfn;
      },
      freePages: (pfn) => void this.freePages.push(pfn),
      pages: (pfn) => this.pages(pfn),
      onDeath: () => {},
    };
  }

  pages(pfn: number): FileView {
    return new FileView(this.#memory, pfn * PAGE_SIZE, PAGE_SIZE);
  }

  async start(): Promise<void> {
    if (!existsSync(QEMU)) throw new Error('qemu-system-xen is not installed, see scripts/setup-interop');
    const shim = join(this.folder, 'shim.so');
    compile([
      '-shared',
      '-fPIC',
      '-O1',
      '-Wall',
      '-Wextra',
      '-Werror',
      '-o',
      shim,
      fileURLToPath(new URL('xen/dom0-shim.c', import.meta.url)),
    ]);
    const events = join(this.folder, 'events');
    this.#server = createServer((socket) => this.#serve(socket));
    await new Promise<void>((resolve) => this.#server?.listen(events, resolve));
    const path = join(this.folder, 'xenstored');
    this.#storeSocket = await XenstoreSocket.listen({
      path,
      connect: (sink) => this.#daemon.connectStream(sink),
      between: (work) => {
        work();
        this.pump();
      },
    });
    const args = ['-xen-domid', String(GUEST), '-xen-attach', '-M', 'xenpv', '-nodefaults', '-display', 'none'];
    const env = { ...process.env, LD_PRELOAD: shim, HEDDLE_MEMORY: this.folder, HEDDLE_EVENTS: events, XENSTORED_PATH: path };
    this.#qemu = spawn(QEMU, [...args, '-monitor', 'none', '-serial', 'none'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#qemu.stdout, this.#qemu.stderr]) stream?.on('data', (bytes) => (this.log += bytes));
  }

  async stop(): Promise<void> {
    const qemu = this.#qemu;
    if (qemu !== null && qemu.exitCode === null) {
      const ended = new Promise((resolve) => qemu.once('close', resolve));
      qemu.kill('SIGKILL');
      await ended;
    }
    await this.#storeSocket?.close();
    this.#server?.close();
    closeSync(this.#memory);
    rmSync(this.folder, { recursive: true });
  }

  /** Runs what is due in the simulation, and a millisecond more. */
  pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      this.loop.runUntil(this.loop.nowPs + 1000 * US);
    } finally {
      this.#isPumping = false;
    }
  }

  /** Waits until `isDone`, at most 20 s. */
  async until(what: string, isDone: () => boolean): Promise<void> {
    for (let turns = 0; ; turns++) {
      // A turn in any case: events that QEMU has sent wait in their socket.
      await new Promise((resolve) => (turns === 0 ? setImmediate(resolve) : setTimeout(resolve, 5)));
      this.pump();
      if (isDone()) return;
      if (turns > 4000) throw new Error(`waited in vain for ${what}; QEMU said: ${this.log}`);
      if (this.#qemu !== null && this.#qemu.exitCode !== null) throw new Error(`QEMU ended: ${this.log}`);
    }
  }

  read(path: string): string | undefined {
    let value: string | undefined;
    this.store.read(path, (reply) => {
      value = reply.ok ? reply.value : undefined;
    });
    this.pump();
    return value;
  }

  write(values: Readonly<Record<string, string | number>>, folder = ''): void {
    for (const [key, value] of Object.entries(values)) this.store.write(`${folder}${key}`, String(value));
    this.pump();
  }

  #serve(socket: Socket): void {
    let rest: Buffer = Buffer.alloc(0);
    const bound = new Map<number, Channel>();
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      for (; rest.length >= 12; rest = rest.subarray(12)) {
        const [kind, local, remote] = [0, 4, 8].map((at) => rest.readUInt32LE(at));
        const channel = kind === 1 ? this.channels.get(remote) : bound.get(local);
        if (channel === undefined) continue;
        if (kind === 1) {
          bound.set(local, Object.assign(channel, { socket, local }));
        } else if (kind === 3) {
          channel.socket = null;
        } else {
          this.events++;
          this.cpu.interrupt('event', () => channel.handler?.());
        }
      }
      this.pump();
    });
  }

  #xen(): Partial<GuestXen> {
    const table = this.#table;
    return {
      grantAccess: (domid, pfn, isReadonly) => {
        const ref = this.#freeRefs.pop();
        if (ref === undefined) throw new RangeError('grant table is full');
        table.setU16(8 * ref + 2, domid);
        table.setU32(8 * ref + 4, pfn);
        table.setU16(8 * ref, FLAG_ACCESS | (isReadonly ? FLAG_READONLY : 0));
        this.grants.add(ref);
        return ref;
      },
      endAccess: (ref) => {
        if ((table.u16(8 * ref) & FLAGS_IN_USE) !== 0) return false;
        table.setU16(8 * ref, 0);
        this.grants.delete(ref);
        this.#freeRefs.push(ref);
        return true;
      },
      allocUnbound: () => {
        this.channels.set(this.#nextPort, { handler: null, socket: null, local: 0 });
        return this.#nextPort++;
      },
      closePort: (_cpu, port) => (this.channels.delete(port) ? 0 : -22),
      setHandler: (port, handler) => {
        const channel = this.channels.get(port);
        if (channel !== undefined) channel.handler = handler;
      },
      notify: (_cpu, port) => {
        const channel = this.channels.get(port);
        this.kicks++;
        channel?.socket?.write(new Uint8Array(Uint32Array.of(channel.local).buffer));
        return 0;
      },
    };
  }
}
