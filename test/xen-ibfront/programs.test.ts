/** The shipped programs in guests, unchanged: where nothing sleeps, they print what they print on bare hosts. */
import { describe, expect, it } from 'vitest';
import { loadTopologyFile, run } from '../../src/cluster/index.ts';

const FILE = 'topologies/xen-bypass.yaml';

async function results(nodes: readonly string[], program: string): Promise<unknown> {
  const [name, ...programArgs] = program.split(' ') as [string, ...string[]];
  const reference = { kind: 'builtin', name } as const;
  const topology = loadTopologyFile(FILE);
  return (await run({ topology, topologyFile: FILE, program: reference, programArgs, nodes, placement: 'inline' })).results;
}

describe('programs in guests', () => {
  it.each(['ib_send_bw -n 100 -s 512 --use-srq -q 4', 'ib_send_lat -n 20 -c UD', 'ib_write_bw -R -n 50 -q 2', 'rping -C 3'])(
    '%s',
    async (program) => {
      expect(await results(['xen1/g1', 'xen2/g1'], program)).toEqual(await results(['bare1', 'bare2'], program));
    },
  );

  it('ib_send_lat -e, which sleeps: later by interrupt, event and upcall', async () => {
    const latency = async (nodes: readonly string[]) =>
      ((await results(nodes, 'ib_send_lat -n 20 -e')) as { t_typical: number }[])[0]!.t_typical;
    const [bare, guest] = [await latency(['bare1', 'bare2']), await latency(['xen1/g1', 'xen2/g1'])];
    expect(guest).toBeGreaterThan(bare + 1);
  });
});
