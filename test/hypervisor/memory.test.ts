/** A domain's memory and views of it against an array of bytes; holes, bounds, pages that are made when touched. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MachineMemory } from '../../src/hypervisor/machine-memory.ts';
import { DomainMemory, PAGE_HOLE, PAGE_OWN, PAGE_UNTOUCHED } from '../../src/hypervisor/memory.ts';
import { PageAllocator } from '../../src/hypervisor/page-allocator.ts';
import { PageView } from '../../src/hypervisor/page-view.ts';

const PAGES = 4;
const SIZE = PAGES * 4096;
const make = (pages = PAGES, limit = pages + 8) => {
  const machine = new MachineMemory(1 << 22);
  return { machine, memory: new DomainMemory(machine, 1, pages, pages + 4, limit) };
};

const access = fc.record({
  kind: fc.nat(10),
  at: fc.oneof(
    fc.nat(SIZE - 1),
    fc.nat(PAGES - 2).map((page) => page * 4096 + 4090),
    fc.nat(64),
  ),
  length: fc.oneof(fc.nat(40), fc.nat(9000)),
  value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
});

it('reads and writes like bytes in a row, across pages and unaligned', () => {
  fc.assert(
    fc.property(fc.array(access, { maxLength: 40 }), fc.boolean(), (accesses, throughView) => {
      const { memory } = make(PAGES + 2);
      const view = throughView ? new PageView(memory, 2, PAGES) : memory;
      const bytes = new DataView(new ArrayBuffer(SIZE));
      const flat = new Uint8Array(bytes.buffer);
      for (const { kind, at, length, value } of accesses) {
        if (at + Math.max(8, length) > SIZE) continue;
        const low = Number(value & 0xffffffffn);
        if (kind === 0) expect(view.u8(at)).toBe(bytes.getUint8(at));
        else if (kind === 1) expect(view.u16(at)).toBe(bytes.getUint16(at, true));
        else if (kind === 2) expect(view.u32(at)).toBe(bytes.getUint32(at, true));
        else if (kind === 3) expect(view.u64(at)).toBe(bytes.getBigUint64(at, true));
        else if (kind === 4) [view.setU8(at, low), bytes.setUint8(at, low)];
        else if (kind === 5) [view.setU16(at, low), bytes.setUint16(at, low, true)];
        else if (kind === 6) [view.setU32(at, low), bytes.setUint32(at, low, true)];
        else if (kind === 7) [view.setU64(at, value), bytes.setBigUint64(at, value, true)];
        else if (kind === 8) [view.fill(at, length, low & 255), flat.fill(low & 255, at, at + length)];
        else if (kind === 9) {
          const data = Uint8Array.from({ length }, (_, i) => (low + i * 7) & 255);
          view.write(at, data);
          flat.set(data, at);
        } else {
          const data = new Uint8Array(length);
          view.read(at, data);
          expect(Buffer.compare(data, flat.subarray(at, at + length))).toBe(0);
        }
      }
      const all = new Uint8Array(SIZE);
      view.read(0, all);
      expect(Buffer.compare(all, flat)).toBe(0);
    }),
    { numRuns: 300 },
  );
});

describe('pages', () => {
  it('are made when written, not when read', () => {
    const { machine, memory } = make(1 << 21);
    expect(memory.u32(2 ** 32 + 4096)).toBe(0);
    memory.read(0, new Uint8Array(100_000));
    expect([machine.framesInUse, memory.kindOf(3)]).toEqual([0, PAGE_UNTOUCHED]);
    memory.setU32(2 ** 32 + 4096, 9);
    expect([machine.framesInUse, memory.u32(2 ** 32 + 4096), memory.u32(4096)]).toEqual([1, 9, 0]);
    expect(memory.kindOf(2 ** 20 + 1)).toBe(PAGE_OWN);
  });

  it('that are not there fault, and tell before', () => {
    const { memory } = make();
    const view = new PageView(memory, 3, 2);
    expect([memory.kindOf(4), memory.kindOf(-1), memory.kindOf(1e9)]).toEqual([PAGE_HOLE, PAGE_HOLE, PAGE_HOLE]);
    expect([memory.canRead(0, SIZE), memory.canRead(0, SIZE + 1), memory.canWrite(SIZE - 1, 2)]).toEqual([true, false, false]);
    expect([memory.canRead(-1, 1), memory.canRead(Number.NaN, 1), memory.canRead(2 ** 64, 8)]).toEqual([false, false, false]);
    for (const at of [SIZE, -1, memory.length, 2 ** 60, Number.NaN]) {
      expect(() => memory.u8(at)).toThrow(RangeError);
      expect(() => memory.setU8(at, 1)).toThrow(RangeError);
    }
    expect(() => view.u32(4094)).toThrow(RangeError);
    expect(() => view.u8(8192)).toThrow(RangeError);
    // A number that is half outside leaves the inside alone.
    expect(() => memory.setU32(SIZE - 2, 0xffffffff)).toThrow(RangeError);
    expect(memory.u16(SIZE - 2)).toBe(0);
  });

  it('that were given back are zeros for the next owner', () => {
    const { machine, memory } = make();
    memory.setU32(0, 77);
    const mfn = memory.frameAt(0)?.mfn ?? 0;
    expect(memory.givePage(mfn)).toBe(true);
    expect(machine.frame(mfn)).toBe(null);
    const next = new DomainMemory(machine, 2, 1, 1, 8);
    expect(next.frameAt(0)?.mfn).toBe(mfn);
    expect(next.u32(0)).toBe(0);
  });
});

it("a kernel's allocator gives each page once, singles and runs", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 5 })), { maxLength: 60 }), (steps) => {
      const pages = new PageAllocator(10, 60);
      const taken: (readonly [number, number])[] = [];
      const inUse = new Set<number>();
      for (const [takes, count] of steps) {
        if (!takes) {
          const run = taken.splice(count % Math.max(1, taken.length), 1)[0];
          if (run === undefined) continue;
          pages.put(run[0], run[1]);
          for (let i = 0; i < run[1]; i++) inUse.delete(run[0] + i);
          continue;
        }
        let first: number;
        try {
          first = pages.take(count);
        } catch {
          continue;
        }
        for (let i = 0; i < count; i++) {
          expect(first + i >= 10 && first + i < 60 && !inUse.has(first + i)).toBe(true);
          inUse.add(first + i);
        }
        taken.push([first, count]);
      }
      expect(pages.freeCount).toBe(50 - inUse.size);
    }),
  );
});
