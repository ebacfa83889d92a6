/**
 * A damaged file gives a topology or a clean error, whatever the damage. `HEDDLE_RUNS=50000` runs as many mutations; `scripts/fuzz-topology.ts`
 * does so with a count of what came of them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { formatTopologyIssue, loadTopologyBytes, TopologyError } from '../../src/topology/index.ts';
import { edits, mutate } from './mutations.ts';
import { fc, test } from './property.ts';

const folder = fileURLToPath(new URL('../../topologies/', import.meta.url));
// The two largest files say in a few lines what generators make; built whole for each mutation, they would only be slow.
const names = readdirSync(folder).filter(
  (name) => !['heddle.schema.json', 'fat-tree-k16.yaml', 'tree-648.yaml', 'cluster-96.ibnetdiscover'].includes(name),
);
const texts = new Map(names.map((name) => [name, readFileSync(folder + name, 'utf8')]));

test(
  'every mutation of a shipped file loads or is refused with its file named',
  fc.record({ name: fc.constantFrom(...names), list: edits }),
  ({ name, list }) => {
    try {
      const topology = loadTopologyBytes(mutate(texts.get(name)!, list), name);
      expect(topology.nodes.length).toBeGreaterThan(0);
    } catch (error) {
      if (!(error instanceof TopologyError)) throw error;
      expect(error.issues.length).toBeGreaterThan(0);
      for (const issue of error.issues) {
        expect(issue.file).toBe(name);
        expect(issue.message.length).toBeGreaterThan(3);
        expect(formatTopologyIssue(issue)).not.toMatch(/\n[\s\S]*\n/);
      }
    }
  },
  1500,
);
