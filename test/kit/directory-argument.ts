/** The address book of a cluster as one argument of a program. */
import type { Directory } from '../../src/cluster/directory.ts';

export function writeDirectory(directory: Directory): string {
  return JSON.stringify(directory, (_, value) => (typeof value === 'bigint' ? String(value) : value));
}

export function readDirectory(text: string): Directory {
  const directory = JSON.parse(text) as Directory;
  return { ...directory, ports: directory.ports.map((port) => ({ ...port, guid: BigInt(port.guid) })) };
}
