/** The store against a model of a few lines, transactions against running them one after the other, and against clients that send anything. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { STORE_ERRORS, XenStore, XS } from '../../src/hypervisor/index.ts';
import { storeHost, TestClient } from '../kit/xenstore-host.ts';

/** A store without permissions, watches and transactions: paths and values, in the order of their making. */
class NaiveStore {
  readonly nodes = new Map([
    ['/', ''],
    ['/tool', ''],
    ['/tool/xenstored', ''],
  ]);

  run({ type, path, value }: Operation): string {
    const name = path.slice(1).split('/');
    if (type === XS.read) return this.nodes.get(path) ?? 'ENOENT';
    if (type === XS.directory) {
      const start = path === '/' ? '/' : `${path}/`;
      const children = [...this.nodes.keys()].filter(
        (key) => key !== '/' && key.startsWith(start) && !key.slice(start.length).includes('/'),
      );
      return this.nodes.has(path) ? children.map((key) => key.slice(start.length)).join('\0') : 'ENOENT';
    }
    if (type === XS.rm) {
      const parent = name.length === 1 ? '/' : `/${name.slice(0, -1).join('/')}`;
      if (!this.nodes.has(path)) return this.nodes.has(parent) ? 'OK' : 'ENOENT';
      for (const key of [...this.nodes.keys()]) if (key === path || key.startsWith(`${path}/`)) this.nodes.delete(key);
      return 'OK';
    }
    for (let i = 1; i <= name.length; i++) {
      const above = `/${name.slice(0, i).join('/')}`;
      if (!this.nodes.has(above)) this.nodes.set(above, '');
    }
    if (type === XS.write) this.nodes.set(path, value);
    return 'OK';
  }
}

interface Operation {
  readonly type: number;
  readonly path: string;
  readonly value: string;
}

const operation: fc.Arbitrary<Operation> = fc.record({
  type: fc.constantFrom(XS.read, XS.directory, XS.rm, XS.mkdir, XS.write, XS.write),
  path: fc.constantFrom('/a', '/a/b', '/a/b/c', '/a/d', '/e', '/e/f', '/a/b/g'),
  value: fc.constantFrom('', '1', '2', '3'),
});

function payloadOf({ type, path, value }: Operation): string {
  return type === XS.write ? `${path}\0${value}` : `${path}\0`;
}

function everything(client: TestClient, path = '/'): [string, string][] {
  const below = client
    .say(XS.directory, `${path}\0`)
    .split('\0')
    .filter((name) => name !== '');
  return [
    [path, client.say(XS.read, `${path}\0`)],
    ...below.flatMap((name) => everything(client, path === '/' ? `/${name}` : `${path}/${name}`)),
  ];
}

describe('the store', () => {
  it('does what the model does', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
        const store = new XenStore(storeHost([]));
        const client = new TestClient(store, store.connect());
        const model = new NaiveStore();
        for (const one of operations) expect(client.say(one.type, payloadOf(one))).toBe(model.run(one));
        expect(new Map(everything(client))).toEqual(model.nodes);
      }),
      { numRuns: 300 },
    );
  });

  it('transactions that end well could have run one after the other', () => {
    const turn = fc.record({ client: fc.nat(2), operation, kind: fc.constantFrom('run', 'run', 'run', 'run', 'end') });
    let committed = 0;
    let refused = 0;
    const property = fc.property(fc.array(turn, { minLength: 30, maxLength: 60 }), (turns) => {
      const store = new XenStore(storeHost([]));
      const model = new NaiveStore();
      const sessions = [0, 1, 2].map(() => ({
        client: new TestClient(store, store.connect()),
        id: 0,
        log: [] as [Operation, string][],
      }));
      for (const { client: index, operation: one, kind } of turns) {
        const session = sessions[index];
        const { client } = session;
        if (session.id === 0) session.id = Number(client.say(XS.transactionStart, '\0'));
        if (kind === 'run') {
          session.log.push([one, client.say(one.type, payloadOf(one), session.id)]);
          continue;
        }
        const isGood = client.say(XS.transactionEnd, 'T\0', session.id) === 'OK';
        // At its end a transaction must look as if all of it had happened at that moment.
        if (isGood) for (const [done, answer] of session.log) expect(model.run(done)).toBe(answer);
        if (isGood) committed++;
        else refused++;
        session.id = 0;
        session.log = [];
        expect(new Map(everything(client))).toEqual(model.nodes);
      }
    });
    fc.assert(property, { numRuns: 300 });
    expect(committed).toBeGreaterThan(200);
    expect(refused).toBeGreaterThan(50);
  });
});

