/**
 * Frames that a guest names for the adapter to use: a chain of list pages, each granted. The backend maps one after the other, copies what it says, and checks that every frame is the guest's.
 * The frames themselves are never mapped: the adapter reaches them by machine address.
 */
import { type GuestKernel, LIST_ENTRIES, listCount, listFrame, listNext } from '../hypervisor/index.ts';

/** Whether a frame is one of the domain's own: asked of the hypervisor. */
export type OwnsFrame = (domid: number, frame: number) => boolean;

/** Most pages that one command may name: 4 GiB. */
export const MOST_PAGES = 2 ** 20;

/** Reads `pages` frames from the chain that begins at grant `list`, in an item of the kernel's CPU. False for a chain that is too short or too long, cannot be mapped, or names a frame of others. */
export function checkFrames(kernel: GuestKernel, domid: number, list: number, pages: number, owns: OwnsFrame): boolean {
  if (pages < 1 || pages > MOST_PAGES) return false;
  let left = pages;
  for (let ref = list; left > 0; ) {
    const next = checkList(kernel, domid, ref, Math.min(left, LIST_ENTRIES), owns);
    if (next === null) return false;
    left -= Math.min(left, LIST_ENTRIES);
    ref = next;
  }
  return true;
}

/** Checks a page that must name exactly `count` frames; gives the grant of the next page, null if something is wrong. */
function checkList(kernel: GuestKernel, domid: number, ref: number, count: number, owns: OwnsFrame): number | null {
  const { cpu, xen } = kernel;
  const [mapping] = xen.mapGrants(cpu, [{ domid, ref, readonly: true }]);
  if (mapping === undefined || mapping.status !== 0 || mapping.view === null) return null;
  const page = mapping.view;
  let isGood = listCount(page) === count;
  const next = listNext(page);
  for (let i = 0; isGood && i < count; i++) {
    const frame = listFrame(page, i);
    isGood = frame < 2n ** 40n && owns(domid, Number(frame));
  }
  xen.unmapGrants(cpu, [mapping.handle]);
  return isGood ? next : null;
}
