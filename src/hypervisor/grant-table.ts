/**
 * A domain's grant table: the entries that it writes into frames it shares with the hypervisor, and what the hypervisor knows about those in use.
 *
 * Entries are the guest's memory and may say anything at any time. What counts for a grant in use is its *active entry*: who uses it, how often and for what, and which
 * frame was behind it when it was first used. The hypervisor shows use to the guest by GTF_reading and GTF_writing: in the entry's
 * flags (version 1) or in a word of the status frames (version 2). After xen/common/grant_table.c.
 */
import { ERRNO } from './abi/numbers.ts';
import {
  GNTST_bad_page,
  GNTST_general_error,
  GNTST_okay,
  GNTTAB_NR_RESERVED_ENTRIES,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_sub_page,
  GTF_transitive,
  GTF_type_mask,
  GTF_writing,
} from './abi/grant.ts';
import type { Frame, MachineMemory } from './machine-memory.ts';
import { Maptrack } from './maptrack.ts';

/** Entries of each version, and status words, in a frame. */
const V1_PER_FRAME = 512;
const V2_PER_FRAME = 256;
const STATUS_PER_FRAME = 2048;

/** Pin counts of an active entry: four 8-bit counters in a word. */
export const PIN_HOST_WRITE = 1;
export const PIN_HOST_READ = 1 << 8;
export const PIN_DEVICE_WRITE = 1 << 16;
export const PIN_DEVICE_READ = 1 << 24;
const PIN_ANY_WRITE = 0x00ff00ff;
/** A counter at 128 or more counts no further. */
const PIN_OVERFLOW = 0x80808080;

export interface GrantLimits {
  /** Highest version that a guest may set. */
  readonly maxVersion: 1 | 2;
  /** Frames of entries at most. */
  readonly maxFrames: number;
  /** Mappings of others' grants at most. */
  readonly maxMappings: number;
}

export class GrantTable {
  readonly domid: number;
  readonly limits: GrantLimits;
  /** Mappings that this domain has of others' grants. */
  readonly maptrack: Maptrack;
  version: 1 | 2 = 1;
  /** Frames of entries, and of status words; the guest finds them by GNTTABOP_setup_table and GNTTABOP_get_status_frames. */
  readonly frames: Frame[] = [];
  readonly statusFrames: Frame[] = [];

  // Active entries, by reference.
  #pin = new Uint32Array(0);
  #user = new Uint16Array(0);
  #start = new Uint16Array(0);
  #length = new Uint16Array(0);
  #isSubPage = new Uint8Array(0);
  #frame: (Frame | null)[] = [];
  /** Transitive grants in use: the domain and reference behind; -1 for others. */
  #behindDomid = new Int32Array(0);
  #behindRef = new Uint32Array(0);

  readonly #machine: MachineMemory;

  constructor(machine: MachineMemory, domid: number, limits: GrantLimits) {
    this.#machine = machine;
    this.domid = domid;
    this.limits = limits;
    this.maptrack = new Maptrack(limits.maxMappings);
  }

  /** References are below this. */
  get entryCount(): number {
    return this.frames.length * (this.version === 1 ? V1_PER_FRAME : V2_PER_FRAME);
  }

