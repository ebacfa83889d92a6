/** A few points of the tables that `npm run validate` prints for verbs of guests. */
import { describe, expect, it } from 'vitest';
import { bypassRows, controlRows, functionRows } from '../../validate/xen-ib.ts';
import { joined } from '../../validate/xen-wire.ts';

describe('verbs of guests', () => {
  it('move data as fast as bare hosts', async () => {
    const { rows } = await bypassRows(['send 8', 'read 4096'], ['write 4096']);
    expect(rows.map(({ ratio }) => ratio)).toEqual([1, 1, 1]);
  });

  it('pay the channel for control verbs, to the ps', async () => {
    const { rows } = await controlRows();
    for (const { name, ratio } of rows) expect(ratio, name).toBeCloseTo(1, 9);
  });

  it('have the published latencies over virtual functions', async () => {
    const { rows } = await functionRows();
    expect(rows.filter(({ ok }) => !ok)).toEqual([]);
    expect(joined('connectx3-fdr', 2, 147, 0).adapters[1].functions).toHaveLength(2);
  });
});
