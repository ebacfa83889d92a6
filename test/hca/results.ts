/** Results of an adapter's calls, for tests that expect them to succeed. */
/** What a call made; throws if it was refused. */
export function ok<T>(result: T | number): T {
  if (typeof result === 'number') throw new Error(`refused with errno ${result}`);
  return result;
}

export function done(errno: number): void {
  if (errno !== 0) throw new Error(`refused with errno ${errno}`);
}
