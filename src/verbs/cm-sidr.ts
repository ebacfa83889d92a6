/**
 * Service ID resolution: finding the queue pair of a datagram service (IBA vol. 1, 12.11). One question, one answer; the question is sent again when no answer comes,
 * and the answer is kept, so that a question that comes again gets the same one.
 */
import type { Ps } from '../sim/index.ts';
import {
  CM_SIDR_OK,
  CM_SIDR_REP,
  CM_SIDR_REQ,
  CM_SIDR_UNSUPPORTED,
  type CmMessage,
  type CmSidrRepRepr,
  type CmSidrReqRepr,
} from '../wire/index.ts';
import type { Adapter } from './adapter.ts';
import type { CmAgent } from './cm-agent.ts';
import { type CmPeer, cmTimeoutPs } from './cm-states.ts';

/** How long an answer is kept for repeated questions. */
const KEEP_ANSWER_TIMEOUT = 20;
const EMPTY = new Uint8Array(0);

export interface LookupOwner {
  /** `rep.status` 0: `qpn` and `qKey` are those of the service. */
  onLookupReply(rep: CmSidrRepRepr, peer: CmPeer): void;
  onLookupTimeout(): void;
}

/** The asking side. */
export class CmLookup {
  readonly requestId: number;
  readonly #agent: CmAgent;
  readonly #peer: CmPeer;
  #owner: LookupOwner | null;
  #timer = 0;
  #retriesLeft = 0;

  constructor(agent: CmAgent, requestId: number, peer: CmPeer, owner: LookupOwner) {
    this.#agent = agent;
    this.requestId = requestId;
    this.#peer = peer;
    this.#owner = owner;
  }

  /** Asks, and asks again up to `retries` times every `timeout` (a code). */
  send(fields: Omit<CmSidrReqRepr, 'requestId'>, timeout: number, retries: number, atPs: Ps): void {
    this.#retriesLeft = retries;
    const message: CmMessage = { attribute: CM_SIDR_REQ, fields: { ...fields, requestId: this.requestId } };
    this.#ask(message, this.#agent.newTransaction(), timeout, atPs);
  }

  onReply(rep: CmSidrRepRepr): void {
    const owner = this.#owner;
    this.abandon();
    owner?.onLookupReply(rep, this.#peer);
  }

  /** Gives up; nothing is told to the owner any more. */
  abandon(): void {
    this.#owner = null;
    this.#agent.timers.cancel(this.#timer);
    this.#agent.forgetLookup(this);
  }

  #ask(message: CmMessage, transactionId: bigint, timeout: number, atPs: Ps): void {
    this.#agent.transmit(this.#peer, transactionId, message, atPs);
    this.#timer = this.#agent.timers.at(atPs + cmTimeoutPs(timeout), () => {
      if (this.#retriesLeft > 0) {
        this.#retriesLeft--;
        this.#agent.counters.retransmissions++;
        this.#ask(message, transactionId, timeout, this.#agent.nowPs);
        return;
      }
      const owner = this.#owner;
      this.abandon();
      owner?.onLookupTimeout();
    });
  }
}

/** The answering side. */
export class CmLookupRequest {
  readonly key: string;
  readonly peer: CmPeer;
  readonly req: CmSidrReqRepr;
  readonly #agent: CmAgent;
  readonly #transactionId: bigint;
  #answer: CmMessage | null = null;

  constructor(agent: CmAgent, peer: CmPeer, transactionId: bigint, req: CmSidrReqRepr) {
    this.#agent = agent;
    this.peer = peer;
    this.req = req;
    this.#transactionId = transactionId;
    this.key = `${req.requestId} ${peer.portNum} ${peer.dlid}`;
  }

  get hca(): Adapter {
    return this.#agent.hca;
  }

  get nowPs(): Ps {
    return this.#agent.nowPs;
  }

  get isAnswered(): boolean {
    return this.#answer !== null;
  }

  /** Answers: status 0 with queue pair and Q_Key, or why not. */
  reply(status: number, qpn: number, qKey: number, privateData: Uint8Array, atPs: Ps): void {
    const { requestId, serviceId } = this.req;
    const served = status === CM_SIDR_OK;
    const fields = {
      requestId,
      status,
      infoBytes: 0,
      qpn: served ? qpn : 0,
      serviceId,
      qKey: served ? qKey : 0,
      info: EMPTY,
      privateData,
    };
    this.#answer = { attribute: CM_SIDR_REP, fields };
    this.#agent.transmit(this.peer, this.#transactionId, this.#answer, atPs);
    this.#agent.timers.at(atPs + cmTimeoutPs(KEEP_ANSWER_TIMEOUT), () => this.#agent.forgetLookupRequest(this));
  }

  /** @internal The question came again. */
  again(atPs: Ps): void {
    if (this.#answer !== null) this.#agent.transmit(this.peer, this.#transactionId, this.#answer, atPs);
  }
}

/** The answer where nobody serves. */
export function refuseLookup(request: CmLookupRequest, atPs: Ps): void {
  request.reply(CM_SIDR_UNSUPPORTED, 0, 0, EMPTY, atPs);
}
