/**
 * A machine just large enough for xenstored and its clients: domains with pages, a CPU each, and event channels that are bits. And a plain client of a store for tests.
 */
import type { GuestXen, MemoryView } from '../../src/hypervisor/index.ts';
import { RingTransport, XenstoreDaemon } from '../../src/hypervisor/index.ts';
import type { StoreConnection } from '../../src/hypervisor/xenstore/connection.ts';
import type { StoreHost } from '../../src/hypervisor/xenstore/request.ts';
import type { XenStore } from '../../src/hypervisor/xenstore/store.ts';
import type { BusKernel } from '../../src/hypervisor/xenstore/transport.ts';
import type { StoreMessage } from '../../src/hypervisor/xenstore/wire.ts';
import { XS } from '../../src/hypervisor/xenstore/abi.ts';
import { BareKernelCpu, EventLoop } from '../../src/sim/index.ts';

/** A page that is no more than its bytes. */
export class PlainPage implements MemoryView {
  readonly bytes = new Uint8Array(4096);
  readonly #view = new DataView(this.bytes.buffer);
  readonly length = 4096;
  u8 = (at: number) => this.#view.getUint8(at);
  u16 = (at: number) => this.#view.getUint16(at, true);
  u32 = (at: number) => this.#view.getUint32(at, true);
  u64 = (at: number) => this.#view.getBigUint64(at, true);
  setU8 = (at: number, value: number) => this.#view.setUint8(at, value);
  setU16 = (at: number, value: number) => this.#view.setUint16(at, value, true);
  setU32 = (at: number, value: number) => this.#view.setUint32(at, value, true);
  setU64 = (at: number, value: bigint) => this.#view.setBigUint64(at, value, true);
  read = (at: number, target: Uint8Array) => target.set(this.bytes.subarray(at, at + target.length));
  write = (at: number, source: Uint8Array) => this.bytes.set(source, at);
  fill = (at: number, length: number, value: number) => this.bytes.fill(value, at, at + length);
}

interface Port {
  handler: (() => void) | null;
  peer: Port | null;
  isPending: boolean;
  /** Of the domain that has it. */
  cpu: BareKernelCpu;
}

const US = 1_000_000;
export const XENSTORED_PS = 30 * US;
/** Every guest's port for xenstore. */
const STORE_PORT = 1;

/** A domain: what `BusKernel` asks for, and its page. */
export interface FakeDomain {
  readonly kernel: BusKernel;
  readonly page: PlainPage;
  /** Notifies xenstored, without looking at what is in the page. */
  kick(): void;
}

export class FakeHost {
  readonly loop = new EventLoop();
  readonly domains = new Map<number, FakeDomain>();
  readonly daemon: XenstoreDaemon;
  readonly dom0: FakeDomain;
  /** Events sent, for counting. */
  notifications = 0;
  readonly #ports = new Map<string, Port>();
  #nextPort = 100;

  constructor(options: { quotas?: ConstructorParameters<typeof XenstoreDaemon>[0]['quotas'] } = {}) {
    this.dom0 = this.addDomain(0);
    const quotas = options.quotas ?? {};
    this.daemon = new XenstoreDaemon({ kernel: this.dom0.kernel, domainExists: (domid) => this.domains.has(domid), quotas });
  }

  addDomain(domid: number): FakeDomain {
    const cpu = new BareKernelCpu(this.loop, domid, { interruptPs: US, timerPs: US });
    const page = new PlainPage();
    const xen = this.#xenOf(domid, cpu);
    const kernel: BusKernel = {
      domid,
      cpu,
      xen,
      era: { costs: { xenstoredPs: XENSTORED_PS } as BusKernel['era']['costs'] },
      pages: () => page,
      onDeath: () => {},
    };
    const domain = { kernel, page, kick: () => void xen.notify(cpu, STORE_PORT) };
    this.domains.set(domid, domain);
    this.#ports.set(`${domid}:${STORE_PORT}`, { handler: null, peer: null, isPending: false, cpu });
    return domain;
  }

  /** A new domain, introduced to xenstored, and its transport. */
  boot(domid: number): RingTransport {
    const { kernel } = this.addDomain(domid);
    this.daemon.introduce(domid, 7, STORE_PORT, (error) => {
      if (error !== null) throw new Error(error);
    });
    // As toolstacks do: a domain runs when xenstored knows it.
    this.run();
    return new RingTransport(kernel, 7, STORE_PORT);
  }

