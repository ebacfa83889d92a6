/**
 * What a command of the command line is, as data: its name, arguments, options and what runs it. `parse.ts` turns the words of the user
 * into a `Call`, `cli.ts` hands the same data to yargs for the help texts. The five command files hold one record each, and no logic
 * beyond putting options into the call of `cluster` or `topology` that does the work.
 */
import type { Doors } from './doors.ts';
import type { OptionValues } from './option-values.ts';
import type { Terminal } from './terminal.ts';

export interface CommandOption {
  readonly describe: string;
  /** What stands for the value in the help; absent: a switch without value. */
  readonly value?: string;
  /** May be given several times. */
  readonly repeat?: true;
  /** Heading in the help. */
  readonly group?: string;
}

export interface Command {
  /** One word, or two: `topology show`. */
  readonly name: string;
  readonly summary: string;
  readonly positionals: readonly { readonly name: string; readonly describe: string; readonly optional?: true }[];
  /** All words after the last positional belong to somebody else and are taken verbatim; says to whom. */
  readonly trailing?: string;
  readonly options: Readonly<Record<string, CommandOption>>;
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** Runs the command; resolves with the exit code. */
  execute(call: Call, context: Context): Promise<number>;
}

/** What the user asked of a command, checked for form: every option is known, has its value, and is given once where it may not repeat. */
export interface Call {
  /** By name; an optional one that was not given is absent. */
  readonly positionals: Readonly<Record<string, string>>;
  readonly options: OptionValues;
  /** What stands after the last positional of a command with `trailing`. */
  readonly rest: readonly string[];
}

/** What a command meets outside itself. Tests put stand-ins here. */
export interface Context {
  readonly terminal: Terminal;
  readonly doors: Doors;
  readonly version: string;
}
