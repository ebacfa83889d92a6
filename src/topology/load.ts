/**
 * The way in: a file, a text, or a generator specification becomes a `Topology`, or a `TopologyError` that names all that is wrong.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { checkShape } from './check.ts';
import { readDocument } from './document.ts';
import { GENERATORS } from './generators.ts';
import { importNet } from './import-net.ts';
import { didYouMean, oneOf, TopologyError } from './issue.ts';
import { MAX_FILE_BYTES } from './limits.ts';
import { resolveFile } from './resolve.ts';
import { generateTopology, isGeneratorSpec } from './spec.ts';
import type { HcaCatalog, Topology } from './types.ts';
import type { XenCatalog } from './xen-types.ts';

export interface LoadOptions {
  /** The HCA profiles there are; without it, their names are not checked. */
  readonly catalog?: HcaCatalog | undefined;
  /** What may be said of Xen hosts; without it, names are not checked. */
  readonly xen?: XenCatalog | undefined;
  /** Reads a file that an ibsim file includes; `loadTopology` looks beside the file, the others include nothing without this. */
  readonly include?: ((name: string) => string | undefined) | undefined;
}

/** Loads what a user named: a file, else a specification such as `fat-tree:k=4,levels=2`. Throws `TopologyError`. */
export function loadTopology(source: string, options: LoadOptions = {}): Topology {
  let bytes: Buffer;
  try {
    bytes = readFileSync(source);
  } catch (error) {
    if (isGeneratorSpec(source)) return generateTopology(source, options);
    const { code = '', message } = error as NodeJS.ErrnoException;
    const kinds = Object.keys(GENERATORS);
    const reason = code === 'ENOENT' || code === 'ENAMETOOLONG' ? 'there is no such file' : message;
    const hint = didYouMean(source.split(':', 1)[0]!, kinds);
    throw new TopologyError([
      { file: source, path: '', message: `${reason}, and no generator begins like this (${oneOf(kinds)})${hint}` },
    ]);
  }
  return loadTopologyBytes(bytes, source, { include: includeFrom(source), ...options });
}

/** As `loadTopology`, for a file's bytes. */
export function loadTopologyBytes(bytes: Uint8Array, file: string, options: LoadOptions = {}): Topology {
  if (bytes.length > MAX_FILE_BYTES)
    throw new TopologyError([{ file, path: '', message: `has ${bytes.length} bytes; at most ${MAX_FILE_BYTES} are read` }]);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new TopologyError([{ file, path: '', message: 'is not text in UTF-8' }]);
  }
  return loadTopologyText(text, file, options);
}

/** As `loadTopology`, for a text. `file` names it in messages, and its ending helps to tell the formats apart. */
export function loadTopologyText(text: string, file: string, options: LoadOptions = {}): Topology {
  const resolveOptions = {
    source: file,
    fallbackName: basename(file, extname(file)) || 'topology',
    catalog: options.catalog,
    xen: options.xen,
  };
  if (isNetText(text, file)) return importNet(text, { ...resolveOptions, include: options.include });
  const { value, issues } = readDocument(text, file);
  return resolveFile(checkShape(value, issues), issues, resolveOptions);
}

/** `ibnetdiscover` and ibsim files: by a line that opens a node in their way; a name's ending decides for texts without any. */
function isNetText(text: string, file: string): boolean {
  if (['.yaml', '.yml', '.json'].includes(extname(file))) return false;
  return ['.net', '.ibnetdiscover'].includes(extname(file)) || /^(?:Switch|Hca|Ca|Rt)[ \t]+[0-9]+[ \t]+"/m.test(text);
}

/** Reads what a file includes, from the folder that it is in. */
function includeFrom(file: string): (name: string) => string | undefined {
  return (name) => {
    try {
      const bytes = readFileSync(join(dirname(file), name));
      return bytes.length > MAX_FILE_BYTES ? undefined : bytes.toString('utf8');
    } catch {
      return undefined;
    }
  };
}

/** For tests and tools that want the issues alone: an empty list where `text` is a topology. */
export function checkTopologyText(
  text: string,
  file: string,
  options: LoadOptions = {},
): readonly import('./types.ts').TopologyIssue[] {
  try {
    loadTopologyText(text, file, options);
    return [];
  } catch (error) {
    if (error instanceof TopologyError) return error.issues;
    throw error;
  }
}
