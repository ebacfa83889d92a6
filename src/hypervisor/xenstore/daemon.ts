/**
 * xenstored in its domain (dom0): serves the rings of domains, dom0's own clients, and byte streams from outside, a request at a time, each for its price on dom0's CPU.
 *
 * Whoever has requests waits in one line; after each request the next in line has its turn, so that nobody can keep the others out.
 */
import type { StoreError } from './abi.ts';
import { STORE_GRANT_REF, XS } from './abi.ts';
import type { StoreConnection } from './connection.ts';
import type { StoreQuotas } from './quotas.ts';
import { ServedRing } from './served-ring.ts';
import { XenStore } from './store.ts';
import type { BusKernel, StoreTransport } from './transport.ts';
import { encodeMessage, MessageParser, type StoreMessage } from './wire.ts';

export interface XenstoredOptions {
  /** dom0's kernel. */
  readonly kernel: BusKernel;
  /** Whether the hypervisor has a domain, introduced to xenstored or not. */
  readonly domainExists: (domid: number) => boolean;
  /** Quotas of guests that differ from xenstored's defaults. */
  readonly quotas?: Partial<StoreQuotas>;
}

/** Where a stream's bytes go. */
export interface StreamSink {
  send(bytes: Uint8Array): void;
  /** xenstored gave the connection up. */
  close(): void;
}

export interface StreamEnd {
  receive(bytes: Uint8Array): void;
  /** The client is gone. */
  end(): void;
}

/** Somebody with requests. */
interface Source {
  readonly connection: StoreConnection;
  /** The next request that has come in whole. */
  take(): StoreMessage | null;
  /** Takes waiting messages off the connection's queue as far as there is room for them. */
  flush(): void;
}

interface ServedDomain extends Source {
  readonly ring: ServedRing;
  readonly mapHandle: number;
  /** dom0's port. */
  port: number;
}

const CAUSE = 'xenstored';

export class XenstoreDaemon {
  readonly store: XenStore;
  readonly #kernel: BusKernel;
  /** By connection. */
  readonly #sources = new Map<StoreConnection, Source>();
  readonly #domains = new Map<StoreConnection, ServedDomain>();
  /** Sources with requests, in turn. */
  readonly #line = new Set<Source>();
  /** Sources that have too many replies outstanding. */
  readonly #stalled = new Set<Source>();
  /** Connections with messages to be sent. */
  readonly #unsent = new Set<StoreConnection>();
  #isServing = false;
  readonly #toolstack: StoreTransport;
  readonly #introductions = new Map<number, (error: string | null) => void>();
  #nextRequest = 1;

