/**
 * From the words of the command line to a command and its words. A scanner of our own in front of yargs, because `heddle run` must give
 * everything after PROGRAM to the program untouched (`-a`, `-n 5`, `--help` included), and because a mistyped option must never be
 * taken for something else. What leaves here is in the form `--name=value`, known, complete, and not doubled.
 */
import { ConfigError, type Issue } from '../sim/index.ts';
import type { Command } from './command.ts';
import { didYouMean } from './near.ts';

/** The words of one command, ready for yargs. */
export interface Scanned {
  /** Options as `--name` or `--name=value`. */
  readonly options: readonly string[];
  readonly positionals: readonly string[];
  readonly rest: readonly string[];
  readonly help: boolean;
}

/** The command that `words` begin with, and the words after its name. `undefined`: they name a group of commands, or nothing. Throws `ConfigError`. */
export function selectCommand(
  words: readonly string[],
  commands: readonly Command[],
): { command: Command; words: readonly string[] } | undefined {
  const [first, second] = words;
  if (first === undefined) return undefined;
  const single = commands.find((command) => command.name === first);
  if (single !== undefined) return { command: single, words: words.slice(1) };
  const group = commands.filter((command) => command.name.startsWith(`${first} `));
  if (group.length === 0) throw unknownCommand(first, [...new Set(commands.map((command) => command.name.split(' ')[0]!))]);
  if (second === undefined || isHelp(second)) return undefined;
  const double = group.find((command) => command.name === `${first} ${second}`);
  if (double === undefined)
    throw unknownCommand(
      `${first} ${second}`,
      group.map((command) => command.name),
    );
  return { command: double, words: words.slice(2) };
}

function unknownCommand(found: string, names: readonly string[]): ConfigError {
  const what = found.startsWith('-')
    ? `unknown option ${found}; options of a command stand after its name`
    : `unknown command ${found}`;
  return usage('heddle', `${what}${didYouMean(found, names)} (commands: ${names.join(', ')})`);
}

function usage(place: string, message: string): ConfigError {
  return new ConfigError([{ file: place, path: '', message }]);
}

export function isHelp(word: string): boolean {
  return word === '--help' || word === '-h';
}

/** Sorts the words after a command's name. Throws `ConfigError` with everything that is wrong. */
export function scan(command: Command, words: readonly string[]): Scanned {
  const scanner = new Scanner(command, words);
  return scanner.run();
}

class Scanner {
  readonly #command: Command;
  readonly #words: readonly string[];
  readonly #options: string[] = [];
  readonly #positionals: string[] = [];
  readonly #seen = new Set<string>();
  readonly #issues: Issue[] = [];
  #at = 0;
  #help = false;

  constructor(command: Command, words: readonly string[]) {
    this.#command = command;
    this.#words = words;
  }

  run(): Scanned {
    while (this.#at < this.#words.length && !this.#restBegins()) {
      const word = this.#words[this.#at++]!;
      if (word === '--') this.#takePositionals();
      else if (isHelp(word)) this.#help = true;
      else if (word.startsWith('-') && word !== '-') this.#takeOption(word);
      else this.#positionals.push(word);
    }
    if (!this.#help) this.#checkPositionals();
    if (this.#issues.length > 0) throw new ConfigError(this.#issues);
    return { options: this.#options, positionals: this.#positionals, rest: this.#words.slice(this.#at), help: this.#help };
  }

  /** Whether all positionals of a command with `trailing` are there, so that the next word is somebody else's. */
  #restBegins(): boolean {
    return this.#command.trailing !== undefined && this.#positionals.length === this.#command.positionals.length;
  }

  /** After `--` nothing is an option. */
  #takePositionals(): void {
    while (this.#at < this.#words.length && !this.#restBegins()) this.#positionals.push(this.#words[this.#at++]!);
  }

  #takeOption(word: string): void {
    const equals = word.indexOf('=');
    const name = (equals < 0 ? word : word.slice(0, equals)).replace(/^--/, '');
    const option = Object.hasOwn(this.#command.options, name) ? this.#command.options[name] : undefined;
    if (option === undefined) {
      this.#unknown(word, name);
      return;
    }
    if (this.#seen.has(name) && option.repeat !== true) this.#fail(`--${name}`, 'is given twice');
    this.#seen.add(name);
    const inline = equals < 0 ? undefined : word.slice(equals + 1);
    if (option.value === undefined) {
      if (inline !== undefined) this.#fail(`--${name}`, 'takes no value');
      this.#options.push(`--${name}`);
    } else {
      const value = inline ?? this.#nextValue();
      if (value === undefined) this.#fail(`--${name}`, `needs a value, ${option.value}`);
      else this.#options.push(`--${name}=${value}`);
    }
  }

  /** The next word unless it is an option itself; a lone `-` is a value. */
  #nextValue(): string | undefined {
    const word = this.#words[this.#at];
    if (word === undefined || (word.startsWith('-') && word !== '-')) return undefined;
    this.#at++;
    return word;
  }

  #unknown(word: string, name: string): void {
    const near = didYouMean(name, Object.keys(this.#command.options)).replace('mean ', 'mean --');
    const hint = near === '' && this.#command.trailing !== undefined ? `; ${this.#command.trailing}` : near;
    this.#fail(word, `unknown option of heddle ${this.#command.name}${hint}`);
  }

  #checkPositionals(): void {
    const wanted = this.#command.positionals;
    const missing = wanted.slice(this.#positionals.length).filter((positional) => positional.optional !== true);
    if (missing.length > 0) {
      const names = missing.map((positional) => positional.name.toUpperCase()).join(' and ');
      this.#fail(
        `heddle ${this.#command.name}`,
        `${names} ${missing.length === 1 ? 'is' : 'are'} missing; see heddle ${this.#command.name} --help`,
      );
    }
    for (const word of this.#positionals.slice(wanted.length))
      this.#fail(word, `unexpected argument of heddle ${this.#command.name}`);
  }

  #fail(place: string, message: string): void {
    this.#issues.push({ file: place, path: '', message });
  }
}
