/**
 * Network devices as protocol stacks, bridges and routers see them: something with a link address that takes packets and hands packets up.
 *
 * A packet is one layer-3 packet with its link-layer addresses beside it; devices that speak Ethernet put the 14-byte header on at their own edge, IPoIB its 4 bytes.
 * All calls are made in kernel context, in an item of the device's `KernelCpu`.
 */

/** Large segments: one packet of many segments of `size` bytes of TCP payload, cut by whoever cannot carry it whole. */
export interface Gso {
  readonly type: 'tcpv4' | 'tcpv6';
  readonly size: number;
}

export interface LinkPacket {
  /** 6 bytes (Ethernet) or 20 (IPoIB). */
  readonly destination: Uint8Array;
  readonly source: Uint8Array;
  /** EtherType: 0x0800, 0x0806 … */
  readonly protocol: number;
  /** The layer-3 packet. Never written to once it is handed on. */
  readonly data: Uint8Array;
  readonly gso: Gso | null;
  /** The transport checksum holds only the pseudo-header sum: the device, or the receiver behind a shared-memory path, completes it. */
  readonly checksumBlank: boolean;
  /** Whoever handed it up knows the transport checksum to be right (or that it never left the machine). */
  readonly checksumVerified: boolean;
}

export interface DeviceFeatures {
  /** Takes packets with `checksumBlank`. */
  readonly checksum: boolean;
  /** Takes packets with `gso` up to 65,535 bytes. */
  readonly gso: boolean;
}

export interface NetDevice {
  /** `eth0`, `vif3.0`, `ib0`, `xenbr0`. */
  readonly name: string;
  readonly linkType: 'ethernet' | 'ipoib';
  /** Link address: 6 or 20 bytes. */
  readonly address: Uint8Array;
  readonly broadcastAddress: Uint8Array;
  /** Largest `data` without `gso`. */
  readonly mtu: number;
  readonly features: DeviceFeatures;
  /** False while the carrier is off. */
  readonly isUp: boolean;
  /** Queues a packet; false if the queue is full, then `onWritable` follows when there is room. A device that is down drops and says true. */
  transmit(packet: LinkPacket): boolean;
  /** IPoIB: the address to send an IPv4 multicast or broadcast packet to; Ethernet: the mapped MAC. */
  multicastAddress(ipv4: number): Uint8Array;
  /** Joins or leaves an IPv4 multicast group on the link. */
  setMulticast(ipv4: number, joined: boolean): void;
  /** Set by who is attached: stack, bridge or router. */
  onReceive: ((packet: LinkPacket) => void) | null;
  onWritable: (() => void) | null;
  onCarrier: ((isUp: boolean) => void) | null;
}
