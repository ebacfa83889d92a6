/**
 * Names, and the short forms that stand for many: `cpu[1-16]`, `pod[0-3]-leaf[01-04]`, `h[1,3,5-9]`, `h[1-31/2]`.
 * An endpoint of a link is a name or range, with an HCA after `/` and a port or range of ports after `:` where needed: `cpu1/mlx4_1:2`, `leaf1:[1-18]`.
 */
import { MAX_NAME_LENGTH, MAX_RANGE } from './limits.ts';

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/;
export const NAME_RULE = 'letters, digits, and _ . + - after the first character';

/** Whether `text` may name a node, switch, HCA or partition. */
export function isName(text: string): boolean {
  return text.length <= MAX_NAME_LENGTH && NAME.test(text);
}

/** What a pattern stands for, in order, or what is wrong with it. */
export type Expansion = { readonly names: readonly string[] } | { readonly error: string };

/** Expands the ranges of `pattern`, the last one fastest. Does not judge whether the results are names. */
export function expandRanges(pattern: string): Expansion {
  if (pattern.length > 1000) return { error: 'is longer than 1000 characters' };
  let names = [''];
  let rest = pattern;
  while (rest !== '') {
    const open = rest.indexOf('[');
    const head = open < 0 ? rest : rest.slice(0, open);
    if (head.includes(']')) return { error: `has a "]" without "["` };
    if (open < 0) return { names: names.map((name) => name + head) };
    const close = rest.indexOf(']', open);
    if (close < 0) return { error: `has a "[" without "]"` };
    const items = expandList(rest.slice(open + 1, close));
    if (typeof items === 'string') return { error: items };
    if (names.length * items.length > MAX_RANGE) return { error: `stands for more than ${MAX_RANGE} names` };
    names = names.flatMap((name) => items.map((item) => name + head + item));
    rest = rest.slice(close + 1);
  }
  return { names };
}

/** The inside of one pair of brackets: its items, or what is wrong. */
function expandList(list: string): string[] | string {
  const items: string[] = [];
  for (const part of list.split(',')) {
    const match = /^([0-9]{1,9})(?:-([0-9]{1,9})(?:\/([0-9]{1,9}))?)?$/.exec(part.trim());
    if (match === null) return `has the range "[${list}]"; accepted are forms such as [1-16], [01-16], [1,4,7-9] and [1-31/2]`;
    const [, first, last = first, step = '1'] = match as unknown as [string, string, string | undefined, string | undefined];
    if (Number(last) < Number(first)) return `has the range ${part.trim()}, which runs backwards`;
    if (Number(step) === 0) return `has the range ${part.trim()} with step 0`;
    if ((Number(last) - Number(first)) / Number(step) + items.length >= MAX_RANGE)
      return `stands for more than ${MAX_RANGE} names`;
    const width = first.startsWith('0') && first.length > 1 ? first.length : 0;
    for (let i = Number(first); i <= Number(last); i += Number(step)) items.push(String(i).padStart(width, '0'));
  }
  return items;
}

/** Expands a pattern whose results must be names. */
export function expandNames(pattern: string): Expansion {
  const expansion = expandRanges(pattern);
  if ('error' in expansion) return expansion;
  const bad = expansion.names.find((name) => !isName(name));
  if (bad !== undefined) return { error: `is no name: a name has at most ${MAX_NAME_LENGTH} characters: ${NAME_RULE}` };
  if (new Set(expansion.names).size < expansion.names.length) return { error: 'stands for the same name twice' };
  return expansion;
}

/** An endpoint, taken apart but not expanded. */
export interface EndpointText {
  /** The name or range of names. */
  readonly name: string;
  readonly hca?: string;
  /** A port number or a range of them, brackets included. */
  readonly port?: string;
}

/** Takes `name/hca:port` apart. Returns `undefined` where it has another shape. */
export function splitEndpoint(text: string): EndpointText | undefined {
  const colon = findOutsideBrackets(text, ':');
  const beforePort = colon < 0 ? text : text.slice(0, colon);
  const slash = findOutsideBrackets(beforePort, '/');
  const name = slash < 0 ? beforePort : beforePort.slice(0, slash);
  const hca = slash < 0 ? undefined : beforePort.slice(slash + 1);
  const port = colon < 0 ? undefined : text.slice(colon + 1);
  if (name === '' || /\s/.test(name) || (hca !== undefined && !isName(hca))) return undefined;
  if (port !== undefined && !/^(?:[0-9]{1,9}|\[[^[\]]*\])$/.test(port)) return undefined;
  return { name, ...(hca !== undefined && { hca }), ...(port !== undefined && { port }) };
}

function findOutsideBrackets(text: string, wanted: string): number {
  let inside = false;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '[') inside = true;
    else if (text[i] === ']') inside = false;
    else if (!inside && text[i] === wanted) return i;
  }
  return -1;
}

/** The port numbers that `:port` stands for. */
export function expandPorts(port: string): number[] | string {
  const items = port.startsWith('[') ? expandList(port.slice(1, -1)) : [port];
  return typeof items === 'string' ? items : items.map(Number);
}
