import { beforeEach, describe, expect, it } from 'vitest';
import { XenStore, XS } from '../../../src/hypervisor/index.ts';
import { storeHost, TestClient } from '../../kit/xenstore-host.ts';

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

describe('transactions', () => {
  it('are seen by nobody until they end, then all at once with their events', () => {
    tools.say(XS.watch, '/x\0t\0');
    tools.events();
    const other = new TestClient(store, store.connect());
    const id = begin(other);
    other.say(XS.write, '/x/a\x001', id);
    other.say(XS.write, '/x/a\x002', id);
    other.say(XS.write, '/x/b\0', id);
    expect(tools.say(XS.read, '/x/a\0')).toBe('ENOENT');
    expect(other.say(XS.read, '/x/a\0', id)).toBe('2');
    expect(tools.events()).toEqual([]);
    expect(other.say(XS.transactionEnd, 'T\0', id)).toBe('OK');
    expect(tools.events()).toEqual(['/x/a t', '/x/b t']);
    expect(tools.say(XS.read, '/x/a\0')).toBe('2');
  });

  it('read the same again, and end in EAGAIN when what they read has changed', () => {
    tools.say(XS.write, '/c\x001');
    const id = begin(tools);
    expect(tools.say(XS.read, '/c\0', id)).toBe('1');
    tools.say(XS.write, '/c\x002');
    expect(tools.say(XS.read, '/c\0', id)).toBe('1');
    expect(tools.say(XS.transactionEnd, 'T\0', id)).toBe('EAGAIN');
    expect(tools.say(XS.transactionEnd, 'T\0', id)).toBe('ENOENT');
  });

  it.each([
    ['writes elsewhere', '/d/mine\0', '/d/other\0', 'EAGAIN'],
    ['writes to nodes that exist', '/e\0', '/f\0', 'OK'],
  ])('of two that overlap: %s', (_what, mine, others, expected) => {
    for (const path of ['/d', '/e', '/f']) tools.say(XS.write, `${path}\0`);
    const first = begin(tools);
    const second = begin(tools);
    tools.say(XS.write, mine, first);
    tools.say(XS.write, others, second);
    expect(tools.say(XS.transactionEnd, 'T\0', first)).toBe('OK');
    expect(tools.say(XS.transactionEnd, 'T\0', second)).toBe(expected);
  });

  it('that are given up leave nothing', () => {
    const before = store.snapshot;
    const id = begin(tools);
    tools.say(XS.write, '/gone\0', id);
    tools.say(XS.rm, '/tool\0', id);
    expect(tools.say(XS.transactionEnd, 'F\0', id)).toBe('OK');
    expect(store.snapshot).toBe(before);
  });

  it('made and removed in one: nobody hears of it', () => {
    tools.say(XS.watch, '/n\0t\0');
    tools.events();
    const id = begin(tools);
    tools.say(XS.write, '/n\0', id);
    tools.say(XS.rm, '/n\0', id);
    expect(tools.say(XS.transactionEnd, 'T\0', id)).toBe('OK');
    expect(tools.events()).toEqual([]);
  });

  it('ids are of one client, nest in nothing, and end with T or F', () => {
    const id = begin(tools);
    expect(tools.say(XS.transactionStart, '\0', id)).toBe('EBUSY');
    expect(tools.say(XS.transactionEnd, 'X\0', id)).toBe('EINVAL');
    expect(tools.say(XS.transactionEnd, 'T\0')).toBe('ENOENT');
    expect(guest.say(XS.read, 'x\0', id)).toBe('ENOENT');
    expect(tools.say(XS.watch, '/w\0t\0', 99)).toBe('OK');
    expect(tools.say(XS.transactionEnd, 'F\0', id)).toBe('OK');
  });

  it('of a child that came after its parent was read: EIO, and EAGAIN in the end', () => {
    tools.say(XS.mkdir, '/io\0');
    const id = begin(tools);
    tools.say(XS.directory, '/io\0', id);
    tools.say(XS.write, '/io/new\0');
    expect(tools.say(XS.rm, '/io/new\0', id)).toBe('EIO');
    expect(tools.say(XS.transactionEnd, 'T\0', id)).toBe('EAGAIN');
    expect(tools.say(XS.directory, '/io\0')).toBe('new');
  });
});
