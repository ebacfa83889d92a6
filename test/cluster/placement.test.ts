import { availableParallelism } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placeNodes, poolSize } from '../../src/cluster/placement.ts';
import { ConfigError } from '../../src/sim/index.ts';

describe('placement', () => {
  it('puts every node into exactly one group and spreads the busy ones evenly', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 8 }),
        fc.infiniteStream(fc.boolean()),
        (nodes, workers, coin) => {
          const busy = Array.from({ length: nodes }, (_, i) => i).filter((i) => i === 0 || coin.next().value);
          for (const placement of ['inline', 'pool', 'dedicated'] as const) {
            const groups = placeNodes(nodes, busy, placement, placement === 'pool' ? workers : undefined);
            expect(groups.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: nodes }, (_, i) => i));
            const loads = groups.map((group) => group.filter((node) => busy.includes(node)).length);
            expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
            expect(groups.length).toBe({ inline: 1, pool: Math.min(workers, busy.length), dedicated: busy.length }[placement]);
          }
        },
      ),
    );
  });

  it('has one worker less than cores, but one', () => {
    expect(poolSize(1000, undefined)).toBe(Math.max(1, availableParallelism() - 1));
    expect(poolSize(1, undefined)).toBe(1);
    expect(() => poolSize(5, 0)).toThrow(ConfigError);
    expect(() => placeNodes(2, [0], 'inline', 2)).toThrow(/--workers: has an effect with --placement pool only/);
  });
});
