/** RDETH, reliable datagram extended transport header: 4 bytes (IBA vol. 1, 9.3.1). No hardware sends it; it is here to read captures. */
import { layout, u24 } from './layout.ts';

export interface RdethRepr {
  /** End-to-end context, 24 bits. */
  eeContext: number;
}

export const RDETH = layout<RdethRepr>('RDETH', 4, { eeContext: u24(1) });

export function formatRdeth(repr: RdethRepr): string {
  return `ee ${repr.eeContext}`;
}
