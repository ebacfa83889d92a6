/** Topologies as the command line and programs get them: loaded with the HCA profiles there are, mistakes as `ConfigError`. */
import { overrideProblem, PARAMETERS, PROFILES } from '../hca/index.ts';
import { ConfigError } from '../sim/index.ts';
import {
  type HcaCatalog,
  loadTopology,
  parseFault,
  type Topology,
  TopologyError,
  type TopologyFault,
} from '../topology/index.ts';

/** What a topology file may say about HCAs. */
export const HCA_CATALOG: HcaCatalog = {
  profiles: PROFILES.map((profile) => profile.name),
  parameters: Object.keys(PARAMETERS),
  check: (_profile, parameter, value) => overrideProblem(parameter, value),
};

/** Loads a file, or makes what a generator specification says. Throws `ConfigError` with every mistake found. */
export function loadTopologyFile(source: string): Topology {
  return asConfigError(() => loadTopology(source, { catalog: HCA_CATALOG }));
}

/** The faults of `--fault` texts, in the topology file's grammar. Throws `ConfigError`. */
export function parseFaults(texts: readonly string[], topology: Topology): TopologyFault[] {
  return asConfigError(() => texts.flatMap((text) => parseFault(text, topology, '--fault')));
}

function asConfigError<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof TopologyError) throw new ConfigError(error.issues);
    throw error;
  }
}
