/**
 * Registration of the verbs backend with xenbus, and the life of each device: InitWait, the frontend's pages mapped and Connected, Closing, Closed.
 * Whatever ends a device (the guest closes it, dies, breaks the ring's rules) ends in `IbChannel.close`, which frees everything that the guest has on the adapter.
 */
import {
  type GuestKernel,
  type MemoryView,
  PAGE_SIZE,
  VIB_FRONT_KEYS,
  VIB_TYPE,
  VIB_VERSION,
  XENBUS_STATE,
  type XenbusDevice,
  type XenbusDriverInstance,
  type XenbusState,
} from '../hypervisor/index.ts';
import { type Adapter, DEFAULT_OWNER_QUOTA, OwnedObjects, type OwnerQuota, type UarSpace } from '../verbs/index.ts';
import { IbChannel } from './channel.ts';
import type { OwnsFrame } from './page-lists.ts';

export interface IbbackOptions {
  /** The adapter that a device stands for; undefined if the domain has none for it, and the device is closed. */
  readonly adapterFor: (device: XenbusDevice) => Adapter | undefined;
  /** Doorbell pages of the machine. */
  readonly uars: UarSpace;
  readonly ownsFrame: OwnsFrame;
  /** Most objects of each guest. */
  readonly quota?: OwnerQuota;
}

/** A driver domain's backends, for reports and tests. */
export class Ibback {
  /** Connected devices, by the backend's directory. */
  readonly channels = new Map<string, IbChannel>();
  /** Grants mapped and ports bound for guests. */
  mappedPages = 0;
  boundPorts = 0;
}

/** Serves all `vib` devices whose backend this domain is, from now on. */
export function registerIbback(kernel: GuestKernel, options: IbbackOptions): Ibback {
  const backends = new Ibback();
  kernel.onDeath(() => {
    for (const channel of backends.channels.values()) channel.objects.freeAll();
  });
  kernel.xenbus.registerBackend(VIB_TYPE, (device) => new IbbackDevice(kernel, device, options, backends));
  return backends;
}

interface Shared {
  readonly views: readonly MemoryView[];
  readonly handles: readonly number[];
  readonly ports: readonly number[];
}

class IbbackDevice implements XenbusDriverInstance {
  readonly #kernel: GuestKernel;
  readonly #device: XenbusDevice;
  readonly #options: IbbackOptions;
  readonly #backends: Ibback;
  readonly #adapter: Adapter | undefined;
  #channel: IbChannel | null = null;
  #shared: Shared | null = null;
  #doorbell = 0;
  #isConnecting = false;

  constructor(kernel: GuestKernel, device: XenbusDevice, options: IbbackOptions, backends: Ibback) {
    this.#kernel = kernel;
    this.#device = device;
    this.#options = options;
    this.#backends = backends;
    this.#adapter = options.adapterFor(device);
    if (this.#adapter === undefined) {
      device.fatal('this domain has no adapter for the device');
      return;
    }
    this.#publish();
  }

