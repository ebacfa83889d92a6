/**
 * A packet as a capture point saw it, and its bytes as they went over the link.
 * Whoever captures fills in a `CapturedPacket`; the pcap writer and other consumers need nothing of the fabric.
 */
import { emitPacket, type Packet } from '../wire/index.ts';

/** The first byte of the ICRC, counted from the end: four bytes of ICRC, two of VCRC. */
const DAMAGED_FROM_END = 6;

export interface CapturedPacket {
  /** When the last byte passed the capture point, in picoseconds of virtual time. */
  readonly timePs: number;
  /** Which way, or which point: 0 … 3, shown as the capture interface. */
  readonly interface: number;
  /** Bit errors hit the packet on its way here: its checksums do not hold. */
  readonly damaged: boolean;
  readonly packet: Packet;
}

/** LRH … VCRC. In a damaged packet one byte of the ICRC is wrong, so that neither checksum holds. Throws `RangeError` as `emitPacket` does. */
export function encodeCaptured(captured: CapturedPacket): Uint8Array {
  const bytes = emitPacket(captured.packet);
  if (captured.damaged) bytes[bytes.length - DAMAGED_FROM_END] ^= 0xff;
  return bytes;
}
