/**
 * A connection on which packets go to one neighbour: asked for when the neighbour's path is known, given up when a send fails, the peer says so, or the
 * device closes. Its end is not an error for the stack: the next packet makes a new neighbour and a new connection.
 */
import {
  type CmAgent,
  type CmConnection,
  type CmOwner,
  type CmRoute,
  applyReply,
  moveToError,
  moveToInit,
  moveToRts,
  type PathRecord,
  type QueuePair,
} from '../../verbs/index.ts';
import type { CmRepRepr } from '../../wire/index.ts';
import type { LinkPacket } from '../device.ts';
import { askingRoute, connectRequest, readConnectionData } from './connection-messages.ts';
import { ENCAPSULATION_BYTES } from './link-address.ts';
import { CAUSE, type Link } from './link.ts';
import type { Neighbour } from './neighbours.ts';
import type { Sender } from './transmit-ring.ts';

const EMPTY = new Uint8Array(0);

/** What a connection tells its device. */
export interface SendConnectionEvents {
  /** Packets can go; the neighbour's queue is waiting. */
  onUp(neighbour: Neighbour): void;
  /** The connection is over and the neighbour has to be forgotten. */
  onDown(neighbour: Neighbour, connection: SendConnection): void;
}

export class SendConnection implements CmOwner, Sender {
  /** Largest packet that the peer takes. */
  mtu = 0;
  isUp = false;
  readonly #link: Link;
  readonly #neighbour: Neighbour;
  readonly #events: SendConnectionEvents;
  readonly #qp: QueuePair<'RC'>;
  readonly #route: CmRoute;
  readonly #connection: CmConnection;
  #outstanding = 0;
  #isOver = false;

  constructor(
    link: Link,
    agent: CmAgent,
    neighbour: Neighbour,
    path: PathRecord,
    caAckDelay: number,
    events: SendConnectionEvents,
  ) {
    const { pd, tx, portNum, pkeyIndex, cpu } = link;
    this.#link = link;
    this.#neighbour = neighbour;
    this.#events = events;
    this.#route = askingRoute(link, path, caAckDelay, agent.random.uint32() & 0xffffff);
    const cap = { maxSendWr: tx.slots, maxRecvWr: 1, maxSendSge: 1, maxRecvSge: 1, maxInlineData: 0 };
    this.#qp = pd.createQp({ type: 'RC', sendCq: tx.cq, recvCq: tx.cq, cap });
    moveToInit(this.#qp, portNum, pkeyIndex, 0);
    const peer = { portNum, dlid: path.dlid, sl: path.sl, srcPathBits: path.slid - link.lid, pkeyIndex };
    this.#connection = agent.createConnection(peer, this);
    this.#connection.timewaitTimeout = this.#route.timeout;
    const ids = {
      commId: this.#connection.localCommId,
      caGuid: agent.caGuid,
      qpn: this.#qp.qpNum,
      remoteQpn: neighbour.qpn,
    };
    this.#connection.sendReq(connectRequest(link, path, this.#route, ids), path.packetLifeTime, cpu.nowPs);
  }

  /** Nothing of it is left on the adapter. */
  get isGone(): boolean {
    return this.#qp.isClosed;
  }

  /** Sends a packet; false if the peer does not take packets of its size. */
  send(packet: LinkPacket): boolean {
    if (packet.data.length > this.mtu) return false;
    const { tx } = this.#link;
    this.#outstanding++;
    tx.postConnected(this.#qp, tx.fill(packet), this);
    return true;
  }

  /** A send was completed. The first that fails ends the connection. */
  sendDone(failed: boolean): void {
    this.#outstanding--;
    if (this.#isOver) this.#closeWhenEmpty();
    else if (failed) this.#end(true);
  }

  /** The device gives the connection up. */
  close(): void {
    this.#end(true);
  }

  /** The device is going: nothing is waited for. */
  destroy(): void {
    this.#end(true);
    if (!this.#qp.isClosed) this.#qp.close();
  }

  onRep(rep: CmRepRepr): void {
    this.#step(() => {
      const { receiveBytes } = readConnectionData(rep.privateData);
      if (receiveBytes <= ENCAPSULATION_BYTES) {
        this.#end(true);
        return;
      }
      applyReply(this.#route, rep);
      moveToRts(this.#qp, this.#route);
      if (!this.#connection.sendRtu(EMPTY, this.#link.cpu.nowPs)) return;
      this.mtu = receiveBytes - ENCAPSULATION_BYTES;
      this.isUp = true;
      this.#link.counters.connectionsMade++;
      this.#events.onUp(this.#neighbour);
    });
  }

  onEstablished(): void {}

  onRejected(): void {
    this.#step(() => this.#end(false));
  }

  onUnreachable(): void {
    this.#step(() => this.#end(false));
  }

  onDisconnected(): void {
    this.#step(() => {
      this.#connection.sendDrep(this.#link.cpu.nowPs);
      this.#end(false);
    });
  }

  onTimewaitExit(): void {}

  /** Does what a message asks for, unless the connection is over by then. */
  #step(work: () => void): void {
    const { cpu, costs } = this.#link;
    cpu.exec(costs.connectionPs, CAUSE, () => {
      if (!this.#isOver) work();
    });
  }

  #end(tellPeer: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { cpu, counters } = this.#link;
    if (this.isUp) counters.connectionsLost++;
    this.isUp = false;
    if (tellPeer) this.#connection.abandon(cpu.nowPs);
    moveToError(this.#qp);
    this.#events.onDown(this.#neighbour, this);
    this.#closeWhenEmpty();
  }

  /** Slots come back by their completions, so the queue pair stays until the last. */
  #closeWhenEmpty(): void {
    if (this.#outstanding === 0 && !this.#qp.isClosed) this.#qp.close();
  }
}
