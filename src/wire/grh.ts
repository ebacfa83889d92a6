/** GRH, the global route header: 40 bytes in the layout of an IPv6 header (IBA vol. 1, 8.3). Required on multicast and between subnets. */
import { formatGid } from './address.ts';
import { bits, layout, raw, u8, u16 } from './layout.ts';

export const GRH_BYTES = 40;
/** IPv6 next header value of a BTH. */
export const GRH_NEXT_HEADER = 0x1b;

export interface GrhRepr {
  /** 6. */
  ipVersion: number;
  trafficClass: number;
  /** 20 bits. */
  flowLabel: number;
  /** Bytes from after the GRH to the ICRC, ICRC included, VCRC not. */
  payloadLength: number;
  /** 0x1B for IBA transport. */
  nextHeader: number;
  hopLimit: number;
  /** 16 bytes. */
  sgid: Uint8Array;
  /** 16 bytes. */
  dgid: Uint8Array;
}

export const GRH = layout<GrhRepr>('GRH', GRH_BYTES, {
  ipVersion: bits(0, 0, 4),
  trafficClass: bits(0, 4, 8),
  flowLabel: bits(1, 4, 20),
  payloadLength: u16(4),
  nextHeader: u8(6),
  hopLimit: u8(7),
  sgid: raw(8, 16),
  dgid: raw(24, 16),
});

export function formatGrh(repr: GrhRepr): string {
  return `${formatGid(repr.sgid)} > ${formatGid(repr.dgid)} tclass ${repr.trafficClass} flow ${repr.flowLabel} hops ${repr.hopLimit}`;
}
