import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadTopologyFile, type RunOptions, replay, run, writeRunRecord } from '../../src/cluster/index.ts';
import { packValue, unpackValue } from '../../src/cluster/messages.ts';
import { ConfigError } from '../../src/sim/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-record-'));
afterAll(() => rmSync(folder, { recursive: true }));

const OPTIONS: RunOptions = {
  topology: loadTopologyFile('star:hosts=3'),
  topologyFile: 'star:hosts=3',
  program: { kind: 'file', path: 'test/kit/mesh.ts' },
  programArgs: ['6'],
  seed: 5,
  faults: ['link node1 ber 1e-6 at 0ns'],
  placement: 'inline',
};

async function record(name: string): Promise<{ file: string; hash: string }> {
  const file = join(folder, name);
  const result = await run(OPTIONS);
  await writeRunRecord(file, OPTIONS, result);
  return { file, hash: result.run.hash };
}

/** Writes the record anew with something else in it. */
function tamper(file: string, change: (record: Record<string, unknown>) => void): void {
  const value = unpackValue(readFileSync(file)) as Record<string, unknown>;
  change(value);
  writeFileSync(file, packValue(value));
}

describe('a run record', () => {
  it('replays to the same hash in any placement, without the files that it was made of', async () => {
    const { file, hash } = await record('whole.heddle');
    for (const placement of [{ placement: 'inline' }, { placement: 'pool', workers: 2 }] as const) {
      const found = await replay(file, placement);
      expect(found).toMatchObject({ matches: true, expected: hash, found: hash, remarks: [] });
      expect(found.run.placement).toBe(placement.placement);
    }
    tamper(file, (value) => {
      value.program = { ...(value.program as object), name: 'gone.ts' };
    });
    expect((await replay(file, { placement: 'inline' })).matches).toBe(true);
  });

  it('that was tampered with is reported', async () => {
    const { file, hash } = await record('tampered.heddle');
    tamper(file, (value) => {
      value.options = { ...(value.options as object), seed: 6 };
      value.version = '0.0.0-other';
    });
    const found = await replay(file, { placement: 'inline' });
    expect(found).toMatchObject({ matches: false, expected: hash });
    expect(found.found).not.toBe(hash);
    expect(found.remarks).toEqual([expect.stringContaining('recorded by heddle 0.0.0-other')]);
  });

  it.each([
    ['missing.heddle', null],
    ['empty.heddle', ''],
    ['text.heddle', 'heddle: 1\n'],
  ])('%s is refused as no record', async (name, text) => {
    const file = join(folder, name);
    if (text !== null) writeFileSync(file, text);
    await expect(replay(file)).rejects.toThrow(ConfigError);
    await expect(replay(file)).rejects.toThrow(text === null ? 'can not be read (ENOENT)' : 'is not a run record');
  });
});
