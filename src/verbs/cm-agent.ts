/**
 * The connection manager of one device (Linux `ib_cm`): takes CM datagrams from QP1 of each port, finds the connection, lookup or listener they are for,
 * and sends what those have to say. It spends time for each datagram, as the kernel does, but no program's.
 */
import { type Ps, RandomStream } from '../sim/index.ts';
import {
  CM_ANSWERS_REQ,
  CM_DREP,
  CM_DREQ,
  CM_MRA,
  CM_REJ,
  CM_REJ_INVALID_SERVICE_ID,
  CM_REJ_STALE_CONNECTION,
  CM_REJ_TIMEOUT,
  CM_REP,
  CM_REQ,
  CM_RTU,
  CM_SIDR_REP,
  CM_SIDR_REQ,
  type CmDreqRepr,
  type CmMessage,
  type CmRejRepr,
  type CmReqRepr,
  type CmSidrRepRepr,
  type CmSidrReqRepr,
  emitCmMad,
  MAD_CLASS_CM,
  parseCmMad,
} from '../wire/index.ts';
import type { Adapter, MadPort } from './adapter.ts';
import { CmConnection } from './cm-connection.ts';
import { CmLookup, CmLookupRequest, type LookupOwner, refuseLookup } from './cm-sidr.ts';
import type { CmOwner, CmPeer } from './cm-states.ts';
import { Gsi, type MadSource, type MadTarget } from './gsi.ts';
import type { Timers } from './timers.ts';

/** Queue pair 1 where it is another's, who must know which services are listened to. */
export interface MadProxy {
  port(portNum: number): MadPort;
  serviceChanged(serviceId: bigint, isListening: boolean): void;
}

/** Who takes requests for a service. */
export interface CmListener {
  /** A new connection in state REQ_RCVD; the listener becomes or names its owner, or rejects it. */
  onRequest(connection: CmConnection, req: CmReqRepr): void;
  /** A datagram service lookup. */
  onLookup(request: CmLookupRequest): void;
}

/** Kernel time for a datagram that came in, before it has an effect. */
export const CM_PROCESSING_PS = 2_000_000;

const EMPTY = new Uint8Array(0);

export class CmAgent {
  readonly hca: Adapter;
  readonly timers: Timers;
  readonly caGuid: bigint;
  readonly random: RandomStream;
  /** What happened, for tests and reports. */
  readonly counters = { received: 0, sent: 0, malformed: 0, unmatched: 0, retransmissions: 0 };
  readonly #gsi: MadPort[];
  readonly #byLocalId = new Map<number, CmConnection>();
  readonly #byRemoteId = new Map<string, CmConnection>();
  readonly #byRemoteQp = new Map<string, CmConnection>();
  readonly #lookups = new Map<number, CmLookup>();
  readonly #lookupRequests = new Map<string, CmLookupRequest>();
  readonly #listeners = new Map<bigint, CmListener>();
  /** Takes the datagrams of others for whom this agent has queue pair 1; true for one that it took. */
  foreign: ((bytes: Uint8Array, from: MadSource, atPs: Ps) => boolean) | null = null;
  readonly #mads: MadProxy | null;
  #nextId: number;
  #transaction = 0;

  /** `mads` has queue pair 1 of a virtual function. */
  constructor(hca: Adapter, timers: Timers, mads: MadProxy | null = null) {
    this.#mads = mads;
    const { config } = hca;
    this.hca = hca;
    this.timers = timers;
    this.caGuid = config.nodeGuid;
    this.random = new RandomStream(config.seed, `cm ${config.nodeName} ${config.deviceName}`);
    this.#nextId = this.random.uint32();
    this.#gsi = config.ports.map(
      ({ portNumber }) => mads?.port(portNumber) ?? hca.openMadPort?.(portNumber, timers) ?? new Gsi(hca, portNumber, timers),
    );
    for (const gsi of this.#gsi) gsi.onMad(MAD_CLASS_CM, (bytes, from, atPs) => this.#arrived(bytes, from, atPs));
  }

  /** Time of the loop's event under way. */
  get nowPs(): Ps {
    return this.timers.loop.nowPs;
  }

  /** A new, idle connection on the asking side. */
  createConnection(peer: CmPeer, owner: CmOwner): CmConnection {
    const connection = new CmConnection(this, this.newId(), peer, owner);
    this.#byLocalId.set(connection.localCommId, connection);
    return connection;
  }

  /** Asks a node for the queue pair of a datagram service. */
  createLookup(peer: CmPeer, owner: LookupOwner): CmLookup {
    const lookup = new CmLookup(this, this.newId(), peer, owner);
    this.#lookups.set(lookup.requestId, lookup);
    return lookup;
  }

