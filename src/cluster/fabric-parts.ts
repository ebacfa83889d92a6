/** Parts of a fabric that nothing joins: separate rails, or nodes that are cabled back to back. */
import type { SubnetIndex } from '../subnet/index.ts';

/** `hosts` (adapter ports by handle) by the part that they are in, in the order given. */
export function partsOf(index: SubnetIndex, hosts: readonly number[]): number[][] {
  const partOfSwitch = switchParts(index);
  const parts = new Map<string, number[]>();
  for (const host of hosts) {
    const at = index.adapterSwitch[host] as number;
    const key = at >= 0 ? `switches ${partOfSwitch[at]}` : `pair ${Math.min(host, index.adapterPeer[host] as number)}`;
    const known = parts.get(key);
    if (known === undefined) parts.set(key, [host]);
    else known.push(host);
  }
  return [...parts.values()];
}

/** A number for each switch, the same for those that links join. */
function switchParts({ switchCount, portBase, peerSwitch }: SubnetIndex): Int32Array {
  const part = new Int32Array(switchCount).fill(-1);
  for (let first = 0; first < switchCount; first++) {
    if (part[first] !== -1) continue;
    const open = [first];
    part[first] = first;
    for (let s = open.pop(); s !== undefined; s = open.pop())
      for (let slot = portBase[s] as number; slot < (portBase[s + 1] as number); slot++) {
        const next = peerSwitch[slot] as number;
        if (next < 0 || part[next] !== -1) continue;
        part[next] = first;
        open.push(next);
      }
  }
  return part;
}
