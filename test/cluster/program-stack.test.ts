import { describe, expect, it } from 'vitest';
import { loadProgram, prepareProgram, provideLibrary } from '../../src/cluster/program-loader.ts';
import { programStack } from '../../src/cluster/program-stack.ts';

describe('stack of a program', () => {
  it('names the file and the line of the program as it was written', async () => {
    await provideLibrary();
    const source = await prepareProgram({ kind: 'file', path: 'test/kit/throws.ts' });
    const program = await loadProgram(source);
    const error = await Promise.resolve(program.run({} as never)).catch((thrown: unknown) => thrown);
    const text = programStack(error, source);
    expect(text).toContain('RangeError: thrown on line 5');
    expect(text).toMatch(/test\/kit\/throws\.ts:5:\d+/);
    expect(text).not.toContain('base64');
  });

  it('takes what is no error as it is', () => {
    expect(programStack('just text', { kind: 'builtin', name: 'x' })).toBe('just text');
  });
});
