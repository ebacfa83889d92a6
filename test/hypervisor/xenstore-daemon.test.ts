/** xenstored in dom0: rings, streams, their price, and guests that misuse them. */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  encodeMessage,
  MessageParser,
  RING_CONNECTION,
  RING_ERROR,
  RING_PAGE,
  type RingTransport,
  SERVER_FEATURE,
  type StoreMessage,
  type StoreTransport,
  XS,
} from '../../src/hypervisor/index.ts';
import type { StoreConnection } from '../../src/hypervisor/xenstore/connection.ts';
import { RingEnd } from '../../src/hypervisor/xenstore/ring.ts';
import { FakeHost, PlainPage, XENSTORED_PS } from '../kit/xenstore-host.ts';

describe('a ring', () => {
  it('carries bytes in order through any number of wraps, from any index', () => {
    const start = fc.oneof(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0xfffff800, max: 0xffffffff }));
    fc.assert(
      fc.property(start, fc.array(fc.tuple(fc.nat(1500), fc.nat(1500)), { maxLength: 20 }), (origin, turns) => {
        const page = new PlainPage();
        for (const at of [RING_PAGE.requestConsumer, RING_PAGE.requestProducer]) page.setU32(at, origin);
        const guest = new RingEnd(page, 'guest');
        const server = new RingEnd(page, 'xenstored');
        let written = 0;
        let read = 0;
        for (const [put, take] of turns) {
          const bytes = Uint8Array.from({ length: put }, (_, i) => (written + i) * 7);
          const sent = guest.write(bytes) as number;
          expect(sent).toBe(Math.min(put, 1024 - (written - read)));
          written += sent;
          expect(guest.isWritable).toBe(written - read < 1024);
          const got = server.read(take) as Uint8Array;
          expect([...got]).toEqual(Array.from({ length: Math.min(take, written - read) }, (_, i) => ((read + i) * 7) & 255));
          read += got.length;
          expect(server.isReadable).toBe(written > read);
        }
        expect(page.u32(RING_PAGE.requestProducer)).toBe((origin + written) >>> 0);
        expect(page.bytes.subarray(1024, 2048).every((byte) => byte === 0)).toBe(true);
      }),
    );
  });

  it('impossible indices are told apart from an empty ring', () => {
    const page = new PlainPage();
    page.setU32(RING_PAGE.requestProducer, 1025);
    expect(new RingEnd(page, 'xenstored').read(1)).toBeNull();
    expect(new RingEnd(page, 'guest').write(new Uint8Array(1))).toBeNull();
    page.setU32(RING_PAGE.requestProducer, 1024);
    expect(new RingEnd(page, 'xenstored').read(4000)?.length).toBe(1024);
    expect(new RingEnd(page, 'xenstored').read(4000)?.length).toBe(0);
  });
});

