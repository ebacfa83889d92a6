/**
 * A guest's interface in the driver domain: the handshake with the frontend, and the `NetDevice` that a bridge or router gets.
 *
 *   device appears        → features published, hotplug hook called, InitWait
 *   frontend Connected    → keys read, rings mapped, ports bound; Connected, carrier on
 *   frontend Closing, Closed → everything let go; the same state
 *   frontend Initialising again → InitWait
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
  ETHERNET_HEADER_BYTES,
  ethernetMulticast,
  fits,
  isGroupAddress,
  type LinkPacket,
} from '../net/index.ts';
import { NO_LIMIT, parseRate } from './credit.ts';
import { type NetbackOptions, type Vif, type VifConfig, type VifCounters, vifCounters } from './device.ts';
import { type FrontendKeys, keyNames, parseFrontendKeys } from './frontend-keys.ts';
import { HashControlServer, HashRules } from './hash-control.ts';
import { NetbackQueue } from './queue.ts';

const CONFIG_KEYS = ['handle', 'mac', 'bridge', 'script', 'rate', 'ip', 'mtu', 'vifname', 'gatewaydev', 'type', 'hotplug-status'];
/** What every vif is called on the link: nobody talks to it. */
const VIF_ADDRESS = Uint8Array.of(0xfe, 0xff, 0xff, 0xff, 0xff, 0xff);
/** Multicast addresses that a guest may have let through (XEN_NETBK_MCAST_MAX). */
const MULTICAST_LIMIT = 64;

export class VifInterface implements Vif, XenbusDriverInstance {
  readonly linkType = 'ethernet';
  readonly address: Uint8Array = VIF_ADDRESS;
  readonly broadcastAddress = ETHERNET_BROADCAST;
  readonly domid: number;
  readonly handle: number;
  readonly counters: VifCounters = vifCounters();
  name: string;
  mtu = 1500;
  features: DeviceFeatures = { checksum: true, gso: false };
  isUp = false;
  fatal: string | null = null;
  onReceive: ((packet: LinkPacket) => void) | null = null;
  onWritable: (() => void) | null = null;
  onCarrier: ((isUp: boolean) => void) | null = null;

  readonly #kernel: GuestKernel;
  readonly #device: XenbusDevice;
  readonly #options: NetbackOptions;
  readonly #firstVcpu: number;
  #config: VifConfig | null = null;
  #queues: NetbackQueue[] = [];
  #control: HashControlServer | null = null;
  #rules = new HashRules();
  #isConnecting = false;
  #isGone = false;
  /** The toolstack runs a hotplug script, and wants to see InitWait until that is through; ends the watch for it. */
  #unwatchScript: (() => void) | null = null;
  #stalledQueues = 0;
  #largest = 1514;
  #filtersMulticast = false;
  /** Addresses let through, as numbers. */
  readonly #groups = new Set<number>();

