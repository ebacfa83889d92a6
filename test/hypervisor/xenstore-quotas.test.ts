import { beforeEach, describe, expect, it } from 'vitest';
import { XenStore, XS } from '../../src/hypervisor/index.ts';
import { storeHost, TestClient } from '../kit/xenstore-host.ts';

/** Each limit as xenstored 4.17 has it, one below and one above, in the guest; dom0 has none. */
describe('quotas', () => {
  let store: XenStore;
  let tools: TestClient;
  let guest: TestClient;

  beforeEach(() => {
    store = new XenStore(storeHost([1]));
    tools = new TestClient(store, store.connect());
    guest = TestClient.ofDomain(store, 1);
    tools.say(XS.mkdir, '/local/domain/1\0');
    tools.say(XS.setPerms, '/local/domain/1\0n1\0');
  });

  function fill(client: TestClient, count: number, root = ''): string[] {
    const answers: string[] = [];
    for (let i = 0; i < count; i++) answers.push(client.say(XS.write, `${root}d${Math.floor(i / 100)}/n${i}\0`));
    return answers;
  }

  it('1000 nodes, the home included', () => {
    const answers = fill(guest, 1000);
    // The home and ten directories are nodes too.
    expect(answers.indexOf('ENOSPC')).toBe(1000 - 1 - 10);
    expect(tools.say(XS.control, 'quota\x001\0')).toContain('nodes           :     1000\n');
    expect(guest.say(XS.write, 'd0/n0\0changed')).toBe('OK');
    expect(guest.say(XS.rm, 'd0/n0\0')).toBe('OK');
    expect(guest.say(XS.mkdir, 'd0/one\0')).toBe('OK');
    expect(guest.say(XS.mkdir, 'd0/two\0')).toBe('ENOSPC');
    expect(fill(tools, 1200, '/').includes('ENOSPC')).toBe(false);
  });

  it('1000 nodes, by the end of a transaction', () => {
    fill(guest, 900);
    const id = Number(guest.say(XS.transactionStart, '\0'));
    for (let i = 0; i < 200; i++) expect(guest.say(XS.mkdir, `d0/t${i}\0`, id)).toBe('OK');
    expect(guest.say(XS.transactionEnd, 'T\0', id)).toBe('ENOSPC');
    expect(guest.say(XS.directory, 'd0/t0\0')).toBe('ENOENT');
  });

  it('a record below 2048 bytes, children counted with the parent', () => {
    const head = 24 + 8;
    expect(guest.say(XS.write, `big\0${'v'.repeat(2047 - head)}`)).toBe('OK');
    expect(guest.say(XS.write, `big\0${'v'.repeat(2048 - head)}`)).toBe('ENOSPC');
    expect(guest.say(XS.write, `new\0${'v'.repeat(2048 - head)}`)).toBe('ENOSPC');
    expect(guest.say(XS.read, 'new\0')).toBe('ENOENT');
    expect(tools.say(XS.write, `/big\0${'v'.repeat(4000)}`)).toBe('OK');
    const name = 'n'.repeat(98);
    const answers = Array.from({ length: 30 }, (_, i) => guest.say(XS.mkdir, `dir/${name}${10 + i}\0`));
    expect(answers.indexOf('ENOSPC')).toBe(Math.floor((2047 - head) / 101));
  });

  it('128 watches and one', () => {
    const answers = Array.from({ length: 140 }, (_, i) => guest.say(XS.watch, `x\0${i}\0`));
    expect(answers.indexOf('E2BIG')).toBe(129);
    expect(guest.say(XS.unwatch, 'x\x005\0')).toBe('OK');
    expect(guest.say(XS.watch, 'x\x005\0')).toBe('OK');
    expect(guest.say(XS.resetWatches, '\0')).toBe('OK');
    expect(guest.say(XS.watch, 'x\x005\0')).toBe('OK');
    for (let i = 0; i < 200; i++) expect(tools.say(XS.watch, `x\0${i}\0`)).toBe('OK');
  });

  it('ten transactions and one', () => {
    const answers = Array.from({ length: 12 }, () => guest.say(XS.transactionStart, '\0'));
    expect(answers.indexOf('ENOSPC')).toBe(11);
    expect(guest.say(XS.transactionEnd, 'F\0', Number(answers[3]))).toBe('OK');
    expect(guest.say(XS.transactionStart, '\0')).toBe('12');
  });

  it('1024 nodes of a transaction; then it can only fail', () => {
    const id = Number(guest.say(XS.transactionStart, '\0'));
    const answers = Array.from({ length: 1100 }, (_, i) => guest.say(XS.read, `no${i}\0`, id));
    // Each reading of what is not there also looks at the home, once.
    expect(answers.indexOf('ENOSPC')).toBe(1023);
    expect(guest.say(XS.transactionEnd, 'T\0', id)).toBe('ENOMEM');
  });

  it('five permissions', () => {
    guest.say(XS.write, 'p\0');
    expect(guest.say(XS.setPerms, `p\0${'n1\0'.repeat(5)}`)).toBe('OK');
    expect(guest.say(XS.setPerms, `p\0${'n1\0'.repeat(6)}`)).toBe('ENOSPC');
    expect(tools.say(XS.setPerms, `/local/domain/1/p\0${'n1\0'.repeat(9)}`)).toBe('OK');
  });

  it('20 replies that wait', () => {
    for (let i = 0; i < 19; i++) store.handle(guest.connection, { type: XS.read, requestId: i, txId: 0, payload: 'x\0' });
    expect(store.mustWait(guest.connection)).toBe(false);
    store.handle(guest.connection, { type: XS.read, requestId: 20, txId: 0, payload: 'x\0' });
    expect(store.mustWait(guest.connection)).toBe(true);
    guest.connection.sent();
    expect(store.mustWait(guest.connection)).toBe(false);
  });

  it('a request whose event waits at another is still outstanding', () => {
    tools.say(XS.watch, '/local/domain/1\0t\0');
    tools.events();
    for (let i = 0; i < 20; i++) guest.say(XS.write, `e${i}\0`);
    expect(store.mustWait(guest.connection)).toBe(true);
    tools.events();
    expect(store.mustWait(guest.connection)).toBe(false);
  });

  it('memory: nodes, watches, transactions and waiting messages together', () => {
    store = new XenStore(storeHost([1]), { memoryBytes: 8000 });
    tools = new TestClient(store, store.connect());
    guest = TestClient.ofDomain(store, 1);
    tools.say(XS.mkdir, '/local/domain/1\0');
    tools.say(XS.setPerms, '/local/domain/1\0n1\0');
    const answers = Array.from({ length: 10 }, (_, i) => guest.say(XS.write, `m${i}\0${'v'.repeat(1900)}`));
    expect(answers.indexOf('EIO')).toBe(4);
    expect(guest.say(XS.watch, `${'w'.repeat(1000)}\0t\0`)).toBe('ENOMEM');
    guest.say(XS.rm, 'm0\0');
    expect(guest.say(XS.watch, `${'w'.repeat(300)}\0t\0`)).toBe('OK');
    guest.say(XS.resetWatches, '\0');
    expect(guest.say(XS.write, `m0\0${'v'.repeat(1900)}`)).toBe('OK');
    for (let i = 0; i < 4; i++) guest.say(XS.rm, `m${i}\0`);
    const memory = /memory +: +(\d+)/.exec(tools.say(XS.control, 'quota\x001\0'))?.[1];
    // What is left is the home: 24 + 8 bytes and its path.
    expect(Number(memory)).toBe(32 + '/local/domain/1'.length);
  });

  it('what dom0 set for all guests', () => {
    expect(tools.say(XS.control, 'quota\0set\0watches\x003\0')).toBe('OK');
    const answers = Array.from({ length: 6 }, (_, i) => guest.say(XS.watch, `x\0${i}\0`));
    expect(answers.indexOf('E2BIG')).toBe(4);
    expect(tools.say(XS.control, 'quota\0set\0path-max\x0050\0')).toBe('OK');
    expect(tools.say(XS.mkdir, `/${'a'.repeat(50)}\0`)).toBe('EINVAL');
  });
});
