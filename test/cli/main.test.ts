/** The program itself, as a process: exit codes, and a reader that goes away. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

const topology = fileURLToPath(new URL('../../topologies/two-hosts.yaml', import.meta.url));

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
  return ending(child, () => ({ out, err }));
}

function ending(child: ChildProcess, texts: () => { out: string; err: string }): Promise<Ending> {
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, ...texts() })));
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

  it.each(['inline', 'pool'])('is killed by Ctrl-C at once, in the midst of a run (%s)', async (placement) => {
    const words = ['run', '--show', 'all', '--placement', placement, topology, 'ib_write_bw', '-n', '100000000'];
    const child = spawn(process.execPath, ['--import', 'tsx', main, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
    let err = '';
    child.stderr.on('data', (chunk) => (err += chunk));
    // The programs have begun, and will not end by themselves for hours.
    child.stdout.once('data', () => child.kill('SIGINT'));
    expect(await ending(child, () => ({ out: '', err }))).toMatchObject({ code: null, signal: 'SIGINT', err: '' });
  });
});
