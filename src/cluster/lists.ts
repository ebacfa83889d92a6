/** What there is to choose from, for `heddle list`. */
import { PROFILES } from '../hca/index.ts';
import { PROGRAMS } from '../programs/index.ts';
import { GENERATORS, SWITCH_TYPES } from '../topology/index.ts';
import type { ListEntry } from './types.ts';

export function hcaProfiles(): readonly ListEntry[] {
  return PROFILES.map(({ name, product }) => ({ name, summary: product }));
}

export function switchModels(): readonly ListEntry[] {
  return Object.entries(SWITCH_TYPES).map(([name, { summary }]) => ({ name, summary }));
}

export function generators(): readonly ListEntry[] {
  return Object.entries(GENERATORS).map(([name, { summary }]) => ({ name, summary }));
}

export function programs(): readonly ListEntry[] {
  return PROGRAMS.map(({ name, summary }) => ({ name, summary }));
}
