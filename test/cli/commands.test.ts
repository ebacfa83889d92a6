import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/index.ts';
import { generateTopology } from '../../src/topology/index.ts';
import { heddle, SUMMARY, TOPOLOGY } from './stand-in.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('help', () => {
  it.each(['', '--help', '-h', '--help run'])('heddle %s leads to the commands', async (words) => {
    const { exitCode, out, err } = await heddle(words);
    expect([exitCode, err]).toEqual([0, '']);
    for (const { name } of COMMANDS) expect(out).toContain(`heddle ${name} `);
  });

  it.each(COMMANDS.map((command) => [command.name, command] as const))(
    'heddle %s --help names each argument, option and example',
    async (name, command) => {
      for (const words of [`${name} --help`, `${name} -h`]) {
        const { exitCode, out } = await heddle(words);
        expect(exitCode).toBe(0);
        expect(out).toMatch(new RegExp(`^heddle ${name} \\[OPTIONS\\]`));
        for (const positional of command.positionals) expect(out).toContain(positional.name.toUpperCase());
        for (const [option, { value }] of Object.entries(command.options))
          expect(out).toContain(value === undefined ? `--${option} ` : `--${option} ${value}`);
        for (const [example] of command.examples) expect(out).toContain(example);
        for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(120);
      }
    },
  );

  it('heddle topology lists the group', async () => {
    for (const words of ['topology', 'topology --help']) {
      const { exitCode, out } = await heddle(words);
      expect([exitCode, out.includes('heddle topology convert'), out.includes('heddle replay')]).toEqual([0, true, false]);
    }
  });

  it.each(['--version', '-V'])('heddle %s', async (words) =>
    expect(await heddle(words)).toMatchObject({ exitCode: 0, out: '0.1.0\n' }),
  );

  it('every example is a command line that heddle accepts in form', async () => {
    for (const [example] of COMMANDS.flatMap((command) => command.examples)) {
      const { err } = await heddle(
        example
          .replace(/^heddle /, '')
          .replace(/\.\/my-program\.ts/, 'ib_send_lat')
          .replace(/[\w-]+\.(svg|yaml)$/, join(folder, 'x')),
      );
      expect(err, example).not.toMatch(/unknown|missing|unexpected|expected/);
    }
  });
});

describe('topologies that the help speaks of', () => {
  const texts = COMMANDS.flatMap(({ positionals, examples }) => [
    ...positionals.map((one) => one.describe),
    ...examples.map(([example]) => example),
  ]);
  const words = new Set(texts.flatMap((text) => text.match(/[a-z-]+:\w+=[\w=,.]*\w|topologies\/[\w.-]+/g) ?? []));

  it('are files that ship with heddle', () => {
    const files = [...words].filter((word) => word.startsWith('topologies/'));
    expect(files.length).toBeGreaterThan(2);
    for (const file of files) expect(existsSync(new URL(`../../${file}`, import.meta.url)), file).toBe(true);
  });

  it('are generators that exist, with parameters that they take', () => {
    const specs = [...words].filter((word) => /^[a-z-]+:\w+=/.test(word));
    expect(specs.length).toBeGreaterThan(2);
    for (const spec of specs) expect(generateTopology(spec).nodes.length, spec).toBeGreaterThan(1);
  });
});

describe('unknown commands', () => {
  it.each([
    ['rum x', 'heddle: unknown command rum; did you mean run? (commands: run, top, traffic, topology, list, replay)\n'],
    [
      'topology shwo x',
      'heddle: unknown command topology shwo; did you mean topology show? (commands: topology check, topology show, topology convert)\n',
    ],
    [
      '--seed 3 run',
      'heddle: unknown option --seed; options of a command stand after its name (commands: run, top, traffic, topology, list, replay)\n',
    ],
    ['list a b', 'b: unexpected argument of heddle list\n'],
    ['replay', 'heddle replay: RECORD is missing; see heddle replay --help\n'],
  ])('%s', async (words, err) => expect(await heddle(words)).toMatchObject({ exitCode: 2, err, out: '' }));
});

