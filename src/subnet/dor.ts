/**
 * Dimension-order routing on meshes, tori and hypercubes: first along dimension 0 until the coordinate is right, then along
 * dimension 1, and so on; in a ring by the shorter way. Meshes and hypercubes are free of deadlock with one VL.
 *
 * A ring of a torus is not: its dependencies close. With `datelines` a path that crosses the seam of dimension d (between
 * the last coordinate and 0) has bit d of its SL set, and the SL2VL tables send SLs with bit d over VL 1 in that dimension,
 * the others over VL 0. No shortest path on VL 0 crosses the seam, and those on VL 1 leave out the far side, so neither VL closes the ring.
 *
 * Where the graph gives both ways round the same length, destinations with an even coordinate are reached upward.
 * Parallel links share the LIDs as in min-hop.
 */
import { balanceLfts, type ForwardingTables, type NextHopFinder, type NextHops, UNREACHED } from './forwarding.ts';
import { describeSlot, type SubnetIndex, subnetError } from './graph.ts';
import type { LidPlan } from './lids.ts';

/** Mesh, torus or hypercube, as found from the coordinates. */
export interface GridShape {
  /** Switches along each dimension. */
  readonly radix: readonly number[];
  /** Whether a dimension is a ring. */
  readonly wraps: readonly boolean[];
  /** Coordinates, switch by switch: dimension `d` of switch `s` at `s * radix.length + d`. */
  readonly coordinates: Int32Array;
  /** For each slot 2 × dimension, + 1 if it leads downward; −1 = no other switch there. In a dimension of two both ways count as upward. */
  readonly directions: Int8Array;
}

/** Service levels and VLs that a routing asks for. */
export interface PathLevels {
  /** SL from switch `a` to switch `b` at `a * switchCount + b`. */
  readonly pathSls: Uint8Array;
  /** VL for each output slot and SL, at `slot * 16 + sl`. */
  readonly vls: Uint8Array;
  /** Data VLs that every link must have. */
  readonly vlCount: number;
}

/** Forwarding tables in dimension order. @throws ConfigError when the coordinates do not describe the cables. */
export function routeDor(index: SubnetIndex, lids: LidPlan, shape: GridShape = gridShape(index)): ForwardingTables {
  return balanceLfts(index, lids, dorFinder(index, shape));
}

/** SLs and VLs of the dateline scheme. @throws ConfigError with more than four dimensions (an SL has four bits). */
export function datelineLevels(index: SubnetIndex, shape: GridShape): PathLevels {
  const dimensions = shape.radix.length;
  if (dimensions > 4) throw subnetError('routing.datelines', `${dimensions} dimensions do not fit the four bits of an SL`);
  const pathSls = new Uint8Array(index.switchCount * index.switchCount);
  for (let a = 0; a < index.switchCount; a++) {
    for (let b = 0; b < index.switchCount; b++) {
      let sl = 0;
      for (let d = 0; d < dimensions; d++) if (crossesSeam(shape, a, b, d)) sl |= 1 << d;
      pathSls[a * index.switchCount + b] = sl;
    }
  }
  const vls = new Uint8Array(index.peerSwitch.length * 16);
  shape.directions.forEach((direction, slot) => {
    if (direction < 0 || !shape.wraps[direction >> 1]) return;
    for (let sl = 0; sl < 16; sl++) vls[slot * 16 + sl] = (sl >> (direction >> 1)) & 1;
  });
  return { pathSls, vls, vlCount: shape.wraps.includes(true) ? 2 : 1 };
}

/**
 * Checks coordinates against cables.
 * @throws ConfigError when coordinates are missing or used twice, or a link joins switches that are no neighbours.
 */
export function gridShape(index: SubnetIndex): GridShape {
  const { switches } = index.graph;
  const dimensions = switches[0]?.coordinates?.length ?? 0;
  const radix = new Array<number>(dimensions).fill(1);
  const coordinates = new Int32Array(index.switchCount * dimensions);
  const owners = new Map<string, string>();
  switches.forEach((node, s) => {
    if (node.coordinates === undefined || node.coordinates.length !== dimensions || dimensions === 0)
      throw subnetError(
        `switches[${s}].coordinates`,
        `dor needs coordinates, as many for every switch; ${node.name} has ${node.coordinates?.length ?? 'none'}`,
      );
    const key = node.coordinates.join(',');
    if (owners.has(key))
      throw subnetError(`switches[${s}].coordinates`, `${node.name} and ${owners.get(key)} are both at ${key}`);
    owners.set(key, node.name);
    node.coordinates.forEach((c, d) => {
      coordinates[s * dimensions + d] = c;
      radix[d] = Math.max(radix[d]!, c + 1);
    });
  });
  const wraps = new Array<boolean>(dimensions).fill(false);
  const directions = new Int8Array(index.peerSwitch.length).fill(-1);
  const shape = { radix, wraps, coordinates, directions };
  index.peerSwitch.forEach((peer, slot) => {
    if (peer >= 0 && peer !== index.slotSwitch[slot]) directions[slot] = linkDirection(index, shape, slot);
  });
  return shape;
}

