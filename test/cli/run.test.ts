import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { heddle, LINES, RESULT, SUMMARY, TOPOLOGY } from './stand-in.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The options of the one run, without callbacks. */
async function optionsOf(words: string) {
  const { runs, exitCode, err } = await heddle(words);
  expect([exitCode, runs.length], err).toEqual([0, 1]);
  const { onLine: _, onProgress: __, ...options } = runs[0]!;
  return options;
}

describe('whose words are whose', () => {
  it.each([
    ['run net.yaml ib_send_lat -a -n 5', ['-a', '-n', '5']],
    ['run net.yaml ib_send_lat --help', ['--help']],
    ['run net.yaml ib_send_lat --seed 7 --json - --workers=2', ['--seed', '7', '--json', '-', '--workers=2']],
    ['run --seed 3 net.yaml --breakdown ib_send_lat -- -x --', ['--', '-x', '--']],
    ['run net.yaml -- ib_send_lat -q', ['-q']],
    ['run net.yaml ib_send_lat', []],
  ])('%s', async (words, rest) => {
    const options = await optionsOf(words);
    expect(options.programArgs).toEqual(rest);
    expect(options.program).toEqual({ kind: 'builtin', name: 'ib_send_lat' });
    expect(options.topologyFile).toBe('net.yaml');
  });

  it('keeps every word of the program as it is', async () => {
    const words = ['run', 'net.yaml', 'ib_send_lat', '', ' a b ', '-1e3', '007', '"quoted"', '--x.y=1', '--no-z'];
    expect((await heddle(words)).runs[0]?.programArgs).toEqual(words.slice(3));
  });
});

describe('options of a run', () => {
  it('leaves out what is not asked for', async () => {
    expect(await optionsOf('run net.yaml ib_send_lat')).toEqual({
      topology: TOPOLOGY,
      topologyFile: 'net.yaml',
      program: { kind: 'builtin', name: 'ib_send_lat' },
      programArgs: [],
    });
  });

  it.each([
    ['--client a --server=b', { client: 'a', server: 'b' }],
    ['--nodes a,b', { nodes: ['a', 'b'] }],
    ['--nodes z,cpu[1-3],y', { nodes: ['z', 'cpu1', 'cpu2', 'cpu3', 'y'] }],
    ['--seed 0', { seed: 0 }],
    ['--seed 9007199254740991', { seed: 9007199254740991 }],
    ['--placement dedicated', { placement: 'dedicated' }],
    ['--placement pool --workers 4', { placement: 'pool', workers: 4 }],
    ['--workers 1', { workers: 1 }],
    ['--fault one --fault=two', { faults: ['one', 'two'] }],
    ['--allow-cycles --breakdown', { allowCycles: true, breakdown: true }],
    ['--until 5ms', { untilPs: 5e9 }],
    ['--until 1.001ns', { untilPs: 1001 }],
    ['--watchdog 0.5', { watchdogMs: 500 }],
  ])('%s', async (words, expected) => expect(await optionsOf(`run ${words} net.yaml ib_send_lat`)).toMatchObject(expected));

  it('reads captures', async () => {
    const pcap = join(folder, 'a.pcap');
    const options = await optionsOf(`run --pcap ${pcap} --capture cpu1:1 --capture leaf:a:36 net.yaml ib_send_lat`);
    expect(options).toMatchObject({
      captureFile: pcap,
      captures: [
        { name: 'cpu1', port: 1 },
        { name: 'leaf:a', port: 36 },
      ],
    });
  });

  it('takes a file for a program if it looks like one', async () => {
    const program = join(folder, 'mine.ts');
    writeFileSync(program, '');
    expect((await optionsOf(`run net.yaml ${program} -a`)).program).toEqual({ kind: 'file', path: program });
  });
});

