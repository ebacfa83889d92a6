/**
 * Communication management (IBA vol. 1, chapter 12): the datagrams that set up, move and tear down connections, sent between QP1s.
 * This file joins a message with its MAD header; the messages are in `cm-connection` and `cm-service`.
 */
import {
  CM_DREP_LAYOUT,
  CM_DREQ_LAYOUT,
  CM_MRA_LAYOUT,
  CM_REJ_LAYOUT,
  CM_REJ_REASONS,
  CM_REP_LAYOUT,
  CM_REQ_LAYOUT,
  CM_RTU_LAYOUT,
  type CmDreqRepr,
  type CmMraRepr,
  type CmPairRepr,
  type CmRejRepr,
  type CmRepRepr,
  type CmReqRepr,
} from './cm-connection.ts';
import {
  CM_APR_LAYOUT,
  CM_LAP_LAYOUT,
  CM_SIDR_REP_LAYOUT,
  CM_SIDR_REQ_LAYOUT,
  type CmAprRepr,
  type CmLapRepr,
  type CmSidrRepRepr,
  type CmSidrReqRepr,
} from './cm-service.ts';
import type { Layout } from './layout.ts';
import {
  formatMadHeader,
  MAD_BASE_VERSION,
  MAD_BYTES,
  MAD_CLASS_CM,
  MAD_CLASS_VERSION_CM,
  MAD_HEADER,
  MAD_HEADER_BYTES,
  MAD_METHOD_SEND,
  type MadHeaderRepr,
  parseMadHeader,
} from './mad.ts';

/** Attribute IDs of the messages. */
export const CM_REQ = 0x10;
export const CM_MRA = 0x11;
export const CM_REJ = 0x12;
export const CM_REP = 0x13;
export const CM_RTU = 0x14;
export const CM_DREQ = 0x15;
export const CM_DREP = 0x16;
export const CM_SIDR_REQ = 0x17;
export const CM_SIDR_REP = 0x18;
export const CM_LAP = 0x19;
export const CM_APR = 0x1a;

/** A message: which one, and its fields. */
export type CmMessage =
  | { readonly attribute: typeof CM_REQ; readonly fields: CmReqRepr }
  | { readonly attribute: typeof CM_MRA; readonly fields: CmMraRepr }
  | { readonly attribute: typeof CM_REJ; readonly fields: CmRejRepr }
  | { readonly attribute: typeof CM_REP; readonly fields: CmRepRepr }
  | { readonly attribute: typeof CM_RTU; readonly fields: CmPairRepr }
  | { readonly attribute: typeof CM_DREQ; readonly fields: CmDreqRepr }
  | { readonly attribute: typeof CM_DREP; readonly fields: CmPairRepr }
  | { readonly attribute: typeof CM_SIDR_REQ; readonly fields: CmSidrReqRepr }
  | { readonly attribute: typeof CM_SIDR_REP; readonly fields: CmSidrRepRepr }
  | { readonly attribute: typeof CM_LAP; readonly fields: CmLapRepr }
  | { readonly attribute: typeof CM_APR; readonly fields: CmAprRepr };

/** Layouts by attribute ID. */
export const CM_LAYOUTS: Readonly<Record<CmMessage['attribute'], Layout<object>>> = {
  [CM_REQ]: CM_REQ_LAYOUT as unknown as Layout<object>,
  [CM_MRA]: CM_MRA_LAYOUT as unknown as Layout<object>,
  [CM_REJ]: CM_REJ_LAYOUT as unknown as Layout<object>,
  [CM_REP]: CM_REP_LAYOUT as unknown as Layout<object>,
  [CM_RTU]: CM_RTU_LAYOUT as unknown as Layout<object>,
  [CM_DREQ]: CM_DREQ_LAYOUT as unknown as Layout<object>,
  [CM_DREP]: CM_DREP_LAYOUT as unknown as Layout<object>,
  [CM_SIDR_REQ]: CM_SIDR_REQ_LAYOUT as unknown as Layout<object>,
  [CM_SIDR_REP]: CM_SIDR_REP_LAYOUT as unknown as Layout<object>,
  [CM_LAP]: CM_LAP_LAYOUT as unknown as Layout<object>,
  [CM_APR]: CM_APR_LAYOUT as unknown as Layout<object>,
};

/** The 256 bytes of a CM datagram. Throws `RangeError` when a field does not fit. */
export function emitCmMad(transactionId: bigint, message: CmMessage): Uint8Array {
  const bytes = new Uint8Array(MAD_BYTES);
  const header: MadHeaderRepr = {
    baseVersion: MAD_BASE_VERSION,
    mgmtClass: MAD_CLASS_CM,
    classVersion: MAD_CLASS_VERSION_CM,
    method: MAD_METHOD_SEND,
    status: 0,
    classSpecific: 0,
    transactionId,
    attributeId: message.attribute,
    attributeModifier: 0,
  };
  MAD_HEADER.emit(header, bytes);
  CM_LAYOUTS[message.attribute].emit(message.fields, bytes, MAD_HEADER_BYTES);
  return bytes;
}

export interface CmMad {
  readonly transactionId: bigint;
  readonly message: CmMessage;
}

/** Reads a CM datagram; a sentence when it is none. */
export function parseCmMad(bytes: Uint8Array): CmMad | string {
  const header = parseMadHeader(bytes);
  if (typeof header === 'string') return header;
  if (header.mgmtClass !== MAD_CLASS_CM)
    return `management class 0x${header.mgmtClass.toString(16)} is not communication management`;
  if (header.classVersion !== MAD_CLASS_VERSION_CM)
    return `CM class version ${header.classVersion} is not ${MAD_CLASS_VERSION_CM}`;
  const of = CM_LAYOUTS[header.attributeId as CmMessage['attribute']];
  if (header.method !== MAD_METHOD_SEND || of === undefined) return `no CM message: ${formatMadHeader(header)}`;
  const message = { attribute: header.attributeId, fields: of.parse(bytes, MAD_HEADER_BYTES) } as CmMessage;
  return { transactionId: header.transactionId, message };
}

/** One line: `CM REQ comm 0x1 service 0x10600bc qp 72 psn 0x00beef`. */
export function formatCm(message: CmMessage): string {
  const hex = (value: number | bigint) => `0x${value.toString(16)}`;
  const name = CM_LAYOUTS[message.attribute].name;
  switch (message.attribute) {
    case CM_REQ: {
      const { localCommId, serviceId, localQpn, startingPsn } = message.fields;
      return `${name} comm ${hex(localCommId)} service ${hex(serviceId)} qp ${localQpn} psn ${hex(startingPsn)}`;
    }
    case CM_SIDR_REQ:
      return `${name} request ${hex(message.fields.requestId)} service ${hex(message.fields.serviceId)}`;
    case CM_SIDR_REP:
      return `${name} request ${hex(message.fields.requestId)} status ${message.fields.status} qp ${message.fields.qpn}`;
    default: {
      const { localCommId, remoteCommId } = message.fields;
      const reason =
        message.attribute === CM_REJ ? ` ${CM_REJ_REASONS[message.fields.reason] ?? `reason ${message.fields.reason}`}` : '';
      return `${name} comm ${hex(localCommId)} remote ${hex(remoteCommId)}${reason}`;
    }
  }
}
