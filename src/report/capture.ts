/**
 * A packet as a capture point saw it, and its bytes as they went over the link.
 * Whoever captures fills in a `CapturedPacket`; the pcap writer and other consumers need nothing of the fabric.
 */
import { emitPacket, type Packet } from '../wire/index.ts';

export interface CapturedPacket {
  /** When the last byte passed the capture point, in picoseconds of virtual time. */
  readonly timePs: number;
  /** Which way, or which point: 0 … 3, shown as the capture interface. */
  readonly interface: number;
  /** Bit errors hit the packet on its way here: its checksums do not hold. */
  readonly damaged: boolean;
  readonly packet: Packet;
}

/** LRH … VCRC. A damaged packet has the complement of its VCRC, so that every reader of the bytes sees the damage. Throws `RangeError` as `emitPacket` does. */
export function encodeCaptured(captured: CapturedPacket): Uint8Array {
  const bytes = emitPacket(captured.packet);
  if (captured.damaged) {
    bytes[bytes.length - 2] ^= 0xff;
    bytes[bytes.length - 1] ^= 0xff;
  }
  return bytes;
}
