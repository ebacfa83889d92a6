/**
 * The messages that set up and tear down a connection: REQ, MRA, REJ, REP, RTU, DREQ, DREP (IBA vol. 1, 12.6; tables 106 to 113).
 * A message is the 232 bytes after the MAD header; offsets count from there. Timeouts are 5-bit codes (`timeoutPs`).
 */
import { bits, flag, group, layout, raw, u8, u16, u24, u32, u64 } from './layout.ts';

/** Bytes of a CM message: a MAD without its header. */
export const CM_MESSAGE_BYTES = 232;

/** Transport service types in a REQ. */
export const CM_TRANSPORT_RC = 0;
export const CM_TRANSPORT_UC = 1;
export const CM_TRANSPORT_RD = 2;
/** See the extended transport type: 1 = XRC. */
export const CM_TRANSPORT_EXTENDED = 3;

/** Which message an MRA or REJ answers. */
export const CM_ANSWERS_REQ = 0;
export const CM_ANSWERS_REP = 1;
export const CM_ANSWERS_OTHER = 2;

/** One path in a REQ: 44 bytes. */
export interface CmPathRepr {
  localLid: number;
  remoteLid: number;
  localGid: Uint8Array;
  remoteGid: Uint8Array;
  /** 20 bits. */
  flowLabel: number;
  /** Rate code, 6 bits. */
  packetRate: number;
  trafficClass: number;
  hopLimit: number;
  sl: number;
  subnetLocal: boolean;
  /** Local ACK timeout code, 5 bits. */
  ackTimeout: number;
}

const CM_PATH = layout<CmPathRepr>('CM path', 44, {
  localLid: u16(0),
  remoteLid: u16(2),
  localGid: raw(4, 16),
  remoteGid: raw(20, 16),
  flowLabel: bits(36, 0, 20),
  packetRate: bits(39, 2, 6),
  trafficClass: u8(40),
  hopLimit: u8(41),
  sl: bits(42, 0, 4),
  subnetLocal: flag(42, 4),
  ackTimeout: bits(43, 0, 5),
});

export const CM_REQ_PRIVATE_BYTES = 92;

/** Request for communication. */
export interface CmReqRepr {
  localCommId: number;
  serviceId: bigint;
  localCaGuid: bigint;
  localQKey: number;
  localQpn: number;
  /** READs and atomics that the sender takes in at a time. */
  responderResources: number;
  localEecn: number;
  /** READs and atomics that the sender issues at a time. */
  initiatorDepth: number;
  remoteEecn: number;
  remoteResponseTimeout: number;
  /** `CM_TRANSPORT_*`. */
  transport: number;
  endToEndFlowControl: boolean;
  startingPsn: number;
  localResponseTimeout: number;
  retryCount: number;
  pKey: number;
  /** MTU code. */
  pathMtu: number;
  rdcExists: boolean;
  rnrRetryCount: number;
  maxCmRetries: number;
  srq: boolean;
  /** 1 = XRC, with `transport` 3. */
  extendedTransport: number;
  primary: CmPathRepr;
  alternate: CmPathRepr;
  privateData: Uint8Array;
}

export const CM_REQ_LAYOUT = layout<CmReqRepr>('CM REQ', CM_MESSAGE_BYTES, {
  localCommId: u32(0),
  serviceId: u64(8),
  localCaGuid: u64(16),
  localQKey: u32(28),
  localQpn: u24(32),
  responderResources: u8(35),
  localEecn: u24(36),
  initiatorDepth: u8(39),
  remoteEecn: u24(40),
  remoteResponseTimeout: bits(43, 0, 5),
  transport: bits(43, 5, 2),
  endToEndFlowControl: flag(43, 7),
  startingPsn: u24(44),
  localResponseTimeout: bits(47, 0, 5),
  retryCount: bits(47, 5, 3),
  pKey: u16(48),
  pathMtu: bits(50, 0, 4),
  rdcExists: flag(50, 4),
  rnrRetryCount: bits(50, 5, 3),
  maxCmRetries: bits(51, 0, 4),
  srq: flag(51, 4),
  extendedTransport: bits(51, 5, 3),
  primary: group(52, CM_PATH),
  alternate: group(96, CM_PATH),
  privateData: raw(140, CM_REQ_PRIVATE_BYTES),
});

export const CM_MRA_PRIVATE_BYTES = 222;

/** Message receipt acknowledgement: "it takes longer". */
export interface CmMraRepr {
  localCommId: number;
  remoteCommId: number;
  /** `CM_ANSWERS_*`. */
  answers: number;
  serviceTimeout: number;
  privateData: Uint8Array;
}

export const CM_MRA_LAYOUT = layout<CmMraRepr>('CM MRA', CM_MESSAGE_BYTES, {
  localCommId: u32(0),
  remoteCommId: u32(4),
  answers: bits(8, 0, 2),
  serviceTimeout: bits(9, 0, 5),
  privateData: raw(10, CM_MRA_PRIVATE_BYTES),
});

export const CM_REJ_PRIVATE_BYTES = 148;
export const CM_REJ_ARI_BYTES = 72;

