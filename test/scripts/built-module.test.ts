import { describe, expect, it } from 'vitest';
import { modulesOf } from '../../scripts/built-module.ts';

describe('modulesOf', () => {
  it('finds modules by what they export, not the runner and its types', () => {
    const found = modulesOf('validate', 'rows', []);
    expect(found).toContain('routing');
    expect(found).not.toContain('index');
    expect(found).not.toContain('types');
    expect(modulesOf('validate', 'nothing', [])).toEqual([]);
  });

  it('keeps those that a filter names', () => {
    expect(modulesOf('validate', 'rows', ['rout'])).toEqual(['routing']);
    expect(modulesOf('validate', 'rows', ['no such module'])).toEqual([]);
  });
});
