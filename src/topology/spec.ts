/**
 * Generator specifications of the command line: `fat-tree:k=16,levels=3,taper=2`, `torus:dimensions=4x4x4,speed=HDR`, `back-to-back`.
 * The generator's own parameters, and a few settings with the defaults below; whoever needs more writes a file.
 */
import { GENERATORS, type GeneratorParameters } from './generators.ts';
import { didYouMean, IssueList, oneOf, show } from './issue.ts';
import { profileForSpeed } from './products.ts';
import { OPERATIONAL_VLS } from './qos.ts';
import { resolveFile } from './resolve.ts';
import type { TopologyFile } from './schema.ts';
import { LINK_SPEEDS, LINK_WIDTHS, type LinkSpeed, type LinkWidth, MTUS } from './speeds.ts';
import type { HcaCatalog, Topology } from './types.ts';

/** The settings besides a generator's own parameters, with what they are when not given. */
export const SPEC_SETTINGS: Readonly<Record<string, string>> = {
  speed: 'link speed, default EDR',
  width: 'link width, default 4x',
  length: 'length of each cable, default 2m',
  mtu: 'largest payload, default 4096',
  profile: 'HCA profile, default the one of that speed',
  type: 'switch type, default generic with as many ports as needed',
  model: 'voq or fifo, default voq',
  vls: 'operational data VLs, default 4',
};

/** Whether `text` looks like a specification rather than a file: it begins with a generator's name. */
export function isGeneratorSpec(text: string): boolean {
  return Object.hasOwn(GENERATORS, text.split(':', 1)[0]!);
}

/** Generates the fabric of a specification. Throws `TopologyError`. */
export function generateTopology(spec: string, options: { readonly catalog?: HcaCatalog | undefined } = {}): Topology {
  const issues = new IssueList(spec.length > 200 ? `${spec.slice(0, 200)}…` : spec);
  const file = parseSpec(spec, issues);
  issues.throwIfAny();
  return resolveFile(file, issues, { source: spec, fallbackName: spec, catalog: options.catalog });
}

function parseSpec(spec: string, issues: IssueList): TopologyFile {
  const colon = spec.indexOf(':');
  const kind = colon < 0 ? spec : spec.slice(0, colon);
  const own = Object.hasOwn(GENERATORS, kind) ? Object.keys(GENERATORS[kind]!.parameters) : [];
  const settings: Record<string, string> = {};
  const parameters: Record<string, number | number[]> = {};
  const parts = colon < 0 ? [] : spec.slice(colon + 1, colon + 2001).split(',');
  for (const part of parts) {
    const [, name, value] = /^\s*([A-Za-z]+)\s*=\s*(\S+)\s*$/.exec(part) ?? [];
    if (name === undefined || value === undefined) issues.add([], `found ${show(part)}; expected parameter=value`);
    else if (name in settings || name in parameters) issues.add([name], 'is given twice');
    else if (Object.hasOwn(SPEC_SETTINGS, name)) settings[name] = value;
    else if (own.length > 0 && !own.includes(name)) {
      const names = [...own, ...Object.keys(SPEC_SETTINGS)];
      issues.add([name], `is no parameter of ${kind}; accepted are ${names.join(', ')}${didYouMean(name, names)}`);
    } else parameters[name] = parseParameter(name, value, issues);
  }
  const defaults = parseSettings(settings, issues);
  const routing = engineFor(kind, parameters, defaults.qos?.operationalVls);
  return { heddle: 1, generate: { kind, ...(parameters as GeneratorParameters) }, defaults, routing };
}

/** The smallest ring in which dimension order can block itself: shorter ones have no two hops the same way in a row all round. */
const SMALLEST_BLOCKING_RING = 5;
/** An SL has a bit for each dimension with a seam. */
const DATELINE_DIMENSIONS = 4;

/** The engine that is at home on the shape, and cannot deadlock there; where there is none, min-hop. */
function engineFor(
  kind: string,
  { dimensions }: Readonly<Record<string, number | number[]>>,
  operationalVls: number | undefined,
): NonNullable<TopologyFile['routing']> {
  if (kind === 'fat-tree' || kind === 'k-ary-n-tree') return { engine: 'fat-tree' };
  if (kind === 'dragonfly') return { engine: 'up-down' };
  if (kind === 'mesh' || kind === 'hypercube') return { engine: 'dor' };
  if (kind !== 'torus' || !Array.isArray(dimensions)) return { engine: 'min-hop' };
  if (dimensions.every((size) => size < SMALLEST_BLOCKING_RING)) return { engine: 'dor' };
  const fits = dimensions.length <= DATELINE_DIMENSIONS && (operationalVls ?? 2) >= 2;
  return fits ? { engine: 'dor', datelines: true } : { engine: 'up-down' };
}

function parseParameter(name: string, value: string, issues: IssueList): number | number[] {
  const numbers = value.split('x').map((part) => (/^[0-9]{1,9}(?:\.[0-9]{1,9})?$/.test(part) ? Number(part) : Number.NaN));
  const isList = name === 'dimensions';
  const isWhole = name !== 'taper';
  const least = name === 'hosts' ? 0 : 1;
  if (
    numbers.some((n) => !(n >= least) || (isWhole && !Number.isInteger(n))) ||
    (!isList && numbers.length > 1) ||
    numbers.length > 16
  ) {
    issues.add(
      [name],
      `found ${show(value)}; expected ${isList ? 'sizes such as 4x4x4, at most 16' : isWhole ? `a whole number from ${least}` : 'a number from 1'}`,
    );
    return isList ? [1] : 1;
  }
  if (name === 'levels' && numbers[0] !== 2 && numbers[0] !== 3) issues.add([name], `found ${show(value)}; expected 2 or 3`);
  if (name === 'dimension' && numbers[0]! > 15) issues.add([name], `found ${show(value)}; expected 1 to 15`);
  return isList ? numbers : numbers[0]!;
}

function parseSettings(settings: Readonly<Record<string, string>>, issues: IssueList): NonNullable<TopologyFile['defaults']> {
  const choose = (name: string, choices: readonly string[], byDefault: string): string => {
    const value = settings[name] ?? byDefault;
    if (!choices.includes(value))
      issues.add([name], `found ${show(value)}; expected ${oneOf(choices)}${didYouMean(value, choices)}`);
    return value;
  };
  const speed = choose('speed', LINK_SPEEDS, 'EDR') as LinkSpeed;
  const width = choose('width', LINK_WIDTHS, '4x') as LinkWidth;
  const mtu = Number(choose('mtu', MTUS.map(String), '4096'));
  const { type, length, profile, vls } = settings;
  const model = settings.model === undefined ? undefined : (choose('model', ['voq', 'fifo'], 'voq') as 'voq' | 'fifo');
  const operationalVls = vls === undefined ? undefined : Number(choose('vls', OPERATIONAL_VLS.map(String), '4'));
  return {
    node: { hca: { profile: profile ?? profileForSpeed(speed) } },
    link: { speed, width, mtu, ...(length !== undefined && { length }) },
    ...((type !== undefined || model !== undefined) && {
      switch: { ...(type !== undefined && { type }), ...(model !== undefined && { model }) },
    }),
    ...(operationalVls !== undefined && { qos: { operationalVls } }),
  };
}
