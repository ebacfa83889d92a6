/** What a guest's network interface is to its kernel, and what the driver counts. */
import type { NetDevice } from '../net/index.ts';

export interface NetfrontCounters {
  packetsSent: number;
  packetsReceived: number;
  slotsSent: number;
  slotsReceived: number;
  /** Events sent to the backend, for requests on the transmit and on the receive ring. */
  notifiesTx: number;
  notifiesRx: number;
  /** Packets that could not be sent: too large, or no memory. */
  dropped: number;
  /** Received packets that made no sense, or whose bytes never came. */
  receiveErrors: number;
}

export function netfrontCounters(): NetfrontCounters {
  return {
    packetsSent: 0,
    packetsReceived: 0,
    slotsSent: 0,
    slotsReceived: 0,
    notifiesTx: 0,
    notifiesRx: 0,
    dropped: 0,
    receiveErrors: 0,
  };
}

/** A guest's network interface. */
export interface NetfrontDevice extends NetDevice {
  /** The device's number in xenstore. */
  readonly handle: number;
  readonly counters: Readonly<NetfrontCounters>;
  /** Queues in use; 0 while not connected. */
  readonly queueCount: number;
  /** Names what the backend did wrong, if it was cut off for it; else null. */
  readonly broken: string | null;
}

export interface NetfrontOptions {
  /** Called once for each interface that appears, before it connects; set `onReceive` and the others then. */
  readonly onDevice: (device: NetfrontDevice) => void;
  /** The interface is unplugged, or its backend's domain is gone. Should the device come again, so does the same object, without another call of `onDevice`. */
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
