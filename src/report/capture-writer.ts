/** Which kind of capture file a path asks for, and what all kinds can do. */
import { ConfigError } from '../sim/index.ts';
import type { CapturedPacket } from './capture.ts';
import { ERF_INTERFACES } from './erf.ts';
import { PcapWriter } from './pcap.ts';
import { PcapngWriter } from './pcapng.ts';

export interface CaptureWriter {
  /** Packets written so far. */
  readonly packets: number;
  write(captured: CapturedPacket): void;
  /** As `write`, for a packet that is bytes already (LRH … VCRC). */
  writeFrame(timePs: number, captureInterface: number, damaged: boolean, frame: Uint8Array): void;
  flush(): void;
  close(): void;
}

/**
 * Opens a capture file: pcapng where the name ends in `.pcapng`, else pcap. `interfaces` are the names of the capture points.
 * Throws `ConfigError` when the file cannot be made, or when there are more points than pcap can tell apart.
 */
export function openCapture(path: string, interfaces: readonly string[]): CaptureWriter {
  if (path.endsWith('.pcapng')) return new PcapngWriter(path, interfaces);
  if (interfaces.length > ERF_INTERFACES) {
    const message = `pcap tells ${ERF_INTERFACES} capture points apart, here are ${interfaces.length}: name the file .pcapng`;
    throw new ConfigError([{ file: path, path: '', message }]);
  }
  return new PcapWriter(path);
}
