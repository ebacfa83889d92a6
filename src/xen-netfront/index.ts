/**
 * xen-netfront: the guest's half of Xen's network device. Imports sim, net, hypervisor.
 *
 *   netfront      registration with xenbus     device   what the interface is to its kernel
 *   interface     the device's life: connect, carrier, reconnect, close; the NetDevice
 *   queue         a queue's shared pages, grants and event channels, and their release
 *   transmit      the transmit ring      receive   the receive ring
 *   buffers       where received packets land: pages that Xen copies into, or pages that come by transfer
 *   hash-control  the control ring
 */
export type { NetfrontCounters, NetfrontDevice, NetfrontOptions } from './device.ts';
export * from './netfront.ts';
