/**
 * Management datagrams: the common header and the envelopes of the classes (IBA vol. 1, 13.4; SMPs 14.2; SA 15.2; performance 16.1).
 * Every MAD is 256 bytes. What lies in an envelope is in `smp-attributes`, `cm`, `sa`, `perf`.
 */
import { bits, flag, layout, raw, u8, u16, u32, u64 } from './layout.ts';

export const MAD_BYTES = 256;
export const MAD_HEADER_BYTES = 24;
export const MAD_BASE_VERSION = 1;

/** Management classes. */
export const MAD_CLASS_SMP_LID = 0x01;
export const MAD_CLASS_SA = 0x03;
export const MAD_CLASS_PERF = 0x04;
export const MAD_CLASS_BASEBOARD = 0x05;
export const MAD_CLASS_DEVICE = 0x06;
export const MAD_CLASS_CM = 0x07;
export const MAD_CLASS_SNMP = 0x08;
export const MAD_CLASS_CONGESTION = 0x21;
export const MAD_CLASS_SMP_DIRECTED = 0x81;

/** Class versions: 1 for SMP and performance, 2 for SA and CM. */
export const MAD_CLASS_VERSION_SMP = 1;
export const MAD_CLASS_VERSION_SA = 2;
export const MAD_CLASS_VERSION_PERF = 1;
export const MAD_CLASS_VERSION_CM = 2;

/** Methods; bit 7 marks a response. */
export const MAD_METHOD_GET = 0x01;
export const MAD_METHOD_SET = 0x02;
export const MAD_METHOD_SEND = 0x03;
export const MAD_METHOD_TRAP = 0x05;
export const MAD_METHOD_REPORT = 0x06;
export const MAD_METHOD_TRAP_REPRESS = 0x07;
export const MAD_METHOD_GET_TABLE = 0x12;
export const MAD_METHOD_GET_TRACE_TABLE = 0x13;
export const MAD_METHOD_GET_MULTI = 0x14;
export const MAD_METHOD_DELETE = 0x15;
export const MAD_METHOD_GET_RESPONSE = 0x81;
export const MAD_METHOD_REPORT_RESPONSE = 0x86;
export const MAD_METHOD_GET_TABLE_RESPONSE = 0x92;
export const MAD_METHOD_GET_MULTI_RESPONSE = 0x94;
export const MAD_METHOD_DELETE_RESPONSE = 0x95;

/** Status bits common to all classes: busy, redirect, and the code in bits 4–2. */
export const MAD_STATUS_OK = 0x0000;
export const MAD_STATUS_BUSY = 0x0001;
export const MAD_STATUS_REDIRECT = 0x0002;
export const MAD_STATUS_BAD_VERSION = 0x0004;
export const MAD_STATUS_BAD_METHOD = 0x0008;
export const MAD_STATUS_BAD_ATTRIBUTE = 0x000c;
export const MAD_STATUS_BAD_VALUE = 0x001c;

export interface MadHeaderRepr {
  /** 1. */
  baseVersion: number;
  /** `MAD_CLASS_*`. */
  mgmtClass: number;
  classVersion: number;
  /** `MAD_METHOD_*`. */
  method: number;
  /** 16 bits. In a directed-route SMP the top bit is the direction. */
  status: number;
  /** Hop pointer and hop count in a directed-route SMP. */
  classSpecific: number;
  transactionId: bigint;
  attributeId: number;
  attributeModifier: number;
}

export const MAD_HEADER = layout<MadHeaderRepr>('MAD header', MAD_HEADER_BYTES, {
  baseVersion: u8(0),
  mgmtClass: u8(1),
  classVersion: u8(2),
  method: u8(3),
  status: u16(4),
  classSpecific: u16(6),
  transactionId: u64(8),
  attributeId: u16(16),
  attributeModifier: u32(20),
});

/** Bytes of attribute data in an SMP. */
export const SMP_DATA_BYTES = 64;

/** LID-routed subnet management packet, whole. */
export interface SmpLidRepr extends MadHeaderRepr {
  mKey: bigint;
  /** 64 bytes. */
  data: Uint8Array;
}

export const SMP_LID = layout<SmpLidRepr>('SMP', MAD_BYTES, {
  ...MAD_HEADER.fields,
  mKey: u64(24),
  data: raw(64, SMP_DATA_BYTES),
});

/** Directed-route subnet management packet, whole. */
export interface SmpDirectedRepr extends Omit<MadHeaderRepr, 'status' | 'classSpecific'> {
  /** D: set on the way back. */
  returning: boolean;
  /** 15 bits. */
  status: number;
  hopPointer: number;
  /** 0 … 63. */
  hopCount: number;
  mKey: bigint;
  drSlid: number;
  drDlid: number;
  /** 64 bytes. */
  data: Uint8Array;
  /** Output port by hop; entry 0 is unused. 64 bytes. */
  initialPath: Uint8Array;
  returnPath: Uint8Array;
}

const { status: _status, classSpecific: _classSpecific, ...COMMON_FIELDS } = MAD_HEADER.fields;

export const SMP_DIRECTED = layout<SmpDirectedRepr>('directed-route SMP', MAD_BYTES, {
  ...COMMON_FIELDS,
  returning: flag(4, 0),
  status: bits(4, 1, 15),
  hopPointer: u8(6),
  hopCount: u8(7),
  mKey: u64(24),
  drSlid: u16(32),
  drDlid: u16(34),
  data: raw(64, SMP_DATA_BYTES),
  initialPath: raw(128, 64),
  returnPath: raw(192, 64),
});

