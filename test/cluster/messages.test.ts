import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GroupMessage, MessageStream, packValue, unpackValue } from '../../src/cluster/messages.ts';

const peer = (bytes: Uint8Array): GroupMessage => ({
  kind: 'peer',
  arrivalPs: 12_345_678_901_234,
  from: 1,
  to: 2,
  what: 'value',
  bytes,
});

describe('values between programs', () => {
  it.each([null, true, 1.5, 2 ** 53 - 1, -7, 'text', 2n ** 63n, -5n, new Uint8Array([1, 2, 3]), [1, [2]], { a: { b: 1n } }])(
    'keeps %s',
    (value) => {
      expect(unpackValue(packValue(value))).toEqual(value);
    },
  );
});

describe('message stream', () => {
  it('gives back the same messages in the same batches, whatever the size of a piece', () => {
    const batches = fc.array(fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 4 }), { maxLength: 5 });
    fc.assert(
      fc.property(batches, fc.integer({ min: 1, max: 300 }), (plan, pieceBytes) => {
        const sender = new MessageStream();
        const receiver = new MessageStream();
        for (const batch of plan) {
          for (const bytes of batch) sender.push(peer(bytes));
          const got: GroupMessage[] = [];
          while (sender.hasMore) {
            const buffer = new Uint8Array(pieceBytes);
            const fitted = sender.fits(pieceBytes);
            const length = sender.writeTo(buffer);
            expect(fitted).toBe(sender.atEnd);
            got.push(...receiver.read(buffer.subarray(0, length), sender.atEnd));
          }
          expect(got).toEqual(batch.map(peer));
        }
        expect(sender.writeTo(new Uint8Array(8))).toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});
