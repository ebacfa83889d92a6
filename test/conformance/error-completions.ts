/**
 * What goes wrong on RC and how each side learns of it: a table of cases that tests of any layer can run. Statuses are names of `enum ibv_wc_status` less the prefix,
 * events names of `enum ibv_event_type`. Sources: IBA vol. 1, 9.9 (error tables), `ibv_poll_cq(3)`, Linux rdmavt and rxe.
 */
export interface ErrorCase {
  readonly name: string;
  /** What is posted, and with what fault. */
  readonly operation: 'SEND' | 'WRITE' | 'WRITE_IMM' | 'READ' | 'FETCH_ADD' | 'SEND_INV';
  readonly fault:
    | 'short receive buffer'
    | 'bad receive lkey'
    | 'receive without local write'
    | 'bad lkey'
    | 'local bounds'
    | 'bad rkey'
    | 'remote bounds'
    | 'no remote right on region'
    | 'no right on queue pair'
    | 'misaligned address'
    | 'no responder resources'
    | 'region of another domain'
    | 'key is no window'
    | 'read into read-only region'
    | 'atomic of 4 bytes';
  readonly requester: string;
  /** Status of the receive completion, where there is one other than a flush. */
  readonly responder?: string;
  /** NAK code on the wire, lower five bits; absent for local errors. */
  readonly nak?: number;
  /** Asynchronous event at the responder. */
  readonly event?: string;
}

export const ERROR_CASES: readonly ErrorCase[] = [
  {
    name: 'receive buffer too small',
    operation: 'SEND',
    fault: 'short receive buffer',
    requester: 'REM_INV_REQ_ERR',
    responder: 'LOC_LEN_ERR',
    nak: 1,
    event: 'QP_FATAL',
  },
  {
    name: 'receive element with a key that is none',
    operation: 'SEND',
    fault: 'bad receive lkey',
    requester: 'REM_OP_ERR',
    responder: 'LOC_PROT_ERR',
    nak: 3,
    event: 'QP_FATAL',
  },
  {
    name: 'receive into a region without local write',
    operation: 'SEND',
    fault: 'receive without local write',
    requester: 'REM_OP_ERR',
    responder: 'LOC_PROT_ERR',
    nak: 3,
    event: 'QP_FATAL',
  },
  { name: 'send with a key that is none', operation: 'SEND', fault: 'bad lkey', requester: 'LOC_PROT_ERR' },
  { name: 'send beyond the region', operation: 'SEND', fault: 'local bounds', requester: 'LOC_PROT_ERR' },
  { name: 'send from another domain', operation: 'SEND', fault: 'region of another domain', requester: 'LOC_PROT_ERR' },
  {
    name: 'write with a key that is none',
    operation: 'WRITE',
    fault: 'bad rkey',
    requester: 'REM_ACCESS_ERR',
    nak: 2,
    event: 'QP_ACCESS_ERR',
  },
  {
    name: 'write with immediate with a key that is none',
    operation: 'WRITE_IMM',
    fault: 'bad rkey',
    requester: 'REM_ACCESS_ERR',
    nak: 2,
    event: 'QP_ACCESS_ERR',
  },
  {
    name: 'write beyond the region',
    operation: 'WRITE',
    fault: 'remote bounds',
    requester: 'REM_ACCESS_ERR',
    nak: 2,
    event: 'QP_ACCESS_ERR',
  },
  {
    name: 'write to a region without remote write',
    operation: 'WRITE',
    fault: 'no remote right on region',
    requester: 'REM_ACCESS_ERR',
    nak: 2,
    event: 'QP_ACCESS_ERR',
  },
  {
    name: 'write to a queue pair without remote write',
    operation: 'WRITE',
    fault: 'no right on queue pair',
    requester: 'REM_INV_REQ_ERR',
    nak: 1,
    event: 'QP_REQ_ERR',
  },
  {
    name: 'write to a region of another domain',
    operation: 'WRITE',
    fault: 'region of another domain',
    requester: 'REM_ACCESS_ERR',
    nak: 2,
    event: 'QP_ACCESS_ERR',
  },
  {
    name: 'read with a key that is none',
    operation: 'READ',
    fault: 'bad rkey',
    requester: 'REM_ACCESS_ERR',
    nak: 2,
    event: 'QP_ACCESS_ERR',
  },
  {
    name: 'read beyond the region',
    operation: 'READ',
    fault: 'remote bounds',
    requester: 'REM_ACCESS_ERR',
    nak: 2,
    event: 'QP_ACCESS_ERR',
  },
  {
    name: 'read from a region without remote read',
    operation: 'READ',
    fault: 'no remote right on region',
    requester: 'REM_ACCESS_ERR',
    nak: 2,
    event: 'QP_ACCESS_ERR',
  },
  {
    name: 'read from a queue pair without remote read',
    operation: 'READ',
    fault: 'no right on queue pair',
    requester: 'REM_INV_REQ_ERR',
    nak: 1,
    event: 'QP_REQ_ERR',
  },
  {
    name: 'read from a queue pair without responder resources',
    operation: 'READ',
    fault: 'no responder resources',
    requester: 'REM_INV_REQ_ERR',
    nak: 1,
    event: 'QP_REQ_ERR',
  },
  {
    name: 'read into a region without local write',
    operation: 'READ',
    fault: 'read into read-only region',
    requester: 'LOC_PROT_ERR',
  },
  {
    name: 'atomic with a key that is none',
    operation: 'FETCH_ADD',
    fault: 'bad rkey',
    requester: 'REM_ACCESS_ERR',
    nak: 2,
    event: 'QP_ACCESS_ERR',
  },
  {
    name: 'atomic to a region without remote atomic',
    operation: 'FETCH_ADD',
    fault: 'no remote right on region',
    requester: 'REM_ACCESS_ERR',
    nak: 2,
    event: 'QP_ACCESS_ERR',
  },
  {
    name: 'atomic to a queue pair without remote atomic',
    operation: 'FETCH_ADD',
    fault: 'no right on queue pair',
    requester: 'REM_INV_REQ_ERR',
    nak: 1,
    event: 'QP_REQ_ERR',
  },
  {
    name: 'atomic to an address that is no multiple of 8',
    operation: 'FETCH_ADD',
    fault: 'misaligned address',
    requester: 'REM_INV_REQ_ERR',
    nak: 1,
    event: 'QP_REQ_ERR',
  },
  {
    name: 'atomic with a result buffer of 4 bytes',
    operation: 'FETCH_ADD',
    fault: 'atomic of 4 bytes',
    requester: 'LOC_LEN_ERR',
  },
  {
    name: 'invalidation of a key that is no window',
    operation: 'SEND_INV',
    fault: 'key is no window',
    requester: 'REM_ACCESS_ERR',
    nak: 2,
    event: 'QP_ACCESS_ERR',
  },
];

