/**
 * The link's flow-control packet: 6 bytes, sent between data packets, one virtual lane each (IBA vol. 1, 7.9.4).
 * Credits are counted in blocks of 64 bytes, modulo 4096.
 */
import { vcrc } from './crc.ts';
import { bits, layout, u16 } from './layout.ts';

export const FLOW_PACKET_BYTES = 6;
export const FLOW_OP_NORMAL = 0;
export const FLOW_OP_INIT = 1;

export interface FlowPacketRepr {
  /** `FLOW_OP_*`. */
  op: number;
  /** Flow control total blocks sent, 12 bits. */
  fctbs: number;
  vl: number;
  /** Flow control credit limit, 12 bits. */
  fccl: number;
  /** Link packet CRC; `emitFlowPacket` computes it. */
  lpcrc: number;
}

export const FLOW_PACKET = layout<FlowPacketRepr>('flow control', FLOW_PACKET_BYTES, {
  op: bits(0, 0, 4),
  fctbs: bits(0, 4, 12),
  vl: bits(2, 0, 4),
  fccl: bits(2, 4, 12),
  lpcrc: u16(4),
});

/** The six bytes, CRC included. */
export function emitFlowPacket(repr: Omit<FlowPacketRepr, 'lpcrc'>): Uint8Array {
  const bytes = new Uint8Array(FLOW_PACKET_BYTES);
  FLOW_PACKET.emit({ ...repr, lpcrc: 0 }, bytes);
  FLOW_PACKET.emit({ ...repr, lpcrc: vcrc(bytes, 4) }, bytes);
  return bytes;
}

/** The fields, or a sentence that says what is wrong with the bytes. */
export function parseFlowPacket(bytes: Uint8Array): FlowPacketRepr | string {
  if (bytes.length !== FLOW_PACKET_BYTES) return `flow-control packet has ${bytes.length} bytes, not ${FLOW_PACKET_BYTES}`;
  const repr = FLOW_PACKET.parse(bytes);
  if (repr.lpcrc !== vcrc(bytes, 4)) return 'LPCRC does not match';
  return repr;
}

export function formatFlowPacket(repr: FlowPacketRepr): string {
  const op = repr.op === FLOW_OP_NORMAL ? 'normal' : repr.op === FLOW_OP_INIT ? 'init' : `op ${repr.op}`;
  return `flow control ${op} vl ${repr.vl} fctbs ${repr.fctbs} fccl ${repr.fccl}`;
}
