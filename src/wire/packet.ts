/**
 * A whole packet: LRH [GRH] BTH extension headers, payload, pad, ICRC, VCRC. Parse and emit, and nothing that remembers.
 * What a peer sends is judged, never thrown at: `parsePacket` answers with the packet or with the reason why it is none.
 */
import { AETH, type AethRepr, formatAeth } from './aeth.ts';
import { ATOMIC_ACK_ETH, type AtomicAckEthRepr, formatAtomicAckEth } from './atomic-ack-eth.ts';
import { ATOMIC_ETH, type AtomicEthRepr, formatAtomicEth } from './atomic-eth.ts';
import { BTH, BTH_BYTES, type BthRepr, formatBth } from './bth.ts';
import { icrc, vcrc } from './crc.ts';
import { DETH, type DethRepr, formatDeth } from './deth.ts';
import { FETH, type FethRepr, formatFeth } from './feth.ts';
import { formatGrh, GRH, GRH_BYTES, GRH_NEXT_HEADER, type GrhRepr } from './grh.ts';
import { formatIeth, IETH, type IethRepr } from './ieth.ts';
import { formatImmDt, IMM_DT, type ImmDtRepr } from './imm-dt.ts';
import type { Layout } from './layout.ts';
import { formatLrh, LNH_GLOBAL, LNH_LOCAL, LRH, LRH_BYTES, type LrhRepr } from './lrh.ts';
import { type ExtensionHeader, OP_PAYLOAD, OPCODE_EXTENSIONS, OPCODE_FLAGS, OPCODE_HEADER_BYTES } from './opcode.ts';
import { formatRdeth, RDETH, type RdethRepr } from './rdeth.ts';
import { formatReth, RETH, type RethRepr } from './reth.ts';
import { formatXrceth, XRCETH, type XrcethRepr } from './xrceth.ts';

export const ICRC_BYTES = 4;
export const VCRC_BYTES = 2;
/** Largest payload of a packet. */
export const PAYLOAD_BYTES_MAX = 4096;

/** Extension headers by the name that `OPCODE_EXTENSIONS` gives them. Exactly those of the opcode are present. */
export interface PacketExtensions {
  RDETH?: RdethRepr;
  DETH?: DethRepr;
  XRCETH?: XrcethRepr;
  FETH?: FethRepr;
  RETH?: RethRepr;
  AtomicETH?: AtomicEthRepr;
  AETH?: AethRepr;
  AtomicAckETH?: AtomicAckEthRepr;
  ImmDt?: ImmDtRepr;
  IETH?: IethRepr;
}

/** An IBA packet without what follows from the rest: lengths, next headers, pad count and checksums. */
export interface Packet {
  lrh: Pick<LrhRepr, 'vl' | 'sl' | 'dlid' | 'slid'>;
  /** Present on global packets. */
  grh?: Pick<GrhRepr, 'trafficClass' | 'flowLabel' | 'hopLimit' | 'sgid' | 'dgid'>;
  bth: Omit<BthRepr, 'padCount' | 'transportVersion'>;
  extensions: PacketExtensions;
  /** 0 … 4096 bytes, without pad. */
  payload: Uint8Array;
}

interface ExtensionCodec {
  readonly layout: Layout<object>;
  readonly format: (repr: never) => string;
}

const codec = <R extends object>(of: Layout<R>, format: (repr: R) => string): ExtensionCodec => ({
  layout: of as unknown as Layout<object>,
  format: format as (repr: never) => string,
});

const CODECS: Readonly<Record<ExtensionHeader, ExtensionCodec>> = {
  RDETH: codec(RDETH, formatRdeth),
  DETH: codec(DETH, formatDeth),
  XRCETH: codec(XRCETH, formatXrceth),
  FETH: codec(FETH, formatFeth),
  RETH: codec(RETH, formatReth),
  AtomicETH: codec(ATOMIC_ETH, formatAtomicEth),
  AETH: codec(AETH, formatAeth),
  AtomicAckETH: codec(ATOMIC_ACK_ETH, formatAtomicAckEth),
  ImmDt: codec(IMM_DT, formatImmDt),
  IETH: codec(IETH, formatIeth),
};

const EXTENSION_NAMES = Object.keys(CODECS) as ExtensionHeader[];

/** Bytes on the wire, LRH … VCRC, of a packet with this opcode and payload. */
export function wireBytes(opcode: number, payloadBytes: number, global: boolean): number {
  const padded = (payloadBytes + 3) & ~3;
  return LRH_BYTES + (global ? GRH_BYTES : 0) + OPCODE_HEADER_BYTES[opcode] + padded + ICRC_BYTES + VCRC_BYTES;
}

/**
 * The packet as bytes, checksums included. Throws `RangeError` when a field does not fit, the opcode is unassigned,
 * or the extension headers are not those of the opcode: the caller made a mistake.
 */
