/** TCP in a stack: connections and listeners by address and port, connecting, accepting, and answers to segments that belong to none. */
import { internetChecksum, pseudoHeaderSum, readU16, readU32 } from './bytes.ts';
import { errnoOfIcmp } from './icmp-errno.ts';
import {
  CODE_FRAGMENTATION_NEEDED,
  CODE_PORT_UNREACHABLE,
  CODE_PROTOCOL_UNREACHABLE,
  ICMP_UNREACHABLE,
  type QuotedPacket,
} from './icmp-message.ts';
import { IPV4_HEADER_BYTES, type Ipv4Packet, PROTOCOL_TCP } from './ipv4.ts';
import { fillChecksum } from './offload.ts';
import { PortTable } from './ports.ts';
import type { Errno, TcpOptions } from './socket-types.ts';
import type { NetStack } from './stack.ts';
import { Tcb, type TcbHost, updateMss, unwrap } from './tcb.ts';
import { destroy } from './tcp-close.ts';
import { mayReplace, receiveSegment, takeSyn } from './tcp-input.ts';
import { output, sendSyn } from './tcp-output.ts';
import type { TcpParams } from './tcp-params.ts';
import { ACK, FIN, readSegment, RST, SYN, TCP_HEADER_BYTES, type TcpSegment, writeSegmentHeader } from './tcp-segment.ts';
import * as timers from './tcp-timeouts.ts';
import { mayMeet } from './udp.ts';

/** A port that listens. */
export interface TcpListenPort {
  /** 0: all addresses. */
  readonly address: number;
  readonly port: number;
  readonly backlog: number;
  readonly options: TcpOptions;
  /** Connections that are established and wait to be accepted. */
  readonly ready: Tcb[];
  /** Connections whose handshake is under way. */
  opening: number;
  onReady(): void;
}

export interface TcpEnds {
  readonly localAddress: number;
  readonly localPort: number;
  readonly remoteAddress: number;
  readonly remotePort: number;
}

export class TcpLayer implements TcbHost {
  readonly stack: NetStack;
  readonly params: TcpParams;
  readonly #connections = new Map<number, Tcb[]>();
  readonly #listeners = new Map<number, TcpListenPort[]>();
  readonly #parents = new Map<Tcb, TcpListenPort>();
  readonly ports: PortTable;
  /** Segments with a wrong checksum or header, and those that belong to no connection. */
  malformed = 0;
  unwanted = 0;

