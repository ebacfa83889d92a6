/**
 * hypervisor: Xen. Domains, memory, hypercalls, grant tables, event channels, schedulers, xenstore, xenbus, toolstack, and the ABI of the split drivers' rings. Imports sim.
 *
 * What drivers see
 *   guest-kernel, guest-xen, memory-view, xenbus    a domain's kernel: CPUs, memory, hypercalls, devices
 *   eras                                            versions of Xen and what things cost
 * The core
 *   machine, domain, domain-kernel                  life of domains; what a domain is; its kernel's implementation of what drivers see
 *   account                                         hypercalls, events and grant operations counted
 *   memory, grant-table, event-channels             frames and page tables; grants; events
 *   virtual-cpu                                     what the core asks of a virtual CPU
 */
export * from './account.ts';
export * from './domain.ts';
export * from './eras.ts';
export type * from './guest-kernel.ts';
export type * from './guest-xen.ts';
export * from './machine.ts';
export * from './memory-view.ts';
export type * from './virtual-cpu.ts';
export * from './xenbus.ts';
