import { describe, expect, it } from 'vitest';
import { assert, ConfigError, formatIssue, InvariantError } from '../../src/sim/index.ts';

describe('errors', () => {
  it('names file, line, column and field', () => {
    expect(formatIssue({ file: 'a.yaml', line: 3, column: 7, path: 'links[0].width', message: 'found 3x' })).toBe(
      'a.yaml:3:7: links[0].width: found 3x',
    );
    expect(formatIssue({ file: '--seed', path: '', message: 'not a number' })).toBe('--seed: not a number');
  });

  it('keeps all issues of one input', () => {
    const error = new ConfigError([
      { file: 'a', path: 'x', message: 'one' },
      { file: 'a', path: 'y', message: 'two' },
    ]);
    expect(error.message).toBe('a: x: one\na: y: two');
    expect(error.issues).toHaveLength(2);
  });

  it('evaluates an assertion message only when it is needed', () => {
    assert(true, () => {
      throw new Error('evaluated');
    });
    expect(() => assert(false, () => 'late')).toThrow(new InvariantError('late'));
  });
});
