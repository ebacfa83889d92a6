/** UDP in a stack (RFC 768): ports, checksums, delivery to sockets, and errors about datagrams sent. */
import { internetChecksum, pseudoHeaderSum, readU16, writeU16 } from './bytes.ts';
import { CODE_PORT_UNREACHABLE, ICMP_UNREACHABLE, type QuotedPacket } from './icmp-message.ts';
import type { PacketOwner } from './interface.ts';
import { IPV4_HEADER_BYTES, IPV4_MAX_BYTES, type Ipv4Packet, PROTOCOL_UDP } from './ipv4.ts';
import { errnoOfIcmp } from './icmp-errno.ts';
import { fillChecksum, writeBlankChecksum } from './offload.ts';
import { PortTable } from './ports.ts';
import type { Errno } from './socket-types.ts';
import type { NetStack } from './stack.ts';

export const UDP_HEADER_BYTES = 8;
export const UDP_MAX_PAYLOAD = IPV4_MAX_BYTES - IPV4_HEADER_BYTES - UDP_HEADER_BYTES;

/** A received datagram. `data` is a view of the packet. */
export interface UdpDatagram {
  readonly data: Uint8Array;
  readonly source: number;
  readonly sourcePort: number;
}

/** An end of UDP: what a socket is in the kernel. */
export interface UdpEndpoint extends PacketOwner {
  /** 0: all addresses of the host. */
  readonly localAddress: number;
  readonly localPort: number;
  /** Set by `connect`; then datagrams of others are not for it. */
  readonly remote: { readonly address: number; readonly port: number } | null;
  readonly groups: ReadonlySet<number>;
  onDatagram(datagram: UdpDatagram): void;
  onError(errno: Errno): void;
}

export interface UdpSendOptions {
  readonly source: number;
  readonly sourcePort: number;
  readonly destination: number;
  readonly destinationPort: number;
  readonly ttl: number;
  readonly dontFragment: boolean;
  readonly owner: PacketOwner | null;
}

export class UdpLayer {
  readonly #stack: NetStack;
  readonly #endpoints = new Map<number, UdpEndpoint[]>();
  readonly ports: PortTable;
  /** Datagrams with a wrong checksum or length; to ports that nobody has. */
  malformed = 0;
  unwanted = 0;

