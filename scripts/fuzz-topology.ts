/**
 * Damages the shipped topology files at random and loads them: `npx tsx scripts/fuzz-topology.ts [runs] [seed]`, 50,000 runs by default.
 * Prints how many loaded and how many were refused, and the slowest; any other exception stops it with the seed and run that made it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { loadTopologyBytes, TopologyError } from '../src/topology/index.ts';
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
const counts = { loaded: 0, refused: 0 };
let slowest = { ms: 0, name: '', run: 0 };
let run = 0;

const result = fc.check(
  fc.property(anyName, edits, (name, list) => {
    run++;
    const bytes = mutate(texts.get(name)!, list);
    const start = performance.now();
    try {
      loadTopologyBytes(bytes, name);
      counts.loaded++;
    } catch (error) {
      if (!(error instanceof TopologyError) || error.issues.length === 0) throw error;
      counts.refused++;
    }
    const ms = performance.now() - start;
    if (ms > slowest.ms) slowest = { ms, name, run };
    if (run % 5000 === 0)
      console.log(
        `${run} runs: ${counts.loaded} loaded, ${counts.refused} refused, slowest ${slowest.ms.toFixed(0)} ms (${slowest.name})`,
      );
  }),
  { numRuns: runs, seed, endOnFailure: true },
);
if (result.failed) {
  console.error(`seed ${seed}, run ${result.numRuns}: ${fc.stringify(result.counterexample)}`);
  console.error(result.errorInstance);
  process.exitCode = 1;
}
