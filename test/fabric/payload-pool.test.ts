import { describe, expect, it } from 'vitest';
import { PayloadPool } from '../../src/fabric/index.ts';

describe('PayloadPool', () => {
  it('gives every slot of an arena once, then says that it is exhausted', () => {
    const pool = PayloadPool.create(3, 200);
    const slots = Array.from({ length: 200 }, () => pool.allocate(1));
    expect([...slots].sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => 200 + i));
    expect(() => pool.allocate(1)).toThrow('exhausted');
    pool.release(slots[77]);
    expect(pool.allocate(1)).toBe(slots[77]);
    expect(pool.inUse()).toBe(200);
  });

  it('goes round in few slots while few are in flight', () => {
    const pool = PayloadPool.create(1, 4096);
    const used = new Set<number>();
    for (let i = 0; i < 1000; i++) {
      const slot = pool.allocate(0);
      used.add(slot);
      pool.release(slot);
    }
    expect(used.size).toBe(64);
  });

  it('frees a slot with its last reference, and knows when one is given back too often', () => {
    const pool = PayloadPool.create(1, 4);
    const slot = pool.allocate(0);
    pool.retain(slot, 1);
    pool.release(slot);
    expect(pool.inUse()).toBe(1);
    pool.release(slot);
    expect(pool.inUse()).toBe(0);
    expect(() => pool.release(slot)).toThrow('twice');
  });
});
