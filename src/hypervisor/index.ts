/**
 * hypervisor: Xen. Domains, memory, hypercalls, grant tables, event channels, schedulers, xenstore, xenbus, toolstack, and the ABI of the split drivers' rings. Imports sim.
 *
 * What drivers see
 *   guest-kernel, guest-xen, memory-view, xenbus    a domain's kernel: CPUs, memory, hypercalls, devices
 *   eras                                            versions of Xen and what things cost
 */
export * from './eras.ts';
export type * from './guest-kernel.ts';
export type * from './guest-xen.ts';
export * from './memory-view.ts';
export * from './xenbus.ts';
