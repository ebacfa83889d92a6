/**
 * pcapng files: as pcap, with a name for each capture point, however many, and a comment on a damaged packet.
 * One section; one interface description per capture point, link type 197 with an ERF record inside (`erf.ts`); one enhanced packet block per packet.
 */
import { BufferedFile } from './buffered-file.ts';
import { type CapturedPacket, encodeCaptured } from './capture.ts';
import { ERF_HEADER_BYTES, ERF_INTERFACES, writeErfHeader } from './erf.ts';
import { captureBufferBytes, LINK_TYPE_ERF } from './pcap.ts';

const BLOCK_SECTION = 0x0a0d0d0a;
const BLOCK_INTERFACE = 1;
const BLOCK_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const OPTION_COMMENT = 1;
const OPTION_INTERFACE_NAME = 2;
const OPTION_TIME_RESOLUTION = 9;
/** Times in units of 10^-9 s. With picoseconds Wireshark 4.0 overflows while it converts; the ERF record has the finer time. */
const RESOLUTION_NANOSECONDS = Uint8Array.of(9);
/** Block type, length, and length again at the end. */
const BLOCK_FRAME_BYTES = 12;
const PACKET_FIXED_BYTES = 20;
const DAMAGED_COMMENT = optionBytes([[OPTION_COMMENT, new TextEncoder().encode('damaged by bit errors on the link')]]);
const NO_OPTIONS = new Uint8Array(0);

export interface PcapngOptions {
  /** Bytes kept in memory before they go to the file; 1 MiB unless told. */
  readonly bufferBytes?: number;
}

/** Writes a capture with named capture points. Close it, or the last packets are missing. */
export class PcapngWriter {
  readonly #file: BufferedFile;
  readonly #interfaces: number;
  #packets = 0;

  /** `interfaces`: the capture points' names, as `sw1/3`, by their number. Throws `ConfigError` when the file cannot be made. */
  constructor(path: string, interfaces: readonly string[], options: PcapngOptions = {}) {
    this.#interfaces = interfaces.length;
    this.#file = new BufferedFile(path, captureBufferBytes(options.bufferBytes));
    this.#block(BLOCK_SECTION, sectionBody());
    for (const name of interfaces) this.#block(BLOCK_INTERFACE, interfaceBody(name));
  }

  /** Packets written so far. */
  get packets(): number {
    return this.#packets;
  }

  /** Adds a packet. Throws `ConfigError` when the file cannot be written, `RangeError` for a capture interface without a name. */
  write(captured: CapturedPacket): void {
    this.writeFrame(captured.timePs, captured.interface, captured.damaged, encodeCaptured(captured));
  }

  /** As `write`, for a packet that is bytes already (LRH … VCRC). */
  writeFrame(timePs: number, captureInterface: number, damaged: boolean, frame: Uint8Array): void {
    if (captureInterface < 0 || captureInterface >= this.#interfaces) {
      throw new RangeError(`capture interface ${captureInterface} has no name: there are ${this.#interfaces}`);
    }
    const dataBytes = ERF_HEADER_BYTES + frame.length;
    const options = damaged ? DAMAGED_COMMENT : NO_OPTIONS;
    const total = BLOCK_FRAME_BYTES + PACKET_FIXED_BYTES + padded(dataBytes) + options.length;
    const start = this.#file.reserve(total);
    const { view, bytes } = this.#file;
    bytes.fill(0, start, start + total);
    frameBlock(view, start, BLOCK_PACKET, total);
    const timeNs = Math.floor(timePs / 1000);
    let at = start + 8;
    for (const word of [captureInterface, Math.floor(timeNs / 2 ** 32), timeNs % 2 ** 32, dataBytes, dataBytes]) {
      view.setUint32(at, word, true);
      at += 4;
    }
    // An ERF record has two bits for the interface; the block's own number is the one that counts.
    writeErfHeader(view, at, timePs, captureInterface % ERF_INTERFACES, damaged, frame.length);
    bytes.set(frame, at + ERF_HEADER_BYTES);
    bytes.set(options, at + padded(dataBytes));
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

  #block(type: number, body: Uint8Array): void {
    const total = BLOCK_FRAME_BYTES + body.length;
    const at = this.#file.reserve(total);
    frameBlock(this.#file.view, at, type, total);
    this.#file.bytes.set(body, at + 8);
  }
}

/** Rounded up to four bytes. */
function padded(bytes: number): number {
  return (bytes + 3) & ~3;
}

function frameBlock(view: DataView, at: number, type: number, total: number): void {
  view.setUint32(at, type, true);
  view.setUint32(at + 4, total, true);
  view.setUint32(at + total - 4, total, true);
}

function sectionBody(): Uint8Array {
  const body = new Uint8Array(16);
  const view = new DataView(body.buffer);
  view.setUint32(0, BYTE_ORDER_MAGIC, true);
  view.setUint16(4, 1, true);
  // Length of the section: not said.
  body.fill(0xff, 8);
  return body;
}

function interfaceBody(name: string): Uint8Array {
  const options = optionBytes([
    [OPTION_INTERFACE_NAME, new TextEncoder().encode(name)],
    [OPTION_TIME_RESOLUTION, RESOLUTION_NANOSECONDS],
  ]);
  const body = new Uint8Array(8 + options.length);
  new DataView(body.buffer).setUint16(0, LINK_TYPE_ERF, true);
  body.set(options, 8);
  return body;
}

/** Options: code, length, value padded to four bytes; then the end of options. */
function optionBytes(options: readonly (readonly [number, Uint8Array])[]): Uint8Array {
  const bytes = new Uint8Array(options.reduce((sum, [, value]) => sum + 4 + padded(value.length), 4));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [code, value] of options) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + 4);
    at += 4 + padded(value.length);
  }
  return bytes;
}
