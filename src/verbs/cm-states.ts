/**
 * What a connection's state machine (`cm-connection.ts`) is spoken about with: its states, the peer's place, what an owner is told, times.
 */
import type { Ps } from '../sim/index.ts';
import { CM_ANSWERS_OTHER, CM_ANSWERS_REP, CM_ANSWERS_REQ, type CmRejRepr, type CmRepRepr } from '../wire/index.ts';

/** `enum ib_cm_state`, the states of a connection; the SIDR states are those of `cm-sidr.ts`. */
export type CmState =
  | 'IDLE'
  | 'REQ_SENT'
  | 'REQ_RCVD'
  | 'MRA_REQ_SENT'
  | 'MRA_REQ_RCVD'
  | 'REP_SENT'
  | 'REP_RCVD'
  | 'MRA_REP_SENT'
  | 'MRA_REP_RCVD'
  | 'ESTABLISHED'
  | 'DREQ_SENT'
  | 'DREQ_RCVD'
  | 'TIMEWAIT';

/** Where the other side's QP1 is. */
export interface CmPeer {
  readonly portNum: number;
  readonly dlid: number;
  readonly sl: number;
  readonly srcPathBits: number;
  readonly pkeyIndex: number;
}

/** What the owner of a connection is told. Times are the loop's. */
export interface CmOwner {
  onRep(rep: CmRepRepr): void;
  /** RTU, or the first data (`notify`). */
  onEstablished(privateData: Uint8Array): void;
  onRejected(rej: CmRejRepr): void;
  /** A REQ or a REP was not answered, however often it was sent. */
  onUnreachable(): void;
  /** DREQ or DREP came, or a DREQ was never answered. */
  onDisconnected(timedOut: boolean): void;
  onTimewaitExit(): void;
}

/** Service timeout that an MRA promises: 4.096 µs × 2^24 = 69 s (rdma_cm's setting). */
export const MRA_SERVICE_TIMEOUT = 24;

/** 4.096 µs × 2^code. */
export function cmTimeoutPs(code: number): Ps {
  return 4_096_000 * 2 ** code;
}

/** No private data. */
export const EMPTY = new Uint8Array(0);

/** Which message a REJ answers, by the state of who sends it. */
export const REJECT_ANSWERS: Partial<Record<CmState, number>> = {
  REQ_SENT: CM_ANSWERS_OTHER,
  MRA_REQ_RCVD: CM_ANSWERS_OTHER,
  REQ_RCVD: CM_ANSWERS_REQ,
  MRA_REQ_SENT: CM_ANSWERS_REQ,
  REP_RCVD: CM_ANSWERS_REP,
  MRA_REP_SENT: CM_ANSWERS_REP,
  REP_SENT: CM_ANSWERS_OTHER,
  MRA_REP_RCVD: CM_ANSWERS_OTHER,
};

/** The 8 bytes of a GUID, network order. */
export function guidBytes(guid: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, guid);
  return bytes;
}
