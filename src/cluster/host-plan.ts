/**
 * What hosts have beyond adapters, worked out from the topology: which have `ib0`, which run Xen with which guests, and everybody's IPv4 and MAC addresses.
 *
 * One IP subnet spans the fabric, 10.0.0.0/8: nodes are 10.0.0.1 on, in order, guests' vifs 10.1.0.1 on. Guests are reached through their driver
 * domain, which answers ARP for them (proxy ARP), so that nobody needs routes.
 */
import { ConfigError, type Issue } from '../sim/index.ts';
import type { GuestConfig } from '../hypervisor/index.ts';
import type { Topology, TopologyGuest, TopologyIpoib, TopologyNode, TopologyXen } from '../topology/index.ts';
import { guestConfigOf } from './guest-plan.ts';
import type { Place } from './places.ts';
import type { RunOptions } from './types.ts';
import { type VirtualFunction, virtualFunctions } from './virtual-functions.ts';

export const PREFIX_LENGTH = 8;
const FIRST_NODE = 0x0a000001;
const FIRST_GUEST = 0x0a010001;
/** 00:16:3e, Xen's own OUI. */
const FIRST_MAC = 0x00163e000001;

/** A host's `ib0`. */
export interface IpoibPlan extends Omit<TopologyIpoib, 'address'> {
  /** IPv4, as a number. */
  readonly address: number;
}

export interface VifPlan {
  /** IPv4, as a number. */
  readonly ip: number;
  readonly mac: string;
}

export interface GuestPlan {
  readonly name: string;
  /** What the toolstack is told. */
  readonly config: GuestConfig;
  readonly vifs: readonly VifPlan[];
  readonly ib: TopologyGuest['ib'];
  /** For each of `ib`: its virtual function's place among those of the adapter, or -1. */
  readonly functions: readonly number[];
  readonly load: TopologyGuest['load'];
  /** BVT's parameters, which xl.cfg has no words for. */
  readonly mcuAdvance?: number;
  readonly warpPs?: number;
}

export interface XenPlan extends Omit<TopologyXen, 'guests'> {
  readonly guests: readonly GuestPlan[];
}

export interface HostPlan {
  readonly ipoib: IpoibPlan | null;
  readonly xen: XenPlan | null;
}

export interface HostPlans {
  /** By node; null where there is nothing but adapters. */
  readonly ofNode: readonly (HostPlan | null)[];
  /** IPv4 addresses by the names of places. */
  readonly addresses: Readonly<Record<string, number>>;
  /** Nothing of all this: the run ends when nothing is left to happen. */
  readonly isQuiet: boolean;
}

/** Plans all hosts. `network`: the program uses IP, so the nodes that run it have `ib0` whether the file says so or not. Throws `ConfigError` for addresses that are given twice. */
export function planHosts(
  { topology, topologyFile }: Pick<RunOptions, 'topology' | 'topologyFile'>,
  ranks: readonly Place[],
  network: boolean,
): HostPlans {
  const running = new Set(network ? ranks.map((place) => place.node) : []);
  const taken = new Map<number, string>();
  const issues: Issue[] = [];
  const take = (address: number, path: string) => {
    const other = taken.get(address);
    if (other !== undefined)
      issues.push({ file: topologyFile, path, message: `the address ${formatIpv4(address)} is also that of ${other}` });
    taken.set(address, path);
  };
  const guests = new GuestPlanner(topologyFile, virtualFunctions(topology), take, issues);
  const ofNode = topology.nodes.map((node): HostPlan | null => {
    const xen =
      node.xen === undefined ? null : { ...node.xen, guests: node.xen.guests.flatMap((guest) => guests.plan(node, guest)) };
    const hasVif = xen?.guests.some((guest) => guest.vifs.length > 0) ?? false;
    const isOnNet = node.ipoib !== undefined || hasVif || running.has(node.index);
    if (xen === null && !isOnNet) return null;
    return { xen, ipoib: isOnNet ? planIpoib(node, take) : null };
  });
  if (issues.length > 0) throw new ConfigError(issues);
  return { ofNode, addresses: addressBook(topology, ofNode), isQuiet: ofNode.every((host) => host === null) };
}

function planIpoib(node: TopologyNode, take: (address: number, path: string) => void): IpoibPlan {
  const { address, ...rest } = node.ipoib ?? { mode: 'datagram' as const, hca: 0, port: 1 };
  const ip = address === undefined ? FIRST_NODE + node.index : parseIpv4(address);
  take(ip, `nodes.${node.name}.ipoib.address`);
  return { ...rest, address: ip };
}

/** Gives out the guests' addresses, in the order of the file. */
class GuestPlanner {
  readonly #file: string;
  readonly #take: (address: number, path: string) => void;
  readonly #issues: Issue[];
  readonly #functions: readonly VirtualFunction[];
  #count = 0;

  constructor(
    file: string,
    functions: readonly VirtualFunction[],
    take: (address: number, path: string) => void,
    issues: Issue[],
  ) {
    this.#functions = functions;
    this.#file = file;
    this.#take = take;
    this.#issues = issues;
  }

  /** Empty where the guest's configuration will not do. */
  plan(node: TopologyNode, guest: TopologyGuest): GuestPlan[] {
    const path = `nodes.${node.name}.xen.guests.${guest.name}`;
    const vifs = guest.vifs.map((vif, i): VifPlan => {
      const number = this.#count++;
      const ip = vif.ip === undefined ? FIRST_GUEST + number : parseIpv4(vif.ip);
      this.#take(ip, `${path}.vif[${i}].ip`);
      return { ip, mac: vif.mac ?? formatMac(FIRST_MAC + number) };
    });
    const { name, ib, load, mcuAdvance, warpPs } = guest;
    const addresses = vifs.map(({ ip, mac }) => ({ ip: formatIpv4(ip), mac }));
    try {
      const config = guestConfigOf(guest, addresses, this.#file, path);
      return [
        {
          name,
          config,
          vifs,
          ib,
          functions: ib.map((_, device) => this.#functionOf(node.index, name, device)),
          load,
          ...(mcuAdvance !== undefined && { mcuAdvance }),
          ...(warpPs !== undefined && { warpPs }),
        },
      ];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#issues.push(...error.issues);
      return [];
    }
  }

  #functionOf(node: number, guest: string, device: number): number {
    return this.#functions.find((one) => one.node === node && one.guest === guest && one.device === device)?.index ?? -1;
  }
}

/** `cpu1`, `cpu1/web1`; and `web1` alone where no other guest has that name. */
function addressBook(topology: Topology, hosts: readonly (HostPlan | null)[]): Record<string, number> {
  const book: Record<string, number> = {};
  const guests = new Map<string, number | null>();
  hosts.forEach((host, n) => {
    const name = topology.nodes[n]?.name ?? '';
    if (host?.ipoib != null) book[name] = host.ipoib.address;
    for (const guest of host?.xen?.guests ?? []) {
      const ip = guest.vifs[0]?.ip;
      if (ip === undefined) continue;
      book[`${name}/${guest.name}`] = ip;
      guests.set(guest.name, guests.has(guest.name) ? null : ip);
    }
  });
  for (const [name, ip] of guests) if (ip !== null && !(name in book)) book[name] = ip;
  return book;
}

export function parseIpv4(text: string): number {
  return text.split('.').reduce((value, part) => value * 256 + Number(part), 0);
}

export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

function formatMac(value: number): string {
  return value
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?!$)/g, '$&:');
}