  constructor(kernel: GuestKernel, device: XenbusDevice, ordinal: number, options: NetbackOptions) {
    this.#kernel = kernel;
    this.#device = device;
    this.#options = options;
    this.domid = device.otherEndDomid;
    this.handle = Number(device.id);
    this.name = `vif${this.domid}.${device.id}`;
    this.#firstVcpu = kernel.era.netback.maxQueues > 1 ? ordinal % kernel.cpus.length : 0;
    device.readOwn(CONFIG_KEYS, (config) => this.#announce(config));
  }

  get queueCount(): number {
    return this.#queues.length;
  }

  otherEndChanged(state: XenbusState): void {
    if (this.#isGone || this.#config === null) return;
    const device = this.#device;
    switch (state) {
      case XENBUS_STATE.initialising:
        if (device.state === XENBUS_STATE.closed || device.state === XENBUS_STATE.closing) {
          this.#disconnect();
          this.fatal = null;
          device.setState(XENBUS_STATE.initWait);
        }
        return;
      case XENBUS_STATE.connected:
        if (this.#unwatchScript !== null) return;
        if (this.#queues.length === 0 && !this.#isConnecting && this.fatal === null) this.#connect();
        return;
      case XENBUS_STATE.closing:
      case XENBUS_STATE.closed:
      case XENBUS_STATE.unknown:
        this.#disconnect();
        this.#follow(state === XENBUS_STATE.closing ? XENBUS_STATE.closing : XENBUS_STATE.closed);
        return;
      default:
        return;
    }
  }

  removed(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#unwatchScript?.();
    this.#disconnect();
    if (this.#config !== null) this.#options.onVifGone?.(this);
  }

  transmit(packet: LinkPacket): boolean {
    if (!this.isUp || (this.#filtersMulticast && this.#isFiltered(packet))) return true;
    if (fits(packet, this.features)) return this.#enqueue(packet);
    const { costs } = this.#kernel.era;
    this.#kernel.cpu.spend(packet.data.length * costs.copyPsPerByte, 'netback');
    let isTaken = true;
    for (const part of adaptPacket(packet, this.features)) isTaken = this.#enqueue(part) && isTaken;
    return isTaken;
  }

  multicastAddress(ipv4: number): Uint8Array {
    return ethernetMulticast(ipv4);
  }

  /** The guest decides what it wants to hear. */
  setMulticast(_ipv4: number, _joined: boolean): void {}

  #enqueue(packet: LinkPacket): boolean {
    if (packet.gso === null && ETHERNET_HEADER_BYTES + packet.data.length > this.#largest) {
      this.counters.rxDropped++;
      return true;
    }
    const rules = this.#rules;
    if (this.#queues.length === 1 && !rules.isGuests) return (this.#queues[0] as NetbackQueue).rx.enqueue(packet, -1, 0);
    const { type, hash } = rules.hashOf(packet);
    const queue = this.#queues[rules.queueOf(hash)] as NetbackQueue;
    const hashType = rules.isGuests && type !== 0 ? 31 - Math.clz32(type) : -1;
    return queue.rx.enqueue(packet, hashType, hash);
  }

  #isFiltered({ destination }: LinkPacket): boolean {
    if (!isGroupAddress(destination) || destination.every((byte) => byte === 0xff)) return false;
    return !this.#groups.has(groupNumber(destination));
  }

  /** Features for the guest, and the hook for whoever connects interfaces here. */
  #announce(config: VifConfig): void {
    if (this.#isGone) return;
    this.#config = config;
    if (config.vifname !== undefined && config.vifname !== '') this.name = config.vifname;
    const mtu = Number(config.mtu ?? 1500);
    if (mtu >= 68 && mtu <= 65_521) this.mtu = mtu;
    this.#options.onVif(this, config);
    const hasScript = config['hotplug-status'] === '';
    if (hasScript) this.#awaitScript();
    const published = { ...features(this.#kernel), ...(hasScript ? {} : { 'hotplug-status': 'connected' }) };
    this.#device.publish(published, XENBUS_STATE.initWait, () => {
      if (!this.#isGone) this.otherEndChanged(this.#device.otherEndState);
    });
  }

  #awaitScript(): void {
    const { store } = this.#kernel.xenbus;
    const path = `${this.#device.path}/hotplug-status`;
    this.#unwatchScript = store.watch(path, () =>
      store.read(path, (reply) => {
        if (this.#unwatchScript === null || !reply.ok || reply.value !== 'connected') return;
        this.#unwatchScript();
        this.#unwatchScript = null;
        if (!this.#isGone) this.otherEndChanged(this.#device.otherEndState);
      }),
    );
  }

  #connect(): void {
    this.#isConnecting = true;
    const { era } = this.#kernel;
    this.#device.readOther(keyNames(era.netback.maxQueues), (keys) => {
      this.#isConnecting = false;
      if (this.#isGone || this.#device.otherEndState !== XENBUS_STATE.connected || this.#queues.length > 0) return;
      const parsed = parseFrontendKeys(keys, era);
      if (typeof parsed === 'string') {
        this.#device.fatal(parsed);
        return;
      }
      const rate = parseRate(this.#config?.rate);
      if (rate === null) {
        this.#device.fatal(`rate is "${this.#config?.rate}", not BYTES,MICROSECONDS`);
        return;
      }
      try {
        this.#open(parsed, rate ?? NO_LIMIT);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        this.#disconnect();
        this.#device.fatal(error.message);
        return;
      }
      this.#device.setState(XENBUS_STATE.connected);
      this.#setCarrier(true);
      for (const queue of this.#queues) this.#startQueue(queue);
    });
  }

  #open(keys: FrontendKeys, rate: { readonly bytes: number; readonly microseconds: number }): void {
    const kernel = this.#kernel;
    const { netback: era } = kernel.era;
    const isFlip = !(era.rxCopy && keys.requestsCopy);
    if (isFlip && !era.rxFlip) throw new RangeError('guest does not request copying, and page flipping is not supported');
    this.features = { checksum: keys.takesChecksumBlank, gso: keys.takesGso && keys.takesFragments && !isFlip };
    this.#largest = ETHERNET_HEADER_BYTES + (keys.takesFragments && !isFlip ? 65_521 : Math.max(this.mtu, 1500) + 4);
    this.#filtersMulticast = era.multicastControl && keys.filtersMulticast;
    this.#rules = new HashRules();
    this.#rules.queues = keys.queues.length;
    keys.queues.forEach((queueKeys, i) => {
      const vcpu = (this.#firstVcpu + i) % kernel.cpus.length;
      const queue: NetbackQueue = new NetbackQueue(
        { kernel, domid: this.domid, vcpu, rate, isFlip, isNotifying: keys.isNotifying },
        queueKeys,
        {
          counters: this.counters,
          onPacket: (packet) => this.#onStack(queue, () => this.onReceive?.(packet)),
          onRoom: () => this.#onStack(queue, () => this.onWritable?.()),
          onMulticast: (address, joined) => this.#setGroup(address, joined),
          onFatal: (why) => this.#disable(why),
          onStall: (isStalled) => this.#noteStall(isStalled),
        },
      );
      this.#queues.push(queue);
    });
    if (keys.control !== null) {
      const { ref, port } = keys.control;
      this.#control = new HashControlServer(kernel, this.domid, this.#rules, ref, port, (why) => this.#disable(why));
    }
    if (era.multicastControl) {
      this.#device.watchOther('request-multicast-control', (value) => {
        this.#filtersMulticast = value === '1';
      });
    }
  }

  /** The guest may have asked before there was anybody to hear. */
  #startQueue(queue: NetbackQueue): void {
    queue.cpu.exec(0, 'netback', () => queue.tx.wake());
  }

  #onStack(queue: NetbackQueue, act: () => void): void {
    const { cpu } = this.#kernel;
    if (queue.cpu === cpu) act();
    else queue.cpu.exec(0, 'netback', () => cpu.exec(0, 'netback', act));
  }

  #setGroup(address: Uint8Array, joined: boolean): boolean {
    const group = groupNumber(address);
    if (!joined) this.#groups.delete(group);
    else if (!this.#groups.has(group) && this.#groups.size >= MULTICAST_LIMIT) return false;
    else this.#groups.add(group);
    return true;
  }

  #noteStall(isStalled: boolean): void {
    this.#stalledQueues += isStalled ? 1 : -1;
    this.#setCarrier(this.#queues.length > 0 && this.fatal === null && this.#stalledQueues < this.#queues.length);
  }

  /** As `xenvif_fatal_tx_err`: nothing more is taken from the guest, and its carrier goes off. */
  #disable(why: string): void {
    if (this.fatal !== null) return;
    this.fatal = why;
    this.#disconnect();
  }

  #disconnect(): void {
    this.#setCarrier(false);
    this.#control?.close();
    this.#control = null;
    const queues = this.#queues;
    this.#queues = [];
    for (const queue of queues) queue.close();
    this.#groups.clear();
    this.#stalledQueues = 0;
  }

