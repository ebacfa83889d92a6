/**
 * What an IPoIB device asks of the subnet: path records and multicast membership. A subnet administrator will serve this by datagrams to its queue pair 1;
 * until there is one, the static configuration answers.
 */
import type { Gid, MulticastGroup, PathRecord } from '../../verbs/index.ts';
import type { Ps } from '../../sim/index.ts';

export interface SubnetAccess {
  /**
   * A path record (IBA 15.2.5.16) between two GIDs in a partition. `reply` is called once, at once or from an event of the same node, with the time from which
   * the answer is known, and null where there is no path.
   */
  queryPath(sgid: Gid, dgid: Gid, pkey: number, atPs: Ps, reply: (path: PathRecord | null, atPs: Ps) => void): void;
  /**
   * Joins the port `portGid` to a group (MCMemberRecord, IBA 15.2.5.17), which is made where it does not exist. `sendOnly`: as a sender that receives nothing.
   * null: refused.
   */
  join(mgid: Gid, portGid: Gid, sendOnly: boolean, atPs: Ps, reply: (group: MulticastGroup | null, atPs: Ps) => void): void;
  leave(mgid: Gid, portGid: Gid, atPs: Ps): void;
}
