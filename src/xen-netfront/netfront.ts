/** Registration of the network frontend with xenbus: a driver for each `vif` device; an interface outlives the devices that it comes back as. */
import type { GuestKernel } from '../hypervisor/index.ts';
import type { NetfrontOptions } from './device.ts';
import { NetfrontInterface } from './interface.ts';

/** Drives all `vif` devices of a domain from now on. */
export function registerNetfront(kernel: GuestKernel, options: NetfrontOptions): void {
  const interfaces = new Map<string, NetfrontInterface>();
  kernel.xenbus.registerFrontend('vif', (device) => {
    let netfront = interfaces.get(device.id);
    if (netfront === undefined) {
      netfront = new NetfrontInterface(kernel, device.id, options);
      interfaces.set(device.id, netfront);
    }
    return netfront.attach(device);
  });
}
