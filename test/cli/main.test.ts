/** The program itself, as a process: exit codes, and a reader that goes away. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

/** Runs `heddle WORDS`; with `closeOutput` its standard output is closed before it can print. */
function heddle(words: readonly string[], closeOutput = false): Promise<Ending> {
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  if (closeOutput) child.stdout.destroy();
  else child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, out, err })));
}

describe('the process', () => {
  it('ends with the exit code of the command line, all of its output written', async () => {
    const [help, version, wrong] = await Promise.all([heddle(['run', '--help']), heddle(['--version']), heddle(['rum'])]);
    expect(help).toMatchObject({ code: 0, signal: null, err: '' });
    expect(help.out.endsWith('the options of a program\n')).toBe(true);
    expect(version).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
    expect(wrong).toMatchObject({ code: 2, out: '', err: expect.stringContaining('did you mean run?') });
  });

  it('ends quietly when its reader is gone', async () => {
    expect(await heddle(['--help'], true)).toMatchObject({ code: 0, signal: null, err: '' });
  });
});
