/**
 * xen-ibback: the driver domain's half of VMM-bypass verbs: it owns the adapter, and does for guests what only a privileged driver may. Imports sim, verbs, hypervisor.
 *
 *   ibback       registration with xenbus, and a device's life: connect, close, death of the guest
 *   channel      one connected device: commands in, answers, events and datagrams out
 *   carry-out    what each command means to the adapter's driver, and what it costs
 *   page-lists   frames that a guest names, and the check that they are its own
 */
export * from './channel.ts';
export * from './ibback.ts';
export * from './page-lists.ts';
