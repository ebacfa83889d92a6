/** Registration of the network backend with xenbus. */
import type { GuestKernel } from '../hypervisor/index.ts';
import type { NetbackOptions } from './device.ts';
import { VifInterface } from './vif.ts';

/** Serves all `vif` devices whose backend is this domain. */
export function registerNetback(kernel: GuestKernel, options: NetbackOptions): void {
  let ordinal = 0;
  kernel.xenbus.registerBackend('vif', (device) => new VifInterface(kernel, device, ordinal++, options));
}
