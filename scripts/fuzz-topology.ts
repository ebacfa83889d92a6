/**
 * Damages the shipped topology files at random, loads them, and runs `ib_send_lat` on those that load: `npx tsx scripts/fuzz-topology.ts [runs] [seed]`,
 * 50,000 runs by default. Prints how many ran, how many were refused, by the loader or by the run, and the slowest; any other exception stops it with the seed and run
 * that made it. Runs end at 20 simulated ms at the latest.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { run as runProgram } from '../src/cluster/index.ts';
import { HCA_CATALOG, XEN_CATALOG } from '../src/cluster/load.ts';
import { ConfigError, DeadlockError, ProgramError } from '../src/sim/index.ts';
import { loadTopologyBytes, type Topology, TopologyError } from '../src/topology/index.ts';
import { edits, mutate } from '../test/topology/mutations.ts';

const runs = Number(process.argv[2] ?? 50_000);
const seed = Number(process.argv[3] ?? 1);
const folder = fileURLToPath(new URL('../topologies/', import.meta.url));
const names = readdirSync(folder).filter((name) => name !== 'heddle.schema.json');
const texts = new Map(names.map((name) => [name, readFileSync(folder + name, 'utf8')]));
/** Fabrics of hundreds of switches are built whole each time; they take their turn, but not every turn. */
const isLarge = (name: string) => ['fat-tree-k16.yaml', 'tree-648.yaml', 'cluster-96.ibnetdiscover'].includes(name);
const anyName = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(...names.filter((name) => !isLarge(name))) },
  { weight: 1, arbitrary: fc.constantFrom(...names.filter(isLarge)) },
);
const counts = { 'ran well': 0, 'refused by the loader': 0, 'refused by the run': 0, 'stood still': 0, 'program failed': 0 };
let slowest = { ms: 0, name: '', run: 0 };
let run = 0;

/** What became of a topology that loaded. */
async function outcomeOf(topology: Topology, name: string): Promise<keyof typeof counts> {
  try {
    await runProgram({
      topology,
      topologyFile: name,
      program: { kind: 'builtin', name: 'ib_send_lat' },
      programArgs: ['-n', '5'],
      placement: 'inline',
      untilPs: 20e9,
    });
    return 'ran well';
  } catch (error) {
    // What the program reports, a completion with an error, say, is an outcome as on hardware.
    if (error instanceof ConfigError && error.issues.length > 0) return 'refused by the run';
    if (error instanceof DeadlockError) return 'stood still';
    if (error instanceof ProgramError && !/InvariantError|TypeError|RangeError/.test(error.message)) return 'program failed';
    throw error;
  }
}

async function tryOne(name: string, bytes: Uint8Array): Promise<void> {
  let topology: Topology;
  try {
    topology = loadTopologyBytes(bytes, name, { catalog: HCA_CATALOG, xen: XEN_CATALOG });
  } catch (error) {
    if (!(error instanceof TopologyError) || error.issues.length === 0) throw error;
    counts['refused by the loader']++;
    return;
  }
  counts[await outcomeOf(topology, name)]++;
}

const report = () =>
  console.log(
    `${run} runs: ${Object.entries(counts)
      .map(([what, count]) => `${count} ${what}`)
      .join(', ')}; slowest ${slowest.ms.toFixed(0)} ms (${slowest.name})`,
  );

const result = await fc.check(
  fc.asyncProperty(anyName, edits, async (name, list) => {
    run++;
    const start = performance.now();
    await tryOne(name, mutate(texts.get(name)!, list));
    const ms = performance.now() - start;
    if (ms > slowest.ms) slowest = { ms, name, run };
    if (run % 10_000 === 0) report();
  }),
  { numRuns: runs, seed, endOnFailure: true },
);
report();
if (result.failed) {
  console.error(`seed ${seed}, run ${result.numRuns}: ${fc.stringify(result.counterexample)}`);
  console.error(result.errorInstance);
  process.exitCode = 1;
}
