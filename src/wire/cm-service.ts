/**
 * The messages beside a connection: alternate paths (LAP, APR) and service ID resolution for datagrams (SIDR_REQ, SIDR_REP)
 * (IBA vol. 1, 12.8 and 12.11; tables 115 to 120). Offsets count from the end of the MAD header.
 */
import { CM_MESSAGE_BYTES } from './cm-connection.ts';
import { bits, flag, layout, raw, u8, u16, u24, u32, u64 } from './layout.ts';

export const CM_LAP_PRIVATE_BYTES = 168;

/** Load alternate path. */
export interface CmLapRepr {
  localCommId: number;
  remoteCommId: number;
  remoteQpn: number;
  remoteResponseTimeout: number;
  localLid: number;
  remoteLid: number;
  localGid: Uint8Array;
  remoteGid: Uint8Array;
  flowLabel: number;
  trafficClass: number;
  hopLimit: number;
  packetRate: number;
  sl: number;
  subnetLocal: boolean;
  ackTimeout: number;
  privateData: Uint8Array;
}

export const CM_LAP_LAYOUT = layout<CmLapRepr>('CM LAP', CM_MESSAGE_BYTES, {
  localCommId: u32(0),
  remoteCommId: u32(4),
  remoteQpn: u24(12),
  remoteResponseTimeout: bits(15, 0, 5),
  localLid: u16(20),
  remoteLid: u16(22),
  localGid: raw(24, 16),
  remoteGid: raw(40, 16),
  flowLabel: bits(56, 0, 20),
  trafficClass: u8(59),
  hopLimit: u8(60),
  packetRate: bits(61, 2, 6),
  sl: bits(62, 0, 4),
  subnetLocal: flag(62, 4),
  ackTimeout: bits(63, 0, 5),
  privateData: raw(64, CM_LAP_PRIVATE_BYTES),
});

export const CM_APR_PRIVATE_BYTES = 148;

/** Alternate path response. */
export interface CmAprRepr {
  localCommId: number;
  remoteCommId: number;
  /** Valid bytes of `info`, 0 … 72. */
  infoBytes: number;
  /** 0 = path loaded. */
  status: number;
  info: Uint8Array;
  privateData: Uint8Array;
}

export const CM_APR_LAYOUT = layout<CmAprRepr>('CM APR', CM_MESSAGE_BYTES, {
  localCommId: u32(0),
  remoteCommId: u32(4),
  infoBytes: u8(8),
  status: u8(9),
  info: raw(12, 72),
  privateData: raw(84, CM_APR_PRIVATE_BYTES),
});

export const CM_SIDR_REQ_PRIVATE_BYTES = 216;

/** Service ID resolution: which UD QP serves this service? */
export interface CmSidrReqRepr {
  requestId: number;
  pKey: number;
  serviceId: bigint;
  privateData: Uint8Array;
}

export const CM_SIDR_REQ_LAYOUT = layout<CmSidrReqRepr>('CM SIDR_REQ', CM_MESSAGE_BYTES, {
  requestId: u32(0),
  pKey: u16(4),
  serviceId: u64(8),
  privateData: raw(16, CM_SIDR_REQ_PRIVATE_BYTES),
});

export const CM_SIDR_REP_PRIVATE_BYTES = 136;

/** Status of a SIDR_REP. */
export const CM_SIDR_OK = 0;
export const CM_SIDR_UNSUPPORTED = 1;
export const CM_SIDR_REJECT = 2;
export const CM_SIDR_NO_QP = 3;
export const CM_SIDR_REDIRECT = 4;
export const CM_SIDR_UNSUPPORTED_VERSION = 5;

export interface CmSidrRepRepr {
  requestId: number;
  /** `CM_SIDR_*` status. */
  status: number;
  /** Valid bytes of `info`, 0 … 72. */
  infoBytes: number;
  qpn: number;
  serviceId: bigint;
  qKey: number;
  info: Uint8Array;
  privateData: Uint8Array;
}

export const CM_SIDR_REP_LAYOUT = layout<CmSidrRepRepr>('CM SIDR_REP', CM_MESSAGE_BYTES, {
  requestId: u32(0),
  status: u8(4),
  infoBytes: u8(5),
  qpn: u24(8),
  serviceId: u64(12),
  qKey: u32(20),
  info: raw(24, 72),
  privateData: raw(96, CM_SIDR_REP_PRIVATE_BYTES),
});
