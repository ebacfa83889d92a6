import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesToText, encodeMessage, MessageParser, type StoreMessage, textToBytes } from '../../src/hypervisor/index.ts';
import { PersistentMap } from '../../src/hypervisor/xenstore/persistent-map.ts';

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const payload = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 300 });
const message: fc.Arbitrary<StoreMessage> = fc.record({ type: u32, requestId: u32, txId: u32, payload });

describe('messages', () => {
  it('have the header of xs_wire.h', () => {
    const bytes = encodeMessage({ type: 2, requestId: 0x01020304, txId: 7, payload: '/a\0' });
    expect([...bytes]).toEqual([2, 0, 0, 0, 4, 3, 2, 1, 7, 0, 0, 0, 3, 0, 0, 0, 0x2f, 0x61, 0]);
  });

  it('come out of a stream as they went in, however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (messages, cuts) => {
          const stream = Uint8Array.from(messages.flatMap((one) => [...encodeMessage(one)]));
          const parser = new MessageParser();
          const found: StoreMessage[] = [];
          for (let at = 0, i = 0; at < stream.length; i++) {
            const end = at + cuts[i % cuts.length];
            found.push(...parser.push(stream.subarray(at, end)));
            at = end;
          }
          expect(found).toEqual(messages);
        },
      ),
    );
  });

  it('4096 bytes of payload are taken, one more breaks the stream for good', () => {
    const longest = { type: 1, requestId: 1, txId: 0, payload: 'x'.repeat(4096) };
    const parser = new MessageParser();
    expect(parser.push(encodeMessage(longest))).toEqual([longest]);
    expect(parser.push(encodeMessage({ ...longest, payload: `${longest.payload}x` }))).toEqual([]);
    expect(parser.isBroken).toBe(true);
    expect(parser.push(encodeMessage({ ...longest, payload: '' }))).toEqual([]);
  });

  it('texts are UTF-8, and bytes that are none do no harm', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => bytesToText(textToBytes(text)) === text));
    expect(textToBytes('é')).toBe('\xc3\xa9');
    expect(bytesToText('a\xff')).toBe('a\ufffd');
  });
});

describe('the persistent map', () => {
  const key = fc.oneof(fc.string({ maxLength: 3 }), fc.constantFrom('costarring', 'liquid', 'declinate', 'macallums'));
  const step = fc.record({ key, value: fc.option(fc.nat(99)) });

  it('does what a Map does, and leaves all earlier maps as they were', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        let map = PersistentMap.empty<number>();
        const reference = new Map<string, number>();
        const history: { map: PersistentMap<number>; reference: Map<string, number> }[] = [];
        for (const { key: name, value } of steps) {
          history.push({ map, reference: new Map(reference) });
          map = value === null ? map.delete(name) : map.set(name, value);
          if (value === null) reference.delete(name);
          else reference.set(name, value);
        }
        for (const then of [...history, { map, reference }]) {
          expect(then.map.size).toBe(then.reference.size);
          for (const { key: name } of steps) expect(then.map.get(name)).toBe(then.reference.get(name));
        }
      }),
    );
  });

  it('keeps keys of the same hash apart', () => {
    // FNV-1a gives these the same 32 bits, two by two.
    const map = PersistentMap.empty<number>().set('costarring', 1).set('liquid', 2).set('declinate', 3).set('macallums', 4);
    expect(['costarring', 'liquid', 'declinate', 'macallums'].map((name) => map.get(name))).toEqual([1, 2, 3, 4]);
    const less = map.delete('liquid').delete('declinate');
    expect(['costarring', 'liquid', 'declinate', 'macallums'].map((name) => less.get(name))).toEqual([
      1,
      undefined,
      undefined,
      4,
    ]);
    expect(map.size).toBe(4);
  });
});
