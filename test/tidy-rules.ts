/**
 * The rules of the house as functions over source texts; `tidy.test.ts` says which apply where, and tries each on texts that break it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** A file of the project; `path` from the root with `/`. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** An import or a re-export. */
export interface Import {
  readonly specifier: string;
  /** Erased by the compiler. */
  readonly typeOnly: boolean;
  /** `import(…)`: loaded when it is reached. */
  readonly late: boolean;
  /** What is imported by name, before `as`; `*` for all. */
  readonly names: readonly string[];
}

/** Every file below `folder` whose name ends in one of `endings`. A folder that does not exist has none. */
export function filesBelow(folder: string, endings: readonly string[] = ['.ts']): Source[] {
  let entries: ReturnType<typeof readEntries>;
  try {
    entries = readEntries(join(root, folder));
  } catch {
    return [];
  }
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.') && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

function readEntries(path: string) {
  return readdirSync(path, { recursive: true, withFileTypes: true });
}

/** Whether `target`, as `path` names it, is a file or folder. */
export function exists(path: string, target: string): boolean {
  return existsSync(join(root, dirname(path), target));
}

/** A file of the root folder. */
export function rootFile(path: string): Source {
  return { path, text: readFileSync(join(root, path), 'utf8') };
}

/** The text without comments; texts in quotes stay. */
export function withoutComments(text: string): string {
  const pieces = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return text.replace(pieces, (piece) => (piece.startsWith('//') || piece.startsWith('/*') ? ' ' : piece));
}

/** The imports of a text, dynamic ones and re-exports included. */
export function importsOf(text: string): Import[] {
  const code = withoutComments(text);
  const found: Import[] = [];
  for (const match of code.matchAll(/^\s*(import|export)\s+(type\s+)?([^'"`;()=]*?)\s*from\s*['"]([^'"]+)['"]/gm)) {
    found.push({ specifier: match[4]!, typeOnly: match[2] !== undefined, late: false, names: namesOf(match[3]!) });
  }
  for (const match of code.matchAll(/^\s*import\s*['"]([^'"]+)['"]/gm))
    found.push({ specifier: match[1]!, typeOnly: false, late: false, names: [] });
  for (const match of code.matchAll(/(typeof\s+)?\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) {
    found.push({ specifier: match[2]!, typeOnly: match[1] !== undefined, late: true, names: ['*'] });
  }
  return found;
}

function namesOf(clause: string): string[] {
  const inside = /\{([^}]*)\}/.exec(clause)?.[1];
  if (inside === undefined) return ['*'];
  const names = inside.split(',').map(
    (name) =>
      name
        .trim()
        .replace(/^type\s+/, '')
        .split(/\s+as\s+/)[0]!,
  );
  return names.filter((name) => name !== '');
}

/** Names of functions, classes and values that a text exports; types do not count. */
export function exportedValues(text: string): string[] {
  const declared = withoutComments(text).matchAll(
    /^export\s+(?:default\s+)?(?:abstract\s+)?(?:async\s+)?(?:function\*?|class|const|let)\s+([\w$]+)/gm,
  );
  return [...declared].map((match) => match[1]!);
}

/** The path that a relative specifier means, from the root; `undefined` for a package. */
export function resolveImport(path: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.join(dirname(path), specifier) : undefined;
}

/** `fabric` for `src/fabric/kernel.ts`; empty for `src/index.ts`. */
export function roomOf(path: string): string {
  const parts = path.split('/');
  return parts.length > 2 ? parts[1]! : '';
}

/** What is wrong with the imports of `source`, given who may import whom and which packages each room may use. */
export function importFaults(
  source: Source,
  rooms: Readonly<Record<string, readonly string[]>>,
  packages: Readonly<Record<string, readonly string[]>>,
): string[] {
  const room = roomOf(source.path);
  const faults: string[] = [];
  for (const { specifier } of importsOf(source.text)) {
    const target = resolveImport(source.path, specifier);
    if (target === undefined) {
      if (!(packages[room] ?? []).some((name) => name === specifier || specifier.startsWith(`${name}/`)))
        faults.push(`${source.path} imports ${specifier}, which ${room} may not use`);
      continue;
    }
    const other = roomOf(target);
    if (!target.startsWith('src/')) faults.push(`${source.path} reaches out of src: ${specifier}`);
    else if (other !== room && other === '') faults.push(`${source.path} imports the library's face ${specifier}`);
    else if (other !== room && target !== `src/${other}/index.ts`)
      faults.push(`${source.path} imports ${specifier}, not the door of ${other}`);
    else if (other !== room && !(rooms[room] ?? []).includes(other))
      faults.push(`${source.path} imports ${other}, which ${room} may not`);
  }
  return faults;
}

/** A cycle in a graph of names, as the names in order with the first again at the end; `undefined` if there is none. */
export function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const state = new Map<string, 'open' | 'done'>();
  const path: string[] = [];
  const visit = (name: string): string[] | undefined => {
    if (state.get(name) === 'done') return undefined;
    if (state.get(name) === 'open') return [...path.slice(path.indexOf(name)), name];
    state.set(name, 'open');
    path.push(name);
    for (const next of graph.get(name) ?? []) {
      const cycle = visit(next);
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    state.set(name, 'done');
    return undefined;
  };
  for (const name of graph.keys()) {
    const cycle = visit(name);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** Which of `banned` occur in the code (not the comments) of `source`, each as `path: word`. */
export function bannedWords(source: Source, banned: readonly RegExp[]): string[] {
  const code = withoutComments(source.text);
  return banned.flatMap((word) => {
    const found = word.exec(code);
    return found === null ? [] : [`${source.path}: ${found[0]}`];
  });
}

/** Whether a file begins (after a `#!` line) with a comment of some substance. */
export function opensWithPurpose(text: string): boolean {
  const comment = /^(?:#![^\n]*\n)?\s*(?:\/\*\*([\s\S]*?)\*\/|((?:\/\/[^\n]*\n)+))/.exec(text);
  const words = (comment?.[1] ?? comment?.[2] ?? '').replace(/[*/]/g, ' ').trim();
  return words.length >= 20;
}

export function lineCount(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
}
