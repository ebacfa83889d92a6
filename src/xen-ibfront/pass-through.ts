/**
 * A virtual function passed through to a guest (SR-IOV): the guest's own driver drives it, without any other domain. Its interrupts come to the guest's vCPU by way of the hypervisor, and
 * a guest that dies leaves a function that has been reset.
 */
import type { GuestKernel } from '../hypervisor/index.ts';
import type { Ps } from '../sim/index.ts';
import { type Adapter, Timers } from '../verbs/index.ts';

/** What a function (`HcaFunction`) is to the hypervisor. */
export interface PassableFunction extends Pick<Adapter, 'loop' | 'entity'> {
  passThrough(wakePs: Ps, onInterrupt: (atPs: Ps, deliver: (atPs: Ps) => void) => void): void;
  reset(): void;
}

/** Gives the function to the guest, before anybody opens it there. */
export function passThrough(virtual: PassableFunction, kernel: GuestKernel): void {
  const timers = new Timers(virtual.loop, virtual.entity);
  virtual.passThrough(kernel.era.costs.guestSwitchPs, (atPs, deliver) => {
    timers.at(atPs, () => kernel.cpu.interrupt('hca', () => deliver(kernel.cpu.nowPs)));
  });
  kernel.onDeath(() => virtual.reset());
}
