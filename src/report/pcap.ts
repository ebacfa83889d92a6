/**
 * pcap files: nanosecond magic 0xa1b23c4d, written little-endian, one record per packet.
 *
 * Link type 197 (ERF, Endace's Extensible Record Format): each packet stands in a 16-byte ERF record of type 21 (InfiniBand), which Wireshark
 * dissects. Its own time stamp counts 2^-32 s, and Wireshark shows that one. Link type 247 has the bare packet; some versions do not read it.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { ConfigError } from '../sim/index.ts';
import { type CapturedPacket, encodeCaptured } from './capture.ts';

export const PCAP_MAGIC_NANOSECONDS = 0xa1b23c4d;
export const PCAP_MAGIC_MICROSECONDS = 0xa1b2c3d4;
/** Extensible Record Format: the default. */
export const LINK_TYPE_ERF = 197;
/** Bare InfiniBand packets, from the LRH on. */
export const LINK_TYPE_INFINIBAND = 247;

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const ERF_HEADER_BYTES = 16;
const ERF_TYPE_INFINIBAND = 21;
/** Records vary in length. */
const ERF_FLAG_VARYING = 0x04;
/** The packet had an error when it was received. */
const ERF_FLAG_RX_ERROR = 0x10;
const SNAPSHOT_BYTES = 65535;
const PS_PER_SECOND = 1e12;

export interface PcapOptions {
  /** `LINK_TYPE_ERF` (default) or `LINK_TYPE_INFINIBAND`. */
  readonly linkType?: number;
  /** Bytes kept in memory before they go to the file; 1 MiB unless told. */
  readonly bufferBytes?: number;
}

/**
 * Writes a capture to a file as the run goes on. Memory is bounded by `bufferBytes`; what is full is written at once, synchronously,
 * so that a capture never outgrows memory however fast packets come. Close it, or the last packets are missing.
 */
export class PcapWriter {
  readonly path: string;
  readonly #file: number;
  readonly #linkType: number;
  readonly #buffer: Uint8Array;
  readonly #view: DataView;
  #used = 0;
  #packets = 0;
  #open = true;

  /** Creates the file, or empties it. Throws `ConfigError` when that cannot be done, `RangeError` for an unknown link type. */
  constructor(path: string, options: PcapOptions = {}) {
    this.path = path;
    this.#linkType = options.linkType ?? LINK_TYPE_ERF;
    if (this.#linkType !== LINK_TYPE_ERF && this.#linkType !== LINK_TYPE_INFINIBAND) {
      throw new RangeError(`link type ${this.#linkType} is neither ${LINK_TYPE_ERF} nor ${LINK_TYPE_INFINIBAND}`);
    }
    this.#buffer = new Uint8Array(Math.max(options.bufferBytes ?? 1 << 20, 2 * SNAPSHOT_BYTES));
    this.#view = new DataView(this.#buffer.buffer);
    this.#file = this.#attempt(() => openSync(path, 'w'));
    this.#used = writeFileHeader(this.#view, this.#linkType);
  }

  /** Packets written so far. */
  get packets(): number {
    return this.#packets;
  }

  /** Adds a packet. Times should not go back, though the format allows it. Throws `ConfigError` when the file cannot be written. */
  write(captured: CapturedPacket): void {
    this.writeFrame(captured.timePs, captured.interface, captured.damaged, encodeCaptured(captured));
  }

