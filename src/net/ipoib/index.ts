/**
 * net/ipoib: IP over InfiniBand (RFC 4391, RFC 4392, RFC 4755).
 *
 *   device               the network device: what goes out and comes in, carrier
 *   options              how a device is set up; costs, counters
 *   subnet-access        what it asks of the subnet
 *   link-address         header, link address, multicast GIDs
 *   too-long             ICMP for packets that a neighbour does not take
 * Inside
 *   link                 what the parts of a device share;  open-link  makes it
 *   transmit-ring, receive-ring, datagram-receiver   buffers;  poll-rounds  interrupt and poll
 *   neighbours, groups   who is reached how
 *   send-connection, receive-connections, connection-messages   connected mode
 *   offloads             what the adapter does for a stack
 */
export { IpoibDevice } from './device.ts';
export * from './link-address.ts';
export * from './options.ts';
export type * from './subnet-access.ts';
export { answerTooLong } from './too-long.ts';
