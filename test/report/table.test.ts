import { describe, expect, it } from 'vitest';
import { formatCount, formatNs, formatScaled, formatShare, formatTable } from '../../src/report/index.ts';

describe('formatTable', () => {
  it('puts numbers to the right and words to the left', () => {
    const lines = formatTable(
      [{ title: 'name' }, { title: 'ns' }, { title: 'share' }],
      [
        ['post', '12.5', '1.0 %'],
        ['payload read', 7, '99.0 %'],
      ],
    );
    expect(lines).toEqual(['name            ns   share', 'post          12.5   1.0 %', 'payload read     7  99.0 %']);
  });

  it('fills short rows, indents, and leaves no blanks at line ends', () => {
    expect(formatTable([{ title: 'a' }, { title: 'b', align: 'left' }], [['1'], ['22', 'x']], '> ')).toEqual([
      '>  a  b',
      '>  1',
      '> 22  x',
    ]);
  });
});

describe('numbers', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1000, '1,000'],
    [1234567, '1,234,567'],
  ])('counts %d', (value, text) => expect(formatCount(value)).toBe(text));

  it.each([
    [0, '0'],
    [12, '12'],
    [1.5, '1.50'],
    [999.6, '1.00 k'],
    [1000, '1.00 k'],
    [99_940, '99.9 k'],
    [99_960, '100 k'],
    [7.1e6, '7.10 M'],
    [1.25e10, '12.5 G'],
  ])('scales %d', (value, text) => expect(formatScaled(value)).toBe(text));

  it.each([
    [0, '0.000'],
    [7, '0.007'],
    [1234567, '1234.567'],
    [1234567.5, '1234.5675'],
    [-1500, '-1.500'],
    [9_007_199_254_740_991, '9007199254740.991'],
  ])('writes %d ps exactly', (value, text) => expect(formatNs(value)).toBe(text));

  it('writes shares', () => expect(formatShare(0.12345)).toBe('12.3 %'));
});
