/** `heddle replay`: runs a recorded run again and compares the hash. */
import type { Call, Command, Context } from './command.ts';
import { EXIT_OK, EXIT_PROGRAM } from './failure.ts';

export const replayCommand: Command = {
  name: 'replay',
  summary: 'run a recorded run again and compare the hash',
  positionals: [{ name: 'record', describe: 'a file that "heddle run --record FILE" wrote' }],
  options: {},
  examples: [['heddle replay monday.heddle', 'does it still give the same?']],
  execute: replay,
};

async function replay(call: Call, { doors, terminal }: Context): Promise<number> {
  const cluster = await doors.cluster();
  const result = await cluster.replay(call.positionals.record!);
  terminal.out(`${result.command}\n`);
  if (result.matches) {
    terminal.out(`same hash, ${result.found}\n`);
    return EXIT_OK;
  }
  terminal.out(`another hash: recorded ${result.expected}, now ${result.found}\n`);
  for (const remark of result.remarks) terminal.out(`  ${remark}\n`);
  return EXIT_PROGRAM;
}
