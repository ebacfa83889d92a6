/**
 * How rdma_cm maps IP addresses and ports onto IB connection management (IBA vol. 1, annex A11; librdmacm):
 * the service ID carries port space and port, the first 36 bytes of a REQ's or SIDR_REQ's private data carry the addresses.
 */
import { bits, layout, raw, u16 } from './layout.ts';

export const CM_IP_HEADER_BYTES = 36;

/** Port spaces of rdma_cm. */
export const RDMA_PS_IPOIB = 0x0002;
export const RDMA_PS_TCP = 0x0106;
export const RDMA_PS_UDP = 0x0111;
export const RDMA_PS_IB = 0x013f;

export interface CmIpHeaderRepr {
  /** 0. */
  majorVersion: number;
  minorVersion: number;
  /** 4 or 6. */
  ipVersion: number;
  sourcePort: number;
  /** 16 bytes; an IPv4 address is in the last four. */
  sourceAddress: Uint8Array;
  destinationAddress: Uint8Array;
}

export const CM_IP_HEADER = layout<CmIpHeaderRepr>('CM IP header', CM_IP_HEADER_BYTES, {
  majorVersion: bits(0, 0, 4),
  minorVersion: bits(0, 4, 4),
  ipVersion: bits(1, 0, 4),
  sourcePort: u16(2),
  sourceAddress: raw(4, 16),
  destinationAddress: raw(20, 16),
});

/** Service ID of a port: port space in bits 31–16, port in bits 15–0. TCP port 18515 is 0x0000000001064853. */
export function ipServiceId(portSpace: number, port: number): bigint {
  return (BigInt(portSpace) << 16n) | BigInt(port);
}

/** Port space and port of such a service ID; undefined for any other. */
export function parseIpServiceId(serviceId: bigint): { portSpace: number; port: number } | undefined {
  const portSpace = Number(serviceId >> 16n);
  if (![RDMA_PS_IPOIB, RDMA_PS_TCP, RDMA_PS_UDP].includes(portSpace)) return undefined;
  return { portSpace, port: Number(serviceId & 0xffffn) };
}

/** Four bytes of IPv4 in the 16 of a CM IP header. */
export function ipv4InHeader(address: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(address, 12);
  return bytes;
}
