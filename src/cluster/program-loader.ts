/**
 * Finding and loading the program that a run names: one from the registry, or a file of the user's.
 *
 * A file is bundled once, with everything that it imports by relative path, into one JavaScript text in which `heddle` means this very package. Every thread loads that
 * text, and a run record keeps it, so a replay needs no file. Packages other than heddle stay imports and are resolved from where the file lies.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findProgram } from '../programs/index.ts';
import { ConfigError } from '../sim/index.ts';
import { isProgram, type Program } from '../verbs/index.ts';
import type { ProgramReference } from './types.ts';

/** A program ready to be loaded in any thread. */
export type ProgramSource =
  | { readonly kind: 'builtin'; readonly name: string }
  | { readonly kind: 'bundle'; readonly name: string; readonly text: string };

/** Reads and bundles the program that is asked for; throws `ConfigError` where it can not be found, does not compile, or refuses its options. */
export async function prepareProgram(reference: ProgramReference, args: readonly string[] = []): Promise<ProgramSource> {
  if (reference.kind === 'builtin') {
    const entry = findProgram(reference.name);
    if (entry === undefined) throw problem(reference.name, 'no such program; `heddle list programs` names them all');
    await entry.check?.(args);
    return { kind: 'builtin', name: reference.name };
  }
  return { kind: 'bundle', name: reference.path, text: await bundle(reference.path) };
}

/** Loads the program into this thread. */
export async function loadProgram(source: ProgramSource): Promise<Program> {
  if (source.kind === 'builtin') {
    const entry = findProgram(source.name);
    if (entry === undefined) throw problem(source.name, 'no such program');
    return entry.load();
  }
  const module = (await import(`data:text/javascript;base64,${Buffer.from(source.text).toString('base64')}`)) as {
    default?: unknown;
  };
  if (!isProgram(module.default))
    throw problem(
      source.name,
      'the file has no default export made by `program(…)`: export default program(async ({ ctx }) => { … })',
    );
  return module.default;
}

function problem(file: string, message: string): ConfigError {
  return new ConfigError([{ file, path: '', message }]);
}

/** The key under which a bundle finds this package: a `data:` module may not import a file. */
export const LIBRARY_KEY = Symbol.for('heddle.library');

/** Makes that face of this package which programs see known to bundles in this thread. */
export async function provideLibrary(): Promise<void> {
  const holder = globalThis as unknown as Record<symbol, unknown>;
  holder[LIBRARY_KEY] ??= await import('./program-library.ts');
}

async function bundle(path: string): Promise<string> {
  try {
    readFileSync(path);
  } catch (error) {
    throw problem(path, `the program can not be read (${(error as NodeJS.ErrnoException).code ?? error})`);
  }
  const { build } = await import('esbuild');
  const library = Object.keys(await import('./program-library.ts'));
  try {
    const result = await build({
      entryPoints: [resolve(path)],
      bundle: true,
      write: false,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      sourcemap: 'inline',
      logLevel: 'silent',
      plugins: [
        {
          name: 'heddle',
          setup(plugin) {
            plugin.onResolve({ filter: /^heddle$/ }, () => ({ path: 'heddle', namespace: 'heddle' }));
            plugin.onLoad({ filter: /.*/, namespace: 'heddle' }, () => ({ contents: libraryModule(library), loader: 'js' }));
            plugin.onResolve({ filter: /^[^./]/ }, (request) =>
              externalPackage(request.path, request.resolveDir, request.kind === 'entry-point'),
            );
          },
        },
      ],
    });
    return result.outputFiles[0]?.text ?? '';
  } catch (error) {
    const failure = error as { errors?: { text: string; location: { file: string; line: number; column: number } | null }[] };
    if (failure.errors === undefined) throw error;
    throw new ConfigError(
      failure.errors.map(({ text, location }) => ({
        file: location?.file ?? path,
        ...(location === null ? {} : { line: location.line, column: location.column + 1 }),
        path: '',
        message: text,
      })),
    );
  }
}

/** The text of the module `heddle` inside a bundle: its names are read from what `provideLibrary` left. */
function libraryModule(names: readonly string[]): string {
  const lines = names.map((name) => `export const ${name} = library.${name};`);
  return `const library = globalThis[Symbol.for('heddle.library')];\n${lines.join('\n')}\n`;
}

/** A package stays outside the bundle, by its absolute address, or is a builtin of Node's. */
function externalPackage(name: string, directory: string, isEntry: boolean): { path: string; external: boolean } | null {
  if (isEntry) return null;
  if (name.startsWith('node:')) return { path: name, external: true };
  try {
    const path = createRequire(`${directory}/program.js`).resolve(name);
    return path.startsWith('/') || /^[A-Za-z]:/.test(path)
      ? { path: pathToFileURL(path).href, external: true }
      : { path, external: true };
  } catch {
    return null;
  }
}
