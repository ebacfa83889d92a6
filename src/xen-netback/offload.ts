/**
 * What a guest claims about checksums, checked: a packet with a blank checksum must have the headers of a transport that has one, or nobody could complete it.
 */
import { type Gso, type LinkPacket, readEthernet, writeBlankChecksum } from '../net/index.ts';
import { TX_CSUM_BLANK, TX_DATA_VALIDATED } from '../hypervisor/index.ts';

const TCP = 6;
const UDP = 17;

/** The packet that a guest's frame is, or null if it is to be dropped (`checksum_setup` of Linux's netback). */
export function packetOf(frame: Uint8Array, flags: number, gso: Gso | null): LinkPacket | null {
  const ethernet = readEthernet(frame);
  if (ethernet === null) return null;
  const isBlank = (flags & TX_CSUM_BLANK) !== 0 || gso !== null;
  if (isBlank && !hasTransport(ethernet.protocol, ethernet.data, gso !== null)) return null;
  // Some peers forget the flag on large packets.
  if (gso !== null && (flags & TX_CSUM_BLANK) === 0 && ethernet.protocol === 0x0800) writeBlankChecksum(ethernet.data);
  return {
    destination: ethernet.destination,
    source: ethernet.source,
    protocol: ethernet.protocol,
    data: ethernet.data,
    gso,
    checksumBlank: isBlank,
    checksumVerified: isBlank || (flags & TX_DATA_VALIDATED) !== 0,
  };
}

/** TCP or UDP in an unfragmented IP packet, with its checksum field inside. */
function hasTransport(protocol: number, data: Uint8Array, mustBeTcp: boolean): boolean {
  let at: number;
  let transport: number;
  if (protocol === 0x0800) {
    at = ((data[0] as number) & 15) * 4;
    transport = data[9] as number;
    if (data.length < 20 || at < 20 || ((data[6] as number) & 0x3f) !== 0 || data[7] !== 0) return false;
  } else if (protocol === 0x86dd) {
    if (data.length < 40) return false;
    at = 40;
    transport = data[6] as number;
  } else return false;
  if (transport === TCP) return data.length >= at + 20;
  return transport === UDP && !mustBeTcp && data.length >= at + 8;
}
