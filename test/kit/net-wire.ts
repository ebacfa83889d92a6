/**
 * A wire for protocol stacks: two Ethernet devices with a rate, a delay, and any misfortune that a test asks for. Every packet is also shown to the test,
 * when it is sent and as it is, so that a checker of its own can look at it.
 */
import type { DeviceFeatures, LinkPacket, NetDevice } from '../../src/net/index.ts';
import { ethernetMulticast } from '../../src/net/index.ts';
import type { EventLoop, KernelCpu } from '../../src/sim/index.ts';

export interface WireOptions {
  readonly delayPs?: number;
  /** 0: no time at all. */
  readonly psPerByte?: number;
  readonly mtu?: number;
  readonly features?: DeviceFeatures;
  readonly linkType?: 'ethernet' | 'ipoib';
  /** Packets that wait to be sent; then `transmit` says false. */
  readonly queuePackets?: number;
  /** What becomes of packet number `index` from `side`: delays in ps, one for each copy that arrives; none: lost. Absent: arrives once, in time. */
  readonly fate?: (index: number, side: number, packet: LinkPacket) => readonly number[];
  /** What arrives in place of it. */
  readonly damage?: (index: number, side: number, packet: LinkPacket) => LinkPacket;
  readonly onPacket?: (atPs: number, side: number, packet: LinkPacket, lost: boolean) => void;
}

const ETHERNET_OVERHEAD = 14;

/** One end of the wire. */
export class WireEnd implements NetDevice {
  readonly name: string;
  readonly linkType: 'ethernet' | 'ipoib';
  readonly address: Uint8Array;
  readonly broadcastAddress: Uint8Array;
  mtu: number;
  readonly features: DeviceFeatures;
  isUp = true;
  onReceive: ((packet: LinkPacket) => void) | null = null;
  onWritable: (() => void) | null = null;
  onCarrier: ((isUp: boolean) => void) | null = null;
  /** Groups joined. */
  readonly groups = new Set<number>();
  peer!: WireEnd;
  readonly cpu: KernelCpu;
  readonly #loop: EventLoop;
  readonly #side: number;
  readonly #options: WireOptions;
  readonly #handler: number;
  #inFlight: (LinkPacket | null)[] = [];
  #freeSlots: number[] = [];
  #busyUntilPs = 0;
  #waiting = 0;
  #isFull = false;
  #count = 0;

  constructor(loop: EventLoop, entity: number, cpu: KernelCpu, name: string, side: number, options: WireOptions) {
    this.name = name;
    this.cpu = cpu;
    this.#loop = loop;
    this.#side = side;
    this.#options = options;
    this.linkType = options.linkType ?? 'ethernet';
    this.mtu = options.mtu ?? 1500;
    this.features = options.features ?? { checksum: false, gso: false };
    const bytes = this.linkType === 'ethernet' ? 6 : 20;
    this.address = new Uint8Array(bytes);
    this.address[0] = 2;
    this.address[bytes - 2] = entity;
    this.address[bytes - 1] = side + 1;
    this.broadcastAddress = new Uint8Array(bytes).fill(255);
    this.#handler = loop.register(entity, this);
  }

  transmit(packet: LinkPacket): boolean {
    if (!this.isUp) return true;
    const { queuePackets = 1000, psPerByte = 0, delayPs = 0, fate, onPacket, damage } = this.#options;
    if (this.#waiting >= queuePackets) {
      this.#isFull = true;
      return false;
    }
    const index = this.#count++;
    const now = this.cpu.nowPs;
    const startPs = Math.max(now, this.#busyUntilPs);
    this.#busyUntilPs = startPs + this.#wireBytes(packet) * psPerByte;
    this.#waiting++;
    this.#loop.schedule(this.#busyUntilPs, this.#handler, 0);
    const arrivals = fate?.(index, this.#side, packet) ?? [0];
    onPacket?.(now, this.#side, packet, arrivals.length === 0);
    for (const late of arrivals)
      this.peer.#arrive(this.#busyUntilPs + delayPs + late, damage?.(index, this.#side, packet) ?? packet);
    return true;
  }

  /** What is on the wire for a packet: of a large one, every segment has headers. */
  #wireBytes({ data, gso }: LinkPacket): number {
    const segments = gso === null ? 1 : Math.ceil((data.length - 52) / gso.size);
    return data.length + (segments - 1) * 52 + segments * ETHERNET_OVERHEAD;
  }

  #arrive(atPs: number, packet: LinkPacket): void {
    const slot = this.#freeSlots.pop() ?? this.#inFlight.length;
    this.#inFlight[slot] = packet;
    this.#loop.schedule(atPs, this.#handler, 1, slot);
  }

  onEvent(kind: number, slot: number): void {
    if (kind === 0) {
      this.#waiting--;
      if (this.#isFull) {
        this.#isFull = false;
        this.cpu.exec(0, 'wire', () => this.onWritable?.());
      }
      return;
    }
    const packet = this.#inFlight[slot] as LinkPacket;
    this.#inFlight[slot] = null;
    this.#freeSlots.push(slot);
    const { checksum } = this.features;
    const seen =
      checksum || packet.checksumBlank ? { ...packet, checksumVerified: true } : { ...packet, checksumVerified: false };
    this.cpu.interrupt('wire', () => this.onReceive?.(seen));
  }

  multicastAddress(ipv4: number): Uint8Array {
    return this.linkType === 'ethernet' ? ethernetMulticast(ipv4) : this.broadcastAddress;
  }

  setMulticast(ipv4: number, joined: boolean): void {
    if (joined) this.groups.add(ipv4);
    else this.groups.delete(ipv4);
  }
}

/** Two ends, joined. */
export function wire(
  loop: EventLoop,
  ends: readonly { readonly entity: number; readonly cpu: KernelCpu; readonly name: string }[],
  options: WireOptions = {},
): [WireEnd, WireEnd] {
  const [a, b] = ends.map(({ entity, cpu, name }, side) => new WireEnd(loop, entity, cpu, name, side, options)) as [
    WireEnd,
    WireEnd,
  ];
  a.peer = b;
  b.peer = a;
  return [a, b];
}
