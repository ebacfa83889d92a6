/** Topologies as the command line and programs get them: loaded with the HCA profiles there are, mistakes as `ConfigError`. */
import { overrideProblem, PARAMETERS, PROFILES } from '../hca/index.ts';
import { ERAS } from '../hypervisor/index.ts';
import { ConfigError } from '../sim/index.ts';
import {
  type HcaCatalog,
  loadTopology,
  parseFault,
  type Topology,
  TopologyError,
  type TopologyFault,
  type TopologyIssue,
  type XenCatalog,
} from '../topology/index.ts';

/** What a topology file may say about HCAs. */
export const HCA_CATALOG: HcaCatalog = {
  profiles: PROFILES.map((profile) => profile.name),
  parameters: Object.keys(PARAMETERS),
  check: (_profile, parameter, value) => overrideProblem(parameter, value),
};

/** What a topology file may say about Xen. */
export const XEN_CATALOG: XenCatalog = {
  versions: Object.fromEntries(Object.values(ERAS).map((era) => [era.name, era.schedulers])),
  costs: Object.keys(ERAS['xen-4.17'].costs),
};

/** Loads a file, or makes what a generator specification says. Throws `ConfigError` with every mistake found. */
export function loadTopologyFile(source: string): Topology {
  return asConfigError(() => loadTopology(source, { catalog: HCA_CATALOG, xen: XEN_CATALOG }));
}

/** The faults of `--fault` texts, in the topology file's grammar. Throws `ConfigError` with the mistakes of all texts. */
export function parseFaults(texts: readonly string[], topology: Topology): TopologyFault[] {
  const issues: TopologyIssue[] = [];
  const faults = texts.flatMap((text) => {
    try {
      return parseFault(text, topology, '--fault');
    } catch (error) {
      if (!(error instanceof TopologyError)) throw error;
      issues.push(...error.issues);
      return [];
    }
  });
  if (issues.length > 0) throw new ConfigError(issues);
  return faults;
}

function asConfigError<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof TopologyError) throw new ConfigError(error.issues);
    throw error;
  }
}