export function emitPacket(packet: Packet): Uint8Array {
  checkEmittable(packet);
  const { lrh, grh, bth, payload } = packet;
  const total = wireBytes(bth.opcode, payload.length, grh !== undefined);
  const bytes = new Uint8Array(total);
  const invariantEnd = total - ICRC_BYTES - VCRC_BYTES;
  const packetWords = (total - VCRC_BYTES) / 4;
  const { vl, sl, dlid, slid } = lrh;
  LRH.emit({ vl, linkVersion: 0, sl, nextHeader: grh === undefined ? LNH_LOCAL : LNH_GLOBAL, dlid, packetWords, slid }, bytes);
  let at = LRH_BYTES;
  if (grh !== undefined) {
    const payloadLength = total - VCRC_BYTES - LRH_BYTES - GRH_BYTES;
    GRH.emit({ ...grh, ipVersion: 6, nextHeader: GRH_NEXT_HEADER, payloadLength }, bytes, at);
    at += GRH_BYTES;
  }
  BTH.emit({ ...bth, padCount: -payload.length & 3, transportVersion: 0 }, bytes, at);
  at += BTH_BYTES;
  for (const header of OPCODE_EXTENSIONS[bth.opcode]) {
    CODECS[header].layout.emit(packet.extensions[header] as object, bytes, at);
    at += CODECS[header].layout.bytes;
  }
  bytes.set(payload, at);
  writeBigEndian(bytes, invariantEnd, icrc(bytes, invariantEnd), ICRC_BYTES);
  writeBigEndian(bytes, invariantEnd + ICRC_BYTES, vcrc(bytes, invariantEnd + ICRC_BYTES), VCRC_BYTES);
  return bytes;
}

function writeBigEndian(bytes: Uint8Array, at: number, value: number, count: number): void {
  for (let i = 0; i < count; i++) bytes[at + i] = value >>> (8 * (count - 1 - i));
}

function readBigEndian(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) value = value * 256 + bytes[at + i];
  return value;
}

function checkEmittable(packet: Packet): void {
  const { opcode } = packet.bth;
  if (!OPCODE_FLAGS[opcode]) throw new RangeError(`opcode 0x${opcode.toString(16)} is not assigned`);
  const { length } = packet.payload;
  if (length > PAYLOAD_BYTES_MAX) throw new RangeError(`payload of ${length} bytes is longer than ${PAYLOAD_BYTES_MAX}`);
  if (length > 0 && !(OPCODE_FLAGS[opcode] & OP_PAYLOAD)) throw new RangeError(`${formatOpcode(packet)} carries no payload`);
  const expected = OPCODE_EXTENSIONS[opcode];
  for (const header of EXTENSION_NAMES) {
    const present = packet.extensions[header] !== undefined;
    if (present !== expected.includes(header)) {
      throw new RangeError(`${formatOpcode(packet)} ${present ? 'has no' : 'needs'} ${header}`);
    }
  }
}

const formatOpcode = (packet: Packet) => formatBth({ ...packet.bth, padCount: 0, transportVersion: 0 }).split(' ')[0];

/** Why bytes are not an acceptable packet, in the order in which a port and then a channel adapter look. */
export type PacketFault =
  | 'short'
  | 'vcrc'
  | 'link-version'
  | 'length'
  | 'raw'
  | 'icrc'
  | 'grh'
  | 'transport-version'
  | 'opcode'
  | 'headers'
  | 'payload';

export type ParsedPacket =
  | { readonly ok: true; readonly packet: Packet; readonly icrc: number; readonly vcrc: number }
  | { readonly ok: false; readonly fault: PacketFault; readonly reason: string };

const fault = (kind: PacketFault, reason: string): ParsedPacket => ({ ok: false, fault: kind, reason });

/** Smallest packet: LRH, BTH, ICRC, VCRC. */
const PACKET_BYTES_MIN = LRH_BYTES + BTH_BYTES + ICRC_BYTES + VCRC_BYTES;

