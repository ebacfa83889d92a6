/**
 * READs a second against the number of queue pairs: beyond what the adapter's context cache holds the rate falls. Eleven machines with eight threads each, as
 * measured with rdma_bench; the eight threads of a machine stand here as one that is eight times as fast. `npm run validate -- qp-cache`.
 */
import { HCA_CATALOG, run } from '../src/cluster/index.ts';
import { PROFILES } from '../src/hca/index.ts';
import { loadTopologyText, type Topology } from '../src/topology/index.ts';
import { QP_CACHE } from './published.ts';
import { compare, type ValidationTable } from './types.ts';

const MACHINES = 11;
const THREADS = 8;
/** READs under way in each thread: not published; the fit of entries and miss cost goes with it. */
const WINDOW = 4;
const TOLERANCE_PERCENT = 15;
const CPU_PARAMETERS = ['postPs', 'pollPs', 'pollNextPs', 'pollEmptyPs'] as const;

function cluster(overrides: Readonly<Record<string, number>>): Topology {
  const profile = PROFILES.find(({ name }) => name === 'connectx3-qdr') as (typeof PROFILES)[number];
  const cpu = CPU_PARAMETERS.map((name) => [name, Math.round(profile[name] / THREADS)]);
  const hca = { profile: profile.name, overrides: { ...Object.fromEntries(cpu), ...overrides } };
  const text = `
heddle: 1
name: qp-cache
defaults:
  node: { hca: ${JSON.stringify(hca)} }
  switch: { type: infiniscale-iv }
  link: { speed: QDR, width: 4x, length: 3m, mtu: 2048 }
switches: { switch1: {} }
nodes:
  machine[1-${MACHINES}]: { role: processor }
links:
  - machine[1-${MACHINES}] -> switch1:[1-${MACHINES}]
`;
  return loadTopologyText(text, 'qp-cache', { catalog: HCA_CATALOG });
}

/** Millions of READs a second and machine with `qps` queue pairs a machine; `reads` are done by each machine. */
export async function readRate(qps: number, reads: number, overrides: Readonly<Record<string, number>> = {}): Promise<number> {
  const { perNode } = await run({
    topology: cluster(overrides),
    topologyFile: 'qp-cache',
    program: { kind: 'file', path: 'validate/programs/random-reads.ts' },
    programArgs: [qps, reads, THREADS * WINDOW].map(String),
    placement: 'inline',
  });
  const rates = Object.values(perNode) as number[];
  return rates.reduce((sum, rate) => sum + rate, 0) / rates.length / 1e6;
}

export async function rows(): Promise<readonly ValidationTable[]> {
  const rates = [];
  for (const [qps, published] of QP_CACHE)
    rates.push(compare(`${qps} queue pairs`, published, await readRate(qps, 900), TOLERANCE_PERCENT));
  return [
    {
      title: 'Queue pair contexts: ConnectX-3, 32-byte READs',
      source: 'rdma_bench, 11 machines with 8 threads each, against queue pairs a machine',
      unit: 'million READs a second and machine',
      rows: rates,
    },
  ];
}
