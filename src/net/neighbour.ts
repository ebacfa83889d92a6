/**
 * Neighbours of one link: the ARP cache and the packets that wait for an answer (RFC 826, RFC 1122 2.3.2).
 *
 * An address is asked for when something is to be sent to it, three times at most, a second apart; then whoever waits learns that the host is unreachable.
 * What is known is believed for 30 s after the last sign of life; after that it is still used, while a question goes out. No timer runs for entries that
 * nobody uses.
 */
import type { KernelCpu, Ps } from '../sim/index.ts';
import { ARP_HARDWARE_ETHERNET, ARP_HARDWARE_INFINIBAND, ARP_REPLY, ARP_REQUEST, readArp, writeArp } from './arp.ts';
import type { NetDevice } from './device.ts';
import { ETHERTYPE_ARP } from './ethernet.ts';

/** Linux's base_reachable_time, without its jitter. */
export const REACHABLE_PS: Ps = 30e12;
/** Linux's retrans_time. */
export const ARP_RETRY_PS: Ps = 1e12;
/** Linux's mcast_solicit and ucast_solicit. */
export const ARP_TRIES = 3;
/** Packets that wait for one answer; the oldest go first. */
const MAX_WAITING = 256;

/** A packet that waits for a link address. */
export interface Waiting {
  /** The link address is known. */
  send(link: Uint8Array): void;
  /** Nobody answers. */
  fail(): void;
  /** Too many wait: this one is lost without a word. */
  drop(): void;
}

interface Neighbour {
  readonly ip: number;
  link: Uint8Array | null;
  confirmedPs: Ps;
  /** Questions asked since the last answer. */
  tries: number;
  timer: number;
  waiting: Waiting[];
  isPermanent: boolean;
}

export interface NeighbourOptions {
  readonly cpu: KernelCpu;
  readonly arpPs: Ps;
  readonly device: NetDevice;
  /** Hands a packet to the link. */
  readonly transmit: (destination: Uint8Array, protocol: number, data: Uint8Array) => void;
  /** Our address for a question about `target`. */
  readonly sourceFor: (target: number) => number;
  /** Whether to answer for `target`: an address of ours, or one that is reached through us (proxy ARP). */
  readonly answersFor: (target: number, sender: number) => boolean;
}

export class NeighbourTable {
  readonly #options: NeighbourOptions;
  readonly #hardware: number;
  readonly #table = new Map<number, Neighbour>();

  constructor(options: NeighbourOptions) {
    this.#options = options;
    this.#hardware = options.device.linkType === 'ipoib' ? ARP_HARDWARE_INFINIBAND : ARP_HARDWARE_ETHERNET;
  }

  /** What is known now: address and link address. */
  entries(): { readonly ip: number; readonly link: Uint8Array }[] {
    return [...this.#table.values()].flatMap(({ ip, link }) => (link === null ? [] : [{ ip, link }]));
  }

  /** Sends `packet` to `ip` when its link address is known: now, if it is (then true). */
  resolve(ip: number, packet: Waiting): boolean {
    const entry = this.#entryOf(ip);
    if (entry.link !== null) {
      const isOld = !entry.isPermanent && this.#options.cpu.nowPs - entry.confirmedPs > REACHABLE_PS;
      if (isOld && entry.tries === 0) this.#ask(entry);
      packet.send(entry.link);
      return true;
    }
    entry.waiting.push(packet);
    if (entry.waiting.length > MAX_WAITING) (entry.waiting.shift() as Waiting).drop();
    if (entry.tries === 0) this.#ask(entry);
    return false;
  }

  /** A sign of life from above: what was sent there arrives. */
  confirm(ip: number): void {
    const entry = this.#table.get(ip);
    if (entry !== undefined && entry.link !== null) this.#learn(entry, entry.link);
  }

  /** Sets an entry that never ages (`ip neigh add … nud permanent`). */
  set(ip: number, link: Uint8Array): void {
    const entry = this.#entryOf(ip);
    entry.isPermanent = true;
    this.#learn(entry, link);
  }

  /** An ARP packet arrived. */
  receive(data: Uint8Array): void {
    const { cpu, arpPs, device, answersFor } = this.#options;
    cpu.spend(arpPs, 'arp');
    const packet = readArp(data, this.#hardware, device.address.length);
    if (packet === null || (packet.operation !== ARP_REQUEST && packet.operation !== ARP_REPLY)) return;
    const isForUs = answersFor(packet.targetIp, packet.senderIp);
    const known = this.#table.get(packet.senderIp);
    if (packet.senderIp !== 0 && (known !== undefined || (isForUs && packet.operation === ARP_REQUEST))) {
      const entry = known ?? this.#entryOf(packet.senderIp);
      if (!entry.isPermanent) this.#learn(entry, packet.senderLink);
    }
    if (isForUs && packet.operation === ARP_REQUEST)
      this.#send(packet.senderLink, ARP_REPLY, packet.targetIp, packet.senderIp, packet.senderLink);
  }

  /** Tells the link who has `ip` (gratuitous ARP, RFC 5227's announcement). */
  announce(ip: number): void {
    const { device } = this.#options;
    this.#send(device.broadcastAddress, ARP_REQUEST, ip, ip, new Uint8Array(device.address.length));
  }

  /** Forgets everything; what waits fails. */
  clear(): void {
    for (const entry of this.#table.values()) {
      if (entry.timer !== 0) this.#options.cpu.clearTimer(entry.timer);
      for (const packet of entry.waiting) packet.fail();
    }
    this.#table.clear();
  }

  #entryOf(ip: number): Neighbour {
    const known = this.#table.get(ip);
    if (known !== undefined) return known;
    const entry: Neighbour = { ip, link: null, confirmedPs: 0, tries: 0, timer: 0, waiting: [], isPermanent: false };
    this.#table.set(ip, entry);
    return entry;
  }

  #learn(entry: Neighbour, link: Uint8Array): void {
    entry.link = link;
    entry.confirmedPs = this.#options.cpu.nowPs;
    entry.tries = 0;
    if (entry.timer !== 0) {
      this.#options.cpu.clearTimer(entry.timer);
      entry.timer = 0;
    }
    const { waiting } = entry;
    entry.waiting = [];
    for (const packet of waiting) packet.send(link);
  }

  /** Asks: by broadcast when nothing is known, else first the neighbour itself. */
  #ask(entry: Neighbour): void {
    const { cpu, device, sourceFor, arpPs } = this.#options;
    entry.tries++;
    const to = entry.link ?? device.broadcastAddress;
    cpu.spend(arpPs, 'arp');
    this.#send(to, ARP_REQUEST, sourceFor(entry.ip), entry.ip, new Uint8Array(device.address.length));
    entry.timer = cpu.setTimer(cpu.nowPs + ARP_RETRY_PS, () => {
      entry.timer = 0;
      if (entry.tries < ARP_TRIES) this.#ask(entry);
      else this.#giveUp(entry);
    });
  }

  #giveUp(entry: Neighbour): void {
    this.#table.delete(entry.ip);
    for (const packet of entry.waiting) packet.fail();
  }

  #send(to: Uint8Array, operation: number, senderIp: number, targetIp: number, targetLink: Uint8Array): void {
    const { device, transmit } = this.#options;
    const packet = { hardware: this.#hardware, operation, senderLink: device.address, senderIp, targetLink, targetIp };
    transmit(to, ETHERTYPE_ARP, writeArp(packet));
  }
}