  #setCarrier(isUp: boolean): void {
    if (this.isUp === isUp) return;
    this.isUp = isUp;
    this.onCarrier?.(isUp);
  }

  #follow(state: XenbusState): void {
    if (this.#device.state !== state) this.#device.setState(state);
  }
}

/** What a backend of the era tells its guests. */
function features(kernel: GuestKernel): Record<string, number> {
  const { netback: era } = kernel.era;
  const keys: Record<string, number> = {};
  if (era.scatterGather) keys['feature-sg'] = 1;
  if (era.gso) keys['feature-gso-tcpv4'] = 1;
  if (era.rxCopy) {
    keys['feature-rx-copy'] = 1;
    keys['feature-rx-flip'] = era.rxFlip ? 1 : 0;
  }
  if (era.multicastControl) {
    keys['feature-gso-tcpv6'] = 1;
    keys['feature-ipv6-csum-offload'] = 1;
    keys['feature-multicast-control'] = 1;
    keys['feature-dynamic-multicast-control'] = 1;
  }
  if (era.splitEventChannels) keys['feature-split-event-channels'] = 1;
  if (era.maxQueues > 1) keys['multi-queue-max-queues'] = era.maxQueues;
  if (era.ctrlRing) keys['feature-ctrl-ring'] = 1;
  return keys;
}

function groupNumber(address: Uint8Array): number {
  let value = 0;
  for (const byte of address) value = value * 256 + byte;
  return value;
}