describe('mistakes: one line each, all at once, exit code 2, nothing runs', () => {
  it.each([
    ['--sede 3', ['--sede: unknown option of heddle run; did you mean --seed?']],
    ['-a', ['-a: unknown option of heddle run; options of the program stand after PROGRAM']],
    ['--seed 1 --seed 2', ['--seed: is given twice']],
    ['--breakdown=yes', ['--breakdown: takes no value']],
    [
      '--seed 1.5 --until 5 --workers 0',
      [
        '--seed: found "1.5", expected a whole number, at least 0',
        '--workers: found "0", expected a whole number from 1 to 1024',
        '--until: found "5", expected a time such as 100us, in whole picoseconds, at least 1 ps (ps, ns, us, ms, s)',
      ],
    ],
    [
      '--until 0.5ps',
      ['--until: found "0.5ps", expected a time such as 100us, in whole picoseconds, at least 1 ps (ps, ns, us, ms, s)'],
    ],
    [
      '--until 99999999s',
      ['--until: found "99999999s", expected a time such as 100us, in whole picoseconds, at least 1 ps (ps, ns, us, ms, s)'],
    ],
    ['--placement polo', ['--placement: found "polo", expected one of inline, pool, dedicated; did you mean pool?']],
    ['--placement inline --workers 2', ['--workers: has no effect with --placement inline']],
    ['--capture cpu1:1', ['--capture: has no effect without --pcap FILE']],
    [
      '--capture cpu1',
      [
        '--capture: found "cpu1", expected NODE:PORT or SWITCH:PORT, such as cpu1:1 or leaf1:3',
        '--capture: has no effect without --pcap FILE',
      ],
    ],
    ['--nodes a,b --client b', ['--client: has no effect with --nodes, whose second node is the client']],
    ['--nodes cpu[3-1]', ['--nodes: cpu[3-1]: runs backwards']],
    ['--json - --show all', ['--show: has no effect with --json -, which prints nothing else']],
    ['--json=', ['--json: is empty']],
    ['--watchdog 0', ['--watchdog: found "0", expected a number above 0 and at most 86400']],
    [`--json ${join(folder, 'none', 'x.json')}`, [`--json: cannot write ${join(folder, 'none', 'x.json')}: ENOENT`]],
    [`--record ${folder}`, [`--record: ${folder} is a folder`]],
  ])('%s', async (words, lines) => {
    const { exitCode, err, out, runs } = await heddle(`run ${words} net.yaml ib_send_lat`);
    expect(err).toBe(`${lines.join('\n')}\n`);
    expect([exitCode, out, runs.length]).toEqual([2, '', 0]);
  });

  it.each([
    ['run', 'heddle run: TOPOLOGY and PROGRAM are missing; see heddle run --help\n'],
    ['run net.yaml', 'heddle run: PROGRAM is missing; see heddle run --help\n'],
    ['run --seed', '--seed: needs a value, N\nheddle run: TOPOLOGY and PROGRAM are missing; see heddle run --help\n'],
    [
      'run net.yaml ib_send_lta',
      'ib_send_lta: no such program; did you mean ib_send_lat? (heddle list programs names them; a file of yours ends in .ts, .js or .mjs)\n',
    ],
    ['run net.yaml ./none.ts', './none.ts: no such file\n'],
    [
      'run bad.yaml ib_send_lat',
      'bad.yaml:2:1: nodes: is empty\nbad.yaml:9:4: links[0].speed: found "QDX", expected SDR … NDR\n',
    ],
  ])('%s', async (words, err) => expect(await heddle(words)).toMatchObject({ exitCode: 2, err, out: '' }));
});

describe('what is printed', () => {
  const run = '--seed 1 net.yaml ib_send_lat';

  it('the client alone in a program of two sides; the summary and warnings go to standard error', async () => {
    const { out, err } = await heddle(`run ${run}`);
    expect(out).toBe('client line\n');
    expect(err).toMatch(/^warning: something odd\n2\.5 us simulated, 20 packets, .* hash 0123456789abcdef\n0\.12 s of wall time/);
  });

  it('all nodes with --show all, with their names before the lines of the others', async () => {
    expect((await heddle(`run --show all ${run}`)).out).toBe('[cpu1] server line\nclient line\n');
  });

  const peers = [0, 1, 2].map((rank) => ({ timePs: 1, rank, node: `n${rank}`, role: 'peer', text: 'x' }));
  it.each([
    ['', '[n0] x\n[n1] x\n[n2] x\n'],
    ['--show all', '[n0] x\n[n1] x\n[n2] x\n'],
    ['--show client', 'x\n'],
  ])('peers %s', async (words, out) => expect((await heddle(`run ${words} ${run}`, { lines: peers })).out).toBe(out));

  it('one node alone needs no name', async () => {
    expect((await heddle(`run --nodes n0 ${run}`, { lines: peers.slice(0, 1) })).out).toBe('x\n');
  });

  it('the breakdown after the lines', async () => {
    const { out } = await heddle(`run --breakdown ${run}`);
    expect(out).toMatch(/^client line\n\nwhere the time of a message of 2 bytes went/);
  });

  it('a warning where there is nothing to break down', async () => {
    const { err } = await heddle(`run --breakdown ${run}`, { run: async () => ({ ...RESULT, breakdown: [] }) });
    expect(err).toContain('warning: --breakdown: ib_send_lat marked no message to break down\n');
  });
});

describe('--json and --record', () => {
  const promised = { program: 'ib_send_lat', options: { iterations: 1000 }, results: [{ MsgSize: 2 }], run: SUMMARY };

  it('- prints the object and nothing else', async () => {
    expect(JSON.parse((await heddle('run --json - net.yaml ib_send_lat')).out)).toEqual(promised);
    expect(JSON.parse((await heddle('run --json - --breakdown net.yaml ib_send_lat')).out)).toEqual({
      ...promised,
      breakdown: RESULT.breakdown,
    });
  });

  it('FILE holds the object, lines are printed as ever', async () => {
    const file = join(folder, 'result.json');
    const { out } = await heddle(`run --json ${file} net.yaml ib_send_lat`);
    expect(out).toBe(`${LINES[1]!.text}\n`);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(promised);
  });

  it('records', async () => {
    const file = join(folder, 'run.heddle');
    expect((await heddle(`run --record ${file} net.yaml ib_send_lat`)).records).toEqual([file]);
  });
});
