/**
 * Min-hop routing: every LID over a port that lies on a shortest path, ports evenly loaded (OpenSM's default engine).
 * It knows nothing of deadlock: on rings and tori its channel dependencies have cycles.
 */
import { balanceLfts, type ForwardingTables, newNextHops, type NextHopFinder, type NextHops, UNREACHED } from './forwarding.ts';
import type { SubnetIndex } from './graph.ts';
import type { LidPlan } from './lids.ts';

/** Forwarding tables by shortest paths. Where there is no path the entry is `NO_PORT`. */
export function routeMinHop(index: SubnetIndex, lids: LidPlan): ForwardingTables {
  return balanceLfts(index, lids, minHopFinder(index));
}

/** Hops between any two switches, row by row: from `a` to `b` at `a * switchCount + b`; `UNREACHED` where there is no way. */
export function hopMatrix(index: SubnetIndex): Uint16Array {
  const matrix = new Uint16Array(index.switchCount * index.switchCount);
  const find = minHopFinder(index);
  const next = newNextHops(index);
  for (let d = 0; d < index.switchCount; d++) {
    find(d, next);
    matrix.set(next.hops, d * index.switchCount);
  }
  return matrix;
}

/** Finds all ports on shortest paths to a switch, by a breadth-first search from it. */
export function minHopFinder(index: SubnetIndex): NextHopFinder {
  const queue = new Int32Array(index.switchCount);
  const { portBase, peerSwitch, switchCount } = index;
  return (destination: number, out: NextHops) => {
    const { hops, count, ports } = out;
    hops.fill(UNREACHED);
    hops[destination] = 0;
    queue[0] = destination;
    for (let head = 0, tail = 1; head < tail; head++) {
      const s = queue[head]!;
      for (let slot = portBase[s]! + 1; slot < portBase[s + 1]!; slot++) {
        const peer = peerSwitch[slot]!;
        if (peer < 0 || hops[peer] !== UNREACHED) continue;
        hops[peer] = hops[s]! + 1;
        queue[tail++] = peer;
      }
    }
    for (let s = 0; s < switchCount; s++) {
      const base = portBase[s]!;
      let n = 0;
      if (hops[s] !== UNREACHED && s !== destination) {
        const nearer = hops[s]! - 1;
        for (let slot = base + 1; slot < portBase[s + 1]!; slot++) {
          const peer = peerSwitch[slot]!;
          if (peer >= 0 && hops[peer] === nearer) ports[base + n++] = slot - base;
        }
      }
      count[s] = n;
    }
  };
}
