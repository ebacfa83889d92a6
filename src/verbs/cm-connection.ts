/**
 * One connection as the kernel's connection manager sees it: the state machine of IBA vol. 1, 12.9 with the rules of Linux `drivers/infiniband/core/cm.c`.
 *
 * A connection sends and answers the messages REQ, MRA, REJ, REP, RTU, DREQ, DREP through its agent, sends again what is not answered in time,
 * and tells its owner (an rdma_cm id) what happens. It knows nothing of queue pairs: the owner moves those.
 */
import { assert, type Ps } from '../sim/index.ts';
import {
  CM_ANSWERS_REP,
  CM_ANSWERS_REQ,
  CM_DREP,
  CM_DREQ,
  CM_MRA,
  CM_REJ,
  CM_REJ_CONSUMER,
  CM_REJ_STALE_CONNECTION,
  CM_REJ_TIMEOUT,
  CM_REP,
  CM_REQ,
  CM_RTU,
  type CmDreqRepr,
  type CmMessage,
  type CmMraRepr,
  type CmPairRepr,
  type CmRejRepr,
  type CmRepRepr,
  type CmReqRepr,
} from '../wire/index.ts';
import type { CmAgent } from './cm-agent.ts';
import {
  type CmOwner,
  type CmPeer,
  type CmState,
  cmTimeoutPs,
  EMPTY,
  guidBytes,
  MRA_SERVICE_TIMEOUT,
  REJECT_ANSWERS,
} from './cm-states.ts';

export class CmConnection {
  readonly agent: CmAgent;
  readonly localCommId: number;
  remoteCommId = 0;
  remoteCaGuid = 0n;
  remoteQpn = 0;
  peer: CmPeer;
  owner: CmOwner | null;
  state: CmState = 'IDLE';
  /** The REQ, sent or received; null while idle. */
  req: CmReqRepr | null = null;
  /** Code of the time that a disconnected connection waits for stragglers. */
  timewaitTimeout = 0;
  transactionId = 0n;

  /** What is sent again when it is asked for again, and when no answer comes. */
  #sent: CmMessage | null = null;
  #timer = 0;
  #retriesLeft = 0;
  #responsePs = 0;

  constructor(agent: CmAgent, localCommId: number, peer: CmPeer, owner: CmOwner | null) {
    this.agent = agent;
    this.localCommId = localCommId;
    this.peer = peer;
    this.owner = owner;
  }

  // What the owner asks for. Each returns false when the state does not allow it (EINVAL).

  /** IDLE → REQ_SENT. */
  sendReq(req: CmReqRepr, packetLifeTime: number, atPs: Ps): boolean {
    if (this.state !== 'IDLE') return false;
    this.req = req;
    this.transactionId = this.agent.newTransaction();
    this.state = 'REQ_SENT';
    this.#responsePs = 2 * cmTimeoutPs(packetLifeTime) + cmTimeoutPs(req.remoteResponseTimeout);
    this.#sendReliably({ attribute: CM_REQ, fields: req }, req.maxCmRetries, atPs);
    return true;
  }

  /** REQ_RCVD → REP_SENT. */
  sendRep(rep: CmRepRepr, atPs: Ps): boolean {
    if (this.state !== 'REQ_RCVD' && this.state !== 'MRA_REQ_SENT') return false;
    const req = this.#request();
    this.state = 'REP_SENT';
    this.#responsePs = cmTimeoutPs(req.localResponseTimeout);
    this.#sendReliably({ attribute: CM_REP, fields: rep }, req.maxCmRetries, atPs);
    return true;
  }

  /** REP_RCVD → ESTABLISHED. */
  sendRtu(privateData: Uint8Array, atPs: Ps): boolean {
    if (this.state !== 'REP_RCVD' && this.state !== 'MRA_REP_SENT') return false;
    this.state = 'ESTABLISHED';
    this.#sendOnce({ attribute: CM_RTU, fields: this.#pair(privateData) }, atPs);
    return true;
  }

  /** Refuses a request or a reply. */
  sendRej(reason: number, privateData: Uint8Array, ari: Uint8Array, atPs: Ps): boolean {
    const answers = REJECT_ANSWERS[this.state];
    if (answers === undefined) return false;
    this.#stopTimer();
    this.#transmit({ attribute: CM_REJ, fields: this.#rejection(answers, reason, privateData, ari) }, atPs);
    if (reason === CM_REJ_STALE_CONNECTION) this.#enterTimewait(atPs);
    else this.#idle();
    return true;
  }

  /** ESTABLISHED → DREQ_SENT. */
  sendDreq(atPs: Ps): boolean {
    if (this.state !== 'ESTABLISHED') return false;
    this.state = 'DREQ_SENT';
    this.transactionId = this.agent.newTransaction();
    const { localCommId, remoteCommId, remoteQpn } = this;
    const fields: CmDreqRepr = { localCommId, remoteCommId, remoteQpn, privateData: EMPTY };
    this.#responsePs = cmTimeoutPs(this.#answerTimeout());
    this.#sendReliably({ attribute: CM_DREQ, fields }, this.#request().maxCmRetries, atPs);
    return true;
  }

