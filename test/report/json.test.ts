import { describe, expect, it } from 'vitest';
import { runToJson, toJsonText } from '../../src/report/index.ts';

const run = {
  hash: '0123456789abcdef',
  seed: 1,
  version: '0.1.0',
  simulatedPs: 1,
  packets: 2,
  packetHops: 3,
  events: 4,
  wallMs: 5,
  cpuMs: 6,
  placement: 'inline',
  workers: 0,
};
const report = { program: 'ib_send_lat', options: { size: 2 }, results: [{ MsgSize: 2 }], breakdown: [], run };

describe('runToJson', () => {
  it('has exactly the promised keys, in order', () => {
    expect(Object.keys(runToJson(report, false))).toEqual(['program', 'options', 'results', 'run']);
    expect(Object.keys(runToJson(report, true))).toEqual(['program', 'options', 'results', 'breakdown', 'run']);
  });

  it.each([
    [undefined, []],
    [null, []],
    [{ a: 1 }, [{ a: 1 }]],
    [
      [1, 2],
      [1, 2],
    ],
    [0, [0]],
  ])('makes a list of what a program returned: %j', (results, list) =>
    expect(runToJson({ ...report, results }, false).results).toEqual(list),
  );
});

describe('toJsonText', () => {
  it('writes what plain JSON cannot', () => {
    const text = toJsonText({ guid: 2n ** 64n - 1n, bytes: Uint8Array.of(1, 255), nan: Number.NaN });
    expect(JSON.parse(text)).toEqual({ guid: '18446744073709551615', bytes: [1, 255], nan: null });
    expect(text.endsWith('}\n')).toBe(true);
  });
});
