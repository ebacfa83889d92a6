/**
 * Takes grants back when a device closes. The other end may still have a page mapped, for good if it is hostile; until it lets go the page
 * must not be used for anything else, so the driver asks again every second, as Linux does (`gnttab_add_deferred`).
 */
import type { GuestKernel } from '../guest-kernel.ts';
import type { Ps } from '../../sim/index.ts';

const RETRY_PS: Ps = 1e12;
/** Linux gives a page up for lost after this many tries. */
const TRIES = 60;

/** Revokes `ref`, now or as soon as the other end lets go; `done` runs then (free the page there). */
export function releaseGrant(kernel: GuestKernel, ref: number, done: () => void): void {
  if (kernel.xen.endAccess(ref)) {
    done();
    return;
  }
  let tries = 0;
  const again = (): void => {
    if (kernel.xen.endAccess(ref)) done();
    else if (++tries < TRIES) kernel.cpu.setTimer(kernel.cpu.nowPs + RETRY_PS, again);
  };
  kernel.cpu.setTimer(kernel.cpu.nowPs + RETRY_PS, again);
}
