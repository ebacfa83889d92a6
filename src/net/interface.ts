/**
 * A device with what a protocol stack keeps for it: addresses, neighbours, groups, counters, and a queue for packets that the device has no room for.
 */
import type { KernelCpu } from '../sim/index.ts';
import { prefixMask } from './bytes.ts';
import type { NetCosts } from './costs.ts';
import type { Gso, LinkPacket, NetDevice } from './device.ts';
import { NeighbourTable } from './neighbour.ts';
import { adaptPacket, fits } from './offload.ts';

/** Whose packets wait in a queue: a socket's send buffer holds them until the device takes them. */
export interface PacketOwner {
  queuedBytes: number;
  /** Something of it left the queue. */
  onDequeued(): void;
}

export interface InterfaceAddress {
  readonly address: number;
  readonly prefixLength: number;
}

/** Linux's txqueuelen. */
export const QUEUE_PACKETS = 1000;

export interface InterfaceOptions {
  readonly cpu: KernelCpu;
  readonly costs: NetCosts;
  readonly device: NetDevice;
  readonly proxyArp: boolean;
  /** See `NeighbourOptions`. */
  readonly answersFor: (target: number, sender: number, on: NetInterface) => boolean;
}

interface Queued {
  readonly packet: LinkPacket;
  readonly owner: PacketOwner | null;
}

export class NetInterface {
  readonly device: NetDevice;
  readonly addresses: InterfaceAddress[] = [];
  readonly neighbours: NeighbourTable;
  /** Answers for addresses that are reached through another interface of this stack. */
  proxyArp: boolean;
  /** IPv4 groups joined, with how many sockets did. */
  readonly groups = new Map<number, number>();
  rxPackets = 0;
  rxBytes = 0;
  rxDropped = 0;
  txPackets = 0;
  txBytes = 0;
  txDropped = 0;
  readonly #cpu: KernelCpu;
  readonly #costs: NetCosts;
  readonly #queue: Queued[] = [];

  constructor(options: InterfaceOptions) {
    const { cpu, costs, device, proxyArp, answersFor } = options;
    this.device = device;
    this.proxyArp = proxyArp;
    this.#cpu = cpu;
    this.#costs = costs;
    this.neighbours = new NeighbourTable({
      cpu,
      arpPs: costs.arpPs,
      device,
      transmit: (destination, protocol, data) => this.#transmit(destination, protocol, data, null, false, null),
      sourceFor: (target) => this.sourceFor(target),
      answersFor: (target, sender) => answersFor(target, sender, this),
    });
    device.onWritable = () => this.#drain();
  }

  get name(): string {
    return this.device.name;
  }

  get isUp(): boolean {
    return this.device.isUp;
  }

  get mtu(): number {
    return this.device.mtu;
  }

  /** Our address on the network of `target`, else the first. */
  sourceFor(target: number): number {
    const near = this.addresses.find(({ address, prefixLength }) => ((address ^ target) & prefixMask(prefixLength)) === 0);
    return (near ?? this.addresses[0])?.address ?? 0;
  }

  /** Sends a layer-3 packet to a neighbour; `onUnreachable` if nobody has that address. */
  sendTo(
    neighbour: number,
    protocol: number,
    data: Uint8Array,
    gso: Gso | null,
    checksumBlank: boolean,
    owner: PacketOwner | null,
    onUnreachable: () => void,
  ): void {
    let isWaiting = false;
    const settle = () => {
      if (!isWaiting || owner === null) return;
      owner.queuedBytes -= data.length;
      owner.onDequeued();
    };
    const send = (link: Uint8Array) => {
      this.#transmit(link, protocol, data, gso, checksumBlank, owner);
      settle();
    };
    const fail = () => {
      settle();
      onUnreachable();
    };
    isWaiting = !this.neighbours.resolve(neighbour, { send, fail, drop: settle });
    if (isWaiting && owner !== null) owner.queuedBytes += data.length;
  }

  /** Sends to a group, or to all (`group` a broadcast address). */
  sendToGroup(group: number, protocol: number, data: Uint8Array, checksumBlank: boolean, owner: PacketOwner | null): void {
    const { device } = this;
    const isMulticast = group >>> 28 === 0xe;
    const to = isMulticast ? device.multicastAddress(group) : device.broadcastAddress;
    this.#transmit(to, protocol, data, null, checksumBlank, owner);
  }

  /** Joins a group on the link, or leaves it. Returns false if it was not joined. */
  setGroup(group: number, joined: boolean): boolean {
    const users = (this.groups.get(group) ?? 0) + (joined ? 1 : -1);
    if (users < 0) return false;
    if (users === 0) this.groups.delete(group);
    else this.groups.set(group, users);
    if (users === (joined ? 1 : 0)) this.device.setMulticast(group, joined);
    return true;
  }

  #transmit(
    destination: Uint8Array,
    protocol: number,
    data: Uint8Array,
    gso: Gso | null,
    checksumBlank: boolean,
    owner: PacketOwner | null,
  ): void {
    const { device } = this;
    const packet = { destination, source: device.address, protocol, data, gso, checksumBlank, checksumVerified: true };
    if (fits(packet, device.features)) this.#enqueue(packet, owner);
    else for (const piece of this.#adapt(packet)) this.#enqueue(piece, owner);
  }

  /** Does in software what the device can not do, and pays for it. */
  #adapt(packet: LinkPacket): LinkPacket[] {
    const pieces = adaptPacket(packet, this.device.features);
    if (pieces.length > 1) this.#cpu.spend(pieces.length * this.#costs.segmentPs, 'segmentation');
    if (!this.device.features.checksum) this.#cpu.spend(packet.data.length * this.#costs.checksumPsPerByte, 'checksum');
    return pieces;
  }

  #enqueue(packet: LinkPacket, owner: PacketOwner | null): void {
    if (this.#queue.length === 0 && this.device.transmit(packet)) {
      this.#count(packet);
      return;
    }
    if (this.#queue.length >= QUEUE_PACKETS) {
      this.txDropped++;
      return;
    }
    if (owner !== null) owner.queuedBytes += packet.data.length;
    this.#queue.push({ packet, owner });
  }

  /** The device has room again. */
  #drain(): void {
    let sent = 0;
    const owners = new Set<PacketOwner>();
    for (const { packet, owner } of this.#queue) {
      if (!this.device.transmit(packet)) break;
      sent++;
      this.#count(packet);
      if (owner === null) continue;
      owner.queuedBytes -= packet.data.length;
      owners.add(owner);
    }
    this.#queue.splice(0, sent);
    for (const owner of owners) owner.onDequeued();
  }

  #count(packet: LinkPacket): void {
    this.txPackets++;
    this.txBytes += packet.data.length;
  }

  /** Lets go of the device. May be called outside of items: what waited learns of it in one. */
  detach(): void {
    const { device } = this;
    device.onWritable = null;
    device.onReceive = null;
    device.onCarrier = null;
    this.#cpu.exec(0, 'ip', () => {
      this.neighbours.clear();
      for (const { packet, owner } of this.#queue.splice(0)) {
        if (owner === null) continue;
        owner.queuedBytes -= packet.data.length;
        owner.onDequeued();
      }
    });
  }
}