  /** The domain and its memory are gone. */
  kill(domid: number): void {
    this.domains.delete(domid);
    this.daemon.domainDied(domid);
  }

  run(): void {
    this.loop.runUntil(Number.MAX_SAFE_INTEGER);
  }

  #xenOf(domid: number, cpu: BareKernelCpu): GuestXen {
    const portOf = (port: number) => this.#ports.get(`${domid}:${port}`);
    const calls: Partial<GuestXen> = {
      setHandler: (port, handler) => {
        const own = portOf(port);
        if (own !== undefined) own.handler = handler;
      },
      notify: (_cpu, port) => {
        const peer = portOf(port)?.peer;
        if (peer === undefined || peer === null) return -22;
        this.notifications++;
        if (peer.isPending) return 0;
        peer.isPending = true;
        peer.cpu.interrupt('event', () => {
          peer.isPending = false;
          peer.handler?.();
        });
        return 0;
      },
      bindInterdomain: (_cpu, remoteDomid, remotePort) => {
        const remote = this.#ports.get(`${remoteDomid}:${remotePort}`);
        if (remote === undefined) return -22;
        const port = this.#nextPort++;
        const own: Port = { handler: null, peer: remote, isPending: false, cpu };
        remote.peer = own;
        this.#ports.set(`${domid}:${port}`, own);
        return port;
      },
      closePort: (_cpu, port) => {
        const own = portOf(port);
        if (own?.peer) own.peer.peer = null;
        this.#ports.delete(`${domid}:${port}`);
        return 0;
      },
      mapGrants: (_cpu, maps) =>
        maps.map(({ domid: owner }) => {
          const page = this.domains.get(owner)?.page;
          return page === undefined ? { status: -1, handle: -1, view: null } : { status: 0, handle: owner, view: page };
        }),
      unmapGrants: (_cpu, handles) => handles.map(() => 0),
    };
    return calls as GuestXen;
  }
}

/** A machine for a bare store: these domains exist and can be introduced. */
export function storeHost(domids: readonly number[]): StoreHost & { readonly alive: Set<number> } {
  const alive = new Set([0, ...domids]);
  return {
    alive,
    domainExists: (domid) => alive.has(domid),
    introduce: ({ domid }) => (alive.has(domid) ? null : 'ENOENT'),
    reset: () => {},
    released: () => {},
  };
}

/** What came back: `OK` and such for acknowledgements, the error's name for errors. */
export interface Answer {
  readonly type: number;
  readonly text: string;
}

/** Talks to a store at once, message by message. */
export class TestClient {
  readonly connection: StoreConnection;
  readonly #store: XenStore;
  /** Watch events, `path token`, since they were last looked at. */
  #events: string[] = [];

  constructor(store: XenStore, connection: StoreConnection) {
    this.#store = store;
    this.connection = connection;
  }

  /** An introduced domain's client. */
  static ofDomain(store: XenStore, domid: number): TestClient {
    const toolstack = new TestClient(store, store.dom0);
    toolstack.ask(XS.introduce, `${domid}\x00123\x001\x00`);
    return new TestClient(store, store.connectionOf(domid) as StoreConnection);
  }

  ask(type: number, payload: string, txId = 0): Answer {
    this.#store.handle(this.connection, { type, requestId: 5, txId, payload });
    let answer: Answer | null = null;
    for (const message of this.#take()) {
      if (message.type === XS.watchEvent) this.#note(message);
      else answer = { type: message.type, text: message.payload };
    }
    if (answer === null) throw new Error('no answer');
    return answer;
  }

  /** The answer as one text: the payload without the last NUL, or the error's name. */
  say(type: number, payload: string, txId = 0): string {
    return this.ask(type, payload, txId).text.replace(/\0$/, '');
  }

  events(): string[] {
    for (const message of this.#take()) this.#note(message);
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #take(): StoreMessage[] {
    const messages: StoreMessage[] = [];
    for (let next = this.connection.next; next !== null; next = this.connection.next) {
      this.connection.sent();
      messages.push(next);
    }
    return messages;
  }

  #note({ payload }: StoreMessage): void {
    this.#events.push(payload.slice(0, -1).replace('\0', ' '));
  }
}
