/** What a stack is made with, what devices and routes it is given, and the packets that it is given to send. */
import type { KernelCpu, RandomStream } from '../sim/index.ts';
import type { NetCosts } from './costs.ts';
import type { Gso } from './device.ts';
import type { PacketOwner } from './interface.ts';
import type { CongestionName } from './socket-types.ts';
import type { TcpParams } from './tcp-params.ts';

export interface NetStackOptions {
  readonly cpu: KernelCpu;
  readonly costs: NetCosts;
  /** For initial sequence numbers, ports and identifications. */
  readonly random: RandomStream;
  /** The kernel's name, in messages. */
  readonly name: string;
  /** Of TCP connections that choose none; `cubic` unless told. */
  readonly congestion?: CongestionName;
  /** What differs from `DEFAULT_TCP_PARAMS`. */
  readonly tcp?: Partial<TcpParams>;
}

export interface DeviceOptions {
  /** Dotted; absent: the device carries what routes send there, and has no address of its own. */
  readonly address?: string | number;
  readonly prefixLength?: number;
  /** Answer ARP for addresses that are reached through another interface. */
  readonly proxyArp?: boolean;
  /** Tell the link our address at once. */
  readonly announce?: boolean;
}

export interface RouteOptions {
  /** Dotted network address; absent: everything (the default route). */
  readonly destination?: string | number;
  readonly prefixLength?: number;
  readonly gateway?: string | number;
  /** Name of the interface; needed without a gateway. */
  readonly device?: string;
  readonly source?: string | number;
  readonly metric?: number;
}

/** A packet for `NetStack.send`: 20 bytes of room for the IPv4 header, then the transport's bytes. */
export interface Outgoing {
  readonly data: Uint8Array;
  readonly protocol: number;
  readonly destination: number;
  readonly source?: number;
  readonly ttl?: number;
  readonly dontFragment?: boolean;
  readonly gso?: Gso | null;
  /** The transport checksum is not there yet: only the pseudo-header's sum. */
  readonly checksumBlank?: boolean;
  readonly owner?: PacketOwner | null;
  /** Nobody at the next hop answers. */
  readonly onUnreachable?: () => void;
}
