/**
 * xenbus: a domain's devices, found by watching its directories in xenstore, and the drivers told of them.
 */
import { InvariantError } from '../sim/index.ts';
import type { Xenbus } from './xenbus.ts';
import type { BusKernel, StoreTransport } from './xenstore/transport.ts';

/** A domain's xenbus over a transport: a `RingTransport` in a guest, `XenstoreDaemon.connectLocal()` in xenstored's own domain. */
export function createXenbus(_kernel: BusKernel, _transport: StoreTransport): Xenbus {
  throw new InvariantError('being written');
}
