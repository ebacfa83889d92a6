/**
 * What can still be checked in a file with mistakes of form: the rest of it. So a user hears of a wrong type and of a link to nowhere in one go.
 *
 * What does not fit the schema is taken out, and what is left is worked out as usual; complaints about the surroundings of what was taken out are not passed on, since
 * they may be consequences. Where a whole section or its name is in doubt, everything else would be a consequence: then there is nothing to salvage.
 */
import type { Place } from './issue.ts';

/** Map sections whose entries have names that others refer to: a bad entry is emptied rather than taken out. */
const NAMED = new Set(['nodes', 'switches', 'switchTypes']);

export interface Salvage {
  /** A copy of the value without what is at the bad places. */
  readonly value: unknown;
  /** Complaints at, below or above these are silenced. */
  readonly silenced: readonly Place[];
}

/** Takes the bad places out of `value`; null where nothing sensible is left. */
export function salvage(value: unknown, bad: readonly Place[]): Salvage | null {
  if (bad.some((place) => place.length < 2)) return null;
  const copy = structuredClone(value);
  const silenced: Place[] = [];
  // From the back, so that taking an element out of a list moves none that is still to go.
  for (const place of [...bad].sort(byIndexDown)) silenced.push(takeOut(copy, place));
  return { value: copy, silenced };
}

/** Takes one place out, or its parent where it is not there (a key that is missing); returns what to be silent about. */
function takeOut(root: unknown, place: Place): Place {
  const parent = valueAt(root, place.slice(0, -1));
  const key = place.at(-1) as string | number;
  if (Array.isArray(parent)) {
    parent.splice(key as number, 1);
    // Later elements have moved: what is said of them would be said in the wrong place.
    return place.slice(0, -1);
  }
  if (typeof parent !== 'object' || parent === null) return place;
  const map = parent as Record<string, unknown>;
  if (!Object.hasOwn(map, key)) return place.length > 2 ? takeOut(root, place.slice(0, -1)) : place.slice(0, -1);
  if (place.length === 2 && NAMED.has(place[0] as string)) {
    map[key] = {};
    return place;
  }
  delete map[key];
  return place.length > 2 ? place.slice(0, -1) : place;
}

function valueAt(root: unknown, place: Place): unknown {
  let value = root;
  for (const part of place) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

function byIndexDown(a: Place, b: Place): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i], b[i]];
    if (x === y) continue;
    return typeof x === 'number' && typeof y === 'number' ? y - x : String(x) < String(y) ? -1 : 1;
  }
  return b.length - a.length;
}

/** Whether a complaint at `place` may be a consequence of what was taken out. */
export function isSilenced(place: Place, silenced: readonly Place[]): boolean {
  return silenced.some((quiet) => {
    const shared = Math.min(place.length, quiet.length);
    for (let i = 0; i < shared; i++) if (place[i] !== quiet[i]) return false;
    return true;
  });
}
