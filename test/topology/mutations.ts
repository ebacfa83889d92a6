/**
 * Random damage to valid files: bytes, characters, tokens, lines, and the structure of the parsed document. Used by the mutation test and
 * by `scripts/fuzz-topology.ts`.
 */
import { parse, stringify } from 'yaml';
import { fc } from './property.ts';

/** What a reader of hostile files fears: numbers at edges, long ranges, aliases, tags, keys of prototypes, other syntaxes. */
const TOKENS = [
  '0',
  '-1',
  '1e999',
  '.nan',
  '0x7fffffffffffffff',
  '49152',
  '65536',
  '1e-320',
  'null',
  'true',
  '~',
  '""',
  "'",
  '"',
  '{',
  '}',
  '[',
  ']',
  '[]',
  '{}',
  ':',
  ': ',
  ',',
  '-',
  '- ',
  '->',
  '=>',
  '#',
  '&a',
  '*a',
  '!!binary',
  '!x',
  '|',
  '>',
  '%YAML 1.1',
  '---',
  '...',
  '<<: *a',
  '? x',
  '[1-99999]',
  '[1-49151]',
  '[1-3]',
  '[0-1]',
  '[',
  '5m',
  '100ns',
  '1s',
  '16KiB',
  '__proto__',
  'constructor',
  'toString',
  'heddle',
  'nodes',
  'links',
  'switches',
  'generate',
  'faults',
  'qos',
  'guid',
  'all',
  'cpu1',
  'node1 -> node1',
  'fat-tree',
  'torus',
  'dimensions: [49151, 49151]',
  'k: 254',
  'fifo',
  '\t',
  '\r',
  '\u0000',
  '\ufeff',
  '\u2028',
  '\ud800',
  '😀',
  'é',
  '[1]',
  '"H-0"[1]',
  'Switch 36 "S-0"',
  'Ca 2 "x"',
  '@[1] "y"',
  'module="m"',
  'w=2',
  'lid 1 lmc 7',
  '4xQDR',
  'include "x"',
  'do it',
  'caguid=0xffffffffffffffff',
] as const;

export interface Edit {
  readonly kind:
    | 'byte'
    | 'insert'
    | 'delete'
    | 'token'
    | 'replace-word'
    | 'copy-line'
    | 'drop-line'
    | 'swap-lines'
    | 'cut'
    | 'structure';
  readonly at: number;
  readonly length: number;
  readonly pick: number;
}

export const edits = fc.array(
  fc.record<Edit>({
    kind: fc.constantFrom(
      'byte',
      'insert',
      'delete',
      'token',
      'replace-word',
      'copy-line',
      'drop-line',
      'swap-lines',
      'cut',
      'structure',
    ),
    at: fc.nat(1_000_000),
    length: fc.integer({ min: 1, max: 12 }),
    pick: fc.nat(1_000_000),
  }),
  { minLength: 1, maxLength: 5 },
);

/** `text` with the edits made one after the other. */
export function mutate(text: string, list: readonly Edit[]): Uint8Array {
  let current = text;
  const bytes: [number, number][] = [];
  for (const edit of list) {
    if (edit.kind === 'byte') bytes.push([edit.at, edit.pick & 0xff]);
    else current = applyEdit(current, edit);
  }
  const encoded = new TextEncoder().encode(current);
  for (const [at, value] of bytes) if (encoded.length > 0) encoded[at % encoded.length] = value;
  return encoded;
}

function applyEdit(text: string, { kind, at, length, pick }: Edit): string {
  const position = text.length === 0 ? 0 : at % text.length;
  const token = TOKENS[pick % TOKENS.length]!;
  const lines = text.split('\n');
  const [i, j] = [at % lines.length, pick % lines.length];
  switch (kind) {
    case 'insert':
      return text.slice(0, position) + String.fromCharCode(pick % 0x180) + text.slice(position);
    case 'delete':
      return text.slice(0, position) + text.slice(position + length);
    case 'token':
      return text.slice(0, position) + token + text.slice(position);
    case 'replace-word': {
      const words = [...text.matchAll(/[A-Za-z0-9_.+-]+/g)];
      const word = words[at % Math.max(1, words.length)];
      return word === undefined ? token : text.slice(0, word.index) + token + text.slice(word.index + word[0].length);
    }
    case 'copy-line':
      return [...lines.slice(0, i), lines[j], ...lines.slice(i)].join('\n');
    case 'drop-line':
      return lines.filter((_, at) => at !== i).join('\n');
    case 'swap-lines':
      return lines.map((line, at) => (at === i ? lines[j] : at === j ? lines[i] : line)).join('\n');
    case 'cut':
      return text.slice(0, position);
    default:
      return changeStructure(text, at, pick);
  }
}

const VALUES: readonly unknown[] = [
  null,
  0,
  -1,
  1.5,
  1e21,
  '',
  'x',
  'all',
  [],
  {},
  [[]],
  { a: 1 },
  true,
  ['a', 'b'],
  { heddle: 1 },
  'a[1-5]',
  254,
  49151,
  '1ns',
  0.5,
  [1, 2, 3],
];

/** Replaces, removes or doubles one value anywhere in the parsed document. */
function changeStructure(text: string, at: number, pick: number): string {
  let root: unknown;
  try {
    root = parse(text, { maxAliasCount: 100, logLevel: 'error' });
  } catch {
    return text;
  }
  const slots: [Record<string, unknown>, string][] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || slots.length > 2000) return;
    for (const [key, inner] of Object.entries(value)) {
      slots.push([value as Record<string, unknown>, key]);
      visit(inner);
    }
  };
  visit(root);
  const slot = slots[at % Math.max(1, slots.length)];
  if (slot === undefined) return text;
  const [holder, key] = slot;
  const other = slots[pick % slots.length]!;
  if (pick % 4 === 0) delete holder[key];
  else if (pick % 4 === 1) holder[key] = structuredClone(other[0][other[1]]);
  else if (pick % 4 === 2 && !Array.isArray(holder)) holder[other[1]] = structuredClone(holder[key]);
  else holder[key] = VALUES[pick % VALUES.length];
  try {
    return stringify(root);
  } catch {
    return text;
  }
}
