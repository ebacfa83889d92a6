/**
 * The control ring: tells the backend which queue each flow goes to, by a Toeplitz hash with a key and a table of this end's choice.
 */
import {
  CTRL_SET_HASH_ALGORITHM,
  CTRL_SET_HASH_FLAGS,
  CTRL_SET_HASH_KEY,
  CTRL_SET_HASH_MAPPING,
  CTRL_SET_HASH_MAPPING_SIZE,
  CTRL_SLOT_BYTES,
  CTRL_SUCCESS,
  DEFAULT_HASH_KEY,
  FrontRing,
  type GuestKernel,
  HASH_TOEPLITZ,
  HASH_TYPES_ALL,
  readCtrlResponse,
  writeCtrlRequest,
} from '../hypervisor/index.ts';
import { openPort, sharePage, unsharePage } from './queue.ts';

const MAPPING_SIZE = 128;

type Message = readonly [type: number, data0: number, data1: number, data2: number];

export class HashControl {
  readonly #kernel: GuestKernel;
  readonly #page: { readonly pfn: number; readonly ref: number };
  /** Key at 0, then the table, a page each. */
  readonly #key: { readonly pfn: number; readonly ref: number };
  readonly #table: { readonly pfn: number; readonly ref: number };
  readonly #port: number;
  readonly #ring: FrontRing;
  readonly #onBroken: (why: string) => void;
  readonly #queue: Message[] = [];
  #nextId = 0;
  #isOpen = true;
  /** Whether the backend took every message so far. */
  isAccepted = true;

  /** Throws `RangeError` where pages, grants or event channels are used up. */
  constructor(kernel: GuestKernel, domid: number, queues: number, onBroken: (why: string) => void) {
    this.#kernel = kernel;
    this.#onBroken = onBroken;
    this.#port = openPort(kernel, domid, 0);
    this.#page = sharePage(kernel, domid);
    this.#key = sharePage(kernel, domid);
    this.#table = sharePage(kernel, domid);
    this.#ring = new FrontRing(kernel.pages(this.#page.pfn, 1), CTRL_SLOT_BYTES);
    kernel.pages(this.#key.pfn, 1).write(0, DEFAULT_HASH_KEY);
    const table = kernel.pages(this.#table.pfn, 1);
    for (let i = 0; i < MAPPING_SIZE; i++) table.setU32(4 * i, i % queues);
    kernel.xen.setHandler(this.#port, () => this.#receive());
  }

  get keys(): Readonly<Record<string, number>> {
    return { 'ctrl-ring-ref': this.#page.ref, 'event-channel-ctrl': this.#port };
  }

  /** Once the backend is connected. One message at a time. */
  start(): void {
    if (this.#nextId > 0) return;
    this.#queue.push(
      [CTRL_SET_HASH_ALGORITHM, HASH_TOEPLITZ, 0, 0],
      [CTRL_SET_HASH_FLAGS, HASH_TYPES_ALL, 0, 0],
      [CTRL_SET_HASH_KEY, this.#key.ref, DEFAULT_HASH_KEY.length, 0],
      [CTRL_SET_HASH_MAPPING_SIZE, MAPPING_SIZE, 0, 0],
      [CTRL_SET_HASH_MAPPING, this.#table.ref, MAPPING_SIZE, 0],
    );
    this.#send();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#kernel.xen.setHandler(this.#port, null);
    this.#kernel.xen.closePort(this.#kernel.cpu, this.#port);
    for (const page of [this.#page, this.#key, this.#table]) unsharePage(this.#kernel, page);
  }

  #send(): void {
    const message = this.#queue.shift();
    if (message === undefined) return;
    const [type, ...data] = message;
    writeCtrlRequest(this.#ring.view, this.#ring.nextRequest(), { id: this.#nextId++, type, data });
    this.#kernel.cpu.exec(0, 'netfront', () => {
      if (this.#isOpen && this.#ring.pushRequests()) this.#kernel.xen.notify(this.#kernel.cpu, this.#port);
    });
  }

  #receive(): void {
    const ring = this.#ring;
    do {
      if (ring.isOverrun) {
        this.#onBroken('illegal number of control responses');
        return;
      }
      for (; ring.unconsumedResponses > 0; ring.rspCons = (ring.rspCons + 1) >>> 0) {
        const response = readCtrlResponse(ring.view, ring.slot(ring.rspCons));
        if (response.status !== CTRL_SUCCESS) this.isAccepted = false;
        this.#send();
      }
    } while (ring.finalCheckForResponses());
  }
}
