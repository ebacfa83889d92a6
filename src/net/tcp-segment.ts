/** TCP segments on the wire (RFC 9293 3.1): header and options (RFC 7323 window scale and timestamps, RFC 2018 SACK), read and written. */
import { readU16, readU32, writeU16, writeU32 } from './bytes.ts';

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;
export const TCP_HEADER_BYTES = 20;
/** Timestamps with two bytes of padding, in every segment of a connection that uses them. */
export const TIMESTAMP_OPTION_BYTES = 12;
/** RFC 7323 2.3. */
export const MAX_WINDOW_SCALE = 14;

const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_MSS = 2;
const OPTION_WINDOW_SCALE = 3;
const OPTION_SACK_PERMITTED = 4;
const OPTION_SACK = 5;
const OPTION_TIMESTAMP = 8;
const MAX_OPTION_BYTES = 40;

export interface TcpSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** As on the wire, 32 bits. */
  readonly sequence: number;
  readonly ack: number;
  readonly flags: number;
  /** As on the wire, not scaled. */
  readonly window: number;
  /** A view of the packet. */
  readonly data: Uint8Array;
  readonly options: TcpSegmentOptions;
}

export interface TcpSegmentOptions {
  /** 0: not there. */
  mss: number;
  /** −1: not there. */
  windowScale: number;
  sackPermitted: boolean;
  hasTimestamp: boolean;
  timestamp: number;
  timestampEcho: number;
  /** Left and right edges, as on the wire, in the order sent. */
  sacks: readonly number[];
}

const NO_SACKS: readonly number[] = [];

/** Reads the segment in `bytes[from … to)`, or null if its header does not fit. Options that are not understood, or broken, are passed over. */
export function readSegment(bytes: Uint8Array, from: number, to: number): TcpSegment | null {
  if (to - from < TCP_HEADER_BYTES) return null;
  const headerBytes = ((bytes[from + 12] as number) >>> 4) * 4;
  if (headerBytes < TCP_HEADER_BYTES || from + headerBytes > to) return null;
  return {
    sourcePort: readU16(bytes, from),
    destinationPort: readU16(bytes, from + 2),
    sequence: readU32(bytes, from + 4),
    ack: readU32(bytes, from + 8),
    flags: bytes[from + 13] as number,
    window: readU16(bytes, from + 14),
    data: bytes.subarray(from + headerBytes, to),
    options: readTcpOptions(bytes, from + TCP_HEADER_BYTES, from + headerBytes),
  };
}

export function readTcpOptions(bytes: Uint8Array, from: number, to: number): TcpSegmentOptions {
  const options: TcpSegmentOptions = {
    mss: 0,
    windowScale: -1,
    sackPermitted: false,
    hasTimestamp: false,
    timestamp: 0,
    timestampEcho: 0,
    sacks: NO_SACKS,
  };
  let at = from;
  while (at < to) {
    const kind = bytes[at] as number;
    if (kind === OPTION_END) break;
    if (kind === OPTION_NOP) {
      at++;
      continue;
    }
    const length = at + 1 < to ? (bytes[at + 1] as number) : 0;
    if (length < 2 || at + length > to) break;
    readOption(options, bytes, at, kind, length);
    at += length;
  }
  return options;
}

function readOption(options: TcpSegmentOptions, bytes: Uint8Array, at: number, kind: number, length: number): void {
  if (kind === OPTION_MSS && length === 4) options.mss = readU16(bytes, at + 2);
  else if (kind === OPTION_WINDOW_SCALE && length === 3)
    options.windowScale = Math.min(bytes[at + 2] as number, MAX_WINDOW_SCALE);
  else if (kind === OPTION_SACK_PERMITTED && length === 2) options.sackPermitted = true;
  else if (kind === OPTION_TIMESTAMP && length === 10) {
    options.hasTimestamp = true;
    options.timestamp = readU32(bytes, at + 2);
    options.timestampEcho = readU32(bytes, at + 6);
  } else if (kind === OPTION_SACK && length >= 10 && (length - 2) % 8 === 0) {
    const edges: number[] = [];
    for (let edge = at + 2; edge < at + length; edge += 4) edges.push(readU32(bytes, edge));
    options.sacks = edges;
  }
}

