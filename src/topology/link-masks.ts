/** The width and speed masks of ibsim files, in the codes of PortInfo, and what a link trains to under those of both ends. */
import { EXTENDED_SPEED_CODES, LINK_WIDTHS, type LinkSpeed, type LinkWidth, SPEED_CODES, WIDTH_CODES } from './speeds.ts';

/** Bits of what a port may use. */
export interface LinkMasks {
  readonly width: number;
  readonly speed: number;
  readonly extended: number;
}

/** Link masks of both ends to what the link trains to: the best that both have; `undefined` where they have nothing in common. */
export function trainLink(a: LinkMasks, b: LinkMasks): { speed: LinkSpeed; width: LinkWidth } | undefined {
  const best = <T extends string>(codes: Readonly<Record<T, number>>, order: readonly T[], mask: number): T | undefined =>
    order.findLast((name) => (codes[name] & mask) !== 0);
  const width = best(WIDTH_CODES, LINK_WIDTHS, a.width & b.width);
  const extended = best(EXTENDED_SPEED_CODES, ['FDR', 'EDR', 'HDR', 'NDR'], a.extended & b.extended);
  const speed = extended ?? best(SPEED_CODES, ['SDR', 'DDR', 'QDR'], a.speed & b.speed);
  return width === undefined || speed === undefined ? undefined : { speed, width };
}