  /** DREQ_RCVD → TIMEWAIT. */
  sendDrep(atPs: Ps): boolean {
    if (this.state !== 'DREQ_RCVD') return false;
    this.#sendOnce({ attribute: CM_DREP, fields: this.#pair(EMPTY) }, atPs);
    this.#enterTimewait(atPs);
    return true;
  }

  /** `ib_cm_notify` with COMM_EST: data came before the RTU. `EISCONN` when the connection stands already, `EINVAL` in another state. */
  notifyEstablished(): 'ok' | 'EISCONN' | 'EINVAL' {
    if (this.state === 'ESTABLISHED') return 'EISCONN';
    if (this.state !== 'REP_SENT' && this.state !== 'MRA_REP_RCVD') return 'EINVAL';
    this.#stopTimer();
    this.state = 'ESTABLISHED';
    this.owner?.onEstablished(EMPTY);
    return 'ok';
  }

  /** The owner goes away: tells the peer what the state demands (`cm_destroy_id`). */
  abandon(atPs: Ps): void {
    this.owner = null;
    switch (this.state) {
      case 'REQ_SENT':
      case 'MRA_REQ_RCVD':
        this.sendRej(CM_REJ_TIMEOUT, EMPTY, guidBytes(this.agent.caGuid), atPs);
        return;
      case 'REQ_RCVD':
      case 'MRA_REQ_SENT':
      case 'REP_SENT':
      case 'MRA_REP_RCVD':
      case 'REP_RCVD':
      case 'MRA_REP_SENT':
        this.sendRej(CM_REJ_CONSUMER, EMPTY, EMPTY, atPs);
        return;
      case 'ESTABLISHED':
        this.sendDreq(atPs);
        this.#enterTimewait(atPs);
        return;
      case 'DREQ_SENT':
        this.#enterTimewait(atPs);
        return;
      case 'DREQ_RCVD':
        this.sendDrep(atPs);
        return;
      case 'IDLE':
        this.agent.forget(this);
    }
  }

  // What comes from the peer.

  /** @internal A REQ for a listener made this connection. */
  acceptReq(req: CmReqRepr, transactionId: bigint): void {
    this.req = req;
    this.transactionId = transactionId;
    this.remoteCommId = req.localCommId;
    this.remoteCaGuid = req.localCaGuid;
    this.remoteQpn = req.localQpn;
    this.timewaitTimeout = req.primary.ackTimeout;
    this.state = 'REQ_RCVD';
  }

