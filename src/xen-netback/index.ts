/**
 * xen-netback: the driver domain's half of Xen's network device. Imports sim, net, hypervisor.
 *
 *   netback        registration with xenbus       device   what an interface is to the driver domain
 *   vif            one guest's interface: features, connection, death; the NetDevice that a bridge or router gets
 *   frontend-keys  what a guest published, checked
 *   queue          a queue's mapped rings and event channels
 *   transmit       from the guest: fetches packets by grant, hands them on, answers
 *   tx-parse       what a guest's requests may look like
 *   receive, flip  to the guest: queue, copies or page transfers, answers
 *   credit         the rate limit
 *   offload        what a guest claims about checksums, checked
 *   hash-control   the control ring: which queue a packet goes to
 */
export type { NetbackOptions, Vif, VifConfig, VifCounters } from './device.ts';
export * from './netback.ts';