export const SA_DATA_BYTES = 200;

/** Subnet administration MAD, whole: RMPP header, then SA header, then data. */
export interface SaMadRepr extends MadHeaderRepr {
  /** 1 where RMPP is in use, else 0. */
  rmppVersion: number;
  /** DATA 1, ACK 2, STOP 3, ABORT 4. */
  rmppType: number;
  rmppResponseTime: number;
  /** Active 1, first 2, last 4. */
  rmppFlags: number;
  rmppStatus: number;
  /** Segment number of DATA and ACK. */
  rmppData1: number;
  /** Payload length of DATA, new window last of ACK. */
  rmppData2: number;
  smKey: bigint;
  /** Size of a record in 8-byte units, in tables. */
  attributeOffset: number;
  componentMask: bigint;
  data: Uint8Array;
}

export const SA_MAD = layout<SaMadRepr>('SA MAD', MAD_BYTES, {
  ...MAD_HEADER.fields,
  rmppVersion: u8(24),
  rmppType: u8(25),
  rmppResponseTime: bits(26, 0, 5),
  rmppFlags: bits(26, 5, 3),
  rmppStatus: u8(27),
  rmppData1: u32(28),
  rmppData2: u32(32),
  smKey: u64(36),
  attributeOffset: u16(44),
  componentMask: u64(48),
  data: raw(56, SA_DATA_BYTES),
});

export const PERF_DATA_BYTES = 192;

/** Performance management MAD, whole: 40 reserved bytes, then data. */
export interface PerfMadRepr extends MadHeaderRepr {
  data: Uint8Array;
}

export const PERF_MAD = layout<PerfMadRepr>('performance MAD', MAD_BYTES, {
  ...MAD_HEADER.fields,
  data: raw(64, PERF_DATA_BYTES),
});

/** Makes the 256 bytes of a whole MAD from one of the envelopes above. */
export function emitMad<R>(envelope: { emit(repr: R, to: Uint8Array): void }, repr: R): Uint8Array {
  const bytes = new Uint8Array(MAD_BYTES);
  envelope.emit(repr, bytes);
  return bytes;
}

/** The header of a MAD, or a sentence that says why the bytes are none. */
export function parseMadHeader(bytes: Uint8Array): MadHeaderRepr | string {
  if (bytes.length !== MAD_BYTES) return `MAD has ${bytes.length} bytes, not ${MAD_BYTES}`;
  const header = MAD_HEADER.parse(bytes);
  if (header.baseVersion !== MAD_BASE_VERSION) return `MAD base version ${header.baseVersion} is not ${MAD_BASE_VERSION}`;
  return header;
}

const CLASS_NAMES: Readonly<Record<number, string>> = {
  [MAD_CLASS_SMP_LID]: 'Subn',
  [MAD_CLASS_SMP_DIRECTED]: 'SubnDR',
  [MAD_CLASS_SA]: 'SubnAdm',
  [MAD_CLASS_PERF]: 'Perf',
  [MAD_CLASS_BASEBOARD]: 'Baseboard',
  [MAD_CLASS_DEVICE]: 'DevMgt',
  [MAD_CLASS_CM]: 'ComMgt',
  [MAD_CLASS_SNMP]: 'SNMP',
  [MAD_CLASS_CONGESTION]: 'CongestionMgt',
};

const METHOD_NAMES: Readonly<Record<number, string>> = {
  [MAD_METHOD_GET]: 'Get',
  [MAD_METHOD_SET]: 'Set',
  [MAD_METHOD_SEND]: 'Send',
  [MAD_METHOD_TRAP]: 'Trap',
  [MAD_METHOD_REPORT]: 'Report',
  [MAD_METHOD_TRAP_REPRESS]: 'TrapRepress',
  [MAD_METHOD_GET_TABLE]: 'GetTable',
  [MAD_METHOD_GET_TRACE_TABLE]: 'GetTraceTable',
  [MAD_METHOD_GET_MULTI]: 'GetMulti',
  [MAD_METHOD_DELETE]: 'Delete',
  [MAD_METHOD_GET_RESPONSE]: 'GetResp',
  [MAD_METHOD_REPORT_RESPONSE]: 'ReportResp',
  [MAD_METHOD_GET_TABLE_RESPONSE]: 'GetTableResp',
  [MAD_METHOD_GET_MULTI_RESPONSE]: 'GetMultiResp',
  [MAD_METHOD_DELETE_RESPONSE]: 'DeleteResp',
};

/** One line: `SubnGet attribute 0x0011 modifier 0x1 tid 0x2a`, and the status where it is not 0. */
export function formatMadHeader(repr: MadHeaderRepr): string {
  const hex = (value: number | bigint) => `0x${value.toString(16)}`;
  const name = `${CLASS_NAMES[repr.mgmtClass] ?? `class ${hex(repr.mgmtClass)} `}${METHOD_NAMES[repr.method] ?? `method ${hex(repr.method)}`}`;
  const attribute = `0x${repr.attributeId.toString(16).padStart(4, '0')}`;
  const status = repr.status === 0 ? '' : ` status ${hex(repr.status)}`;
  return `${name} attribute ${attribute} modifier ${hex(repr.attributeModifier)} tid ${hex(repr.transactionId)}${status}`;
}
