/** Every file in `topologies/` passes the check and runs a test program, but for the ring that is there to be refused. */
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkTopology, loadTopologyFile, run } from '../../src/cluster/index.ts';

const REFUSED = 'ring-5.yaml';
const files = readdirSync('topologies').filter((name) => name !== 'heddle.schema.json');

describe.each(files.map((file) => [file]))('topologies/%s', (file) => {
  const topologyFile = `topologies/${file}`;
  const allowCycles = file === REFUSED;

  it('passes the check', () => {
    const topology = loadTopologyFile(topologyFile);
    if (file === REFUSED) expect(() => checkTopology(topology, {})).toThrow(/can deadlock: 5 channels wait for each other/);
    const { findings, warnings } = checkTopology(topology, { allowCycles });
    expect(findings.length).toBe(allowCycles ? 3 : 4);
    expect(warnings.length).toBe(allowCycles ? 1 : 0);
  });

  it('runs ib_send_lat', async () => {
    const program = { kind: 'builtin', name: 'ib_send_lat' } as const;
    const options = { topology: loadTopologyFile(topologyFile), topologyFile, program, programArgs: ['-n', '5'], allowCycles };
    const { results, run: summary } = await run({ ...options, placement: 'inline' });
    expect(results).toMatchObject([{ MsgSize: 2, n_iterations: 5 }]);
    // no host bus and cable is faster than 0.2 us one way, and none of these fabrics is so slow as 10 us
    const [{ t_typical }] = results as [{ t_typical: number }];
    expect(t_typical).toBeGreaterThan(0.2);
    expect(t_typical).toBeLessThan(10);
    expect(summary.packets).toBe(20);
  });
});
