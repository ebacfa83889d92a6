/** XRCETH: 4 bytes on XRC requests, the shared receive queue at the target (IBA vol. 1, annex A14). */
import { layout, u24 } from './layout.ts';

export interface XrcethRepr {
  /** 24 bits. */
  srq: number;
}

export const XRCETH = layout<XrcethRepr>('XRCETH', 4, { srq: u24(1) });

export function formatXrceth(repr: XrcethRepr): string {
  return `srq ${repr.srq}`;
}