  constructor(options: XenstoredOptions) {
    this.#kernel = options.kernel;
    const host = {
      domainExists: options.domainExists,
      introduce: this.#introduce.bind(this),
      reset: (connection: StoreConnection) => this.#reset(connection),
      released: (connection: StoreConnection) => this.#released(connection),
    };
    this.store = new XenStore(host, options.quotas);
    this.#toolstack = this.connectLocal();
    this.#toolstack.setReceiver(({ type, requestId, payload }) => {
      const done = this.#introductions.get(requestId);
      this.#introductions.delete(requestId);
      done?.(type === XS.error ? payload.slice(0, -1) : null);
    });
  }

  /** For dom0's kernel and toolstack: requests go to the store without a ring. */
  connectLocal(): StoreTransport {
    const connection = this.store.connect();
    const inbox: StoreMessage[] = [];
    let receive: (message: StoreMessage) => void = () => {};
    const source: Source = {
      connection,
      take: () => inbox.shift() ?? null,
      flush: () => drain(connection, (message) => receive(message)),
    };
    this.#add(source);
    return {
      send: (message) => {
        inbox.push(message);
        this.#enqueue(source);
      },
      setReceiver: (receiver) => {
        receive = receiver;
      },
    };
  }

  /** For a client outside of the simulation: dom0's rights. What it sends arrives like an interrupt, and may be called outside of items. */
  connectStream(sink: StreamSink): StreamEnd {
    const connection = this.store.connect();
    const inbox: StoreMessage[] = [];
    const parser = new MessageParser();
    const source: Source = {
      connection,
      take: () => inbox.shift() ?? null,
      flush: () => drain(connection, (message) => sink.send(encodeMessage(message))),
    };
    this.#add(source);
    const end = () => {
      this.store.disconnect(connection);
      this.#forget(source);
    };
    return {
      end,
      receive: (bytes) => {
        if (connection.isIgnored) return;
        for (const message of parser.push(bytes)) inbox.push(message);
        if (inbox.length > 0) this.#kernel.cpu.interrupt(CAUSE, () => this.#enqueue(source));
        if (!parser.isBroken) return;
        end();
        sink.close();
      },
    };
  }

  /** XS_INTRODUCE, as the toolstack sends it: `port` is the domain's own port for xenstore. `done` gets the error's name, or null. */
  introduce(domid: number, pfn: number, port: number, done: (error: string | null) => void = () => {}): void {
    this.#ask(XS.introduce, `${domid}\0${pfn}\0${port}\0`, done);
  }

  /** XS_RELEASE. */
  release(domid: number, done: (error: string | null) => void = () => {}): void {
    this.#ask(XS.release, `${domid}\0`, done);
  }

  /** The hypervisor says (VIRQ_DOM_EXC) that a domain is gone: its connection, watches and nodes go, and @releaseDomain fires. */
  domainDied(domid: number): void {
    this.#onHypervisor(() => this.store.domainDied(domid));
  }

  /** The hypervisor says that a domain is shut down: @releaseDomain fires, its nodes stay. */
  domainShutdown(domid: number): void {
    this.#onHypervisor(() => this.store.domainShutdown(domid));
  }

  #onHypervisor(change: () => void): void {
    this.#kernel.cpu.interrupt(CAUSE, () =>
      this.#kernel.cpu.exec(this.#kernel.era.costs.xenstoredPs, CAUSE, () => {
        change();
        this.#flush();
      }),
    );
  }

  #ask(type: number, payload: string, done: (error: string | null) => void): void {
    const requestId = this.#nextRequest++;
    this.#introductions.set(requestId, done);
    this.#toolstack.send({ type, requestId, txId: 0, payload });
  }

  #add(source: Source): void {
    this.#sources.set(source.connection, source);
    source.connection.onOutput = () => this.#unsent.add(source.connection);
  }

  #forget(source: Source): void {
    source.connection.onOutput = null;
    this.#sources.delete(source.connection);
    this.#line.delete(source);
    this.#stalled.delete(source);
    this.#unsent.delete(source.connection);
  }

  #enqueue(source: Source): void {
    this.#line.add(source);
    if (this.#isServing) return;
    this.#isServing = true;
    this.#kernel.cpu.exec(0, CAUSE, () => this.#serve());
  }

  /** Takes one request of whoever is next. */
  #serve(): void {
    for (const source of this.#line) {
      this.#line.delete(source);
      if (this.store.mustWait(source.connection)) {
        this.#stalled.add(source);
        continue;
      }
      const message = source.take();
      if (message === null) {
        this.#notify(source);
        continue;
      }
      this.#kernel.cpu.exec(this.#kernel.era.costs.xenstoredPs, CAUSE, () => {
        this.store.handle(source.connection, message);
        if (this.#sources.has(source.connection)) this.#line.add(source);
        this.#flush();
        this.#serve();
      });
      return;
    }
    this.#isServing = false;
  }

  /** Sends what waits; who had too much outstanding may go on. */
  #flush(): void {
    for (const connection of this.#unsent) {
      this.#unsent.delete(connection);
      const source = this.#sources.get(connection);
      if (source === undefined) continue;
      source.flush();
      this.#notify(source);
    }
    for (const source of this.#stalled) {
      if (this.store.mustWait(source.connection)) continue;
      this.#stalled.delete(source);
      this.#enqueue(source);
    }
  }

  #notify({ connection }: Source): void {
    const served = this.#domains.get(connection);
    if (served === undefined || !served.ring.hasMoved) return;
    served.ring.hasMoved = false;
    this.#kernel.xen.notify(this.#kernel.cpu, served.port);
  }

  #introduce(connection: StoreConnection, _gfn: number, port: number, isNew: boolean): StoreError | null {
    const { xen, cpu } = this.#kernel;
    if (!isNew) return this.#rebind(connection, port);
    const [mapping] = xen.mapGrants(cpu, [{ domid: connection.domid, ref: STORE_GRANT_REF, readonly: false }]);
    if (mapping.status !== 0 || mapping.view === null) return 'EINVAL';
    const local = xen.bindInterdomain(cpu, connection.domid, port);
    if (local < 0) {
      xen.unmapGrants(cpu, [mapping.handle]);
      return 'EINVAL';
    }
    const ring = new ServedRing(connection, mapping.view);
    const source: ServedDomain = {
      connection,
      ring,
      mapHandle: mapping.handle,
      port: local,
      take: () => ring.take(),
      flush: () => ring.flush(),
    };
    this.#domains.set(connection, source);
    this.#add(source);
    xen.setHandler(local, () => this.#onEvent(source));
    return null;
  }

  #rebind(connection: StoreConnection, port: number): StoreError | null {
    const served = this.#domains.get(connection);
    if (served === undefined) return null;
    const { xen, cpu } = this.#kernel;
    xen.setHandler(served.port, null);
    xen.closePort(cpu, served.port);
    const local = xen.bindInterdomain(cpu, connection.domid, port);
    if (local < 0) return 'EINVAL';
    served.port = local;
    xen.setHandler(local, () => this.#onEvent(served));
    return null;
  }

  #reset(connection: StoreConnection): void {
    const served = this.#domains.get(connection);
    if (served === undefined) return;
    served.ring.reset();
    this.#notify(served);
  }

  #released(connection: StoreConnection): void {
    const served = this.#domains.get(connection);
    if (served === undefined) return;
    const { xen, cpu } = this.#kernel;
    this.#domains.delete(connection);
    this.#forget(served);
    xen.setHandler(served.port, null);
    xen.closePort(cpu, served.port);
    xen.unmapGrants(cpu, [served.mapHandle]);
  }

  /** The guest sent something, took something, or wants to start over. */
  #onEvent(served: ServedDomain): void {
    if (served.ring.wantsReconnection && !served.connection.isIgnored) {
      served.connection.dropWatches();
      served.connection.dropTransactions();
      served.connection.dropOutput();
      served.ring.reset();
    }
    this.#unsent.add(served.connection);
    this.#flush();
    if (served.ring.isReadable) this.#enqueue(served);
  }
}

function drain(connection: StoreConnection, send: (message: StoreMessage) => void): void {
  for (let next = connection.next; next !== null; next = connection.next) {
    connection.sent();
    send(next);
  }
}
