/** Real Xen tools against `heddle run` itself, from the built package: xenstore-ls and xl look at the guests of a topology while the run is held. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { XenToolBench } from './xen-tools.ts';

const heddle = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const bench = new XenToolBench();
let run: ChildProcess;
let output = '';

beforeAll(async () => {
  const args = ['--xenstore-socket', bench.storePath, '--hypercall-socket', bench.hypercallPath, '--hold'];
  run = spawn(process.execPath, [heddle, 'run', ...args, 'topologies/xen-two-hosts.yaml', 'ping', '-c', '2']);
  run.stdout?.on('data', (text) => {
    output += text;
  });
  await vi.waitFor(() => expect(output).toContain('2 packets transmitted, 2 received'), { timeout: 25_000, interval: 100 });
}, 30_000);

afterAll(() => {
  run.kill('SIGINT');
  bench.close();
});

function xenstore(tool: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, XENSTORED_PATH: bench.storePath };
  return new Promise((resolve, reject) =>
    execFile(tool, args, { env, timeout: 10_000 }, (error, stdout) => (error === null ? resolve(stdout) : reject(error))),
  );
}

describe('a run that is held', () => {
  it('has a xenstore with its guests and their devices', async () => {
    expect(await xenstore('xenstore-read', '/local/domain/1/name')).toBe('g1\n');
    expect((await xenstore('xenstore-list', '/local/domain/1/device')).trim().split('\n')).toEqual(['suspend', 'vif', 'vib']);
    expect(await xenstore('xenstore-read', '/local/domain/1/device/vif/0/state')).toBe('4\n');
    expect(await xenstore('xenstore-ls', '/local/domain/0/backend/vif/1')).toContain('hotplug-status = "connected"');
  });

  it('answers xl, which may pause a guest', async () => {
    const { stdout } = await bench.run('xl', ['list']);
    expect(stdout.split('\n').map((line) => line.split(/\s+/)[0])).toEqual(['Name', 'Domain-0', 'g1', 'g2', '']);
    await bench.run('xl', ['pause', 'g2']);
    expect((await bench.run('xl', ['list', 'g2'])).stdout).toMatch(/g2 .* -bp--- /);
    await bench.run('xl', ['unpause', 'g2']);
    expect((await bench.run('xl', ['list', 'g2'])).stdout).toMatch(/g2 .* -b---- /);
  });

  it('and xl shutdown, which the guest acknowledges', async () => {
    expect((await bench.run('xl', ['shutdown', 'g2'])).code).toBe(0);
    await vi.waitFor(async () => expect((await bench.run('xl', ['list'])).stdout).not.toContain('g2'), { timeout: 10_000 });
  });
});