  #publish(): void {
    const { config } = this.#adapter as Adapter;
    const guid = config.nodeGuid.toString(16).padStart(16, '0');
    const values = { version: VIB_VERSION, 'adapter-name': config.deviceName, 'node-guid': guid };
    this.#device.publish(values, XENBUS_STATE.initWait);
  }

  otherEndChanged(state: XenbusState): void {
    if (this.#adapter === undefined) return;
    switch (state) {
      case XENBUS_STATE.initialising:
        // A frontend that was closed begins anew.
        if (this.#device.state === XENBUS_STATE.closed) this.#publish();
        break;
      case XENBUS_STATE.initialised:
      case XENBUS_STATE.connected:
        this.#begin();
        break;
      case XENBUS_STATE.closing:
        this.#disconnect();
        this.#device.setState(XENBUS_STATE.closing);
        break;
      case XENBUS_STATE.closed:
        this.#disconnect();
        this.#device.setState(XENBUS_STATE.closed);
        break;
    }
  }

  removed(): void {
    this.#disconnect();
  }

  #begin(): void {
    if (this.#channel !== null || this.#isConnecting || this.#device.state !== XENBUS_STATE.initWait) return;
    this.#isConnecting = true;
    this.#device.readOther(VIB_FRONT_KEYS, (values) => {
      const numbers = VIB_FRONT_KEYS.map((key) => parseNumber(values[key]));
      this.#kernel.cpu.exec(0, 'ibback', () => {
        this.#isConnecting = false;
        if (numbers.includes(-1)) this.#device.fatal('a key of the frontend is missing or no number');
        else this.#connect(numbers.slice(0, 4), numbers.slice(4));
      });
    });
  }

  #connect(refs: readonly number[], remotePorts: readonly number[]): void {
    const shared = this.#share(refs, remotePorts);
    if (shared === null) return;
    const { uars, ownsFrame, quota = DEFAULT_OWNER_QUOTA } = this.#options;
    const objects = new OwnedObjects(this.#adapter as Adapter, quota);
    const [ring, events, madOut, madIn] = shared.views as [MemoryView, MemoryView, MemoryView, MemoryView];
    const [commandPort, eventPort] = shared.ports as [number, number];
    this.#shared = shared;
    this.#channel = new IbChannel({
      kernel: this.#kernel,
      domid: this.#device.otherEndDomid,
      objects,
      ring,
      events,
      madOut,
      madIn,
      commandPort,
      eventPort,
      ownsFrame,
      onBroken: (reason) => this.#broken(reason),
    });
    this.#backends.channels.set(this.#device.path, this.#channel);
    this.#doorbell = uars.open(objects);
    this.#device.publish({ doorbell: this.#doorbell }, XENBUS_STATE.connected);
  }

  /** Maps the frontend's pages and binds its ports; all of them, or none and a fatal error. */
  #share(refs: readonly number[], remotePorts: readonly number[]): Shared | null {
    const { xen, cpu } = this.#kernel;
    const domid = this.#device.otherEndDomid;
    const mappings = xen.mapGrants(
      cpu,
      refs.map((ref) => ({ domid, ref, readonly: false })),
    );
    const handles = mappings.filter(({ status }) => status === 0).map(({ handle }) => handle);
    const ports = handles.length < refs.length ? [] : remotePorts.map((port) => xen.bindInterdomain(cpu, domid, port));
    const bound = ports.filter((port) => port >= 0);
    this.#backends.mappedPages += handles.length;
    this.#backends.boundPorts += bound.length;
    const views = mappings.map(({ view }) => view).filter((view) => view !== null && view.length === PAGE_SIZE);
    const shared = { views: views as MemoryView[], handles, ports: bound };
    if (views.length === refs.length && bound.length === remotePorts.length) return shared;
    this.#unshare(shared);
    this.#device.fatal(
      handles.length < refs.length ? 'a page of the frontend cannot be mapped' : 'a port of the frontend cannot be bound',
    );
    return null;
  }

  #unshare({ handles, ports }: Shared): void {
    const { xen, cpu } = this.#kernel;
    for (const port of ports) xen.closePort(cpu, port);
    if (handles.length > 0) xen.unmapGrants(cpu, handles);
    this.#backends.mappedPages -= handles.length;
    this.#backends.boundPorts -= ports.length;
  }

  #broken(reason: string): void {
    this.#disconnect();
    this.#device.fatal(reason);
  }

  #disconnect(): void {
    const shared = this.#shared;
    if (this.#channel === null || shared === null) return;
    this.#channel.close();
    this.#backends.channels.delete(this.#device.path);
    this.#options.uars.close(this.#doorbell);
    this.#channel = null;
    this.#shared = null;
    this.#kernel.cpu.exec(0, 'ibback', () => this.#unshare(shared));
  }
}

/** A grant reference or port as it stands in xenstore; −1 for anything else. */
function parseNumber(text: string | undefined): number {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : -1;
}
