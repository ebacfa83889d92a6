/**
 * Libraries that only some commands need, loaded when first asked for, and synchronously: a run from a generator or an importer starts
 * without them, and so does every worker thread that opens this room's door.
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export type Yaml = typeof import('yaml');
export type Zod = typeof import('zod');

export function yamlLibrary(): Yaml {
  return require('yaml') as Yaml;
}

export function zodLibrary(): Zod {
  return require('zod') as Zod;
}
