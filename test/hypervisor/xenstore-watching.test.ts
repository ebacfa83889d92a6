import { beforeEach, describe, expect, it } from 'vitest';
import { XenStore, XS } from '../../src/hypervisor/index.ts';
import { storeHost, TestClient } from '../kit/xenstore-host.ts';

let store: XenStore;
let tools: TestClient;
let guest: TestClient;

beforeEach(() => {
  store = new XenStore(storeHost([1, 2, 3]));
  tools = new TestClient(store, store.connect());
  guest = TestClient.ofDomain(store, 1);
  expect(tools.say(XS.mkdir, '/local/domain/1\0')).toBe('OK');
  expect(tools.say(XS.setPerms, '/local/domain/1\0n1\0r2\0')).toBe('OK');
  tools.events();
});

function begin(client: TestClient): number {
  return Number(client.say(XS.transactionStart, '\0'));
}

describe('watches', () => {
  it('fire once at once, after the reply; then before the reply of the request that causes them', () => {
    const order: number[] = [];
    store.handle(tools.connection, { type: XS.watch, requestId: 1, txId: 0, payload: '/w\0t\0' });
    store.handle(tools.connection, { type: XS.write, requestId: 2, txId: 0, payload: '/w/x\0' });
    for (let next = tools.connection.next; next !== null; next = tools.connection.next) {
      order.push(next.type);
      tools.connection.sent();
    }
    expect(order).toEqual([XS.watch, XS.watchEvent, XS.watchEvent, XS.write]);
  });

  it('tell of paths as they were named, absolute or relative', () => {
    guest.say(XS.watch, 'dir\0rel\0');
    guest.say(XS.watch, '/local/domain/1/dir\0abs\0');
    expect(guest.events()).toEqual(['dir rel', '/local/domain/1/dir abs']);
    guest.say(XS.write, 'dir/x\0');
    expect(guest.events()).toEqual(['dir/x rel', '/local/domain/1/dir/x abs']);
  });

  it('of a node that goes: those above hear of the top, those below of their own', () => {
    tools.say(XS.write, '/t/a/b\0');
    for (const path of ['/t', '/t/a', '/t/a/b', '/t/ab']) tools.say(XS.watch, `${path}\0${path}\0`);
    tools.events();
    tools.say(XS.rm, '/t/a\0');
    expect(tools.events()).toEqual(['/t/a/b /t/a/b', '/t/a /t', '/t/a /t/a']);
  });

  it('an event that waits already is not sent twice, a special one is', () => {
    tools.say(XS.watch, '/d\0t\0');
    tools.events();
    const writer = new TestClient(store, store.connect());
    for (let i = 0; i < 3; i++) writer.say(XS.write, '/d\0');
    expect(tools.events()).toEqual(['/d t']);
    tools.say(XS.watch, '@introduceDomain\0t\0');
    tools.events();
    TestClient.ofDomain(store, 2);
    TestClient.ofDomain(store, 3);
    expect(tools.events()).toEqual(['@introduceDomain t', '@introduceDomain t']);
  });

  it('a guest hears of what it may read, and when it loses that right', () => {
    tools.say(XS.write, '/h\0');
    guest.say(XS.watch, '/h\0t\0');
    expect(guest.events()).toEqual(['/h t']);
    tools.say(XS.write, '/h\0x');
    expect(guest.events()).toEqual([]);
    tools.say(XS.setPerms, '/h\0r0\0');
    expect(guest.events()).toEqual(['/h t']);
    tools.say(XS.setPerms, '/h\0n0\0');
    expect(guest.events()).toEqual(['/h t']);
    tools.say(XS.setPerms, '/h\0n0\0n2\0');
    expect(guest.events()).toEqual([]);
  });

  it('special ones are dom0’s, unless it shares them', () => {
    guest.say(XS.watch, '@releaseDomain\0t\0');
    guest.events();
    TestClient.ofDomain(store, 2);
    tools.say(XS.release, '2\0');
    expect(guest.events()).toEqual([]);
    expect(tools.say(XS.setPerms, '@releaseDomain\0n0\0r1\0')).toBe('OK');
    TestClient.ofDomain(store, 3);
    store.domainShutdown(3);
    store.domainShutdown(3);
    expect(guest.events()).toEqual(['@releaseDomain t']);
    expect(tools.say(XS.setPerms, '@nothing\0n0\0')).toBe('EINVAL');
    expect(guest.say(XS.setPerms, '@releaseDomain\0n1\0')).toBe('EACCES');
  });

  it('are set and taken once, by path and token', () => {
    expect(tools.say(XS.watch, '/w\0t\0')).toBe('OK');
    expect(tools.say(XS.watch, '/w\0t\0')).toBe('EEXIST');
    expect(tools.say(XS.watch, '/w\0t')).toBe('EINVAL');
    expect(tools.say(XS.watch, '/w//\0t\0')).toBe('EINVAL');
    expect(tools.say(XS.unwatch, '/w\0u\0')).toBe('ENOENT');
    expect(tools.say(XS.unwatch, '/w//\0t\0')).toBe('ENOENT');
    expect(tools.say(XS.unwatch, '/w\0t\0')).toBe('OK');
    tools.events();
    tools.say(XS.write, '/w\0');
    expect(tools.events()).toEqual([]);
    tools.say(XS.watch, '/w\0t\0');
    const id = begin(tools);
    expect(tools.say(XS.resetWatches, '\0')).toBe('OK');
    tools.events();
    tools.say(XS.write, '/w\0');
    expect(tools.events()).toEqual([]);
    expect(tools.say(XS.read, '/w\0', id)).toBe('ENOENT');
  });
});
