/**
 * The words of an xl.cfg file: names, numbers, texts in quotes and signs, each with its place (the lexer of libxlu, tools/libs/util/libxlu_cfg_l.l).
 *
 * Whatever does not fit becomes a fault and reading goes on after the next white space, so that one pass finds all of them.
 */

export type XlTokenKind = 'name' | 'text' | 'sign' | 'newline' | 'end';

export interface XlToken {
  readonly kind: XlTokenKind;
  /** A text without quotes and with its escapes decoded; of a sign: `=`, `+=`, `,`, `[`, `]`, `;`. Numbers are texts, as in libxlu. */
  readonly text: string;
  /** 1-based. */
  readonly line: number;
  readonly column: number;
  readonly isQuoted: boolean;
}

export interface XlFault {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export interface XlTokens {
  readonly tokens: readonly XlToken[];
  readonly faults: readonly XlFault[];
  /** A sign stood outside of quotes that Python has and xl.cfg does not: xm's files were Python. */
  readonly isLikelyPython: boolean;
}

/** The rules in libxlu's order; the longest match wins there, and no two of these match from the same character. */
const RULES: readonly (readonly [RegExp, XlTokenKind | 'space' | 'quoted'])[] = [
  [/[a-z][._0-9a-z]*/y, 'name'],
  [/[0-9][0-9a-fx]*/y, 'text'],
  [/[ \t]+/y, 'space'],
  [/\+=|[,[\];=]/y, 'sign'],
  // libxlu wants an end of line after a comment, even on the last line; here the end of the file will do.
  [/\n|#[^\n]*(?:\n|$)/y, 'newline'],
  [/'(?:[^'\\\n]|\\[^\n])*'|"(?:[^"\\\n]|\\[^\n])*"/y, 'quoted'],
];
const PYTHON = /[+\-.():]/;

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  '\\': '\\',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** The text between the quotes of `literal`, or what is wrong with it. */
function dequote(literal: string): { text: string } | { fault: string; at: number } {
  let text = '';
  for (let at = 1; at < literal.length - 1; at++) {
    const char = literal[at]!;
    if (char !== '\\') {
      text += char;
      continue;
    }
    const escaped = literal[++at]!;
    const decoded = ESCAPES[escaped];
    if (decoded === undefined) return { fault: escapeFault(escaped), at: at - 1 };
    text += decoded;
  }
  return { text };
}

function escapeFault(escaped: string): string {
  const accepted = 'accepted are \\" \\\' \\\\ \\a \\b \\f \\n \\r \\t \\v';
  // xl's own decoder refuses every \x and drops octal escapes without a word.
  const why = /[x0-7]/.test(escaped) ? ' (xl reads numeric escapes but does not decode them)' : '';
  return `found the escape \\${escaped} in a text, ${accepted}${why}`;
}

function lexicalFault(text: string): string {
  if (/^['"]/.test(text)) return `found ${text}, a text without its closing quote on the same line`;
  return `found ${text}, accepted are names in small letters, numbers, texts in quotes, and the signs = += [ ] , ;`;
}

/** The tokens of `source`; the last one is `end`. */
export function tokenizeXl(source: string): XlTokens {
  const tokens: XlToken[] = [];
  const faults: XlFault[] = [];
  let isLikelyPython = false;
  let line = 1;
  let lineStart = 0;
  let at = 0;
  const push = (kind: XlTokenKind, text: string, isQuoted = false) =>
    tokens.push({ kind, text, line, column: at - lineStart + 1, isQuoted });
  while (at < source.length) {
    const [text, kind] = match(source, at);
    if (kind === 'quoted') {
      const result = dequote(text);
      if ('text' in result) push('text', result.text, true);
      else {
        faults.push({ line, column: at - lineStart + 1 + result.at, message: result.fault });
        // The place stays taken, so that the parser finds nothing missing.
        push('text', '', true);
      }
    } else if (kind === 'fault') {
      isLikelyPython ||= PYTHON.test(text[0]!);
      faults.push({ line, column: at - lineStart + 1, message: lexicalFault(text) });
    } else if (kind !== 'space') push(kind, text);
    at += text.length;
    if (kind === 'newline') {
      line++;
      lineStart = at;
    }
  }
  push('end', '');
  return { tokens, faults, isLikelyPython };
}

function match(source: string, at: number): readonly [string, XlTokenKind | 'space' | 'quoted' | 'fault'] {
  for (const [pattern, kind] of RULES) {
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    if (found !== null) return [found[0], kind];
  }
  const wrong = /[^ \t\n]+/y;
  wrong.lastIndex = at;
  return [wrong.exec(source)![0], 'fault'];
}
