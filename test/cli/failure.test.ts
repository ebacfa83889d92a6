import { describe, expect, it } from 'vitest';
import { ConfigError, DeadlockError, InvariantError, ProgramError } from '../../src/sim/index.ts';
import { heddle } from './stand-in.ts';

/** What a run that ends in `error` prints. */
function failing(error: unknown) {
  return heddle('run net.yaml ib_send_lat', { run: () => Promise.reject(error) });
}

describe('a run that fails', () => {
  it('a program: 1, with the node and the place in the program', async () => {
    const cause = new Error('no peer');
    cause.stack = 'Error: no peer\n    at mine (file:///home/me/mine.ts:3:5)\n    at node:internal/process/task_queues:95:5';
    expect(await failing(new ProgramError('cpu2', 'no peer', { cause }))).toMatchObject({
      exitCode: 1,
      out: '',
      err: 'node cpu2: no peer\n    at mine (file:///home/me/mine.ts:3:5)\n',
    });
  });

  it('a standstill: 3, with the wait cycle as it was reported', async () => {
    const report = 'nothing can move:\n  leaf1:3 VL 0 waits for leaf2:4\n  leaf2:4 VL 0 waits for leaf1:3';
    expect(await failing(new DeadlockError(report))).toMatchObject({ exitCode: 3, err: `${report}\n` });
  });

  it('a bug: 70, with time, entity, version and the command line', async () => {
    const { exitCode, err } = await failing(
      Object.assign(new InvariantError('credits below 0'), { timePs: 1_250_000, entity: 'leaf1:3' }),
    );
    expect(exitCode).toBe(70);
    expect(err).toMatch(
      /^heddle has a bug: credits below 0\n {2}at 1\.25 us, in leaf1:3 of the simulation\n {2}heddle 0\.1\.0, Node v\d+/,
    );
    expect(err).toContain(': heddle run net.yaml ib_send_lat\n');
  });

  it('a bug from a worker thread shows the place in the worker alone', async () => {
    const { err } = await failing(new InvariantError('slot released twice\n    at release (pool.js:59:19)'));
    expect(err.match(/^ {4}at /gm)).toHaveLength(1);
  });

  it('a mistake that needs several lines, a cycle link by link, keeps them', async () => {
    const message = 'can deadlock:\n  a -> b\n  b -> a';
    expect(await failing(new ConfigError([{ file: 'net.yaml', path: 'routing', message }]))).toMatchObject({
      exitCode: 2,
      err: `net.yaml: routing: ${message}\n`,
    });
  });

  it.each([new TypeError('x is not a function'), 'a text', undefined])(
    'anything else that is thrown is a bug too: %s',
    async (error) => {
      expect(await failing(error)).toMatchObject({ exitCode: 70, err: expect.stringMatching(/^heddle has a bug: /) });
    },
  );

  it('an error that crossed a thread and lost its class keeps its kind', async () => {
    const copy = Object.assign(new Error('node cpu1: gone'), { name: 'ProgramError' });
    expect(await failing(copy)).toMatchObject({ exitCode: 1, err: expect.stringMatching(/^node cpu1: gone\n/) });
  });
});
