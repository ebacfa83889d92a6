import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StoreConnection, type Watch } from '../../../src/hypervisor/xenstore/connection.ts';
import { WatchIndex } from '../../../src/hypervisor/xenstore/watch-index.ts';

describe('watches by path', () => {
  const path = fc.constantFrom('/', '/a', '/a/b', '/a/b/c', '/ab', '/a/bc', '@releaseDomain');
  const step = fc.record({ path, token: fc.constantFrom('1', '2'), isAdded: fc.boolean() });

  it('are found as looking at each of them would find them, in the order in which they were set', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30 }),
        fc.constantFrom('/', '/a', '/a/b', '/a/b/c', '/a/bc/d', '/ab/c'),
        (steps, changed) => {
          const index = new WatchIndex();
          const connections = [new StoreConnection(null, index), new StoreConnection(null, index)];
          let all: Watch[] = [];
          for (const [i, { path: watched, token, isAdded }] of steps.entries()) {
            const connection = connections[i % 2];
            const earlier = all.find((watch) => watch.connection === connection && watch.path === watched);
            if (isAdded) all.push(connection.addWatch(watched, token, null));
            else if (earlier !== undefined) {
              connection.dropWatch(earlier);
              all = all.filter((watch) => watch !== earlier);
            }
          }
          const isAbove = (watch: Watch) => watch.path === '/' || watch.path === changed || changed.startsWith(`${watch.path}/`);
          expect(index.above(changed)).toEqual(all.filter(isAbove));
          expect(index.at(changed)).toEqual(all.filter((watch) => watch.path === changed));
          expect(index.at('@releaseDomain')).toEqual(all.filter((watch) => watch.path === '@releaseDomain'));
          connections[0].dropWatches();
          expect(index.above(changed)).toEqual(all.filter((watch) => watch.connection === connections[1] && isAbove(watch)));
        },
      ),
    );
  });
});
