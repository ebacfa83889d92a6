/**
 * What the parts of one IPoIB device share: the port, its partition, the objects on the adapter, accounts.
 */
import type { KernelCpu, Ps } from '../../sim/index.ts';
import type { Context, Gid, ProtectionDomain, QueuePair } from '../../verbs/index.ts';
import type { IpoibCosts, IpoibCounters } from './options.ts';
import type { SubnetAccess } from './subnet-access.ts';
import type { TransmitRing } from './transmit-ring.ts';

/** What the driver's CPU time is charged to, and its name in breakdowns. */
export const CAUSE = 'IPoIB';

export interface Link {
  readonly context: Context;
  readonly cpu: KernelCpu;
  readonly subnet: SubnetAccess;
  readonly costs: IpoibCosts;
  readonly counters: IpoibCounters;
  readonly pd: ProtectionDomain;
  /** The queue pair of datagrams. */
  readonly qp: QueuePair<'UD'>;
  readonly tx: TransmitRing;
  readonly portNum: number;
  readonly pkey: number;
  readonly pkeyIndex: number;
  readonly gid: Gid;
  readonly lid: number;
  /** Of the broadcast group; 0 until it is joined. */
  qkey: number;
  /** Largest packet in a datagram. */
  datagramMtu: number;
}

/** Calls `handle` in an item when an answer of the subnet is known: a datagram's interrupt, and the work of reading it. */
export function whenKnown(link: Link, atPs: Ps, handle: () => void): void {
  link.cpu.setTimer(atPs, () => {
    link.cpu.spend(link.costs.answerPs, CAUSE);
    handle();
  });
}
