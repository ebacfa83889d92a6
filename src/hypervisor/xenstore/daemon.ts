/**
 * xenstored in its domain (dom0): serves the rings of domains, dom0's own clients, and byte streams from outside, a request at a time, each for its price on dom0's CPU.
 */
import { InvariantError } from '../../sim/index.ts';
import type { BusKernel, StoreTransport } from './transport.ts';

export interface XenstoredOptions {
  /** dom0's kernel. */
  readonly kernel: BusKernel;
  /** Whether the hypervisor has a domain, introduced to xenstored or not. */
  readonly domainExists: (domid: number) => boolean;
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

export class XenstoreDaemon {
  constructor(_options: XenstoredOptions) {}
  /** For dom0's kernel and toolstack: requests go to the store without a ring. */
  connectLocal(): StoreTransport {
    throw new InvariantError('being written');
  }
  /** For a client outside of the simulation: dom0's rights. */
  connectStream(_sink: StreamSink): StreamEnd {
    throw new InvariantError('being written');
  }
  /** XS_INTRODUCE, as the toolstack sends it: `port` is the domain's own port for xenstore. */
  introduce(_domid: number, _pfn: number, _port: number, _done?: (error: string | null) => void): void {
    throw new InvariantError('being written');
  }
  /** XS_RELEASE. */
  release(_domid: number, _done?: (error: string | null) => void): void {
    throw new InvariantError('being written');
  }
  /** The hypervisor says (VIRQ_DOM_EXC) that a domain is gone: its connection, watches and nodes go, and @releaseDomain fires. */
  domainDied(_domid: number): void {
    throw new InvariantError('being written');
  }
  /** The hypervisor says that a domain is shut down: @releaseDomain fires, its nodes stay. */
  domainShutdown(_domid: number): void {
    throw new InvariantError('being written');
  }
}
