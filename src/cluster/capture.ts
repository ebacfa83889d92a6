/**
 * From the record that crosses between HCA and fabric to the packet as it is on the wire. Used only where a capture is taken:
 * the fabric itself never serialises.
 *
 * Extension words by opcode, as `packet-record.ts` lays them down; beyond its list, FLUSH has its FETH in X0 and its RETH in X1 … X4,
 * and ATOMIC WRITE is like a WRITE with eight bytes of payload. RD and XRC do not travel in records.
 */
import {
  BTH_ACK_REQUEST,
  BTH_MIGRATED,
  BTH_SOLICITED,
  RECORD_BAD_CRC,
  RECORD_BECN,
  RECORD_FECN,
  RECORD_GRH,
  RECORD_TX_FREED,
  recordFlags,
  recordWireBytes,
  W_BTH,
  W_DEST_QP,
  W_LENGTH,
  W_LIDS,
  W_PAYLOAD_BYTES,
  W_PSN,
  W_X0,
  W_X1,
  W_X2,
  W_X4,
} from '../fabric/index.ts';
import type { CapturedPacket } from '../report/index.ts';
import { assert } from '../sim/index.ts';
import {
  aethWordMsn,
  aethWordSyndrome,
  type ExtensionHeader,
  FETH,
  GRH,
  GRH_BYTES,
  OP_DETH,
  OPCODE_EXTENSIONS,
  OPCODE_FLAGS,
  type Packet,
  type PacketExtensions,
  readU64,
  wireBytes,
} from '../wire/index.ts';

/** Bytes that CmpSwap and FetchAdd have in their payload slot: swap or add, then compare. */
const ATOMIC_OPERAND_BYTES = 16;

/**
 * The packet in record `r` (an index in words) of `words`, seen at `timePs` by capture interface `captureInterface` (0 … 3).
 * `slot` is the record's payload slot, undefined where it has none: the payload of traffic without data is zeros.
 * Throws `InvariantError` when the record is not that of a packet.
 */
export function captureRecord(
  words: Int32Array,
  r: number,
  slot: Uint8Array | undefined,
  timePs: number,
  captureInterface: number,
): CapturedPacket {
  const damaged = (recordFlags(words, r) & RECORD_BAD_CRC) !== 0;
  return { timePs, interface: captureInterface, damaged, packet: packetFromRecord(words, r, slot) };
}

/** The packet in record `r` of `words`; see `captureRecord`. */
export function packetFromRecord(words: Int32Array, r: number, slot: Uint8Array | undefined): Packet {
  const flags = recordFlags(words, r);
  const bthWord = words[r + W_BTH];
  const opcode = bthWord & 0xff;
  const global = (flags & RECORD_GRH) !== 0;
  const payloadBytes = words[r + W_PAYLOAD_BYTES];
  assert((flags & RECORD_TX_FREED) === 0, 'a record of freed buffer room is no packet');
  assert(OPCODE_FLAGS[opcode] !== 0, () => `record with unassigned opcode 0x${opcode.toString(16)}`);
  assert(
    recordWireBytes(words, r) === wireBytes(opcode, payloadBytes, global),
    () =>
      `record says ${recordWireBytes(words, r)} bytes on the wire, its headers and payload make ${wireBytes(opcode, payloadBytes, global)}`,
  );
  const lengthWord = words[r + W_LENGTH];
  const lids = words[r + W_LIDS];
  const bthFlags = bthWord >>> 8;
  const packet: Packet = {
    lrh: { vl: (lengthWord >>> 20) & 15, sl: (lengthWord >>> 16) & 15, dlid: lids & 0xffff, slid: lids >>> 16 },
    bth: {
      opcode,
      solicited: (bthFlags & BTH_SOLICITED) !== 0,
      migrated: (bthFlags & BTH_MIGRATED) !== 0,
      pKey: bthWord >>> 16,
      fecn: (flags & RECORD_FECN) !== 0,
      becn: (flags & RECORD_BECN) !== 0,
      destQp: words[r + W_DEST_QP] & 0xffffff,
      ackRequest: (bthFlags & BTH_ACK_REQUEST) !== 0,
      psn: words[r + W_PSN] & 0xffffff,
    },
    extensions: {},
    payload: new Uint8Array(payloadBytes),
  };
  const start = global ? GRH_BYTES : 0;
  if (global) packet.grh = grhFromSlot(slot);
  if (slot !== undefined) packet.payload.set(slot.subarray(start, start + payloadBytes));
  packet.extensions = extensionsFromRecord(words, r, slot?.subarray(start));
  return packet;
}

function grhFromSlot(slot: Uint8Array | undefined): NonNullable<Packet['grh']> {
  assert(slot !== undefined, 'a record with GRH has no payload slot');
  const { trafficClass, flowLabel, hopLimit, sgid, dgid } = GRH.parse(slot);
  return { trafficClass, flowLabel, hopLimit, sgid, dgid };
}

function extensionsFromRecord(words: Int32Array, r: number, operands: Uint8Array | undefined): PacketExtensions {
  const extensions: PacketExtensions = {};
  for (const header of OPCODE_EXTENSIONS[words[r + W_BTH] & 0xff]) addExtension(extensions, header, words, r, operands);
  return extensions;
}

function addExtension(
  to: PacketExtensions,
  header: ExtensionHeader,
  words: Int32Array,
  r: number,
  operands: Uint8Array | undefined,
): void {
  const unsigned = (word: number) => words[r + word] >>> 0;
  const wide = (word: number) => (BigInt(unsigned(word)) << 32n) | BigInt(unsigned(word + 1));
  switch (header) {
    case 'DETH':
      to.DETH = { qKey: unsigned(W_X0), sourceQp: unsigned(W_X1) & 0xffffff };
      return;
    case 'ImmDt':
      to.ImmDt = { immediate: unsigned(OPCODE_FLAGS[words[r + W_BTH] & 0xff] & OP_DETH ? W_X4 : W_X0) };
      return;
    case 'IETH':
      to.IETH = { rKey: unsigned(W_X0) };
      return;
    case 'AETH':
      to.AETH = { syndrome: aethWordSyndrome(words[r + W_X0]), msn: aethWordMsn(words[r + W_X0]) };
      return;
    case 'AtomicAckETH':
      to.AtomicAckETH = { original: wide(W_X2) };
      return;
    case 'RETH':
      to.RETH = { rKey: unsigned(W_X1), virtualAddress: wide(W_X2), dmaLength: unsigned(W_X4) };
      return;
    case 'AtomicETH':
      assert(operands !== undefined && operands.length >= ATOMIC_OPERAND_BYTES, 'an atomic request has no operands');
      to.AtomicETH = {
        rKey: unsigned(W_X1),
        virtualAddress: wide(W_X2),
        swapOrAdd: readU64(operands, 0),
        compare: readU64(operands, 8),
      };
      return;
    case 'FETH':
      to.FETH = FETH.parse(bigEndian(words[r + W_X0]));
      return;
    case 'RDETH':
    case 'XRCETH':
      assert(false, `records do not carry ${header}`);
  }
}

function bigEndian(word: number): Uint8Array {
  return Uint8Array.of(word >>> 24, word >>> 16, word >>> 8, word);
}
