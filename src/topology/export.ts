/** Writes a topology in any of the formats that this room reads. */
import { exportJson, exportYaml } from './export-file.ts';
import { exportIbnetdiscover, exportIbsim } from './export-net.ts';
import type { Topology } from './types.ts';

export type TopologyFormat = 'yaml' | 'json' | 'ibnetdiscover' | 'ibsim';

const WRITERS: Readonly<Record<TopologyFormat, (topology: Topology) => string>> = {
  yaml: exportYaml,
  json: exportJson,
  ibnetdiscover: exportIbnetdiscover,
  ibsim: exportIbsim,
};

/** The topology as the text of a file, its last line ended. YAML and JSON hold all of it; the other two say in a comment what they leave out. */
export function exportTopology(topology: Topology, format: TopologyFormat): string {
  return WRITERS[format](topology);
}
