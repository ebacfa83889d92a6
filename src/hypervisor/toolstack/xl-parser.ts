/**
 * The statements of an xl.cfg file: settings with their values and places (grammar of libxlu, tools/libs/util/libxlu_cfg_y.y).
 *
 *   file = { statement } [ assignment ]          statement = [ assignment ] ( newline | ";" )
 *   assignment = name ( "=" | "+=" ) value       value = text | number | "[" [ value { "," value } [ "," ] ] "]", newlines free within brackets
 *
 * After a mistake reading goes on with the next line; one mistake a line is told.
 */
import { tokenizeXl, type XlFault, type XlToken } from './xl-lexer.ts';

export interface XlText {
  readonly kind: 'text';
  readonly text: string;
  readonly line: number;
  readonly column: number;
}
export interface XlList {
  readonly kind: 'list';
  readonly items: readonly XlValue[];
  readonly line: number;
  readonly column: number;
}
export type XlValue = XlText | XlList;

/** The last assignment of a name, `+=` worked in. */
export interface XlSetting {
  readonly name: string;
  readonly value: XlValue;
  /** Of the name. */
  readonly line: number;
  readonly column: number;
  /** It came by `+=`, which numbers cannot. */
  readonly isAdded: boolean;
}

export interface XlDocument {
  readonly settings: ReadonlyMap<string, XlSetting>;
  /** By line, at most one each. */
  readonly faults: readonly XlFault[];
  readonly isLikelyPython: boolean;
}

/** How deep lists may stand within lists; no setting of xl has more than two levels. */
const MAX_DEPTH = 64;

/** Thrown within the parser to get to the next line. */
class Syntax extends Error {
  readonly token: XlToken;
  constructor(token: XlToken, accepted: string) {
    const found =
      token.kind === 'end' ? 'the end of the file' : token.kind === 'newline' ? 'the end of the line' : describe(token);
    super(`found ${found}, accepted: ${accepted}`);
    this.token = token;
  }
}

function describe(token: XlToken): string {
  return token.isQuoted ? JSON.stringify(token.text) : `'${token.text}'`;
}

class Parser {
  readonly settings = new Map<string, XlSetting>();
  readonly faults: XlFault[];
  readonly #tokens: readonly XlToken[];
  #at = 0;

  constructor(tokens: readonly XlToken[], faults: readonly XlFault[]) {
    this.#tokens = tokens;
    this.faults = [...faults];
  }

  get #token(): XlToken {
    return this.#tokens[this.#at]!;
  }

  parse(): void {
    while (this.#token.kind !== 'end') {
      try {
        this.#statement();
      } catch (error) {
        if (!(error instanceof Syntax)) throw error;
        this.faults.push({ line: error.token.line, column: error.token.column, message: error.message });
        this.#skipLine();
      }
    }
  }

  #isSign(text: string): boolean {
    return this.#token.kind === 'sign' && this.#token.text === text;
  }

  #statement(): void {
    if (this.#token.kind === 'name') this.#assignment();
    const after = this.#tokens[this.#at]!;
    if (after.kind === 'newline' || this.#isSign(';')) this.#at++;
    else if (after.kind !== 'end') throw new Syntax(after, 'a setting, or ; or the end of the line after one');
  }

  #assignment(): void {
    const name = this.#token;
    this.#at++;
    const isAdded = this.#isSign('+=');
    if (!isAdded && !this.#isSign('=')) throw new Syntax(this.#token, `= or += after ${name.text}`);
    this.#at++;
    const value = this.#value(0);
    const before = isAdded ? this.settings.get(name.text)?.value : undefined;
    const whole = before === undefined ? value : join(before, value);
    if (whole === null) {
      const message = `found += of a ${value.kind} to a ${before!.kind}, accepted: a ${before!.kind}`;
      this.faults.push({ line: name.line, column: name.column, message });
      return;
    }
    // A name given again keeps its first place in the order of settings; its value is the last.
    this.settings.set(name.text, { name: name.text, value: whole, line: name.line, column: name.column, isAdded });
  }

  #value(depth: number): XlValue {
    const { kind, text, line, column } = this.#token;
    if (kind === 'text') {
      this.#at++;
      return { kind: 'text', text, line, column };
    }
    if (!this.#isSign('[')) throw new Syntax(this.#token, 'a text in quotes, a number or [');
    if (depth === MAX_DEPTH) throw new Syntax(this.#token, `lists at most ${MAX_DEPTH} deep`);
    this.#at++;
    const items: XlValue[] = [];
    for (;;) {
      this.#newlines();
      if (this.#isSign(']')) break;
      items.push(this.#value(depth + 1));
      this.#newlines();
      if (this.#isSign(']')) break;
      if (!this.#isSign(',')) throw new Syntax(this.#token, ', or ] after a value of a list');
      this.#at++;
    }
    this.#at++;
    return { kind: 'list', items, line, column };
  }

  #skipLine(): void {
    while (this.#token.kind !== 'newline' && this.#token.kind !== 'end') this.#at++;
  }

  #newlines(): void {
    while (this.#token.kind === 'newline') this.#at++;
  }
}

function join(before: XlValue, added: XlValue): XlValue | null {
  if (before.kind === 'text' && added.kind === 'text') return { ...added, text: before.text + added.text };
  if (before.kind === 'list' && added.kind === 'list') return { ...added, items: [...before.items, ...added.items] };
  return null;
}

/** Reads the settings of an xl.cfg file. Never throws; what is wrong is in `faults`, and what could be read beside it in `settings`. */
export function parseXlDocument(source: string): XlDocument {
  const { tokens, faults, isLikelyPython } = tokenizeXl(source);
  const parser = new Parser(tokens, faults);
  parser.parse();
  // The parser's own complaint about a line that held something unreadable says nothing new.
  const byLine = new Map<number, XlFault>();
  for (const fault of parser.faults) if (!byLine.has(fault.line)) byLine.set(fault.line, fault);
  return { settings: parser.settings, faults: [...byLine.values()].sort((a, b) => a.line - b.line), isLikelyPython };
}
