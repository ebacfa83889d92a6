/**
 * A learning bridge between Ethernet devices (IEEE 802.1D without spanning tree), as dom0's `xenbr0` joins the vifs of a host. It is itself a device:
 * dom0's own stack is attached to it as to any other port.
 *
 * Large packets and packets without checksum pass as they are to ports that take them; for others that work is done here, in software.
 */
import { ConfigError, type KernelCpu, type Ps } from '../sim/index.ts';
import { formatLinkAddress, sameBytes } from './bytes.ts';
import type { NetCosts } from './costs.ts';
import type { DeviceFeatures, LinkPacket, NetDevice } from './device.ts';
import { ETHERNET_BROADCAST, ethernetMulticast, isGroupAddress } from './ethernet.ts';
import { adaptPacket } from './offload.ts';

/** Linux's default ageing time. */
export const BRIDGE_AGEING_PS: Ps = 300e12;
const DEFAULT_MTU = 1500;
/** Linux's hash_max is about this; a guest that makes up addresses must not fill memory. */
const MAX_LEARNED = 4096;

export interface BridgeOptions {
  readonly cpu: KernelCpu;
  readonly costs: NetCosts;
  /** `xenbr0`. */
  readonly name: string;
  /** The bridge's own MAC, that of dom0 on it. */
  readonly address: Uint8Array;
  readonly ageingPs?: Ps;
}

interface Learned {
  readonly port: NetDevice;
  seenPs: Ps;
}

export class Bridge implements NetDevice {
  readonly name: string;
  readonly linkType = 'ethernet';
  readonly address: Uint8Array;
  readonly broadcastAddress = ETHERNET_BROADCAST;
  readonly features: DeviceFeatures = { checksum: true, gso: true };
  onReceive: ((packet: LinkPacket) => void) | null = null;
  onWritable: (() => void) | null = null;
  onCarrier: ((isUp: boolean) => void) | null = null;
  /** Packets that a port had no room for, or that are larger than its MTU. */
  dropped = 0;
  readonly #cpu: KernelCpu;
  readonly #costs: NetCosts;
  readonly #ageingPs: Ps;
  readonly #ports: NetDevice[] = [];
  readonly #learned = new Map<string, Learned>();

  constructor(options: BridgeOptions) {
    this.name = options.name;
    this.address = options.address;
    this.#cpu = options.cpu;
    this.#costs = options.costs;
    this.#ageingPs = options.ageingPs ?? BRIDGE_AGEING_PS;
  }

  get ports(): readonly NetDevice[] {
    return this.#ports;
  }

  /** The smallest of the ports'. */
  get mtu(): number {
    return this.#ports.length === 0 ? DEFAULT_MTU : Math.min(...this.#ports.map((port) => port.mtu));
  }

  get isUp(): boolean {
    return true;
  }

  /** Makes `device` a port. Throws `ConfigError` for a device that is no Ethernet, and for a port of the same name. */
  addPort(device: NetDevice): void {
    const refuse = (message: string) => new ConfigError([{ file: this.name, path: device.name, message }]);
    if (device.linkType !== 'ethernet')
      throw refuse(
        `${device.name} cannot be a port of a bridge: IPoIB is not Ethernet. Its link addresses have 20 bytes (flags, queue pair number, GID) and its header 4 bytes without ` +
          "a source address, so a bridge could neither learn from its packets nor send a guest's MAC address over it. Route instead: script=vif-route with proxy ARP",
      );
    if (this.#ports.some(({ name }) => name === device.name)) throw refuse('is a port of this bridge already');
    this.#ports.push(device);
    device.onReceive = (packet) => this.#receive(device, packet);
  }

  /** Lets go of a port; what was learned from it is forgotten. */
  removePort(device: NetDevice): void {
    const at = this.#ports.indexOf(device);
    if (at < 0) return;
    this.#ports.splice(at, 1);
    device.onReceive = null;
    for (const [key, entry] of this.#learned) if (entry.port === device) this.#learned.delete(key);
  }

  /** The port behind which `address` was seen last, or null; for `brctl showmacs`. */
  portOf(address: Uint8Array): NetDevice | null {
    return this.#find(formatLinkAddress(address));
  }

  /** From dom0's own stack. */
  transmit(packet: LinkPacket): boolean {
    this.#forward(null, packet);
    return true;
  }

  multicastAddress(ipv4: number): Uint8Array {
    return ethernetMulticast(ipv4);
  }

  /** A bridge floods groups: nothing to join. */
  setMulticast(_ipv4: number, _joined: boolean): void {}

  #receive(from: NetDevice, packet: LinkPacket): void {
    this.#learn(from, packet.source);
    const isGroup = isGroupAddress(packet.destination);
    const isOurs = sameBytes(packet.destination, this.address);
    if (!isOurs) this.#forward(from, packet);
    if (isGroup || isOurs) {
      this.#cpu.spend(this.#costs.bridgePs, 'bridge');
      this.onReceive?.(packet);
    }
  }

  /** To the port of the destination, or to all others if that is not known or a group. */
  #forward(from: NetDevice | null, packet: LinkPacket): void {
    const known = isGroupAddress(packet.destination) ? null : this.#find(formatLinkAddress(packet.destination));
    if (known !== null) {
      if (known !== from) this.#send(known, packet);
      return;
    }
    for (const port of this.#ports) if (port !== from) this.#send(port, packet);
  }

  #send(port: NetDevice, packet: LinkPacket): void {
    this.#cpu.spend(this.#costs.bridgePs, 'bridge');
    if (!port.isUp) return;
    if (packet.gso === null && packet.data.length > port.mtu) {
      this.dropped++;
      return;
    }
    const pieces = adaptPacket(packet, port.features);
    if (pieces.length > 1) this.#cpu.spend(pieces.length * this.#costs.segmentPs, 'segmentation');
    if (!port.features.checksum && packet.checksumBlank)
      this.#cpu.spend(packet.data.length * this.#costs.checksumPsPerByte, 'checksum');
    this.#cpu.mark('bridge');
    for (const piece of pieces) if (!port.transmit(piece)) this.dropped++;
  }

  #learn(port: NetDevice, source: Uint8Array): void {
    if (isGroupAddress(source)) return;
    const key = formatLinkAddress(source);
    const entry = this.#learned.get(key);
    if (entry?.port === port) {
      entry.seenPs = this.#cpu.nowPs;
      return;
    }
    if (entry === undefined && this.#learned.size >= MAX_LEARNED) this.#forgetOld();
    if (entry !== undefined || this.#learned.size < MAX_LEARNED) this.#learned.set(key, { port, seenPs: this.#cpu.nowPs });
  }

  #find(key: string): NetDevice | null {
    const entry = this.#learned.get(key);
    if (entry === undefined) return null;
    if (this.#cpu.nowPs - entry.seenPs <= this.#ageingPs) return entry.port;
    this.#learned.delete(key);
    return null;
  }

  #forgetOld(): void {
    for (const [key, { seenPs }] of this.#learned) if (this.#cpu.nowPs - seenPs > this.#ageingPs) this.#learned.delete(key);
  }
}
