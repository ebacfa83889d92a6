/**
 * net: network devices, protocol stacks, and sockets for programs. Imports sim, wire, verbs.
 *
 *   device       what a network device is;  ethernet  frames;  arp, neighbour  link addresses of neighbours;  ipoib/  IP over InfiniBand
 *   stack        the IPv4 stack of one kernel (stack-types, stack-defaults): interface (a device in it), routes, path-mtu, reassembly, forward (routing),
 *                offload (what a device leaves to do);  ipv4, bytes  headers, addresses, checksums
 *   icmp, icmp-message, icmp-errno  echo and errors;  udp, ports
 *   tcp          connections and listeners;  tcb  all about one connection, worked on by tcp-input, tcp-ack, tcp-output, tcp-window, tcp-timeouts, tcp-close
 *   tcp-segment, tcp-buffers, tcp-scoreboard, tcp-rtt, tcp-congestion, lazy-timer, tcp-params  its parts, each for itself
 *   bridge       a learning bridge, for the vifs of a host
 *   socket-types the sockets API of programs;  program-net  makes it a part of `ProgramContext`
 *   sockets      makes them: socket-caller (system calls), tcp-socket, udp-socket, icmp-socket
 *   costs        what all that costs in CPU time
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
export type * from './stack-types.ts';
export * from './tcp-params.ts';
