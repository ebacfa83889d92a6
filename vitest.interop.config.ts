import { defineConfig } from 'vitest/config';

// Tests that need a Debian package; scripts/setup-interop installs what they need.
export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    pool: 'threads',
    isolate: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
