/**
 * net: network devices, protocol stacks, and sockets for programs. Imports sim, wire, verbs.
 *
 *   device       what a network device is;  ethernet  frames;  arp, neighbour  link addresses of neighbours
 *   stack        the IPv4 stack of one kernel: interface (a device in it), routes, path-mtu, reassembly, forward (routing), offload (what a device leaves to do)
 *   icmp, icmp-message, icmp-errno  echo and errors;  udp, ports
 *   bridge       a learning bridge, for the vifs of a host
 *   costs        what all that costs in CPU time;  bytes, ipv4  fields, addresses, checksums
 */
export * from './bridge.ts';
export * from './bytes.ts';
export * from './costs.ts';
export type * from './device.ts';
export * from './ethernet.ts';
export * from './interface.ts';
export * from './ipoib/index.ts';
export * from './offload.ts';
export type * from './program-net.ts';
export * from './socket-types.ts';
export * from './sockets.ts';
export * from './stack.ts';
export * from './tcp-params.ts';
