/**
 * The command line as a function: words in, exit code out. Finds the command, lets yargs read its options, runs it, and turns
 * what is thrown into text and exit code.
 */
import type { Argv, Options } from 'yargs';
import type { Call, Command, Context } from './command.ts';
import { describeFailure, EXIT_OK } from './failure.ts';
import { commandHelp, groupHelp } from './help.ts';
import { listCommand } from './list.ts';
import { OptionValues } from './option-values.ts';
import { isHelp, type Scanned, scan, selectCommand } from './parse.ts';
import { replayCommand } from './replay.ts';
import { runCommand } from './run.ts';
import { topCommand } from './top.ts';
import { topologyCommands } from './topology.ts';
import { trafficCommand } from './traffic.ts';

export const COMMANDS: readonly Command[] = [
  runCommand,
  topCommand,
  trafficCommand,
  ...topologyCommands,
  listCommand,
  replayCommand,
];

/** Runs one command line (without `node` and the script's name) and resolves with its exit code. Prints through `context`; throws nothing. */
export async function runCommandLine(words: readonly string[], context: Context): Promise<number> {
  const { terminal, version } = context;
  try {
    if (words[0] === '--version' || words[0] === '-V') {
      terminal.out(`${version}\n`);
      return EXIT_OK;
    }
    const selected = words.length === 0 || isHelp(words[0]!) ? undefined : selectCommand(words, COMMANDS);
    if (selected === undefined) {
      terminal.out(groupHelp(COMMANDS, words.length === 0 || isHelp(words[0]!) ? '' : words[0]!, context));
      return EXIT_OK;
    }
    const scanned = scan(selected.command, selected.words);
    if (scanned.help) {
      terminal.out(await commandHelp(selected.command, context));
      return EXIT_OK;
    }
    return await selected.command.execute(await readCall(selected.command, scanned), context);
  } catch (error) {
    const setting = `heddle ${version}, Node ${process.version}, ${process.platform} ${process.arch}: heddle ${words.join(' ')}`;
    const failure = describeFailure(error, setting);
    terminal.err(`${failure.text}\n`);
    return failure.exitCode;
  }
}

/** What yargs makes of scanned words. */
async function readCall(command: Command, scanned: Scanned): Promise<Call> {
  // yargs is loaded late: most command lines name no option of heddle's, and start in half the time without it.
  const values = scanned.options.length === 0 ? {} : (await parser(command)).parseSync([...scanned.options]);
  const positionals = Object.fromEntries(scanned.positionals.map((word, i) => [command.positionals[i]!.name, word]));
  return { positionals, options: new OptionValues(values as Record<string, unknown>), rest: scanned.rest };
}

/** A yargs that reads exactly what is written: texts stay texts, nothing is split, negated, abbreviated or added. */
async function parser(command: Command): Promise<Argv> {
  const { default: yargs } = await import('yargs');
  const options = Object.entries(command.options).map(([name, option]): [string, Options] => [name, yargsOption(option)]);
  return yargs([])
    .scriptName('heddle')
    .locale('en')
    .help(false)
    .version(false)
    .exitProcess(false)
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'short-option-groups': false,
    })
    .options(Object.fromEntries(options));
}

function yargsOption(option: Command['options'][string]): Options {
  const type = option.value === undefined ? 'boolean' : 'string';
  return option.repeat === true ? { type, array: true } : { type };
}
