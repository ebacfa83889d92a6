/**
 * The rules of the house, held by a test. A new rule begins as a line here. Each rule is also tried on a text that breaks it.
 */
import { describe, expect, it } from 'vitest';
import {
  bannedWords,
  exists,
  exportedValues,
  filesBelow,
  findCycle,
  importFaults,
  importsOf,
  lineCount,
  opensWithPurpose,
  resolveImport,
  rootFile,
  type Source,
  withoutComments,
} from './tidy-rules.ts';

/** Who may import whom, types included, by the door alone. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  sim: [],
  wire: [],
  topology: [],
  fabric: ['sim', 'wire'],
  hca: ['sim', 'wire', 'fabric'],
  verbs: ['sim', 'wire', 'hca'],
  subnet: ['sim', 'wire', 'verbs'],
  net: ['sim', 'wire', 'verbs'],
  hypervisor: ['sim'],
  'xen-netfront': ['sim', 'net', 'hypervisor'],
  'xen-netback': ['sim', 'net', 'hypervisor'],
  'xen-ibfront': ['sim', 'verbs', 'hypervisor'],
  'xen-ibback': ['sim', 'verbs', 'hypervisor'],
  programs: ['sim', 'verbs', 'net'],
  report: ['sim', 'wire'],
  cluster: [
    'sim',
    'wire',
    'topology',
    'fabric',
    'hca',
    'verbs',
    'subnet',
    'net',
    'hypervisor',
    'xen-netfront',
    'xen-netback',
    'xen-ibfront',
    'xen-ibback',
    'programs',
    'report',
  ],
  cli: ['cluster', 'topology', 'report', 'sim'],
  // The library's face, src/index.ts.
  '': [
    'sim',
    'wire',
    'topology',
    'fabric',
    'hca',
    'verbs',
    'subnet',
    'net',
    'hypervisor',
    'xen-netfront',
    'xen-netback',
    'xen-ibfront',
    'xen-ibback',
    'programs',
    'report',
    'cluster',
  ],
};

/** Packages and parts of Node that a room may use. Models live on the language alone. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  sim: ['node:worker_threads'],
  topology: ['yaml', 'zod', 'elkjs', 'node:fs', 'node:module', 'node:path'],
  // Message texts of perftest's option parser.
  programs: ['node:util'],
  report: ['hdr-histogram-js', 'node:fs'],
  cluster: [
    'msgpackr',
    'esbuild',
    'node:crypto',
    'node:fs',
    'node:module',
    // Sockets for real tools.
    'node:net',
    'node:os',
    'node:path',
    'node:url',
    'node:util',
    'node:vm',
    'node:worker_threads',
  ],
  cli: ['yargs', 'cli-progress', 'node:fs', 'node:path'],
};

/** Imports that the table forbids, each with its reason. */
const ALLOWED: Readonly<Record<string, { readonly specifier: string; readonly why: string }>> = {
  'src/cluster/program-loader.ts': {
    specifier: '../index.ts',
    why: 'a program of the user finds the library there under its own name',
  },
};

/** Rooms that model: only virtual time passes there, and chance comes from the seed. */
const MODELS = Object.keys(ROOMS).filter((room) => !['', 'cluster', 'cli', 'report'].includes(room));
const CLOCKS = [
  /\bDate\.now\b/,
  /\bnew Date\b/,
  /\bperformance\.now\b/,
  /\bMath\.random\b/,
  /\bsetTimeout\b/,
  /\bsetInterval\b/,
  /\bprocess\.hrtime\b/,
];

const MAX_LINES = 400;
/** Files that may be longer, with the reason. This list only shrinks: a number here is at most 100 above the file's length. */
const LONGER: Readonly<Record<string, { readonly lines: number; readonly why: string }>> = {
  'src/fabric/kernel.ts': {
    lines: 1860,
    why: 'one closure: the compiler takes its arrays for constants only if they are all of one scope',
  },
  'test/fabric/reference.ts': {
    lines: 550,
    why: 'the reference kernel, plain and whole, to be compared with the model in one reading',
  },
};

