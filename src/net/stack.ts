/**
 * The protocol stack of one kernel, a bare host's, dom0's or a guest's: interfaces, routes, and IPv4 between them and the transports.
 *
 * Everything here runs in kernel context, in items of the stack's `KernelCpu`: packets arrive from devices in such items, and whoever sends (`send`)
 * must be in one. Costs are spent as the work goes on, so a packet reaches its device when all work on it has been paid for.
 */
import { ConfigError, type KernelCpu, type RandomStream } from '../sim/index.ts';
import { isLoopback, isMulticast, LIMITED_BROADCAST, parseIpv4, prefixMask } from './bytes.ts';
import type { NetCosts } from './costs.ts';
import type { LinkPacket, NetDevice } from './device.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV4 } from './ethernet.ts';
import { Forwarder } from './forward.ts';
import { IcmpLayer } from './icmp.ts';
import {
  CODE_HOST_UNREACHABLE,
  CODE_PROTOCOL_UNREACHABLE,
  CODE_REASSEMBLY_EXCEEDED,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  type QuotedPacket,
} from './icmp-message.ts';
import { type InterfaceAddress, NetInterface, type PacketOwner } from './interface.ts';
import {
  DONT_FRAGMENT,
  fragmentIpv4,
  type Ipv4Packet,
  PROTOCOL_ICMP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  readIpv4,
  writeIpv4,
} from './ipv4.ts';
import { fillChecksum } from './offload.ts';
import { PathMtus } from './path-mtu.ts';
import { Reassembler } from './reassembly.ts';
import { type Route, RouteTable } from './routes.ts';
import type { CongestionName, Errno } from './socket-types.ts';
import { DEFAULT_TTL, LOOPBACK_MTU } from './stack-defaults.ts';
import type { DeviceOptions, NetStackOptions, Outgoing, RouteOptions } from './stack-types.ts';
import { TcpLayer } from './tcp.ts';
import { DEFAULT_TCP_PARAMS } from './tcp-params.ts';
import { UdpLayer } from './udp.ts';

const ALL_HOSTS = 0xe0000001;

export class NetStack {
  readonly cpu: KernelCpu;
  readonly costs: NetCosts;
  readonly random: RandomStream;
  readonly name: string;
  readonly congestion: CongestionName;
  readonly routes = new RouteTable();
  readonly icmp: IcmpLayer;
  readonly udp: UdpLayer;
  readonly tcp: TcpLayer;
  readonly pathMtus: PathMtus;
  /** Whether packets for others are passed on (ip_forward). */
  forwarding = false;
  /** IPv4 packets dropped for what their header says, or because nobody here wants them. */
  ipDropped = 0;
  readonly #interfaces = new Map<string, NetInterface>();
  readonly #local = new Map<number, NetInterface>();
  readonly #reassembler: Reassembler;
  readonly #forwarder: Forwarder;
  #id: number;

