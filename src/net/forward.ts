/** Passing packets on (RFC 1812): a router's part of the stack. Large packets (GSO) pass as they are where the next device takes them, else they are cut there. */
import type { LinkPacket } from './device.ts';
import { ETHERTYPE_IPV4 } from './ethernet.ts';
import {
  CODE_FRAGMENTATION_NEEDED,
  CODE_HOST_UNREACHABLE,
  CODE_NET_UNREACHABLE,
  CODE_TTL_EXCEEDED,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
} from './icmp-message.ts';
import { fragmentIpv4, type Ipv4Packet, withLowerTtl } from './ipv4.ts';
import { fillChecksum } from './offload.ts';
import type { NetStack } from './stack.ts';

export class Forwarder {
  readonly #stack: NetStack;

  constructor(stack: NetStack) {
    this.#stack = stack;
  }

  /** Sends `packet`, which arrived in `link`, to where its destination is. */
  forward(packet: Ipv4Packet, link: LinkPacket): void {
    const { cpu, costs, icmp, routes } = this.#stack;
    cpu.spend(costs.forwardPs, 'route');
    if (packet.ttl <= 1) {
      icmp.sendError(ICMP_TIME_EXCEEDED, CODE_TTL_EXCEEDED, packet);
      return;
    }
    const route = routes.find(packet.destination);
    if (route === null) {
      icmp.sendError(ICMP_UNREACHABLE, CODE_NET_UNREACHABLE, packet);
      return;
    }
    const { via } = route;
    if (isTooBig(packet, link, via.mtu)) {
      icmp.sendError(ICMP_UNREACHABLE, CODE_FRAGMENTATION_NEEDED, packet, via.mtu);
      return;
    }
    cpu.mark('route');
    const whole = packet.data.length === packet.totalBytes ? packet.data : packet.data.subarray(0, packet.totalBytes);
    const data = withLowerTtl(whole);
    const fail = () => icmp.sendError(ICMP_UNREACHABLE, CODE_HOST_UNREACHABLE, packet);
    const next = route.gateway ?? packet.destination;
    if (data.length <= via.mtu || link.gso !== null) {
      via.sendTo(next, ETHERTYPE_IPV4, data, link.gso, link.checksumBlank, null, fail);
      return;
    }
    if (link.checksumBlank) fillChecksum(data);
    const pieces = fragmentIpv4(data, via.mtu);
    cpu.spend(pieces.length * costs.segmentPs, 'segmentation');
    for (const piece of pieces) via.sendTo(next, ETHERTYPE_IPV4, piece, null, false, null, fail);
  }
}

/** More than the next link carries, and not to be cut. Of a GSO packet it is the segments that count. */
function isTooBig(packet: Ipv4Packet, link: LinkPacket, mtu: number): boolean {
  if (link.gso === null) return packet.dontFragment && packet.totalBytes > mtu;
  const { data, headerBytes } = packet;
  const tcpBytes = ((data[headerBytes + 12] ?? 0x50) >>> 4) * 4;
  return headerBytes + tcpBytes + link.gso.size > mtu;
}
