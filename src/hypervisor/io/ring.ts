/**
 * Xen's I/O rings, both ends, by the rules of io/ring.h: one shared page (or several) with four counters and a circle of slots,
 * in which the back's responses overwrite the front's requests.
 *
 *   0 req_prod   4 req_event   8 rsp_prod   12 rsp_event   (u32 each)   64 … slots
 *
 * All counters run free modulo 2^32; slot = counter & (size − 1). Each end keeps its own producer and consumer outside of the page, since the other end may write
 * anything into it at any time. An *event* counter says: notify me when your producer passes this. `FrontRing` and `BackRing` know nothing of what a slot
 * means: a device class gives the slot's size, and reads and writes its slots at `ring.slot(counter)` of `ring.view`.
 */
import type { MemoryView } from '../memory-view.ts';

const REQ_PROD = 0;
const REQ_EVENT = 4;
const RSP_PROD = 8;
const RSP_EVENT = 12;
/** Bytes before the first slot. */
export const RING_HEADER = 64;

/** Slots of a ring in `bytes` of shared memory: the largest power of two that fits (`__CONST_RING_SIZE`). */
export function ringSize(bytes: number, slotBytes: number): number {
  const fit = Math.floor((bytes - RING_HEADER) / slotBytes);
  return 2 ** (31 - Math.clz32(fit));
}

/** `SHARED_RING_INIT`: what a front does to a fresh page before it tells anybody. `index` is where the counters start; 0 but for tests. */
export function initSharedRing(view: MemoryView, index = 0): void {
  view.fill(0, RING_HEADER, 0);
  view.setU32(REQ_PROD, index >>> 0);
  view.setU32(REQ_EVENT, (index + 1) >>> 0);
  view.setU32(RSP_PROD, index >>> 0);
  view.setU32(RSP_EVENT, (index + 1) >>> 0);
}

/** True if a counter that went from `from` to `to` passed `event` (`RING_PUSH_…_AND_CHECK_NOTIFY`). */
export function passedEvent(from: number, to: number, event: number): boolean {
  return (to - event) >>> 0 < (to - from) >>> 0;
}

/** The end that asks. */
export class FrontRing {
  readonly view: MemoryView;
  /** Slots. */
  readonly size: number;
  /** Counter of the next request to write; visible to the back after `pushRequests`. */
  reqProdPvt: number;
  /** Counter of the next response to read. */
  rspCons: number;
  readonly #slotBytes: number;

  /** On an initialised page (`FRONT_RING_ATTACH`); `index` is where both private counters stand. */
  constructor(view: MemoryView, slotBytes: number, index = 0) {
    this.view = view;
    this.size = ringSize(view.length, slotBytes);
    this.reqProdPvt = index >>> 0;
    this.rspCons = index >>> 0;
    this.#slotBytes = slotBytes;
  }

  /** Offset of a counter's slot in `view`. */
  slot(counter: number): number {
    return RING_HEADER + (counter & (this.size - 1)) * this.#slotBytes;
  }

  /** Requests that can be written now. */
  get free(): number {
    return this.size - ((this.reqProdPvt - this.rspCons) >>> 0);
  }

  /** Takes the next slot for a request and returns its offset. The caller has seen that one is free. */
  nextRequest(): number {
    const at = this.slot(this.reqProdPvt);
    this.reqProdPvt = (this.reqProdPvt + 1) >>> 0;
    return at;
  }

  /** Requests written but not pushed. */
  get unpushed(): number {
    return (this.reqProdPvt - this.view.u32(REQ_PROD)) >>> 0;
  }

  /** Shows the requests written so far to the back; true if it wants to be notified. */
  pushRequests(): boolean {
    const from = this.view.u32(REQ_PROD);
    const to = this.reqProdPvt;
    this.view.setU32(REQ_PROD, to);
    return passedEvent(from, to, this.view.u32(REQ_EVENT));
  }

  /** Responses to read; more than `size` if the back is hostile or broken: see `isOverrun`. */
  get unconsumedResponses(): number {
    return (this.view.u32(RSP_PROD) - this.rspCons) >>> 0;
  }