  /** False when the service has a listener already. */
  listen(serviceId: bigint, listener: CmListener): boolean {
    if (this.#listeners.has(serviceId)) return false;
    this.#listeners.set(serviceId, listener);
    this.#serviceChanged(serviceId, true);
    return true;
  }

  unlisten(serviceId: bigint): void {
    if (this.#listeners.delete(serviceId)) this.#serviceChanged(serviceId, false);
  }

  #serviceChanged(serviceId: bigint, isListening: boolean): void {
    this.#mads?.serviceChanged(serviceId, isListening);
    this.hca.serviceChanged?.(serviceId, isListening);
  }

  /** A number for a connection or a lookup, unlike any in use. */
  newId(): number {
    do this.#nextId = (this.#nextId + 1) >>> 0;
    while (this.#byLocalId.has(this.#nextId) || this.#lookups.has(this.#nextId));
    return this.#nextId;
  }

  newTransaction(): bigint {
    this.#transaction++;
    return (BigInt(this.#nextId) << 32n) | BigInt(this.#transaction);
  }

  transmit(peer: CmPeer, transactionId: bigint, message: CmMessage, atPs: Ps): void {
    this.counters.sent++;
    const gsi = this.#gsi.find((candidate) => candidate.portNum === peer.portNum) as MadPort;
    gsi.send(emitCmMad(transactionId, message), peer, atPs);
  }

  /** Sends a datagram of somebody else's. */
  forward(portNum: number, bytes: Uint8Array, to: MadTarget, atPs: Ps): void {
    this.#gsi.find((candidate) => candidate.portNum === portNum)?.send(bytes, to, atPs);
  }

  /** Answers a DREQ of a connection that is over. */
  answerDreq(peer: CmPeer, dreq: CmDreqRepr, transactionId: bigint, atPs: Ps): void {
    const fields = { localCommId: dreq.remoteCommId, remoteCommId: dreq.localCommId, privateData: EMPTY };
    this.transmit(peer, transactionId, { attribute: CM_DREP, fields }, atPs);
  }

  /** Notes whose the remote queue pair is; false when it belongs to another connection, which then is stale. */
  claimRemoteQp(connection: CmConnection): boolean {
    const key = remoteKey(connection.remoteQpn, connection.remoteCaGuid);
    const holder = this.#byRemoteQp.get(key);
    if (holder !== undefined && holder !== connection) return false;
    this.#byRemoteQp.set(key, connection);
    return true;
  }

  forget(connection: CmConnection): void {
    const { localCommId, remoteCommId, remoteCaGuid, remoteQpn } = connection;
    if (this.#byLocalId.get(localCommId) === connection) this.#byLocalId.delete(localCommId);
    const idKey = remoteKey(remoteCommId, remoteCaGuid);
    if (this.#byRemoteId.get(idKey) === connection) this.#byRemoteId.delete(idKey);
    const qpKey = remoteKey(remoteQpn, remoteCaGuid);
    if (this.#byRemoteQp.get(qpKey) === connection) this.#byRemoteQp.delete(qpKey);
  }

  forgetLookup(lookup: CmLookup): void {
    this.#lookups.delete(lookup.requestId);
  }

  forgetLookupRequest(request: CmLookupRequest): void {
    this.#lookupRequests.delete(request.key);
  }

  #arrived(bytes: Uint8Array, from: MadSource, atPs: Ps): void {
    if (this.foreign?.(bytes, from, atPs) === true) return;
    this.counters.received++;
    const mad = parseCmMad(bytes);
    if (typeof mad === 'string') {
      this.counters.malformed++;
      return;
    }
    this.timers.at(atPs + CM_PROCESSING_PS, () => this.#handle(mad.message, mad.transactionId, from));
  }

  #handle(message: CmMessage, transactionId: bigint, from: MadSource): void {
    const atPs = this.nowPs;
    switch (message.attribute) {
      case CM_REQ:
        this.#onReq(message.fields, transactionId, from, atPs);
        break;
      case CM_REP:
        this.#ofPair(message.fields)?.onRep(message.fields, atPs);
        break;
      case CM_RTU:
        this.#ofPair(message.fields)?.onRtu(message.fields);
        break;
      case CM_MRA:
        this.#ofPair(message.fields)?.onMra(message.fields);
        break;
      case CM_REJ:
        this.#rejected(message.fields)?.onRej(message.fields, atPs);
        break;
      case CM_DREQ:
        this.#onDreq(message.fields, transactionId, from, atPs);
        break;
      case CM_DREP:
        this.#ofPair(message.fields)?.onDrep(atPs);
        break;
      case CM_SIDR_REQ:
        this.#onSidrReq(message.fields, transactionId, from, atPs);
        break;
      case CM_SIDR_REP:
        this.#onSidrRep(message.fields);
        break;
      default:
        // LAP and APR: no alternate paths here; a peer that asks gets no answer.
        this.counters.unmatched++;
    }
  }

  #onReq(req: CmReqRepr, transactionId: bigint, from: MadSource, atPs: Ps): void {
    const idKey = remoteKey(req.localCommId, req.localCaGuid);
    const known = this.#byRemoteId.get(idKey);
    if (known !== undefined) {
      known.onDuplicateReq(atPs);
      return;
    }
    const connection = new CmConnection(this, this.newId(), replyTo(from), null);
    connection.acceptReq(req, transactionId);
    const stale = this.#byRemoteQp.get(remoteKey(req.localQpn, req.localCaGuid));
    if (stale !== undefined) {
      // The peer uses a queue pair anew that is connected here: it has forgotten that connection (IBA 12.9.8.3.1).
      this.#refuse(connection, CM_REJ_STALE_CONNECTION, atPs);
      stale.sendDreq(atPs);
      return;
    }
    const listener = this.#listeners.get(req.serviceId);
    if (listener === undefined) {
      this.#refuse(connection, CM_REJ_INVALID_SERVICE_ID, atPs);
      return;
    }
    this.#byLocalId.set(connection.localCommId, connection);
    this.#byRemoteId.set(idKey, connection);
    this.claimRemoteQp(connection);
    listener.onRequest(connection, req);
  }

  /** Rejects a request for which there is no connection. */
  #refuse(connection: CmConnection, reason: number, atPs: Ps): void {
    const { localCommId, remoteCommId, peer, transactionId } = connection;
    const fields: CmRejRepr = {
      localCommId,
      remoteCommId,
      answers: CM_ANSWERS_REQ,
      reason,
      ariBytes: 0,
      ari: EMPTY,
      privateData: EMPTY,
    };
    this.transmit(peer, transactionId, { attribute: CM_REJ, fields }, atPs);
  }

  #onDreq(dreq: CmDreqRepr, transactionId: bigint, from: MadSource, atPs: Ps): void {
    const connection = this.#ofPair(dreq);
    if (connection === undefined) this.answerDreq(replyTo(from), dreq, transactionId, atPs);
    else connection.onDreq(dreq, transactionId, atPs);
  }

  /** The connection that a message is for, if the peer means the same pair of numbers. */
  #ofPair(pair: { readonly localCommId: number; readonly remoteCommId: number }): CmConnection | undefined {
    const connection = this.#byLocalId.get(pair.remoteCommId);
    if (connection !== undefined && (connection.remoteCommId === pair.localCommId || connection.remoteCommId === 0))
      return connection;
    this.counters.unmatched++;
    return undefined;
  }

  /** A REJ for timeout comes from a side that never learned our number: it names its own, and its adapter. */
  #rejected(rej: CmRejRepr): CmConnection | undefined {
    if (rej.reason !== CM_REJ_TIMEOUT) return this.#ofPair(rej);
    const guid = new DataView(rej.ari.buffer, rej.ari.byteOffset).getBigUint64(0);
    return this.#byRemoteId.get(remoteKey(rej.localCommId, guid)) ?? this.#ofPair(rej);
  }

  #onSidrReq(req: CmSidrReqRepr, transactionId: bigint, from: MadSource, atPs: Ps): void {
    const request = new CmLookupRequest(this, replyTo(from), transactionId, req);
    const known = this.#lookupRequests.get(request.key);
    if (known !== undefined) {
      known.again(atPs);
      return;
    }
    const listener = this.#listeners.get(req.serviceId);
    if (listener === undefined) {
      refuseLookup(request, atPs);
      return;
    }
    this.#lookupRequests.set(request.key, request);
    listener.onLookup(request);
  }

  #onSidrRep(rep: CmSidrRepRepr): void {
    const lookup = this.#lookups.get(rep.requestId);
    if (lookup === undefined) this.counters.unmatched++;
    else lookup.onReply(rep);
  }
}

function remoteKey(number: number, caGuid: bigint): string {
  return `${number} ${caGuid}`;
}

/** The way back. */
function replyTo(from: MadSource): CmPeer {
  return { portNum: from.portNum, dlid: from.slid, sl: from.sl, srcPathBits: from.dlidPathBits, pkeyIndex: from.pkeyIndex };
}
