/** IETH: 4 bytes, the R_Key that SEND with invalidate takes out of use at the receiver (IBA vol. 1, 9.3.7). */
import { layout, u32 } from './layout.ts';

export interface IethRepr {
  rKey: number;
}

export const IETH = layout<IethRepr>('IETH', 4, { rKey: u32(0) });

export function formatIeth(repr: IethRepr): string {
  return `invalidate rkey 0x${repr.rKey.toString(16)}`;
}