  /** The back claims more responses than there can be (`RING_RESPONSE_PROD_OVERFLOW`, and more than were asked for). */
  get isOverrun(): boolean {
    return this.unconsumedResponses > (this.reqProdPvt - this.rspCons) >>> 0;
  }

  /** Requests that the back may still answer into, by its visible response counter: what its end of the ring holds. */
  get outstanding(): number {
    return (this.reqProdPvt - this.view.u32(RSP_PROD)) >>> 0;
  }

  /**
   * Before sleeping: asks to be notified at the `ahead`-th response from now, then looks again. True if there is work after all.
   * 1 is io/ring.h's; more saves notifications.
   */
  finalCheckForResponses(ahead = 1): boolean {
    if (this.unconsumedResponses !== 0) return true;
    this.setResponseEvent(ahead);
    return this.unconsumedResponses !== 0;
  }

  /** Asks to be notified when the response `ahead` from now is there. */
  setResponseEvent(ahead: number): void {
    this.view.setU32(RSP_EVENT, (this.rspCons + ahead) >>> 0);
  }
}

/** The end that answers. */
export class BackRing {
  readonly view: MemoryView;
  /** Slots. */
  readonly size: number;
  /** Counter of the next response to write; visible to the front after `pushResponses`. */
  rspProdPvt: number;
  /** Counter of the next request to read. */
  reqCons: number;
  readonly #slotBytes: number;

  /** `BACK_RING_ATTACH`; a back that takes over a ring in use starts at its `rsp_prod`. */
  constructor(view: MemoryView, slotBytes: number, index = 0) {
    this.view = view;
    this.size = ringSize(view.length, slotBytes);
    this.rspProdPvt = index >>> 0;
    this.reqCons = index >>> 0;
    this.#slotBytes = slotBytes;
  }

  /** Offset of a counter's slot in `view`. */
  slot(counter: number): number {
    return RING_HEADER + (counter & (this.size - 1)) * this.#slotBytes;
  }

  /** Counter up to which the front claims to have asked. */
  get requestProducer(): number {
    return this.view.u32(REQ_PROD);
  }

  /** The front claims more requests than the ring holds (`RING_REQUEST_PROD_OVERFLOW`): stop the device. */
  get isOverrun(): boolean {
    return (this.view.u32(REQ_PROD) - this.rspProdPvt) >>> 0 > this.size;
  }

  /** Requests that can be read: asked for, and not beyond what the answers given leave room for (`RING_HAS_UNCONSUMED_REQUESTS`). */
  get unconsumedRequests(): number {
    const asked = (this.view.u32(REQ_PROD) - this.reqCons) >>> 0;
    const room = this.size - ((this.reqCons - this.rspProdPvt) >>> 0);
    return Math.min(asked, Math.max(room, 0));
  }

  /** Takes the next slot for a response and returns its offset. */
  nextResponse(): number {
    const at = this.slot(this.rspProdPvt);
    this.rspProdPvt = (this.rspProdPvt + 1) >>> 0;
    return at;
  }

  /** Responses written but not pushed. */
  get unpushed(): number {
    return (this.rspProdPvt - this.view.u32(RSP_PROD)) >>> 0;
  }

  /** Shows the responses written so far to the front; true if it wants to be notified. */
  pushResponses(): boolean {
    const from = this.view.u32(RSP_PROD);
    const to = this.rspProdPvt;
    this.view.setU32(RSP_PROD, to);
    return passedEvent(from, to, this.view.u32(RSP_EVENT));
  }

  /** Before sleeping: asks to be notified at the next request, then looks again. True if there is work after all. */
  finalCheckForRequests(): boolean {
    if (this.unconsumedRequests !== 0) return true;
    this.setRequestEvent((this.reqCons + 1) >>> 0);
    return this.unconsumedRequests !== 0;
  }

  /** Asks to be notified when the front's producer passes `counter` − 1. */
  setRequestEvent(counter: number): void {
    this.view.setU32(REQ_EVENT, counter >>> 0);
  }
}