  /** As `write`, for a packet that is bytes already (LRH … VCRC). */
  writeFrame(timePs: number, captureInterface: number, damaged: boolean, frame: Uint8Array): void {
    const erf = this.#linkType === LINK_TYPE_ERF;
    const bytes = frame.length + (erf ? ERF_HEADER_BYTES : 0);
    if (this.#used + RECORD_HEADER_BYTES + bytes > this.#buffer.length) this.flush();
    this.#used = writeRecordHeader(this.#view, this.#used, timePs, bytes);
    if (erf) {
      const flags = ERF_FLAG_VARYING | (captureInterface & 3) | (damaged ? ERF_FLAG_RX_ERROR : 0);
      this.#used = writeErfHeader(this.#view, this.#used, timePs, flags, frame.length);
    }
    this.#buffer.set(frame, this.#used);
    this.#used += frame.length;
    this.#packets++;
  }

  /** Hands what is in memory to the file. */
  flush(): void {
    let done = 0;
    while (done < this.#used) done += this.#attempt(() => writeSync(this.#file, this.#buffer, done, this.#used - done));
    this.#used = 0;
  }

  /** Writes the rest and closes the file. A second call does nothing. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      this.flush();
    } finally {
      closeSync(this.#file);
    }
  }

  #attempt<T>(operation: () => T): T {
    try {
      return operation();
    } catch (error) {
      throw new ConfigError([{ file: this.path, path: '', message: `cannot write the capture: ${(error as Error).message}` }]);
    }
  }
}

function writeFileHeader(view: DataView, linkType: number): number {
  view.setUint32(0, PCAP_MAGIC_NANOSECONDS, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(8, 0, true);
  view.setUint32(12, 0, true);
  view.setUint32(16, SNAPSHOT_BYTES, true);
  view.setUint32(20, linkType, true);
  return FILE_HEADER_BYTES;
}

function writeRecordHeader(view: DataView, at: number, timePs: number, bytes: number): number {
  const seconds = Math.floor(timePs / PS_PER_SECOND);
  view.setUint32(at, seconds, true);
  view.setUint32(at + 4, Math.floor((timePs - seconds * PS_PER_SECOND) / 1000), true);
  view.setUint32(at + 8, bytes, true);
  view.setUint32(at + 12, bytes, true);
  return at + RECORD_HEADER_BYTES;
}

function writeErfHeader(view: DataView, at: number, timePs: number, flags: number, frameBytes: number): number {
  view.setBigUint64(at, erfTime(timePs), true);
  view.setUint8(at + 8, ERF_TYPE_INFINIBAND);
  view.setUint8(at + 9, flags);
  view.setUint16(at + 10, ERF_HEADER_BYTES + frameBytes);
  view.setUint16(at + 12, 0);
  view.setUint16(at + 14, frameBytes);
  return at + ERF_HEADER_BYTES;
}

/** Seconds in the upper half, 2^-32 s in the lower, rounded to the nearest. */
function erfTime(timePs: number): bigint {
  return ((BigInt(timePs) << 32n) + 500_000_000_000n) / 1_000_000_000_000n;
}

/** A packet as a file has it. */
export interface PcapRecord {
  /** Whole nanoseconds of the file format, in picoseconds; see `erfTimePs` for what is finer. */
  readonly timePs: number;
  /** Of the ERF record, to the nearest picosecond; the same as `timePs` without ERF. */
  readonly erfTimePs: number;
  readonly interface: number;
  readonly damaged: boolean;
  /** LRH … VCRC. */
  readonly frame: Uint8Array;
}

export interface PcapFile {
  readonly linkType: number;
  readonly records: readonly PcapRecord[];
}

/** Reads a pcap file of either byte order and resolution, link type 197 (InfiniBand records) or 247. Throws `ConfigError` where it is not that. */
export function readPcap(bytes: Uint8Array, name = 'capture'): PcapFile {
  const fail = (message: string): never => {
    throw new ConfigError([{ file: name, path: '', message }]);
  };
  if (bytes.length < FILE_HEADER_BYTES) fail('too short for a pcap file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const magics = [PCAP_MAGIC_NANOSECONDS, PCAP_MAGIC_MICROSECONDS];
  const little = magics.includes(view.getUint32(0, true));
  if (!little && !magics.includes(view.getUint32(0))) fail('not a pcap file');
  const unit = view.getUint32(0, little) === PCAP_MAGIC_NANOSECONDS ? 1e3 : 1e6;
  const linkType = view.getUint32(20, little) & 0xffff;
  if (linkType !== LINK_TYPE_ERF && linkType !== LINK_TYPE_INFINIBAND) fail(`link type ${linkType} is not InfiniBand`);
  const records: PcapRecord[] = [];
  for (let at = FILE_HEADER_BYTES; at < bytes.length; ) {
    if (at + RECORD_HEADER_BYTES > bytes.length) fail(`cut off within the header of record ${records.length + 1}`);
    const length = view.getUint32(at + 8, little);
    const timePs = view.getUint32(at, little) * PS_PER_SECOND + view.getUint32(at + 4, little) * unit;
    const start = at + RECORD_HEADER_BYTES;
    if (start + length > bytes.length) fail(`cut off within record ${records.length + 1}`);
    const data = new Uint8Array(bytes.buffer, bytes.byteOffset + start, length);
    const record = linkType === LINK_TYPE_ERF ? readErf(data, timePs) : bareRecord(data, timePs);
    records.push(typeof record === 'string' ? fail(`record ${records.length + 1}: ${record}`) : record);
    at = start + length;
  }
  return { linkType, records };
}

function bareRecord(frame: Uint8Array, timePs: number): PcapRecord {
  return { timePs, erfTimePs: timePs, interface: 0, damaged: false, frame };
}

function readErf(data: Uint8Array, timePs: number): PcapRecord | string {
  if (data.length < ERF_HEADER_BYTES) return 'too short for an ERF record';
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const type = view.getUint8(8);
  if (type !== ERF_TYPE_INFINIBAND) return `ERF type ${type} is not InfiniBand (${ERF_TYPE_INFINIBAND})`;
  const flags = view.getUint8(9);
  const frameBytes = view.getUint16(14);
  if (ERF_HEADER_BYTES + frameBytes > data.length)
    return `ERF record announces ${frameBytes} bytes and has ${data.length - ERF_HEADER_BYTES}`;
  const erfTimePs = Number((view.getBigUint64(0, true) * 1_000_000_000_000n + (1n << 31n)) >> 32n);
  return {
    timePs,
    erfTimePs,
    interface: flags & 3,
    damaged: (flags & ERF_FLAG_RX_ERROR) !== 0,
    frame: data.subarray(ERF_HEADER_BYTES, ERF_HEADER_BYTES + frameBytes),
  };
}
