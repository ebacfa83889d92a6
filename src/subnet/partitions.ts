/**
 * Partitions: who may talk to whom, as P_Key tables. The rules are OpenSM's (partition-config.txt): without any partition all ports are
 * full members of `Default` = 0x7fff; with partitions that leave out 0x7fff, all ports are limited members of it and the manager's port is full.
 */
import { ConfigError, type Issue } from '../sim/index.ts';
import type { SubnetIndex } from './graph.ts';

/** The default partition, without the membership bit. */
export const DEFAULT_PKEY = 0x7fff;
/** Bit 15 of a P_Key: full member. */
export const FULL_MEMBER = 0x8000;

export type Membership = 'full' | 'limited' | 'both';

export interface Partition {
  readonly name: string;
  /** 15 bits, 1 … 0x7fff. */
  readonly pkey: number;
  /** Membership of every adapter port that `members` does not name; none when absent. */
  readonly everybody?: Membership;
  /** Adapter ports (their positions in the graph). */
  readonly members?: readonly { readonly adapter: number; readonly membership: Membership }[];
}

/**
 * The P_Key table of each adapter port; the default partition, if it has it, at index 0. A switch port that enforces partitions for
 * the adapter behind it takes the same table.
 * @throws ConfigError naming every partition with a bad or doubly used P_Key, and every unknown or doubly named member.
 */
export function buildPkeyTables(index: SubnetIndex, partitions: readonly Partition[] = [], managerPort = 0): Uint16Array[] {
  checkPartitions(index, partitions);
  const tables: number[][] = index.graph.adapters.map(() => []);
  const add = (adapter: number, pkey: number, membership: Membership) => {
    if (membership !== 'limited') tables[adapter]!.push(pkey | FULL_MEMBER);
    if (membership !== 'full') tables[adapter]!.push(pkey);
  };
  for (const partition of withDefault(partitions, managerPort)) {
    const named = new Map(partition.members?.map((member) => [member.adapter, member.membership]));
    for (let adapter = 0; adapter < tables.length; adapter++) {
      const membership = named.get(adapter) ?? partition.everybody;
      if (membership !== undefined) add(adapter, partition.pkey, membership);
    }
  }
  return tables.map((table) => Uint16Array.from(table));
}

/** The P_Key that `from` uses toward `to`: the first of its own that `to` has too, at least one of the two as a full member. */
export function commonPkey(from: Uint16Array, to: Uint16Array): number | undefined {
  const matches = (a: number, b: number) => (a & DEFAULT_PKEY) === (b & DEFAULT_PKEY) && ((a | b) & FULL_MEMBER) !== 0;
  return from.find((a) => to.some((b) => matches(a, b)));
}

function withDefault(partitions: readonly Partition[], managerPort: number): Partition[] {
  const given = partitions.find((partition) => partition.pkey === DEFAULT_PKEY);
  if (given !== undefined) return [given, ...partitions.filter((partition) => partition !== given)];
  if (partitions.length === 0) return [{ name: 'Default', pkey: DEFAULT_PKEY, everybody: 'full' }];
  const manager = { adapter: managerPort, membership: 'full' } as const;
  return [{ name: 'Default', pkey: DEFAULT_PKEY, everybody: 'limited', members: [manager] }, ...partitions];
}

function checkPartitions(index: SubnetIndex, partitions: readonly Partition[]): void {
  const issues: Issue[] = [];
  const owners = new Map<number, string>();
  partitions.forEach(({ name, pkey, members = [] }, i) => {
    const fault = (path: string, message: string) => issues.push({ file: '', path: `partitions[${i}]${path}`, message });
    if (!Number.isInteger(pkey) || pkey < 1 || pkey > DEFAULT_PKEY) fault('.pkey', `${pkey} is not in 1 … 0x7fff`);
    const owner = owners.get(pkey);
    if (owner !== undefined) fault('.pkey', `0x${pkey.toString(16)} already belongs to partition ${owner}`);
    owners.set(pkey, name);
    const seen = new Set<number>();
    for (const { adapter } of members) {
      if (!(adapter in index.adapterLink)) fault('.members', `there is no adapter port ${adapter}`);
      if (seen.has(adapter)) fault('.members', `names adapter port ${adapter} twice`);
      seen.add(adapter);
    }
  });
  if (issues.length > 0) throw new ConfigError(issues);
}
