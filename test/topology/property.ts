/** Property tests in one line: a name, an arbitrary, and what must hold. The seed is fixed; `HEDDLE_SEED` and `HEDDLE_RUNS` change it and the number of runs. */
import fc from 'fast-check';
import { test as vitestTest } from 'vitest';

export { fc };

/** Runs `check` for many values of `arbitrary`; a failure prints the seed and the smallest counter-example. */
export function test<T>(name: string, arbitrary: fc.Arbitrary<T>, check: (value: T) => void, runs = 200): void {
  vitestTest(name, () => {
    fc.assert(fc.property(arbitrary, check), {
      seed: Number(process.env.HEDDLE_SEED ?? 1),
      numRuns: Number(process.env.HEDDLE_RUNS ?? runs),
    });
  });
}
