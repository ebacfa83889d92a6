/** pcap files of Ethernet frames (link type 1), nanosecond time stamps, for tshark. */
import { type LinkPacket, writeEthernet } from '../../src/net/index.ts';

export interface CapturedFrame {
  readonly atPs: number;
  readonly packet: LinkPacket;
}

/** The bytes of a capture file. */
export function ethernetPcap(frames: readonly CapturedFrame[]): Uint8Array {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b23c4d, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(262_144, 16);
  head.writeUInt32LE(1, 20);
  const parts: Uint8Array[] = [head];
  for (const { atPs, packet } of frames) {
    const bytes = writeEthernet(packet);
    const record = Buffer.alloc(16);
    record.writeUInt32LE(Math.floor(atPs / 1e12), 0);
    record.writeUInt32LE(Math.floor((atPs % 1e12) / 1000), 4);
    record.writeUInt32LE(bytes.length, 8);
    record.writeUInt32LE(bytes.length, 12);
    parts.push(record, bytes);
  }
  return new Uint8Array(Buffer.concat(parts));
}