/** Tests, and the source files that they cover without importing them or what imports them. */
const COVERS: Readonly<Record<string, readonly string[]>> = {
  'test/xen-netback/errors.test.ts': [
    'src/xen-netback/device.ts',
    'src/xen-netback/frontend-keys.ts',
    'src/xen-netback/offload.ts',
    'src/xen-netback/queue.ts',
    'src/xen-netback/receive.ts',
    'src/xen-netback/transmit.ts',
    'src/xen-netback/tx-parse.ts',
  ],
  'test/xen-netback/features.test.ts': ['src/xen-netback/hash-control.ts', 'src/xen-netfront/hash-control.ts'],
  'test/xen-netfront/pair.test.ts': [
    'src/xen-netback/flip.ts',
    'src/xen-netfront/buffers.ts',
    'src/xen-netfront/device.ts',
    'src/xen-netfront/queue.ts',
  ],
  'test/cli/end-to-end.test.ts': ['src/cluster/lists.ts'],
  'test/cluster/determinism.test.ts': [
    'src/cluster/inline-group.ts',
    'src/cluster/thread-channel.ts',
    'src/cluster/worker-group.ts',
    'src/cluster/worker-url.ts',
    'src/cluster/worker.ts',
  ],
  'test/cluster/xen-host.test.ts': [
    'src/cluster/bare-machine.ts',
    'src/cluster/domain-report.ts',
    'src/cluster/guest-ports.ts',
    'src/cluster/host-network.ts',
    'src/cluster/xen-guest.ts',
    'src/cluster/xen-settings.ts',
  ],
  'test/hca/rc-basic.test.ts': ['src/hca/completer.ts', 'src/hca/requester.ts', 'src/hca/respond.ts', 'src/hca/responder.ts'],
  'test/hca/transports.test.ts': ['src/hca/datagram.ts', 'src/hca/port.ts'],
  'test/hca/queues.test.ts': ['src/hca/context-cache.ts'],
  'test/net/stack.test.ts': ['src/net/neighbour.ts'],
  'test/net/tcp-laws.test.ts': ['src/net/tcp-ack.ts', 'src/net/tcp-output.ts', 'src/net/tcp-window.ts'],
  'test/net/tcp-states.test.ts': ['src/net/tcp-close.ts', 'src/net/tcp-input.ts', 'src/net/tcp-timeouts.ts'],
  'test/programs/end-to-end.test.ts': [
    'src/programs/pingpong.ts',
    'src/programs/perftest/atomic.ts',
    'src/programs/perftest/bandwidth.ts',
    'src/programs/perftest/cm.ts',
    'src/programs/perftest/duration.ts',
    'src/programs/perftest/latency.ts',
    'src/programs/perftest/read.ts',
    'src/programs/perftest/run.ts',
    'src/programs/perftest/send.ts',
    'src/programs/perftest/session.ts',
    'src/programs/perftest/work.ts',
    'src/programs/perftest/write.ts',
  ],
  'test/topology/xen.test.ts': ['src/topology/export-xen.ts'],
  'test/topology/load.test.ts': ['src/topology/connect.ts', 'src/topology/settings.ts'],
  'test/verbs/cm.test.ts': ['src/verbs/cm-sidr.ts', 'src/verbs/gsi.ts'],
  'test/verbs/entry-points.test.ts': ['src/verbs/unsupported.ts'],
};
const COVERED_BY = Object.fromEntries(Object.entries(COVERS).flatMap(([test, files]) => files.map((file) => [file, test])));

const source = filesBelow('src');
const tests = filesBelow('test').filter(({ path }) => !path.includes('/fixtures/'));
const tools = ['bench', 'validate', 'examples', 'scripts'].flatMap((folder) => filesBelow(folder));
const texts = ['docs', 'scripts', '.ci', 'topologies', 'bench', 'validate', 'examples'].flatMap((folder) =>
  filesBelow(folder, ['']),
);
const code = [...source, ...tests, ...tools];

