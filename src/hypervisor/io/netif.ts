/**
 * The bytes of Xen's network device (io/netif.h): slots of the transmit, receive and control rings, and what their fields mean.
 *
 * Readers fill an object that the caller keeps, so that a packet costs no allocation here. What a reader returns came from the other domain: it is
 * a copy, so it does not change any more, but nothing in it has been checked.
 */
import type { MemoryView } from '../memory-view.ts';

export const TX_SLOT_BYTES = 12;
export const RX_SLOT_BYTES = 8;
export const CTRL_SLOT_BYTES = 16;

/** Slots that every back takes for one packet (`XEN_NETIF_NR_SLOTS_MIN`). */
export const NETIF_SLOTS_MIN = 18;
/** Largest packet, Ethernet header included. */
export const NETIF_MAX_SIZE = 0xffff;
export const ETHERNET_HEADER = 14;

/** Flags of transmit requests. Note that the lowest two are the other way round than in receive responses. */
export const TX_CSUM_BLANK = 1;
export const TX_DATA_VALIDATED = 2;
export const TX_MORE_DATA = 4;
export const TX_EXTRA_INFO = 8;

/** Flags of receive responses. */
export const RX_DATA_VALIDATED = 1;
export const RX_CSUM_BLANK = 2;
export const RX_MORE_DATA = 4;
export const RX_EXTRA_INFO = 8;

/** Status of responses. A receive response's is the number of bytes, if not negative. */
export const RSP_DROPPED = -2;
export const RSP_ERROR = -1;
export const RSP_OKAY = 0;
/** Answers a slot that held extra info. */
export const RSP_NULL = 1;

export const EXTRA_GSO = 1;
export const EXTRA_MCAST_ADD = 2;
export const EXTRA_MCAST_DEL = 3;
export const EXTRA_HASH = 4;
/** First number that is no type. */
export const EXTRA_TYPES = 5;
/** Another extra follows. */
export const EXTRA_MORE = 1;

export const GSO_TCPV4 = 1;
export const GSO_TCPV6 = 2;

export const CTRL_GET_HASH_FLAGS = 1;
export const CTRL_SET_HASH_FLAGS = 2;
export const CTRL_SET_HASH_KEY = 3;
export const CTRL_GET_HASH_MAPPING_SIZE = 4;
export const CTRL_SET_HASH_MAPPING_SIZE = 5;
export const CTRL_SET_HASH_MAPPING = 6;
export const CTRL_SET_HASH_ALGORITHM = 7;
export const CTRL_GET_GREF_MAPPING_SIZE = 8;
export const CTRL_ADD_GREF_MAPPING = 9;
export const CTRL_DEL_GREF_MAPPING = 10;

export const CTRL_SUCCESS = 0;
export const CTRL_NOT_SUPPORTED = 1;
export const CTRL_INVALID_PARAMETER = 2;
export const CTRL_BUFFER_OVERFLOW = 3;

export const HASH_NONE = 0;
export const HASH_TOEPLITZ = 1;

export interface TxRequest {
  gref: number;
  offset: number;
  flags: number;
  id: number;
  /** Of the whole packet in its first slot, of the fragment in the others. */
  size: number;
}

export function txRequest(): TxRequest {
  return { gref: 0, offset: 0, flags: 0, id: 0, size: 0 };
}

export function readTxRequest(view: MemoryView, at: number, into: TxRequest): TxRequest {
  into.gref = view.u32(at);
  into.offset = view.u16(at + 4);
  into.flags = view.u16(at + 6);
  into.id = view.u16(at + 8);
  into.size = view.u16(at + 10);
  return into;
}

export function writeTxRequest(
  view: MemoryView,
  at: number,
  gref: number,
  offset: number,
  flags: number,
  id: number,
  size: number,
): void {
  view.setU32(at, gref);
  view.setU16(at + 4, offset);
  view.setU16(at + 6, flags);
  view.setU16(at + 8, id);
  view.setU16(at + 10, size);
}

/** A transmit response's id. */
export function txResponseId(view: MemoryView, at: number): number {
  return view.u16(at);
}

/** A transmit response's status, signed. */
export function txResponseStatus(view: MemoryView, at: number): number {
  return signed16(view.u16(at + 2));
}

export function writeTxResponse(view: MemoryView, at: number, id: number, status: number): void {
  view.setU16(at, id);
  view.setU16(at + 2, status & 0xffff);
}

/** The response to a slot of extra info: only its status is written. */
export function writeNullResponse(view: MemoryView, at: number): void {
  view.setU16(at + 2, RSP_NULL);
}