describe('heddle traffic', () => {
  it('fills in the defaults that the help states', async () => {
    const { traffic, out, err } = await heddle('traffic net.yaml --load 0.9');
    const { onProgress: _, ...options } = traffic[0]!;
    const stated = { pattern: 'uniform', load: 0.9, messageBytes: 2048, durationPs: 100e6, warmupPs: 20e6 };
    expect(options).toEqual({ topology: TOPOLOGY, topologyFile: 'net.yaml', ...stated });
    expect(out).toMatch(/^uniform, 16 hosts, offered 90\.0 %\n/);
    expect(err).toContain('hash 0123456789abcdef');
  });

  it.each([
    ['--pattern shift --shift 3 --closed-loop 8', { pattern: 'shift', shift: 3, closedLoop: 8 }],
    ['--pattern hot-spot --target n1 --hot-share 0.25 --load 1', { pattern: 'hot-spot', target: 'n1', hotShare: 0.25, load: 1 }],
    ['--load .5 --size 4KiB --for 1ms --warmup 0us', { load: 0.5, messageBytes: 4096, durationPs: 1e9, warmupPs: 0 }],
    [
      '--load 1 --nodes a,cpu[1-3] --seed 4 --fault x --allow-cycles',
      { nodes: ['a', 'cpu1', 'cpu2', 'cpu3'], seed: 4, faults: ['x'], allowCycles: true },
    ],
  ])('%s', async (words, expected) => expect((await heddle(`traffic ${words} net.yaml`)).traffic[0]).toMatchObject(expected));

  it.each([
    ['', '--load: give either --load SHARE or --closed-loop N'],
    ['--load 1 --closed-loop 2', '--load: give either --load SHARE or --closed-loop N'],
    ['--load 1.1', '--load: found "1.1", expected a number above 0 and at most 1'],
    ['--load 1 --shift 2', '--shift: has no effect with --pattern uniform'],
    ['--load 1 --pattern incast --hot-share 0.5', '--hot-share: has no effect with --pattern incast'],
    ['--load 1 --size 0', '--size: found "0", expected a size from 1 to 4096 bytes, such as 2048 or 4KiB'],
    ['--load 1 --links 3 --json -', '--links: has no effect with --json -, which prints nothing else'],
  ])('refuses %s', async (words, line) =>
    expect(await heddle(`traffic net.yaml ${words}`)).toMatchObject({ exitCode: 2, err: `${line}\n` }),
  );

  it('writes JSON and the percentile file', async () => {
    const file = join(folder, 'latency.hgrm');
    const { out } = await heddle(`traffic net.yaml --load 1 --json - --histogram ${file}`);
    expect(JSON.parse(out)).toMatchObject({ pattern: 'uniform', acceptedLoad: 0.85, run: SUMMARY });
    expect(readFileSync(file, 'utf8')).toMatch(/Total count\s+=\s+1000\]/);
  });
});

describe('heddle topology', () => {
  it('checks', async () => {
    const { out, err, checks } = await heddle('topology check net.yaml --allow-cycles', { warn: true });
    expect(out).toBe('all nodes reach each other\n');
    expect(err).toBe('warning: net.yaml:3:5: links[0]: is loose\nwarning: a warning\n');
    expect(checks).toEqual([{ allowCycles: true }]);
  });

  it('shows and draws', async () => {
    const svg = join(folder, 'net.svg');
    expect((await heddle(`topology show net.yaml --svg ${svg}`)).out).toBe('describes stand-in\n');
    expect(readFileSync(svg, 'utf8')).toBe('<svg/>\n');
    expect((await heddle('topology show net.yaml --svg -')).out).toBe('<svg/>\n');
  });

  it('converts', async () => {
    const file = join(folder, 'net.json');
    expect((await heddle('topology convert net.yaml --to ibsim')).out).toBe('as ibsim\n');
    expect((await heddle(`topology convert net.yaml --to json --output ${file}`)).out).toBe('');
    expect(readFileSync(file, 'utf8')).toBe('as json\n');
  });

  it.each([
    ['topology convert net.yaml', '--to: is missing; one of yaml, json, ibnetdiscover, ibsim'],
    [
      'topology convert net.yaml --to jsno',
      '--to: found "jsno", expected one of yaml, json, ibnetdiscover, ibsim; did you mean json?',
    ],
    ['topology check bad.yaml', 'bad.yaml:2:1: nodes: is empty\nbad.yaml:9:4: links[0].speed: found "QDX", expected SDR … NDR'],
  ])('refuses %s', async (words, lines) => expect(await heddle(words)).toMatchObject({ exitCode: 2, err: `${lines}\n` }));
});

describe('heddle list', () => {
  it('prints one list or all', async () => {
    expect((await heddle('list programs')).out).toBe(
      'programs\n  ib_send_lat  latency of sends\n  ib_write_bw  bandwidth of writes\n',
    );
    const { out } = await heddle('list');
    expect(out.match(/^\w+$/gm)).toEqual(['programs', 'profiles', 'switches', 'generators']);
  });

  it('prints JSON', async () => {
    expect(JSON.parse((await heddle('list generators --json')).out)).toEqual({
      generators: [
        { name: 'generator-1', summary: 'the first' },
        { name: 'generator-22', summary: 'the second' },
      ],
    });
  });

  it('knows its lists', async () => {
    const err = 'profile: no such list; there are programs, profiles, switches, generators; did you mean profiles?\n';
    expect(await heddle('list profile')).toMatchObject({ exitCode: 2, err });
  });
});

describe('heddle replay', () => {
  it('runs where it is told to', async () => {
    const { replays, err } = await heddle('replay a.heddle --placement pool --workers 3');
    expect(replays).toMatchObject([{ placement: 'pool', workers: 3 }]);
    expect(err).toContain('hash 0123456789abcdef');
    expect((await heddle('replay a.heddle --placement inline --workers 3')).exitCode).toBe(2);
  });

  it('says whether the hash is the same', async () => {
    expect(await heddle('replay a.heddle')).toMatchObject({ exitCode: 0, out: 'recorded in a.heddle\nsame hash, aaaa\n' });
    const out = 'recorded in a.heddle\nanother hash: recorded aaaa, now bbbb\n  another version\n';
    expect(await heddle('replay a.heddle', { matches: false })).toMatchObject({ exitCode: 1, out });
  });
});
