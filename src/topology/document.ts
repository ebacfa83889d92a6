/**
 * Reads YAML or JSON text into plain values, and finds line and column of any place in it later.
 * Copies through aliases are counted, so that a few lines cannot stand for a billion values; numbers too long for a double stay text.
 */
import type { Document, LineCounter, Node, Pair } from 'yaml';
import { IssueList, type Locate, type Place } from './issue.ts';
import { type Yaml, yamlLibrary } from './lazy.ts';
import { MAX_ALIASED_VALUES, MAX_DEPTH } from './limits.ts';

export interface SourceDocument {
  readonly value: unknown;
  readonly issues: IssueList;
}

/** Parses `text`. Throws `TopologyError` with all of the parser's complaints. */
export function readDocument(text: string, file: string): SourceDocument {
  const yaml = yamlLibrary();
  const lines = new yaml.LineCounter();
  const parsed = parseOrRefuse(yaml, text, file, lines);
  const position = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const broken = new IssueList(file);
  for (const problem of [...parsed.errors, ...parsed.warnings]) broken.addAt(position(problem.pos[0]), problem.message);
  broken.throwIfAny();
  const locate: Locate = (place, atKey = false) => {
    const node = findNode(yaml, parsed, place, atKey);
    return node?.range ? position(node.range[0]) : {};
  };
  const issues = new IssueList(file, locate);
  const value = new Converter(yaml, parsed, issues).convert(parsed.contents, []);
  issues.throwIfAny();
  return { value, issues };
}

function parseOrRefuse(yaml: Yaml, text: string, file: string, lineCounter: LineCounter): Document.Parsed {
  try {
    return yaml.parseDocument(text, { lineCounter, prettyErrors: false, version: '1.2' });
  } catch (error) {
    // The parser recurses once a level.
    if (!(error instanceof RangeError)) throw error;
    const issues = new IssueList(file);
    issues.add([], `is nested too deeply; a topology needs fewer than ${MAX_DEPTH} levels`);
    issues.throwIfAny();
    throw error;
  }
}

class Converter {
  readonly #yaml: Yaml;
  readonly #document: Document.Parsed;
  readonly #issues: IssueList;
  #aliased = 0;
  #aliasDepth = 0;

  constructor(yaml: Yaml, document: Document.Parsed, issues: IssueList) {
    this.#yaml = yaml;
    this.#document = document;
    this.#issues = issues;
  }

  convert(node: Node | null | undefined, place: Place): unknown {
    if (place.length > MAX_DEPTH) return this.#refuse(place, `is nested deeper than ${MAX_DEPTH} levels`);
    if (this.#aliasDepth > 0 && ++this.#aliased > MAX_ALIASED_VALUES)
      return this.#refuse(place.slice(0, 1), `aliases stand for more than ${MAX_ALIASED_VALUES} values`);
    if (this.#yaml.isAlias(node)) return this.#convertAlias(node.resolve(this.#document), place);
    if (this.#yaml.isMap(node)) return this.#convertMap(node.items as Pair<Node, Node | null>[], place);
    if (this.#yaml.isSeq(node)) return node.items.map((item, i) => this.convert(item as Node, [...place, i]));
    if (!this.#yaml.isScalar(node)) return null;
    const { value, source } = node;
    return typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value) && source !== undefined
      ? source
      : value;
  }

  #convertAlias(target: Node | undefined, place: Place): unknown {
    if (this.#aliased > MAX_ALIASED_VALUES) return null;
    this.#aliasDepth++;
    const value = this.convert(target, place);
    this.#aliasDepth--;
    return value;
  }

  #convertMap(items: readonly Pair<Node, Node | null>[], place: Place): unknown {
    const result: Record<string, unknown> = {};
    for (const { key, value } of items) {
      const name = this.#yaml.isScalar(key) ? scalarName(key) : undefined;
      if (name === undefined || name === '__proto__') this.#issues.add(place, 'has a key that is no name');
      else result[name] = this.convert(value, [...place, name]);
    }
    return result;
  }

  #refuse(place: Place, message: string): null {
    if (this.#issues.count === 0) this.#issues.add(place, message);
    return null;
  }
}

/** A key as the user wrote it: `1` and `0x10` stay what they look like. */
function scalarName(key: Node & { value?: unknown; source?: string }): string {
  return typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
}

/** The node at `place`, or the nearest one above it. */
function findNode(yaml: Yaml, document: Document.Parsed, place: Place, atKey: boolean): Node | undefined {
  let node: Node | null | undefined = document.contents;
  for (let i = 0; i < place.length; i++) {
    if (yaml.isAlias(node)) node = node.resolve(document);
    if (yaml.isSeq(node)) {
      const item = node.items[place[i] as number] as Node | undefined;
      if (item === undefined) return node;
      node = item;
    } else if (yaml.isMap(node)) {
      const pair: Pair<Node, Node | null> | undefined = (node.items as Pair<Node, Node | null>[]).find(
        ({ key }) => yaml.isScalar(key) && scalarName(key) === place[i],
      );
      if (pair === undefined) return node;
      if (atKey && i === place.length - 1) return pair.key;
      node = pair.value ?? pair.key;
    } else return node ?? undefined;
  }
  return node ?? undefined;
}
