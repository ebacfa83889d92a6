/**
 * A guest's end of the ring to xenstored: requests into one ring, replies and watch events out of the other, an event channel between.
 */
import { InvariantError } from '../../sim/index.ts';
import type { BusKernel, StoreTransport } from './transport.ts';
import type { StoreMessage } from './wire.ts';

export class RingTransport implements StoreTransport {
  /** `pfn`: the shared page's frame (start_info's store_mfn); `port`: the guest's port (store_evtchn). */
  constructor(_kernel: BusKernel, _pfn: number, _port: number) {}
  send(_message: StoreMessage): void {
    throw new InvariantError('being written');
  }
  setReceiver(_receive: (message: StoreMessage) => void): void {
    throw new InvariantError('being written');
  }
}