/** Reads the bytes LRH … VCRC of one packet. Never throws, whatever they are. */
export function parsePacket(bytes: Uint8Array): ParsedPacket {
  const { length } = bytes;
  if (length < PACKET_BYTES_MIN) return fault('short', `${length} bytes are too few for a packet`);
  const sentVcrc = readBigEndian(bytes, length - VCRC_BYTES, VCRC_BYTES);
  if (sentVcrc !== vcrc(bytes, length - VCRC_BYTES)) return fault('vcrc', 'VCRC does not match');
  const lrh = LRH.parse(bytes);
  if (lrh.linkVersion !== 0) return fault('link-version', `link version ${lrh.linkVersion} is not 0`);
  if (lrh.packetWords * 4 + VCRC_BYTES !== length)
    return fault('length', `LRH says ${lrh.packetWords} words, ${length} bytes came`);
  if (lrh.nextHeader < LNH_LOCAL) return fault('raw', 'raw packet');
  const global = lrh.nextHeader === LNH_GLOBAL;
  if (global && length < PACKET_BYTES_MIN + GRH_BYTES) return fault('short', `${length} bytes are too few for a packet with GRH`);
  const sentIcrc = readBigEndian(bytes, length - VCRC_BYTES - ICRC_BYTES, ICRC_BYTES);
  const transport = bytes.subarray(0, length - VCRC_BYTES - ICRC_BYTES);
  if (sentIcrc !== icrc(transport)) return fault('icrc', 'ICRC does not match');
  const grh = global ? GRH.parse(bytes, LRH_BYTES) : undefined;
  const wrong = grh && grhFault(grh, length);
  if (wrong) return fault('grh', wrong);
  return parseTransport(transport, lrh, grh, sentIcrc, sentVcrc);
}

function grhFault(grh: GrhRepr, packetBytes: number): string | undefined {
  if (grh.ipVersion !== 6) return `GRH version ${grh.ipVersion} is not 6`;
  if (grh.nextHeader !== GRH_NEXT_HEADER) return `GRH next header 0x${grh.nextHeader.toString(16)} is not IBA transport`;
  const expected = packetBytes - VCRC_BYTES - LRH_BYTES - GRH_BYTES;
  if (grh.payloadLength !== expected) return `GRH payload length ${grh.payloadLength} is not ${expected}`;
  return undefined;
}

/** `bytes`: LRH … pad. */
function parseTransport(
  bytes: Uint8Array,
  lrh: LrhRepr,
  grh: GrhRepr | undefined,
  icrcSent: number,
  vcrcSent: number,
): ParsedPacket {
  const start = grh === undefined ? LRH_BYTES : LRH_BYTES + GRH_BYTES;
  const { padCount, transportVersion, ...bth } = BTH.parse(bytes, start);
  if (transportVersion !== 0) return fault('transport-version', `transport header version ${transportVersion} is not 0`);
  const flags = OPCODE_FLAGS[bth.opcode];
  if (flags === 0) return fault('opcode', `opcode 0x${bth.opcode.toString(16)} is not assigned`);
  const payloadStart = start + OPCODE_HEADER_BYTES[bth.opcode];
  const payloadBytes = bytes.length - payloadStart - padCount;
  if (payloadStart > bytes.length) return fault('headers', 'packet ends within its extension headers');
  if (payloadBytes < 0) return fault('payload', `pad count ${padCount} without payload`);
  if (payloadBytes > 0 && !(flags & OP_PAYLOAD)) return fault('payload', `${payloadBytes} bytes of payload where none may be`);
  if (payloadBytes > PAYLOAD_BYTES_MAX)
    return fault('payload', `${payloadBytes} bytes of payload are more than ${PAYLOAD_BYTES_MAX}`);
  const extensions: Record<string, object> = {};
  let at = start + BTH_BYTES;
  for (const header of OPCODE_EXTENSIONS[bth.opcode]) {
    extensions[header] = CODECS[header].layout.parse(bytes, at);
    at += CODECS[header].layout.bytes;
  }
  const packet: Packet = {
    lrh: { vl: lrh.vl, sl: lrh.sl, dlid: lrh.dlid, slid: lrh.slid },
    bth,
    extensions: extensions as PacketExtensions,
    payload: new Uint8Array(bytes.subarray(payloadStart, payloadStart + payloadBytes)),
  };
  if (grh !== undefined) {
    const { trafficClass, flowLabel, hopLimit, sgid, dgid } = grh;
    packet.grh = { trafficClass, flowLabel, hopLimit, sgid, dgid };
  }
  return { ok: true, packet, icrc: icrcSent, vcrc: vcrcSent };
}

/** One line: addresses, opcode, extension headers, payload size. */
export function formatPacket(packet: Packet): string {
  const { lrh, grh, bth, payload } = packet;
  const words = (wireBytes(bth.opcode, payload.length, grh !== undefined) - VCRC_BYTES) / 4;
  const parts = [formatLrh({ ...lrh, linkVersion: 0, nextHeader: LNH_LOCAL, packetWords: words })];
  if (grh !== undefined) parts.push(formatGrh({ ...grh, ipVersion: 6, nextHeader: GRH_NEXT_HEADER, payloadLength: 0 }));
  parts.push(formatBth({ ...bth, padCount: -payload.length & 3, transportVersion: 0 }));
  for (const header of OPCODE_EXTENSIONS[bth.opcode]) parts.push(CODECS[header].format(packet.extensions[header] as never));
  if (payload.length > 0) parts.push(`${payload.length} bytes`);
  return parts.join(' | ');
}
