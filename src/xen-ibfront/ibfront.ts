/**
 * Registration of the verbs frontend with xenbus, and the life of each device: pages and ports published, the doorbell page mapped when the backend is connected, everything
 * given back when either end closes.
 *
 * A program that has the device open when its backend goes away gets the asynchronous event DEVICE_FATAL, and ENODEV from privileged calls.
 */
import {
  EVENT_ASYNC,
  EVENT_COMPLETION,
  EVENT_OF_CQ,
  EVENT_OF_PORT,
  EVENT_OF_QP,
  type GuestKernel,
  VIB_TYPE,
  type VibEvent,
  XENBUS_STATE,
  type XenbusDevice,
  type XenbusDriverInstance,
  type XenbusState,
} from '../hypervisor/index.ts';
import type { Ps, SimThread } from '../sim/index.ts';
import {
  type Adapter,
  type Context,
  EventType,
  openContext,
  openKernelContext,
  type OwnedObjects,
  type UarSpace,
} from '../verbs/index.ts';
import type { AdapterParts } from './adapter-parts.ts';
import { type Caller, KernelCaller, ThreadCaller } from './caller.ts';
import { type ChannelEvents, FrontChannel } from './channel.ts';
import { GuestAdapter } from './guest-adapter.ts';
import { GuestFrames } from './guest-frames.ts';

type PathSl = NonNullable<Parameters<typeof openContext>[2]>;

export interface IbfrontOptions {
  /** The machine's doorbell pages. */
  readonly uars: UarSpace;
  /** Name of the guest, in the names of its connection manager and reports. */
  readonly nodeName: string;
  /** Called each time a device has become usable. */
  readonly onDevice: (device: IbfrontDevice) => void;
  /** It is so no longer. */
  readonly onGone?: (device: IbfrontDevice) => void;
}

/** Drives all `vib` devices of a domain from now on. */
export function registerIbfront(kernel: GuestKernel, options: IbfrontOptions): void {
  kernel.xenbus.registerFrontend(VIB_TYPE, (device) => new IbfrontDevice(kernel, device, options));
}

export class IbfrontDevice implements XenbusDriverInstance, ChannelEvents {
  /** The device's number in xenstore. */
  readonly handle: number;
  /** What the backend did wrong, if it was cut off for it. */
  broken: string | null = null;
  readonly #kernel: GuestKernel;
  readonly #device: XenbusDevice;
  readonly #options: IbfrontOptions;
  #channel: FrontChannel | null = null;
  #frames: GuestFrames | null = null;
  #parts: AdapterParts | null = null;

  constructor(kernel: GuestKernel, device: XenbusDevice, options: IbfrontOptions) {
    this.#kernel = kernel;
    this.#device = device;
    this.#options = options;
    this.handle = Number(device.id);
  }

  /** The device as `ibv_devinfo` names it; null while it is not usable. */
  get name(): string | null {
    return this.#parts?.config.deviceName ?? null;
  }

  /** Commands sent over the channel so far. */
  get commands(): number {
    return this.#channel?.commands ?? 0;
  }

  /** `ibv_open_device` for the program on `thread`; null while the device is not usable. */
  openContext(thread: SimThread, pathSl?: PathSl): Context | null {
    const adapter = this.#open(new ThreadCaller(thread, this.#kernel.era.costs.guestSwitchPs));
    return adapter === null ? null : openContext(adapter, thread, pathSl);
  }

