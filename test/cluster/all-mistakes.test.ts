/** A run that is refused tells every mistake of its options, whatever stage finds it. */
import { expect, it } from 'vitest';
import { loadTopologyFile, run } from '../../src/cluster/index.ts';
import { ConfigError } from '../../src/sim/index.ts';

const topology = loadTopologyFile('star:hosts=3');

async function mistakes(options: object): Promise<string[]> {
  const base = { topology, topologyFile: 'star', program: { kind: 'builtin', name: 'ib_send_lat' }, programArgs: [] } as const;
  const error = await run({ ...base, ...options }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).issues.map(({ file, message }) => `${file}: ${message}`);
}

it('program options, nodes, faults, captures and workers', async () => {
  const found = await mistakes({
    programArgs: ['-n', 'many'],
    client: 'nodeX',
    faults: ['link nowhere down at 1ms'],
    captures: [{ name: 'node9', port: 1 }],
    placement: 'pool',
    workers: 0,
  });
  for (const where of [/many/, /--client: found nodeX/, /--fault: .*nowhere/, /--capture: found node9/, /--workers: found 0/])
    expect(found.filter((text) => where.test(text))).toHaveLength(1);
  expect(found).toHaveLength(5);
});

it('one mistake stays one', async () => {
  expect(await mistakes({ server: 'nodeX', placement: 'inline' })).toEqual([expect.stringContaining('--server: found nodeX')]);
  expect(await mistakes({ program: { kind: 'builtin', name: 'ib_sendlat' }, placement: 'inline' })).toEqual([
    expect.stringContaining('no such program'),
  ]);
  expect(await mistakes({ program: { kind: 'file', path: 'nowhere.ts' }, placement: 'inline', faults: ['x'] })).toEqual([
    expect.stringContaining('nowhere.ts: the program can not be read'),
    expect.stringMatching(/^--fault: /),
  ]);
});