function linkDirection(
  index: SubnetIndex,
  shape: { radix: number[]; wraps: boolean[]; coordinates: Int32Array },
  slot: number,
): number {
  const { radix, coordinates, wraps } = shape;
  const dimensions = radix.length;
  const a = index.slotSwitch[slot]! * dimensions;
  const b = index.peerSwitch[slot]! * dimensions;
  const apart = radix.flatMap((_, d) => (coordinates[a + d] === coordinates[b + d] ? [] : [d]));
  const d = apart[0] ?? 0;
  const step = coordinates[b + d]! - coordinates[a + d]!;
  const seam = radix[d]! > 2 && Math.abs(step) === radix[d]! - 1;
  if (apart.length !== 1 || (Math.abs(step) !== 1 && !seam)) {
    const ends = `${describeSlot(index, slot)} and ${describeSlot(index, index.peerSlot[slot]!)}`;
    throw subnetError('routing.engine', `dor: the link between ${ends} does not join neighbours in one dimension`);
  }
  if (seam) wraps[d] = true;
  const upward = radix[d] === 2 || (seam ? step < 0 : step > 0);
  return 2 * d + (upward ? 0 : 1);
}

/** 2 × dimension + (downward ? 1 : 0) of the next step, or −1 at the destination. */
function nextDirection(shape: GridShape, s: number, destination: number): number {
  const { radix, coordinates } = shape;
  const dimensions = radix.length;
  for (let d = 0; d < dimensions; d++) {
    const from = coordinates[s * dimensions + d]!;
    const to = coordinates[destination * dimensions + d]!;
    if (from !== to) return 2 * d + (goesUp(shape, d, from, to) ? 0 : 1);
  }
  return -1;
}

function goesUp(shape: GridShape, d: number, from: number, to: number): boolean {
  const radix = shape.radix[d]!;
  if (radix === 2) return true;
  if (!shape.wraps[d]) return to > from;
  const upward = (to - from + radix) % radix;
  return upward * 2 === radix ? to % 2 === 0 : upward * 2 < radix;
}

function crossesSeam(shape: GridShape, a: number, b: number, d: number): boolean {
  if (!shape.wraps[d]) return false;
  const from = shape.coordinates[a * shape.radix.length + d]!;
  const to = shape.coordinates[b * shape.radix.length + d]!;
  return from !== to && goesUp(shape, d, from, to) !== to > from;
}

/**
 * Where a switch hangs on a multicast tree: the union of the paths from the root in dimension order, over no seam. Such a tree
 * turns from a later dimension to an earlier one only in the root's own row (plane …), so it closes no cycle with the unicast paths.
 */
export function gridTreeParent(index: SubnetIndex, shape: GridShape): (root: number, s: number) => number {
  const { radix, coordinates, directions } = shape;
  const dimensions = radix.length;
  return (root, s) => {
    for (let d = dimensions - 1; d >= 0; d--) {
      const from = coordinates[s * dimensions + d]!;
      const to = coordinates[root * dimensions + d]!;
      if (from === to) continue;
      const step = to > from ? 1 : -1;
      for (let slot = index.portBase[s]! + 1; slot < index.portBase[s + 1]!; slot++) {
        const peer = index.peerSwitch[slot]!;
        if (peer >= 0 && directions[slot]! >> 1 === d && coordinates[peer * dimensions + d] === from + step) return slot;
      }
      return -1;
    }
    return -1;
  };
}

/** Finds the ports of the next step in dimension order. A switch whose way is cut anywhere has none. */
export function dorFinder(index: SubnetIndex, shape: GridShape): NextHopFinder {
  const trail = new Int32Array(index.switchCount);
  return (destination: number, out: NextHops) => {
    out.hops.fill(UNREACHED);
    out.count.fill(-1);
    out.hops[destination] = 0;
    out.count[destination] = 0;
    for (let first = 0; first < index.switchCount; first++) {
      let length = 0;
      let s = first;
      while (out.count[s] === -1) {
        collectPorts(index, shape, s, destination, out);
        trail[length++] = s;
        if (out.count[s] === 0) break;
        s = index.peerSwitch[index.portBase[s]! + out.ports[index.portBase[s]!]!]!;
      }
      while (length > 0) {
        const behind = trail[--length]!;
        if (out.hops[s] === UNREACHED) out.count[behind] = 0;
        else out.hops[behind] = out.hops[s]! + 1;
        s = behind;
      }
    }
  };
}

function collectPorts(index: SubnetIndex, shape: GridShape, s: number, destination: number, out: NextHops): void {
  const direction = nextDirection(shape, s, destination);
  const base = index.portBase[s]!;
  let n = 0;
  for (let slot = base + 1; slot < index.portBase[s + 1]!; slot++) {
    if (shape.directions[slot] === direction) out.ports[base + n++] = slot - base;
  }
  out.count[s] = n;
}