  constructor(stack: NetStack) {
    this.#stack = stack;
    this.ports = new PortTable(stack.random, (port) => this.#endpoints.has(port));
  }

  /** Binds; EADDRINUSE if the port is taken on that address. */
  open(endpoint: UdpEndpoint): Errno | null {
    const there = this.#endpoints.get(endpoint.localPort) ?? [];
    const clash = there.some((other) => mayMeet(other.localAddress, endpoint.localAddress));
    if (clash) return 'EADDRINUSE';
    this.#endpoints.set(endpoint.localPort, [...there, endpoint]);
    return null;
  }

  close(endpoint: UdpEndpoint): void {
    const left = (this.#endpoints.get(endpoint.localPort) ?? []).filter((other) => other !== endpoint);
    if (left.length === 0) this.#endpoints.delete(endpoint.localPort);
    else this.#endpoints.set(endpoint.localPort, left);
  }

  /** Sends a datagram, in kernel context; null, or why not. */
  send(payload: Uint8Array, options: UdpSendOptions): Errno | null {
    const { cpu, costs } = this.#stack;
    const { source, destination, ttl, dontFragment, owner } = options;
    if (payload.length > UDP_MAX_PAYLOAD) return 'EMSGSIZE';
    cpu.spend(costs.udpTxPs, 'udp');
    const data = new Uint8Array(IPV4_HEADER_BYTES + UDP_HEADER_BYTES + payload.length);
    const at = IPV4_HEADER_BYTES;
    writeU16(data, at, options.sourcePort);
    writeU16(data, at + 2, options.destinationPort);
    writeU16(data, at + 4, UDP_HEADER_BYTES + payload.length);
    data.set(payload, at + UDP_HEADER_BYTES);
    const isWhole = data.length <= this.#stack.mtuTo(destination);
    const checksumBlank = isWhole && this.#stack.hasChecksumOffload(destination);
    this.#writeAddresses(data, source, destination);
    if (checksumBlank) writeBlankChecksum(data);
    else {
      cpu.spend((data.length - at) * costs.checksumPsPerByte, 'checksum');
      fillChecksum(data);
    }
    cpu.mark('udp');
    return this.#stack.send({ data, protocol: PROTOCOL_UDP, destination, source, ttl, dontFragment, checksumBlank, owner });
  }

  /** The part of the IPv4 header that checksums cover. */
  #writeAddresses(data: Uint8Array, source: number, destination: number): void {
    data[0] = 0x45;
    data[9] = PROTOCOL_UDP;
    writeU16(data, 12, source >>> 16);
    writeU16(data, 14, source & 0xffff);
    writeU16(data, 16, destination >>> 16);
    writeU16(data, 18, destination & 0xffff);
  }

  receive(packet: Ipv4Packet, isVerified: boolean, isGroup: boolean): void {
    const { cpu, costs, icmp } = this.#stack;
    cpu.spend(costs.udpRxPs, 'udp');
    const at = packet.headerBytes;
    const { data } = packet;
    const available = packet.totalBytes - at;
    const length = available < UDP_HEADER_BYTES ? 0 : readU16(data, at + 4);
    if (length < UDP_HEADER_BYTES || length > available || !this.#isIntact(packet, length, isVerified)) {
      this.malformed++;
      return;
    }
    const sourcePort = readU16(data, at);
    const datagram = { data: data.subarray(at + UDP_HEADER_BYTES, at + length), source: packet.source, sourcePort };
    const found = this.#find(readU16(data, at + 2), packet, sourcePort, isGroup);
    if (found.length === 0) {
      this.unwanted++;
      icmp.sendError(ICMP_UNREACHABLE, CODE_PORT_UNREACHABLE, packet, 0, isGroup);
    }
    if (found.length > 0) cpu.mark('udp');
    for (const endpoint of found) endpoint.onDatagram(datagram);
  }

  #isIntact(packet: Ipv4Packet, length: number, isVerified: boolean): boolean {
    const at = packet.headerBytes;
    if (isVerified || readU16(packet.data, at + 6) === 0) return true;
    const { cpu, costs } = this.#stack;
    cpu.spend(length * costs.checksumPsPerByte, 'checksum');
    const pseudo = pseudoHeaderSum(packet.source, packet.destination, PROTOCOL_UDP, length);
    return internetChecksum(packet.data, at, at + length, pseudo) === 0;
  }

  /** Who wants a datagram: one socket, the most particular; of groups, all that joined; of broadcasts, all. */
  #find(port: number, packet: Ipv4Packet, sourcePort: number, isGroup: boolean): UdpEndpoint[] {
    const { source, destination } = packet;
    const wanting = (this.#endpoints.get(port) ?? []).filter(({ localAddress, remote, groups }) => {
      if (remote !== null && (remote.address !== source || remote.port !== sourcePort)) return false;
      if (!isGroup) return localAddress === 0 || localAddress === destination;
      return destination >>> 28 === 0xe ? groups.has(destination) : localAddress === 0;
    });
    if (isGroup) return wanting;
    const score = ({ remote, localAddress }: UdpEndpoint) => (remote === null ? 0 : 2) + (localAddress === 0 ? 0 : 1);
    return wanting.sort((a, b) => score(b) - score(a)).slice(0, 1);
  }

  /** An ICMP error about a datagram of ours: connected sockets learn it (RFC 1122 4.1.3.3). */
  receiveError(quoted: QuotedPacket, type: number, code: number): void {
    const errno = errnoOfIcmp(type, code);
    if (errno === null) return;
    const port = readU16(quoted.transport, 0);
    const remotePort = readU16(quoted.transport, 2);
    for (const endpoint of this.#endpoints.get(port) ?? []) {
      const { remote } = endpoint;
      if (remote !== null && remote.address === quoted.destination && remote.port === remotePort) endpoint.onError(errno);
    }
  }
}

/** Whether two bound addresses share one; 0 is all of them. */
export function mayMeet(a: number, b: number): boolean {
  return a === 0 || b === 0 || a === b;
}
