/** `heddle top`: screens of domains in order of virtual time, and what makes none. */
import { expect, it } from 'vitest';
import { topCommand } from '../../src/cli/top.ts';
import { loadTopologyFile, run } from '../../src/cluster/index.ts';

it('asks a run for samples, which come in order', async () => {
  const times: number[] = [];
  const result = await run({
    topology: loadTopologyFile('topologies/xen-neighbours.yaml'),
    topologyFile: 'x',
    program: { kind: 'builtin', name: 'ping' },
    programArgs: ['-c', '2', '-i', '0.2'],
    placement: 'inline',
    domains: true,
    sampleEveryPs: 50e9,
    onDomains: ({ atPs, domains }) => {
      times.push(atPs);
      // The neighbours share one pCPU and never leave it idle, once they are there.
      const hogs = domains.filter(({ name }) => name.startsWith('hog'));
      for (const { runningPs, runnablePs } of hogs) expect(runningPs + runnablePs).toBeLessThanOrEqual(atPs);
    },
  });
  expect(times.length).toBeGreaterThan(3);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(result.domains?.map(({ name }) => name)).toEqual(['Domain-0', 'g', 'hog1', 'hog2', 'hog3']);
});

it('takes the options of a run that choose who runs what', () => {
  expect(Object.keys(topCommand.options)).toEqual(
    expect.arrayContaining(['every', 'batch', 'client', 'server', 'nodes', 'placement']),
  );
  expect(topCommand.options).not.toHaveProperty('json');
});
