/** xl.cfg files: what each form means, and that every mistake is told with its place. The real xl judges the rest in test/interop/xl-cfg.test.ts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkGuestConfig,
  cpuRangeFault,
  formatCpus,
  formatXlIssues,
  parseRate,
  parseXlConfig,
  resolveCpus,
} from '../../src/hypervisor/toolstack/index.ts';
import { tokenizeXl } from '../../src/hypervisor/toolstack/xl-lexer.ts';

const read = (source: string, strict = false) => parseXlConfig(source, 'g.cfg', { strict });
const lines = (source: string, strict = false) => formatXlIssues(read(source, strict).issues).trimEnd().split('\n');
const config = (source: string) => {
  const { config: whole, issues } = read(`name="g"\n${source}`);
  expect(formatXlIssues(issues)).toBe('');
  return whole!;
};

describe('statements', () => {
  it('names, numbers, texts in both quotes, comments, semicolons, and no end of line at the end', () => {
    const whole = config(`memory = 0x80 # a comment\n\n;vcpus=010; kernel='/boot/"k"' ;\nextra="a\\tb\\\\'\\""`);
    expect(whole).toMatchObject({ memoryMb: 128, vcpus: 8, kernel: '/boot/"k"', extra: 'a\tb\\\'"', cmdline: 'a\tb\\\'"' });
  });

  it('lists over several lines, with a comma at the end, empty', () => {
    expect(config('vif = [\n  "mac=00:16:3e:0:0:1", # first\n\n  "bridge=b",\n]\ndisk=[]').vifs).toEqual([
      { mac: '00:16:3e:00:00:01' },
      { bridge: 'b' },
    ]);
  });

  it('words have their places', () => {
    const { tokens, faults } = tokenizeXl('a.b+=[\t"x",\n 0x1f];# end');
    expect(tokens.map(({ kind, text, line, column }) => `${kind} ${JSON.stringify(text)} ${line}:${column}`)).toEqual([
      'name "a.b" 1:1',
      'sign "+=" 1:4',
      'sign "[" 1:6',
      'text "x" 1:8',
      'sign "," 1:11',
      'newline "\\n" 1:12',
      'text "0x1f" 2:2',
      'sign "]" 2:6',
      'sign ";" 2:7',
      'newline "# end" 2:8',
      'end "" 3:1',
    ]);
    expect(faults).toEqual([]);
  });

  it('+= joins texts and lists; a later setting replaces an earlier one', () => {
    const whole = config('extra="a"\nextra+=" b"\nvif=["bridge=x"]\nvif+=["bridge=y"]\nmemory=1\nmemory=64');
    expect(whole.extra).toBe('a b');
    expect(whole.vifs.map(({ bridge }) => bridge)).toEqual(['x', 'y']);
    expect(whole.memoryMb).toBe(64);
  });

  it.each([
    [
      'name="g"\nmemory=5+3',
      'g.cfg:2:9: found +3, accepted are names in small letters, numbers, texts in quotes, and the signs = += [ ] , ;',
    ],
    ['name="g" vcpus=1', "g.cfg:1:10: found 'vcpus', accepted: a setting, or ; or the end of the line after one"],
    ['name="g"\nvif=["a"\n"b"]', 'g.cfg:3:1: found "b", accepted: , or ] after a value of a list'],
    ['name="g"\nvif=[', 'g.cfg:2:6: found the end of the file, accepted: a text in quotes, a number or ['],
    ['name="g"\nextra="open', 'g.cfg:2:7: found "open, a text without its closing quote on the same line'],
    ['name="g"\nmemory', 'g.cfg:2:7: found the end of the file, accepted: = or += after memory'],
    ['name="g"\nextra="a"\nextra+=["b"]', 'g.cfg:3:1: found += of a list to a text, accepted: a text'],
    ['name="g"\nmemory+=4', 'g.cfg:2:1: memory: found += with a number, accepted is ='],
  ])('%j', (source, message) => expect(lines(source)).toEqual([message]));

  it('numeric escapes are refused, since xl does not decode them', () => {
    expect(lines('name="g"\nextra="ab\\x41"')[0]).toMatch(/^g.cfg:2:10: found the escape \\x in a text, .* does not decode them/);
    expect(lines('name="g"\nextra="\\q"')[0]).toMatch(/^g.cfg:2:8: found the escape \\q in a text/);
  });

  it('Python is recognized', () => {
    const { warnings, issues } = read('import os\nname = "x" + os.name\n');
    expect(issues.map(({ line }) => line)).toEqual([1, 2]);
    expect(warnings[0]?.message).toMatch(/looks like Python/);
  });

  it('all mistakes are told, not only the first', () => {
    const source =
      'memory="x"\nvcpus=0\nvif=["mac=zz", "colour=red", "rate=fast"]\non_crash="explode"\ncpus="0-"\ntype="xx"\nuuid="1"';
    expect(lines(source).map((line) => /^g\.cfg(:\d+:\d+)?: [\w[\]]+/.exec(line)?.[0])).toEqual([
      'g.cfg: name',
      'g.cfg:1:8: memory',
      'g.cfg:2:7: vcpus',
      'g.cfg:3:6: vif[0]',
      'g.cfg:3:16: vif[1]',
      'g.cfg:3:30: vif[2]',
      'g.cfg:4:10: on_crash',
      'g.cfg:5:6: cpus',
      'g.cfg:6:6: type',
      'g.cfg:7:6: uuid',
    ]);
  });

  it('unknown settings are warnings, or mistakes where asked for; known ones without effect only warn', () => {
    const source = 'name="g"\nvnc=1\ncolour="red"\n';
    expect(formatXlIssues(read(source).warnings)).toBe(
      'g.cfg:2:1: vnc: has no effect in a simulation\ng.cfg:3:1: colour: nobody knows this setting; it is ignored\n',
    );
    expect(lines(source, true)).toEqual([
      'g.cfg:3:1: colour: found a setting that nobody knows, accepted are those of xl.cfg(5) and ib',
    ]);
  });

  it('any text gives a configuration or issues, never a throw', () => {
    const words = [
      'name=',
      '"g"',
      '[',
      ']',
      ',',
      '\n',
      ';',
      '=',
      '+=',
      'vif',
      'disk',
      'cpus',
      "'",
      '\\',
      '#',
      '0x',
      '^1',
      'ib',
      'mode=vf',
      'pci',
      ':',
      ' ',
    ];
    const soup = fc.array(fc.oneof(fc.constantFrom(...words), fc.string()), { maxLength: 30 }).map((parts) => parts.join(''));
    const device = fc
      .tuple(fc.constantFrom('vif', 'disk', 'channel', 'pci', 'ib', 'cpus'), fc.string())
      .map(([key, text]) => `name="g"\n${key}=["${text.replace(/[\\"\n]/g, '')}"]`);
    fc.assert(
      fc.property(fc.oneof(soup, device, fc.string({ unit: 'binary' })), fc.boolean(), (source, strict) => {
        const result = read(source, strict);
        expect(result.config === null).toBe(result.issues.length > 0);
        for (const issue of result.issues) expect(issue.message).toMatch(/found|no /);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the whole', () => {
  it('defaults are those of libxl', () => {
    expect(config('')).toMatchObject({
      type: 'pv',
      memoryMb: 32,
      maxMemoryMb: 32,
      vcpus: 1,
      maxVcpus: 1,
      onPoweroff: 'destroy',
      onReboot: 'restart',
      onCrash: 'destroy',
      cpus: [],
      vifs: [],
      ib: [],
    });
  });

  it('cpus for all vCPUs, or for each', () => {
    expect(config('vcpus=2\nmaxvcpus=3\ncpus="0-3,^1"').cpus).toEqual(['0-3,^1', '0-3,^1', '0-3,^1']);
    expect(config('vcpus=2\ncpus=["0","1","2"]').cpus).toEqual(['0', '1']);
  });

  it('command line: cmdline wins over root and extra', () => {
    expect(config('root="/dev/a"\nextra="ro"').cmdline).toBe('root=/dev/a ro');
    expect(config('root="/dev/a"\ncmdline="quiet"').cmdline).toBe('quiet');
  });

  it.each([
    ['maxmem=16\nmemory=32', 'g.cfg:2:8: maxmem: found 16, accepted is at least the memory, 32'],
    ['vcpus=4\nmaxvcpus=2', 'g.cfg:3:10: maxvcpus: found 2, accepted is at least vcpus, 4'],
    [
      'vif=["mac=00:16:3e:00:00:01","mac=00:16:3E:0:0:1"]',
      'g.cfg:2:30: vif[1].mac: found 00:16:3e:00:00:01 of vifs[0] again, accepted is an address for each',
    ],
    ['disk=["/a,raw,xvda","/b,raw,xvda"]', 'g.cfg:2:21: disk[1]: found vdev "xvda" of disks[0] again, accepted is one for each'],
  ])('%j', (source, message) => expect(lines(`name="g"\n${source}`)).toEqual([message]));

  it('a program may say the same, and is told of its mistakes by field', () => {
    expect(
      checkGuestConfig({ name: 'a', vcpus: 2, cpus: '0', vifs: [{ mac: '0:16:3e:0:0:1' }] }, 'top.yaml').config?.cpus,
    ).toEqual(['0', '0']);
    const { issues } = checkGuestConfig({ name: '7', memoryMb: 1.5, ib: [{ mode: 'vf', hca: 0, port: 0, pkey: 1 }] }, 'top.yaml');
    expect(issues.map(({ path }) => path)).toEqual(['name', 'memoryMb', 'ib[0].port']);
  });
});

describe('devices', () => {
  it('ib', () => {
    expect(config('ib=["mode=bypass,hca=1,port=2,pkey=0x8001","mode=vf,backend=dd"]').ib).toEqual([
      { mode: 'bypass', hca: 1, port: 2, pkey: 0x8001 },
      { mode: 'vf', hca: 0, port: 1, pkey: 0xffff, backend: 'dd' },
    ]);
    expect(lines('name="g"\nib=["hca=0"]')).toEqual([
      'g.cfg:2:5: ib[0]: found "hca=0" without a mode, accepted mode=bypass|netfront|vf',
    ]);
  });

  it('InfiniBand behind netback is an interface, once, however often the configuration is checked', () => {
    const whole = config('vif=["bridge=b"]\nib=["mode=netfront,backend=dd","mode=bypass"]');
    expect(whole.vifs).toEqual([{ bridge: 'b' }, { script: 'vif-route', backend: 'dd' }]);
    expect(whole.ib.map(({ mode }) => mode)).toEqual(['bypass']);
    expect(checkGuestConfig(whole, 'again').config).toEqual(whole);
  });

  it('disks by place, by key, and in the old forms', () => {
    const source = 'disk=["/dev/x,raw,xvda,r","vdev=hdc,cdrom","file:/x.img,hda,w","format=qcow2,vdev=xvdb,target=/a,b=c.img"]';
    expect(config(source).disks).toEqual([
      { target: '/dev/x', format: 'raw', vdev: 'xvda', writable: false, cdrom: false },
      { format: 'empty', vdev: 'hdc', writable: false, cdrom: true },
      { target: '/x.img', format: 'raw', vdev: 'hda', writable: true, cdrom: false },
      { target: '/a,b=c.img', format: 'qcow2', vdev: 'xvdb', writable: true, cdrom: false },
    ]);
  });

  it.each([
    ['10Mb/s', 62_500, 50_000],
    ['10MB/s@20ms', 200_000, 20_000],
    ['250Kb/s@1s', 31_250, 1_000_000],
    ['1Gb/s@50', 6_250_000_000, 50_000_000],
    ['100b/s', 0, 50_000],
    ['010B/s@1000000us', 8, 1_000_000],
  ])('rate %s', (text, bytesPerInterval, intervalUs) => expect(parseRate(text)).toEqual({ bytesPerInterval, intervalUs }));

  it.each(['', '10', '10Mb', '0Mb/s', '10Mb/s@', '10Mb/s@0ms', '10Mb/s@1h', '5000000000b/s', '10Tb/s', '08B/s'])(
    'no rate: %j',
    (text) => expect(parseRate(text)).toMatch(/^found the rate/),
  );
});

describe('CPUs', () => {
  const machine = {
    pcpus: 8,
    nodes: [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ],
  };
  it.each([
    ['all', [0, 1, 2, 3, 4, 5, 6, 7]],
    ['0-3,^1', [0, 2, 3]],
    ['3,0-1', [0, 1, 3]],
    ['node:1,^5', [4, 6, 7]],
    ['nodes:0-1,^node:0', [4, 5, 6, 7]],
    ['all,^nodes:1', [0, 1, 2, 3]],
    ['6-20', [6, 7]],
    ['^1', []],
  ])('%s', (text, cpus) => {
    expect(cpuRangeFault(text)).toBeNull();
    expect(resolveCpus(text, machine)).toEqual(cpus);
  });

  it.each(['', ',', '3-1', '1-', '-1', '^all', 'a', 'node:', '1 2', '99999'])('no CPUs: %j', (text) => {
    expect(cpuRangeFault(text)).toMatch(/^found/);
  });

  it('a printed set reads back the same', () => {
    expect(formatCpus([0, 1, 2, 3], 4)).toBe('all');
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(15), { minLength: 1 }), (cpus) => {
        const sorted = [...cpus].sort((a, b) => a - b);
        expect(resolveCpus(formatCpus(sorted, 16), { pcpus: 16 })).toEqual(sorted);
      }),
    );
  });
});
