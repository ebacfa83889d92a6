/** libibverbs' codes of what a topology names: `active_width` and `active_speed` of `ibv_query_port`. */
import { LINK_SPEEDS } from '../wire/index.ts';

const WIDTH_CODES: Readonly<Record<string, number>> = { '1x': 1, '4x': 2, '8x': 4, '12x': 8, '2x': 16 };

/** `active_speed` of a speed by name, SDR … XDR. */
export function codeOfSpeed(name: string): number {
  const speed = LINK_SPEEDS.find((candidate) => candidate.name === name);
  if (speed === undefined) throw new RangeError(`no such link speed: ${name}`);
  return speed.verbsCode;
}

/** `active_width` of a width by name, `1x` … `12x`. */
export function codeOfWidth(name: string): number {
  const code = WIDTH_CODES[name];
  if (code === undefined) throw new RangeError(`no such link width: ${name}`);
  return code;
}