/** What to write: the fields of a header, options included. */
export interface SegmentHeader {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly mss?: number;
  readonly windowScale?: number;
  readonly sackPermitted?: boolean;
  readonly timestamp?: number;
  readonly timestampEcho?: number;
  /** Left and right edges, 32 bits each; as many blocks are written as fit. */
  readonly sacks?: readonly number[];
}

/** SACK blocks that fit beside timestamps, or without them. */
export function maxSackBlocks(hasTimestamp: boolean): number {
  return hasTimestamp ? 3 : 4;
}

/** Bytes of the header with its options. */
export function headerBytesOf(header: SegmentHeader): number {
  let bytes = 0;
  if (header.mss !== undefined) bytes += 4;
  // Beside timestamps it takes the place of their padding.
  if (header.sackPermitted === true && header.timestamp === undefined) bytes += 4;
  if (header.timestamp !== undefined) bytes += TIMESTAMP_OPTION_BYTES;
  if (header.windowScale !== undefined) bytes += 4;
  const { sacks } = header;
  if (sacks !== undefined && sacks.length > 0) bytes += 4 + 8 * Math.min(sacks.length / 2, (MAX_OPTION_BYTES - bytes - 4) >> 3);
  return TCP_HEADER_BYTES + bytes;
}

/** Writes the header at `at` with a zero checksum. Returns where it ends. */
export function writeSegmentHeader(bytes: Uint8Array, at: number, header: SegmentHeader): number {
  writeU16(bytes, at, header.sourcePort);
  writeU16(bytes, at + 2, header.destinationPort);
  writeU32(bytes, at + 4, header.sequence);
  writeU32(bytes, at + 8, header.ack);
  bytes[at + 13] = header.flags;
  writeU16(bytes, at + 14, header.window);
  const end = writeOptions(bytes, at + TCP_HEADER_BYTES, header);
  bytes[at + 12] = ((end - at) >> 2) << 4;
  return end;
}

function writeOptions(bytes: Uint8Array, from: number, header: SegmentHeader): number {
  let at = from;
  const put = (...values: number[]) => {
    for (const value of values) bytes[at++] = value;
  };
  if (header.mss !== undefined) put(OPTION_MSS, 4, header.mss >>> 8, header.mss);
  const joined = header.sackPermitted === true && header.timestamp !== undefined;
  if (header.sackPermitted === true && !joined) put(OPTION_NOP, OPTION_NOP, OPTION_SACK_PERMITTED, 2);
  if (header.timestamp !== undefined) {
    bytes[at] = joined ? OPTION_SACK_PERMITTED : OPTION_NOP;
    bytes[at + 1] = joined ? 2 : OPTION_NOP;
    bytes[at + 2] = OPTION_TIMESTAMP;
    bytes[at + 3] = 10;
    writeU32(bytes, at + 4, header.timestamp);
    writeU32(bytes, at + 8, header.timestampEcho ?? 0);
    at += TIMESTAMP_OPTION_BYTES;
  }
  if (header.windowScale !== undefined) put(OPTION_NOP, OPTION_WINDOW_SCALE, 3, header.windowScale);
  const { sacks } = header;
  if (sacks === undefined || sacks.length === 0) return at;
  const blocks = Math.min(sacks.length / 2, (MAX_OPTION_BYTES - (at - from) - 4) >> 3);
  put(OPTION_NOP, OPTION_NOP, OPTION_SACK, 2 + 8 * blocks);
  for (let i = 0; i < 2 * blocks; i++, at += 4) writeU32(bytes, at, sacks[i] as number);
  return at;
}
