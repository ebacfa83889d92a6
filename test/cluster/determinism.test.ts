/** The same input gives the same hash, whatever the number of threads and wherever the nodes live. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadTopologyFile, type ProgramReference, run, type RunOptions } from '../../src/cluster/index.ts';

const PLACEMENTS: readonly Pick<RunOptions, 'placement' | 'workers'>[] = [
  { placement: 'inline' },
  { placement: 'pool', workers: 1 },
  { placement: 'pool', workers: 2 },
  { placement: 'pool', workers: 4 },
  { placement: 'dedicated' },
];
const MESH: ProgramReference = { kind: 'file', path: 'test/kit/mesh.ts' };

/** The distinct hashes of a run in all placements. */
async function hashes(
  source: string,
  program: ProgramReference,
  programArgs: readonly string[],
  seed = 1,
  placements = PLACEMENTS,
): Promise<string[]> {
  const found = new Set<string>();
  for (const placement of placements) {
    const result = await run({
      topology: loadTopologyFile(source),
      topologyFile: source,
      program,
      programArgs,
      seed,
      ...placement,
    });
    found.add(result.run.hash);
  }
  return [...found];
}

describe('determinism over placements', () => {
  it.each([
    ['topologies/two-hosts.yaml', 'ib_write_lat', ['-s', '20000', '-n', '10']],
    ['topologies/connectx2-switch.yaml', 'ib_send_bw', ['-s', '65536', '-n', '6']],
    ['topologies/connectx2-switch.yaml', 'ib_send_lat', ['-c', 'UD', '-s', '1024', '-n', '20']],
    ['topologies/connectx2-switch.yaml', 'ib_read_bw', ['-s', '4096', '-n', '20']],
    ['topologies/connectx2-switch.yaml', 'ib_atomic_lat', ['-n', '20']],
    ['topologies/connectx2-switch.yaml', 'ibv_ud_pingpong', ['-n', '20']],
  ])('%s %s %j has one hash', async (source, name, args) => {
    expect(await hashes(source, { kind: 'builtin', name }, args)).toHaveLength(1);
  });

  it('has one hash for random traffic of everything on random fabrics', async () => {
    const fabric = fc.oneof(
      fc.integer({ min: 2, max: 6 }).map((hosts) => `star:hosts=${hosts}`),
      fc.constantFrom('fat-tree:k=4,levels=2', 'mesh:dimensions=2x3', 'star:hosts=7'),
    );
    await fc.assert(
      fc.asyncProperty(fabric, fc.integer({ min: 1, max: 2 ** 31 }), async (source, seed) => {
        const placements = [PLACEMENTS[0], PLACEMENTS[2], PLACEMENTS[3]] as typeof PLACEMENTS;
        expect(await hashes(source, MESH, ['10'], seed, placements)).toHaveLength(1);
      }),
      { numRuns: 4 },
    );
  });

  it('has another hash for another seed', async () => {
    const one = await hashes('star:hosts=3', MESH, ['10'], 1, [{ placement: 'inline' }]);
    const two = await hashes('star:hosts=3', MESH, ['10'], 2, [{ placement: 'inline' }]);
    expect(one).not.toEqual(two);
  });
});
