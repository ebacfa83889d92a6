/**
 * Writes the package's JavaScript: `dist/` with one file an entry point, and what they share in `dist/chunks/`. The compiler has checked types and written
 * declarations before (`npm run build`). What an earlier build left is removed.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { BUNDLE_OPTIONS } from './bundle.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What is started by its file's name: the command, the library, and the bodies of worker threads. */
const ENTRY_POINTS = ['src/cli/main.ts', 'src/index.ts', 'src/cluster/worker.ts', 'src/cluster/solo-worker.ts'];

const { metafile } = await build({
  ...BUNDLE_OPTIONS,
  absWorkingDir: root,
  entryPoints: ENTRY_POINTS,
  outbase: 'src',
  outdir: 'dist',
  chunkNames: 'chunks/[name]-[hash]',
  metafile: true,
});
const written = new Set(Object.keys(metafile.outputs).map((file) => resolve(root, file)));
for (const file of readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' })) {
  const path = join(root, 'dist', file);
  if (/\.js(\.map)?$/.test(file) && !written.has(path)) rmSync(path);
}
for (const path of declarationsWithoutSource()) rmSync(path);

/** Declarations of sources that are gone: the compiler leaves them. */
function declarationsWithoutSource(): string[] {
  const sources = new Set(readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }));
  return readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.d.ts') && !sources.has(file.replace(/\.d\.ts$/, '.ts')))
    .map((file) => join(root, 'dist', file));
}
