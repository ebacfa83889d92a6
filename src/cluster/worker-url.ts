/** Where the modules lie that worker threads run. */
import { readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../sim/index.ts';

/**
 * A module that a worker runs: built JavaScript, since Node 20 loads no TypeScript in a worker. Built code lies two folders below the root, as this file does.
 * When this very module runs from source, the build must not be older than the source, or nodes in workers would be other nodes than those in this thread. Throws `ConfigError` then.
 */
export function workerUrl(name: 'worker' | 'solo-worker'): URL {
  const built = new URL(`../../dist/cluster/${name}.js`, import.meta.url);
  if (import.meta.url.endsWith('.ts')) requireFresh(built);
  return built;
}

let isFresh = false;

function requireFresh(built: URL): void {
  if (isFresh) return;
  const source = fileURLToPath(new URL('..', import.meta.url));
  const builtMs = statSync(built, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  for (const file of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (file.endsWith('.ts') && statSync(`${source}/${file}`).mtimeMs > builtMs)
      throw new ConfigError([
        {
          file: 'dist',
          path: '',
          message: `is older than src/${file}, and worker threads run it; accepted: a build of the present source (npm run build)`,
        },
      ]);
  }
  isFresh = true;
}
