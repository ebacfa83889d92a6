/**
 * Paths of nodes, and numbers in requests as C reads them.
 */
import { clampLong } from './node.ts';

/** `/local/domain/5`: where a domain's relative paths begin. */
export function homeOf(domid: number): string {
  return `/local/domain/${domid}`;
}

/** Absolute, no empty name, no slash at the end, the allowed characters, at most `maxLength` long. A domain's home in front does not count for the length. */
export function isValidPath(path: string, maxLength: number): boolean {
  if (path !== '/' && !/^(?:\/[A-Za-z0-9\-_@]+)+$/.test(path)) return false;
  const home = /^\/local\/domain\/(?:\d{1,5}|[+-]\d{1,4})\//.exec(path);
  return path.length <= maxLength + (home?.[0].length ?? 0);
}

/** Not for `/`. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash === 0 ? '/' : path.slice(0, slash);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function childOf(path: string, name: string): string {
  return path === '/' ? `/${name}` : `${path}/${name}`;
}

/** atoi: digits after blanks and a sign, 0 for none; into 32 bits, signed. */
export function parseInteger(text: string): number {
  const digits = /^[\t-\r ]*([+-]?\d+)/.exec(text)?.[1];
  if (digits === undefined) return 0;
  return Number(BigInt.asIntN(32, clampLong(BigInt(digits.replace(/^\+/, '')))));
}