  constructor(options: NetStackOptions) {
    this.cpu = options.cpu;
    this.costs = options.costs;
    this.random = options.random;
    this.name = options.name;
    this.congestion = options.congestion ?? 'cubic';
    this.#id = this.random.below(65_536);
    this.pathMtus = new PathMtus(this.cpu);
    this.#reassembler = new Reassembler(this.cpu, (first) =>
      this.icmp.sendError(ICMP_TIME_EXCEEDED, CODE_REASSEMBLY_EXCEEDED, first),
    );
    this.#forwarder = new Forwarder(this);
    this.icmp = new IcmpLayer(this);
    this.udp = new UdpLayer(this);
    this.tcp = new TcpLayer(this, { ...DEFAULT_TCP_PARAMS, ...options.tcp });
  }

  /** In the order in which they were added. */
  get interfaces(): readonly NetInterface[] {
    return [...this.#interfaces.values()];
  }

  /** Attaches a device and gives it an address, with a route to its network. Throws `ConfigError` for names and addresses that will not do. */
  addDevice(device: NetDevice, options: DeviceOptions = {}): NetInterface {
    if (this.#interfaces.has(device.name)) throw this.#mistake(device.name, 'there is a device of this name already');
    const added = new NetInterface({
      cpu: this.cpu,
      costs: this.costs,
      device,
      proxyArp: options.proxyArp ?? false,
      answersFor: (target, sender, on) => this.#answersFor(target, sender, on),
    });
    this.#interfaces.set(device.name, added);
    device.onReceive = (packet) => this.#receive(added, packet);
    if (options.address !== undefined) this.addAddress(device.name, options.address, options.prefixLength ?? 24);
    if (options.announce === true && device.isUp)
      this.cpu.exec(this.costs.arpPs, 'arp', () => {
        for (const { address } of added.addresses) added.neighbours.announce(address);
      });
    return added;
  }

  /** Gives a device another address. Several devices may have the same one, as dom0's vifs have dom0's with `vif-route`. */
  addAddress(deviceName: string, address: string | number, prefixLength: number): void {
    const on = this.#interface(deviceName);
    const ip = this.#address(address, deviceName);
    if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > 32)
      throw this.#mistake(deviceName, `prefix length ${prefixLength}; accepted 0 to 32`);
    on.addresses.push({ address: ip, prefixLength });
    if (!this.#local.has(ip)) this.#local.set(ip, on);
    if (prefixLength === 32) return;
    const destination = (ip & prefixMask(prefixLength)) >>> 0;
    this.routes.add({ destination, prefixLength, gateway: null, via: on, source: ip, metric: 0 });
  }

  /** Detaches a device: its addresses and routes are gone. Connections notice when they time out. */
  removeDevice(deviceName: string): void {
    const gone = this.#interface(deviceName);
    this.#interfaces.delete(deviceName);
    this.routes.remove(({ via }) => via === gone);
    gone.detach();
    this.#local.clear();
    for (const on of this.#interfaces.values())
      for (const { address } of on.addresses) if (!this.#local.has(address)) this.#local.set(address, on);
  }

  /** Adds a route. Throws `ConfigError` if its gateway or device is not there. */
  addRoute(options: RouteOptions): void {
    const prefixLength = options.prefixLength ?? (options.destination === undefined ? 0 : 32);
    const where = `route to ${options.destination ?? 'default'}/${prefixLength}`;
    const gateway = options.gateway === undefined ? null : this.#address(options.gateway, where);
    const near = gateway === null ? null : this.routes.find(gateway);
    const via = options.device === undefined ? near?.via : this.#interface(options.device);
    if (via === undefined) throw this.#mistake(where, 'names no device, and its gateway is on no network of a device');
    const destination = (this.#address(options.destination ?? 0, where) & prefixMask(prefixLength)) >>> 0;
    const source = options.source === undefined ? via.sourceFor(gateway ?? destination) : this.#address(options.source, where);
    this.routes.add({ destination, prefixLength, gateway, via, source, metric: options.metric ?? 0 });
  }

  /** Removes the routes to exactly this network; how many there were. */
  removeRoute(destination: string | number, prefixLength: number): number {
    const network = this.#address(destination, 'route');
    return this.routes.remove((route) => route.destination === network && route.prefixLength === prefixLength);
  }

  /** Whether packets to `address` (no group) end here. */
  isLocal(address: number): boolean {
    return this.#local.has(address) || isLoopback(address);
  }

  /** The source address that packets to `destination` have, or null without a route. */
  sourceFor(destination: number): number | null {
    if (this.isLocal(destination)) return destination;
    return this.routeTo(destination)?.source ?? null;
  }

  /** The route to `destination`; groups without one leave by the first device that is up. */
  routeTo(destination: number): Route | null {
    const route = this.routes.find(destination);
    if (route !== null || !(isMulticast(destination) || destination === LIMITED_BROADCAST)) return route;
    const via = this.interfaces.find(({ isUp, addresses }) => isUp && addresses.length > 0);
    if (via === undefined) return null;
    return { destination, prefixLength: 32, gateway: null, via, source: via.sourceFor(destination), metric: 0 };
  }

  interfaceNamed(name: string): NetInterface | undefined {
    return this.#interfaces.get(name);
  }

  /** Whether `address` means all hosts of a network of ours. */
  isBroadcast(address: number): boolean {
    return address === LIMITED_BROADCAST || this.interfaces.some((on) => this.#isSubnetBroadcast(address, on));
  }

  /** Largest packet to `destination`: the path's MTU as far as it is known. */
  mtuTo(destination: number): number {
    if (this.isLocal(destination)) return LOOPBACK_MTU;
    const mtu = this.routes.find(destination)?.via.mtu ?? 1500;
    return Math.min(mtu, this.pathMtus.find(destination) ?? mtu);
  }

  /** "Fragmentation needed" arrived about a packet to `destination`. */
  lowerMtu(destination: number, mtu: number): void {
    if (this.isLocal(destination)) return;
    this.pathMtus.lower(destination, mtu, this.mtuTo(destination));
  }

  /** Whether the device towards `destination` completes checksums, so that a transport need not. */
  hasChecksumOffload(destination: number): boolean {
    return this.isLocal(destination) || (this.routes.find(destination)?.via.device.features.checksum ?? false);
  }

  /** An ICMP error about a packet of ours. */
  transportError(quoted: QuotedPacket, type: number, code: number): void {
    if (quoted.protocol === PROTOCOL_UDP) this.udp.receiveError(quoted, type, code);
    else if (quoted.protocol === PROTOCOL_TCP) this.tcp.receiveError(quoted, type, code);
  }

  /** Sends a packet; null, or why it can not go. Without a `source` the route's is used; a transport that has a checksum knows its source. */
  send(out: Outgoing): Errno | null {
    const { data, destination } = out;
    this.cpu.spend(this.costs.ipTxPs, 'ip');
    const isGroup = destination === LIMITED_BROADCAST || isMulticast(destination);
    const isHere = !isGroup && this.isLocal(destination);
    const route = isHere ? null : this.routeTo(destination);
    if (route === null && !isHere) return 'ENETUNREACH';
    const source = out.source ?? (route === null ? destination : route.source);
    const flags = out.dontFragment === true ? DONT_FRAGMENT : 0;
    writeIpv4(data, this.#nextId(out), flags, out.ttl ?? DEFAULT_TTL, out.protocol, source, destination);
    if (route === null) {
      this.#loopBack(data, out.owner ?? null);
      return null;
    }
    return this.#sendVia(route, out, isGroup || this.#isSubnetBroadcast(destination, route.via));
  }

  #sendVia(route: Route, out: Outgoing, isGroup: boolean): Errno | null {
    const { destination, owner = null, gso = null, checksumBlank = false } = out;
    const { via } = route;
    let { data } = out;
    if (isGroup && this.#isMember(destination, via)) this.#loopBack(data.slice(), null);
    const mtu = Math.min(via.mtu, this.pathMtus.find(destination) ?? via.mtu);
    const fail = () => this.#failed(data, out);
    const next = route.gateway ?? destination;
    const put = (piece: Uint8Array, blank: boolean) => {
      if (isGroup) via.sendToGroup(destination, ETHERTYPE_IPV4, piece, blank, owner);
      else via.sendTo(next, ETHERTYPE_IPV4, piece, gso, blank, owner, fail);
    };
    if (data.length <= mtu || gso !== null) {
      put(data, checksumBlank);
      return null;
    }
    if (out.dontFragment === true) return 'EMSGSIZE';
    if (checksumBlank) {
      data = data.slice();
      fillChecksum(data);
    }
    const pieces = fragmentIpv4(data, mtu);
    this.cpu.spend(pieces.length * this.costs.segmentPs, 'segmentation');
    for (const piece of pieces) put(piece, false);
    return null;
  }

  /** Nobody has the next hop's address: whoever sent learns it as by an ICMP error of our own. */
  #failed(data: Uint8Array, out: Outgoing): void {
    if (out.onUnreachable !== undefined) {
      out.onUnreachable();
      return;
    }
    const packet = readIpv4(data);
    if (typeof packet === 'string') return;
    const transport = data.subarray(packet.headerBytes);
    if (packet.protocol === PROTOCOL_ICMP) this.#loopBackError(packet);
    else this.transportError({ ...packet, transport }, ICMP_UNREACHABLE, CODE_HOST_UNREACHABLE);
  }

  /** The error goes through the stack like one from the network, so that `ping` sees "From …" its own address. */
  #loopBackError(packet: Ipv4Packet): void {
    this.icmp.sendError(ICMP_UNREACHABLE, CODE_HOST_UNREACHABLE, packet);
  }

  /** A GSO packet uses one identification for each segment. */
  #nextId(out: Outgoing): number {
    const id = this.#id;
    const count = out.gso == null ? 1 : Math.ceil(out.data.length / out.gso.size);
    this.#id = (id + count) & 0xffff;
    return id;
  }

  #loopBack(data: Uint8Array, owner: PacketOwner | null): void {
    if (owner !== null) owner.queuedBytes += data.length;
    this.cpu.exec(0, 'ip', () => {
      if (owner !== null) {
        owner.queuedBytes -= data.length;
        owner.onDequeued();
      }
      this.#input(null, data, true, 0);
    });
  }

  #receive(on: NetInterface, packet: LinkPacket): void {
    on.rxPackets++;
    on.rxBytes += packet.data.length;
    if (packet.protocol === ETHERTYPE_ARP) on.neighbours.receive(packet.data);
    else if (packet.protocol === ETHERTYPE_IPV4)
      this.#input(on, packet.data, packet.checksumVerified || packet.checksumBlank, packet.gso?.size ?? 0, packet);
    else on.rxDropped++;
  }

  /** An IPv4 packet; `on` null: from this host itself. */
  #input(on: NetInterface | null, data: Uint8Array, isVerified: boolean, gsoSize: number, link?: LinkPacket): void {
    this.cpu.spend(this.costs.ipRxPs, 'ip');
    const packet = readIpv4(data);
    if (typeof packet === 'string' || isBadSource(packet.source, on)) {
      this.#drop(on);
      return;
    }
    const { destination } = packet;
    const isGroup = on !== null && (isMulticast(destination) || this.#isBroadcast(destination, on));
    const isHere = isGroup ? this.#isMember(destination, on) : this.isLocal(destination);
    if (isHere) this.#deliver(packet, isVerified, gsoSize, isGroup);
    else if (this.forwarding && !isGroup && on !== null && link !== undefined) this.#forwarder.forward(packet, link);
    else this.#drop(on);
  }

  #drop(on: NetInterface | null): void {
    this.ipDropped++;
    if (on !== null) on.rxDropped++;
  }

  /** To the transport; fragments wait for the others. */
  #deliver(packet: Ipv4Packet, isVerified: boolean, gsoSize: number, isGroup: boolean): void {
    if (packet.moreFragments || packet.fragmentOffset !== 0) {
      const whole = this.#reassembler.add(packet);
      const read = whole === null ? 'too short' : readIpv4(whole);
      if (typeof read !== 'string') this.#deliver(read, false, 0, isGroup);
      return;
    }
    if (packet.protocol === PROTOCOL_TCP && !isGroup) this.tcp.receive(packet, isVerified, gsoSize);
    else if (packet.protocol === PROTOCOL_UDP) this.udp.receive(packet, isVerified, isGroup);
    else if (packet.protocol === PROTOCOL_ICMP) this.icmp.receive(packet, isGroup);
    else this.icmp.sendError(ICMP_UNREACHABLE, CODE_PROTOCOL_UNREACHABLE, packet, 0, isGroup);
  }

  #isBroadcast(address: number, on: NetInterface): boolean {
    return address === LIMITED_BROADCAST || this.#isSubnetBroadcast(address, on);
  }

  #isSubnetBroadcast(address: number, on: NetInterface): boolean {
    return on.addresses.some((own: InterfaceAddress) => {
      const mask = prefixMask(own.prefixLength);
      return own.prefixLength < 31 && address === ((own.address & mask) | (~mask >>> 0)) >>> 0;
    });
  }

  #isMember(address: number, on: NetInterface): boolean {
    return !isMulticast(address) || address === ALL_HOSTS || on.groups.has(address);
  }

  /** ARP: for addresses of ours on that link, and for what we route to elsewhere where proxy ARP is on. */
  #answersFor(target: number, sender: number, on: NetInterface): boolean {
    if (on.addresses.some(({ address }) => address === target)) return true;
    if (this.#local.has(target)) return sender !== target;
    if (!on.proxyArp || !this.forwarding || sender === target) return false;
    const route = this.routes.find(target);
    return route !== null && route.via !== on;
  }

  #interface(name: string): NetInterface {
    const found = this.#interfaces.get(name);
    if (found === undefined) throw this.#mistake(name, `no such device; there are ${[...this.#interfaces.keys()].join(', ')}`);
    return found;
  }

  #address(address: string | number, where: string): number {
    const ip = typeof address === 'number' ? address : parseIpv4(address);
    if (ip === null) throw this.#mistake(where, `found ${address}; accepted four numbers 0 to 255 with dots`);
    return ip;
  }

  #mistake(path: string, message: string): ConfigError {
    return new ConfigError([{ file: this.name, path, message }]);
  }
}

/** Sources that no packet may have; our own loopback may. */
function isBadSource(source: number, on: NetInterface | null): boolean {
  return source === LIMITED_BROADCAST || isMulticast(source) || (on !== null && isLoopback(source));
}
