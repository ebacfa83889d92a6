/** Programs that throw, never wait, or wait for what does not come: the run ends, in every placement, with an error that names the node. */
import { describe, expect, it } from 'vitest';
import { loadTopologyFile, type RunOptions, run } from '../../src/cluster/index.ts';
import { DeadlockError, ProgramError } from '../../src/sim/index.ts';

const FILE = 'star:hosts=3';
const WATCHDOG_MS = 300;
const topology = loadTopologyFile(FILE);
const names = topology.nodes.map(({ name }) => name);
/** The rank that breaks. */
const WHO = 1;

const PLACEMENTS: readonly Pick<RunOptions, 'placement' | 'workers'>[] = [
  { placement: 'inline' },
  { placement: 'pool', workers: 1 },
  { placement: 'pool', workers: 2 },
];
const THREADS = PLACEMENTS.slice(1);

/** What the run ends with. */
async function failure(how: string, placement: Pick<RunOptions, 'placement' | 'workers'>): Promise<Error> {
  const result = run({
    topology,
    topologyFile: FILE,
    program: { kind: 'file', path: 'test/kit/trouble.ts' },
    programArgs: [how, String(WHO)],
    watchdogMs: WATCHDOG_MS,
    ...placement,
  });
  return result.then(
    () => new Error('the run ended well'),
    (error: Error) => error,
  );
}

describe.each(PLACEMENTS)('a program in placement %j', (placement) => {
  it.each([
    ['throw', /TypeError: the cat is on the keyboard/],
    ['await', /awaits something that is not simulated/],
    ['reject', /TypeError: nobody catches this/],
    ['loop', /ran for 0.3 s without waiting/],
  ])('that does %j ends the run with the name of its node', async (how, message) => {
    const error = await failure(how, placement);
    expect(error.message).toMatch(message);
    expect(error).toBeInstanceOf(ProgramError);
    expect(error).toMatchObject({ node: names[WHO] });
    expect(error.message).toContain(`node ${names[WHO]}: `);
  });

  it('that waits for a message that nobody sends ends the run as a standstill', async () => {
    const error = await failure('wait', placement);
    expect(error).toBeInstanceOf(DeadlockError);
    expect(error.message).toContain(`${names[WHO]} waits for message from ${names[0]}`);
    expect(error.message).toContain(`${names[0]} waits for barrier`);
    expect(error.message).toContain('3 of 3 programs have not finished');
  });

  it('does no harm to the run after it', async () => {
    const { perNode } = await run({
      topology,
      topologyFile: FILE,
      program: { kind: 'file', path: 'test/kit/trouble.ts' },
      programArgs: ['nothing'],
      ...placement,
    });
    expect(Object.keys(perNode)).toEqual(names);
  });
});

describe.each(THREADS)('a program in placement %j', (placement) => {
  it('that ends its thread ends the run with an error', async () => {
    expect((await failure('exit', placement)).message).toMatch(/thread.* ended by itself, code 3/);
  });
});

describe('a program', () => {
  it.each([
    ['throw a string', /just a string/, { placement: 'inline' }],
    ['loop in microtasks', /ran for 0.3 s without waiting/, { placement: 'inline' }],
    ['loop in microtasks', /ran for 0.3 s without waiting/, { placement: 'pool', workers: 2 }],
    ['throw', /the cat is on the keyboard/, { placement: 'dedicated' }],
    ['loop', /ran for 0.3 s without waiting/, { placement: 'dedicated' }],
  ] as const)('that does %j ends the run with the name of its node (%s, %j)', async (how, message, placement) => {
    const error = await failure(how, placement);
    expect(error.message).toMatch(message);
    expect(error).toMatchObject({ node: names[WHO] });
  });
});
