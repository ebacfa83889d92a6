/**
 * Connections on which packets come in: the listener of RFC 4755's service, one queue pair for each peer that asked, and the shared ring of large buffers.
 */
import {
  type CmAgent,
  type CmConnection,
  type CmListener,
  type CmOwner,
  type CompletionQueue,
  moveToError,
  moveToInit,
  moveToRts,
  type QueuePair,
  type SharedReceiveQueue,
  type WorkCompletion,
} from '../../verbs/index.ts';
import type { CmReqRepr } from '../../wire/index.ts';
import { askedRoute, connectReply, readConnectionData, serviceId } from './connection-messages.ts';
import { ENCAPSULATION_BYTES, FLAG_RC, linkAddress } from './link-address.ts';
import { CAUSE, type Link } from './link.ts';
import { ReceiveRing } from './receive-ring.ts';

/** Work request ids of large buffers begin here. */
export const CONNECTED_ID = 2 ** 20;
const SLOT_BYTES = 65_536;
/** A buffer is 16 pages. */
const FRAGMENTS = 16;
/** Completions that an ended connection may still have on their way: the driver waits for the queue's last entry in Linux. */
const DRAIN_PS = 1_000_000_000;

interface Peer {
  readonly connection: CmConnection;
  readonly qp: QueuePair<'RC'>;
  /** Link address of the interface that sends. */
  readonly source: Uint8Array;
}

export class ReceiveConnections implements CmListener {
  readonly #link: Link;
  readonly #agent: CmAgent;
  readonly #cq: CompletionQueue;
  readonly #srq: SharedReceiveQueue;
  readonly #ring: ReceiveRing;
  readonly #caAckDelay: number;
  readonly #peers = new Map<number, Peer>();
  /** Queue pairs of ended connections. */
  readonly #draining = new Set<QueuePair<'RC'>>();
  #isClosed = false;

  constructor(link: Link, agent: CmAgent, cq: CompletionQueue, slots: number, caAckDelay: number) {
    this.#link = link;
    this.#agent = agent;
    this.#cq = cq;
    this.#caAckDelay = caAckDelay;
    const fragments = Math.min(FRAGMENTS, link.context.profile.maxSge);
    this.#ring = new ReceiveRing(link.pd, slots, SLOT_BYTES, CONNECTED_ID, fragments);
    this.#srq = link.pd.createSrq({ maxWr: slots, maxSge: fragments });
    this.#srq.postRecv(this.#ring.requests);
    agent.listen(serviceId(link.qp.qpNum), this);
  }

  /** Connections that stand. */
  get size(): number {
    return this.#peers.size - this.#draining.size;
  }

  /** The packet of a completion: null for one that is none. The buffer is posted again. */
  take(wc: WorkCompletion, isGood: boolean): { protocol: number; data: Uint8Array; source: Uint8Array } | null {
    const slot = Number(wc.wrId) - CONNECTED_ID;
    const { bytes } = this.#ring;
    const peer = this.#peers.get(wc.qpNum);
    const at = slot * SLOT_BYTES;
    const found =
      isGood && peer !== undefined && wc.byteLen > ENCAPSULATION_BYTES
        ? {
            protocol: ((bytes[at] as number) << 8) | (bytes[at + 1] as number),
            data: bytes.slice(at + ENCAPSULATION_BYTES, at + wc.byteLen),
            source: peer.source,
          }
        : null;
    this.#srq.postRecv(this.#ring.request(slot));
    return found;
  }

  /** Ends everything, within an item. */
  close(): void {
    this.#isClosed = true;
    this.#agent.unlisten(serviceId(this.#link.qp.qpNum));
    for (const peer of [...this.#peers.values()]) {
      peer.connection.abandon(this.#link.cpu.nowPs);
      if (!this.#draining.has(peer.qp)) peer.qp.close();
    }
    this.#peers.clear();
    for (const qp of this.#draining) qp.close();
    this.#draining.clear();
    this.#srq.close();
    this.#ring.close();
  }

  onRequest(connection: CmConnection, req: CmReqRepr): void {
    const { cpu, costs } = this.#link;
    cpu.exec(costs.connectionPs, CAUSE, () => {
      if (this.#isClosed) connection.abandon(cpu.nowPs);
      else this.#accept(connection, req);
    });
  }

  onLookup(): void {}

  #accept(connection: CmConnection, req: CmReqRepr): void {
    const link = this.#link;
    // The peer may have given up meanwhile.
    if (connection.state !== 'REQ_RCVD' && connection.state !== 'MRA_REQ_SENT') return;
    const cap = { maxSendWr: 1, maxRecvWr: 0, maxSendSge: 1, maxRecvSge: 0, maxInlineData: 0 };
    const qp = link.pd.createQp({ type: 'RC', sendCq: this.#cq, recvCq: this.#cq, srq: this.#srq, cap });
    const route = askedRoute(link, req, this.#agent.random.uint32() & 0xffffff);
    moveToInit(qp, link.portNum, link.pkeyIndex, 0);
    moveToRts(qp, route);
    const source = linkAddress(FLAG_RC, readConnectionData(req.privateData).qpn, req.primary.localGid);
    const peer = { connection, qp, source };
    this.#peers.set(qp.qpNum, peer);
    connection.owner = this.#ownerOf(peer);
    const { localCommId, remoteCommId } = connection;
    const ids = { commId: localCommId, remoteCommId, caGuid: this.#agent.caGuid, qpn: qp.qpNum, ackDelay: this.#caAckDelay };
    connection.sendRep(connectReply(link, route, ids), link.cpu.nowPs);
  }

  #ownerOf(peer: Peer): CmOwner {
    const { cpu, costs } = this.#link;
    const end = () =>
      cpu.exec(costs.connectionPs, CAUSE, () => {
        if (this.#peers.get(peer.qp.qpNum) !== peer || this.#draining.has(peer.qp)) return;
        peer.connection.sendDrep(cpu.nowPs);
        this.#drain(peer);
      });
    return {
      onRep: () => undefined,
      onEstablished: () => undefined,
      onRejected: end,
      onUnreachable: end,
      onDisconnected: end,
      onTimewaitExit: () => undefined,
    };
  }

  /** Takes a queue pair away once its last completions have been polled, so that their buffers come back. */
  #drain(peer: Peer): void {
    const { cpu } = this.#link;
    const { qp } = peer;
    moveToError(qp);
    this.#draining.add(qp);
    cpu.setTimer(cpu.nowPs + DRAIN_PS, () => {
      this.#peers.delete(qp.qpNum);
      if (this.#draining.delete(qp)) qp.close();
    });
  }
}
