/** Command lines with the real rooms behind them, in this process. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { rooms, runCommandLine } from '../../src/cli/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));
const shipped = (name: string): string => fileURLToPath(new URL(`../../topologies/${name}`, import.meta.url));

async function heddle(...words: string[]): Promise<{ exitCode: number; out: string; err: string }> {
  const printed = { out: '', err: '' };
  const terminal = {
    out: (text: string) => {
      printed.out += text;
    },
    err: (text: string) => {
      printed.err += text;
    },
    drawsProgress: false,
    columns: 100,
  };
  const exitCode = await runCommandLine(words, { terminal, doors: rooms, version: '0.0.0' });
  return { exitCode, ...printed };
}

describe('heddle with everything behind it', () => {
  it('lists what there is', async () => {
    const { out } = await heddle('list');
    for (const name of ['ib_send_lat', 'connectx2-qdr', 'infiniscale-iv', 'fat-tree'])
      expect(out).toMatch(new RegExp(`^ {2}${name} +\\S`, 'm'));
  });

  it('checks, shows and converts a topology', async () => {
    expect(await heddle('topology', 'check', 'fat-tree:k=4,levels=3')).toMatchObject({ exitCode: 0, err: '' });
    const { exitCode, err } = await heddle('topology', 'check', shipped('ring-5.yaml'));
    expect([exitCode, err.match(/ -> /g)?.length]).toEqual([2, 5]);
    expect((await heddle('topology', 'check', shipped('ring-5.yaml'), '--allow-cycles')).exitCode).toBe(0);
    expect((await heddle('topology', 'show', shipped('two-hosts.yaml'))).out).toMatch(/^nodes +2 /m);
    expect((await heddle('topology', 'convert', 'star:hosts=3', '--to', 'ibnetdiscover')).out.match(/^Ca\t/gm)).toHaveLength(3);
  });

  it('runs a program, and its record gives the same hash again', async () => {
    const record = join(folder, 'run.heddle');
    const words = [
      '--placement',
      'inline',
      '--json',
      '-',
      '--record',
      record,
      shipped('two-hosts.yaml'),
      'ib_write_lat',
      '-n',
      '20',
      '-s',
      '64',
    ];
    const { exitCode, out } = await heddle('run', ...words);
    const result = JSON.parse(out);
    expect(exitCode).toBe(0);
    expect(Object.keys(result)).toEqual(['program', 'options', 'results', 'run']);
    expect(result.results).toMatchObject([{ MsgSize: 64, n_iterations: 20 }]);
    const again = await heddle('replay', record, '--placement', 'inline');
    expect(again).toMatchObject({ exitCode: 0, out: expect.stringContaining(`same hash, ${result.run.hash}\n`) });
    expect((await heddle('replay', shipped('two-hosts.yaml'))).exitCode).toBe(2);
  });

  it('shows the help of a program', async () => {
    expect((await heddle('run', '--placement', 'inline', shipped('two-hosts.yaml'), 'ib_write_lat', '--help')).out).toContain(
      '--iters',
    );
  });

  it('measures traffic: one flow per link under a shift gets all that is offered', async () => {
    const { exitCode, out } = await heddle(
      'traffic',
      'star:hosts=4',
      '--pattern',
      'shift',
      '--load',
      '0.5',
      '--for',
      '200us',
      '--json',
      '-',
    );
    const { acceptedLoad, fairness, hosts } = JSON.parse(out);
    expect([exitCode, hosts]).toEqual([0, 4]);
    // Open loop: arrivals are drawn by chance, some 120 packets a host.
    expect(Math.abs(acceptedLoad - 0.5)).toBeLessThan(0.1);
    expect(fairness.jain).toBeGreaterThan(0.95);
  });
});
