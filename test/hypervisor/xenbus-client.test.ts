import { beforeEach, describe, expect, it } from 'vitest';
import { createXenbus, type StoreClient, type StoreReply } from '../../src/hypervisor/index.ts';
import { FakeHost } from '../kit/xenstore-host.ts';

describe('a kernel’s xenstore client', () => {
  let host: FakeHost;
  let store: StoreClient;

  beforeEach(() => {
    host = new FakeHost();
    store = createXenbus({ domid: 0 }, host.daemon.connectLocal()).store;
  });

  /** The reply, when nothing is left to do. */
  function wait<T>(ask: (done: (reply: StoreReply<T>) => void) => void): StoreReply<T> | undefined {
    let found: StoreReply<T> | undefined;
    ask((reply) => {
      found = reply;
    });
    host.run();
    return found;
  }
  const ok = <T>(value: T) => ({ ok: true, value });
  const failed = (error: string) => ({ ok: false, error });

  it('reads, writes, lists, removes, and changes permissions', () => {
    expect(wait<null>((done) => store.write('/a/b', 'text é', done))).toEqual(ok(null));
    expect(wait<string>((done) => store.read('/a/b', done))).toEqual(ok('text é'));
    expect(wait<null>((done) => store.mkdir('/a/c', done))).toEqual(ok(null));
    expect(wait<readonly string[]>((done) => store.directory('/a', done))).toEqual(ok(['b', 'c']));
    expect(wait<null>((done) => store.setPerms('/a', ['n0', 'r0'], done))).toEqual(ok(null));
    expect(wait<readonly string[]>((done) => store.getPerms('/a', done))).toEqual(ok(['n0', 'r0']));
    expect(wait<null>((done) => store.rm('/a', done))).toEqual(ok(null));
    expect(wait<string>((done) => store.read('/a/b', done))).toEqual(failed('ENOENT'));
    expect(wait<readonly string[]>((done) => store.directory('/a', done))).toEqual(failed('ENOENT'));
    expect(wait<string>((done) => store.read('name', done))).toEqual(failed('ENOENT'));
  });

  it('refuses by itself what the protocol has no words for', () => {
    expect(wait<null>((done) => store.write('/a', 'x'.repeat(4097), done))).toEqual(failed('E2BIG'));
    expect(wait<string>((done) => store.read('/a\0b', done))).toEqual(failed('EINVAL'));
    expect(wait<null>((done) => store.setPerms('/a', ['n0\0'], done))).toEqual(failed('EINVAL'));
    expect(wait<null>((done) => store.write('/a', 'x\0y', done))).toEqual(ok(null));
    expect(wait<string>((done) => store.read('/a', done))).toEqual(ok('x\0y'));
  });

  it('lists what does not fit into one reply', () => {
    const names = Array.from({ length: 700 }, (_, i) => `child-number-${i}`);
    for (const name of names) store.mkdir(`/many/${name}`);
    expect(wait<readonly string[]>((done) => store.directory('/many', done))).toEqual(ok(names));
  });

  it('lists anew when the list changes between two parts', () => {
    for (let i = 0; i < 700; i++) store.mkdir(`/many/child-number-${i}`);
    host.run();
    let names: readonly string[] = [];
    store.directory('/many', (reply) => {
      names = reply.ok ? reply.value : [];
    });
    host.loop.runUntil(host.loop.nowPs + 70_000_000);
    store.rm('/many/child-number-0');
    host.run();
    expect(names).toHaveLength(699);
    expect(new Set(names).size).toBe(699);
  });

  it('repeats a transaction until nobody is in its way', () => {
    const other = createXenbus({ domid: 0 }, host.daemon.connectLocal()).store;
    store.write('/count', '0');
    const add = (client: StoreClient, done: () => void) => {
      client.transaction(
        (tx, commit) =>
          client.read(
            '/count',
            (reply) => {
              client.write('/count', String(Number(reply.ok ? reply.value : Number.NaN) + 1), undefined, tx);
              commit();
            },
            tx,
          ),
        done,
      );
    };
    let tries = 0;
    for (let i = 0; i < 10; i++) for (const client of [store, other]) add(client, () => tries++);
    host.run();
    expect(tries).toBe(20);
    expect(wait<string>((done) => store.read('/count', done))).toEqual(ok('20'));
  });

  it('an aborted transaction leaves nothing', () => {
    const reply = wait<null>((done) =>
      store.transaction((tx, _commit, abort) => {
        store.write('/never', '1', undefined, tx);
        abort();
      }, done),
    );
    expect(reply).toEqual(failed('ECANCELED'));
    expect(wait<string>((done) => store.read('/never', done))).toEqual(failed('ENOENT'));
  });

  it('a watch fires at once, at changes, and no more when it is taken away', () => {
    const paths: string[] = [];
    const stop = store.watch('/w', (path) => paths.push(path));
    host.run();
    store.write('/w/x', '');
    host.run();
    stop();
    stop();
    store.write('/w/y', '');
    host.run();
    expect(paths).toEqual(['/w', '/w/x']);
  });
});
