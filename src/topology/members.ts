/**
 * Routing and partitions of a file: names become indexes, and options that would change nothing are refused.
 */
import type { Entity, TopologyBuilder } from './builder.ts';
import { findEntity } from './connect.ts';
import { type Place, show } from './issue.ts';
import { expandNames, isName } from './names.ts';
import type { TopologyFile } from './schema.ts';
import type { TopologyPartition, TopologyRouting } from './types.ts';

/** The default partition (IBA 10.9.1.2). */
export const DEFAULT_PKEY = 0x7fff;

/** The routing block; without one, `min-hop`. */
export function resolveRouting(builder: TopologyBuilder, routing: TopologyFile['routing']): TopologyRouting {
  const { engine = 'min-hop', roots, datelines } = routing ?? {};
  const place = ['routing', 'roots'];
  if (datelines !== undefined && engine !== 'dor')
    builder.issues.add(['routing', 'datelines'], `changes nothing: ${engine} has no datelines; dor has`, true);
  if (engine === 'min-hop' || engine === 'dor') {
    if (roots !== undefined)
      builder.issues.add(place, `changes nothing: ${engine} has no roots; up-down and fat-tree have`, true);
    return engine === 'dor' ? { engine, datelines: datelines ?? false } : { engine };
  }
  return { engine, roots: roots === undefined ? [] : expandEntities(builder, roots, 'switch', place) };
}

/** The partitions block. The default partition is always there: all are full members of it, or limited ones where the file has partitions of its own. */
export function resolvePartitions(builder: TopologyBuilder, partitions: TopologyFile['partitions']): TopologyPartition[] {
  const resolved: TopologyPartition[] = [];
  for (const [name, text] of Object.entries(partitions ?? {})) {
    const place = ['partitions', name];
    if (!isName(name)) builder.issues.add(place, `${show(name)} is no name`, true);
    const twin = resolved.find((other) => other.pkey === text.pkey);
    if (twin !== undefined) builder.issues.add([...place, 'pkey'], `P_Key 0x${text.pkey.toString(16)} is ${twin.name}'s already`);
    const full = membersOf(builder, text.full, [...place, 'full']);
    const limited = membersOf(builder, text.limited, [...place, 'limited']).filter(
      (node) => text.limited !== 'all' || !full.includes(node),
    );
    const both = limited.find((node) => full.includes(node));
    if (both !== undefined && text.full !== 'all') {
      builder.issues.add([...place, 'limited'], `${builder.entityName({ kind: 'node', index: both })} is a full member too`);
    } else if (text.full === 'all' && text.limited !== undefined)
      builder.issues.add([...place, 'limited'], 'changes nothing, because all are full members');
    if (full.length + limited.length === 0)
      builder.issues.add(place, 'has no members, so it changes nothing; give full, limited or both');
    const members = [
      ...full.map((node) => ({ node, membership: 'full' as const })),
      ...limited.map((node) => ({ node, membership: 'limited' as const })),
    ];
    resolved.push({ name, pkey: text.pkey, members: members.sort((a, b) => a.node - b.node) });
  }
  if (!resolved.some(({ pkey }) => pkey === DEFAULT_PKEY))
    resolved.unshift(defaultPartition(builder.nodeCount, partitions === undefined ? 'full' : 'limited'));
  return resolved;
}

export function defaultPartition(nodeCount: number, membership: 'full' | 'limited' = 'full'): TopologyPartition {
  return { name: 'Default', pkey: DEFAULT_PKEY, members: Array.from({ length: nodeCount }, (_, node) => ({ node, membership })) };
}

function membersOf(builder: TopologyBuilder, text: string | readonly string[] | undefined, place: Place): number[] {
  if (text === undefined) return [];
  if (text === 'all') return Array.from({ length: builder.nodeCount }, (_, i) => i);
  return expandEntities(builder, text, 'node', place);
}

/** Indexes of the nodes or switches that patterns name. */
function expandEntities(
  builder: TopologyBuilder,
  patterns: string | readonly string[],
  kind: Entity['kind'],
  place: Place,
): number[] {
  const list = typeof patterns === 'string' ? [patterns] : patterns;
  const indexes = list.flatMap((pattern, i) => {
    const at = typeof patterns === 'string' ? place : [...place, i];
    const expansion = expandNames(pattern);
    if ('error' in expansion) {
      builder.issues.add(at, `${show(pattern)} ${expansion.error}`);
      return [];
    }
    return expansion.names.flatMap((name) => {
      const entity = findEntity(builder, name, at);
      if (entity !== undefined && entity.kind !== kind)
        builder.issues.add(at, `${show(name)} is a ${entity.kind}; expected a ${kind}`);
      return entity?.kind === kind ? [entity.index] : [];
    });
  });
  const unique = [...new Set(indexes)];
  if (unique.length < indexes.length) builder.issues.add(place, `names ${indexes.length - unique.length} of them twice`);
  return unique;
}
