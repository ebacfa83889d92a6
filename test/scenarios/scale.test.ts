/** A thousand nodes, each with a program. How long it takes to start them is measured in `bench/scale.ts`. */
import { describe, expect, it } from 'vitest';
import { loadTopologyFile, type RunOptions, type RunResult, run } from '../../src/cluster/index.ts';
import { PROFILES } from '../../src/hca/index.ts';
import { completionTimePs } from '../../validate/laws-transport.ts';

const FILE = 'topologies/fat-tree-k16.yaml';
const BYTES = 4096;
/** Hosts of a pod: with this shift every packet goes up to a core switch and down again. */
const POD = 64;

const topology = loadTopologyFile(FILE);

function shift(placement: Pick<RunOptions, 'placement' | 'workers'>): Promise<RunResult> {
  return run({
    topology,
    topologyFile: FILE,
    program: { kind: 'file', path: 'test/kit/shift.ts' },
    programArgs: [String(POD), String(BYTES)],
    ...placement,
  });
}

/** Time of one write from pod to pod with nothing in its way: six cables, five switches. */
function unloadedPs(): number {
  const profile = PROFILES.find(({ name }) => name === topology.nodes[0]?.hcas[0]?.profile);
  const [link] = topology.links;
  const [first] = topology.switches;
  if (profile === undefined || link === undefined || first === undefined) throw new Error(`${FILE} has changed`);
  const path = {
    psPerByte: { num: link.psPerByteNumerator, den: link.psPerByteDenominator },
    fixedPs: 6 * link.propagationPs + 5 * first.latencyPs,
    mtuBytes: link.mtu,
    inlineBytes: 0,
  };
  return completionTimePs(profile, path, 'write', BYTES);
}

describe('1024 nodes', () => {
  it('write to each other by a shift in no more time than one write takes alone, wherever they live', async () => {
    expect(topology.nodes).toHaveLength(1024);
    const inline = await shift({ placement: 'inline' });
    const times = Object.values(inline.perNode) as { startPs: number; endPs: number }[];
    expect(new Set(times.map(({ startPs, endPs }) => endPs - startPs))).toEqual(new Set([unloadedPs()]));
    const pool = await shift({ placement: 'pool', workers: 2 });
    expect(pool.run).toMatchObject({ hash: inline.run.hash, workers: 2 });
  });
});