  /** Verbs for the guest's own kernel code, such as IPoIB; null while the device is not usable. */
  openKernelContext(pathSl?: PathSl): Context | null {
    const adapter = this.#open(new KernelCaller(this.#kernel.cpu));
    return adapter === null ? null : openKernelContext(adapter, this.#kernel.cpu, pathSl);
  }

  otherEndChanged(state: XenbusState): void {
    switch (state) {
      case XENBUS_STATE.initWait:
        this.#begin();
        break;
      case XENBUS_STATE.connected:
        this.#connected();
        break;
      case XENBUS_STATE.closing:
      case XENBUS_STATE.closed:
        this.#end();
        if (this.#device.state !== XENBUS_STATE.closed) this.#device.setState(XENBUS_STATE.closed);
        break;
    }
  }

  removed(): void {
    this.#end();
  }

  onEvent(event: VibEvent, atPs: Ps): void {
    const parts = this.#parts;
    if (parts === null) return;
    if (event.kind === EVENT_COMPLETION) parts.completions.get(event.number)?.(atPs);
    else if (event.kind === EVENT_ASYNC) this.#async(parts, event, atPs);
  }

  onMad(event: VibEvent, bytes: Uint8Array, atPs: Ps): void {
    this.#parts?.madPorts.get(event.b)?.arrived(event, bytes, atPs);
  }

  onBroken(reason: string): void {
    this.broken = reason;
    this.#end();
    this.#device.fatal(reason);
  }

  #open(caller: Caller): GuestAdapter | null {
    if (this.#parts === null) return null;
    const adapter = new GuestAdapter(this.#parts, caller);
    adapter.open();
    return adapter;
  }

  #begin(): void {
    if (this.#channel !== null) return;
    this.#kernel.cpu.exec(0, 'ibfront', () => {
      if (this.#channel !== null) return;
      try {
        this.#channel = new FrontChannel(this.#kernel, this.#device.otherEndDomid, this);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        this.#device.fatal(`no room for the device: ${error.message}`);
        return;
      }
      this.#frames = new GuestFrames(this.#kernel, this.#device.otherEndDomid);
      this.#device.publish(this.#channel.keys, XENBUS_STATE.connected);
    });
  }

  #connected(): void {
    if (this.#channel === null || this.#parts !== null) return;
    this.#device.readOther(['doorbell'], ({ doorbell }) => {
      const objects = this.#options.uars.at(Number(doorbell));
      if (this.#channel === null || this.#parts !== null) return;
      if (objects === undefined) this.onBroken('the backend names no doorbell page');
      else this.#ready(this.#channel, this.#frames as GuestFrames, objects);
    });
  }

  #ready(channel: FrontChannel, frames: GuestFrames, objects: OwnedObjects): void {
    this.#parts = {
      objects,
      channel,
      frames,
      config: this.#guestConfig(objects.hca),
      completions: new Map(),
      madPorts: new Map(),
      listeners: new Set(),
    };
    this.#options.onDevice(this);
  }

  /** The adapter's own figures, but that privileged calls cost the program a system call, and the rest is the channel's and the driver domain's. */
  #guestConfig({ config }: Adapter): Adapter['config'] {
    const { syscallPs, guestSwitchPs } = this.#kernel.era.costs;
    const { registerPagePs } = config.profile;
    // Pinning and translating is the guest kernel's work here, and again the driver domain's.
    const profile = {
      ...config.profile,
      controlPs: syscallPs,
      registerPs: syscallPs,
      registerPagePs,
      interruptPs: guestSwitchPs,
    };
    return { ...config, nodeName: this.#options.nodeName, profile };
  }

  #async({ objects, listeners }: AdapterParts, event: VibEvent, atPs: Ps): void {
    const { type, number, a, b: portNum } = event;
    const element = this.#elementOf(objects, a, number);
    if (element === undefined) return;
    for (const adapter of listeners) if (adapter.owns(element)) adapter.onAsyncEvent?.({ type, atPs, element, portNum });
  }

  #elementOf(objects: OwnedObjects, kind: number, number: number): object | null | undefined {
    if (kind === EVENT_OF_PORT) return null;
    if (kind === EVENT_OF_QP) return objects.findQp(number);
    return kind === EVENT_OF_CQ ? objects.findCq(number) : objects.findSrq(number);
  }

  /** The device is gone: in an item of the CPU, since pages and ports are given back. */
  #end(): void {
    const channel = this.#channel;
    const frames = this.#frames;
    const parts = this.#parts;
    this.#channel = null;
    this.#frames = null;
    this.#parts = null;
    if (channel === null) return;
    this.#kernel.cpu.exec(0, 'ibfront', () => {
      channel.close();
      frames?.close();
      const { nowPs } = this.#kernel.cpu;
      for (const adapter of parts?.listeners ?? [])
        adapter.onAsyncEvent?.({ type: EventType.DEVICE_FATAL, atPs: nowPs, element: null, portNum: 0 });
    });
    if (parts !== null) this.#options.onGone?.(this);
  }
}
