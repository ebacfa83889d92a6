/** Which nodes share a thread. It never changes a result. */
import { availableParallelism } from 'node:os';
import { ConfigError } from '../sim/index.ts';
import type { Placement } from './types.ts';

/** Groups of node numbers 0 … nodes − 1, one a thread: neighbours stay together. `busy` nodes run programs and are spread evenly; the rest follow. */
export function placeNodes(
  nodes: number,
  busy: readonly number[],
  placement: Placement,
  workers: number | undefined,
): number[][] {
  if (placement !== 'pool' && workers !== undefined)
    throw new ConfigError([{ file: '--workers', path: '', message: 'has an effect with --placement pool only' }]);
  if (placement === 'inline') return [Array.from({ length: nodes }, (_, i) => i)];
  const isBusy = new Set(busy);
  const idle = Array.from({ length: nodes }, (_, i) => i).filter((i) => !isBusy.has(i));
  // A node without a program only answers; it needs no thread of its own.
  const count = placement === 'dedicated' ? busy.length : poolSize(busy.length, workers);
  const groups: number[][] = Array.from({ length: count }, () => []);
  const ordered = [...busy].sort((a, b) => a - b);
  const spread = (members: readonly number[]) => {
    for (const [i, node] of members.entries()) groups[Math.floor((i * count) / members.length)]?.push(node);
  };
  spread(ordered);
  spread(idle);
  return groups;
}

/** Worker threads of a pool: as asked, else one less than the machine has cores, at least 1; never more than there are nodes to run. */
export function poolSize(nodes: number, workers: number | undefined): number {
  if (workers !== undefined && (!Number.isInteger(workers) || workers < 1))
    throw new ConfigError([{ file: '--workers', path: '', message: `found ${workers}; accepted: a whole number from 1 on` }]);
  return Math.min(nodes, workers ?? Math.max(1, availableParallelism() - 1));
}
