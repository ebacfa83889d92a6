/** Where a program can run: on a node itself (on a Xen host: in its driver domain), or in a guest of a node's hypervisor. */
import type { Topology, TopologyGuest, TopologyNode } from '../topology/index.ts';

export interface Place {
  /** The node's number. */
  readonly node: number;
  /** The guest's name; null for the node itself. */
  readonly guest: string | null;
  /** `cpu1`, or `cpu1/web1` for a guest. */
  readonly name: string;
}

/** The node itself. */
export function nodePlace(node: TopologyNode): Place {
  return { node: node.index, guest: null, name: node.name };
}

/** A guest of the node. */
export function guestPlace(node: TopologyNode, guest: TopologyGuest): Place {
  return { node: node.index, guest: guest.name, name: `${node.name}/${guest.name}` };
}

/** All places of a node: itself first, then its guests. */
export function placesOf(node: TopologyNode): Place[] {
  return [nodePlace(node), ...(node.xen?.guests ?? []).map((guest) => guestPlace(node, guest))];
}

/** Where programs run on a node unless the user names places: its guests that have no load of their own; where there are none, the node itself. */
export function defaultPlacesOf(node: TopologyNode): Place[] {
  const guests = (node.xen?.guests ?? []).filter((guest) => guest.load === 'idle').map((guest) => guestPlace(node, guest));
  return guests.length > 0 ? guests : [nodePlace(node)];
}

/** The place of that name, or undefined. */
export function findPlace(topology: Topology, name: string): Place | undefined {
  const slash = name.indexOf('/');
  const nodeName = slash < 0 ? name : name.slice(0, slash);
  const node = topology.nodes.find((candidate) => candidate.name === nodeName);
  if (node === undefined || slash < 0) return node && nodePlace(node);
  const guest = node.xen?.guests.find((candidate) => candidate.name === name.slice(slash + 1));
  return guest && guestPlace(node, guest);
}

/** The i-th InfiniBand device of a guest, named as Linux names adapters of one kind. */
export function guestDevice(i: number): string {
  return `mlx4_${i}`;
}