/** Reasons of a REJ. */
export const CM_REJ_REASONS: Readonly<Record<number, string>> = {
  1: 'no QP',
  2: 'no EEC',
  3: 'no resources',
  4: 'timeout',
  5: 'unsupported request',
  6: 'invalid communication ID',
  7: 'invalid communication instance',
  8: 'invalid service ID',
  9: 'invalid transport service type',
  10: 'stale connection',
  11: 'RDC does not exist',
  12: 'invalid GID',
  13: 'invalid LID',
  14: 'invalid SL',
  15: 'invalid traffic class',
  16: 'invalid hop limit',
  17: 'invalid packet rate',
  18: 'invalid alternate GID',
  19: 'invalid alternate LID',
  20: 'invalid alternate SL',
  21: 'invalid alternate traffic class',
  22: 'invalid alternate hop limit',
  23: 'invalid alternate packet rate',
  24: 'port and CM redirection',
  25: 'port redirection',
  26: 'invalid path MTU',
  27: 'insufficient responder resources',
  28: 'consumer reject',
  29: 'RNR retry count reject',
  30: 'duplicate communication ID',
  31: 'unsupported class version',
  32: 'invalid flow label',
  33: 'invalid alternate flow label',
  35: 'vendor option not supported',
};
export const CM_REJ_NO_QP = 1;
export const CM_REJ_NO_RESOURCES = 3;
export const CM_REJ_TIMEOUT = 4;
export const CM_REJ_UNSUPPORTED = 5;
export const CM_REJ_INVALID_COMM_ID = 6;
export const CM_REJ_INVALID_SERVICE_ID = 8;
export const CM_REJ_STALE_CONNECTION = 10;
export const CM_REJ_INVALID_MTU = 26;
export const CM_REJ_CONSUMER = 28;

/** Reject. */
export interface CmRejRepr {
  localCommId: number;
  remoteCommId: number;
  /** `CM_ANSWERS_*`. */
  answers: number;
  /** Valid bytes of `ari`, 0 … 72. */
  ariBytes: number;
  /** See `CM_REJ_REASONS`. */
  reason: number;
  /** Additional reject information. */
  ari: Uint8Array;
  privateData: Uint8Array;
}

export const CM_REJ_LAYOUT = layout<CmRejRepr>('CM REJ', CM_MESSAGE_BYTES, {
  localCommId: u32(0),
  remoteCommId: u32(4),
  answers: bits(8, 0, 2),
  ariBytes: bits(9, 0, 7),
  reason: u16(10),
  ari: raw(12, CM_REJ_ARI_BYTES),
  privateData: raw(84, CM_REJ_PRIVATE_BYTES),
});

export const CM_REP_PRIVATE_BYTES = 196;

/** Reply to a REQ. */
export interface CmRepRepr {
  localCommId: number;
  remoteCommId: number;
  localQKey: number;
  localQpn: number;
  localEecn: number;
  startingPsn: number;
  responderResources: number;
  initiatorDepth: number;
  targetAckDelay: number;
  /** Alternate path accepted 0, not supported 1, rejected 2. */
  failoverAccepted: number;
  endToEndFlowControl: boolean;
  rnrRetryCount: number;
  srq: boolean;
  localCaGuid: bigint;
  privateData: Uint8Array;
}

export const CM_REP_LAYOUT = layout<CmRepRepr>('CM REP', CM_MESSAGE_BYTES, {
  localCommId: u32(0),
  remoteCommId: u32(4),
  localQKey: u32(8),
  localQpn: u24(12),
  localEecn: u24(16),
  startingPsn: u24(20),
  responderResources: u8(24),
  initiatorDepth: u8(25),
  targetAckDelay: bits(26, 0, 5),
  failoverAccepted: bits(26, 5, 2),
  endToEndFlowControl: flag(26, 7),
  rnrRetryCount: bits(27, 0, 3),
  srq: flag(27, 3),
  localCaGuid: u64(28),
  privateData: raw(36, CM_REP_PRIVATE_BYTES),
});

export const CM_RTU_PRIVATE_BYTES = 224;
export const CM_DREP_PRIVATE_BYTES = 224;

/** Ready to use, and disconnect reply: two communication IDs. */
export interface CmPairRepr {
  localCommId: number;
  remoteCommId: number;
  privateData: Uint8Array;
}

const PAIR_FIELDS = { localCommId: u32(0), remoteCommId: u32(4), privateData: raw(8, CM_RTU_PRIVATE_BYTES) };
export const CM_RTU_LAYOUT = layout<CmPairRepr>('CM RTU', CM_MESSAGE_BYTES, PAIR_FIELDS);
export const CM_DREP_LAYOUT = layout<CmPairRepr>('CM DREP', CM_MESSAGE_BYTES, PAIR_FIELDS);

export const CM_DREQ_PRIVATE_BYTES = 220;

/** Disconnect request. */
export interface CmDreqRepr {
  localCommId: number;
  remoteCommId: number;
  remoteQpn: number;
  privateData: Uint8Array;
}

export const CM_DREQ_LAYOUT = layout<CmDreqRepr>('CM DREQ', CM_MESSAGE_BYTES, {
  localCommId: u32(0),
  remoteCommId: u32(4),
  remoteQpn: u24(8),
  privateData: raw(12, CM_DREQ_PRIVATE_BYTES),
});
