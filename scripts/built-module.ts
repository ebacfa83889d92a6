/**
 * Runs one function of a TypeScript module in a fresh process: the module and all that it imports are bundled as the package itself is (`bundle.ts`),
 * and worker threads run the built package. So figures are those of what is shipped, and no loader of a development tool runs in it.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { BUNDLE_OPTIONS } from './bundle.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What came of one call. */
export interface ModuleRun<T> {
  readonly value: T;
  /** Largest resident set of the process. */
  readonly peakMiB: number;
  readonly wallSeconds: number;
}

/** Names of the modules in `folder` that export a function `exported`, sorted; only those that contain one of `filters`, if there are any. */
export function modulesOf(folder: string, exported: string, filters: readonly string[]): string[] {
  const declares = new RegExp(`^export (?:async function|function|const) ${exported}\\b`, 'm');
  return readdirSync(join(root, folder))
    .filter((file) => file.endsWith('.ts') && declares.test(readFileSync(join(root, folder, file), 'utf8')))
    .map((file) => file.slice(0, -'.ts'.length))
    .filter((name) => filters.length === 0 || filters.some((filter) => name.includes(filter)))
    .sort();
}

/** Calls `exported()` of `folder/name.ts` in a process of its own and gives back what it resolves to (plain data). What it prints goes to standard error. */
export async function runModule<T>(folder: string, name: string, exported: string): Promise<ModuleRun<T>> {
  // Two folders below the root: `BUNDLE_OPTIONS` says why.
  const outdir = join(root, `dist-${folder}`, name);
  const entry = `import { ${exported} } from './${name}.ts';
const value = await ${exported}();
process.send({ value, peakMiB: process.resourceUsage().maxRSS / 1024 }, () => process.disconnect());`;
  rmSync(outdir, { recursive: true, force: true });
  await build({
    ...BUNDLE_OPTIONS,
    sourcesContent: true,
    stdin: { contents: entry, resolveDir: join(root, folder), sourcefile: `${name}-process.ts`, loader: 'ts' },
    outdir,
    entryNames: name,
    outExtension: { '.js': '.mjs' },
  });
  return await runProcess<T>(join(outdir, `${name}.mjs`));
}

async function runProcess<T>(file: string): Promise<ModuleRun<T>> {
  const startMs = performance.now();
  const child = spawn(process.execPath, ['--expose-gc', '--enable-source-maps', file], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  child.stdout?.pipe(process.stderr);
  let answer: { value: T; peakMiB: number } | undefined;
  child.on('message', (message) => {
    answer = message as { value: T; peakMiB: number };
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((done) =>
    child.on('close', (...ending) => done(ending)),
  );
  if (answer === undefined || code !== 0)
    throw new Error(`${basename(file, '.mjs')} ended with ${signal ?? `exit code ${code}`}`);
  return { ...answer, wallSeconds: (performance.now() - startMs) / 1000 };
}
