import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { didYouMean, editDistance } from '../../src/cli/near.ts';

describe('editDistance', () => {
  const word = fc.string({ maxLength: 8, unit: fc.constantFrom('a', 'b', 'c') });

  it.each([
    ['seed', 'sede', 1],
    ['seed', 'seed', 0],
    ['json', 'jsn', 1],
    ['', 'abc', 3],
    ['placement', 'palcemnet', 2],
  ])('%s, %s: %d', (a, b, distance) => expect(editDistance(a, b)).toBe(distance));

  it('is symmetric, 0 only for equal words, and at most 1 after one deletion', () => {
    fc.assert(
      fc.property(word, word, fc.nat(7), (a, b, at) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, a.slice(0, at) + a.slice(at + 1))).toBe(at < a.length ? 1 : 0);
      }),
    );
  });
});

describe('didYouMean', () => {
  it.each([
    ['sede', '; did you mean seed?'],
    ['SEED', '; did you mean seed?'],
    ['brea', '; did you mean breakdown?'],
    ['xyz', ''],
    ['s', ''],
  ])('%s', (found, text) => expect(didYouMean(found, ['seed', 'json', 'breakdown'])).toBe(text));
});
