/** Registration of the network frontend with xenbus. */
import type { GuestKernel } from '../hypervisor/index.ts';
import type { NetDevice } from '../net/index.ts';

export interface NetfrontCounters {
  packetsSent: number;
  packetsReceived: number;
  slotsSent: number;
  slotsReceived: number;
  /** Events sent to the backend, by what for. */
  notifiesTx: number;
  notifiesRx: number;
  dropped: number;
}

/** A guest's network interface. */
export interface NetfrontDevice extends NetDevice {
  /** The device's number in xenstore. */
  readonly handle: number;
  readonly counters: Readonly<NetfrontCounters>;
  /** Names what the backend did wrong, if it was cut off for it; else null. */
  readonly broken: string | null;
}

export interface NetfrontOptions {
  /** Called once for each interface that appears, before it connects; set `onReceive` and the others then. */
  readonly onDevice: (device: NetfrontDevice) => void;
  /** The interface was unplugged for good. */
  readonly onGone?: (device: NetfrontDevice) => void;
  /** Queues wanted; default: one a vCPU, as many as the backend and the era have. */
  readonly maxQueues?: number;
  /** Receive by page transfer where the backend offers both; default false. */
  readonly preferFlip?: boolean;
  /** Steer received packets by Toeplitz hash, set over the control ring; default false, as Linux. */
  readonly hashSteering?: boolean;
  /** Ask the backend to filter multicast, if it can; default false, as Linux. */
  readonly multicastControl?: boolean;
}

/** Drives all `vif` devices of a domain from now on. */
export function registerNetfront(kernel: GuestKernel, options: NetfrontOptions): void {
  kernel.xenbus.registerFrontend('vif', () => ({ otherEndChanged: () => {}, removed: () => {} }));
  void options;
}
