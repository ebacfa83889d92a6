import { beforeEach, describe, expect, it } from 'vitest';
import { STORE_ERRORS, XenStore, XS } from '../../src/hypervisor/index.ts';
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

describe('nodes', () => {
  it('start as xenstored starts', () => {
    expect(tools.say(XS.directory, '/\0')).toBe('tool\0local');
    expect(tools.say(XS.read, '/tool/xenstored\0')).toBe('');
    expect(tools.say(XS.getPerms, '/\0')).toBe('n0');
  });

  it('values are bytes of any kind, and a write makes all that is missing above', () => {
    expect(tools.say(XS.write, '/a/b/c\0x\0y\xff')).toBe('OK');
    expect(tools.ask(XS.read, '/a/b/c\0').text).toBe('x\0y\xff');
    expect(tools.ask(XS.read, '/a/b\0').text).toBe('');
    expect(tools.say(XS.directory, '/a\0')).toBe('b');
  });

  it('children are listed in the order in which they were made', () => {
    for (const name of ['z', 'a', 'm']) tools.say(XS.mkdir, `/l/${name}\0`);
    tools.say(XS.rm, '/l/a\0');
    tools.say(XS.write, '/l/a\0again');
    expect(tools.ask(XS.directory, '/l\0').text).toBe('z\0m\0a\0');
  });

  it('removing takes all below; what is gone already is fine, where it was must be known', () => {
    tools.say(XS.write, '/r/a/b\0');
    expect(tools.say(XS.rm, '/r/a\0')).toBe('OK');
    expect(tools.say(XS.read, '/r/a/b\0')).toBe('ENOENT');
    expect(tools.say(XS.rm, '/r/a\0')).toBe('OK');
    expect(tools.say(XS.rm, '/r/x/y\0')).toBe('ENOENT');
    expect(tools.say(XS.rm, '/\0')).toBe('EINVAL');
  });

  it('a list of more than 4096 bytes comes in parts', () => {
    for (let i = 0; i < 400; i++) tools.say(XS.mkdir, `/many/child-number-${i}\0`);
    expect(tools.say(XS.directory, '/many\0')).toBe('E2BIG');
    let names = '';
    for (let parts = 0; ; parts++) {
      const reply = tools.ask(XS.directoryPart, `/many\0${names.length}\0`).text;
      const list = reply.slice(reply.indexOf('\0') + 1);
      expect(reply.length).toBeLessThanOrEqual(4096);
      names += list;
      if (names.endsWith('\0\0') || list === '\0') break;
      expect(parts).toBeLessThan(4);
    }
    const expected = Array.from({ length: 400 }, (_, i) => `child-number-${i}\0`).join('');
    expect(names).toBe(`${expected}\0`);
  });
});

