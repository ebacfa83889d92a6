/**
 * A guest's network interface: the handshake with its backend (io/netif.h, xenbus states), and the `NetDevice` that a protocol stack uses.
 *
 *   backend InitWait   → rings, grants, event channels; keys published; Connected
 *   backend Connected  → carrier on (as the backend's key `carrier` says)
 *   backend Closing    → carrier off, Closed; when the backend has let go, everything is given back
 *   backend InitWait again, or a new device of the same number → from the beginning
 */
import {
  type GuestKernel,
  XENBUS_STATE,
  type XenbusDevice,
  type XenbusDriverInstance,
  type XenbusState,
} from '../hypervisor/index.ts';
import {
  adaptPacket,
  type DeviceFeatures,
  ETHERNET_BROADCAST,
  ethernetMulticast,
  type LinkPacket,
  parseMac,
} from '../net/index.ts';
import { DEFAULT_HASH_KEY, flowHash, HASH_TYPES_ALL } from '../hypervisor/index.ts';
import { type NetfrontCounters, netfrontCounters, type NetfrontDevice, type NetfrontOptions } from './device.ts';
import { HashControl } from './hash-control.ts';
import { NetfrontQueue } from './queue.ts';

type Keys = Readonly<Record<string, string | undefined>>;

const BACKEND_KEYS = [
  'feature-rx-copy',
  'feature-rx-flip',
  'feature-sg',
  'feature-gso-tcpv4',
  'feature-gso-tcpv6',
  'feature-no-csum-offload',
  'feature-split-event-channels',
  'feature-multicast-control',
  'feature-ctrl-ring',
  'multi-queue-max-queues',
];

export class NetfrontInterface implements NetfrontDevice {
  readonly name: string;
  readonly linkType = 'ethernet';
  readonly broadcastAddress = ETHERNET_BROADCAST;
  readonly handle: number;
  readonly counters: NetfrontCounters = netfrontCounters();
  address: Uint8Array = new Uint8Array(6);
  mtu = 1500;
  features: DeviceFeatures = { checksum: true, gso: false };
  isUp = false;
  broken: string | null = null;
  onReceive: ((packet: LinkPacket) => void) | null = null;
  onWritable: (() => void) | null = null;
  onCarrier: ((isUp: boolean) => void) | null = null;

  readonly #kernel: GuestKernel;
  readonly #options: NetfrontOptions;
  #device: XenbusDevice | null = null;
  #queues: NetfrontQueue[] = [];
  #hash: HashControl | null = null;
  #isKnown = false;
  #isConnecting = false;
  #isFlip = false;
  #filtersMulticast = false;
  #backendCarrier = true;
  readonly #groups = new Set<number>();

  constructor(kernel: GuestKernel, id: string, options: NetfrontOptions) {
    this.#kernel = kernel;
    this.#options = options;
    this.handle = Number(id);
    this.name = `eth${id}`;
  }

  get queueCount(): number {
    return this.#queues.length;
  }

