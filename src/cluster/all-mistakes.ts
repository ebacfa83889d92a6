/**
 * When something about a run is refused, the rest of what the user asked for is looked at too, so that all mistakes are told in one go.
 * The stages of a run stop at the first that fails; this tries each of them by itself. It costs nothing in a run without mistakes.
 */
import { findProgram } from '../programs/index.ts';
import { ConfigError, type Issue } from '../sim/index.ts';
import { parseFaults } from './load.ts';
import { planHosts } from './host-plan.ts';
import { placeNodes } from './placement.ts';
import { loadProgram, prepareProgram } from './program-loader.ts';
import { chooseRanks } from './ranks.ts';
import { chooseCapturedPorts } from './run-capture.ts';
import { planSubnet } from './subnet-plan.ts';
import type { RunOptions } from './types.ts';

/** The refusal with every other mistake in the options. */
export async function withAllMistakes(first: ConfigError, options: RunOptions): Promise<ConfigError> {
  const issues = new Map<string, Issue>();
  const note = (found: readonly Issue[]) => {
    for (const issue of found) issues.set(JSON.stringify([issue.file, issue.line, issue.path, issue.message]), issue);
  };
  note(first.issues);
  const attempt = async <T>(work: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      note(error.issues);
      return undefined;
    }
  };
  const { topology, programArgs, faults, captures, placement = 'pool', workers } = options;
  const source = await attempt(() => prepareProgram(options.program, programArgs));
  // A program whose options are wrong still has its roles.
  const { program: asked } = options;
  const known = source ?? (asked.kind === 'builtin' && findProgram(asked.name) !== undefined ? asked : undefined);
  const program = known && (await attempt(() => loadProgram(known)));
  const ranks = program && (await attempt(() => chooseRanks(topology, program.meta.roles === 'client-server', options)));
  const nodes = [...new Set(ranks?.map((place) => place.node) ?? [0])];
  if (ranks !== undefined) await attempt(() => planHosts(options, ranks, program?.meta.network === true));
  await attempt(() => parseFaults(faults ?? [], topology));
  await attempt(() => placeNodes(topology.nodes.length, nodes, placement, workers));
  const subnet = await attempt(() => planSubnet(topology, true));
  if (subnet !== undefined) await attempt(() => chooseCapturedPorts(topology, subnet.ports, nodes, captures));
  return new ConfigError([...issues.values()]);
}
