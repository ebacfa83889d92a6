/**
 * The guest's side of its own grant table: references that are free, and entries written as bytes, in the order that the protocol asks for (flags last).
 * The table grows by a frame when references run out; that is not charged.
 */
import {
  GTF_accept_transfer,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_transfer_completed,
  GTF_writing,
  GNTTAB_NR_RESERVED_ENTRIES,
} from './abi/grant.ts';
import type { GrantTable } from './grant-table.ts';
import { type DomainMemory, PAGE_OWN } from './memory.ts';
import { PAGE_SIZE } from './memory-view.ts';

export class GuestGrants {
  readonly #memory: DomainMemory;
  readonly #table: GrantTable;
  /** Where the frames of the table are, and those of status words. */
  readonly #tablePfn: number;
  readonly #statusPfn: number;
  readonly #free: number[] = [];
  /** References below this are in the free list or in use. */
  #known: number;
  #version: 1 | 2 = 1;

  constructor(memory: DomainMemory, table: GrantTable, tablePfn: number, statusPfn: number) {
    this.#memory = memory;
    this.#table = table;
    this.#tablePfn = tablePfn;
    this.#statusPfn = statusPfn;
    this.#known = GNTTAB_NR_RESERVED_ENTRIES;
    this.mapFrames();
  }

  /** Sees to it that every frame of the table is in the page table. */
  mapFrames(): void {
    for (const [i, frame] of this.#table.frames.entries())
      if (frame.pfn < 0) this.#memory.place(this.#tablePfn + i, frame, PAGE_OWN);
    for (const [i, frame] of this.#table.statusFrames.entries())
      if (frame.pfn < 0) this.#memory.place(this.#statusPfn + i, frame, PAGE_OWN);
    this.#version = this.#table.version;
  }

  /** After a change of version nothing is granted any more, but for the reserved entries. */
  forget(): void {
    this.#free.length = 0;
    this.#known = GNTTAB_NR_RESERVED_ENTRIES;
    this.mapFrames();
  }

  /** Grants a page; throws `RangeError` when the table is full. */
  grantAccess(domid: number, mfn: number, readonly: boolean): number {
    const ref = this.#take();
    this.write(ref, domid, mfn, readonly ? GTF_permit_access | GTF_readonly : GTF_permit_access);
    return ref;
  }

  grantTransfer(domid: number): number {
    const ref = this.#take();
    this.write(ref, domid, 0, GTF_accept_transfer);
    return ref;
  }

  /** Writes an entry of a whole page. */
  write(ref: number, domid: number, mfn: number, flags: number): void {
    const at = this.#at(ref);
    const memory = this.#memory;
    memory.setU16(at + 2, domid);
    if (this.#version === 1) memory.setU32(at + 4, mfn);
    else {
      memory.setU32(at + 8, mfn);
      memory.setU32(at + 12, 0);
    }
    memory.setU16(at, flags);
  }

  endAccess(ref: number): boolean {
    const at = this.#at(ref);
    const inUse = this.#version === 1 ? this.#memory.u16(at) : this.#memory.u16(this.#statusPfn * PAGE_SIZE + 2 * ref);
    if ((inUse & (GTF_reading | GTF_writing)) !== 0) return false;
    this.#memory.setU16(at, 0);
    this.#free.push(ref);
    return true;
  }

  /** The frame that came, or null; the reference is free in any case. */
  endTransfer(ref: number): number | null {
    const at = this.#at(ref);
    const hasCome = (this.#memory.u16(at) & GTF_transfer_completed) !== 0;
    const mfn = this.#memory.u32(at + (this.#version === 1 ? 4 : 8));
    this.#memory.setU16(at, 0);
    this.#free.push(ref);
    return hasCome ? mfn : null;
  }

  #at(ref: number): number {
    return this.#tablePfn * PAGE_SIZE + ref * (this.#version === 1 ? 8 : 16);
  }

  #take(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#known === this.#table.entryCount) {
      if (!this.#table.grow(this.#table.frames.length + 1))
        throw new RangeError(`domain ${this.#table.domid}: the grant table is full`);
      this.mapFrames();
    }
    return this.#known++;
  }
}
