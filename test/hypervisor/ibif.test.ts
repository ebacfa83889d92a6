import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeAnswer,
  decodeRequest,
  encodeRequest,
  encodeResponse,
  EVENT_ENTRIES,
  EventConsumer,
  EventProducer,
  setSlotId,
  slotErrno,
  slotId,
  VIB_COMMANDS,
} from '../../src/hypervisor/index.ts';
import { BytesView } from '../kit/bytes-view.ts';

describe('docs/ibif.md', () => {
  it('has every command with its fields', () => {
    const text = readFileSync(new URL('../../docs/ibif.md', import.meta.url), 'utf8');
    for (const [name, { op, request, response }] of Object.entries(VIB_COMMANDS)) {
      const row = text.split('\n').find((line) => line.startsWith(`| ${op} | ${name} |`)) ?? '';
      for (const [field, [at, kind]] of Object.entries({ ...request, ...response }) as [string, readonly [number, string]][]) {
        const shared = at >= 120 ? '*pages*' : 'avPort' in request && at >= 52 ? '*address*' : `${field} ${at}:${kind}`;
        expect(row, `${name}.${field}`).toContain(shared);
      }
    }
  });
});

describe('a slot of the device channel', () => {
  it('keeps its id, its errno and its fields, little-endian', () => {
    const slot = encodeRequest('regMr', { pd: 1, access: 2, addr: 3n, length: 4n, iova: 2n ** 63n, pages: 5, list: 0x01020304 });
    setSlotId(slot, 77);
    expect([...slot.subarray(0, 12)]).toEqual([9, 0, 0, 0, 77, 0, 0, 0, 1, 0, 0, 0]);
    expect([...slot.subarray(124)]).toEqual([4, 3, 2, 1]);
    expect(decodeRequest(slot)).toMatchObject({ command: 'regMr', iova: 2n ** 63n, list: 0x01020304 });
    const answer = encodeResponse(slot, 0, { lkey: 0xfffffff1, rkey: 6 });
    expect([slotId(answer), slotErrno(answer), decodeAnswer('regMr', answer)]).toEqual([77, 0, { lkey: 0xfffffff1, rkey: 6 }]);
    const refused = encodeResponse(slot, 22, { lkey: 5, rkey: 6 });
    expect([slotErrno(refused), decodeAnswer('regMr', refused)]).toEqual([22, { lkey: 0, rkey: 0 }]);
  });

  it('may hold anything', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 128, maxLength: 128 }), (bytes) => {
        const request = decodeRequest(bytes);
        const known = Object.values(VIB_COMMANDS).some(({ op }) => op === bytes[0]! + 256 * bytes[1]!);
        expect(request !== null).toBe(known);
      }),
    );
  });
});

describe('the page of events', () => {
  it('gives what was put in, in order, over any number of turns, and tells when it is full', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(200), fc.nat(200)), { maxLength: 60 }), (turns) => {
        const page = new BytesView(new Uint8Array(4096));
        const [producer, consumer] = [new EventProducer(page), new EventConsumer(page)];
        let put = 0;
        let taken = 0;
        for (const [more, fewer] of turns) {
          for (let i = 0; i < more && producer.hasRoom; i++) producer.push({ kind: 1, type: 2, number: put++, a: 3, b: 4 });
          expect(producer.waiting).toBe(put - taken);
          expect(consumer.isFull).toBe(put - taken === EVENT_ENTRIES);
          for (let i = 0; i < fewer; i++) {
            const event = consumer.take();
            if (event === null) break;
            expect(event).toEqual({ kind: 1, type: 2, number: taken++, a: 3, b: 4 });
          }
          consumer.acknowledge();
          for (const number of [taken - 1, taken, put]) if (number >= 0) expect(producer.isConsumed(number)).toBe(number < taken);
        }
      }),
    );
  });

  it('gives nothing to a consumer whose producer is beyond all bounds', () => {
    const page = new BytesView(new Uint8Array(4096));
    const consumer = new EventConsumer(page);
    page.setU32(0, EVENT_ENTRIES + 1);
    expect(consumer.take()).toBe(null);
    page.setU32(4, 1);
    expect(new EventProducer(page).isOverrun).toBe(true);
  });
});
