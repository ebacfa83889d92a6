/**
 * How a client in a domain's kernel reaches xenstored: by the ring of its page, or, in xenstored's own domain, straight.
 */
import type { GuestKernel } from '../guest-kernel.ts';
import type { StoreMessage } from './wire.ts';

/** What xenstore's clients and its daemon need of a kernel; a kernel whose xenbus is still being made will do. */
export type BusKernel = Pick<GuestKernel, 'domid' | 'cpu' | 'xen' | 'pages' | 'onDeath'> & {
  readonly era: Pick<GuestKernel['era'], 'costs'>;
};

export interface StoreTransport {
  /** Queues a request. */
  send(message: StoreMessage): void;
  /** Who gets replies and watch events, in kernel context. */
  setReceiver(receive: (message: StoreMessage) => void): void;
}
