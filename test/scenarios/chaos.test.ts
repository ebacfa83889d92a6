/**
 * Programs that make random calls, right and wrong, on random small fabrics that lose packets, cables, switches and nodes. Whatever happens is an outcome: a status, a refused call. A bug of the
 * simulator, a hang, a packet or payload slot that is lost (every run ends with these assertions) or a result that depends on the placement is not.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { loadTopologyFile, run } from '../../src/cluster/index.ts';
import { RandomStream } from '../../src/sim/index.ts';

const FABRICS = [
  'star:hosts=2',
  'star:hosts=3',
  'star:hosts=4,speed=QDR,mtu=2048',
  'star:hosts=3,speed=HDR,model=fifo',
  'mesh:dimensions=2x2',
  'fat-tree:k=4,levels=2,speed=FDR',
];
const OPERATIONS = '80';

/** Up to three things that break within the first millisecond, which is when the programs are at work. */
function randomFaults(source: string, seed: number): string[] {
  const topology = loadTopologyFile(source);
  const stream = new RandomStream(seed, 'faults');
  const time = () => `${1 + stream.below(1000)}us`;
  const node = () => topology.nodes[stream.below(topology.nodes.length)]?.name;
  const sw = () => topology.switches[stream.below(topology.switches.length)]?.name;
  const kinds = [
    () => `link ${node()} ber ${['1e-6', '1e-5', '1e-4'][stream.below(3)]} at ${time()} for ${time()}`,
    () => `link ${node()} down at ${time()} for ${time()}`,
    () => `node ${node()} slow ${['1GB/s', '50MB/s'][stream.below(2)]} at ${time()} for ${time()}`,
    () => `node ${node()} dies at ${time()}`,
    () => `switch ${sw()} dies at ${time()}`,
  ];
  // the first three are drawn twice as often
  return Array.from({ length: stream.below(4) }, () => kinds[stream.below(8) % 5]?.() as string);
}

async function hashOf(source: string, seed: number, placement: 'inline' | 'pool'): Promise<string> {
  const result = await run({
    topology: loadTopologyFile(source),
    topologyFile: source,
    program: { kind: 'file', path: 'test/kit/chaos.ts' },
    programArgs: [OPERATIONS],
    seed,
    faults: randomFaults(source, seed),
    placement,
    ...(placement === 'pool' ? { workers: 2 } : {}),
  });
  return result.run.hash;
}

const cases = [fc.constantFrom(...FABRICS), fc.integer({ min: 1, max: 2 ** 31 - 1 })] as const;

it('ends well, whatever programs and cables do', { timeout: 60_000 }, async () => {
  const property = fc.asyncProperty(...cases, async (source, seed) => void (await hashOf(source, seed, 'inline')));
  await fc.assert(property, { numRuns: 12 });
});

it('ends the same in two workers', { timeout: 60_000 }, async () => {
  const property = fc.asyncProperty(...cases, async (source, seed) => {
    expect(await hashOf(source, seed, 'pool')).toBe(await hashOf(source, seed, 'inline'));
  });
  await fc.assert(property, { numRuns: 3 });
});
