/** The stack of an error that a program threw, as its author wants to see it: own files and lines, without the simulator's frames below. */
import { SourceMap } from 'node:module';
import type { ProgramSource } from './program-loader.ts';

const BUNDLE_URL = /data:text\/javascript;base64,[A-Za-z0-9+/=]+:(\d+):(\d+)/g;
const INLINE_MAP = /\/\/# sourceMappingURL=data:application\/json;base64,([A-Za-z0-9+/=]+)\s*$/;

/** The error's text. Places in a bundle are mapped back to the files that it was made of. */
export function programStack(error: unknown, source: ProgramSource): string {
  if (!(error instanceof Error)) return String(error);
  const text = error.stack ?? `${error.name}: ${error.message}`;
  const lines = text.split('\n');
  const below = lines.findIndex((line) => line.includes('drainMicrotasks') || line.includes('_tickCallback'));
  const own = below > 0 ? lines.slice(0, below) : lines;
  const map = source.kind === 'bundle' ? mapOf(source.text) : null;
  return own
    .map((line) => line.replaceAll(BUNDLE_URL, (_, row, column) => place(map, source.name, Number(row), Number(column))))
    .join('\n');
}

function mapOf(text: string): SourceMap | null {
  const found = INLINE_MAP.exec(text)?.[1];
  return found === undefined ? null : new SourceMap(JSON.parse(Buffer.from(found, 'base64').toString('utf8')));
}

function place(map: SourceMap | null, name: string, row: number, column: number): string {
  const entry = map?.findEntry(row - 1, column - 1);
  if (entry === undefined || !('originalSource' in entry)) return `${name}:${row}:${column}`;
  return `${entry.originalSource}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
}
