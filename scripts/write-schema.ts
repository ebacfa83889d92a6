/** Writes `topologies/heddle.schema.json`, which editors use for topology files. Run with `npx tsx scripts/write-schema.ts` after changing the schema. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { topologySchemaText } from '../src/topology/index.ts';

writeFileSync(fileURLToPath(new URL('../topologies/heddle.schema.json', import.meta.url)), topologySchemaText());
