/**
 * The 64-byte record in which a packet crosses the cut between a node's HCA and the fabric, both ways.
 *
 * Sixteen 32-bit words; the first two together are one float64. The fabric reads the first half (who, where, how long) and carries
 * the second, the transport headers, as opaque words. Payload bytes lie in a payload slot (`payload-pool.ts`) or nowhere (traffic without data).
 *
 * | word | field | on the way out | on the way in |
 * | --- | --- | --- | --- |
 * | 0–1 | time (float64, ps) | enters the host port's transmit queue | last byte arrived at the host port |
 * | 2 | host port | the kernel's handle of the sending port | of the receiving port |
 * | 3 | DLID 0–15, SLID 16–31 | | |
 * | 4 | wire bytes 0–15 (LRH … VCRC), SL 16–19, VL 20–23, flags 24–31 | VL is set by the kernel | |
 * | 5 | payload slot + 1, 0 = none | | |
 * | 6 | BTH opcode 0–7, BTH flags 8–15, P_Key 16–31 | | |
 * | 7 | destination QPN 0–23, pad count 24–25 | | |
 * | 8 | PSN 0–23 | | |
 * | 9 … 13 | extension words, see `X_*` | | |
 * | 14 | payload bytes (without pad), 0 … 4096 | | |
 * | 15 | packet number, unique per sending node (trace, capture, hash) | | |
 *
 * A record of kind TX_FREED (flag bit) carries only time, host port, VL and wire bytes: that much room in the port's transmit buffer is free again.
 */

/** Words in a record. */
export const RECORD_WORDS = 16;
/** Bytes in a record. */
export const RECORD_BYTES = 64;

export const W_PORT = 2;
export const W_LIDS = 3;
export const W_LENGTH = 4;
export const W_SLOT = 5;
export const W_BTH = 6;
export const W_DEST_QP = 7;
export const W_PSN = 8;
/** Immediate data, or AETH (syndrome << 24 | MSN), or Q_Key (UD), or IETH R_Key. In that order of exclusion by opcode: see below. */
export const W_X0 = 9;
/** RETH/AtomicETH R_Key, or DETH source QPN. */
export const W_X1 = 10;
/** RETH/AtomicETH virtual address, upper half; AtomicAckETH original data, upper half. */
export const W_X2 = 11;
/** Lower half of the same. */
export const W_X3 = 12;
/** RETH DMA length; UD immediate data. */
export const W_X4 = 13;
export const W_PAYLOAD_BYTES = 14;
export const W_NUMBER = 15;

/** Record flags, in word 4, bits 24–31. */
export const RECORD_GRH = 1;
/** Not a packet: transmit-buffer room has come free. */
export const RECORD_TX_FREED = 2;
/** FECN was set on the way (congestion marking). */
export const RECORD_FECN = 4;
export const RECORD_BECN = 8;
/** The packet arrived damaged (bit errors): the receiver's CRC check drops it. */
export const RECORD_BAD_CRC = 16;

/** BTH flags, in word 6, bits 8–15. */
export const BTH_SOLICITED = 1;
export const BTH_MIGRATED = 2;
export const BTH_ACK_REQUEST = 4;
/*
 * Where a packet has both an immediate (or IETH) and another extension, X0 holds the immediate or IETH R_Key, and
 *   UD SEND with immediate: X0 = Q_Key, X1 = source QPN, X4 = immediate;
 *   RDMA WRITE only with immediate: X0 = immediate, X1–X4 = RETH;
 *   CmpSwap, FetchAdd: X1–X3 = AtomicETH key and address; swap/add and compare lie in the payload slot, 16 bytes, big-endian;
 *   atomic acknowledge: X0 = AETH, X2–X3 = original data.
 * With RECORD_GRH, the payload slot holds the 40-byte GRH first, then the payload; W_PAYLOAD_BYTES does not count the GRH.
 */

/** Wire bytes of record `r` (an index in words). */
export function recordWireBytes(words: Int32Array, r: number): number {
  return (words[r + W_LENGTH] as number) & 0xffff;
}

/** Record flags (`RECORD_*`) of record `r`. */
export function recordFlags(words: Int32Array, r: number): number {
  return (words[r + W_LENGTH] as number) >>> 24;
}
