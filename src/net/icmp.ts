/**
 * ICMP in a stack: answering echo, telling senders about errors (RFC 792, RFC 1122 3.2.2, RFC 1812 4.3), handing errors to the transports they are about,
 * and the sockets of `ping`.
 */
import type { Ps } from '../sim/index.ts';
import { internetChecksum, isMulticast, LIMITED_BROADCAST, readU16, readU32 } from './bytes.ts';
import {
  CODE_FRAGMENTATION_NEEDED,
  ICMP_ECHO,
  ICMP_ECHO_REPLY,
  ICMP_HEADER_BYTES,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  type QuotedPacket,
  readQuoted,
  writeEcho,
  writeIcmpError,
} from './icmp-message.ts';
import { type Ipv4Packet, PROTOCOL_ICMP } from './ipv4.ts';
import type { NetStack } from './stack.ts';

/** What an echo socket is told. */
export interface EchoMessage {
  readonly type: number;
  readonly code: number;
  readonly from: number;
  readonly ttl: number;
  readonly sequence: number;
  readonly mtu: number;
  /** ICMP bytes, header included. */
  readonly bytes: number;
  readonly data: Uint8Array;
  readonly timePs: Ps;
}

/** A socket that hears answers to its own echo requests. */
export interface EchoListener {
  onEcho(message: EchoMessage): void;
}

/** Linux's icmp_ratelimit: errors a second, and how many at once. */
const ERRORS_PER_SECOND = 1000;
const ERROR_BURST = 50;
const MAX_IDENTIFIER = 0xffff;

export class IcmpLayer {
  readonly #stack: NetStack;
  readonly #listeners = new Map<number, EchoListener>();
  #nextIdentifier = 1;
  #tokens = ERROR_BURST;
  #tokensPs: Ps = 0;
  /** Messages with a wrong checksum or too few bytes. */
  malformed = 0;

  constructor(stack: NetStack) {
    this.#stack = stack;
  }

  /** Gives `listener` an identifier that no other has; null when all are taken. */
  open(listener: EchoListener): number | null {
    for (let n = 0; n < MAX_IDENTIFIER; n++) {
      const identifier = this.#nextIdentifier;
      this.#nextIdentifier = identifier === MAX_IDENTIFIER ? 1 : identifier + 1;
      if (this.#listeners.has(identifier)) continue;
      this.#listeners.set(identifier, listener);
      return identifier;
    }
    return null;
  }

  close(identifier: number): void {
    this.#listeners.delete(identifier);
  }

  /** Sends an echo request; an errno name if there is no way. */
  sendEcho(destination: number, identifier: number, sequence: number, payload: Uint8Array, ttl: number, dontFragment: boolean) {
    const { cpu, costs } = this.#stack;
    cpu.spend(costs.icmpTxPs, 'icmp');
    const data = writeEcho(ICMP_ECHO, identifier, sequence, payload);
    return this.#stack.send({ data, protocol: PROTOCOL_ICMP, destination, ttl, dontFragment });
  }

  receive(packet: Ipv4Packet, isForGroup: boolean): void {
    const { cpu, costs } = this.#stack;
    const { data, headerBytes, totalBytes } = packet;
    cpu.spend(costs.icmpRxPs + (totalBytes - headerBytes) * costs.checksumPsPerByte, 'icmp');
    if (totalBytes - headerBytes < ICMP_HEADER_BYTES || internetChecksum(data, headerBytes, totalBytes) !== 0) {
      this.malformed++;
      return;
    }
    const type = data[headerBytes];
    if (type === ICMP_ECHO && !isForGroup) this.#reply(packet);
    else if (type === ICMP_ECHO_REPLY) this.#hear(packet, null);
    else if (type === ICMP_UNREACHABLE || type === ICMP_TIME_EXCEEDED) this.#receiveError(packet);
  }

  #reply(request: Ipv4Packet): void {
    const { cpu, costs } = this.#stack;
    cpu.mark('icmp');
    cpu.spend(costs.icmpTxPs, 'icmp');
    const at = request.headerBytes;
    const payload = request.data.subarray(at + ICMP_HEADER_BYTES, request.totalBytes);
    const data = writeEcho(ICMP_ECHO_REPLY, readU16(request.data, at + 4), readU16(request.data, at + 6), payload);
    this.#stack.send({ data, protocol: PROTOCOL_ICMP, destination: request.source, source: request.destination });
  }

  /** Tells the socket whose echo request was answered, or failed. */
  #hear(packet: Ipv4Packet, quoted: QuotedPacket | null): void {
    const at = packet.headerBytes;
    const { data } = packet;
    const transport = quoted === null ? data.subarray(at) : quoted.transport;
    if (quoted !== null && transport[0] !== ICMP_ECHO) return;
    const type = data[at] as number;
    const code = data[at + 1] as number;
    this.#stack.cpu.mark('icmp');
    this.#listeners.get(readU16(transport, 4))?.onEcho({
      type,
      code,
      from: packet.source,
      ttl: packet.ttl,
      sequence: readU16(transport, 6),
      mtu: type === ICMP_UNREACHABLE && code === CODE_FRAGMENTATION_NEEDED ? readU16(data, at + 6) : 0,
      bytes: packet.totalBytes - at,
      data: data.slice(at + ICMP_HEADER_BYTES, packet.totalBytes),
      timePs: this.#stack.cpu.nowPs,
    });
  }

  #receiveError(packet: Ipv4Packet): void {
    const at = packet.headerBytes;
    const quoted = readQuoted(packet.data.subarray(at, packet.totalBytes));
    if (quoted === null || !this.#stack.isLocal(quoted.source)) return;
    const type = packet.data[at] as number;
    const code = packet.data[at + 1] as number;
    const mtu = readU32(packet.data, at + 4) & 0xffff;
    if (type === ICMP_UNREACHABLE && code === CODE_FRAGMENTATION_NEEDED) this.#stack.lowerMtu(quoted.destination, mtu);
    if (quoted.protocol === PROTOCOL_ICMP) this.#hear(packet, quoted);
    else this.#stack.transportError(quoted, type, code);
  }

  /**
   * Sends an error about a packet that arrived, unless that must not be: about an ICMP error, a fragment other than the first, or what came from
   * or went to a group (RFC 1122 3.2.2); or the limit of errors a second is used up.
   */
  sendError(type: number, code: number, packet: Ipv4Packet, rest = 0, isForGroup = false): void {
    const { cpu, costs } = this.#stack;
    const { source } = packet;
    if (isForGroup || packet.fragmentOffset !== 0 || source === 0 || source === LIMITED_BROADCAST || isMulticast(source)) return;
    const isIcmp = packet.protocol === PROTOCOL_ICMP;
    const icmpType = packet.data[packet.headerBytes];
    if (isIcmp && icmpType !== ICMP_ECHO && icmpType !== ICMP_ECHO_REPLY) return;
    if (!this.#takeToken()) return;
    cpu.spend(costs.icmpTxPs, 'icmp');
    const local = this.#stack.isLocal(packet.destination) ? packet.destination : undefined;
    const data = writeIcmpError(type, code, rest, packet);
    this.#stack.send({ data, protocol: PROTOCOL_ICMP, destination: source, ...(local === undefined ? {} : { source: local }) });
  }

  #takeToken(): boolean {
    const { nowPs } = this.#stack.cpu;
    this.#tokens = Math.min(ERROR_BURST, this.#tokens + ((nowPs - this.#tokensPs) * ERRORS_PER_SECOND) / 1e12);
    this.#tokensPs = nowPs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
