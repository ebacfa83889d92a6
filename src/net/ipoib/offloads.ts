/**
 * What an adapter does for a datagram device, in place of the CPU: checksums of packets in the transmit ring, large segments, checksums of packets that came in.
 */
import { foldSum, pseudoHeaderSum, readU16, readU32, sumWords } from '../bytes.ts';
import { checksumOffset } from '../offload.ts';

const PROTOCOL_UDP = 17;

/** True if `data` is a whole IPv4 packet whose TCP or UDP checksum is right. */
export function transportIsRight(data: Uint8Array): boolean {
  if (data.length < 20 || (data[0] as number) >>> 4 !== 4) return false;
  const headerBytes = ((data[0] as number) & 15) * 4;
  const end = readU16(data, 2);
  const protocol = data[9] as number;
  const offset = checksumOffset(protocol);
  const isFragment = (readU16(data, 6) & 0x3fff) !== 0;
  if (offset < 0 || isFragment || end > data.length || end < headerBytes + offset + 2) return false;
  if (protocol === PROTOCOL_UDP && readU16(data, headerBytes + offset) === 0) return false;
  const pseudo = pseudoHeaderSum(readU32(data, 12), readU32(data, 16), protocol, end - headerBytes);
  return foldSum(sumWords(data, headerBytes, end, pseudo)) === 0xffff;
}