  constructor(stack: NetStack, params: TcpParams) {
    this.stack = stack;
    this.params = params;
    this.ports = new PortTable(stack.random, (port) => this.#listeners.has(port));
  }

  /** Connections in any state but CLOSED and LISTEN. */
  get connections(): readonly Tcb[] {
    return [...this.#connections.values()].flat();
  }

  /** The connection between these ends, or undefined. */
  find(localAddress: number, localPort: number, remoteAddress: number, remotePort: number): Tcb | undefined {
    const same = this.#connections.get(keyOf(localPort, remotePort));
    if (same === undefined) return undefined;
    for (const tcb of same) if (tcb.remoteAddress === remoteAddress && tcb.localAddress === localAddress) return tcb;
    return undefined;
  }

  /** Begins a connection, in kernel context: the SYN goes out. */
  connect(ends: TcpEnds, options: TcpOptions, onCreated: (tcb: Tcb) => void): Tcb | Errno {
    if (this.find(ends.localAddress, ends.localPort, ends.remoteAddress, ends.remotePort) !== undefined) return 'EADDRINUSE';
    const tcb = new Tcb(this, ends, options, false, timers);
    this.#add(tcb);
    tcb.state = 'SYN_SENT';
    tcb.sndNxt = tcb.iss + 1;
    onCreated(tcb);
    sendSyn(tcb);
    return tcb;
  }

  /** A port for a connection to this peer; null if none is left. */
  pickPort(localAddress: number, remoteAddress: number, remotePort: number): number | null {
    return this.ports.pick(
      (port) => this.#listeners.has(port) || this.find(localAddress, port, remoteAddress, remotePort) !== undefined,
    );
  }

  /** Whether something listens on that address and port, or another connection of ours has it as its own. */
  isTaken(address: number, port: number): boolean {
    return (this.#listeners.get(port) ?? []).some((other) => mayMeet(other.address, address));
  }

  /** Begins to listen; EADDRINUSE if the port is taken. */
  listen(port: TcpListenPort): Errno | null {
    if (this.isTaken(port.address, port.port)) return 'EADDRINUSE';
    this.#listeners.set(port.port, [...(this.#listeners.get(port.port) ?? []), port]);
    return null;
  }

  /** Stops listening; connections that nobody accepted are reset by their owner. */
  unlisten(port: TcpListenPort): void {
    const left = (this.#listeners.get(port.port) ?? []).filter((other) => other !== port);
    if (left.length === 0) this.#listeners.delete(port.port);
    else this.#listeners.set(port.port, left);
    for (const [tcb, parent] of [...this.#parents]) if (parent === port) destroy(tcb, null);
  }

  established(tcb: Tcb): void {
    const parent = this.#parents.get(tcb);
    if (parent === undefined) return;
    this.#parents.delete(tcb);
    parent.opening--;
    parent.ready.push(tcb);
    parent.onReady();
  }

  closed(tcb: Tcb): void {
    const key = keyOf(tcb.localPort, tcb.remotePort);
    const left = (this.#connections.get(key) ?? []).filter((other) => other !== tcb);
    if (left.length === 0) this.#connections.delete(key);
    else this.#connections.set(key, left);
    const parent = this.#parents.get(tcb);
    if (parent === undefined) return;
    this.#parents.delete(tcb);
    parent.opening--;
  }

  /** During the handshake that ends it, later it may pass (RFC 1122 4.2.3.9). */
  unreachable(tcb: Tcb, errno: Errno): void {
    if (tcb.state === 'SYN_SENT') destroy(tcb, errno);
    else tcb.softError = errno;
  }

  receive(packet: Ipv4Packet, isVerified: boolean, gsoSize: number): void {
    const { cpu, costs } = this.stack;
    const segment = readSegment(packet.data, packet.headerBytes, packet.totalBytes);
    cpu.spend(segment === null || segment.data.length === 0 ? costs.tcpAckRxPs : costs.tcpRxPs, 'tcp');
    if (segment === null || !(isVerified || this.#isIntact(packet))) {
      this.malformed++;
      return;
    }
    const { source, destination } = packet;
    const tcb = this.find(destination, segment.destinationPort, source, segment.sourcePort);
    if (
      tcb !== undefined &&
      !(mayReplace(tcb, segment) && this.#listenerFor(destination, segment.destinationPort) !== undefined)
    ) {
      if (receiveSegment(tcb, segment, gsoSize) === 'reset') this.#reset(packet, segment);
      return;
    }
    if (tcb !== undefined) destroy(tcb, null);
    const listener = this.#listenerFor(destination, segment.destinationPort);
    if (listener !== undefined) this.#receiveInListen(listener, packet, segment);
    else {
      this.unwanted++;
      this.#reset(packet, segment);
    }
  }

  #isIntact(packet: Ipv4Packet): boolean {
    const { cpu, costs } = this.stack;
    const { headerBytes, totalBytes, source, destination } = packet;
    const length = totalBytes - headerBytes;
    cpu.spend(length * costs.checksumPsPerByte, 'checksum');
    return (
      internetChecksum(packet.data, headerBytes, totalBytes, pseudoHeaderSum(source, destination, PROTOCOL_TCP, length)) === 0
    );
  }

  #listenerFor(address: number, port: number): TcpListenPort | undefined {
    const there = this.#listeners.get(port);
    return there?.find((listener) => listener.address === address) ?? there?.find((listener) => listener.address === 0);
  }

  /** LISTEN of RFC 9293 3.10.7.2. */
  #receiveInListen(listener: TcpListenPort, packet: Ipv4Packet, segment: TcpSegment): void {
    const { flags } = segment;
    if ((flags & RST) !== 0) return;
    if ((flags & ACK) !== 0) {
      this.#reset(packet, segment);
      return;
    }
    if ((flags & SYN) === 0 || listener.ready.length + listener.opening >= listener.backlog) return;
    const tcb = new Tcb(
      this,
      {
        localAddress: packet.destination,
        localPort: segment.destinationPort,
        remoteAddress: packet.source,
        remotePort: segment.sourcePort,
      },
      listener.options,
      true,
      timers,
    );
    this.#add(tcb);
    this.#parents.set(tcb, listener);
    listener.opening++;
    tcb.state = 'SYN_RECEIVED';
    tcb.sndNxt = tcb.iss + 1;
    takeSyn(tcb, segment);
    tcb.sndWnd = segment.window;
    sendSyn(tcb);
  }

  #add(tcb: Tcb): void {
    const key = keyOf(tcb.localPort, tcb.remotePort);
    this.#connections.set(key, [...(this.#connections.get(key) ?? []), tcb]);
  }

  /** A reset to the sender of a segment that nobody here takes (RFC 9293 3.10.7.1). */
  #reset(packet: Ipv4Packet, segment: TcpSegment): void {
    const { flags } = segment;
    if ((flags & RST) !== 0) return;
    const { cpu, costs } = this.stack;
    cpu.spend(costs.tcpTxPs, 'tcp');
    const hasAck = (flags & ACK) !== 0;
    const length = segment.data.length + ((flags & SYN) === 0 ? 0 : 1) + ((flags & FIN) === 0 ? 0 : 1);
    const data = new Uint8Array(IPV4_HEADER_BYTES + TCP_HEADER_BYTES);
    data.set(packet.data.subarray(16, 20), 12);
    data.set(packet.data.subarray(12, 16), 16);
    data[0] = 0x45;
    data[9] = PROTOCOL_TCP;
    writeSegmentHeader(data, IPV4_HEADER_BYTES, {
      sourcePort: segment.destinationPort,
      destinationPort: segment.sourcePort,
      sequence: hasAck ? segment.ack : 0,
      ack: hasAck ? 0 : (segment.sequence + length) >>> 0,
      flags: hasAck ? RST : RST | ACK,
      window: 0,
    });
    fillChecksum(data);
    this.stack.send({ data, protocol: PROTOCOL_TCP, destination: packet.source, source: packet.destination, dontFragment: true });
  }

  /** An ICMP error about a segment of ours. What is not under way any more is not believed (RFC 5927). */
  receiveError(quoted: QuotedPacket, type: number, code: number): void {
    const { transport } = quoted;
    const tcb = this.find(quoted.source, readU16(transport, 0), quoted.destination, readU16(transport, 2));
    if (tcb === undefined) return;
    const sequence = unwrap(readU32(transport, 4), tcb.sndUna);
    if (sequence < tcb.sndUna || sequence > tcb.sndNxt) return;
    if (type === ICMP_UNREACHABLE && code === CODE_FRAGMENTATION_NEEDED) {
      this.#shrink(tcb);
      return;
    }
    const errno = errnoOfIcmp(type, code);
    if (errno === null) return;
    const isHard = code === CODE_PORT_UNREACHABLE || code === CODE_PROTOCOL_UNREACHABLE;
    if (isHard && !tcb.isSynchronized) destroy(tcb, errno);
    else this.unreachable(tcb, errno);
  }

  /** The path's MTU fell: what is under way was too large, and goes again in smaller segments (RFC 1191 6.4), without blame on congestion. */
  #shrink(tcb: Tcb): void {
    const before = tcb.mss;
    updateMss(tcb);
    if (tcb.mss >= before || tcb.flight === 0 || !tcb.isSynchronized) return;
    tcb.recovery = 'loss';
    tcb.recoveryPoint = tcb.sndNxt;
    tcb.lossMark = tcb.sndNxt;
    tcb.highRxt = tcb.sndUna;
    tcb.dupAcks = 0;
    tcb.mustRetransmit = true;
    output(tcb);
  }
}

function keyOf(localPort: number, remotePort: number): number {
  return localPort * 65_536 + remotePort;
}