describe('hostile clients', () => {
  const word = fc.oneof(
    fc.constantFrom(
      '/',
      '/a',
      'a',
      'a/b',
      '/local/domain/2/x',
      '/local/domain/1',
      '@releaseDomain',
      'T',
      'F',
      'n1',
      'r0',
      'b2',
      'w',
      'n99',
      '1',
      '-1',
    ),
    fc.constantFrom(
      '',
      '//',
      '/tool',
      'x'.repeat(2100),
      '99999999999999999999',
      '0x1',
      'quota',
      'set',
      'nodes',
      ' 2',
      '__proto__',
      'constructor',
    ),
    fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 8 }),
  );
  const payload = fc
    .tuple(fc.array(word, { maxLength: 5 }), fc.boolean())
    .map(([words, ends]) => words.join('\0') + (ends ? '\0' : ''));
  const type = fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 24 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffffffff }) },
  );
  const request = fc.record({ type, payload, txId: fc.constantFrom(0, 0, 0, 1, 2, 77), isGuest: fc.boolean() });

  it('a request of any kind is answered once, by itself or an error of the list; a rejected one changes nothing', () => {
    let cases = 0;
    const property = fc.property(fc.array(request, { minLength: 40, maxLength: 80 }), (requests) => {
      const store = new XenStore(storeHost([1, 2]));
      const tools = new TestClient(store, store.connect());
      const guest = TestClient.ofDomain(store, 1);
      const neighbour = TestClient.ofDomain(store, 2);
      for (const domid of [1, 2]) {
        tools.say(XS.mkdir, `/local/domain/${domid}\0`);
        tools.say(XS.setPerms, `/local/domain/${domid}\0n${domid}\0`);
      }
      neighbour.say(XS.write, 'own\0kept');
      tools.events();
      for (const { type: kind, payload: text, txId, isGuest } of requests) {
        cases++;
        if (store.connectionOf(1) !== guest.connection) continue;
        const client = isGuest ? guest : tools;
        const before = store.snapshot;
        const { type: answer, text: said } = client.ask(kind, text.slice(0, 4096), txId);
        expect([kind, XS.error]).toContain(answer);
        if (answer !== XS.error) continue;
        expect(STORE_ERRORS).toContain(said.slice(0, -1));
        expect(store.snapshot).toBe(before);
      }
      // The guest alone cannot have touched its neighbour.
      if (requests.every(({ isGuest }) => isGuest)) expect(neighbour.say(XS.read, 'own\0')).toBe('kept');
    });
    fc.assert(property, { numRuns: 300 });
    expect(cases).toBeGreaterThan(12_000);
  });

  it('a guest’s requests never reach what is not its own', () => {
    let cases = 0;
    const property = fc.property(fc.array(request, { minLength: 40, maxLength: 80 }), (requests) => {
      const store = new XenStore(storeHost([1, 2]));
      const tools = new TestClient(store, store.connect());
      const guest = TestClient.ofDomain(store, 1);
      const neighbour = TestClient.ofDomain(store, 2);
      for (const domid of [1, 2]) {
        tools.say(XS.mkdir, `/local/domain/${domid}\0`);
        tools.say(XS.setPerms, `/local/domain/${domid}\0n${domid}\0`);
      }
      neighbour.say(XS.write, 'own\0kept');
      neighbour.say(XS.watch, 'own\0t\0');
      neighbour.events();
      const outside = () =>
        everything(tools).filter(([path]) => path !== '/local/domain/1' && !path.startsWith('/local/domain/1/'));
      const before = outside();
      for (const { type: kind, payload: text, txId } of requests) {
        cases++;
        guest.ask(kind, text.slice(0, 4096), txId);
      }
      expect(outside()).toEqual(before);
      expect(neighbour.events()).toEqual([]);
      expect(neighbour.say(XS.write, 'own\0still')).toBe('OK');
      expect(neighbour.events()).toEqual(['own t']);
    });
    fc.assert(property, { numRuns: 250 });
    expect(cases).toBeGreaterThan(10_000);
  });
});