describe('permissions', () => {
  it('a guest has its home, reads what it may, and is not told of the rest', () => {
    tools.say(XS.write, '/secret/deep\0x');
    tools.say(XS.write, '/open\0x');
    tools.say(XS.setPerms, '/open\0r0\0');
    expect(guest.say(XS.write, 'data/x\0v')).toBe('OK');
    expect(tools.say(XS.getPerms, '/local/domain/1/data\0')).toBe('n1\0r2');
    expect(guest.say(XS.read, '/open\0')).toBe('x');
    expect(guest.say(XS.write, '/open\0y')).toBe('EACCES');
    expect(guest.say(XS.read, '/secret/deep\0')).toBe('EACCES');
    expect(guest.say(XS.read, '/secret/nothing\0')).toBe('EACCES');
    expect(guest.say(XS.read, 'nothing\0')).toBe('ENOENT');
    expect(guest.say(XS.read, '/open/nothing\0')).toBe('ENOENT');
  });

  it('the first entry that names a domain counts; the owner may do all', () => {
    tools.say(XS.write, '/acl\0x');
    tools.say(XS.setPerms, '/acl\0w2\0n1\0b1\0');
    expect(guest.say(XS.read, '/acl\0')).toBe('EACCES');
    expect(guest.say(XS.write, '/acl\0y')).toBe('EACCES');
    const other = TestClient.ofDomain(store, 3);
    expect(other.say(XS.read, '/acl\0')).toBe('EACCES');
    expect(other.say(XS.write, '/acl\0y')).toBe('OK');
    const owner = TestClient.ofDomain(store, 2);
    expect(owner.say(XS.read, '/acl\0')).toBe('y');
    expect(owner.say(XS.setPerms, '/acl\0n2\0r1\0')).toBe('OK');
    expect(guest.say(XS.read, '/acl\0')).toBe('y');
  });

  it('only the owner changes them, and not the owner', () => {
    tools.say(XS.write, '/p\0');
    tools.say(XS.setPerms, '/p\0n0\0b1\0');
    expect(guest.say(XS.setPerms, '/p\0b0\0')).toBe('EACCES');
    guest.say(XS.write, 'own\0');
    expect(guest.say(XS.setPerms, 'own\0b1\0')).toBe('OK');
    expect(guest.say(XS.setPerms, 'own\0b0\0')).toBe('EPERM');
    expect(tools.say(XS.setPerms, '/local/domain/1/own\0n2\0')).toBe('OK');
    expect(guest.say(XS.read, 'own\0')).toBe('EACCES');
  });

  it('what they may look like', () => {
    tools.say(XS.write, '/p\0');
    for (const bad of ['/p\0', '/p\0x0\0', '/p\0r\0', '/p\0r1x\0', '']) expect(tools.say(XS.setPerms, bad)).toBe('EINVAL');
    expect(tools.say(XS.setPerms, '/p\0n9\0')).toBe('ENOENT');
    expect(tools.say(XS.setPerms, '/p\0n0\0r0x2\0b03\0')).toBe('OK');
    expect(tools.say(XS.getPerms, '/p\0')).toBe('n0\0r2\0b3');
  });

  it('a device model has its guest’s rights', () => {
    const model = TestClient.ofDomain(store, 2);
    expect(model.say(XS.write, '/local/domain/1/x\0')).toBe('EACCES');
    expect(tools.say(XS.setTarget, '2\x001\0')).toBe('OK');
    expect(model.say(XS.write, '/local/domain/1/x\0')).toBe('OK');
    expect(tools.say(XS.setTarget, '2\x009\0')).toBe('ENOENT');
  });

  it('an entry for an earlier domain of the same number gives a later one nothing', () => {
    const host = storeHost([1, 2]);
    store = new XenStore(host);
    tools = new TestClient(store, store.connect());
    TestClient.ofDomain(store, 2);
    tools.say(XS.write, '/gift\0x');
    tools.say(XS.setPerms, '/gift\0n0\0r2\0');
    store.domainDied(2);
    tools.say(XS.write, '/other\0');
    const second = TestClient.ofDomain(store, 2);
    expect(second.say(XS.read, '/gift\0')).toBe('EACCES');
    expect(tools.say(XS.getPerms, '/gift\0')).toBe('n0\0r2');
    tools.say(XS.setPerms, '/gift\0n0\0r2\0');
    expect(second.say(XS.read, '/gift\0')).toBe('x');
  });
});

describe('domains', () => {
  it('are introduced, asked for, resumed and released by dom0', () => {
    const watcher = new TestClient(store, store.connect());
    for (const name of ['@introduceDomain', '@releaseDomain']) watcher.say(XS.watch, `${name}\0t\0`);
    watcher.events();
    expect(tools.say(XS.isDomainIntroduced, '2\0')).toBe('F');
    expect(tools.say(XS.introduce, '2\x005\x007\0')).toBe('OK');
    expect(tools.say(XS.introduce, '2\x005\x008\0')).toBe('OK');
    expect(watcher.events()).toEqual(['@introduceDomain t']);
    expect(tools.say(XS.isDomainIntroduced, '2\0')).toBe('T');
    expect(tools.say(XS.isDomainIntroduced, '32752\0')).toBe('T');
    expect(tools.say(XS.getDomainPath, '2\0')).toBe('/local/domain/2');
    store.domainShutdown(2);
    expect(watcher.events()).toEqual(['@releaseDomain t']);
    expect(tools.say(XS.resume, '2\0')).toBe('OK');
    store.domainShutdown(2);
    expect(watcher.events()).toEqual(['@releaseDomain t']);
    expect(tools.say(XS.release, '2\0')).toBe('OK');
    expect(watcher.events()).toEqual(['@releaseDomain t']);
    expect(tools.say(XS.release, '2\0')).toBe('ENOENT');
    expect(tools.say(XS.release, '0\0')).toBe('EINVAL');
    expect(tools.say(XS.introduce, '9\x005\x007\0')).toBe('ENOENT');
    expect(tools.say(XS.introduce, '2\x005\x000\0')).toBe('EINVAL');
    expect(tools.say(XS.introduce, '2\x005\0')).toBe('EINVAL');
  });

  it('take what they own with them, and what others put there', () => {
    guest.say(XS.write, 'mine/deep\0');
    tools.say(XS.write, '/local/domain/1/mine/dom0\0');
    tools.say(XS.write, '/elsewhere/of1\0');
    tools.say(XS.setPerms, '/elsewhere/of1\0n1\0');
    tools.say(XS.watch, '/elsewhere\0t\0');
    tools.events();
    store.domainDied(1);
    expect(tools.say(XS.directory, '/local/domain\0')).toBe('');
    expect(tools.say(XS.directory, '/elsewhere\0')).toBe('');
    expect(tools.events()).toEqual(['/elsewhere/of1 t']);
    expect(tools.say(XS.isDomainIntroduced, '1\0')).toBe('F');
  });

  it('the root stays, whoever owned it', () => {
    tools.say(XS.setPerms, '/\0n1\0');
    store.domainDied(1);
    expect(tools.say(XS.getPerms, '/\0')).toBe('n0');
    expect(tools.say(XS.write, '/after\0')).toBe('OK');
  });
});

