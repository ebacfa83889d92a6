import { describe, expect, it } from 'vitest';
import { RandomStream } from '../../src/sim/index.ts';

describe('random stream', () => {
  it('depends on seed and name alone', () => {
    const draw = (seed: number, name: string) =>
      Array.from(
        { length: 4 },
        (
          (s) => () =>
            s.uint32()
        )(new RandomStream(seed, name)),
      );
    expect(draw(1, 'a')).toEqual(draw(1, 'a'));
    expect(draw(1, 'a')).not.toEqual(draw(1, 'b'));
    expect(draw(1, 'a')).not.toEqual(draw(2, 'a'));
    expect(draw(1, 'a')).not.toEqual(draw(1 + 2 ** 32, 'a'));
  });

  it('is uniform: chi-square over 64 cells of below() and of the top bits', () => {
    const stream = new RandomStream(7, 'chi');
    const cells = new Array<number>(64).fill(0);
    const draws = 64_000;
    for (let i = 0; i < draws; i++) cells[stream.below(64)]!++;
    const expected = draws / 64;
    const chi = cells.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    // 63 degrees of freedom: 99.99 % below 115.
    expect(chi).toBeLessThan(115);
  });

  it('has mean 1/2 and mean 1 where it should', () => {
    const stream = new RandomStream(3, 'mean');
    let uniform = 0;
    let exponential = 0;
    for (let i = 0; i < 20_000; i++) {
      uniform += stream.float();
      exponential += stream.exponential();
    }
    expect(uniform / 20_000).toBeCloseTo(0.5, 1);
    expect(exponential / 20_000).toBeCloseTo(1, 1);
  });

  it('shuffles to a permutation', () => {
    const items = Array.from({ length: 100 }, (_, i) => i);
    const shuffled = new RandomStream(1, 's').shuffle([...items]);
    expect(shuffled).not.toEqual(items);
    expect([...shuffled].sort((a, b) => a - b)).toEqual(items);
  });
});
