/**
 * rdma_cm's constants and plain data (`rdma/rdma_cma.h`), with its names less the `RDMA_` prefixes: events, port spaces, parameters, addresses.
 */
import type { AhAttr } from './address-handle.ts';
import type { RdmaId } from './cm-id.ts';
import type { Mtu, Rate } from './enums.ts';
import type { Gid } from './gid.ts';

type ValueOf<T> = T[keyof T];

/** `enum rdma_cm_event_type`. */
export const RdmaCmEventType = {
  ADDR_RESOLVED: 0,
  ADDR_ERROR: 1,
  ROUTE_RESOLVED: 2,
  ROUTE_ERROR: 3,
  CONNECT_REQUEST: 4,
  CONNECT_RESPONSE: 5,
  CONNECT_ERROR: 6,
  UNREACHABLE: 7,
  REJECTED: 8,
  ESTABLISHED: 9,
  DISCONNECTED: 10,
  DEVICE_REMOVAL: 11,
  MULTICAST_JOIN: 12,
  MULTICAST_ERROR: 13,
  ADDR_CHANGE: 14,
  TIMEWAIT_EXIT: 15,
  ADDRINFO_RESOLVED: 16,
  ADDRINFO_ERROR: 17,
  USER: 18,
  INTERNAL: 19,
} as const;
export type RdmaCmEventType = ValueOf<typeof RdmaCmEventType>;

const NAMED_EVENTS = Object.entries(RdmaCmEventType).filter(([, value]) => value <= RdmaCmEventType.ADDRINFO_ERROR);

/** `rdma_event_str`: `RDMA_CM_EVENT_ESTABLISHED` for 9, `UNKNOWN EVENT` for what it does not know. */
export function rdmaEventStr(event: number): string {
  const named = NAMED_EVENTS.find(([, value]) => value === event);
  return named === undefined ? 'UNKNOWN EVENT' : `RDMA_CM_EVENT_${named[0]}`;
}

/** `enum rdma_port_space`; ids of TCP are connected (RC), those of UDP and IPOIB are datagram services. */
export const PortSpace = { IPOIB: 0x0002, TCP: 0x0106, UDP: 0x0111, IB: 0x013f } as const;
export type PortSpace = ValueOf<typeof PortSpace>;

/** Q_Key of every UDP-port-space queue pair. */
export const RDMA_UDP_QKEY = 0x01234567;
/** What a listener without a backlog gets (`rdma_ucm.max_backlog`). */
export const DEFAULT_BACKLOG = 1024;
/** "As much as the device can": for `responderResources` and `initiatorDepth`. */
export const RDMA_MAX_RESP_RES = 0xff;
export const RDMA_MAX_INIT_DEPTH = 0xff;

/** Where a service is: a node's name or an IPv4 address in dotted form (empty or `0.0.0.0`: any of this node's), and a port. */
export interface SockAddr {
  readonly host: string;
  /** 0 … 65535; 0 = any. */
  readonly port: number;
}

/** `struct rdma_conn_param`. */
export interface ConnParam {
  /** Up to 56 bytes to connect and 196 to accept (TCP), 180 and 136 (UDP). */
  readonly privateData?: Uint8Array;
  /** RDMA reads and atomics that this side takes from the other at a time; default and 255: as many as the device can. */
  readonly responderResources?: number;
  /** Those that this side has under way at a time. */
  readonly initiatorDepth?: number;
  readonly flowControl?: boolean;
  /** 0 … 7, default 7. Ignored when accepting. */
  readonly retryCount?: number;
  /** 0 … 7, default 7 (for ever). */
  readonly rnrRetryCount?: number;
  /** The two below are for ids without a queue pair of their own. */
  readonly srq?: boolean;
  readonly qpNum?: number;
  /** UDP: the Q_Key that a SIDR reply tells, default `RDMA_UDP_QKEY`. */
  readonly qkey?: number;
}

