/**
 * What IPoIB devices ask of the subnet, answered from the address book of the cluster (static configuration) until a subnet administrator does.
 *
 * Paths are those of rdma_cm. Every IPoIB group exists, in every partition: MTU of the whole fabric, Q_Key 0x0b1b, and one of the routed multicast LIDs, onto which MGIDs are hashed. Every
 * port is in every multicast tree, so packets reach ports that have not joined, whose adapters drop them; membership costs nothing and is refused to nobody.
 */
import type { SubnetAccess } from '../net/index.ts';
import { mgidPkey } from '../net/index.ts';
import type { Directory } from './directory.ts';
import { BROADCAST_QKEY, directoryOf, groupOf, LOOKUP_PS } from './directory.ts';

export function subnetAccessOf(directory: Directory): SubnetAccess {
  const { paths } = directoryOf(directory);
  return {
    queryPath: (sgid, dgid, pkey, atPs, reply) => paths.resolve({ sgid, dgid, pkey, serviceId: 0n }, atPs, reply),
    join: (mgid, _portGid, _sendOnly, atPs, reply) => {
      const pkey = mgidPkey(mgid);
      const group = groupOf(directory, mgid);
      reply(pkey === undefined ? group : { ...group, pkey, qkey: BROADCAST_QKEY }, atPs + LOOKUP_PS);
    },
    leave: () => undefined,
  };
}
