/**
 * xenbus: a domain's devices, found by watching its directories in xenstore, and the drivers told of them.
 */
import type { Xenbus } from './xenbus.ts';
import { BusStoreClient } from './xenbus-client.ts';
import { DeviceFinder } from './xenbus-finder.ts';
import type { StoreTransport } from './xenstore/transport.ts';

/** A domain's xenbus over a transport: a `RingTransport` in a guest, `XenstoreDaemon.connectLocal()` in xenstored's own domain. */
export function createXenbus(kernel: { readonly domid: number }, transport: StoreTransport): Xenbus {
  const store = new BusStoreClient(transport);
  const home = `/local/domain/${kernel.domid}`;
  const frontends = new DeviceFinder(store, {
    home,
    folder: 'device',
    depth: 2,
    linkKey: 'backend',
    domidKey: 'backend-id',
    isBackend: false,
  });
  const backends = new DeviceFinder(store, {
    home,
    folder: 'backend',
    depth: 3,
    linkKey: 'frontend',
    domidKey: 'frontend-id',
    isBackend: true,
  });
  return {
    store,
    registerFrontend: (type, probe) => frontends.register(type, probe),
    registerBackend: (type, probe) => backends.register(type, probe),
  };
}
