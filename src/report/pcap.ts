/**
 * pcap files: nanosecond magic 0xa1b23c4d, written little-endian, one record per packet.
 *
 * Link type 197: each packet stands in an ERF record (`erf.ts`), which Wireshark dissects; of the two time stamps it shows ERF's.
 * Link type 247 has the bare packet; some versions of Wireshark do not read it.
 */
import { ConfigError } from '../sim/index.ts';
import { BufferedFile } from './buffered-file.ts';
import { type CapturedPacket, encodeCaptured } from './capture.ts';
import { ERF_HEADER_BYTES, ERF_INTERFACES, readErf, writeErfHeader } from './erf.ts';

export const PCAP_MAGIC_NANOSECONDS = 0xa1b23c4d;
export const PCAP_MAGIC_MICROSECONDS = 0xa1b2c3d4;
/** Extensible Record Format: the default. */
export const LINK_TYPE_ERF = 197;
/** Bare InfiniBand packets, from the LRH on. */
export const LINK_TYPE_INFINIBAND = 247;

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const SNAPSHOT_BYTES = 65535;
const PS_PER_SECOND = 1e12;

export interface PcapOptions {
  /** `LINK_TYPE_ERF` (default) or `LINK_TYPE_INFINIBAND`. */
  readonly linkType?: number;
  /** Bytes kept in memory before they go to the file; 1 MiB unless told. */
  readonly bufferBytes?: number;
}

/** Bytes of buffer of a capture file, at least two of the largest records. */
export function captureBufferBytes(wanted = 1 << 20): number {
  return Math.max(wanted, 2 * SNAPSHOT_BYTES);
}

/** Writes a capture to a file as the run goes on. Close it, or the last packets are missing. */
export class PcapWriter {
  readonly #file: BufferedFile;
  readonly #linkType: number;
  #packets = 0;

  /** Creates the file, or empties it. Throws `ConfigError` when that cannot be done, `RangeError` for an unknown link type. */
  constructor(path: string, options: PcapOptions = {}) {
    this.#linkType = options.linkType ?? LINK_TYPE_ERF;
    if (this.#linkType !== LINK_TYPE_ERF && this.#linkType !== LINK_TYPE_INFINIBAND) {
      throw new RangeError(`link type ${this.#linkType} is neither ${LINK_TYPE_ERF} nor ${LINK_TYPE_INFINIBAND}`);
    }
    this.#file = new BufferedFile(path, captureBufferBytes(options.bufferBytes));
    writeFileHeader(this.#file.view, this.#file.reserve(FILE_HEADER_BYTES), this.#linkType);
  }

  /** Packets written so far. */
  get packets(): number {
    return this.#packets;
  }

  /**
   * Adds a packet. Times should not go back, though the format allows it. Throws `ConfigError` when the file cannot be written,
   * `RangeError` for a capture interface beyond the four that ERF tells apart.
   */
  write(captured: CapturedPacket): void {
    this.writeFrame(captured.timePs, captured.interface, captured.damaged, encodeCaptured(captured));
  }

  /** As `write`, for a packet that is bytes already (LRH … VCRC). */
  writeFrame(timePs: number, captureInterface: number, damaged: boolean, frame: Uint8Array): void {
    const { view, bytes } = this.#file;
    const headerBytes = this.#linkType === LINK_TYPE_ERF ? ERF_HEADER_BYTES : 0;
    if (captureInterface < 0 || captureInterface >= ERF_INTERFACES) {
      throw new RangeError(`pcap tells ${ERF_INTERFACES} capture interfaces apart; there is no number ${captureInterface}`);
    }
    const at = this.#file.reserve(RECORD_HEADER_BYTES + headerBytes + frame.length);
    writeRecordHeader(view, at, timePs, headerBytes + frame.length);
    if (headerBytes > 0) writeErfHeader(view, at + RECORD_HEADER_BYTES, timePs, captureInterface, damaged, frame.length);
    bytes.set(frame, at + RECORD_HEADER_BYTES + headerBytes);
    this.#packets++;
  }

  /** Hands what is in memory to the file. */
  flush(): void {
    this.#file.flush();
  }

  /** Writes the rest and closes the file. A second call does nothing. */
  close(): void {
    this.#file.close();
  }
}

function writeFileHeader(view: DataView, at: number, linkType: number): void {
  view.setUint32(at, PCAP_MAGIC_NANOSECONDS, true);
  view.setUint16(at + 4, 2, true);
  view.setUint16(at + 6, 4, true);
  view.setUint32(at + 8, 0, true);
  view.setUint32(at + 12, 0, true);
  view.setUint32(at + 16, SNAPSHOT_BYTES, true);
  view.setUint32(at + 20, linkType, true);
}

function writeRecordHeader(view: DataView, at: number, timePs: number, bytes: number): void {
  const seconds = Math.floor(timePs / PS_PER_SECOND);
  view.setUint32(at, seconds, true);
  view.setUint32(at + 4, Math.floor((timePs - seconds * PS_PER_SECOND) / 1000), true);
  view.setUint32(at + 8, bytes, true);
  view.setUint32(at + 12, bytes, true);
}

/** A packet as a file has it. */
export interface PcapRecord {
  /** Of the file's record: whole nanoseconds (or microseconds), in picoseconds. */
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
    const record = readRecord(new Uint8Array(bytes.buffer, bytes.byteOffset + start, length), timePs, linkType);
    records.push(typeof record === 'string' ? fail(`record ${records.length + 1}: ${record}`) : record);
    at = start + length;
  }
  return { linkType, records };
}

function readRecord(data: Uint8Array, timePs: number, linkType: number): PcapRecord | string {
  if (linkType === LINK_TYPE_INFINIBAND) return { timePs, erfTimePs: timePs, interface: 0, damaged: false, frame: data };
  const record = readErf(data);
  return typeof record === 'string' ? record : { ...record, timePs, erfTimePs: record.timePs };
}
