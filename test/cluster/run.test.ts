import { expect, it } from 'vitest';
import { loadTopologyFile, run } from '../../src/cluster/index.ts';

const base = {
  topology: loadTopologyFile('back-to-back'),
  topologyFile: 'back-to-back',
  program: { kind: 'builtin', name: 'ib_send_lat' },
  programArgs: ['-n', '10'],
  placement: 'inline',
} as const;

it('a run that its end cuts short says so; one that was over before does not', async () => {
  const short = await run({ ...base, untilPs: 100e6 });
  expect(short.warnings).toEqual(['--until ended the run at 100 us; 2 of 2 programs had not finished']);
  expect(short.results).toEqual([]);
  const long = await run({ ...base, untilPs: 1e12 });
  expect(long.warnings).toEqual([]);
  expect(long.results).toHaveLength(1);
});
