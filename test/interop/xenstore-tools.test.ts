/** Xen's own xenstore tools, and its test suite for xenstored, against our socket. Needs xenstore-utils and xen-utils-4.17: scripts/setup-interop. */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { XenstoreSocket } from '../../src/cluster/xenstore-socket.ts';
import { createXenbus, openStream, XenStore } from '../../src/hypervisor/index.ts';
import { FakeHost, storeHost, XENSTORED_PS } from '../kit/xenstore-host.ts';
import { type ToolResult, xenTool } from './xen-tools.ts';

describe('Xen’s tools on our store', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-xs-'));
  const path = join(folder, 'socket');
  const env = { ...process.env, LC_ALL: 'C', XENSTORED_PATH: path };
  const store = new XenStore(storeHost([1, 3]));
  let socket: XenstoreSocket;

  beforeAll(async () => {
    socket = await XenstoreSocket.listen({ path, connect: (sink) => openStream(store, sink) });
  });
  afterAll(async () => {
    await socket.close();
    rmSync(folder, { recursive: true });
  });

  function run(file: string, args: readonly string[], at = path): Promise<ToolResult> {
    return new Promise((resolve, reject) => {
      execFile(file, args, { env: { ...env, XENSTORED_PATH: at }, timeout: 60_000 }, (error, stdout, stderr) => {
        if ((error as NodeJS.ErrnoException | null)?.code === 'ENOENT')
          reject(new Error(`${file} is missing: scripts/setup-interop`));
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, stdout, stderr });
      });
    });
  }
  async function output(tool: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await run(tool, args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout.trimEnd();
  }

  it('xenstore-write, -read, -list, -exists, -rm', async () => {
    await output('xenstore-write', '/tool/a', 'one', '/tool/b/c', 'two words');
    expect(await output('xenstore-read', '/tool/a')).toBe('one');
    expect(await output('xenstore-read', '/tool/b/c')).toBe('two words');
    expect((await output('xenstore-list', '/tool')).split('\n')).toEqual(['xenstored', 'a', 'b']);
    await output('xenstore-exists', '/tool/b');
    expect((await run('xenstore-exists', ['/tool/no'])).code).toBe(1);
    await output('xenstore-rm', '/tool/b');
    expect((await run('xenstore-read', ['/tool/b/c'])).stderr).toContain("couldn't read path /tool/b/c");
    // A relative path is dom0's home.
    await output('xenstore-write', 'name', 'Domain-0');
    expect(await output('xenstore-read', '/local/domain/0/name')).toBe('Domain-0');
  });

  it('xenstore-chmod and -ls with permissions and full paths', async () => {
    await output('xenstore-write', '/chmod/x', '');
    await output('xenstore-chmod', '/chmod/x', 'n3', 'r1');
    expect(await output('xenstore-ls', '-f', '-p', '/chmod')).toBe('/chmod/x = ""   (n3,r1)');
    await output('xenstore-chmod', '-r', '/chmod', 'r0');
    expect(await output('xenstore-ls', '-p', '/chmod')).toMatch(/^x = "" [. ]* {2}\(r0\)$/);
  });

  it('more children than one reply can hold', async () => {
    const names = Array.from({ length: 600 }, (_, i) => `/many/child-number-${i}`);
    await output('xenstore-write', ...names.flatMap((name) => [name, 'v']));
    const listed = (await output('xenstore-list', '/many')).split('\n');
    expect(listed).toEqual(names.map((name) => name.slice('/many/'.length)));
    expect((await output('xenstore-ls', '/many')).split('\n')).toHaveLength(600);
  });

  it('values of bytes that are no text', async () => {
    await output('xenstore-write', '/binary', '\\x01\\xffend');
    expect(await output('xenstore-read', '/binary')).toBe('\\001\\xffend');
  });

  it('xenstore-watch sees changes as they happen', async () => {
    const watch = spawn('xenstore-watch', ['-n', '3', '/watched'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let seen = '';
    const ended = new Promise((resolve, reject) => {
      watch.on('close', resolve);
      watch.on('error', reject);
    });
    const first = new Promise<void>((resolve) => {
      watch.stdout.on('data', (bytes) => {
        seen += bytes;
        resolve();
      });
    });
    await first;
    await output('xenstore-write', '/watched/below', '1');
    await output('xenstore-rm', '/watched');
    await ended;
    expect(seen.trimEnd().split('\n')).toEqual(['/watched', '/watched/below', '/watched']);
  });

  it('xenstore-control', async () => {
    const tool = xenTool('xenstore-control');
    expect(await output(tool, 'check')).toBe('OK');
    expect(await output(tool, 'quota')).toContain('nodes            :     1000 Nodes per domain');
    expect(await output(tool, 'quota', 'set', 'nodes', '900')).toBe('OK');
    expect(await output(tool, 'quota')).toContain('nodes            :      900 Nodes per domain');
    expect((await run(tool, ['nonsense'])).code).not.toBe(0);
  });

  it('test-xenstore passes', async () => {
    const { code, stdout, stderr } = await run(xenTool('test-xenstore'), []);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).not.toMatch(/error|failed/i);
    const random = await run(xenTool('test-xenstore'), ['-r', '2']);
    expect(random.code, random.stdout + random.stderr).toBe(0);
  });

  it('tools see a simulated machine: what its guests write, at the price that xenstored has there', async () => {
    const host = new FakeHost();
    const guest = createXenbus({ domid: 3 }, host.boot(3));
    const toolstack = createXenbus({ domid: 0 }, host.daemon.connectLocal());
    toolstack.store.mkdir('/local/domain/3/data');
    toolstack.store.setPerms('/local/domain/3/data', ['n3']);
    host.run();
    guest.store.write('data/uptime', '12');
    host.run();
    const simulated = join(folder, 'simulated');
    const served = await XenstoreSocket.listen({
      path: simulated,
      connect: (sink) => host.daemon.connectStream(sink),
      between: (work) => {
        work();
        host.run();
      },
    });
    const startPs = host.loop.nowPs;
    const { stdout } = await run('xenstore-ls', ['-f', '-p', '/local/domain/3'], simulated);
    expect(stdout.trimEnd().split('\n')).toEqual([
      '/local/domain/3/data = ""   (n3)',
      '/local/domain/3/data/uptime = "12"   (n3)',
    ]);
    // At least a list, a value and permissions of each of two nodes.
    expect(host.loop.nowPs - startPs).toBeGreaterThan(6 * XENSTORED_PS);
    const heard: string[] = [];
    guest.store.watch('data', (changed) => heard.push(changed));
    host.run();
    await run('xenstore-write', ['/local/domain/3/data/from-outside', 'x'], simulated);
    expect(heard).toEqual(['data', 'data/from-outside']);
    await served.close();
  });
});