  /** The device appeared, or came back. */
  attach(device: XenbusDevice): XenbusDriverInstance {
    this.#close();
    this.#device = device;
    this.broken = null;
    return {
      otherEndChanged: (state) => {
        if (this.#device === device) this.#backendChanged(state);
      },
      removed: () => {
        if (this.#device !== device) return;
        this.#close();
        this.#device = null;
        if (this.#isKnown) this.#options.onGone?.(this);
      },
    };
  }

  transmit(packet: LinkPacket): boolean {
    if (!this.isUp) return true;
    const queue = this.#pick(packet);
    if ((packet.gso === null || this.features.gso) && (!packet.checksumBlank || this.features.checksum)) {
      return queue.tx.transmit(packet);
    }
    // The stack asked a device with other features, before a reconnect.
    if (queue.tx.isFull) return queue.tx.transmit(packet);
    for (const part of adaptPacket(packet, this.features)) queue.tx.transmit(part);
    return true;
  }

  multicastAddress(ipv4: number): Uint8Array {
    return ethernetMulticast(ipv4);
  }

  setMulticast(ipv4: number, joined: boolean): void {
    if (this.#groups.has(ipv4) === joined) return;
    if (joined) this.#groups.add(ipv4);
    else this.#groups.delete(ipv4);
    if (this.isUp && this.#filtersMulticast) this.#queues[0]?.tx.sendMulticast(ethernetMulticast(ipv4), joined);
  }

  #pick(packet: LinkPacket): NetfrontQueue {
    const count = this.#queues.length;
    if (count === 1) return this.#queues[0] as NetfrontQueue;
    const { hash } = flowHash(DEFAULT_HASH_KEY, HASH_TYPES_ALL, packet.protocol, packet.data);
    return this.#queues[hash % count] as NetfrontQueue;
  }

  #backendChanged(state: XenbusState): void {
    const device = this.#device as XenbusDevice;
    switch (state) {
      case XENBUS_STATE.initWait:
        if (this.#queues.length === 0 && !this.#isConnecting) this.#connect(device);
        return;
      case XENBUS_STATE.connected:
        if (this.#queues.length > 0) this.#backendConnected(device);
        return;
      case XENBUS_STATE.closing:
        this.#setCarrier(false);
        device.setState(XENBUS_STATE.closed);
        return;
      case XENBUS_STATE.closed:
      case XENBUS_STATE.unknown:
        this.#close();
        if (device.state !== XENBUS_STATE.closed && device.state !== XENBUS_STATE.initialising)
          device.setState(XENBUS_STATE.closed);
        return;
      default:
        return;
    }
  }

  /** Reads what the backend can, makes the queues, and tells. */
  #connect(device: XenbusDevice): void {
    this.#isConnecting = true;
    this.broken = null;
    device.readOther(BACKEND_KEYS, (backend) => {
      device.readOwn(['mac', 'mtu'], (own) => {
        this.#isConnecting = false;
        if (this.#device !== device || device.otherEndState !== XENBUS_STATE.initWait || this.#queues.length > 0) return;
        const mac = parseMac(own.mac ?? '');
        if (mac === null) {
          device.fatal(`parsing mac "${own.mac ?? ''}"`);
          return;
        }
        this.address = mac;
        const mtu = Number(own.mtu ?? 1500);
        this.mtu = mtu >= 68 && mtu <= 65_521 && (mtu <= 1500 || isOn(backend, 'feature-sg')) ? mtu : 1500;
        if (!this.#isKnown) {
          this.#isKnown = true;
          this.#options.onDevice(this);
        }
        this.#open(device, backend);
      });
    });
  }

  #open(device: XenbusDevice, backend: Keys): void {
    const { netback: era } = this.#kernel.era;
    const canCopy = era.rxCopy && isOn(backend, 'feature-rx-copy');
    // Backends that know of no copy say nothing of flipping: they do nothing else.
    const canFlip = era.rxFlip && backend['feature-rx-flip'] !== '0';
    if (!canCopy && !canFlip) {
      device.fatal('backend supports neither copying nor flipping receive path');
      return;
    }
    this.#isFlip = canFlip && (!canCopy || this.#options.preferFlip === true);
    this.features = {
      checksum: !isOn(backend, 'feature-no-csum-offload'),
      gso: era.gso && isOn(backend, 'feature-sg') && isOn(backend, 'feature-gso-tcpv4'),
    };
    this.#filtersMulticast = this.#options.multicastControl === true && isOn(backend, 'feature-multicast-control');
    try {
      this.#makeQueues(device, backend);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#close();
      device.fatal(error.message);
      return;
    }
    device.publish(this.#keys(), XENBUS_STATE.connected, () => {
      // The backend may have been faster than the confirmation.
      if (this.#device === device && device.otherEndState === XENBUS_STATE.connected) this.#backendConnected(device);
    });
  }

  #makeQueues(device: XenbusDevice, backend: Keys): void {
    const kernel = this.#kernel;
    const { netback: era } = kernel.era;
    const wanted = this.#options.maxQueues ?? kernel.cpus.length;
    const count = Math.max(1, Math.min(wanted, era.maxQueues, Number(backend['multi-queue-max-queues'] ?? 1)));
    const isSplit = era.splitEventChannels && isOn(backend, 'feature-split-event-channels');
    for (let index = 0; index < count; index++) {
      const queue: NetfrontQueue = new NetfrontQueue(
        { kernel, backDomid: device.otherEndDomid, index, isSplit, isFlip: this.#isFlip },
        {
          counters: this.counters,
          onRoom: () => this.#onStack(queue, () => this.onWritable?.()),
          onBroken: (why) => this.#break(why),
          onPacket: (packet) => this.#onStack(queue, () => this.onReceive?.(packet)),
        },
      );
      this.#queues.push(queue);
      queue.rx.fill(kernel.cpu);
    }
    if (this.#options.hashSteering === true && era.ctrlRing && isOn(backend, 'feature-ctrl-ring') && count > 1) {
      this.#hash = new HashControl(kernel, device.otherEndDomid, count, (why) => this.#break(why));
    }
  }

  /** Protocol stacks live on vCPU 0; other queues' packets cross over. */
  #onStack(queue: NetfrontQueue, act: () => void): void {
    const { cpu } = this.#kernel;
    if (queue.cpu === cpu) act();
    else queue.cpu.exec(0, 'netfront', () => cpu.exec(0, 'netfront', act));
  }

  #keys(): Record<string, string | number> {
    const { netback: era } = this.#kernel.era;
    const keys: Record<string, string | number> = { ...this.#hash?.keys };
    if (era.rxCopy) {
      keys['request-rx-copy'] = this.#isFlip ? 0 : 1;
      keys['feature-rx-notify'] = 1;
    }
    if (era.scatterGather) keys['feature-sg'] = 1;
    if (era.gso) keys['feature-gso-tcpv4'] = 1;
    if (era.ctrlRing) {
      keys['feature-gso-tcpv6'] = 1;
      keys['feature-ipv6-csum-offload'] = 1;
    }
    if (this.#filtersMulticast) keys['request-multicast-control'] = 1;
    if (this.#queues.length === 1) return { ...keys, ...(this.#queues[0] as NetfrontQueue).keys };
    keys['multi-queue-num-queues'] = this.#queues.length;
    this.#queues.forEach((queue, index) => {
      for (const [key, value] of Object.entries(queue.keys)) keys[`queue-${index}/${key}`] = value;
    });
    return keys;
  }

  #backendConnected(device: XenbusDevice): void {
    if (this.isUp || this.broken !== null) return;
    this.#hash?.start();
    device.watchOther('carrier', (value) => {
      if (this.#device !== device) return;
      this.#backendCarrier = value !== '0';
      if (this.#queues.length > 0 && device.otherEndState === XENBUS_STATE.connected) this.#setCarrier(this.#backendCarrier);
    });
    this.#setCarrier(this.#backendCarrier);
    if (!this.#filtersMulticast) return;
    for (const group of this.#groups) this.#queues[0]?.tx.sendMulticast(ethernetMulticast(group), true);
  }

  #setCarrier(isUp: boolean): void {
    if (this.isUp === isUp) return;
    this.isUp = isUp;
    this.onCarrier?.(isUp);
  }

  /** The backend broke the protocol: nothing of it is believed any more (Linux: "disabled for further use"). */
  #break(why: string): void {
    if (this.broken !== null) return;
    this.broken = why;
    this.#close();
  }

  /** Gives everything of the connection back. */
  #close(): void {
    this.#setCarrier(false);
    this.#hash?.close();
    this.#hash = null;
    const queues = this.#queues;
    this.#queues = [];
    for (const queue of queues) queue.close();
    this.#backendCarrier = true;
  }
}

function isOn(keys: Keys, key: string): boolean {
  return Number(keys[key] ?? 0) === 1;
}
