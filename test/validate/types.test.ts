import { describe, expect, it } from 'vitest';
import { compare } from '../../validate/types.ts';

describe('compare', () => {
  it.each([
    // published, ours, plus, minus, ok
    [100, 103, 3, 3, true],
    [100, 97, 3, 3, true],
    [100, 103.1, 3, 3, false],
    [100, 96.9, 3, 3, false],
    [100, 100, 0, 3.5, true],
    [100, 100.1, 0, 3.5, false],
    [100, 96.5, 0, 3.5, true],
    [100, Number.NaN, 50, 50, false],
  ])('%d, %d within +%d / -%d %%: %s', (published, ours, plus, minus, ok) => {
    expect(compare('x', published, ours, plus, minus).ok).toBe(ok);
  });

  it('says the tolerance as it is', () => {
    expect(compare('x', 1, 1, 5).tolerance).toBe('±5 %');
    expect(compare('x', 1, 1, 0, 3.5).tolerance).toBe('+0 / -3.5 %');
  });
});
