/**
 * IP over InfiniBand as a network device: datagram mode (RFC 4391) and connected mode (RFC 4755), after Linux's `ib_ipoib`.
 *
 * Packets go out by the datagram queue pair of the device or, to neighbours that take connections, by a connection each; groups and ARP always by datagrams.
 * All calls, the constructor included, are made within an item of the device's CPU.
 */
import {
  type AddressHandle,
  type AsyncEvent,
  cmAgentOf,
  type CompletionQueue,
  EventType,
  type MulticastGroup,
  QpState,
  type SendRequest,
  WcStatus,
  type WorkCompletion,
} from '../../verbs/index.ts';
import { mtuBytes } from '../../wire/index.ts';
import { isMulticast } from '../bytes.ts';
import type { DeviceFeatures, LinkPacket, NetDevice } from '../device.ts';
import { ETHERTYPE_ARP } from '../ethernet.ts';
import { fillChecksum, segmentGso } from '../offload.ts';
import { DatagramReceiver } from './datagram-receiver.ts';
import { Groups } from './groups.ts';
import {
  addressGid,
  broadcastMgid,
  childName,
  CONNECTED_MTU,
  datagramMtu,
  FLAG_RC,
  isGroupLinkAddress,
  linkAddress,
  MULTICAST_QPN,
  multicastMgid,
} from './link-address.ts';
import { CAUSE, type Link } from './link.ts';
import { type Neighbour, NeighbourTable } from './neighbours.ts';
import { transportIsRight } from './offloads.ts';
import { openLink } from './open-link.ts';
import { canOffload, type IpoibCounters, type IpoibMode, type IpoibOptions, newCounters } from './options.ts';
import { PollRounds } from './poll-rounds.ts';
import { CONNECTED_ID, ReceiveConnections } from './receive-connections.ts';
import { SendConnection, type SendConnectionEvents } from './send-connection.ts';

/** Sends outstanding from which on a sender looks for finished ones (`MAX_SEND_CQE` of Linux 2.6). */
const REAP_FROM = 16;

export class IpoibDevice implements NetDevice, SendConnectionEvents {
  readonly name: string;
  readonly linkType = 'ipoib';
  readonly address: Uint8Array;
  readonly broadcastAddress: Uint8Array;
  readonly mode: IpoibMode;
  readonly features: DeviceFeatures;
  readonly counters: IpoibCounters = newCounters();
  onReceive: ((packet: LinkPacket) => void) | null = null;
  onWritable: (() => void) | null = null;
  onCarrier: ((isUp: boolean) => void) | null = null;
  /** A packet was dropped because it is longer than its neighbour takes; the stack may lower its path MTU to `mtu`. */
  onTooLong: ((packet: LinkPacket, mtu: number) => void) | null = null;

  readonly #link: Link;
  readonly #mtuLimit: number;
  readonly #receiveCq: CompletionQueue;
  readonly #rounds: PollRounds;
  readonly #receiver: DatagramReceiver;
  readonly #neighbours: NeighbourTable;
  readonly #groups: Groups;
  readonly #connections: ReceiveConnections | null;
  readonly #caAckDelay: number;
  #isUp = false;
  #isOpen = false;
  /** Connections that are over and still have something posted. */
  readonly #ending = new Set<SendConnection>();
  /** The ring was full: `onWritable` is owed. */
  #isStopped = false;

