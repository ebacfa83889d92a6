import { defineConfig } from 'vitest/config';

// One process, threads without isolation: a module-level mutable in the code under test then shows as a failing neighbour.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/interop/**', 'node_modules/**'],
    pool: 'threads',
    isolate: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
