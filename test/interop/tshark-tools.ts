/**
 * Runs tshark, Wireshark's terminal program, over a capture and hands back what it read, field by field.
 * It is a second reader of our bytes that shares nothing with the writer.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CapturedPacket, openCapture } from '../../src/report/index.ts';

/** Dissectors that guess at payloads; without them a payload stays one. (EoIB's gives up on an empty UD payload.) */
const GUESSERS = ['smc', 'smb_direct', 'rpcordma', 'nvme-rdma', 'lnet', 'iser', 'infiniband.eoib', 'infiniband_sdp', 'fcoib'];

/** What tshark printed. A missing tool fails the test and says what to install. */
export function tshark(args: readonly string[]): string {
  try {
    return execFileSync('tshark', [...args, ...GUESSERS.flatMap((name) => ['--disable-protocol', name])], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TZ: 'UTC', LC_ALL: 'C.UTF-8' },
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error('tshark is not installed: Debian package tshark, see scripts/setup-interop');
  }
}

/** Writes the packets to a capture file (pcapng where there are names of capture points), lets `use` read it, and removes it. */
export function withCapture<T>(packets: readonly CapturedPacket[], use: (path: string) => T, points?: readonly string[]): T {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-tshark-'));
  try {
    const path = join(folder, points === undefined ? 'capture.pcap' : 'capture.pcapng');
    const writer = openCapture(path, points ?? []);
    for (const packet of packets) writer.write(packet);
    writer.close();
    return use(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** One row for each packet of a capture file, the first value of each field by its filter name; empty where the packet has none. */
export function readFileFields(path: string, fields: readonly string[]): Record<string, string>[] {
  const format = ['-T', 'fields', '-E', 'separator=/t', '-E', 'occurrence=f'];
  const text = tshark(['-r', path, ...format, ...fields.flatMap((field) => ['-e', field])]);
  const rows = text.replace(/\n$/, '').split('\n');
  return rows.map((row) => {
    const values = row.split('\t');
    return Object.fromEntries(fields.map((field, i) => [field, values[i] ?? '']));
  });
}

/** As `readFileFields`, for packets that are not in a file yet. */
export function readFields(
  packets: readonly CapturedPacket[],
  fields: readonly string[],
  points?: readonly string[],
): Record<string, string>[] {
  const rows = withCapture(packets, (path) => readFileFields(path, fields), points);
  if (rows.length !== packets.length) throw new Error(`tshark read ${rows.length} packets of ${packets.length}`);
  return rows;
}

/** A value of ours in the way tshark's text is compared: numbers as decimal, bytes as hexadecimal, addresses as they are. */
export function normal(value: number | bigint | boolean | Uint8Array | string): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'string') return value;
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value.toString();
}

/** tshark's text for a number in any of its bases, as decimal. */
export function asNumber(text: string): string {
  return text === '' ? '' : BigInt(text).toString();
}

/** tshark's text for bytes, without its colons. */
export function asBytes(text: string): string {
  return text.replaceAll(':', '');
}