  /** Makes the device, down. Throws `VerbsError` ENOENT where the port's P_Key table does not hold the partition. */
  constructor(options: IpoibOptions) {
    const { name, context, cpu, mode = 'datagram' } = options;
    const canCompute = mode === 'datagram' && canOffload(context.profile.deviceStem);
    const checksum = mode === 'datagram' && (options.checksumOffload ?? canCompute);
    this.name = name;
    this.mode = mode;
    this.features = { checksum, gso: checksum && (options.largeSend ?? canCompute) };
    this.#mtuLimit = options.mtu ?? CONNECTED_MTU;
    const { link, receiveCq, receiveRing, portMtuBytes, caAckDelay } = openLink(options, this.counters);
    this.#link = link;
    this.#receiveCq = receiveCq;
    this.#caAckDelay = caAckDelay;
    this.address = linkAddress(mode === 'connected' ? FLAG_RC : 0, link.qp.qpNum, link.gid);
    this.broadcastAddress = linkAddress(0, MULTICAST_QPN, broadcastMgid(link.pkey));
    this.#receiver = new DatagramReceiver(link, receiveRing, portMtuBytes, this.address, this.broadcastAddress);
    this.#neighbours = new NeighbourTable(link, (neighbour) => this.#onResolved(neighbour));
    this.#groups = new Groups(link, (packet, ah) => this.#sendDatagram(packet, ah, MULTICAST_QPN));
    this.#connections =
      mode === 'connected' ? new ReceiveConnections(link, cmAgentOf(context.hca), receiveCq, receiveRing, caAckDelay) : null;
    this.#rounds = new PollRounds(receiveCq, cpu, link.costs.receivePs, (wc) => this.#receive(wc));
    link.tx.cq.setHandler(() => this.#onSent());
    context.addAsyncHandler(this.#onAsyncEvent);
  }

  get mtu(): number {
    return Math.min(this.#mtuLimit, this.mode === 'connected' ? CONNECTED_MTU : this.#link.datagramMtu);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** What a child interface for another partition of the same port is called. */
  childName(pkey: number): string {
    return childName(this.name, pkey);
  }

  /** Neighbours known at present. */
  get neighbours(): number {
    return this.#neighbours.size;
  }

  /** Connections that stand, by which others send here. */
  get receiveConnections(): number {
    return this.#connections?.size ?? 0;
  }

  /** Brings the device up: `onCarrier(true)` follows when the broadcast group has been joined. */
  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#groups.join(broadcastMgid(this.#link.pkey), (group) => this.#onBroadcast(group));
  }

  /** Takes the device away with all that it has on the adapter. Nothing can be done with it after that. */
  close(): void {
    const { context, pd, qp, tx } = this.#link;
    context.removeAsyncHandler(this.#onAsyncEvent);
    this.#setCarrier(false);
    this.#isOpen = false;
    this.#rounds.stop();
    for (const neighbour of this.#neighbours.all()) this.#forget(neighbour, true);
    for (const connection of this.#ending) connection.destroy();
    this.#connections?.close();
    this.#groups.close();
    qp.close();
    this.#receiver.close();
    tx.close();
    tx.cq.close();
    this.#receiveCq.close();
    pd.close();
  }

  multicastAddress(ipv4: number): Uint8Array {
    if (!isMulticast(ipv4)) return this.broadcastAddress;
    return linkAddress(0, MULTICAST_QPN, multicastMgid(this.#link.pkey, ipv4));
  }

  setMulticast(ipv4: number, joined: boolean): void {
    const mgid = multicastMgid(this.#link.pkey, ipv4);
    if (joined) this.#groups.join(mgid);
    else this.#groups.leave(mgid);
  }

  transmit(packet: LinkPacket): boolean {
    if (!this.#isUp) {
      this.counters.txDropped++;
      return true;
    }
    const { cpu, costs, tx } = this.#link;
    if (tx.slots - tx.free >= REAP_FROM) this.#reap(REAP_FROM);
    const needed = packet.gso === null ? 1 : Math.ceil(packet.data.length / packet.gso.size) + 1;
    if (tx.free < needed && !this.#makeRoom(needed)) return false;
    cpu.spend(costs.transmitPs, CAUSE);
    if (isGroupLinkAddress(packet.destination)) this.#groups.send(addressGid(packet.destination), packet);
    else this.#sendTo(this.#neighbours.get(packet.destination), packet);
    cpu.mark(CAUSE);
    return true;
  }

  // ---- out

  #sendTo(neighbour: Neighbour, packet: LinkPacket): void {
    const { ah, connection } = neighbour;
    const isArp = packet.protocol === ETHERTYPE_ARP;
    if (ah === null) this.#neighbours.hold(neighbour, packet);
    else if (connection === null || isArp) this.#sendDatagram(packet, ah, neighbour.qpn);
    else if (!connection.isUp) this.#neighbours.hold(neighbour, packet);
    else if (this.#link.tx.free === 0) this.counters.txDropped++;
    else if (connection.send(packet)) this.#count(packet);
    else this.#tooLong(packet, connection.mtu);
  }

  #sendDatagram(packet: LinkPacket, ah: AddressHandle, qpn: number): void {
    const { datagramMtu } = this.#link;
    if (packet.gso !== null) this.#sendLarge(packet, ah, qpn);
    else if (packet.data.length > datagramMtu) this.#tooLong(packet, datagramMtu);
    else if (this.#link.tx.free === 0) this.counters.txDropped++;
    else {
      this.#link.qp.postSend(this.#datagram(packet, ah, qpn));
      this.#count(packet);
    }
  }

  /** The adapter cuts a large segment: one doorbell, as for one request. */
  #sendLarge(packet: LinkPacket, ah: AddressHandle, qpn: number): void {
    const { tx, datagramMtu, qp } = this.#link;
    const pieces = segmentGso(packet, true);
    if (pieces.length === 0 || pieces.length > tx.free) {
      this.counters.txDropped++;
      return;
    }
    if ((pieces[0] as LinkPacket).data.length > datagramMtu) {
      this.#tooLong(packet, datagramMtu);
      return;
    }
    qp.postSend(pieces.map((piece) => this.#datagram(piece, ah, qpn)));
    for (const piece of pieces) this.#count(piece);
  }

  #datagram(packet: LinkPacket, ah: AddressHandle, qpn: number): SendRequest<'UD'> {
    const { tx, qkey } = this.#link;
    const slot = tx.fill(packet);
    if (packet.checksumBlank) fillChecksum(tx.packetIn(slot));
    return tx.address(slot, ah, qpn, qkey);
  }

  #count(packet: LinkPacket): void {
    this.counters.txPackets++;
    this.counters.txBytes += packet.data.length;
  }

  #tooLong(packet: LinkPacket, mtu: number): void {
    this.counters.txDropped++;
    this.onTooLong?.(packet, mtu);
  }

  /** Looks for finished sends; where too few are, asks for an interrupt and says no. */
  #makeRoom(needed: number): boolean {
    const { tx } = this.#link;
    this.#reap();
    if (tx.free >= Math.min(needed, tx.slots)) return true;
    this.#isStopped = true;
    tx.cq.reqNotify();
    return false;
  }

  #reap(max?: number): void {
    const { tx, cpu, costs } = this.#link;
    const done = tx.reap(max);
    if (done > 0) cpu.spend(done * costs.reapPs, CAUSE);
    this.counters.txErrors = tx.errors;
  }

  /** The ring was full and something is done, or a send has failed, or a connection ends. */
  #onSent(): void {
    const { tx } = this.#link;
    this.#reap();
    const hasRoom = tx.free * 2 >= tx.slots;
    const wakes = this.#isStopped && hasRoom;
    if (wakes) this.#isStopped = false;
    for (const each of this.#ending) if (each.isGone) this.#ending.delete(each);
    if (this.#isStopped || this.#ending.size > 0) tx.cq.reqNotify();
    else if (this.mode === 'connected') tx.cq.reqNotify(true);
    if (wakes) this.onWritable?.();
  }

  #onResolved(neighbour: Neighbour): void {
    const isConnectable = this.mode === 'connected' && ((neighbour.address[0] as number) & FLAG_RC) !== 0;
    if (isConnectable && neighbour.path !== null) {
      const agent = cmAgentOf(this.#link.context.hca);
      neighbour.connection = new SendConnection(this.#link, agent, neighbour, neighbour.path, this.#caAckDelay, this);
      this.#link.tx.cq.reqNotify(true);
    }
    for (const packet of neighbour.queue.splice(0)) this.#sendTo(neighbour, packet);
  }

  /** @internal */
  onUp(neighbour: Neighbour): void {
    for (const packet of neighbour.queue.splice(0)) this.#sendTo(neighbour, packet);
  }

  /** @internal */
  onDown(neighbour: Neighbour, connection: SendConnection): void {
    neighbour.connection = null;
    this.#neighbours.remove(neighbour);
    // What it has posted comes back by completions that nobody may be looking for.
    this.#ending.add(connection);
    this.#link.cpu.exec(0, CAUSE, () => {
      if (this.#isOpen) this.#onSent();
    });
  }

  #forget(neighbour: Neighbour, atOnce: boolean): void {
    const { connection } = neighbour;
    if (atOnce) connection?.destroy();
    else connection?.close();
    this.#neighbours.remove(neighbour);
  }

  // ---- in

  #receive(wc: WorkCompletion): void {
    const isGood = wc.status === WcStatus.SUCCESS;
    const isLarge = Number(wc.wrId) >= CONNECTED_ID;
    if (!isGood) this.counters.rxErrors++;
    const found = isLarge ? this.#takeLarge(wc, isGood) : this.#receiver.take(wc, isGood);
    if (found === null) return;
    const { protocol, data, source, destination } = found;
    this.counters.rxPackets++;
    this.counters.rxBytes += data.length;
    if (destination !== this.address) this.counters.multicast++;
    const checksumVerified = this.features.checksum && transportIsRight(data);
    this.#link.cpu.mark(CAUSE);
    this.onReceive?.({ destination, source, protocol, data, gso: null, checksumBlank: false, checksumVerified });
  }

  #takeLarge(wc: WorkCompletion, isGood: boolean) {
    const found = this.#connections?.take(wc, isGood) ?? null;
    return found === null ? null : { ...found, destination: this.address };
  }

  // ---- link

  #onBroadcast(group: MulticastGroup | null): void {
    if (group === null || !this.#isOpen) return;
    const link = this.#link;
    const { qp } = link;
    if (qp.state !== QpState.INIT) return;
    const groupMtu = mtuBytes(group.mtu) as number;
    link.datagramMtu = Math.min(link.datagramMtu, datagramMtu(groupMtu));
    link.qkey = group.qkey;
    qp.modify({ qpState: QpState.RTR, qkey: group.qkey });
    qp.modify({ qpState: QpState.RTS, sqPsn: 0 });
    this.#receiver.start();
    this.#rounds.start();
    this.#setCarrier(true);
  }

  #setCarrier(isUp: boolean): void {
    if (this.#isUp === isUp) return;
    this.#isUp = isUp;
    this.onCarrier?.(isUp);
  }

  /** What was learnt of the subnet may be wrong now: neighbours are forgotten, and found again when they are needed. */
  readonly #onAsyncEvent = ({ eventType, portNum }: AsyncEvent): void => {
    if (portNum !== undefined && portNum !== this.#link.portNum) return;
    switch (eventType) {
      case EventType.PORT_ERR:
        this.#setCarrier(false);
        this.flush();
        break;
      case EventType.PORT_ACTIVE:
        if (this.#link.qkey !== 0) this.#setCarrier(true);
        this.flush();
        break;
      case EventType.LID_CHANGE:
      case EventType.SM_CHANGE:
      case EventType.CLIENT_REREGISTER:
      case EventType.PKEY_CHANGE:
        this.flush();
    }
  };

  /** Forgets all neighbours and ends all connections to them. */
  flush(): void {
    for (const neighbour of this.#neighbours.all()) this.#forget(neighbour, false);
  }
}