  /** @internal The same REQ again: the reply got lost, or it takes longer than the peer thought. */
  onDuplicateReq(atPs: Ps): void {
    switch (this.state) {
      case 'REQ_RCVD':
      case 'MRA_REQ_SENT':
        this.state = 'MRA_REQ_SENT';
        this.#transmit({ attribute: CM_MRA, fields: this.#mra(CM_ANSWERS_REQ) }, atPs);
        return;
      case 'REP_SENT':
      case 'MRA_REP_RCVD':
        if (this.#sent !== null) this.#transmit(this.#sent, atPs);
        return;
      case 'TIMEWAIT':
        this.#transmit(
          { attribute: CM_REJ, fields: this.#rejection(CM_ANSWERS_REQ, CM_REJ_STALE_CONNECTION, EMPTY, EMPTY) },
          atPs,
        );
    }
  }

  onRep(rep: CmRepRepr, atPs: Ps): void {
    if (this.state === 'REQ_SENT' || this.state === 'MRA_REQ_RCVD') {
      this.#stopTimer();
      this.remoteCommId = rep.localCommId;
      this.remoteCaGuid = rep.localCaGuid;
      this.remoteQpn = rep.localQpn;
      if (!this.agent.claimRemoteQp(this)) {
        this.#transmit(
          { attribute: CM_REJ, fields: this.#rejection(CM_ANSWERS_REP, CM_REJ_STALE_CONNECTION, EMPTY, EMPTY) },
          atPs,
        );
        const rej = this.#rejection(CM_ANSWERS_REP, CM_REJ_STALE_CONNECTION, EMPTY, EMPTY);
        this.#enterTimewait(atPs);
        this.owner?.onRejected(rej);
        return;
      }
      this.state = 'REP_RCVD';
      this.owner?.onRep(rep);
    } else if (this.state === 'ESTABLISHED' && rep.localCommId === this.remoteCommId) {
      // The RTU got lost.
      if (this.#sent !== null) this.#transmit(this.#sent, atPs);
    } else if (this.state === 'REP_RCVD' || this.state === 'MRA_REP_SENT') {
      this.state = 'MRA_REP_SENT';
      this.#transmit({ attribute: CM_MRA, fields: this.#mra(CM_ANSWERS_REP) }, atPs);
    }
  }

  onRtu(rtu: CmPairRepr): void {
    if (this.state !== 'REP_SENT' && this.state !== 'MRA_REP_RCVD') return;
    this.#stopTimer();
    this.state = 'ESTABLISHED';
    this.owner?.onEstablished(rtu.privateData);
  }

  onMra(mra: CmMraRepr): void {
    const waits: Partial<Record<CmState, CmState>> = { REQ_SENT: 'MRA_REQ_RCVD', REP_SENT: 'MRA_REP_RCVD' };
    const next = waits[this.state];
    const expected = this.state === 'REQ_SENT' ? CM_ANSWERS_REQ : CM_ANSWERS_REP;
    if (next === undefined || mra.answers !== expected) return;
    this.state = next;
    this.#stopTimer();
    this.#startTimer(this.agent.nowPs + cmTimeoutPs(mra.serviceTimeout) + this.#responsePs);
  }

  onRej(rej: CmRejRepr, atPs: Ps): void {
    switch (this.state) {
      case 'REQ_SENT':
      case 'MRA_REQ_RCVD':
      case 'REP_SENT':
      case 'MRA_REP_RCVD':
      case 'REQ_RCVD':
      case 'MRA_REQ_SENT':
        this.#stopTimer();
        if (rej.reason === CM_REJ_STALE_CONNECTION) this.#enterTimewait(atPs);
        else this.#idle();
        break;
      case 'DREQ_SENT':
      case 'REP_RCVD':
      case 'MRA_REP_SENT':
      case 'ESTABLISHED':
        this.#enterTimewait(atPs);
        break;
      default:
        return;
    }
    this.owner?.onRejected(rej);
  }

  onDreq(dreq: CmDreqRepr, transactionId: bigint, atPs: Ps): void {
    switch (this.state) {
      case 'REP_SENT':
      case 'MRA_REP_RCVD':
      case 'ESTABLISHED':
        this.#stopTimer();
        this.transactionId = transactionId;
        this.state = 'DREQ_RCVD';
        if (this.owner === null) this.sendDrep(atPs);
        else this.owner.onDisconnected(false);
        return;
      case 'DREQ_SENT':
        // Both sides disconnect at the same time: each answers the other.
        this.transactionId = transactionId;
        this.#stopTimer();
        this.state = 'DREQ_RCVD';
        this.sendDrep(atPs);
        this.owner?.onDisconnected(false);
        return;
      case 'TIMEWAIT':
        this.agent.answerDreq(this.peer, dreq, transactionId, atPs);
    }
  }

  onDrep(atPs: Ps): void {
    if (this.state !== 'DREQ_SENT' && this.state !== 'DREQ_RCVD') return;
    this.#enterTimewait(atPs);
    this.owner?.onDisconnected(false);
  }

  // Sending, and sending again.

  #sendReliably(message: CmMessage, retries: number, atPs: Ps): void {
    this.#retriesLeft = retries;
    this.#sendOnce(message, atPs);
    this.#startTimer(atPs + this.#responsePs);
  }

  /** Sends what may have to be repeated on demand. */
  #sendOnce(message: CmMessage, atPs: Ps): void {
    this.#stopTimer();
    this.#sent = message;
    this.#transmit(message, atPs);
  }

  #transmit(message: CmMessage, atPs: Ps): void {
    this.agent.transmit(this.peer, this.transactionId, message, atPs);
  }

  #startTimer(atPs: Ps): void {
    this.#timer = this.agent.timers.at(atPs, () => this.#onTimeout());
  }

  #stopTimer(): void {
    this.agent.timers.cancel(this.#timer);
  }

  #onTimeout(): void {
    const atPs = this.agent.nowPs;
    if (this.#retriesLeft > 0 && this.#sent !== null) {
      this.#retriesLeft--;
      this.agent.counters.retransmissions++;
      this.#transmit(this.#sent, atPs);
      this.#startTimer(atPs + this.#responsePs);
      return;
    }
    if (this.state === 'DREQ_SENT') {
      this.#enterTimewait(atPs);
      this.owner?.onDisconnected(true);
      return;
    }
    this.#idle();
    this.owner?.onUnreachable();
  }

  #idle(): void {
    this.#stopTimer();
    this.state = 'IDLE';
    this.agent.forget(this);
  }

  #enterTimewait(atPs: Ps): void {
    this.#stopTimer();
    this.state = 'TIMEWAIT';
    this.#timer = this.agent.timers.at(atPs + cmTimeoutPs(this.timewaitTimeout), () => {
      this.state = 'IDLE';
      this.agent.forget(this);
      this.owner?.onTimewaitExit();
    });
  }

  #request(): CmReqRepr {
    assert(this.req !== null, 'a connection without a request');
    return this.req;
  }

  /** Code of the time that the peer may take for an answer: what each told the other in the REQ. */
  #answerTimeout(): number {
    const req = this.#request();
    return req.localCommId === this.localCommId ? req.remoteResponseTimeout : req.localResponseTimeout;
  }

  #pair(privateData: Uint8Array): CmPairRepr {
    return { localCommId: this.localCommId, remoteCommId: this.remoteCommId, privateData };
  }

  #mra(answers: number): CmMraRepr {
    return { ...this.#pair(EMPTY), answers, serviceTimeout: MRA_SERVICE_TIMEOUT };
  }

  #rejection(answers: number, reason: number, privateData: Uint8Array, ari: Uint8Array): CmRejRepr {
    return { ...this.#pair(privateData), answers, reason, ari, ariBytes: ari.length };
  }
}