describe('xenstored', () => {
  let host: FakeHost;
  let local: StoreTransport;
  let heard: StoreMessage[];

  beforeEach(() => {
    host = new FakeHost();
    local = host.daemon.connectLocal();
    heard = [];
    local.setReceiver((message) => heard.push(message));
  });

  function ask(type: number, payload: string, transport = local): void {
    transport.send({ type, requestId: 1, txId: 0, payload });
  }
  function bootWithHome(domid: number): { transport: RingTransport; heard: StoreMessage[] } {
    const transport = host.boot(domid);
    ask(XS.mkdir, `/local/domain/${domid}\0`);
    ask(XS.setPerms, `/local/domain/${domid}\0n${domid}\0`);
    host.run();
    const messages: StoreMessage[] = [];
    transport.setReceiver((message) => messages.push(message));
    return { transport, heard: messages };
  }

  it('each request costs its time in dom0, whoever asks', () => {
    const { transport, heard: guestHeard } = bootWithHome(1);
    const startPs = host.loop.nowPs;
    for (let i = 0; i < 10; i++) ask(XS.read, '/tool\0');
    host.run();
    expect(host.loop.nowPs - startPs).toBe(10 * XENSTORED_PS);
    const nextPs = host.loop.nowPs;
    ask(XS.read, 'x\0', transport);
    host.run();
    expect(guestHeard).toHaveLength(1);
    // And an interrupt at either end.
    expect(host.loop.nowPs - nextPs).toBeGreaterThanOrEqual(XENSTORED_PS + 2_000_000);
  });

  it('messages longer than the ring come through, both ways', () => {
    const { transport, heard: guestHeard } = bootWithHome(1);
    const value = Array.from({ length: 1900 }, (_, i) => String.fromCharCode(i & 255)).join('');
    ask(XS.write, `long\0${value}`, transport);
    ask(XS.read, 'long\0', transport);
    host.run();
    expect(guestHeard.map(({ payload }) => payload)).toEqual(['OK\0', value]);
  });

  it('many requests at once, with one notification for what is sent together', () => {
    const { transport, heard: guestHeard } = bootWithHome(1);
    const before = host.notifications;
    for (let i = 0; i < 200; i++) ask(XS.write, `n${i % 50}\0${i}`, transport);
    host.run();
    expect(guestHeard.map(({ payload }) => payload)).toEqual(new Array(200).fill('OK\0'));
    expect(host.notifications - before).toBeLessThan(900);
  });

  it('serves in turn: one that asks without end does not keep another waiting', () => {
    const busy = bootWithHome(1);
    const other = bootWithHome(2);
    for (let i = 0; i < 50; i++) ask(XS.read, 'x\0', busy.transport);
    host.loop.runUntil(host.loop.nowPs + XENSTORED_PS);
    const startPs = host.loop.nowPs;
    let answeredPs = 0;
    other.transport.setReceiver(() => {
      answeredPs = host.loop.nowPs;
    });
    ask(XS.read, 'x\0', other.transport);
    host.run();
    expect(busy.heard).toHaveLength(50);
    expect(answeredPs - startPs).toBeLessThan(5 * XENSTORED_PS);
  });

  it('a guest that takes no replies is not read any further, and goes on when it does', () => {
    host.addDomain(1);
    host.daemon.introduce(1, 7, 1);
    host.run();
    const { page, kick } = host.domains.get(1) as NonNullable<ReturnType<typeof host.domains.get>>;
    const ring = new RingEnd(page, 'guest');
    const request = encodeMessage({ type: XS.getDomainPath, requestId: 9, txId: 0, payload: '100\0' });
    let unsent = Uint8Array.from({ length: 300 * request.length }, (_, i) => request[i % request.length]);
    const push = () => {
      unsent = unsent.subarray(ring.write(unsent) as number);
      kick();
      host.run();
    };
    for (let turns = 0; turns < 10; turns++) push();
    expect(ring.isWritable).toBe(false);
    expect(unsent.length).toBeGreaterThan(190 * request.length);
    expect(host.daemon.store.mustWait(host.daemon.store.connectionOf(1) as StoreConnection)).toBe(true);
    let received = 0;
    const parser = new MessageParser();
    for (let turns = 0; turns < 40; turns++) {
      for (const { payload } of parser.push(ring.read(1024) as Uint8Array)) {
        expect(payload).toBe('/local/domain/100\0');
        received++;
      }
      push();
    }
    expect(received).toBe(300);
  });

  it.each([
    ['a request index out of range', RING_PAGE.requestProducer, 5000, RING_ERROR.ringIndex],
    ['a response index out of range', RING_PAGE.responseConsumer, 77, RING_ERROR.ringIndex],
  ])('gives up a guest with %s, says so in its page, and serves the others', (_what, at, value, error) => {
    const bad = bootWithHome(1);
    const good = bootWithHome(2);
    ask(XS.watch, 'w\0t\0', bad.transport);
    host.run();
    const { page, kick } = host.domains.get(1) as NonNullable<ReturnType<typeof host.domains.get>>;
    page.setU32(at, value);
    ask(XS.write, '/local/domain/1/w\0');
    kick();
    host.run();
    expect(page.u32(RING_PAGE.error)).toBe(error);
    expect(host.daemon.store.connectionOf(1)?.isIgnored).toBe(true);
    expect(host.daemon.store.connectionOf(1)?.watches).toEqual([]);
    ask(XS.write, 'fine\0', good.transport);
    host.run();
    expect(good.heard.map(({ payload }) => payload)).toEqual(['OK\0']);
  });

  it('gives up a guest that announces too long a message', () => {
    const bad = bootWithHome(1);
    bad.transport.send({ type: XS.write, requestId: 1, txId: 0, payload: 'x'.repeat(4097) });
    host.run();
    const page = host.domains.get(1)?.page as PlainPage;
    expect(page.u32(RING_PAGE.error)).toBe(RING_ERROR.protocol);
  });

  it('starts a connection over when the guest asks for it', () => {
    const { transport, heard: guestHeard } = bootWithHome(1);
    const { page, kick } = host.domains.get(1) as NonNullable<ReturnType<typeof host.domains.get>>;
    expect(page.u32(RING_PAGE.serverFeatures)).toBe(SERVER_FEATURE.reconnection | SERVER_FEATURE.error);
    ask(XS.watch, 'w\0t\0', transport);
    host.run();
    page.setU32(RING_PAGE.requestProducer, 9999);
    page.setU32(RING_PAGE.connection, RING_CONNECTION.reconnect);
    kick();
    host.run();
    expect(page.u32(RING_PAGE.connection)).toBe(RING_CONNECTION.connected);
    expect(page.u32(RING_PAGE.requestProducer)).toBe(0);
    expect(host.daemon.store.connectionOf(1)?.watches).toEqual([]);
    guestHeard.length = 0;
    ask(XS.write, 'again\0', transport);
    host.run();
    expect(guestHeard.map(({ payload }) => payload)).toEqual(['OK\0']);
  });

  it('an introduced domain is introduced again: new event channel, empty ring', () => {
    const { transport, heard: guestHeard } = bootWithHome(1);
    ask(XS.watch, 'w\0t\0', transport);
    host.run();
    let error: string | null = 'no answer';
    host.daemon.introduce(1, 7, 1, (answer) => {
      error = answer;
    });
    host.run();
    expect(error).toBeNull();
    guestHeard.length = 0;
    ask(XS.write, 'w\0', transport);
    host.run();
    expect(guestHeard.map(({ type }) => type)).toEqual([XS.write]);
  });

  it('refuses to introduce what does not exist', () => {
    const errors: (string | null)[] = [];
    host.daemon.introduce(9, 7, 1, (error) => errors.push(error));
    host.daemon.release(9, (error) => errors.push(error));
    host.run();
    expect(errors).toEqual(['EINVAL', 'ENOENT']);
  });

  it('a domain that dies with requests under way is gone, and nothing else happens', () => {
    const { transport } = bootWithHome(1);
    for (let i = 0; i < 50; i++) ask(XS.write, `n${i}\0`, transport);
    host.loop.runUntil(host.loop.nowPs + 10 * XENSTORED_PS);
    host.kill(1);
    host.run();
    expect(host.daemon.store.connectionOf(1)).toBeUndefined();
    expect(host.daemon.store.snapshot.get('/local/domain/1')).toBeUndefined();
    ask(XS.read, '/tool\0');
    heard.length = 0;
    host.run();
    expect(heard).toHaveLength(1);
  });

  it('any bytes in the page of a guest: nothing throws, others are served, and only its own nodes can change', () => {
    const write = fc.record({ at: fc.nat(2090), bytes: fc.uint8Array({ maxLength: 40 }), isKick: fc.boolean() });
    const honest = fc.record({
      type: fc.integer({ min: 0, max: 23 }),
      length: fc.constantFrom(0, 1, 3, 4096, 4097, 2 ** 31),
      bytes: fc.uint8Array({ maxLength: 30 }),
    });
    let cases = 0;
    fc.assert(
      fc.property(fc.array(fc.oneof(write, honest), { minLength: 20, maxLength: 40 }), (steps) => {
        host = new FakeHost();
        local = host.daemon.connectLocal();
        const bad = bootWithHome(1);
        const good = bootWithHome(2);
        const { page, kick } = host.domains.get(1) as NonNullable<ReturnType<typeof host.domains.get>>;
        const tool = host.daemon.store.snapshot.get('/tool');
        for (const step of steps) {
          cases++;
          if ('at' in step) page.write(Math.min(step.at, 2090), step.bytes);
          else {
            const bytes = encodeMessage({ type: step.type, requestId: 1, txId: 0, payload: String.fromCharCode(...step.bytes) });
            new DataView(bytes.buffer).setUint32(12, step.length, true);
            new RingEnd(page, 'guest').write(bytes);
          }
          if (!('isKick' in step) || step.isKick) kick();
          host.run();
        }
        ask(XS.write, 'fine\0', good.transport);
        host.run();
        expect(good.heard.map(({ payload }) => payload)).toEqual(['OK\0']);
        expect(host.daemon.store.snapshot.get('/tool')).toBe(tool);
        expect(bad.heard.length).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 350 },
    );
    expect(cases).toBeGreaterThan(7000);
  });
});

describe('a stream from outside', () => {
  it('is served at dom0’s expense, and closed when it breaks the protocol', () => {
    const host = new FakeHost();
    const parser = new MessageParser();
    const heard: StoreMessage[] = [];
    let isClosed = false;
    const client = host.daemon.connectStream({
      send: (bytes) => heard.push(...parser.push(bytes)),
      close: () => {
        isClosed = true;
      },
    });
    const startPs = host.loop.nowPs;
    const request = encodeMessage({ type: XS.directory, requestId: 4, txId: 0, payload: '/\0' });
    client.receive(request.subarray(0, 9));
    host.run();
    client.receive(request.subarray(9));
    expect(heard).toEqual([]);
    host.run();
    expect(heard).toEqual([{ type: XS.directory, requestId: 4, txId: 0, payload: 'tool\0' }]);
    expect(host.loop.nowPs - startPs).toBeGreaterThanOrEqual(XENSTORED_PS);
    client.receive(encodeMessage({ type: XS.directory, requestId: 5, txId: 0, payload: 'x'.repeat(5000) }));
    host.run();
    expect(isClosed).toBe(true);
    client.receive(request);
    client.end();
    host.run();
    expect(heard).toHaveLength(1);
  });

  it('that ends takes its watches with it', () => {
    const host = new FakeHost();
    const sent: Uint8Array[] = [];
    const client = host.daemon.connectStream({ send: (bytes) => sent.push(bytes), close: () => {} });
    client.receive(encodeMessage({ type: XS.watch, requestId: 4, txId: 0, payload: '/\0t\0' }));
    host.run();
    expect(sent).toHaveLength(2);
    client.receive(encodeMessage({ type: XS.write, requestId: 5, txId: 0, payload: '/late\0' }));
    client.end();
    host.daemon.connectLocal().send({ type: XS.write, requestId: 1, txId: 0, payload: '/x\0' });
    host.run();
    expect(sent).toHaveLength(2);
    expect(host.daemon.store.snapshot.get('/late')).toBeUndefined();
  });
});
