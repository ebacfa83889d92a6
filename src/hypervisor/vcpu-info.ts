/**
 * Where each vCPU's `struct vcpu_info` is: in shared info for the first 32, or in a page of the guest's that it registered. Through it the hypervisor says that an upcall is
 * pending, and the guest masks upcalls.
 */
import { ERRNO } from './abi/numbers.ts';
import { SHARED_INFO, VCPU_INFO, XEN_LEGACY_MAX_VCPUS } from './abi/guest.ts';
import type { Ps } from '../sim/index.ts';
import type { Frame, MachineMemory } from './machine-memory.ts';
import { PAGE_SIZE } from './memory-view.ts';
import type { UpcallTarget } from './virtual-cpu.ts';

const UPCALL_PENDING = VCPU_INFO.at.evtchn_upcall_pending;
const UPCALL_MASK = VCPU_INFO.at.evtchn_upcall_mask;
const PENDING_SEL = VCPU_INFO.at.evtchn_pending_sel;

interface Place {
  readonly frame: Frame;
  readonly offset: number;
  readonly isRegistered: boolean;
}

export class VcpuInfos {
  /** vCPUs of the domain. */
  readonly count: number;
  /** Who is kicked, by vCPU; filled by the machine. */
  readonly targets: UpcallTarget[] = [];
  readonly #places: (Place | null)[];
  readonly #machine: MachineMemory;

  constructor(machine: MachineMemory, sharedInfo: Frame, count: number) {
    this.#machine = machine;
    this.count = count;
    this.#places = Array.from({ length: count }, (_, vcpu) =>
      vcpu < XEN_LEGACY_MAX_VCPUS
        ? { frame: sharedInfo, offset: SHARED_INFO.at.vcpu_info + vcpu * VCPU_INFO.size, isRegistered: false }
        : null,
    );
  }

  /** VCPUOP_register_vcpu_info: once for each vCPU. Pending events go along. The builder, before the vCPU can run, does not kick. */
  register(vcpu: number, frame: Frame | null, offset: number, atPs: Ps, mayKick = true): number {
    if (offset > PAGE_SIZE - VCPU_INFO.size || (offset & 7) !== 0) return -ERRNO.EINVAL;
    const old = this.#places[vcpu] as Place | null;
    if (old?.isRegistered === true || frame === null) return -ERRNO.EINVAL;
    if (old === null) frame.bytes.fill(0, offset, offset + VCPU_INFO.size);
    else frame.bytes.set(old.frame.bytes.subarray(old.offset, old.offset + VCPU_INFO.size), offset);
    this.#machine.pin(frame);
    this.#places[vcpu] = { frame, offset, isRegistered: true };
    frame.bytes[offset + UPCALL_PENDING] = 0;
    if (!mayKick) return 0;
    // Events may have been lost on the way: the guest looks at everything.
    frame.words[(offset + PENDING_SEL) >>> 2] = 0xffffffff;
    frame.words[((offset + PENDING_SEL) >>> 2) + 1] = 0xffffffff;
    this.markPending(vcpu, atPs);
    return 0;
  }

  /** The domain dies: pages of it are let go. */
  release(): void {
    for (const [vcpu, place] of this.#places.entries()) {
      if (place?.isRegistered === true) this.#machine.unpin(place.frame);
      this.#places[vcpu] = null;
    }
  }

  /** vcpu_mark_events_pending: sets the flag, and kicks if it was not set. */
  markPending(vcpu: number, atPs: Ps): void {
    const place = this.#places[vcpu] as Place | null;
    if (place === null) return;
    const at = place.offset + UPCALL_PENDING;
    if (place.frame.bytes[at] !== 0) return;
    place.frame.bytes[at] = 1;
    (this.targets[vcpu] as UpcallTarget).kick(atPs);
  }

  /** Sets a bit of `evtchn_pending_sel`; true if it was not set. */
  select(vcpu: number, bit: number): boolean {
    const place = this.#places[vcpu] as Place | null;
    if (place === null) return false;
    const at = ((place.offset + PENDING_SEL) >>> 2) + (bit >>> 5);
    const mask = 1 << (bit & 31);
    const old = place.frame.words[at] as number;
    place.frame.words[at] = old | mask;
    return (old & mask) === 0;
  }

  /** The frame and offset of a vCPU's info; null where it has none. */
  place(vcpu: number): { readonly frame: Frame; readonly offset: number } | null {
    return this.#places[vcpu] ?? null;
  }

  /** `evtchn_upcall_pending` and `evtchn_upcall_mask`. */
  isPending(vcpu: number): boolean {
    const place = this.#places[vcpu] as Place | null;
    return place !== null && place.frame.bytes[place.offset + UPCALL_PENDING] !== 0;
  }
  isMasked(vcpu: number): boolean {
    const place = this.#places[vcpu] as Place | null;
    return place !== null && place.frame.bytes[place.offset + UPCALL_MASK] !== 0;
  }
  setMasked(vcpu: number, isMasked: boolean): void {
    const place = this.#places[vcpu] as Place | null;
    if (place !== null) place.frame.bytes[place.offset + UPCALL_MASK] = isMasked ? 1 : 0;
  }
}