/** What an event of a connected id carries: the parameters of the other side, seen from this one. */
export interface ConnEventParam {
  readonly privateData: Uint8Array;
  readonly responderResources: number;
  readonly initiatorDepth: number;
  readonly flowControl: boolean;
  readonly retryCount: number;
  readonly rnrRetryCount: number;
  readonly srq: boolean;
  readonly qpNum: number;
}

/** What an event of a datagram id carries: how to send there. */
export interface UdEventParam {
  readonly privateData: Uint8Array;
  readonly ahAttr: AhAttr;
  readonly qpNum: number;
  readonly qkey: number;
}

/** `struct rdma_cm_event`. */
export interface RdmaCmEvent {
  readonly event: RdmaCmEventType;
  /** The id; of a CONNECT_REQUEST, the new one. */
  readonly id: RdmaId;
  /** Of a CONNECT_REQUEST. */
  readonly listenId: RdmaId | null;
  /** 0, or −errno, or of REJECTED the reason of the REJ message, of UNREACHABLE the status of the SIDR reply. */
  readonly status: number;
  readonly conn: ConnEventParam | null;
  readonly ud: UdEventParam | null;
  /** Of multicast events the context given to `joinMulticast`, of USER events the argument. */
  readonly arg: unknown;
}

/** A path (`struct ibv_sa_path_rec`), as the subnet administrator tells it. */
export interface PathRecord {
  readonly sgid: Gid;
  readonly dgid: Gid;
  readonly slid: number;
  readonly dlid: number;
  readonly sl: number;
  readonly pkey: number;
  readonly mtu: Mtu;
  readonly rate: Rate;
  /** Code: 4.096 µs × 2^n. */
  readonly packetLifeTime: number;
  readonly hopLimit?: number;
  readonly flowLabel?: number;
  readonly trafficClass?: number;
}

export interface PathQuery {
  readonly sgid: Gid;
  readonly dgid: Gid;
  readonly pkey: number;
  readonly serviceId: bigint;
}

/** A multicast group as its members need it (`MCMemberRecord`). */
export interface MulticastGroup {
  readonly mgid: Gid;
  readonly mlid: number;
  readonly qkey: number;
  readonly mtu: Mtu;
  readonly rate: Rate;
  readonly sl: number;
  readonly pkey: number;
}

/**
 * Who answers path and multicast queries: static configuration, or later the subnet administrator. An answer is given by calling `reply`
 * once, at once or from an event of the same node, with the time from which it is known.
 */
export interface PathResolver {
  resolve(query: PathQuery, atPs: number, reply: (path: PathRecord | null, atPs: number) => void): void;
  /** Joins (or makes) the group `mgid` for the port with `portGid`. Absent: there are no groups. */
  join?(mgid: Gid, portGid: Gid, atPs: number, reply: (group: MulticastGroup | null, atPs: number) => void): void;
  leave?(mgid: Gid, portGid: Gid, atPs: number): void;
}

/** The address of one port of one device of one node. */
export interface PortAddress {
  readonly node: string;
  readonly device: string;
  readonly portNum: number;
  /** Dotted IPv4, unique in the cluster. */
  readonly ip: string;
  readonly gid: Gid;
}

/** What the connection manager of a node knows of the world. */
export interface RdmaDirectory {
  readonly addresses: readonly PortAddress[];
  readonly paths: PathResolver;
  /** Time that resolving an address takes (an ARP exchange). Default 10 µs. */
  readonly addressLookupPs?: number;
}

/** A resolver of paths that are known without asking, `latencyPs` after the question. */
export function staticPaths(
  find: (query: PathQuery) => PathRecord | null,
  latencyPs = 0,
  groups?: (mgid: Gid, portGid: Gid) => MulticastGroup | null,
): PathResolver {
  const resolver: PathResolver = { resolve: (query, atPs, reply) => reply(find(query), atPs + latencyPs) };
  if (groups === undefined) return resolver;
  return { ...resolver, join: (mgid, portGid, atPs, reply) => reply(groups(mgid, portGid), atPs + latencyPs) };
}
