/**
 * xen-netback: the driver domain's half of Xen's network device. Imports sim, net, hypervisor.
 *
 *   netback        registration with xenbus
 *   vif            one guest's interface: features, connection, death; the NetDevice that a bridge or router gets
 *   queue          a queue's mapped rings and event channels
 *   transmit       from the guest: checks every slot, fetches the packet, answers
 *   tx-parse       what a guest's requests may look like
 *   receive        to the guest: queue, copies or transfers, answers
 *   credit         the rate limit
 *   offload        checksums and segments for guests that take neither blank nor large
 *   hash-control   the control ring: which queue a packet goes to
 */
export * from './netback.ts';