describe('rooms', () => {
  it('the table has no cycle and names every room', () => {
    expect(findCycle(new Map(Object.entries(ROOMS)))).toBeUndefined();
    expect(
      [...new Set(source.map(({ path }) => path.split('/')[1]!))].filter((name) => !name.endsWith('.ts') && !(name in ROOMS)),
    ).toEqual([]);
  });

  it('imports follow the table, by doors', () => {
    const faults = source.flatMap((file) => importFaults(file, ROOMS, PACKAGES).map((fault) => ({ path: file.path, fault })));
    const forbidden = faults.filter(
      ({ path, fault }) => ALLOWED[path] === undefined || !fault.endsWith(` ${ALLOWED[path].specifier}`),
    );
    expect(forbidden.map(({ fault }) => fault)).toEqual([]);
  });

  it('no files import each other in a circle', () => {
    const graph = new Map(source.map((file) => [file.path, valueImports(file)]));
    expect(findCycle(graph)?.join(' -> ')).toBeUndefined();
  });

  it('the command line opens the rooms behind it late: a help text waits for no simulator', () => {
    const early = source
      .filter(({ path }) => path.startsWith('src/cli/'))
      .flatMap((file) => valueImports(file).filter((target) => !/^src\/(cli|sim)\//.test(target)));
    expect(early).toEqual([]);
  });

  it('doors only re-export', () => {
    const doors = source.filter(({ path }) => /^src\/[^/]+\/index\.ts$/.test(path));
    const more = doors.filter(
      ({ text }) =>
        withoutComments(text)
          .replace(/export\s+(type\s+)?(\*(\s+as\s+\w+)?|\{[^}]*\})\s+from\s+'[^']+';/g, '')
          .trim() !== '',
    );
    expect(more.map(({ path }) => path)).toEqual([]);
  });
});

function valueImports(file: Source): string[] {
  const values = importsOf(file.text).filter(({ typeOnly, late }) => !typeOnly && !late);
  return values.flatMap(({ specifier }) => resolveImport(file.path, specifier) ?? []);
}

/** Whether a test mirrors `file`, or imports one of its values by name. */
function isTestedDirectly(file: Source): boolean {
  const mirror = file.path.replace(/^src\//, 'test/').replace(/\.ts$/, '.test.ts');
  return tests.some(({ path }) => path === mirror) || exportedValues(file.text).some((name) => namesInTests.has(name));
}
const namesInTests = new Set(tests.flatMap(({ text }) => importsOf(text).flatMap(({ names }) => names)));

describe('files', () => {
  it(`have at most ${MAX_LINES} lines`, () => {
    const long = code.filter(({ path, text }) => lineCount(text) > (LONGER[path]?.lines ?? MAX_LINES));
    expect(long.map(({ path, text }) => `${path}: ${lineCount(text)} lines`)).toEqual([]);
  });

  it('the exceptions to that only shrink', () => {
    const loose = Object.entries(LONGER).filter(([path, { lines }]) => {
      const length = lineCount(code.find((file) => file.path === path)?.text ?? '');
      return length <= MAX_LINES || lines > length + 100;
    });
    expect(loose.map(([path]) => path)).toEqual([]);
  });

  it('open with what they are for', () => {
    expect([...source, ...tools].filter(({ text }) => !opensWithPurpose(text)).map(({ path }) => path)).toEqual([]);
  });

  it('of src are tested: by a test that mirrors them or imports their values, as a part of such a file, or by one named here', () => {
    const direct = new Set(source.filter(isTestedDirectly).map(({ path }) => path));
    const parts = new Set(source.filter(({ path }) => direct.has(path)).flatMap(valueImports));
    const untested = source.filter(({ path, text }) => {
      const isProgram = /\/(main|worker)\.ts$/.test(path);
      if (path in COVERED_BY || (exportedValues(text).length === 0 && !isProgram)) return false;
      return !direct.has(path) && !parts.has(path);
    });
    expect(untested.map(({ path }) => path)).toEqual([]);
  });

  it('named as covered exist, need it, and so do the tests', () => {
    const paths = new Set([...source, ...tests].map(({ path }) => path));
    const stale = Object.entries(COVERED_BY).filter(([path, test]) => !paths.has(path) || !paths.has(test));
    expect(stale.map(([path]) => path)).toEqual([]);
    expect(source.filter((file) => file.path in COVERED_BY && isTestedDirectly(file)).map(({ path }) => path)).toEqual([]);
  });
});

describe('words', () => {
  it('no clock and no chance but the virtual ones in models', () => {
    const models = source.filter(({ path }) => MODELS.some((room) => path.startsWith(`src/${room}/`)));
    expect(models.flatMap((file) => bannedWords(file, CLOCKS))).toEqual([]);
  });

  it('nothing is left for later', () => {
    const later = new RegExp(`\\b(?:${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`);
    expect([...code, ...texts].filter(({ text }) => later.test(text)).map(({ path }) => path)).toEqual([]);
  });

  it('no path of a machine and no registry', () => {
    const places = ['/wor' + 'k/', '/tm' + 'p/', 'registry.npm' + 'js', '"resol' + 'ved"'];
    const files = [...code, ...texts, ...['package.json', 'package-lock.json'].map(rootFile)];
    const found = files.flatMap(({ path, text }) =>
      places.filter((place) => text.includes(place)).map((place) => `${path}: ${place}`),
    );
    expect(found).toEqual([]);
  });
});

describe('documents', () => {
  const documents = [...filesBelow('docs', ['.md']), ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].map(rootFile)];

  it('have one title, on the first line', () => {
    const titles = documents.filter(({ text }) => !text.startsWith('# ') || withoutFences(text).match(/^# /gm)?.length !== 1);
    expect(titles.map(({ path }) => path)).toEqual([]);
  });

  it('link to files that exist', () => {
    const dead = documents.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)]
        .filter((match) => !exists(path, match[1]!))
        .map((match) => `${path}: ${match[1]}`),
    );
    expect(dead).toEqual([]);
  });

  it('what the package lists exists', () => {
    const { files } = JSON.parse(rootFile('package.json').text) as { files: readonly string[] };
    expect(files.filter((file) => file !== 'dist' && !exists('package.json', file))).toEqual([]);
  });
});