export interface RxRequest {
  id: number;
  gref: number;
}

export function readRxRequest(view: MemoryView, at: number, into: RxRequest): RxRequest {
  into.id = view.u16(at);
  into.gref = view.u32(at + 4);
  return into;
}

export function writeRxRequest(view: MemoryView, at: number, id: number, gref: number): void {
  view.setU16(at, id);
  view.setU16(at + 2, 0);
  view.setU32(at + 4, gref);
}

export interface RxResponse {
  id: number;
  offset: number;
  flags: number;
  status: number;
}

export function rxResponse(): RxResponse {
  return { id: 0, offset: 0, flags: 0, status: 0 };
}

export function readRxResponse(view: MemoryView, at: number, into: RxResponse): RxResponse {
  into.id = view.u16(at);
  into.offset = view.u16(at + 2);
  into.flags = view.u16(at + 4);
  into.status = signed16(view.u16(at + 6));
  return into;
}

export function writeRxResponse(view: MemoryView, at: number, id: number, offset: number, flags: number, status: number): void {
  view.setU16(at, id);
  view.setU16(at + 2, offset);
  view.setU16(at + 4, flags);
  view.setU16(at + 6, status & 0xffff);
}

/** An extra-info slot: `type`, `flags`, and six bytes that the type explains. */
export interface ExtraInfo {
  type: number;
  flags: number;
  readonly data: Uint8Array;
}

export function extraInfo(): ExtraInfo {
  return { type: 0, flags: 0, data: new Uint8Array(6) };
}

export function readExtra(view: MemoryView, at: number, into: ExtraInfo): ExtraInfo {
  into.type = view.u8(at);
  into.flags = view.u8(at + 1);
  view.read(at + 2, into.data);
  return into;
}

export function writeExtra(view: MemoryView, at: number, type: number, flags: number, data: Uint8Array): void {
  view.setU8(at, type);
  view.setU8(at + 1, flags);
  view.write(at + 2, data);
}

export function writeGsoExtra(view: MemoryView, at: number, flags: number, type: number, segmentBytes: number): void {
  view.setU8(at, EXTRA_GSO);
  view.setU8(at + 1, flags);
  view.setU16(at + 2, segmentBytes);
  view.setU8(at + 4, type);
  view.setU8(at + 5, 0);
  view.setU16(at + 6, 0);
}

/** `hashType`: the number (not the bit) of one of `HASH_TYPE_*`. */
export function writeHashExtra(view: MemoryView, at: number, flags: number, hashType: number, hash: number): void {
  view.setU8(at, EXTRA_HASH);
  view.setU8(at + 1, flags);
  view.setU8(at + 2, hashType);
  view.setU8(at + 3, HASH_TOEPLITZ);
  view.setU32(at + 4, hash);
}

/** GSO segment size and type of an extra's six bytes. */
export function gsoSize(extra: ExtraInfo): number {
  return (extra.data[0] as number) | ((extra.data[1] as number) << 8);
}

export function gsoType(extra: ExtraInfo): number {
  return extra.data[2] as number;
}

export interface CtrlRequest {
  readonly id: number;
  readonly type: number;
  readonly data: readonly [number, number, number];
}

export function readCtrlRequest(view: MemoryView, at: number): CtrlRequest {
  return {
    id: view.u16(at),
    type: view.u16(at + 2),
    data: [view.u32(at + 4), view.u32(at + 8), view.u32(at + 12)],
  };
}

export function writeCtrlRequest(view: MemoryView, at: number, request: CtrlRequest): void {
  view.setU16(at, request.id);
  view.setU16(at + 2, request.type);
  view.setU32(at + 4, request.data[0]);
  view.setU32(at + 8, request.data[1]);
  view.setU32(at + 12, request.data[2]);
}

export interface CtrlResponse {
  readonly id: number;
  readonly type: number;
  readonly status: number;
  readonly data: number;
}

export function readCtrlResponse(view: MemoryView, at: number): CtrlResponse {
  return { id: view.u16(at), type: view.u16(at + 2), status: view.u32(at + 4), data: view.u32(at + 8) };
}

export function writeCtrlResponse(view: MemoryView, at: number, response: CtrlResponse): void {
  view.setU16(at, response.id);
  view.setU16(at + 2, response.type);
  view.setU32(at + 4, response.status);
  view.setU32(at + 8, response.data);
}

function signed16(value: number): number {
  return (value << 16) >> 16;
}
