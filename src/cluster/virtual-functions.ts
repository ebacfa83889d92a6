/** SR-IOV virtual functions of adapters: one for each guest device of mode `vf`, with GUIDs of its own, as a subnet manager gives them out as alias GUIDs. */
import type { HcaFunctionConfig } from '../hca/index.ts';
import type { Topology } from '../topology/index.ts';
import { guestDevice } from './places.ts';

/** Mellanox's OUI with a range that adapters and switches of a topology are not given. */
const FIRST_GUID = 0x0002c9f000000000n;
/** Room for a node GUID and the port GUIDs behind it. */
const GUIDS_EACH = 256n;

export interface VirtualFunction extends HcaFunctionConfig {
  readonly node: number;
  /** The adapter, by its position on the node. */
  readonly hca: number;
  /** Its place among the adapter's functions. */
  readonly index: number;
  readonly guest: string;
  /** The device's place in the guest's `ib` list. */
  readonly device: number;
}

/** All virtual functions, in the order of nodes and guests. */
export function virtualFunctions({ nodes }: Topology): VirtualFunction[] {
  const functions: VirtualFunction[] = [];
  for (const node of nodes) {
    const counts = new Map<number, number>();
    for (const guest of node.xen?.guests ?? [])
      guest.ib.forEach(({ mode, hca }, device) => {
        if (mode !== 'vf') return;
        const index = counts.get(hca) ?? 0;
        counts.set(hca, index + 1);
        const nodeGuid = FIRST_GUID + BigInt(functions.length) * GUIDS_EACH;
        const ports = node.hcas[hca]?.ports ?? [];
        const portGuids = ports.map(({ number }) => nodeGuid + BigInt(number));
        functions.push({
          node: node.index,
          hca,
          index,
          guest: guest.name,
          device,
          deviceName: guestDevice(device),
          nodeGuid,
          portGuids,
        });
      });
  }
  return functions;
}
