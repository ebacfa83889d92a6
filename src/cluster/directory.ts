/**
 * The address book of a cluster: IPv4 addresses of ports, and what a subnet administrator would answer about paths and multicast groups.
 *
 * It is plain data made at load time (static configuration), so that every thread has the same one; `directoryOf` makes of it what rdma_cm asks.
 * Stated simplifications: a path's MTU and rate are the least of both end ports and of all links between switches; every group exists
 * already, with the MTU of the whole fabric, and an MGID is hashed onto one of the routed multicast LIDs, as OpenSM does when it runs short of them.
 */
import type { Topology, TopologyLink } from '../topology/index.ts';
import {
  type MulticastGroup,
  type Mtu,
  type PathRecord,
  type PortAddress,
  RDMA_UDP_QKEY,
  type Rate,
  type RdmaDirectory,
  staticPaths,
} from '../verbs/index.ts';
import {
  DEFAULT_GID_PREFIX,
  gidGuid,
  makeGid,
  mtuCode,
  P_KEY_DEFAULT,
  rateCode,
  rateGbps,
  type LinkLanes,
} from '../wire/index.ts';
import { guestDevice, guestPlace } from './places.ts';
import { virtualFunctions } from './virtual-functions.ts';
import { MULTICAST_LIDS, type SubnetPlan } from './subnet-plan.ts';

/** The broadcast group's Q_Key of IPoIB (RFC 4391); groups that rdma_cm joins have that of its datagram queue pairs (`cma_set_qkey`). */
export const BROADCAST_QKEY = 0x0b1b;
const FIRST_MLID = 0xc000;
/** What a query of the subnet administrator would cost is paid once, at the start of a connection: 20 us, a MAD there and back. */
export const LOOKUP_PS = 20_000_000;
/** Packet life of a path: 4.096 us × 2^18, OpenSM's default. */
const PACKET_LIFE = 18;

/** One adapter port, as plain data. */
export interface DirectoryPort {
  readonly node: string;
  readonly device: string;
  readonly portNum: number;
  readonly ip: string;
  readonly guid: bigint;
  readonly lid: number;
  readonly mtuBytes: number;
  /** `enum ibv_rate` of the port's link. */
  readonly rate: number;
  /** The switch that the port hangs on; −1 back to back. */
  readonly switchIndex: number;
}

/** Plain data; can cross to a thread. */
/** A port that a guest uses, through VMM-bypass or by a virtual function. */
export interface GuestPort {
  /** `cpu1/web1`. */
  readonly place: string;
  /** The guest's name for the device. */
  readonly device: string;
  readonly portNum: number;
  readonly ip: string;
  /** The port's, or a virtual function's own. */
  readonly guid: bigint;
  /** The physical port's. */
  readonly portGuid: bigint;
}

export interface Directory {
  readonly ports: readonly DirectoryPort[];
  /** 2^LMC. */
  /** Ports as guests have them, by their driver domain's adapter: other names and addresses for ports above. */
  readonly guests: readonly GuestPort[];
  readonly lidsPerPort: number;
  readonly coreMtuBytes: number;
  /** The least rate of the links between switches; 0 where there are none. */
  readonly coreRate: number;
  /** SL from switch a to switch b at a × switches + b, where the routing engine wants any but 0. */
  readonly sls: Uint8Array | null;
  readonly switches: number;
}

const rateOf = (link: TopologyLink): number => rateCode(link.speed, Number.parseInt(link.width, 10) as LinkLanes) ?? 0;

/** The slowest of several rates by code; 0 (no limit) counts only if there is nothing else. */
function slowest(codes: readonly number[]): Rate {
  const real = codes.filter((code) => code !== 0);
  return (real.sort((a, b) => (rateGbps(a) ?? 0) - (rateGbps(b) ?? 0))[0] ?? 0) as Rate;
}

/** Makes the address book: 10.0.0.1, 10.0.0.2 … in the order of ports. */
export function makeDirectory(topology: Topology, subnet: SubnetPlan): Directory {
  const between = topology.links.filter((link) => link.ends.every((end) => end.kind === 'switch'));
  return {
    ports: subnet.ports.map((planned, handle) => {
      const link = topology.links[planned.port.link];
      const host = handle + 1;
      return {
        node: topology.nodes[planned.node]?.name ?? '',
        device: planned.adapter.name,
        portNum: planned.port.number,
        ip: `10.${host >> 16}.${(host >> 8) & 255}.${host & 255}`,
        guid: planned.port.guid,
        lid: subnet.lids.adapterLids[handle] as number,
        mtuBytes: link?.mtu ?? 4096,
        rate: link === undefined ? 0 : rateOf(link),
        switchIndex: subnet.index.adapterSwitch[handle] as number,
      };
    }),
    guests: guestPorts(topology),
    lidsPerPort: 2 ** subnet.lids.lmc,
    coreMtuBytes: Math.min(4096, ...between.map((link) => link.mtu)),
    coreRate: slowest(between.map(rateOf)),
    sls: subnet.routing.levels?.pathSls ?? null,
    switches: topology.switches.length,
  };
}

