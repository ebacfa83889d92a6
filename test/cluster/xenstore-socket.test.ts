import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { XenstoreSocket } from '../../src/cluster/xenstore-socket.ts';
import {
  encodeMessage,
  MessageParser,
  openStream,
  type StoreMessage,
  type StreamSink,
  XenStore,
  XS,
} from '../../src/hypervisor/index.ts';
import { ConfigError } from '../../src/sim/index.ts';
import { storeHost } from '../kit/xenstore-host.ts';

describe('xenstore’s socket', () => {
  let folder: string;
  let path: string;
  let store: XenStore;
  let open: XenstoreSocket[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'heddle-xs-'));
    path = join(folder, 'socket');
    store = new XenStore(storeHost([]));
    open = [];
  });
  afterEach(async () => {
    for (const socket of open) await socket.close();
    rmSync(folder, { recursive: true });
  });

  const connect = (sink: StreamSink) => openStream(store, sink);
  async function listen(options: Partial<Parameters<typeof XenstoreSocket.listen>[0]> = {}): Promise<void> {
    open.push(await XenstoreSocket.listen({ path, connect, ...options }));
  }
  function client(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(path);
      socket.once('connect', () => resolve(socket));
      socket.once('error', reject);
    });
  }
  /** The next messages of a client. */
  function receive(socket: Socket, count: number): Promise<StoreMessage[]> {
    const parser = new MessageParser();
    const messages: StoreMessage[] = [];
    return new Promise((resolve) => {
      socket.on('data', (bytes) => {
        messages.push(...parser.push(bytes));
        if (messages.length >= count) resolve(messages);
      });
    });
  }
  const request = (type: number, payload: string) => encodeMessage({ type, requestId: 3, txId: 0, payload });

  it('answers clients, each with its own watches', async () => {
    await listen();
    const [one, two] = [await client(), await client()];
    const heard = receive(one, 3);
    one.write(request(XS.watch, '/x\0t\0'));
    // Header and body may come apart.
    const write = request(XS.write, '/x/y\0value');
    two.write(write.subarray(0, 16));
    const answered = receive(two, 1);
    await new Promise((resolve) => setImmediate(resolve));
    two.write(write.subarray(16));
    expect((await answered).map(({ type }) => type)).toEqual([XS.write]);
    expect((await heard).map(({ payload }) => payload)).toEqual(['OK\0', '/x\0t\0', '/x/y\0t\0']);
    one.destroy();
    two.destroy();
  });

  it('passes on what comes when the caller says, in order', async () => {
    const waiting: (() => void)[] = [];
    let told: () => void = () => {};
    const came = new Promise<void>((resolve) => {
      told = resolve;
    });
    await listen({
      between: (work) => {
        waiting.push(work);
        told();
      },
    });
    const socket = await client();
    socket.write(request(XS.write, '/x\0value'));
    await came;
    expect(store.snapshot.get('/x')).toBeUndefined();
    for (const work of waiting.splice(0)) work();
    expect(store.snapshot.get('/x')?.value).toBe('value');
    socket.destroy();
  });

  it('drops a client that announces too much, and goes on', async () => {
    await listen();
    const bad = await client();
    const closed = new Promise((resolve) => bad.once('close', resolve));
    bad.on('error', () => undefined);
    bad.write(request(XS.write, 'x'.repeat(4097)));
    await closed;
    const good = await client();
    const answered = receive(good, 1);
    good.write(request(XS.read, '/tool\0'));
    expect(await answered).toHaveLength(1);
    good.destroy();
  });

  it('a path has at most 107 bytes', async () => {
    path = join(folder, 'x'.repeat(107 - folder.length - 1));
    await listen();
    path = `${path}y`;
    const failure = await XenstoreSocket.listen({ path, connect, source: 'net.yaml' }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConfigError);
    expect((failure as ConfigError).message).toBe(
      `net.yaml: the path of a unix socket has at most 107 bytes, this one has 108: ${path}`,
    );
  });

  it('refuses a path in use, a plain file, and a folder that is not there', async () => {
    await listen();
    await expect(listen()).rejects.toThrow(`--xenstore-socket: something listens on ${path} already`);
    path = join(folder, 'plain');
    writeFileSync(path, 'kept');
    await expect(listen()).rejects.toThrow('--xenstore-socket: cannot listen on');
    expect(existsSync(path)).toBe(true);
    path = join(folder, 'no', 'socket');
    await expect(listen()).rejects.toThrow('cannot listen on');
  });

  it('replaces a socket that was left behind', async () => {
    const gone = createServer();
    await new Promise<void>((resolve) => gone.listen(path, resolve));
    // Closing a server removes its socket; a crash would have left it, as a second name does.
    const { linkSync } = await import('node:fs');
    linkSync(path, `${path}-left`);
    await new Promise((resolve) => gone.close(resolve));
    path = `${path}-left`;
    expect(existsSync(path)).toBe(true);
    await listen();
    (await client()).destroy();
  });
});
