/** ImmDt: 4 bytes of immediate data, delivered in the receiver's completion (IBA vol. 1, 9.3.6). */
import { layout, u32 } from './layout.ts';

export interface ImmDtRepr {
  /** As on the wire, most significant byte first. */
  immediate: number;
}

export const IMM_DT = layout<ImmDtRepr>('ImmDt', 4, { immediate: u32(0) });

export function formatImmDt(repr: ImmDtRepr): string {
  return `imm 0x${repr.immediate.toString(16)}`;
}
