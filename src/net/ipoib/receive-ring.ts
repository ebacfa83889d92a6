/**
 * Receive buffers: one memory region cut into slots, each posted as one work request, as one piece or (connected mode) as page-sized fragments.
 */
import { Access, type MemoryRegion, type ProtectionDomain, type RecvRequest } from '../../verbs/index.ts';

const PAGE = 4096;

export class ReceiveRing {
  readonly slots: number;
  readonly slotBytes: number;
  readonly #mr: MemoryRegion;
  readonly #requests: RecvRequest[];

  /** `firstId` is added to slot numbers in work request ids, so that rings can share a completion queue; `fragments` 1: one piece a slot. */
  constructor(pd: ProtectionDomain, slots: number, slotBytes: number, firstId: number, fragments: number) {
    this.slots = slots;
    this.slotBytes = slotBytes;
    const mr = pd.regMr(slots * slotBytes, Access.LOCAL_WRITE);
    this.#mr = mr;
    const piece = fragments === 1 ? slotBytes : Math.ceil(slotBytes / fragments / PAGE) * PAGE;
    this.#requests = Array.from({ length: slots }, (_, slot) => {
      const sge = [];
      for (let at = 0; at < slotBytes; at += piece) sge.push(mr.sge(slot * slotBytes + at, Math.min(piece, slotBytes - at)));
      return { wrId: firstId + slot, sge };
    });
  }

  /** The work request of a slot. */
  request(slot: number): RecvRequest {
    return this.#requests[slot] as RecvRequest;
  }

  /** All of them. */
  get requests(): readonly RecvRequest[] {
    return this.#requests;
  }

  /** The live bytes that hold all slots. */
  get bytes(): Uint8Array {
    return this.#mr.bytes;
  }

  close(): void {
    this.#mr.close();
  }
}
