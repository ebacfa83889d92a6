/**
 * Holds a value against the schema of a topology file, and words what zod finds: what stands there, what is accepted, what was
 * perhaps meant.
 */
import type * as z from 'zod';
import { didYouMean, type IssueList, type Place, show } from './issue.ts';
import { salvage } from './salvage.ts';
import { type TopologyFile, topologySchemas } from './schema.ts';

type ZodIssue = z.core.$ZodIssue;

/** Rounds of taking out what does not fit: what stands behind a misfit may be another. */
const MAX_ROUNDS = 3;

/**
 * The value as a file's content. Every misfit becomes an issue; where some of the value fits, that comes back, and issues that may be consequences of the misfits are
 * silenced from then on. Throws `TopologyError` where nothing is left to look at.
 */
export function checkShape(value: unknown, issues: IssueList): TopologyFile {
  const schema = topologySchemas().topologyFile;
  let rest = value;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const result = schema.safeParse(rest);
    if (result.success) return result.data;
    const before = issues.count;
    for (const issue of result.error.issues) report(issue, [], rest, issues);
    if (issues.count === before && round === 0) throw new Error('a refused topology without an issue');
    const left = salvage(
      rest,
      result.error.issues.flatMap((issue) => placesOf(issue, [])),
    );
    if (left === null) break;
    issues.silence(left.silenced);
    rest = left.value;
  }
  issues.throwIfAny();
  throw new Error('a refused topology without an issue');
}

/** Where an issue's misfits stand. */
function placesOf(issue: ZodIssue, above: Place): Place[] {
  const place = [...above, ...(issue.path as (string | number)[])];
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => [...place, key]);
  if (issue.code === 'invalid_union') {
    const near = nearestMember(issue);
    if (near !== undefined) return near.flatMap((inner) => placesOf(inner as ZodIssue, place));
  }
  return [place];
}

/** The member of a union that got past the type of the value itself has the telling complaints. */
function nearestMember(issue: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] | undefined {
  const near = issue.errors.find((errors) =>
    errors.every((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys'),
  );
  return near !== undefined && near.length > 0 ? near : undefined;
}

function report(issue: ZodIssue, above: Place, root: unknown, issues: IssueList): void {
  const place = [...above, ...(issue.path as (string | number)[])];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(place);
    for (const key of issue.keys) {
      const hint = didYouMean(key, known);
      issues.add(
        [...place, key],
        `unknown key${hint}${hint === '' && known.length > 0 ? `; accepted are ${known.join(', ')}` : ''}`,
        true,
      );
    }
    return;
  }
  if (issue.code === 'invalid_union') {
    const near = nearestMember(issue);
    if (near !== undefined) {
      for (const inner of near) report(inner as ZodIssue, place, root, issues);
      return;
    }
  }
  const found = valueAt(root, place);
  const accepted = issue.code === 'invalid_key' ? 'a name' : issue.message;
  if (found === undefined) issues.add(place, `is missing; expected ${accepted}`);
  else
    issues.add(
      place,
      `found ${show(found)}; expected ${accepted}${typeof found === 'string' ? didYouMean(found, accepted.split(', ')) : ''}`,
    );
}

function valueAt(root: unknown, place: Place): unknown {
  let value = root;
  for (const part of place) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

/** The keys accepted in the map at `place`, read off the schema. */
function knownKeys(place: Place): string[] {
  let schemas: z.core.$ZodType[] = [topologySchemas().topologyFile];
  for (const part of place) schemas = schemas.flatMap((schema) => stepInto(schema, part));
  return [...new Set(schemas.flatMap(unwrap).flatMap((schema) => Object.keys(definition(schema).shape ?? {})))];
}

interface Definition {
  readonly type: string;
  readonly shape?: Record<string, z.core.$ZodType>;
  readonly innerType?: z.core.$ZodType;
  readonly options?: z.core.$ZodType[];
  readonly element?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
}

function definition(schema: z.core.$ZodType): Definition {
  return schema._zod.def as unknown as Definition;
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType[] {
  const { innerType, options } = definition(schema);
  if (innerType !== undefined) return unwrap(innerType);
  return options !== undefined ? options.flatMap(unwrap) : [schema];
}

function stepInto(schema: z.core.$ZodType, part: string | number): z.core.$ZodType[] {
  return unwrap(schema).flatMap((inner) => {
    const { shape, element, valueType } = definition(inner);
    const next = shape?.[part] ?? (typeof part === 'number' ? element : valueType);
    return next === undefined ? [] : [next];
  });
}