describe('errors', () => {
  it('what is no request, and what is not a guest’s to ask', () => {
    for (const type of [15, 16, 20, 23, 24, 99, 0xffffffff]) expect(tools.say(type, '')).toBe('ENOSYS');
    for (const type of [XS.control, XS.introduce, XS.release, XS.isDomainIntroduced, XS.resume, XS.setTarget])
      expect(guest.say(type, 'x\0', 77)).toBe('EACCES');
    expect(guest.say(XS.getDomainPath, '1\0')).toBe('/local/domain/1');
  });

  it('paths that are none', () => {
    const bad = ['', 'a//b', '/a/', 'a b', '/\xe9', '@x', `/${'a'.repeat(2048)}`, `${'a'.repeat(2049)}`];
    for (const path of bad) {
      for (const type of [XS.read, XS.directory, XS.getPerms, XS.mkdir, XS.rm])
        expect(tools.say(type, `${path}\0`)).toBe('EINVAL');
      expect(tools.say(XS.write, `${path}\0v`)).toBe('EINVAL');
      expect(tools.say(XS.directoryPart, `${path}\x000\0`)).toBe('EINVAL');
      expect(tools.say(XS.setPerms, `${path}\0n0\0`)).toBe('EINVAL');
    }
    expect(tools.say(XS.mkdir, `/${'a'.repeat(2047)}\0`)).toBe('OK');
    // A home in front does not count.
    expect(guest.say(XS.write, `${'a'.repeat(1900)}\0`)).toBe('OK');
    expect(tools.say(XS.mkdir, `${'a'.repeat(2048)}\0`)).toBe('OK');
    for (const type of [XS.read, XS.mkdir, XS.rm]) expect(tools.say(type, '/a\0b\0')).toBe('EINVAL');
    expect(tools.say(XS.read, '/a')).toBe('EINVAL');
  });

  it('are answered with the request’s ids', () => {
    store.handle(tools.connection, { type: XS.read, requestId: 0xdeadbeef, txId: 3, payload: '/x\0' });
    expect(tools.connection.next).toEqual({ type: XS.error, requestId: 0xdeadbeef, txId: 3, payload: 'ENOENT\0' });
    expect(STORE_ERRORS.slice(0, 5)).toEqual(['EINVAL', 'EACCES', 'EEXIST', 'EISDIR', 'ENOENT']);
  });
});

describe('control', () => {
  it('help, print, log, check, quota', () => {
    expect(tools.say(XS.control, 'help\0')).toContain('quota\t[set <name> <val>|<domid>]\n');
    for (const fine of ['print\0hello\0', 'log\0on\0', 'log\0off\0', 'check\0']) expect(tools.say(XS.control, fine)).toBe('OK');
    for (const bad of [
      '',
      'none\0',
      'print\0',
      'log\0x\0',
      'check\0x\0',
      'help\0x\0',
      'quota\0set\0nodes\x000\0',
      'quota\0set\0x\x001\0',
    ])
      expect(tools.say(XS.control, bad)).toBe('EINVAL');
    expect(tools.say(XS.control, 'quota\x001\0')).toContain('nodes           :        1\n');
    expect(tools.say(XS.control, 'quota\x009\0')).toBe('ENOENT');
    expect(tools.say(XS.control, 'quota-soft\0')).toContain('memory           :  2097152 ');
  });
});