  /** Makes the table at least `frames` frames large; false if it may not or memory is short. */
  grow(frames: number): boolean {
    if (frames > this.limits.maxFrames) return false;
    while (this.frames.length < frames) {
      if (!this.#machine.reserve(1)) return false;
      this.frames.push(this.#machine.take(this.domid, true));
    }
    this.#growActive(frames * V1_PER_FRAME);
    return this.version === 1 || this.#growStatus();
  }

  #growStatus(): boolean {
    const needed = Math.ceil((this.frames.length * V2_PER_FRAME) / STATUS_PER_FRAME);
    while (this.statusFrames.length < needed) {
      if (!this.#machine.reserve(1)) return false;
      this.statusFrames.push(this.#machine.take(this.domid, true));
    }
    return true;
  }

  #growActive(count: number): void {
    if (count <= this.#pin.length) return;
    const grown = <T extends Uint8Array | Uint16Array | Uint32Array | Int32Array>(old: T, wider: T): T => {
      wider.set(old);
      return wider;
    };
    this.#pin = grown(this.#pin, new Uint32Array(count));
    this.#user = grown(this.#user, new Uint16Array(count));
    this.#start = grown(this.#start, new Uint16Array(count));
    this.#length = grown(this.#length, new Uint16Array(count));
    this.#isSubPage = grown(this.#isSubPage, new Uint8Array(count));
    this.#behindDomid = grown(this.#behindDomid, new Int32Array(count).fill(-1));
    this.#behindRef = grown(this.#behindRef, new Uint32Array(count));
    while (this.#frame.length < count) this.#frame.push(null);
  }

  // Entries, as the guest wrote them just now.

  flags(ref: number): number {
    return this.version === 1
      ? ((this.frames[ref >>> 9] as Frame).halves[(ref & 511) << 2] as number)
      : ((this.frames[ref >>> 8] as Frame).halves[(ref & 255) << 3] as number);
  }

  setFlags(ref: number, flags: number): void {
    if (this.version === 1) (this.frames[ref >>> 9] as Frame).halves[(ref & 511) << 2] = flags;
    else (this.frames[ref >>> 8] as Frame).halves[(ref & 255) << 3] = flags;
  }

  /** The domain that the entry grants to. */
  grantee(ref: number): number {
    return this.version === 1
      ? ((this.frames[ref >>> 9] as Frame).halves[((ref & 511) << 2) + 1] as number)
      : ((this.frames[ref >>> 8] as Frame).halves[((ref & 255) << 3) + 1] as number);
  }

  /** Machine frame number in the entry. May be anything. */
  mfn(ref: number): number {
    if (this.version === 1) return (this.frames[ref >>> 9] as Frame).words[((ref & 511) << 1) + 1] as number;
    const { words } = this.frames[ref >>> 8] as Frame;
    const i = (ref & 255) << 2;
    return (words[i + 2] as number) + (words[i + 3] as number) * 2 ** 32;
  }

  setMfn(ref: number, mfn: number): void {
    if (this.version === 1) (this.frames[ref >>> 9] as Frame).words[((ref & 511) << 1) + 1] = mfn;
    else {
      const { words } = this.frames[ref >>> 8] as Frame;
      const i = (ref & 255) << 2;
      words[i + 2] = mfn;
      words[i + 3] = 0;
    }
  }

  /** A word of 16 bits of a version 2 entry: 2 is page_off or trans_domid, 3 is length. */
  half(ref: number, index: 2 | 3): number {
    return (this.frames[ref >>> 8] as Frame).halves[((ref & 255) << 3) + index] as number;
  }

  /** `transitive.gref` of a version 2 entry. */
  transitiveRef(ref: number): number {
    return (this.frames[ref >>> 8] as Frame).words[((ref & 255) << 2) + 2] as number;
  }

  // Use of an entry, shown to the guest.

  showUse(ref: number, flags: number): void {
    if (this.version === 1) this.setFlags(ref, this.flags(ref) | flags);
    else {
      const { halves } = this.statusFrames[ref >>> 11] as Frame;
      halves[ref & 2047] = (halves[ref & 2047] as number) | flags;
    }
  }

  hideUse(ref: number, flags: number): void {
    if (this.version === 1) this.setFlags(ref, this.flags(ref) & ~flags);
    else {
      const { halves } = this.statusFrames[ref >>> 11] as Frame;
      halves[ref & 2047] = (halves[ref & 2047] as number) & ~flags;
    }
  }

  // Active entries.

  pinCount(ref: number): number {
    return this.#pin[ref] as number;
  }
  user(ref: number): number {
    return this.#user[ref] as number;
  }
  activeFrame(ref: number): Frame {
    return this.#frame[ref] as Frame;
  }
  activeStart(ref: number): number {
    return this.#start[ref] as number;
  }
  activeLength(ref: number): number {
    return this.#length[ref] as number;
  }
  behindDomid(ref: number): number {
    return this.#behindDomid[ref] as number;
  }
  behindRef(ref: number): number {
    return this.#behindRef[ref] as number;
  }

  /** GNTST_general_error if an entry in use is another's, or its counters are full, or (`forMap`) only a part of its page is granted. */
  checkInUse(ref: number, user: number, forMap: boolean): number {
    const pin = this.#pin[ref] as number;
    if (pin === 0) return GNTST_okay;
    const isBad = this.#user[ref] !== user || (pin & PIN_OVERFLOW) !== 0 || (forMap && this.#isSubPage[ref] === 1);
    return isBad ? GNTST_general_error : GNTST_okay;
  }

  /** Whether an entry must be looked at again: it is not in use, or not for writing though that is wanted now. */
  needsStatus(ref: number, isReadonly: boolean): boolean {
    const pin = this.#pin[ref] as number;
    return pin === 0 || (!isReadonly && (pin & PIN_ANY_WRITE) === 0);
  }

  /** Checks the guest's entry and shows the use in it (_set_status). */
  setStatus(ref: number, isReadonly: boolean, forMap: boolean, user: number): number {
    const flags = this.flags(ref);
    if (this.#pin[ref] === 0) {
      const type = flags & (forMap ? GTF_type_mask | GTF_sub_page : GTF_type_mask);
      const isGrant = type === GTF_permit_access || (this.version === 2 && type === GTF_transitive);
      if (!isGrant || this.grantee(ref) !== user) return GNTST_general_error;
    }
    if (!isReadonly && (flags & GTF_readonly) !== 0) return GNTST_general_error;
    this.showUse(ref, isReadonly ? GTF_reading : GTF_reading | GTF_writing);
    return GNTST_okay;
  }

  /** After a failure: takes back what `setStatus` showed, as far as nothing else uses the entry. */
  undoStatus(ref: number, isReadonly: boolean): void {
    const pin = this.#pin[ref] as number;
    const writing = !isReadonly && (pin & PIN_ANY_WRITE) === 0 ? GTF_writing : 0;
    const flags = writing | (pin === 0 ? GTF_reading : 0);
    if (flags !== 0) this.hideUse(ref, flags);
  }

  /** Begins the use of an entry that was not in use. */
  activate(ref: number, user: number, frame: Frame, start: number, length: number, isSubPage: boolean): void {
    this.#user[ref] = user;
    this.#frame[ref] = frame;
    this.#start[ref] = start;
    this.#length[ref] = length;
    this.#isSubPage[ref] = isSubPage ? 1 : 0;
    this.#behindDomid[ref] = -1;
  }

  /** Notes what a transitive grant leads to. */
  setBehind(ref: number, domid: number, behindRef: number): void {
    this.#behindDomid[ref] = domid;
    this.#behindRef[ref] = behindRef;
  }

  addPin(ref: number, count: number): void {
    this.#pin[ref] = (this.#pin[ref] as number) + count;
  }

  /** Takes pins away, and what the guest sees of them. */
  removePin(ref: number, count: number, isReadonly: boolean): void {
    const pin = (this.#pin[ref] as number) - count;
    this.#pin[ref] = pin;
    const writing = !isReadonly && (pin & PIN_ANY_WRITE) === 0 ? GTF_writing : 0;
    const flags = writing | (pin === 0 ? GTF_reading : 0);
    if (flags !== 0) this.hideUse(ref, flags);
    if (pin === 0) this.#frame[ref] = null;
  }

  /** The frame that `mfn` names, if it is a page of this domain's. */
  frameOf(mfn: number): Frame | null {
    const frame = this.#machine.frame(mfn);
    return frame === null || frame.owner !== this.domid || frame.isXen ? null : frame;
  }

  /** Begins use of a whole page that an entry names: GNTST_bad_page if it is not the domain's. */
  activatePage(ref: number, user: number): number {
    const frame = this.frameOf(this.mfn(ref));
    if (frame === null) return GNTST_bad_page;
    this.activate(ref, user, frame, 0, 4096, false);
    return GNTST_okay;
  }

  /** References in use. */
  get activeCount(): number {
    return this.#pin.reduce((count, pin) => count + (pin === 0 ? 0 : 1), 0);
  }

  /**
   * GNTTABOP_set_version: 0 or a negative errno. Entries are wiped but for the reserved ones, which are rewritten.
   */
  setVersion(version: number): number {
    if (version !== 1 && version !== 2) return -ERRNO.EINVAL;
    if (version > this.limits.maxVersion) return -ERRNO.ENOSYS;
    if (version === this.version) return 0;
    for (let ref = GNTTAB_NR_RESERVED_ENTRIES; ref < this.#pin.length; ref++) if (this.#pin[ref] !== 0) return -ERRNO.EBUSY;
    const reserved = this.#readReserved();
    if (reserved === null) return -ERRNO.ERANGE;
    if (version === 1) this.#dropStatusFrames();
    this.version = version;
    if (version === 2 && !this.#growStatus()) {
      this.#dropStatusFrames();
      this.version = 1;
      return -ERRNO.ENOMEM;
    }
    for (const frame of this.frames) frame.bytes.fill(0);
    for (const [ref, entry] of reserved.entries()) this.#writeReserved(ref, entry);
    return 0;
  }

  #readReserved(): { flags: number; domid: number; mfn: number }[] | null {
    const entries: { flags: number; domid: number; mfn: number }[] = [];
    for (let ref = 0; ref < Math.min(GNTTAB_NR_RESERVED_ENTRIES, this.entryCount); ref++) {
      const flags = this.flags(ref);
      const type = flags & GTF_type_mask;
      if (this.version === 2 && (type === GTF_transitive || (type === GTF_permit_access && this.mfn(ref) >= 2 ** 32)))
        return null;
      const isKept = this.version === 1 || type === GTF_permit_access;
      const shown = this.version === 2 ? ((this.statusFrames[0] as Frame).halves[ref] as number) : 0;
      entries.push(
        isKept ? { flags: flags | shown, domid: this.grantee(ref), mfn: this.mfn(ref) } : { flags: 0, domid: 0, mfn: 0 },
      );
    }
    return entries;
  }

  #writeReserved(ref: number, entry: { flags: number; domid: number; mfn: number }): void {
    const use = entry.flags & (GTF_reading | GTF_writing);
    this.setFlags(ref, this.version === 1 ? entry.flags : entry.flags & ~(GTF_reading | GTF_writing));
    if (this.version === 2) this.showUse(ref, use);
    this.setGrantee(ref, entry.domid);
    this.setMfn(ref, entry.mfn);
  }

  setGrantee(ref: number, domid: number): void {
    if (this.version === 1) (this.frames[ref >>> 9] as Frame).halves[((ref & 511) << 2) + 1] = domid;
    else (this.frames[ref >>> 8] as Frame).halves[((ref & 255) << 3) + 1] = domid;
  }

  #dropStatusFrames(): void {
    for (const frame of this.statusFrames) this.onDropFrame?.(frame);
    for (const frame of this.statusFrames) this.#machine.drop(frame);
    this.statusFrames.length = 0;
  }
  /** Told before a frame of the table goes: whoever maps it must let go. */
  onDropFrame: ((frame: Frame) => void) | null = null;

  /** GNTTABOP_swap_grant_ref of two entries that are in range and not in use. */
  swap(a: number, b: number): void {
    const size = this.version === 1 ? 8 : 16;
    const shift = this.version === 1 ? 9 : 8;
    const place = (ref: number) => {
      const start = (ref & ((1 << shift) - 1)) * size;
      return (this.frames[ref >>> shift] as Frame).bytes.subarray(start, start + size);
    };
    const kept = place(a).slice();
    place(a).set(place(b));
    place(b).set(kept);
  }
}
