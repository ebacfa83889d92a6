/**
 * ERF, Endace's Extensible Record Format, in which InfiniBand packets stand in capture files of link type 197: 16 bytes, then the packet.
 * Time in units of 2^-32 s, little-endian; the other fields big-endian. Record type 21 is InfiniBand.
 */

export const ERF_HEADER_BYTES = 16;
export const ERF_TYPE_INFINIBAND = 21;
/** Capture interfaces that a record can tell apart. */
export const ERF_INTERFACES = 4;
/** Records vary in length. */
const ERF_FLAG_VARYING = 0x04;
/** The packet had an error when it was received. */
const ERF_FLAG_RX_ERROR = 0x10;

/** Writes the header of a record of `frameBytes` bytes at `at`. `captureInterface` is 0 … 3. */
export function writeErfHeader(
  view: DataView,
  at: number,
  timePs: number,
  captureInterface: number,
  damaged: boolean,
  frameBytes: number,
): void {
  view.setBigUint64(at, erfTime(timePs), true);
  view.setUint8(at + 8, ERF_TYPE_INFINIBAND);
  view.setUint8(at + 9, ERF_FLAG_VARYING | captureInterface | (damaged ? ERF_FLAG_RX_ERROR : 0));
  view.setUint16(at + 10, ERF_HEADER_BYTES + frameBytes);
  view.setUint16(at + 12, 0);
  view.setUint16(at + 14, frameBytes);
}

/** Seconds in the upper half, 2^-32 s in the lower, rounded to the nearest. */
function erfTime(timePs: number): bigint {
  return ((BigInt(timePs) << 32n) + 500_000_000_000n) / 1_000_000_000_000n;
}

export interface ErfRecord {
  /** To the nearest picosecond. */
  readonly timePs: number;
  readonly interface: number;
  readonly damaged: boolean;
  /** LRH … VCRC. */
  readonly frame: Uint8Array;
}

/** Reads a record; a sentence where it is none of InfiniBand. */
export function readErf(data: Uint8Array): ErfRecord | string {
  if (data.length < ERF_HEADER_BYTES) return 'too short for an ERF record';
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const type = view.getUint8(8);
  if (type !== ERF_TYPE_INFINIBAND) return `ERF type ${type} is not InfiniBand (${ERF_TYPE_INFINIBAND})`;
  const flags = view.getUint8(9);
  const frameBytes = view.getUint16(14);
  if (ERF_HEADER_BYTES + frameBytes > data.length)
    return `ERF record announces ${frameBytes} bytes and has ${data.length - ERF_HEADER_BYTES}`;
  return {
    timePs: Number((view.getBigUint64(0, true) * 1_000_000_000_000n + (1n << 31n)) >> 32n),
    interface: flags & (ERF_INTERFACES - 1),
    damaged: (flags & ERF_FLAG_RX_ERROR) !== 0,
    frame: data.subarray(ERF_HEADER_BYTES, ERF_HEADER_BYTES + frameBytes),
  };
}
