/**
 * net: network devices and protocol stacks. Imports sim, wire, verbs.
 *
 *   device   what a network device is
 */
export type * from './device.ts';