function withoutFences(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, '');
}

describe('the rules catch what breaks them', () => {
  const file = (path: string, text: string): Source => ({ path, text });
  const faults = (path: string, text: string) => importFaults(file(path, text), ROOMS, PACKAGES);

  it.each([
    ['src/subnet/a.ts', "import { x } from '../fabric/index.ts';"],
    ['src/subnet/a.ts', "import type { X } from '../fabric/index.ts';"],
    ['src/hca/a.ts', "import {\n  x,\n  type Y,\n} from '../sim/time.ts';"],
    ['src/sim/a.ts', "export * from '../wire/index.ts';"],
    ['src/cli/a.ts', "const x = await import('../hca/index.ts');"],
    ['src/wire/a.ts', "import { readFileSync } from 'node:fs';"],
    ['src/verbs/a.ts', "import '../../test/kit.ts';"],
    ['src/cluster/deep/a.ts', "import x from '../../index.ts';"],
  ])('%s: %s', (path, text) => expect(faults(path, text)).toHaveLength(1));

  it('and let pass what does not', () => {
    expect(faults('src/hca/a.ts', "import { ps } from '../sim/index.ts';\nimport { b } from './b.ts';")).toEqual([]);
    expect(faults('src/subnet/a.ts', "// import { x } from '../fabric/index.ts';\n/* import '../fabric/index.ts'; */")).toEqual(
      [],
    );
  });

  it('cycles, clocks, and files without a purpose', () => {
    expect(
      findCycle(
        new Map([
          ['a', ['b']],
          ['b', ['c']],
          ['c', ['b']],
        ]),
      ),
    ).toEqual(['b', 'c', 'b']);
    expect(
      findCycle(
        new Map([
          ['a', ['b', 'c']],
          ['b', ['c']],
          ['c', []],
        ]),
      ),
    ).toBeUndefined();
    expect(bannedWords(file('a.ts', '// Date.now() is banned\nconst t = performance.now();'), CLOCKS)).toEqual([
      'a.ts: performance.now',
    ]);
    expect(opensWithPurpose("import { x } from './x.ts';\n/** Too late, far too late for this. */")).toBe(false);
    expect(opensWithPurpose('#!/usr/bin/env node\n/** What this is for, in a line. */')).toBe(true);
    expect(
      exportedValues('export const a = 1;\nexport async function b() {}\nexport interface C {}\n// export const d = 1;'),
    ).toEqual(['a', 'b']);
    expect(importsOf("import { a, type B, c as d } from './x.ts';")).toEqual([
      { specifier: './x.ts', typeOnly: false, late: false, names: ['a', 'B', 'c'] },
    ]);
  });
});
