/** `heddle list`: what programs, HCA profiles, switch models and generators there are. */
import type { ListEntry } from '../cluster/index.ts';
import { ConfigError } from '../sim/index.ts';
import type { Call, Command, Context } from './command.ts';
import type { ClusterDoor } from './doors.ts';
import { EXIT_OK } from './failure.ts';
import { didYouMean } from './near.ts';

const LISTS: Readonly<Record<string, (cluster: ClusterDoor) => readonly ListEntry[]>> = {
  programs: (cluster) => cluster.programs(),
  profiles: (cluster) => cluster.hcaProfiles(),
  switches: (cluster) => cluster.switchModels(),
  generators: (cluster) => cluster.generators(),
};

export const listCommand: Command = {
  name: 'list',
  summary: 'name the programs, HCA profiles, switch models and topology generators',
  positionals: [{ name: 'what', describe: `${Object.keys(LISTS).join(', ')} (default: all of them)`, optional: true }],
  options: { json: { describe: 'print as JSON' } },
  examples: [['heddle list programs', 'what can be run?']],
  execute: list,
};

async function list(call: Call, { doors, terminal }: Context): Promise<number> {
  const what = call.positionals.what;
  if (what !== undefined && !Object.hasOwn(LISTS, what)) {
    const message = `no such list; there are ${Object.keys(LISTS).join(', ')}${didYouMean(what, Object.keys(LISTS))}`;
    throw new ConfigError([{ file: what, path: '', message }]);
  }
  const cluster = await doors.cluster();
  const names = what === undefined ? Object.keys(LISTS) : [what];
  const lists = names.map((name) => [name, LISTS[name]!(cluster)] as const);
  const { formatTable, toJsonText } = await import('../report/index.ts');
  if (call.options.flag('json')) terminal.out(toJsonText(Object.fromEntries(lists)));
  else terminal.out(`${lists.map(([name, entries]) => formatList(name, entries, formatTable)).join('\n\n')}\n`);
  return EXIT_OK;
}

function formatList(
  name: string,
  entries: readonly ListEntry[],
  formatTable: typeof import('../report/index.ts').formatTable,
): string {
  const rows = entries.map((entry) => [entry.name, entry.summary]);
  const columns = [
    { title: name, align: 'left' as const },
    { title: '', align: 'left' as const },
  ];
  return formatTable(
    columns,
    rows.map(([first, second]) => [`  ${first}`, second!]),
  ).join('\n');
}
