/**
 * How heddle's sources become JavaScript that runs without a loader: the same for the package (`build.ts`) and for the benchmarks and
 * validations (`built-module.ts`), so that what is measured is code of the kind that is shipped.
 */
import type { BuildOptions } from 'esbuild';

/**
 * Few large modules instead of hundreds of small ones: opening and linking files is most of what a short run costs. Code that several entry points
 * share, or that is imported late, goes to chunks, which must lie two folders below the root, as sources do: they find the package by `../../`.
 * Packages stay imports. Names of functions and classes are left alone, since the fabric evaluates its kernel's text anew.
 */
export const BUNDLE_OPTIONS = {
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  sourcemap: true,
  sourcesContent: false,
  logLevel: 'warning',
} as const satisfies BuildOptions;
