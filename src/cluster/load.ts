/** Topologies as the command line and programs get them: loaded with the HCA profiles there are, mistakes as `ConfigError`. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { overrideProblem, PARAMETERS, PROFILES } from '../hca/index.ts';
import { ERAS, parseXlConfig } from '../hypervisor/index.ts';
import { ConfigError, type Issue } from '../sim/index.ts';
import {
  type HcaCatalog,
  loadTopology,
  parseFault,
  type Topology,
  TopologyError,
  type TopologyFault,
  type TopologyGuest,
  type TopologyIssue,
  type TopologyNode,
  type XenCatalog,
} from '../topology/index.ts';
import { guestFromXlConfig } from './guest-plan.ts';

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
  return withXlConfigs(
    asConfigError(() => loadTopology(source, { catalog: HCA_CATALOG, xen: XEN_CATALOG })),
    source,
  );
}

/** Guests of the xl.cfg files that nodes name, beside those of the topology file itself. Throws `ConfigError` with the mistakes of all files. */
function withXlConfigs(topology: Topology, source: string): Topology {
  const issues: Issue[] = [];
  const warnings: TopologyIssue[] = [];
  const nodes = topology.nodes.map((node): TopologyNode => {
    const { xen } = node;
    if (xen === undefined || xen.configs.length === 0) return node;
    const guests = [...xen.guests];
    xen.configs.forEach((name, i) => {
      const path = `nodes.${node.name}.xen.configs[${i}]`;
      const guest = readXlConfig(join(dirname(source), name), { file: source, path }, issues, warnings);
      if (guest === null) return;
      if (guests.some((other) => other.name === guest.name))
        issues.push({ file: source, path, message: `the guest's name ${guest.name} is taken` });
      guests.push(guest);
    });
    return { ...node, xen: { ...xen, guests, configs: [] } };
  });
  if (issues.length > 0) throw new ConfigError(issues);
  return { ...topology, nodes, warnings: [...topology.warnings, ...warnings] };
}

function readXlConfig(
  file: string,
  from: { file: string; path: string },
  issues: Issue[],
  warnings: TopologyIssue[],
): TopologyGuest | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    issues.push({ ...from, message: `${file} can not be read (${(error as NodeJS.ErrnoException).code ?? error})` });
    return null;
  }
  const result = parseXlConfig(text, file);
  issues.push(...result.issues);
  warnings.push(...result.warnings);
  return result.config === null ? null : guestFromXlConfig(result.config);
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