/** `enum ibv_wc_status` by name. */
export const STATUS: Readonly<Record<string, number>> = {
  SUCCESS: 0,
  LOC_LEN_ERR: 1,
  LOC_QP_OP_ERR: 2,
  LOC_PROT_ERR: 4,
  WR_FLUSH_ERR: 5,
  MW_BIND_ERR: 6,
  BAD_RESP_ERR: 7,
  REM_INV_REQ_ERR: 9,
  REM_ACCESS_ERR: 10,
  REM_OP_ERR: 11,
  RETRY_EXC_ERR: 12,
  RNR_RETRY_EXC_ERR: 13,
};

/** `enum ibv_event_type` by name. */
export const EVENT: Readonly<Record<string, number>> = {
  CQ_ERR: 0,
  QP_FATAL: 1,
  QP_REQ_ERR: 2,
  QP_ACCESS_ERR: 3,
  COMM_EST: 4,
  SQ_DRAINED: 5,
  SRQ_LIMIT_REACHED: 15,
  QP_LAST_WQE_REACHED: 16,
};

/** RNR NAK timer codes 0 … 31 in units of 10 µs (IBA vol. 1, table 45). */
export const RNR_TIMERS_10US: readonly number[] = [
  65536, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192,
  12288, 16384, 24576, 32768, 49152,
];

/** Message sizes worth trying at an MTU: nothing, one byte, and around its multiples. */
export function boundarySizes(mtuBytes: number): number[] {
  return [0, 1, mtuBytes - 1, mtuBytes, mtuBytes + 1, 2 * mtuBytes - 1, 2 * mtuBytes, 2 * mtuBytes + 1, 3 * mtuBytes + 7];
}

/** First PSNs that make a few packets wrap at 2^24, and some that do not. */
export const FIRST_PSNS: readonly number[] = [0, 1, 0x7fffff, 0x800000, 0xfffffd, 0xfffffe, 0xffffff];
