/**
 * A guest's end of the ring to xenstored: requests into one ring, replies and watch events out of the other, an event channel between.
 */
import { RING_CONNECTION, RING_PAGE } from './abi.ts';
import { RingEnd } from './ring.ts';
import type { BusKernel, StoreTransport } from './transport.ts';
import { encodeMessage, MessageParser, type StoreMessage } from './wire.ts';
import type { MemoryView } from '../memory-view.ts';

export class RingTransport implements StoreTransport {
  readonly #kernel: BusKernel;
  readonly #page: MemoryView;
  readonly #ring: RingEnd;
  readonly #port: number;
  readonly #parser = new MessageParser();
  /** What the ring had no room for yet. */
  #unsent: Uint8Array[] = [];
  #isWriting = false;
  #isDead = false;
  #receive: (message: StoreMessage) => void = () => {};

  /** `pfn`: the shared page's frame (start_info's store_mfn); `port`: the guest's port (store_evtchn). */
  constructor(kernel: BusKernel, pfn: number, port: number) {
    this.#kernel = kernel;
    this.#page = kernel.pages(pfn, 1);
    this.#ring = new RingEnd(this.#page, 'guest');
    this.#port = port;
    kernel.xen.setHandler(port, () => this.#onEvent());
  }

  setReceiver(receive: (message: StoreMessage) => void): void {
    this.#receive = receive;
  }

  send(message: StoreMessage): void {
    this.#unsent.push(encodeMessage(message));
    this.#scheduleWriting();
  }

  /** The write is an item of its own: the requests of one item go out with one notification. */
  #scheduleWriting(): void {
    if (this.#isWriting || this.#unsent.length === 0) return;
    this.#isWriting = true;
    this.#kernel.cpu.exec(0, 'xenbus', () => {
      this.#isWriting = false;
      if (this.#write()) this.#kernel.xen.notify(this.#kernel.cpu, this.#port);
    });
  }

  #write(): boolean {
    // Until a reconnection is over the indices are xenstored's.
    if (this.#isDead || this.#page.u32(RING_PAGE.connection) !== RING_CONNECTION.connected) return false;
    let hasWritten = false;
    while (this.#unsent.length > 0) {
      const [bytes] = this.#unsent;
      const length = this.#ring.write(bytes);
      if (length === null) this.#isDead = true;
      if (length === null || length === 0) break;
      hasWritten = true;
      if (length === bytes.length) this.#unsent.shift();
      else this.#unsent[0] = bytes.subarray(length);
    }
    return hasWritten;
  }

  #onEvent(): void {
    let hasRead = false;
    while (!this.#isDead && this.#ring.isReadable) {
      const bytes = this.#ring.read(this.#parser.wanted);
      if (bytes === null) {
        this.#isDead = true;
        return;
      }
      hasRead = true;
      const message = this.#parser.take(bytes);
      if (message !== null) this.#receive(message);
      if (this.#parser.isBroken) this.#isDead = true;
    }
    const hasWritten = this.#write();
    if (hasRead || hasWritten) this.#kernel.xen.notify(this.#kernel.cpu, this.#port);
  }
}
