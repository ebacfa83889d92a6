/** `heddle replay`: runs a recorded run again and compares the hash. */
import type { ReplayResult } from '../cluster/index.ts';
import type { Call, Command, Context } from './command.ts';
import { EXIT_OK, EXIT_PROGRAM } from './failure.ts';
import { Progress } from './progress.ts';
import { PLACEMENT_OPTIONS, readPlacement } from './run-options.ts';

export const replayCommand: Command = {
  name: 'replay',
  summary: 'run a recorded run again and compare the hash',
  positionals: [{ name: 'record', describe: 'a file that "heddle run --record FILE" wrote' }],
  options: PLACEMENT_OPTIONS,
  examples: [['heddle replay monday.heddle', 'does it still give the same?']],
  execute: replay,
};

async function replay(call: Call, { doors, terminal }: Context): Promise<number> {
  const placement = readPlacement(call.options);
  call.options.finish();
  const cluster = await doors.cluster();
  const progress = new Progress(terminal);
  let result: ReplayResult;
  try {
    result = await cluster.replay(call.positionals.record!, { ...placement, onProgress: (state) => progress.update(state) });
  } finally {
    progress.stop();
  }
  terminal.out(`${result.command}\n${describeHash(result)}\n`);
  const { formatRunSummary } = await import('../report/index.ts');
  terminal.err(`${formatRunSummary(result.run).join('\n')}\n`);
  return result.matches ? EXIT_OK : EXIT_PROGRAM;
}

function describeHash({ matches, expected, found, remarks }: ReplayResult): string {
  if (matches) return `same hash, ${found}`;
  return [`another hash: recorded ${expected}, now ${found}`, ...remarks.map((remark) => `  ${remark}`)].join('\n');
}
