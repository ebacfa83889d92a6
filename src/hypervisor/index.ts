/**
 * hypervisor: Xen. Domains, memory, hypercalls, grant tables, event channels, schedulers, xenstore, xenbus, toolstack, and the ABI of the split drivers' rings. Imports sim.
 *
 * What drivers see
 *   guest-kernel, guest-xen, memory-view, xenbus    a domain's kernel: CPUs, memory, hypercalls, devices
 *   eras                                            versions of Xen and what things cost
 * The core
 *   abi/*                                           the binary interface as tables
 *   machine, domain, domain-builder, console        life of domains; what a domain is and how it begins
 *   machine-memory, memory, page-view               frames, what is behind a domain's page numbers, and views of them
 *   grant-table, grant-ops, maptrack                a table and its entries in use; what others do with them; what a domain has mapped
 *   event-channels, event-2l, event-fifo, vcpu-info ports and what they are bound to; how events are shown to the guest
 *   door, hypercalls/*                              hypercalls by number, arguments read from guest memory
 *   account                                         hypercalls, events and grant operations counted
 *   domain-kernel, hypercall-xen                    a kernel's implementation of what drivers see
 *   guest-grants, guest-events, page-allocator      the kernel's side of its grant table and of upcalls; its free pages
 *   virtual-cpu                                     what the core asks of a virtual CPU
 *
 * Split drivers' rings
 *   io/ring, io/joined-view                         Xen's I/O rings, both ends, for any device class
 *   io/page-pool, io/grant-release                 pages to show to the other end, and grants taken back from it
 *   io/netif, io/toeplitz                           slots of the network device, and its hash
 *   io/ibif, io/ib-events                           device channel of VMM-bypass verbs: commands, and events
 * xenstore and xenbus
 *   xenstore/*                                      the store, its wire protocol and rings, xenstored in dom0
 *   xenbus-*                                        devices and their drivers on top of it
 * Toolstack
 *   toolstack/*                                     guests described (xl.cfg), made, changed and ended; its own door
 */
export * from './abi/index.ts';
export * from './account.ts';
export * from './domain.ts';
export * from './domain-kernel.ts';
export type { Hypercall, HypercallHost } from './hypercalls/host.ts';
export * from './hypercall-xen.ts';
export * from './eras.ts';
export type * from './guest-kernel.ts';
export type * from './guest-xen.ts';
export * from './machine.ts';
export * from './memory.ts';
export * from './memory-view.ts';
export * from './sched/params.ts';
export type * from './virtual-cpu.ts';
export * from './xenbus.ts';
export * from './io/grant-release.ts';
export * from './io/ib-events.ts';
export * from './io/ibif.ts';
export * from './io/joined-view.ts';
export * from './io/netif.ts';
export * from './io/page-pool.ts';
export * from './io/ring.ts';
export * from './io/toeplitz.ts';
export * from './xenbus-bus.ts';
export * from './xenstore/abi.ts';
export * from './xenstore/daemon.ts';
export * from './xenstore/ring-transport.ts';
export * from './xenstore/store.ts';
export * from './xenstore/stream.ts';
export type * from './xenstore/transport.ts';
export * from './xenstore/wire.ts';
export * from './toolstack/index.ts';
