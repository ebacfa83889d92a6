/**
 * What protocol processing costs in CPU time. One set per kernel; every figure in ps.
 *
 * The defaults are assumed, for a server of 2005 to 2012: about one microsecond a packet and layer, half a nanosecond a byte copied. docs/model-net.md
 * has the table with reasons.
 */
import type { Ps } from '../sim/index.ts';

export interface NetCosts {
  /** Entering and leaving the kernel. */
  readonly syscallPs: Ps;
  /** Copying between user and kernel memory. */
  readonly copyPsPerByte: Ps;
  /** Summing bytes where no device does it. */
  readonly checksumPsPerByte: Ps;
  /** Waking a thread that waits on a socket. */
  readonly wakePs: Ps;
  readonly ipTxPs: Ps;
  readonly ipRxPs: Ps;
  /** Route look-up and header of a packet that passes through. */
  readonly forwardPs: Ps;
  /** Building a TCP packet, GSO or not. */
  readonly tcpTxPs: Ps;
  /** Receiving a TCP packet with data. */
  readonly tcpRxPs: Ps;
  /** Receiving a TCP packet without data. */
  readonly tcpAckRxPs: Ps;
  readonly udpTxPs: Ps;
  readonly udpRxPs: Ps;
  readonly icmpTxPs: Ps;
  readonly icmpRxPs: Ps;
  readonly arpPs: Ps;
  /** Cutting one segment off a GSO packet, or one fragment off a datagram, in software. */
  readonly segmentPs: Ps;
  /** Looking up and forwarding a packet in a bridge, for each port that it goes out of. */
  readonly bridgePs: Ps;
}

/** Assumed: a server of 2005 to 2012. */
export const DEFAULT_NET_COSTS: NetCosts = {
  syscallPs: 400_000,
  copyPsPerByte: 500,
  checksumPsPerByte: 500,
  wakePs: 1_000_000,
  ipTxPs: 500_000,
  ipRxPs: 500_000,
  forwardPs: 700_000,
  tcpTxPs: 1_200_000,
  tcpRxPs: 1_500_000,
  tcpAckRxPs: 900_000,
  udpTxPs: 800_000,
  udpRxPs: 800_000,
  icmpTxPs: 600_000,
  icmpRxPs: 600_000,
  arpPs: 500_000,
  segmentPs: 400_000,
  bridgePs: 400_000,
};

/** No cost at all: for tests that look at protocols alone. */
export const FREE_NET_COSTS: NetCosts = Object.fromEntries(
  Object.keys(DEFAULT_NET_COSTS).map((name) => [name, 0]),
) as unknown as NetCosts;
