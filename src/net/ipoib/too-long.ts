/** A packet that is longer than its neighbour takes is answered as a router answers (RFC 1191), and so the sender's stack, this one or a guest's, learns the path's MTU. */
import type { LinkPacket } from '../device.ts';
import { ETHERTYPE_IPV4 } from '../ethernet.ts';
import { CODE_FRAGMENTATION_NEEDED, ICMP_UNREACHABLE } from '../icmp-message.ts';
import { readIpv4 } from '../ipv4.ts';
import type { NetStack } from '../stack.ts';
import type { IpoibDevice } from './device.ts';

/** Lets `stack` answer for packets that `device` drops because of their length: Linux's `ipoib_cm_skb_too_long`. */
export function answerTooLong(device: IpoibDevice, stack: NetStack): void {
  device.onTooLong = (packet: LinkPacket, mtu: number) => {
    if (packet.protocol !== ETHERTYPE_IPV4) return;
    const quoted = readIpv4(packet.data);
    if (typeof quoted !== 'string') stack.icmp.sendError(ICMP_UNREACHABLE, CODE_FRAGMENTATION_NEEDED, quoted, mtu);
  };
}
