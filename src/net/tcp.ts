/** TCP in a stack. */
import type { QuotedPacket } from './icmp-message.ts';
import type { Ipv4Packet } from './ipv4.ts';
import type { NetStack } from './stack.ts';

export class TcpLayer {
  readonly stack: NetStack;
  constructor(stack: NetStack) {
    this.stack = stack;
  }
  receive(_packet: Ipv4Packet, _isVerified: boolean, _gsoSize: number): void {}
  receiveError(_quoted: QuotedPacket, _type: number, _code: number): void {}
}
