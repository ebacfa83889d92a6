/**
 * Help texts: of `heddle`, of a group such as `heddle topology`, and of each command. yargs lays out the options.
 */
import type { Command, Context } from './command.ts';

const INTRODUCTION = `heddle simulates InfiniBand fabrics whose nodes run RDMA programs.

  heddle run TOPOLOGY PROGRAM      a program on a fabric, with the latency real hardware would show
  heddle list                      programs, HCAs, switches and generators to choose from
  heddle COMMAND --help            options and examples of a command

Commands:`;

/** The help of `heddle` (`group` empty), or of a group such as `topology`. */
export function groupHelp(all: readonly Command[], group: string, { version, terminal }: Context): string {
  const commands = all.filter((command) => group === '' || command.name.startsWith(`${group} `));
  const width = Math.max(...commands.map((command) => command.name.length)) + 2;
  const list = commands.map((command) => {
    const head = `  heddle ${command.name.padEnd(width)}`;
    return head + wrap(command.summary, terminal.columns - head.length).join(`\n${' '.repeat(head.length)}`);
  });
  const head = group === '' ? INTRODUCTION : `heddle ${group}:`;
  return [
    head,
    ...list,
    '',
    describeExamples(commands.flatMap((command) => command.examples.slice(0, 1))),
    '',
    `heddle ${version}`,
    '',
  ].join('\n');
}

/** The help of one command: arguments, options under their headings, examples. */
export async function commandHelp(command: Command, { terminal }: Context): Promise<string> {
  const words = command.positionals.map(({ name, optional }) => (optional ? `[${name.toUpperCase()}]` : name.toUpperCase()));
  const after = command.trailing === undefined ? [] : ['[OPTIONS OF THE PROGRAM]'];
  const line = ['heddle', command.name, '[OPTIONS]', ...words, ...after].join(' ');
  const { default: yargs } = await import('yargs');
  const help = yargs([])
    .scriptName('heddle')
    .locale('en')
    .help(false)
    .version(false)
    .usage(`${line}\n\n${sentence(command.summary)}\n\n${describePositionals(command)}`)
    .wrap(terminal.columns)
    .epilogue(describeExamples(command.examples));
  for (const [name, option] of Object.entries(command.options)) {
    // yargs has no names for values; an option of the name `seed N` prints as wanted, and this parser never parses.
    const describe = option.repeat === true ? `${option.describe}; may be repeated` : option.describe;
    help.option(option.value === undefined ? name : `${name} ${option.value}`, { describe, group: option.group ?? 'Options:' });
  }
  return `${await help.getHelp()}\n`;
}

function describePositionals(command: Command): string {
  const width = Math.max(...command.positionals.map(({ name }) => name.length)) + 2;
  return command.positionals.map(({ name, describe }) => `  ${name.toUpperCase().padEnd(width)}${describe}`).join('\n');
}

function describeExamples(examples: Command['examples']): string {
  return ['Examples:', ...examples.map(([example, what]) => `  ${example}\n      ${what}`)].join('\n');
}

function sentence(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}

/** Lines of at most `columns` characters, broken at blanks. */
function wrap(text: string, columns: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    if (last !== '' && last.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}
