/** Every file in `topologies/` passes the check and runs a test program, but for the ring that is there to be refused. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkTopology, loadTopologyFile, run } from '../../src/cluster/index.ts';
import { loadTopologyText } from '../../src/topology/index.ts';

const REFUSED = 'ring-5.yaml';
const files = readdirSync('topologies').filter((name) => name !== 'heddle.schema.json');

describe('what the check finds', () => {
  const pairs = (source: string) => checkTopology(loadTopologyFile(source), {}).findings[2];

  it('counts the pairs that cables join', () => {
    expect(pairs('topologies/two-hosts.yaml')).toBe('min-hop routing reaches all of the 2 ordered pairs of adapter ports');
    expect(pairs('topologies/connectx2-switch.yaml')).toBe(
      'min-hop routing reaches all of the 12 ordered pairs of adapter ports',
    );
    // two rails of eight, which never meet
    expect(pairs('topologies/dual-rail.yaml')).toBe(
      'min-hop routing reaches all of the 112 ordered pairs of adapter ports; no cables join 128 others',
    );
  });

  it('takes profiles of an imported fabric from device ids, and warns where it guesses', () => {
    const file = 'topologies/cluster-96.ibnetdiscover';
    const text = readFileSync(file, 'utf8');
    const { nodes } = loadTopologyFile(file);
    const profiles = new Map(nodes.flatMap(({ hcas }) => hcas.map(({ deviceId, profile }) => [deviceId, profile])));
    expect(Object.fromEntries(profiles)).toEqual({ 4099: 'connectx3-qdr', 4113: 'connect-ib-fdr', 26428: 'connectx2-qdr' });
    const unknown = loadTopologyText(text.replaceAll('devid=0x1011', 'devid=0x7fff'), 'unknown.ibnetdiscover');
    expect(unknown.warnings.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^\d+ of 9\d HCAs have no known device id; profile taken from their link speed$/),
    ]);
  });
});

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