/** 10.128.0.1 on, in the order of nodes and guests. */
function guestPorts(topology: Topology): GuestPort[] {
  const ports: GuestPort[] = [];
  const functions = virtualFunctions(topology);
  const alias = (node: number, guest: string, device: number, port: number) =>
    functions.find((one) => one.node === node && one.guest === guest && one.device === device)?.portGuids[port - 1];
  for (const node of topology.nodes)
    for (const guest of node.xen?.guests ?? [])
      guest.ib.forEach(({ hca, port }, i) => {
        const number = ports.length + 1;
        const portGuid = node.hcas[hca]?.ports[port - 1]?.guid ?? 0n;
        ports.push({
          place: guestPlace(node, guest).name,
          device: guestDevice(i),
          portNum: port,
          ip: `10.${128 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`,
          guid: alias(node.index, guest.name, i, port) ?? portGuid,
          portGuid,
        });
      });
  return ports;
}

const made = new WeakMap<Directory, RdmaDirectory>();

/** What rdma_cm asks, answered from the address book; made once a thread. */
export function directoryOf(directory: Directory): RdmaDirectory {
  const known = made.get(directory);
  if (known !== undefined) return known;
  const byGuid = new Map(directory.ports.map((port) => [port.guid, port]));
  for (const { guid, portGuid } of directory.guests) {
    const port = byGuid.get(portGuid);
    if (port !== undefined && guid !== portGuid) byGuid.set(guid, { ...port, guid });
  }
  const own = directory.ports.map(
    (port): PortAddress => ({
      node: port.node,
      device: port.device,
      portNum: port.portNum,
      ip: port.ip,
      gid: makeGid(DEFAULT_GID_PREFIX, port.guid),
    }),
  );
  const lent = directory.guests.map(
    ({ place, device, portNum, ip, guid }): PortAddress => ({
      node: place,
      device,
      portNum,
      ip,
      gid: makeGid(DEFAULT_GID_PREFIX, guid),
    }),
  );
  const addresses = [...own, ...lent];
  const paths = staticPaths(
    ({ sgid, dgid, pkey }) => pathBetween(directory, byGuid.get(gidGuid(sgid)), byGuid.get(gidGuid(dgid)), pkey),
    LOOKUP_PS,
    (mgid) => groupOf(directory, mgid),
  );
  const result = { addresses, paths };
  made.set(directory, result);
  return result;
}

/** The SL that the routing engine wants from a port to a LID of another; undefined where any will do, for a LID of nobody, and for multicast. */
export function slToLid(directory: Directory, fromGuid: bigint, dlid: number): number | undefined {
  if (directory.sls === null) return undefined;
  const physical = directory.guests.find((guest) => guest.guid === fromGuid)?.portGuid ?? fromGuid;
  const from = directory.ports.find((port) => port.guid === physical);
  const to = directory.ports.find((port) => dlid >= port.lid && dlid < port.lid + directory.lidsPerPort);
  return from === undefined || to === undefined ? undefined : pathSl(directory, from, to);
}

/** SL of the path between two ports of switches, as the routing engine wants it. */
export function pathSl(directory: Directory, from: DirectoryPort, to: DirectoryPort): number {
  if (directory.sls === null || from.switchIndex < 0 || to.switchIndex < 0) return 0;
  return directory.sls[from.switchIndex * directory.switches + to.switchIndex] as number;
}

function pathBetween(
  directory: Directory,
  from: DirectoryPort | undefined,
  to: DirectoryPort | undefined,
  pkey: number,
): PathRecord | null {
  if (from === undefined || to === undefined) return null;
  return {
    sgid: makeGid(DEFAULT_GID_PREFIX, from.guid),
    dgid: makeGid(DEFAULT_GID_PREFIX, to.guid),
    slid: from.lid,
    dlid: to.lid,
    sl: pathSl(directory, from, to),
    pkey,
    mtu: mtuCode(Math.min(from.mtuBytes, to.mtuBytes, directory.coreMtuBytes)) as Mtu,
    rate: slowest([from.rate, to.rate, directory.coreRate]),
    packetLifeTime: PACKET_LIFE,
  };
}

/** A group's LID: the last byte of the MGID picks one of those that are routed; the broadcast group has the first. */
export function groupOf(directory: Directory, mgid: Uint8Array): MulticastGroup {
  const isBroadcast = mgid.subarray(12).every((byte) => byte === 0xff);
  let sum = 0;
  for (const byte of mgid) sum = (sum * 31 + byte) >>> 0;
  const mlid = isBroadcast ? FIRST_MLID : FIRST_MLID + 1 + (sum % (MULTICAST_LIDS - 1));
  const mtuBytes = Math.min(directory.coreMtuBytes, ...directory.ports.map((port) => port.mtuBytes));
  const rate = slowest([directory.coreRate, ...directory.ports.map((port) => port.rate)]);
  return {
    mgid,
    mlid,
    qkey: isBroadcast ? BROADCAST_QKEY : RDMA_UDP_QKEY,
    mtu: mtuCode(mtuBytes) as Mtu,
    rate,
    sl: 0,
    pkey: P_KEY_DEFAULT,
  };
}
